"""Text hunks: from the bytes behind a file header to `Hunk`s, with both images, at the speed of `bytes.count`.

A hunk whose run of lines agrees with its header at once (nearly all do) never meets a loop over lines; any other
is read line by line, exactly as git reads it, to the same result or to the refusal that fits.
"""

import re
from typing import Final, NamedTuple

from uet_git.model.records import Hunk
from uet_git.model.refusal import Refused

_HEADER: Final = re.compile(
    rb"@@ -([0-9]{1,10})(?:,([0-9]{1,10}))? \+([0-9]{1,10})(?:,([0-9]{1,10}))? @@[^\n]*\n"
)
_RUN_END: Final = re.compile(rb"\n(?=[^ +\-\\\n])")
_ADDED: Final = re.compile(rb"\n\+[^\n]*+(?:\n\+[^\n]*+)*+")
_REMOVED: Final = re.compile(rb"\n-[^\n]*+(?:\n-[^\n]*+)*+")
_CHANGED: Final = re.compile(rb"\n[+-]")
_SIGNATURE: Final = b"-- \n"
_LARGEST: Final = 2**31 - 1
_SHORTEST_MARKER: Final = 13  # bytes; git overlooks shorter ones at the end of the input


class Hunks(NamedTuple):
    """The hunks of one file and where they end: the offset behind them."""

    hunks: tuple[Hunk, ...]
    end: int
    insertions: int
    deletions: int


def read_hunks(data: bytes, at: int, line: int, room: int) -> Hunks:
    """Reads the hunks that begin at `at`, which is in line `line` (1-based).

    Raises: Refused, also if there are more than `room`.
    """
    hunks: list[Hunk] = []
    insertions = deletions = 0
    size = len(data)
    while data.startswith(b"@@ -", at):
        if len(hunks) >= room:
            raise Refused("size.hunks", "", at)
        old_start, old_count, new_start, new_count, start = _numbers(data, at)
        before = start - 1
        found = _RUN_END.search(data, before)
        whole = end = found.start() + 1 if found else size
        if data.startswith(_SIGNATURE, end - 4):
            end -= 4
        while data.startswith(b"\n\n", end - 2) and end > start + 1:
            end -= 1
        last = end - 1
        added = data.count(b"\n+", before, last)
        removed = data.count(b"\n-", before, last)
        kept = data.count(b"\n", before, last) - added - removed
        if (
            kept + removed == old_count
            and kept + added == new_count
            and added + removed
            and data.find(b"\n\\", before, last) < 0
            and data[last] == 10
        ):
            old, new, leading, trailing = _images(data, before, end, added, removed, kept)
        else:
            read = _read_slowly(data, start, whole, at, old_count, new_count)
            old, new, leading, trailing, added, removed, end = read
        body = data[start:end]
        hunks.append(
            Hunk(
                old_start, old_count, new_start, new_count, old, new, leading, trailing, body, line
            )
        )
        insertions += added
        deletions += removed
        line += data.count(b"\n", at, end)
        at = end
    return Hunks(tuple(hunks), at, insertions, deletions)


def _numbers(data: bytes, at: int) -> tuple[int, int, int, int, int]:
    found = _HEADER.match(data, at)
    if found is None:
        code = "parse.hunk_header" if data.find(b"\n", at) >= 0 else "parse.truncated"
        raise Refused(code, "", at)
    a, b, c, d = found.groups()
    numbers = int(a), 1 if b is None else int(b), int(c), 1 if d is None else int(d)
    if max(numbers) > _LARGEST:
        raise Refused("parse.hunk_header", "a number is out of range", at)
    return *numbers, found.end()


def _images(
    data: bytes, before: int, end: int, added: int, removed: int, kept: int
) -> tuple[bytes, bytes, int, int]:
    """Reads the lines of `data[before + 1:end]`, whose numbers are known. Returns old, new, leading and trailing."""
    if not kept:
        head, change, tail, leading, trailing = b"", data[before : end - 1], b"\n", 0, 0
    else:
        found = _CHANGED.search(data, before, end)
        assert found is not None
        first = found.start()
        last = data.rfind(b"\n+", first, end) if added else -1
        if removed:
            last = max(last, data.rfind(b"\n-", first, end))
        behind = data.find(b"\n", last + 1)
        leading, trailing = data.count(b"\n", before, first), data.count(b"\n", behind, end - 1)
        head = data[before:first].replace(b"\n ", b"\n")
        tail = data[behind:end].replace(b"\n ", b"\n")
        change = data[first:behind]
    inside = kept - leading - trailing
    old = _one_side(change, b"\n-", _ADDED if added else None, inside) if removed or inside else b""
    new = (
        _one_side(change, b"\n+", _REMOVED if removed else None, inside) if added or inside else b""
    )
    return (head + old + tail)[1:], (head + new + tail)[1:], leading, trailing


