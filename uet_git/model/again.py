"""Whether a patch brings lines again that were held before: by what it adds and removes, whatever is around (DESIGN 4).

Context, place, message and blanks at the ends of lines play no part. A line that only moves inside a patch is not one
of its lines.
"""

from collections.abc import Collection
from typing import Any

from uet_git.model.added import added_lines, removed_lines
from uet_git.model.records import FileChange, Patch

Line = tuple[bytes, bytes]
"""A path, and a line with its mark; a word on the operation where a file changes without lines."""


def lines_of(patch: Patch) -> frozenset[Line]:
    """What a patch adds and removes."""
    return frozenset(line for change in patch.changes for line in _of_change(change))


def _of_change(change: FileChange) -> set[Line]:
    path = change.path
    plus = {b for b in map(bytes.strip, added_lines(change).split(b"\n")) if b}
    minus = {b for b in map(bytes.strip, removed_lines(change).split(b"\n")) if b}
    found = {(path, b"+" + b) for b in plus - minus} | {(path, b"-" + b) for b in minus - plus}
    if change.binary is not None:
        found.add((path, b"=" + change.binary.data))
    if not change.hunks and change.binary is None:
        said = f"{change.op} {change.old_path!r} {change.old_mode} {change.new_mode}"
        found.add((path, b"*" + said.encode()))
    return found


def offending(lines: frozenset[Line], findings: Collection[dict[str, Any]]) -> frozenset[Line]:
    """The lines that an entry was held for: those of the files that findings name, or all if one names none."""
    paths = {f["path"] for f in findings}
    if not paths or None in paths:
        return lines
    named = frozenset(x for x in lines if x[0].decode("utf-8", "backslashreplace") in paths)
    return named or lines


def is_again(new: frozenset[Line], old: frozenset[Line], bad: frozenset[Line]) -> bool:
    """Whether a patch is a piece of an old one that has some of its bad lines, or has all of them itself."""
    if not new or not bad:
        return False
    return bool(new & bad) and (new <= old or bad <= new)
