"""What a patch adds and removes, text by text, for the rules that look at content (DESIGN 7.4)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import EXECUTABLE, REGULAR, FileChange, Patch, TreeChange

ReadBlob = Callable[[str], bytes]
_PLUS: Final = late(rb"\n\+([^\n]*)")
_MINUS: Final = late(rb"\n-([^\n]*)")
_FILES: Final = (REGULAR, EXECUTABLE)
LARGEST: Final = 2 * 1024 * 1024
"""Bytes of a whole file that are looked at; a patch itself is never larger than its own limit."""
MOST: Final = 8 * 1024 * 1024
"""Bytes of whole files that are looked at for one patch, each content once."""


class Text(NamedTuple):
    """Lines that come into one file. `marked` says that they are hunk lines, with a mark before each.

    `line` is where `raw` begins: in the submitted bytes for hunk lines, 1 in the file for a whole one. `cut` says that
    more comes in than `raw` has.
    """

    path: bytes
    raw: bytes
    marked: bool
    line: int
    cut: bool = False

    def added(self) -> bytes:
        """What comes in, without marks."""
        return _marked(_PLUS, [self.raw]) if self.marked else self.raw

    def removed(self) -> bytes:
        """What goes, without marks; nothing for a whole file."""
        return _marked(_MINUS, [self.raw]) if self.marked else b""


def added_lines(change: FileChange) -> bytes:
    """Every line that the hunks of a change add."""
    return _marked(_PLUS, [h.body for h in change.hunks])


def removed_lines(change: FileChange) -> bytes:
    """Every line that the hunks of a change remove."""
    return _marked(_MINUS, [h.body for h in change.hunks])


def _marked(mark: re.Pattern[bytes], bodies: Sequence[bytes]) -> bytes:
    """The lines with a mark, without it, each with its line feed."""
    lines = mark.findall(b"\n" + b"\n".join(bodies))
    lines.append(b"")
    return b"\n".join(lines)


def texts(
    patch: Patch, changes: Sequence[TreeChange] | None, read: ReadBlob | None
) -> Iterator[Text]:
    """What comes in: the hunks; and the whole file where it comes without them (copied, renamed, binary).

    Before the patch is composed (`changes` is None) a whole file is not known, and left out.
    """
    after = {c.path: c for c in changes or ()}
    known: set[str] = set()
    room = MOST
    for change in patch.changes:
        path = change.new_path
        if path is None or change.op == "delete":
            continue
        left = after.get(path)
        whole = change.binary is not None or change.op not in ("add", "modify")
        if whole and left is not None and read is not None:
            oid = left.new_oid
            if left.new_mode in _FILES and oid != left.old_oid and oid not in known and room >= 0:
                known.add(oid)
                text = read(oid) if room else b""
                most = min(LARGEST, room)
                room -= min(most, len(text)) or 1
                yield Text(path, text[:most], False, 1, len(text) > most or most == 0)
            continue
        for hunk in change.hunks:
            yield Text(path, hunk.body, True, hunk.line + 1)
