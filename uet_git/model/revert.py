"""What a revert says: its message, as `git revert` writes it, and where its hunks stand today."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from uet_git.model import message
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

_DIFF: Final = late(rb"^diff --git ", re.MULTILINE)
_HUNK: Final = late(rb"^@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", re.MULTILINE)


class Undone(NamedTuple):
    """A commit that is rolled back: its id, its parents, its whole message, the label of its entry."""

    commit: str
    parents: tuple[str, ...]
    message: bytes
    label: str


class Span(NamedTuple):
    """One place where a file changed: `old_count` lines from line `old` became `new_count` lines from line `new`.

    A count of 0 means that nothing is there; the line is then the one before.
    """

    old: int
    old_count: int
    new: int
    new_count: int


def message_of(undone: Sequence[Undone], reason: str) -> str:
    """The message of a commit that rolls these back, newest first: the subject quoted, each commit named, and why."""
    first, *others = undone
    title = f'Revert "{subject(first.message)}"'
    if others:
        title += f" and {len(others)} more"
    body = "\n".join(_said(one, listed=bool(others)) for one in undone)
    labels = ", ".join(one.label for one in undone)
    change = "change" if not others else "changes"
    return f"{title}\n\n{body}\n\nRolls back {change} {labels}: {reason.strip()}\n"


def subject(text: bytes) -> str:
    """The subject of a commit message."""
    return message.title(text).decode("utf-8", "backslashreplace") or "(no message)"


def _said(undone: Undone, *, listed: bool) -> str:
    said = f"This reverts commit {undone.commit}"
    if len(undone.parents) > 1:
        said += f", reversing\nchanges made to {undone.parents[0]}"
    return f"{said} ({subject(undone.message)})." if listed else f"{said}."


def spans(diff: bytes) -> list[Span]:
    """The changed places of one file's diff without context (-U0), in order."""
    found = []
    for mark in _HUNK.finditer(diff):
        counts = [1 if mark[n] is None else int(mark[n][1:]) for n in (2, 4)]
        found.append(Span(int(mark[1]), counts[0], int(mark[3]), counts[1]))
    return found


def moved(line: int, changed: Iterable[Span]) -> int:
    """Where a line stands once the places before it have changed."""
    return line + sum(
        s.new_count - s.old_count for s in changed if s.old + max(s.old_count - 1, 0) < line
    )


def aimed(diff: bytes, changed: Mapping[int, Sequence[Span]]) -> bytes:
    """A diff whose hunks name the lines where they stand now; `changed` tells by file (its place in the diff, from 0)
    what changed there since. Only numbers differ."""
    starts = [m.start() for m in _DIFF.finditer(diff)]
    pieces = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(diff)], strict=True)):
        piece = diff[start:end]
        if changed.get(number):
            piece = _HUNK.sub(lambda m, n=number: _header(m, changed[n]), piece)  # type: ignore[misc]
        pieces.append(piece)
    return diff[: starts[0]] + b"".join(pieces) if starts else diff


def _header(mark: re.Match[bytes], changed: Sequence[Span]) -> bytes:
    old, new = int(mark[1]), int(mark[3])
    shift = moved(old, changed) - old
    return b"@@ -%d%b +%d%b @@" % (
        max(old + shift, 0),
        mark[2] or b"",
        max(new + shift, 0),
        mark[4] or b"",
    )


def touches(changed: Sequence[Span], line: int, count: int) -> bool:
    """Whether a change falls into `count` lines from `line`, or between two of them."""
    end = line + count
    for span in changed:
        if span.old_count and span.old < end and span.old + span.old_count > line:
            return True
        if not span.old_count and line <= span.old < end - 1:
            return True
    return False
