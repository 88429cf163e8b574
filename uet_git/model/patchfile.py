"""Bytes to `Patch`: what `git apply -p1` (2.39) would read from them, or a refusal; never a guess, never an exception.

Text may stand before the first diff and after the last one. Between two diffs only lines stay that cannot be part of
either: blank ones and those that diff tools and Markdown put there. Wherever git silently passes over something that
looks like a piece of a diff, the patch is refused: a hunk without a header, a header without a hunk, lines that are
left over when a hunk's counts are used up. So are lines that git would take in another sense than they say.
"""

import re
from typing import Final

from uet_git.model import fileheader
from uet_git.model.binarypatch import INTRO, read_binary
from uet_git.model.hunks import read_hunks
from uet_git.model.pattern import late
from uet_git.model.records import GITLINK, REGULAR, BinaryHunk, FileChange, Hunk, Patch
from uet_git.model.refusal import Refused
from uet_git.model.settings import Limits

_GIT: Final = b"diff --git "
_MARK: Final = late(
    rb"\n(?:(?P<git>diff --git )|(?P<pair>--- [^\n]*\n\+\+\+ )|(?P<hunk>@@+[ \n\r])"
    rb"|(?P<foreign>diff --(?:cc|combined) |\*\*\* Begin Patch|\*{15}\r?\n)"
    rb"|(?P<nodata>Binary files [^\n]* differ\r?\n?)|(?P<binary>GIT binary patch\r?\n))"
)
_NOISE: Final = late(
    rb"(?:\r?\n|diff [^\n]*\n|Index: [^\n]*\n|={3,}\r?\n|(?:Only in|Common subdirectories:) [^\n]*\n"
    rb"|(?:```|~~~)[^\n]*\n)*+"
)
_NO_DATA: Final = late(rb"(?:Binary files|Files) [^\n]* differ\r?\n")
_FREE: Final = late(rb"(?:\r?\n)*+(?:-- ?\r?\n|```|~~~)")
_SIGNATURE: Final = late(rb"-- ?\r?\n")
_DOUBTFUL: Final = late(rb"\n(?:(?P<free>```|~~~|-- ?\r?\n)|\+|-(?![- \r\n]))")
_TYPE: Final = 0o170000


def read(data: bytes, limits: Limits, *, hex_length: int = 40, first_line: int = 1) -> Patch:
    """Reads a patch. `hex_length` is that of the repository's object ids, which binary changes must name in full.

    `first_line` is the number of the first line of `data` in what was handed in, from which all lines count.

    A patch that cannot be read, or is over a limit, comes back without changes and with one finding.

    In the changes, equal modes say which one the patch saw, not that it sets one: the file keeps its own. An `add`
    with an `old_path` is a traditional diff that git takes for either: it creates the file, or fills an empty one.
    Paths are not judged, only read, except that an absolute one is refused (`-p1` would hide that it was).
    """
    try:
        return Patch(_Reader(data, limits, hex_length, first_line).read())
    except Refused as refused:
        return Patch((), (refused.finding(data, first_line),))


def _check_sizes(data: bytes, limits: Limits) -> None:
    if len(data) > limits.patch_bytes:
        raise Refused("size.patch", f"{len(data)} bytes, limit {limits.patch_bytes}", 0)
    nul = data.find(b"\0")
    if nul >= 0:
        # What is no diff at all (a PDF, a picture) is not told about its hunks.
        raise Refused("content.nul" if _mark(b"\n" + data, 0) >= 0 else "parse.empty", "", nul)
    at = 0
    while len(data) - at > limits.line_bytes:
        end = data.rfind(b"\n", at, at + limits.line_bytes + 1)
        if end < 0:
            raise Refused("size.line", f"limit {limits.line_bytes} bytes", at)
        at = end + 1


