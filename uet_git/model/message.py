"""Commit messages and commit objects as git writes them: bytes in, bytes out."""

import re
from collections.abc import Sequence
from typing import Final

from uet_git.model import ident
from uet_git.model.charset import valid_utf8
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

_SPACES: Final = b" \t\r"
_BLANKS: Final = b" \t\r\n"
_FOLDS: Final = (b" ", b"\t", b"\r")
_LINE: Final = late(rb"[^\n]*\n|[^\n]+")
_TRAILER: Final = late(rb"(?m)^([0-9A-Za-z-]++[ \t]*+):([^\n]*+(?:\n[ \t\r][^\n]*+)*)")
_GIT_MADE: Final = (b"Signed-off-by: ", b"(cherry picked from commit ")
_SIGN_OFF: Final = b"Signed-off-by"
_CUT: Final = b"# ------------------------ >8 ------------------------\n"
_SHA256_HEX: Final = 64


def clean(message: bytes) -> bytes:
    """Strips trailing white space, blank lines at both ends and doubled ones; one final newline (git stripspace)."""
    text = b"\n".join([line.rstrip(_SPACES) for line in message.split(b"\n")]).strip(b"\n")
    while b"\n\n\n" in text:
        text = text.replace(b"\n\n\n", b"\n\n")
    return text + b"\n" if text else b""


def title(message: bytes) -> bytes:
    """The first paragraph of a cleaned message, its lines joined by spaces (git's %s)."""
    paragraph = message.lstrip(b"\n").partition(b"\n\n")[0]
    return b" ".join(paragraph.split(b"\n")).strip(_SPACES)


def with_trailer(message: bytes, key: bytes, value: bytes) -> bytes:
    """Appends `key: value` to the trailers, or as the first of a new last paragraph; all else stays byte for byte.

    The place is that of `git interpret-trailers --no-divider --if-exists add`: before trailing comment lines.
    """
    message = _whole_lines(message)
    block = _trailer_block(message)
    head, tail = message[: block.end], message[block.end :]
    gap = b"" if block.start < block.end or _ends_blank(head) else b"\n"
    return b"%b%b%b: %b\n%b" % (head, gap, key, value, tail)


def rename_trailer(message: bytes, old: bytes, new: bytes) -> bytes:
    """Renames every trailer `old` (in any case) to `new`; other lines, and the like in other paragraphs, stay."""
    if old.lower() not in message.lower():
        return message
    block = _trailer_block(message)
    out = [message[: block.start]]
    done = block.start
    for found in _trailers(message, block):
        if found[1].rstrip(_SPACES).lower() == old.lower():
            out += (message[done : found.start()], new)
            done = found.start() + len(found[1].rstrip(_SPACES))
    return b"".join([*out, message[done:]])


def read_trailer(message: bytes, key: bytes) -> list[bytes]:
    """The values of every trailer `key` (in any case), in order, folded lines joined by one space."""
    return [
        b" ".join([line.strip(_SPACES) for line in found[2].split(b"\n")]).strip(_SPACES)
        for found in _trailers(message, _trailer_block(message))
        if found[1].rstrip(_SPACES).lower() == key.lower()
    ]


def sign_off(message: bytes, name: bytes, email: bytes) -> bytes:
    """Appends `Signed-off-by: name <email>` as `git am -s` does: not if it already is the last trailer."""
    line = b"%b: %b\n" % (_SIGN_OFF, ident.line(name, email))
    message = _whole_lines(message)
    if message == line:
        return message
    block = _trailer_block(message)
    if block.start < block.end:
        last = _last_trailer(message[block.start : block.end])
        return message if last.startswith(line) else message + line
    if len(message) < 2:
        return b"\n\n" + line
    return message + (b"" if message.endswith(b"\n\n") else b"\n") + line


