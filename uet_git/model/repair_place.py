"""Finds where the typed lines of a hunk stand in a file: at exactly one place, line for line, or nowhere.

A context line that may have lost its leading blank is read in both senses, and the file says which one is meant: at one
place only one of them can fit.
"""

from collections.abc import Sequence
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding
from uet_git.model.repair_text import Typed, TypedHunk, text_behind, trailing_blanks
from uet_git.model.work import Work

_MOST_BLANKS: Final = 3  # ways to read the empty lines at a hunk's end, beside all and none
_LOOK_UP: Final = 8  # what looking a line up costs; comparing two costs 1
_MOST_TAILS: Final = 20  # ways to read the lines without a sign behind the last hunk


class Text:
    """A file's lines without their ends. `eol` is the line end of all of them, or a line feed if they are mixed."""

    __slots__ = ("_places", "carriage", "ended", "lines")

    def __init__(self, base: bytes) -> None:
        feeds, carriages = base.count(b"\n"), base.count(b"\r\n")
        self.carriage = bool(feeds) and feeds == carriages
        """Every line ends in CR LF."""
        self.ended = not base or base.endswith(b"\n")
        body = base.removesuffix(b"\n")
        if self.carriage:
            body = body.removesuffix(b"\r") if self.ended else body
            self.lines = body.split(b"\r\n")
        else:
            self.lines = body.split(b"\n") if base else []
        self._places: dict[bytes, list[int]] | None = None

    @property
    def plain(self) -> bool:
        """No line ends in CR LF."""
        return not self.carriage and not any(line[-1:] == b"\r" for line in self.lines)

    def where(self, line: bytes) -> Sequence[int]:
        """The 0-based numbers of the lines that are exactly this one."""
        if self._places is None:
            self._places = {}
            for number, text in enumerate(self.lines):
                self._places.setdefault(text, []).append(number)
        return self._places.get(line, ())


class Put(NamedTuple):
    """A hunk at its one place: the 0-based line there, its lines as resolved, and what was repaired in it.

    `unended_old`/`unended_new`: the last line of that side has no line feed. `kinds` are among `blank` (a leading
    blank lost), `marker` (`\\ No newline` missing) and `prose` (lines behind the diff left out).
    """

    start: int
    lines: tuple[Typed, ...]
    unended_old: bool
    unended_new: bool
    kinds: frozenset[str]

    @property
    def old_count(self) -> int:
        return sum(line.sign != b"+" for line in self.lines)

    @property
    def new_count(self) -> int:
        return sum(line.sign != b"-" for line in self.lines)


def put(hunk: TypedHunk, text: Text, work: Work) -> Put | Finding:
    """Puts a hunk where it fits. Raises: OverBudget.

    Returns a finding (`apply.conflict`, its line the hunk's; no detail if it fits nowhere) unless that is one place.
    """
    for count in _readings(hunk):
        lines = hunk.lines[:count]
        unended = {i for i in hunk.unended if i < count}
        for flexible in (False, True):
            choices = [_choices(line, flexible=flexible) for line in lines if line.sign != b"+"]
            if not choices:
                break
            starts = _places(choices, text, work)
            if len(starts) > 1:
                shown = " and ".join(str(s + 1) for s in starts)
                return Finding(
                    "apply.conflict",
                    f"it fits at more than one place: lines {shown}",
                    None,
                    hunk.line,
                )
            if starts:
                return _resolved(hunk, lines, unended, starts[0], text)
    return Finding("apply.conflict", "", None, hunk.line)


def _readings(hunk: TypedHunk) -> list[int]:
    """How many of its lines belong to the hunk, the most first: empty lines and text at its end may not."""
    lines = hunk.lines
    size = len(lines)
    blanks = trailing_blanks(hunk)
    counts = {size, *range(size - min(blanks, _MOST_BLANKS), size), size - blanks}
    if hunk.last:
        # Prose begins behind an empty line, or where the header's counts are used up.
        loose = range(max(size - text_behind(hunk), size - _MOST_TAILS), size)
        counts.update(cut for cut in loose if not lines[cut].text.strip() or _is_full(hunk, cut))
    return sorted(counts, reverse=True)


def _is_full(hunk: TypedHunk, count: int) -> bool:
    numbers = hunk.numbers
    kept = hunk.lines[:count]
    return numbers is not None and (numbers.old_count, numbers.new_count) == (
        sum(line.sign != b"+" for line in kept),
        sum(line.sign != b"-" for line in kept),
    )


def _choices(line: Typed, *, flexible: bool) -> tuple[bytes, ...]:
    return (line.text, b" " + line.text) if flexible and line.sign == b" " else (line.text,)


def _places(choices: Sequence[tuple[bytes, ...]], text: Text, work: Work) -> list[int]:
    """Up to two places where each line is one of its choices."""
    work.spend(_LOOK_UP * len(choices))
    places = [[text.where(choice) for choice in line] for line in choices]
    sizes = [sum(map(len, found)) for found in places]
    rarest = min(range(len(choices)), key=sizes.__getitem__)
    found: list[int] = []
    last = len(text.lines) - len(choices)
    for where in places[rarest]:
        for number in where:
            start = number - rarest
            work.spend(1)
            if not 0 <= start <= last or start in found:
                continue
            if _fits(choices, text.lines, start, work):
                found.append(start)
                if len(found) == 2:
                    return sorted(found)
    return found


def _fits(
    choices: Sequence[tuple[bytes, ...]], lines: Sequence[bytes], start: int, work: Work
) -> bool:
    for number, line in enumerate(choices):
        if lines[start + number] not in line:
            work.spend(number + 1)
            return False
    work.spend(len(choices))
    return True


def _resolved(
    hunk: TypedHunk, lines: Sequence[Typed], unended: set[int], start: int, text: Text
) -> Put | Finding:
    """The lines as the file has them, and whether line feeds at its end are as the hunk says."""
    done: list[Typed] = []
    kinds: set[str] = set()
    at = start
    for line in lines:
        if line.sign in (b"+", b"-"):
            done.append(line)
        else:
            done.append(Typed(b" ", text.lines[at]))
            if text.lines[at] and (line.sign == b"" or line.text != text.lines[at]):
                kinds.add("blank")
        at += line.sign != b"+"
    if len(lines) < len(hunk.lines) and any(line.text.strip() for line in hunk.lines[len(lines) :]):
        kinds.add("prose")
    old = _side(lines, unended, b"+")
    new = _side(lines, unended, b"-")
    open_end = at == len(text.lines) and not text.ended
    if old != open_end or (new and at < len(text.lines)):
        if not open_end or not _may_lack_marker(lines):
            return Finding(
                "apply.conflict",
                "the line feed at the file's end is not as it says",
                None,
                hunk.line,
            )
        kinds.add("marker")
        new = new or lines[-1].sign not in (b"+", b"-")
    return Put(start, tuple(done), open_end, new, frozenset(kinds))


def _side(lines: Sequence[Typed], unended: set[int], other: bytes) -> bool:
    """Whether the last line of one side is marked to have no line feed."""
    last = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].sign != other), -1)
    return last in unended


def _may_lack_marker(lines: Sequence[Typed]) -> bool:
    """The file's last line may be told to have no line feed if nothing else in the diff depends on it."""
    last_old = next(i for i in range(len(lines) - 1, -1, -1) if lines[i].sign != b"+")
    return lines[last_old].sign == b"-" or last_old == len(lines) - 1