class _Reader:
    """Walks over the sections of one patch."""

    def __init__(self, data: bytes, limits: Limits, hex_length: int, first_line: int) -> None:
        self.data = data
        self.limits = limits
        self.hex_length = hex_length
        self.hunks = 0
        self.inflated = 0
        self.at = 0
        self.line = first_line

    def read(self) -> tuple[FileChange, ...]:
        """Returns all changes. Raises: Refused."""
        _check_sizes(self.data, self.limits)
        changes: list[FileChange] = []
        start = self._first()
        while start >= 0:
            if len(changes) >= self.limits.files:
                raise Refused("size.files", f"limit {self.limits.files}", start)
            self.line += self.data.count(b"\n", self.at, start)
            self.at = start
            changes.append(self._section())
            start = self._next()
        _check_paths(changes)
        return tuple(changes)

    def _first(self) -> int:
        # a line feed in front lets one expression find a mark on any line, the first included
        start = _mark(b"\n" + self.data, 0) - 1 if not self.data.startswith(_GIT) else 0
        if start < 0:
            raise Refused("parse.empty", "", 0)
        return start

    def _next(self) -> int:
        """Returns where the next section begins, -1 if none does. Raises: Refused for what may not stand between."""
        data, at = self.data, self.at
        if data.startswith(_GIT, at):
            return at
        if at == len(data):
            return -1
        start = _mark(data, at - 1)
        if start < 0:
            _check_tail(data, at)
            return -1
        noise = _NOISE.match(data, at, start)
        assert noise is not None
        if noise.end() != start:
            raise _leftover(data, noise.end(), "parse.garbage_between")
        return start

    def _section(self) -> FileChange:
        data, start = self.data, self.at
        git = data.startswith(_GIT, start)
        header = (
            fileheader.read_git(data, start) if git else fileheader.read_traditional(data, start)
        )
        hunks: tuple[Hunk, ...] = ()
        binary: BinaryHunk | None = None
        added = removed = 0
        end = header.end
        if data.startswith(b"@@ -", end):
            first_line = self.line + data.count(b"\n", start, end)
            room = self.limits.hunks - self.hunks
            hunks, end, added, removed = read_hunks(data, end, first_line, room)
            self.hunks += len(hunks)
        elif data.startswith(INTRO, end):
            self._check_binary(header, start)
            room = self.limits.inflated_bytes - self.inflated
            binary, end, used = read_binary(data, end + len(INTRO), room)
            self.inflated += used
        elif _NO_DATA.match(data, end):
            raise Refused("parse.binary_without_data", "", end, header.new_path or header.old_path)
        _check_agreement(header, hunks, binary, start, git=git)
        if GITLINK in (header.old_mode, header.new_mode):
            self._check_gitlink(header, hunks, binary, start)
        change = FileChange(
            header.op,
            header.old_path,
            header.new_path,
            header.old_mode,
            header.new_mode,
            header.old_oid,
            header.new_oid,
            hunks,
            binary,
            added,
            removed,
            self.line,
        )
        self.line += data.count(b"\n", start, end)
        self.at = end
        return change

    def _check_binary(self, header: fileheader.Header, at: int) -> None:
        old, new = header.old_oid, header.new_oid
        if old is None or new is None or {len(old), len(new)} != {self.hex_length}:
            raise Refused("parse.header", "a binary change needs a full index line", at)
        absent = not old.strip("0"), not new.strip("0")
        if absent != (header.op == "add", header.op == "delete"):
            raise Refused("parse.header", "the index line does not fit the change", at)

    def _check_gitlink(
        self,
        header: fileheader.Header,
        hunks: tuple[Hunk, ...],
        binary: BinaryHunk | None,
        at: int,
    ) -> None:
        link = re.compile(rb"Subproject commit [0-9a-f]{%d}\n" % self.hex_length)
        images = [image for hunk in hunks for image in (hunk.old, hunk.new) if image]
        if binary or (header.op in ("add", "delete") and not hunks):
            raise Refused("parse.header", "a submodule link without its commit", at)
        if not all(link.fullmatch(image) for image in images):
            raise Refused("parse.hunk_body", "a submodule link is one line with a commit", at)


