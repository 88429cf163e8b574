"""A malformed diff as it was typed: files, hunks and signed lines, read with leniency and without a judgement.

Nothing here decides what a diff means: counts are not believed, a line that lost its first blank stays a line without a
sign, and every departure from what git would read is named. `repair` looks for the one place where it all fits.
"""

import re
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

MARKER: Final = b"\\ No newline at end of file\n"
_BOM: Final = b"\xef\xbb\xbf"
_GIT: Final = b"diff --git "
_KEYS: Final = (
    *(b"old mode ", b"new mode ", b"deleted file mode ", b"new file mode ", b"copy from ", b"copy to "),
    *(b"rename from ", b"rename to ", b"similarity index ", b"dissimilarity index ", b"index "),
    *(b"--- ", b"+++ "),
)  # fmt: skip
_FENCES: Final = (b"```", b"~~~")
_NOISE: Final = (b"diff ", b"Index: ", b"===", b"Only in ", b"Common subdirectories: ", *_FENCES)
_STANDARD: Final = late(
    rb"@@ -([0-9]{1,10})(?:,([0-9]{1,10}))? \+([0-9]{1,10})(?:,([0-9]{1,10}))? @@(.*)\Z", re.DOTALL
)
_HINT: Final = late(rb"-([0-9]{1,10})(?:,([0-9]{1,10}))?[ \t]+\+([0-9]{1,10})(?:,([0-9]{1,10}))?")
_HUGE: Final = late(rb"[0-9]{11}")
_OTHER: Final = late(
    rb"^(?:GIT binary patch|Binary files .* differ|diff --(?:cc|combined) |\*\*\* Begin Patch|@@@|\*{15})",
    re.MULTILINE,
)
_INDENTED: Final = late(rb"^([ \t]+)(?:diff --git |--- [^\n]*\n\1\+\+\+ )", re.MULTILINE)
_AT_MARGIN: Final = late(rb"^(?:diff --git |--- [^\n]*\n\+\+\+ |@@)", re.MULTILINE)
_VERSION: Final = late(rb"[0-9]+\.[0-9][^ ]*\Z")
_LARGEST: Final = 2**31 - 1


class Typed(NamedTuple):
    """One line of a hunk. `sign` is `+`, `-` or a blank; empty where the line has none (then `text` is all of it)."""

    sign: bytes
    text: bytes


class Numbers(NamedTuple):
    """What a hunk header says: first lines and counts."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int


class TypedHunk:
    """One hunk as typed. `line` is where its header stands (1-based), `header` the header, empty where it has none.

    `standard` tells whether git could read the header; `numbers` are None where it names none. `unended` holds the
    indexes of lines with a `\\ No newline` behind them. `last` is set if the input ends right behind the hunk.
    """

    __slots__ = ("header", "last", "line", "lines", "numbers", "standard", "unended")

    def __init__(self, header: bytes, line: int, numbers: Numbers | None, standard: bool) -> None:
        self.header = header
        self.line = line
        self.numbers = numbers
        self.standard = standard
        self.lines: list[Typed] = []
        self.unended: set[int] = set()
        self.last = False

    @property
    def old_count(self) -> int:
        return sum(line.sign != b"+" for line in self.lines)

    @property
    def new_count(self) -> int:
        return sum(line.sign != b"-" for line in self.lines)


class TypedFile:
    """One file's header lines (without line ends) and hunks; `line` is where the header begins (1-based)."""

    __slots__ = ("header", "hunks", "line")

    def __init__(self, header: list[bytes], line: int) -> None:
        self.header = header
        self.line = line
        self.hunks: list[TypedHunk] = []

    @property
    def is_git(self) -> bool:
        return self.header[0].startswith(_GIT)

    @property
    def is_whole(self) -> bool:
        """The header has all the lines that git writes for a change of text."""
        keys = {line.split(b" ", 1)[0] for line in self.header}
        return self.is_git and {b"index", b"---", b"+++"} <= keys


class TypedDiff(NamedTuple):
    """All files of a diff. `repairs` names what was taken off around it; `ended` tells of a final line feed."""

    files: list[TypedFile]
    repairs: list[str]
    ended: bool


def read(data: bytes) -> TypedDiff | None:
    """Reads what was typed; None for what no leniency can read (no header, binary data, another kind of diff)."""
    if _OTHER.search(data):
        return None
    repairs: list[str] = []
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
        repairs.append("a byte order mark before the diff was taken off")
    data = _dedented(data, repairs)
    ended = data.endswith(b"\n")
    lines = data.removesuffix(b"\n").split(b"\n")
    reader = _Reader(lines)
    files = reader.files()
    return TypedDiff(files, repairs, ended or not reader.to_the_end) if files else None


def _dedented(data: bytes, repairs: list[str]) -> bytes:
    """Takes off the indent that the whole diff has, judged by its first header."""
    found = _INDENTED.search(data)
    if found is None or _AT_MARGIN.search(data):
        return data
    indent = found[1]
    repairs.append(f"the whole diff was indented by {len(indent)} columns")
    lines = data.split(b"\n")
    first = data.count(b"\n", 0, found.start())
    kept: list[bytes] = []
    for number, line in enumerate(lines):
        if line.startswith(indent):
            kept.append(line[len(indent) :])
        elif number >= first and line.strip() and not line.lstrip().startswith(_FENCES):
            # Text at the margin ends an indented diff; what follows is text as well.
            kept.append(b"")
            break
        else:
            kept.append(line.strip() if number >= first else line)
    return b"\n".join(kept)


