"""Text hunks: from the bytes behind a file header to `Hunk`s with both images, without a loop over lines.

Lines are counted by their first character. A hunk whose run of lines agrees with its header at once (nearly all do) is
done; else its end is where the counts are used up, found by halving, which is where git stops reading it.
"""

import re
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Hunk
from uet_git.model.refusal import Refused

_HEADER: Final = late(
    rb"@@ -([0-9]{1,10})(?:,([0-9]{1,10}))? \+([0-9]{1,10})(?:,([0-9]{1,10}))? @@[^\n]*\n"
)
_RUN_END: Final = late(rb"\n(?=[^ +\-\\\n])")
_ADDED: Final = late(rb"\n\+[^\n]*+(?:\n\+[^\n]*+)*+")
_REMOVED: Final = late(rb"\n-[^\n]*+(?:\n-[^\n]*+)*+")
_CHANGED: Final = late(rb"\n[+-]")
# git overlooks a shorter marker at the end of the input
_MARKER: Final = late(rb"\n\\ [^\n]{11,}(?=\n)")
_MARKER_LINE: Final = late(rb"\\ [^\n]{11,}(?:\n|\Z)")
_OTHER: Final = {b"+": b"\n-", b"-": b"\n+"}
_SIGNATURE: Final = b"\n-- \n"
_LF: Final = 10
_LARGEST: Final = 2**31 - 1


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
    while data.startswith(b"@@ -", at):
        if len(hunks) >= room:
            raise Refused("size.hunks", "", at)
        old_start, old_count, new_start, new_count, start = _numbers(data, at)
        end, added, removed = _extent(data, at, start, old_count, new_count)
        if not added and not removed:
            raise Refused("parse.hunk_body", "the hunk changes nothing", at)
        if data.find(b"\n\\", start - 1, end) < 0:
            images = _images(data, start - 1, end, added, removed, old_count - removed)
        else:
            images = _marked_images(data, start - 1, end, added, removed, old_count - removed)
        old, new, leading, trailing = images
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


def _extent(
    data: bytes, header: int, start: int, old_count: int, new_count: int
) -> tuple[int, int, int]:
    """Returns where the hunk's lines end, and how many of them add and remove. Raises: Refused."""
    before = start - 1
    found = _RUN_END.search(data, before)
    end = found.start() + 1 if found else data.rfind(b"\n", before) + 1
    likely = _without_trailer(data, start, end)
    added = data.count(b"\n+", before, likely - 1)
    removed = data.count(b"\n-", before, likely - 1)
    kept = data.count(b"\n", before, likely - 1) - added - removed
    if (
        kept + removed == old_count
        and kept + added == new_count
        and data.find(b"\n\\", before, likely) < 0
        and not data.startswith(b"\\", likely)
    ):
        return likely, added, removed
    counts = _Counts(data, start)
    counts.advance(end)
    if counts.old < old_count or counts.new < new_count:
        cut = found is None
        raise _short(data, header, end, old_count - counts.old, new_count - counts.new, cut=cut)
    counts = _used_up(data, start, end, old_count, new_count)
    if (counts.old, counts.new) != (old_count, new_count):
        raise Refused("parse.hunk_body", "", header)
    end = counts.end
    if data.startswith(b"\\", end):
        marker = _MARKER_LINE.match(data, end)
        if marker is None:
            raise Refused("parse.hunk_body", "a line says `no newline` in an unknown way", end)
        end = marker.end()
    return end, counts.added, counts.removed


class _Counts:
    """How many lines of each kind there are from `start` to `end`, both at starts of lines."""

    __slots__ = ("added", "data", "end", "kept", "removed")

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.end = start
        self.added = self.removed = self.kept = 0

    @property
    def old(self) -> int:
        return self.kept + self.removed

    @property
    def new(self) -> int:
        return self.kept + self.added

    def advance(self, end: int) -> None:
        """Counts the lines up to `end` too."""
        if end <= self.end:
            return
        span = self.end - 1, end - 1
        added, removed = self.data.count(b"\n+", *span), self.data.count(b"\n-", *span)
        markers = self.data.count(b"\n\\", *span)
        self.kept += self.data.count(b"\n", *span) - added - removed - markers
        self.added += added
        self.removed += removed
        self.end = end

    def copy(self) -> "_Counts":
        other = _Counts(self.data, self.end)
        other.added, other.removed, other.kept = self.added, self.removed, self.kept
        return other


def _used_up(data: bytes, start: int, end: int, old_count: int, new_count: int) -> _Counts:
    """Counts up to the first line with which both sides have all their lines; `end` is behind it."""
    low = _Counts(data, start)
    if not old_count and not new_count:
        return low
    while True:
        middle = (low.end + end) >> 1
        line = data.find(b"\n", middle, end - 1) + 1 or data.rfind(b"\n", low.end, middle) + 1
        if not line:  # one line is left
            low.advance(end)
            return low
        counts = low.copy()
        counts.advance(line)
        if counts.old >= old_count and counts.new >= new_count:
            end = line
        else:
            low = counts


def _without_trailer(data: bytes, start: int, end: int) -> int:
    """Returns where a run of lines ends without the mail signature and the blank lines that may follow a patch."""
    if data.startswith(_SIGNATURE, end - len(_SIGNATURE)):
        end -= len(_SIGNATURE) - 1
    if data.startswith(b"\n\n", end - 2):
        end = min(end, start + len(data[start:end].rstrip(b"\n")) + 1)
    return max(end, start)


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


def _marked_images(
    data: bytes, before: int, end: int, added: int, removed: int, kept: int
) -> tuple[bytes, bytes, int, int]:
    """The same for lines with markers (`\\ No newline...`): each stands behind the last line of its side or sides."""
    region = data[before:end] if data[end - 1] == _LF else data[before:end] + b"\n"
    misplaced = Refused("parse.hunk_body", "a line says `no newline` out of place", before + 1)
    sides: dict[int, bytes] = {}
    while found := _MARKER.search(region):
        at = found.start()
        line = region.rfind(b"\n", 0, at) + 1
        if len(sides) == 2 or line + 1 >= at or at in sides:
            raise misplaced
        sides[at] = region[line : line + 1]
        region = region[:at] + region[found.end() :]
    if b"\n\\" in region:
        raise misplaced
    old, new, leading, trailing = _images(region, 0, len(region), added, removed, kept)
    open_old = open_new = False
    for at, sign in sides.items():
        behind = region.count(b"\n", at, len(region) - 1)
        if behind and (sign == b" " or region.count(_OTHER[sign], at) != behind):
            raise misplaced
        open_old = open_old or sign != b"+"
        open_new = open_new or sign != b"-"
    return old[: -1 if open_old else None], new[: -1 if open_new else None], leading, trailing


def _short(
    data: bytes, header: int, end: int, old_left: int, new_left: int, *, cut: bool
) -> Refused:
    """The lines ended before the counts did: the input was cut, or the counts are wrong.

    At the end of the input both look alike, unless only one side lacks lines behind trailing context.
    """
    last_line = data[data.rfind(b"\n", 0, end - 1) + 1 : end]
    behind_context = end == len(data) and last_line[:1] in (b" ", b"\n")
    if not cut or old_left < 0 or new_left < 0 or (behind_context and not (old_left and new_left)):
        return Refused("parse.hunk_body", "", header)
    return Refused("parse.truncated", "", header)
