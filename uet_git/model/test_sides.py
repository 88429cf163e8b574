"""What a patch does to each file of tests, as lines that come and lines that go, whatever form the change has.

Hunks say it themselves. For a binary patch of text, and for what carries no hunks, both blobs are compared, as far as
files are looked at; so are the modules of tests that Rust keeps in the file of the code.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from uet_git.model import test_words
from uet_git.model.added import LARGEST, MOST, ReadBlob, added_lines, removed_lines
from uet_git.model.pattern import late
from uet_git.model.policy_paths import is_source, is_test
from uet_git.model.records import EXECUTABLE, REGULAR, FileChange, Patch, TreeChange
from uet_git.model.test_words import Kind

_FILES: Final = (REGULAR, EXECUTABLE)
_MOST_LINES: Final = 100_000
_INLINE: Final = late(
    rb"^[ \t]*#\[cfg\((?:all\(|any\()?test\b(?:[^\n\]]*\)\][ \t]*(?:pub[ ]+)?mod\b"
    rb"|[^\n]*+\n(?:[ \t]*+#\[[^\n]*+\n){0,4}+[ \t]*+(?:pub[^\n ]*[ ]+)?mod\b)",
    re.MULTILINE,
)
_INLINE_WORDS: Final = (b"#[ignore", b"assert", b"#[test", b"cfg(", b"::test]")


class Side:
    """One change of a test. `inline` says that its file is code with tests in it: `added` and `removed` are theirs.

    `cut` says that more would have to be looked at than is.
    """

    __slots__ = ("_lines", "_result", "added", "change", "cut", "inline", "path", "removed")

    def __init__(
        self, change: FileChange, added: bytes, removed: bytes, result: Callable[[], bytes | None]
    ) -> None:
        self.change = change
        self.path = change.old_path or change.path
        self.added = added
        self.removed = removed
        self.inline = False
        self.cut = False
        self._result = result
        self._lines: dict[tuple[Kind, bool], list[bytes]] = {}

    @property
    def result(self) -> bytes | None:
        """The file after the patch, None if that is not known."""
        return self._result()

    def lines(self, kind: Kind, *, added: bool) -> list[bytes]:
        """The lines of a kind that come, or that go."""
        found = self._lines.get((kind, added))
        if found is None:
            found = test_words.lines(kind, self.added if added else self.removed, self.path)
            self._lines[kind, added] = found
        return found


def sides(patch: Patch, changes: Sequence[TreeChange] | None, read: ReadBlob | None) -> list[Side]:
    """Each change of a test. `changes` and `read` are None before the patch is composed: then only hunks are seen."""
    blobs = _Blobs(changes or (), read)
    found = []
    for change in patch.changes:
        if was_test(change) or now_test(change):
            found.append(_side(change, blobs))
        elif change.path.endswith(b".rs") and change.op in ("modify", "rename"):
            side = _inline_side(change, blobs)
            found += [side] if side is not None else []
    return found


def was_test(change: FileChange) -> bool:
    """Whether a file that the patch changes was a test."""
    return change.op != "copy" and change.old_path is not None and is_test(change.old_path)


def now_test(change: FileChange) -> bool:
    """Whether a file is a test after the patch."""
    return change.op != "delete" and change.new_path is not None and is_test(change.new_path)


class _Blobs:
    """The files of both trees that a patch changes, so many bytes of them."""

    def __init__(self, changes: Sequence[TreeChange], read: ReadBlob | None) -> None:
        self._by_path = {c.path: c for c in changes} if read is not None else {}
        self._read = read
        self._room = MOST
        self.cut = False

    def old(self, change: FileChange) -> bytes | None:
        """The file before; None if it is none, or not known."""
        found = self._by_path.get(change.old_path or b"")
        return self._text(found.old_oid, found.old_mode) if found else None

    def new(self, change: FileChange) -> bytes | None:
        """The file after; None if it is none, or not known."""
        found = self._by_path.get(change.new_path or b"") if change.op != "delete" else None
        return self._text(found.new_oid, found.new_mode) if found else None

    def _text(self, oid: str, mode: int) -> bytes | None:
        if mode not in _FILES or self._read is None:
            return None
        text = self._read(oid) if self._room > 0 else b""
        much = self._room <= 0 or len(text) > LARGEST or text.count(b"\n") > _MOST_LINES
        self.cut |= much
        self._room -= len(text)
        return b"" if much else text


def _side(change: FileChange, blobs: _Blobs) -> Side:
    if not _is_silent(change):
        result = blobs.new
        return Side(change, added_lines(change), removed_lines(change), lambda: result(change))
    blobs.cut = False
    old, new = b"" if change.op == "copy" else blobs.old(change), blobs.new(change)
    if not is_source(change.path) and any(b"\0" in text for text in (old, new) if text):
        old = new = None
    added, removed = _difference(old or b"", new or b"")
    side = Side(change, added, removed, lambda: new)
    side.cut = blobs.cut and is_source(side.path)
    return side


def _is_silent(change: FileChange) -> bool:
    """Whether the hunks do not show all that comes or goes; a bare rename changes nothing but the name."""
    if change.op == "copy" or change.binary is not None:
        return True
    return not change.hunks and change.op != "rename"


def _inline_side(change: FileChange, blobs: _Blobs) -> Side | None:
    shown = b"".join(h.body for h in change.hunks)
    if not change.binary and not any(word in shown for word in _INLINE_WORDS):
        return None
    old, new = blobs.old(change), blobs.new(change)
    parts = [_INLINE.search(text) if text else None for text in (old, new)]
    if old is None or new is None or parts[0] is None:
        added, removed = (
            b"".join(line + b"\n" for line in text.split(b"\n") if b"#[ignore" in line)
            for text in (added_lines(change), removed_lines(change))
        )
        left: bytes | None = None
    else:
        left = new[parts[1].start() :] if parts[1] else b""
        added, removed = _difference(old[parts[0].start() :], left)
    side = Side(change, added, removed, lambda: left)
    side.inline = True
    return side


def _difference(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """The lines that come and those that go, wherever they stand."""
    if old == new:
        return b"", b""
    before, after = Counter(old.split(b"\n")), Counter(new.split(b"\n"))
    return _joined(after - before), _joined(before - after)


def _joined(some: Counter[bytes]) -> bytes:
    return b"".join((line + b"\n") * many for line, many in some.items())