def _mark(data: bytes, at: int) -> int:
    """Returns where the next section begins behind the line feed at `at`, or -1. Raises: Refused for half a diff."""
    found = _MARK.search(data, at)
    if found is None:
        return -1
    start = found.start() + 1
    kind = found.lastgroup
    if kind == "git":
        return start
    if kind == "pair":
        hunk = data.find(b"\n", found.end()) + 1
        if hunk and data.startswith(b"@@ -", hunk):
            return start
        code = "parse.hunk_header" if hunk and data.startswith(b"@@", hunk) else "parse.header"
        raise Refused(code, "no hunk follows", hunk or start)
    if kind == "nodata":
        raise Refused("parse.binary_without_data", "", start)
    if kind == "foreign" or data.startswith(b"@@@", start):
        raise Refused("parse.git", "a combined diff, or no unified diff", start)
    if kind == "hunk" and not data.startswith(b"@@ -", start):
        raise Refused("parse.hunk_header", "", start)
    raise Refused("parse.header", "no file header stands before it", start)


def _leftover(data: bytes, at: int, code: str) -> Refused:
    """Lines that a hunk can hold, right behind one, were meant to be in it; the line before a signature was not."""
    if data[at : at + 1] in (b" ", b"+", b"-", b"\\") and not _SIGNATURE.match(data, at):
        return Refused("parse.hunk_body", "lines are left over behind it", at)
    return Refused(code, "", at)


def _check_tail(data: bytes, at: int) -> None:
    """Lets text follow the last diff, unless lines of it may have been meant for a hunk. Raises: Refused."""
    if _FREE.match(data, at):
        return
    noise = _NOISE.match(data, at)
    assert noise is not None
    at = noise.end()
    if at == len(data):
        return
    if data[at : at + 1] in (b" ", b"+", b"-", b"\\"):
        raise _leftover(data, at, "parse.hunk_body")
    doubtful = _DOUBTFUL.search(data, at)
    if doubtful and not doubtful["free"]:
        raise _leftover(data, doubtful.start() + 1, "parse.hunk_body")


def _check_agreement(
    header: fileheader.Header,
    hunks: tuple[Hunk, ...],
    binary: BinaryHunk | None,
    at: int,
    *,
    git: bool,
) -> None:
    """Lets the hunks say whether a header tells the truth; settles what a traditional header leaves open."""
    op = header.op
    if op == "add" and any(hunk.old_count for hunk in hunks):
        raise Refused("parse.header", "a new file with old lines", at, header.new_path)
    if op == "delete" and any(hunk.new_count for hunk in hunks):
        raise Refused("parse.header", "a deleted file with new lines", at, header.old_path)
    if op != "modify":
        return
    if not git and len(hunks) == 1 and not hunks[0].old_start and not hunks[0].old_count:
        header.op = "add"
        header.new_mode = REGULAR
    if not hunks and binary is None and header.old_mode == header.new_mode:
        raise Refused("parse.header", "no change follows", at, header.new_path)


def _check_paths(changes: list[FileChange]) -> None:
    """Lets every path be written once and taken once, in an order that git accepts. Raises: Refused."""
    written: dict[bytes, int] = {}
    taken: dict[bytes, int] = {}
    for index, change in enumerate(changes):
        if change.new_path is not None and written.setdefault(change.new_path, index) != index:
            raise _twice(change, change.new_path)
        if change.op in ("modify", "delete", "rename"):
            assert change.old_path is not None
            if taken.setdefault(change.old_path, index) != index:
                raise _twice(change, change.old_path)
    if len(changes) == 1:
        return
    for path in written.keys() & taken.keys():
        writer, taker = written[path], taken[path]
        if writer != taker and not _may_follow(changes, writer, taker):
            raise _twice(changes[max(writer, taker)], path)


def _may_follow(changes: list[FileChange], writer: int, taker: int) -> bool:
    """A path may come again where it was moved away, or right behind its deletion as another type of object."""
    new, old = changes[writer], changes[taker]
    if old.op == "rename":
        return new.op != "modify"
    if old.op != "delete" or writer < taker:
        return False
    if new.op == "add":
        types = [(mode or REGULAR) & _TYPE for mode in (old.old_mode, new.new_mode)]
        return writer == taker + 1 and types[0] != types[1]
    return new.op in ("rename", "copy")


def _twice(change: FileChange, path: bytes) -> Refused:
    refused = Refused("parse.duplicate_path", "", 0, path)
    refused.line = change.line
    return refused
