"""Two readings of a file for a three-way merge of hunks that do not fit it: as the hunks expect it and as they make it.

Where a hunk's old lines stand in the file they are replaced there; where they do not, they take the place of the lines
that the hunk names, so that the merge shows both sides there. Nothing of this ever lands by itself.
"""

from collections.abc import Sequence

from uet_git.model.records import Hunk


def around(content: bytes, hunks: Sequence[Hunk]) -> tuple[bytes, bytes]:
    """What the hunks expect of `content`, and what they make of that."""
    lines = content.splitlines(keepends=True)
    before: list[bytes] = []
    after: list[bytes] = []
    at = 0
    for hunk in hunks:
        old = hunk.old.splitlines(keepends=True)
        named = max(hunk.old_start - 1, 0)
        start = _place(lines, old, named, at)
        if start is None:
            start = min(max(named, at), len(lines))
            until = min(start + len(old), len(lines))
        else:
            until = start + len(old)
        before += [*lines[at:start], hunk.old]
        after += [*lines[at:start], hunk.new]
        at = until
    return b"".join([*before, *lines[at:]]), b"".join([*after, *lines[at:]])


def _place(lines: Sequence[bytes], old: Sequence[bytes], named: int, first: int) -> int | None:
    """Where the old lines stand nearest to where they are said to be, not before `first`."""
    last = len(lines) - len(old)
    if not old or last < first:
        return None
    places = [n for n in range(first, last + 1) if lines[n : n + len(old)] == list(old)]
    return min(places, key=lambda n: abs(n - named), default=None)