class _Reader:
    """Walks over the lines once."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.at = 0
        self.end = len(lines)
        self.to_the_end = True

    def files(self) -> list[TypedFile]:
        """Every file, empty if there is none or more diff behind the end of its fence."""
        first = next((i for i in range(self.end) if self._begins(i, first=True)), None)
        if first is None or not self._cut_fence(first):
            return []
        self.at = first
        found: list[TypedFile] = []
        while self.at < self.end:
            found.append(self._file())
        final = found[-1].hunks[-1] if found[-1].hunks else None
        for file in found:
            for hunk in file.hunks:
                hunk.last = hunk is final and self.to_the_end
                closed = _trim_noise(hunk)
                if hunk.last and closed:
                    hunk.last = self.to_the_end = False
        return found

    def _begins(self, i: int, *, first: bool = False) -> bool:
        """Whether a file header begins in line `i`; behind the first one a pair of names needs its `@@`."""
        lines = self.lines
        if lines[i].startswith(_GIT):
            return True
        if not lines[i].startswith(b"--- ") or not self._line(i + 1).startswith(b"+++ "):
            return False
        return first or self._line(i + 2).startswith(b"@@")

    def _line(self, i: int) -> bytes:
        return self.lines[i] if i < self.end else b""

    def _cut_fence(self, first: int) -> bool:
        """Ends the input at the fence that closes the one before the diff; False if more of a diff is behind it."""
        opened = sum(line.startswith(_FENCES) for line in self.lines[:first]) % 2
        if not opened:
            return True
        for i in range(first, self.end):
            if self.lines[i].startswith(_FENCES):
                behind = range(i + 1, self.end)
                if any(self._begins(j) or self.lines[j].startswith(b"@@") for j in behind):
                    return False
                self.end = i
                self.to_the_end = False
                return True
        return True

    def _file(self) -> TypedFile:
        start = self.at
        header = [self.lines[start].removesuffix(b"\r")]
        self.at += 1
        git = header[0].startswith(_GIT)
        while self.at < self.end:
            line = self.lines[self.at]
            if not (
                line.startswith(_KEYS) if git else line.startswith(b"+++ ") and len(header) < 2
            ):
                break
            header.append(line.removesuffix(b"\r"))
            self.at += 1
            if line.startswith(b"+++ "):
                break
        file = TypedFile(header, start + 1)
        while self.at < self.end and not self._begins(self.at):
            line = self.lines[self.at]
            if line.startswith(b"@@"):
                file.hunks.append(_hunk(line.removesuffix(b"\r"), self.at + 1))
            elif file.hunks:
                _add(file.hunks[-1], line)
            elif line.strip():
                file.hunks.append(TypedHunk(b"", self.at + 1, None, False))
                _add(file.hunks[-1], line)
            self.at += 1
        return file


def _hunk(header: bytes, line: int) -> TypedHunk:
    standard = _STANDARD.match(header)
    found = standard or _HINT.search(header)
    numbers = None
    if found is not None:
        a, b, c, d = found.groups()[:4]
        numbers = Numbers(int(a), 1 if b is None else int(b), int(c), 1 if d is None else int(d))
    return TypedHunk(header, line, numbers, standard is not None)


def out_of_range(hunk: TypedHunk) -> bool:
    """Whether the header names a number that no file can have."""
    return bool(_HUGE.search(hunk.header)) or max(hunk.numbers or (0,)) > _LARGEST


def _add(hunk: TypedHunk, line: bytes) -> None:
    sign = line[:1]
    if sign in (b"+", b"-", b" "):
        hunk.lines.append(Typed(sign, line[1:]))
    elif line.startswith(b"\\ ") and hunk.lines:
        hunk.unended.add(len(hunk.lines) - 1)
    else:
        hunk.lines.append(Typed(b"", line))


def _trim_noise(hunk: TypedHunk) -> bool:
    """Takes lines off a hunk's end that diff tools, mail programs and Markdown put there; whether they close a diff."""
    lines = hunk.lines
    end = _without_blank(lines, len(lines))
    signed = end > 1 and lines[end - 2] in (Typed(b"-", b"- "), Typed(b"-", b"-"))
    if signed and not lines[end - 1].sign and _VERSION.match(lines[end - 1].text):
        del lines[end - 2 :]
        return True
    closed = False
    while end and not lines[end - 1].sign and lines[end - 1].text.startswith(_NOISE):
        closed = closed or lines[end - 1].text.startswith(_FENCES)
        end = _without_blank(lines, end - 1)
        del lines[end:]
    return closed


def _without_blank(lines: list[Typed], end: int) -> int:
    """How many of the first `end` lines there are up to the last one that is not empty."""
    while end and lines[end - 1].sign == b"" and not lines[end - 1].text.strip(b"\r"):
        end -= 1
    return end


def trailing_blanks(hunk: TypedHunk) -> int:
    """How many empty lines, without even a blank, stand at its end: context, or space before what follows."""
    return len(hunk.lines) - _without_blank(hunk.lines, len(hunk.lines))


def text_behind(hunk: TypedHunk) -> int:
    """How many lines at its end have no sign: context that lost its blank, or prose behind the diff."""
    end = len(hunk.lines)
    while end and not hunk.lines[end - 1].sign:
        end -= 1
    return len(hunk.lines) - end
