"""What one change makes of one file: bytes in, a pending blob out, proved against the patch's `index a..b` line."""

import re
from typing import Final

from uet_git.errors import ObjectTooLarge
from uet_git.model.compose import Work, apply_binary, apply_text
from uet_git.model.mismatch import mismatch
from uet_git.model.named import NamedTuple
from uet_git.model.records import (
    EXECUTABLE,
    GITLINK,
    REGULAR,
    SYMLINK,
    TREE,
    FileChange,
    Finding,
    Placement,
)
from uet_git.model.settings import Limits
from uet_git.plumbing.objects import Edit, Objects

_KIND: Final = 0o170000
_OWNER_RUNS: Final = 0o100
_SUBPROJECT: Final = b"Subproject commit "


class Left(NamedTuple):
    """A file as a change leaves it: mode (0: none) and id; where its hunks went; whether its id is proved."""

    mode: int
    oid: str
    placements: tuple[Placement, ...] = ()
    proved: bool = False


def kind(mode: int) -> int:
    """The part of a mode that says what a thing is, not who may run it."""
    return mode & _KIND


def canonical(mode: int) -> int:
    """The mode that git keeps for any mode of the same kind (read-cache: create_ce_mode)."""
    what = kind(mode)
    if what == SYMLINK:
        return SYMLINK
    if what in (GITLINK, TREE):
        return GITLINK
    return EXECUTABLE if mode & _OWNER_RUNS else REGULAR


def named_mode(change: FileChange) -> int | None:
    """The mode that a patch asks for. One on the `index` line is what it saw, as git reads it, and asks for nothing."""
    return None if change.new_mode == change.old_mode else change.new_mode


def submodule_text(oid: str) -> bytes:
    """How a diff shows the commit of a submodule."""
    return b"%b%b\n" % (_SUBPROJECT, oid.encode())


class Contents:
    """Reads base files and makes new ones for one patch, within its limits."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        self._objects = objects
        self._limits = limits
        self._zero = objects.git.zero
        self._gitlink = re.compile(_SUBPROJECT + b"([0-9a-fA-F]{%d})" % len(self._zero))
        self.work = Work(limits.work)
        self._held = 0

    def read(self, left: Left) -> bytes | Finding:
        """The bytes that a patch sees of a file; a submodule is one line of text."""
        if left.mode == GITLINK:
            return submodule_text(left.oid)
        try:
            return self._objects.blob(left.oid, self._limits.inflated_bytes)
        except ObjectTooLarge as exc:
            return Finding("size.inflated", exc.detail)

    def after(self, change: FileChange, source: Left | None, mode: int) -> Left | Finding:
        """The file after the change, or why it cannot be made. `mode` is the one that it gets."""
        if change.binary is not None:
            return self._binary(change, source, mode)
        if not change.hunks and source is not None and change.op != "delete":
            return Left(mode, source.oid)
        base = b"" if source is None else self.read(source)
        if isinstance(base, Finding):
            return base
        made = self._text(change, base)
        if isinstance(made, Finding):
            return made
        data, placements = made
        if change.op == "delete":
            if data:
                return Finding("apply.delete_leftover", f"{len(data)} bytes remain")
            return Left(0, "", placements)
        return self._kept(change, source, mode, data, placements)

    def _text(
        self, change: FileChange, base: bytes
    ) -> tuple[bytes, tuple[Placement, ...]] | Finding:
        if not change.hunks:
            return base, ()
        outcome = apply_text(change.hunks, base, self.work)
        if isinstance(outcome, Finding):
            return _explained(outcome, change, base)
        data, places = outcome
        path = change.path
        return data, tuple(
            [Placement(path, n, line, offset) for n, (line, offset) in enumerate(places, 1)]
        )

    def _binary(self, change: FileChange, source: Left | None, mode: int) -> Left | Finding:
        """Git takes a binary change only from and to exactly the contents that it names in full."""
        length = len(self._zero)
        if len(change.old_oid or "") != length or len(change.new_oid or "") != length:
            return Finding("apply.preimage", "the patch does not name the contents in full")
        if source is not None and source.oid != change.old_oid:
            return Finding(
                "apply.preimage", f"it is {source.oid}, the patch was made from {change.old_oid}"
            )
        if change.new_oid == self._zero or change.op == "delete":
            if change.op == "delete" and change.new_oid == self._zero:
                return Left(0, "")
            return Finding("apply.postimage", "the patch names no result")
        base = b"" if source is None else self.read(source)
        data = base if isinstance(base, Finding) else apply_binary(change, base, self.work)
        return data if isinstance(data, Finding) else self._kept(change, source, mode, data, ())

    def _kept(
        self,
        change: FileChange,
        source: Left | None,
        mode: int,
        data: bytes,
        placements: tuple[Placement, ...],
    ) -> Left | Finding:
        """Makes the new content pending, and compares its id with the one that the patch names."""
        if mode == GITLINK:
            found = self._gitlink.match(data)
            if found is None:
                return Finding("apply.conflict", "a submodule must name a commit")
            oid = found[1].decode().lower()
        else:
            self._held += len(data)
            if self._held > self._limits.inflated_bytes:
                return Finding(
                    "size.inflated",
                    f"its results are larger than {self._limits.inflated_bytes} bytes",
                )
            edit = Edit(source.oid, change.hunks) if source is not None and change.hunks else None
            oid = self._objects.put("blob", data, edit)
        proved = self._is_proved(change, source, oid)
        if proved is False:
            return Finding(
                "apply.postimage", f"the result is {oid}, the patch names {change.new_oid}"
            )
        return Left(mode, oid, placements, bool(proved))

    def _is_proved(self, change: FileChange, source: Left | None, oid: str) -> bool | None:
        """Whether the result is the one that the patch names; None if it does not say, or began elsewhere."""
        if len(change.old_oid or "") != len(self._zero) or len(change.new_oid or "") != len(
            self._zero
        ):
            return None
        if change.old_oid != (self._zero if source is None else source.oid):
            return None
        return oid == change.new_oid


def _explained(finding: Finding, change: FileChange, base: bytes) -> Finding:
    """Adds to a hunk that does not fit what stands there instead."""
    hunk = next((h for h in change.hunks if h.line == finding.line), None)
    if hunk is None or finding.code != "apply.conflict":
        return finding
    return finding._replace(detail=f"{finding.detail}: {mismatch(hunk, base)}")
