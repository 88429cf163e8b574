"""Says where a hunk that does not fit stops fitting, for people: which line, what the patch expects, what is there."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from uet_git.model.records import Hunk

_SHOWN: Final = 60  # characters of a line
_PLACES: Final = 50  # places looked at


def mismatch(hunk: Hunk, base: bytes) -> str:
    """One phrase; bytes are escaped and cut. Looks where the header points and where the first old line stands."""
    old = hunk.old.split(b"\n")
    if old[-1] == b"" and len(old) > 1:
        old.pop()
    lines = base.split(b"\n")
    if not hunk.old or not base:
        return f"the file {'is empty' if not base else 'is not empty'}"
    expected = max(hunk.old_start - 1, 0)
    places = [expected, *_standing(lines, old[0])]
    fits, place = max((_fitting(lines, old, at), -abs(at - expected), at) for at in places)[::2]
    line = place + fits
    if fits == len(old):
        return "its place is not where the patch says, or is followed by other lines"
    wanted = f"the patch expects {_shown(old[fits])}"
    if line >= len(lines) or (line == len(lines) - 1 and lines[line] == b""):
        return f"the file ends before line {line + 1}, {wanted}"
    return f"line {line + 1} is {_shown(lines[line])}, {wanted}"


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


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f"`{text[:_SHOWN]}...`" if len(text) > _SHOWN else f"`{text}`"