def _one_side(change: bytes, sign: bytes, other: re.Pattern[bytes] | None, inside: int) -> bytes:
    """Returns the lines of one side; every line keeps the line feed before it, not the one behind it."""
    if other is not None:
        change = other.sub(b"", change)
    if inside:
        # two steps, because the first one's result must not be read again by the other
        return change.replace(sign, b"\n ").replace(b"\n ", b"\n")
    return change.replace(sign, b"\n")


class _Side:
    """One image while it grows. After a line without its line feed there can be no other."""

    __slots__ = ("closed", "left", "lines")

    def __init__(self, left: int) -> None:
        self.left = left
        self.lines: list[bytes] = []
        self.closed = False

    def take(self, content: bytes) -> bool:
        self.left -= 1
        self.lines.append(content)
        return self.left >= 0 and not self.closed

    def cut(self) -> bool:
        if self.closed or not self.lines or self.lines[-1] == b"\n":
            return False
        self.closed = True
        self.lines[-1] = self.lines[-1][:-1]
        return True


def _read_slowly(
    data: bytes, start: int, end: int, header: int, old_count: int, new_count: int
) -> tuple[bytes, bytes, int, int, int, int, int]:
    """Reads a hunk line by line. Returns old, new, leading, trailing, added, removed and the end."""
    old, new = _Side(old_count), _Side(new_count)
    added = removed = leading = trailing = 0
    at = start
    last = b""
    for raw in data[start:end].split(b"\n"):
        if not old.left and not new.left and (raw[:1] != b"\\" or last == b"\\"):
            break
        if at >= end:
            raise _short(data, header, end, old.left, new.left, last)
        stop = at + len(raw) + 1
        sign = raw[:1]
        if sign == b"\\":
            if not _marker_fits(data, raw, at) or not _cut(last, old, new):
                raise Refused("parse.hunk_body", "a line says `no newline` out of place", at)
            stop = min(stop, len(data))
        elif stop > end:
            raise Refused("parse.truncated", "", at)
        elif not _take(sign, raw[1:] + b"\n", old, new):
            raise Refused("parse.hunk_body", "", at)
        elif sign in (b"+", b"-"):
            added += sign == b"+"
            removed += sign == b"-"
            trailing = 0
        else:
            leading += not (added or removed)
            trailing += 1
        last = sign
        at = stop
    if old.left or new.left:
        raise _short(data, header, end, old.left, new.left, last)
    if not added and not removed:
        raise Refused("parse.hunk_body", "the hunk changes nothing", header)
    return b"".join(old.lines), b"".join(new.lines), leading, trailing, added, removed, at


def _take(sign: bytes, content: bytes, old: _Side, new: _Side) -> bool:
    if sign == b"-":
        return old.take(content)
    if sign == b"+":
        return new.take(content)
    return old.take(content) and new.take(content)


def _cut(last: bytes, old: _Side, new: _Side) -> bool:
    """Takes the line feed from the line before a marker; a line is the last of each side that it is on."""
    if last == b"\\" or not (old.lines or new.lines):
        return False
    if last == b"-":
        return not old.left and old.cut()
    if last == b"+":
        return not new.left and new.cut()
    return not old.left and not new.left and old.cut() and new.cut()


def _marker_fits(data: bytes, raw: bytes, at: int) -> bool:
    return raw.startswith(b"\\ ") and len(raw) >= _SHORTEST_MARKER and at < len(data)


def _short(
    data: bytes, header: int, end: int, old_left: int, new_left: int, last: bytes
) -> Refused:
    """The lines ended before the counts did: the input was cut, or the counts are wrong.

    At the end of the input both look alike, unless only one side lacks lines behind trailing context.
    """
    counts_wrong = last not in (b"+", b"-", b"\\") and not (old_left and new_left)
    if end < len(data) or counts_wrong:
        return Refused("parse.hunk_body", "", header)
    return Refused("parse.truncated", "", header)
