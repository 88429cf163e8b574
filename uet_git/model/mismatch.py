"""Says where a hunk that does not fit stops fitting, for people: which line, what the patch expects, what is there."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import Hunk

_SHOWN: Final = 60  # characters of a line
_PLACES: Final = 50  # places looked at
_VOTERS: Final = 60  # lines of a hunk that tell where similar text is
_LINES: Final = 20_000  # lines of a file that are looked at for that
_WINDOW: Final = 150  # lines either side of where it should be that are compared letter by letter
_LIKE: Final = 0.75  # how alike two lines must be, 1 for the same
_BLANKS: Final = b" \t\r\v\f"
_LETTERS: Final = 200  # of a line, beyond which it is not compared so


class Misfit(NamedTuple):
    """How far a hunk fits a file. Lines are 0-based.

    `place` is where it comes nearest, `fits` how many of its old lines stand there before the first that does not.
    `similar` is where text (or a line) like it stands elsewhere, None if nowhere; `said` the same in words.
    """

    place: int
    fits: int
    similar: int | None
    said: str


def mismatch(hunk: Hunk, base: bytes) -> str:
    """One phrase; bytes are escaped and cut. Looks where the header points and where the first old line stands."""
    if not hunk.old or not base:
        return f"the file {'is empty' if not base else 'is not empty'}"
    return explain(old_lines(hunk), base.split(b"\n"), max(hunk.old_start - 1, 0)).said


def old_lines(hunk: Hunk) -> list[bytes]:
    """The lines that a hunk expects, without their ends."""
    old = hunk.old.split(b"\n")
    if old[-1] == b"" and len(old) > 1:
        old.pop()
    return old


def explain(old: Sequence[bytes], lines: Sequence[bytes], expected: int) -> Misfit:
    """Where lines that a patch expects stop fitting those of a file, and where they may be meant.

    `lines` are split at line feeds; `expected` is the 0-based line at which the patch says that they stand.
    """
    places = [expected, *_standing(lines, old[0])]
    fits, place = max((_fitting(lines, old, at), -abs(at - expected), at) for at in places)[::2]
    line = place + fits
    if fits == len(old):
        said = "its place is not where the patch says, or is followed by other lines"
        return Misfit(place, fits, None, said)
    wanted = f"the patch expects {_shown(old[fits])}"
    similar, words = _similar(lines, old, fits, place)
    if line >= len(lines) or (line == len(lines) - 1 and lines[line] == b""):
        said = f"the file ends before line {line + 1}, {wanted}{words}"
    else:
        said = f"line {line + 1} is {_shown(lines[line])}, {wanted}{words}"
    return Misfit(place, fits, similar, said)


def _standing(lines: Sequence[bytes], first: bytes) -> list[int]:
    """Where `first` stands, from the top."""
    found = (at for at, line in enumerate(lines) if line == first)
    return list(islice(found, _PLACES))


def _fitting(lines: Sequence[bytes], old: Sequence[bytes], at: int) -> int:
    """How many lines of `old` stand at `at` before the first that does not."""
    count = 0
    for have, want in zip(lines[at : at + len(old)], old, strict=False):
        if have != want:
            break
        count += 1
    return count


def _similar(
    lines: Sequence[bytes], old: Sequence[bytes], fits: int, place: int
) -> tuple[int | None, str]:
    """Where text like the hunk's is if that is another place, and words for it, or for that only blanks differ."""
    at, votes = _voted(lines, old)
    wanted = b"".join(old[fits].split())
    if votes * 2 > len(old) and len(old) > 1:
        if at != place:
            return at, f"; similar text is at line {at + 1}"
        there = lines[at + fits] if 0 <= at + fits < len(lines) else b""
        return None, "; only blanks differ" if wanted == b"".join(there.split()) else ""
    near = _nearest(lines, old[fits], place + fits)
    if near is None or near == place + fits:
        return None, ""
    return near, f"; a similar line is line {near + 1}"


def _voted(lines: Sequence[bytes], old: Sequence[bytes]) -> tuple[int, int]:
    """The place at which most of the old lines stand, blanks aside, and how many do."""
    if len(lines) > _LINES:
        return 0, 0
    wanted = {
        text: number
        for number, line in enumerate(old[:_VOTERS])
        if (text := b"".join(line.split()))
    }
    squeezed = b"\n".join(lines).translate(None, _BLANKS).split(b"\n")
    standing = [(n, line) for n, line in enumerate(squeezed) if line in wanted]
    votes = Counter(n - wanted[line] for n, line in standing if n >= wanted[line])
    return max(votes.items(), key=lambda item: (item[1], -item[0])) if votes else (0, 0)


def _nearest(lines: Sequence[bytes], wanted: bytes, at: int) -> int | None:
    """The line most like the wanted one around where it should be."""
    from difflib import SequenceMatcher

    text = wanted.strip()
    if not 3 < len(text) <= _LETTERS:
        return None
    best, found = _LIKE, None
    matcher = SequenceMatcher(None, b=text.decode("latin-1"), autojunk=False)
    first = max(0, at - _WINDOW)
    for number, line in enumerate(lines[first : at + _WINDOW], first):
        near = line.strip()
        if abs(len(near) - len(text)) * 4 > len(text) or _shared(near, text) <= best:
            continue
        matcher.set_seq1(near.decode("latin-1"))
        if matcher.quick_ratio() > best:
            ratio = matcher.ratio()
            if ratio > best:
                best, found = ratio, number
    return found


def _shared(one: bytes, other: bytes) -> float:
    """At most how alike two texts are (as difflib's ratio), by the letters of each that the other has at all."""
    alone = len(one.translate(None, other)), len(other.translate(None, one))
    return 2 * min(len(one) - alone[0], len(other) - alone[1]) / (len(one) + len(other))


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f"`{text[:_SHOWN]}...`" if len(text) > _SHOWN else f"`{text}`"
