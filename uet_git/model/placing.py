"""Where a hunk goes when it is not simply the next one at its expected line: git's search, in full.

The image is the base cut into segments: gaps (lines of the base that no hunk has touched) and patched text, which no
later hunk can match. Lines are 0-based here. A line's number in the image moves with what was patched before it.
"""

from array import array
from bisect import bisect_right
from itertools import accumulate, islice

from uet_git.model.records import Hunk
from uet_git.model.work import STEP, Work

_NEAR = 32  # lines on either side that are tried one by one, in git's order


_GROWTH = 8  # how much wider every further search is
_ONE_MORE = (1).__add__
_LINE = 25  # units that a line of the table counts
_CHUNK = 1 << 20  # bytes


def _line_starts(base: bytes) -> "array[int]":
    """Returns the offset of every line, and the end."""
    starts = array("Q", [0])
    at = 0
    while at < len(base):
        end = base.find(b"\n", at + _CHUNK) + 1 or len(base)
        lines = base[at:end].split(b"\n")
        if not lines[-1]:
            lines.pop()
        lengths = map(len, lines)
        starts.extend(islice(accumulate(map(_ONE_MORE, lengths), initial=at), 1, None))
        at = end
    starts[-1] = len(base)
    return starts


class Image:
    """One file while hunks are put into it."""

    def __init__(self, base: bytes, work: Work) -> None:
        self.base = base
        self.work = work
        work.spend(len(base) + base.count(b"\n") * _LINE)
        self.starts = _line_starts(base)
        count = len(self.starts) - 1
        # parallel lists, one item a segment: first line in the image, range of base lines, text of patched ones
        self.first = [0] if count else []
        self.ranges = [(0, count)] if count else []
        self.texts: list[bytes | None] = [None] if count else []
        self.count = count

    def content(self) -> bytes:
        """Returns the whole image."""
        base, starts = self.base, self.starts
        return b"".join(
            base[starts[a] : starts[b]] if text is None else text
            for (a, b), text in zip(self.ranges, self.texts, strict=True)
        )

    def ends_open(self) -> bool:
        """Tells whether the last line lacks its line feed."""
        if not self.count:
            return False
        text = self.texts[-1]
        if text is None:
            return self.ranges[-1][1] == len(self.starts) - 1 and not self.base.endswith(b"\n")
        return not text.endswith(b"\n")

    def place(self, hunk: Hunk, expected: int) -> int:
        """Puts one hunk in. Returns the line that it was put at, or -1 if it fits nowhere.

        Raises: OverBudget.
        """
        if not hunk.old_count:
            return self._append(hunk, expected)
        at_start, at_end = hunk.old_start <= 1, not hunk.trailing
        if not hunk.old.endswith(b"\n"):
            found = self._open_end(hunk, expected)
        elif at_start or at_end:
            found = 0 if at_start else self.count - hunk.old_count
            if (at_start and at_end and self.count != hunk.old_count) or not self._fits(
                hunk, found
            ):
                found = -1
        else:
            found = self._nearest(hunk, min(expected, self.count))
        if found >= 0:
            self._put(hunk, found)
        return found

    def _append(self, hunk: Hunk, expected: int) -> int:
        """A hunk without old lines fits only at the end, and is believed only if it says so itself."""
        if (hunk.old_start <= 1 and self.count) or expected != self.count or self.ends_open():
            return -1
        self._insert(len(self.first), [(self.count, (0, 0), hunk.new)])
        self.count += hunk.new_count
        return expected

    def _open_end(self, hunk: Hunk, expected: int) -> int:
        """Old lines without a final line feed fit only at the end of a file that lacks it too.

        With context behind the change git would also take a longer line that begins the same: unless this is the
        expected place, which git tries first, there may be none.
        """
        found = self.count - hunk.old_count
        if not self._fits(hunk, found) or (hunk.old_start <= 1 and found):
            return -1
        if hunk.trailing and found != expected:
            place = self._base_line(found)
            end = self.starts[place]
            self.work.spend_search(end, len(hunk.old), end + len(hunk.old))
            if self.base.startswith(hunk.old) and place:
                return -1
            if self.base.find(b"\n" + hunk.old, 0, end - 1 + len(hunk.old)) >= 0:
                return -1
        return found

    def _base_line(self, line: int) -> int:
        segment = bisect_right(self.first, line) - 1
        return self.ranges[segment][0] + line - self.first[segment]

    def _fits(self, hunk: Hunk, line: int) -> bool:
        """Tells whether the hunk's old lines stand at `line`, all of them in one gap."""
        if line < 0 or line + hunk.old_count > self.count:
            return False
        segment = bisect_right(self.first, line) - 1
        if self.texts[segment] is not None:
            return False
        a, b = self.ranges[segment]
        place = a + line - self.first[segment]
        if place + hunk.old_count > b:
            return False
        self.work.spend(len(hunk.old) >> 3)
        start = self.starts[place]
        return self.starts[place + hunk.old_count] - start == len(
            hunk.old
        ) and self.base.startswith(hunk.old, start)

    def _nearest(self, hunk: Hunk, expected: int) -> int:
        """Searches outwards from `expected`; of two at the same distance the later one wins."""
        self.work.spend(_NEAR * 4 * STEP)
        for distance in range(_NEAR):
            if self._fits(hunk, expected + distance):
                return expected + distance
            if distance and self._fits(hunk, expected - distance):
                return expected - distance
        radius = _NEAR
        while expected + radius <= self.count or expected >= radius:
            wider = radius * _GROWTH
            later = self._later(hunk, expected + radius, expected + wider)
            nearer = expected - wider if later < 0 else 2 * expected - later
            earlier = self._earlier(hunk, expected - radius, max(nearer + 1, 0))
            if earlier >= 0 or later >= 0:
                return earlier if earlier >= 0 else later
            radius = wider
        return -1

    def _later(self, hunk: Hunk, line: int, limit: int) -> int:
        """Returns the first line from `line` on, before `limit`, where the old lines stand, or -1."""
        for index in range(max(bisect_right(self.first, line) - 1, 0), len(self.first)):
            self.work.spend(STEP)
            if self.first[index] >= limit:
                break
            if self.texts[index] is not None:
                continue
            a, b = self.ranges[index]
            shift = self.first[index] - a
            low, high = max(a, line - shift), min(b, limit - 1 - shift + hunk.old_count)
            if low + hunk.old_count > high:
                continue
            found = self._search(hunk.old, low, high)
            if found >= 0:
                return found + shift
        return -1

    def _earlier(self, hunk: Hunk, line: int, floor: int) -> int:
        """Returns the last line up to `line`, not before `floor`, where the old lines stand, or -1."""
        if line < floor:
            return -1
        for index in range(bisect_right(self.first, line) - 1, -1, -1):
            self.work.spend(STEP)
            if index + 1 < len(self.first) and self.first[index + 1] <= floor:
                break
            if self.texts[index] is not None:
                continue
            a, b = self.ranges[index]
            shift = self.first[index] - a
            low, high = max(a, floor - shift), min(b, line - shift + hunk.old_count)
            if low + hunk.old_count > high:
                continue
            found = self._search_back(hunk.old, low, high)
            if found >= 0:
                return found + shift
        return -1

    def _search(self, old: bytes, low: int, high: int) -> int:
        """Returns the first base line in `low..high` where `old` stands before line `high`, or -1."""
        start, end = self.starts[low], self.starts[high]
        if self.base.startswith(old, start) and start + len(old) <= end:
            return low
        found = self.base.find(b"\n" + old, start, end)
        self.work.spend_search((found if found >= 0 else end) - start, len(old), end - start)
        return bisect_right(self.starts, found + 1) - 1 if found >= 0 else -1

    def _search_back(self, old: bytes, low: int, high: int) -> int:
        """The same from the end. The text is turned round, because only `find` is linear at worst, `rfind` is not."""
        start, end = self.starts[low], self.starts[high]
        needle = (b"\n" + old)[::-1]
        self.work.spend(end - start)
        turned = self.base[start:end][::-1]
        found = turned.find(needle)
        self.work.spend_search(found if found >= 0 else end - start, len(old), end - start)
        if found >= 0:
            return bisect_right(self.starts, end - found - len(old)) - 1
        return low if self.base.startswith(old, start) and start + len(old) <= end else -1

    def _put(self, hunk: Hunk, line: int) -> None:
        index = bisect_right(self.first, line) - 1
        a, b = self.ranges[index]
        first = self.first[index]
        place = a + line - first
        behind = place + hunk.old_count
        parts: list[tuple[int, tuple[int, int], bytes | None]] = []
        if place > a:
            parts.append((first, (a, place), None))
        if hunk.new_count:
            parts.append((line, (0, 0), hunk.new))
        if behind < b:
            parts.append((line + hunk.new_count, (behind, b), None))
        delta = hunk.new_count - hunk.old_count
        after = len(self.first) - index - 1
        if after:
            self.work.spend(after * STEP + (len(self.base) >> 4))
            self.first[index + 1 :] = [value + delta for value in self.first[index + 1 :]]
        del self.first[index], self.ranges[index], self.texts[index]
        self._insert(index, parts)
        self.count += delta

    def _insert(self, index: int, parts: list[tuple[int, tuple[int, int], bytes | None]]) -> None:
        self.first[index:index] = [part[0] for part in parts]
        self.ranges[index:index] = [part[1] for part in parts]
        self.texts[index:index] = [part[2] for part in parts]