def commit_object(
    tree: str,
    parents: Sequence[str],
    author: tuple[bytes, bytes],
    author_date: bytes,
    committer: tuple[bytes, bytes],
    committer_date: bytes,
    message: bytes,
    gpgsig: bytes | None = None,
) -> bytes:
    """Builds a commit object's content. Dates are git's raw form, identities (name, email), ids hex of either format.

    All is made UTF-8, so there is no encoding header; `gpgsig` is the armoured signature of the content without it.
    """
    head = [f"tree {tree}\n".encode(), *[f"parent {parent}\n".encode() for parent in parents]]
    head.append(b"author %b %b\n" % (ident.line(*author), author_date))
    head.append(b"committer %b %b\n" % (ident.line(*committer), committer_date))
    if gpgsig is not None:
        name = b"gpgsig-sha256" if len(tree) == _SHA256_HEX else b"gpgsig"
        head.append(b"%b %b\n" % (name, gpgsig.removesuffix(b"\n").replace(b"\n", b"\n ")))
    return valid_utf8(b"".join([*head, b"\n", message]))


class _Block(NamedTuple):
    """Where a message's trailers are; both offsets are where they would go if there are none."""

    start: int
    end: int


def _whole_lines(message: bytes) -> bytes:
    return message + b"\n" if message and not message.endswith(b"\n") else message


def _ends_blank(text: bytes) -> bool:
    last = text[text.rfind(b"\n", 0, max(len(text) - 1, 0)) + 1 :]
    return bool(text) and not last.strip(_SPACES + b"\n")


def _trailer_block(message: bytes) -> _Block:
    """Finds the last paragraph that is all trailers, or a quarter trailers with one that git made (git's trailer.c)."""
    end = _end_without_comments(message)
    lines = _LINE.findall(message, 0, end)
    start = end
    found = _Count()
    for line in reversed(lines[_title_lines(lines) :]):
        if not line.strip(_BLANKS):
            if found.anything:
                return _Block(start if found.is_block() else end, end)
        elif line.startswith(b"#"):
            found.not_folded()
        else:
            found.take(line)
        start -= len(line)
    return _Block(end, end)


class _Count:
    """What the lines of the last paragraph are, counted from its end."""

    def __init__(self) -> None:
        self.anything = False
        self._made_by_git = False
        self._trailers = 0
        self._others = 0
        self._folded = 0  # perhaps: a trailer above them would own them

    def take(self, line: bytes) -> None:
        self.anything = True
        if line.startswith(_GIT_MADE) or _TRAILER.match(line):
            self._made_by_git = self._made_by_git or line.startswith(_GIT_MADE)
            self._trailers += 1
            self._folded = 0
        elif line.startswith(_FOLDS):
            self._folded += 1
        else:
            self._others += 1
            self.not_folded()

    def not_folded(self) -> None:
        self._others += self._folded
        self._folded = 0

    def is_block(self) -> bool:
        self.not_folded()
        if self._made_by_git:
            return self._trailers * 3 >= self._others
        return self._trailers > 0 and self._others == 0


def _title_lines(lines: list[bytes]) -> int:
    """How many lines the title has; comment lines do not end it."""
    for index, line in enumerate(lines):
        if not line.strip(_BLANKS):
            return index
    return len(lines)


def _end_without_comments(message: bytes) -> int:
    """Where the text ends: before a scissors line, and before the comments, blank lines or `Conflicts:` that end it."""
    cut = message.find(b"\n" + _CUT) + 1
    end = 0 if message.startswith(_CUT) else cut or len(message)
    at = run = 0
    conflicts = False
    for line in _LINE.findall(message, 0, end):
        if line.startswith((b"#", b"\n")):
            run = run or at
        elif line == b"Conflicts:\n":
            conflicts = True
            run = run or at
        elif not (conflicts and line.startswith(b"\t")) and run:
            run = 0
            conflicts = False
        at += len(line)
    return run or end


def _trailers(message: bytes, block: _Block) -> list[re.Match[bytes]]:
    return list(_TRAILER.finditer(message, block.start, block.end))


def _last_trailer(block: bytes) -> bytes:
    """The block's last line, with the folded ones below it if it is a trailer."""
    lines = _LINE.findall(block)
    index = len(lines) - 1
    while index > 0 and lines[index].startswith(_FOLDS):
        index -= 1
    owns = _TRAILER.match(lines[index]) is not None
    return b"".join(lines[index:]) if owns else lines[-1]
