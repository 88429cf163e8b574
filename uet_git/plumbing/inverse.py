"""Diffs between trees, pending ones too, and which commit changed some lines of a file: what a rollback asks of git.

Byte-exact whatever the user's configuration says, and without a trace in the repository (DESIGN 12; 2 P16).
"""

import os
import tempfile
import zlib
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Final, Self

from uet_git.errors import IoFailed
from uet_git.model import revert
from uet_git.model.revert import Span
from uet_git.plumbing import aside, packs, refs
from uet_git.plumbing.git import Git
from uet_git.plumbing.harvest import DIFF
from uet_git.plumbing.objects import Objects

_BARE: Final = ("-U0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
_LOOKED_AT: Final = 500  # commits
_PATIENCE: Final = 20.0  # seconds


class Differ:
    """Diffs between trees of one repository. Use it in `with`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="uet-inverse-"))
        self._store = os.path.join(folder, "objects")
        os.makedirs(os.path.join(self._store, "pack"))
        self._plain = aside.make(os.path.join(folder, "git"), self._objects.git)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def between(self, old: str, new: str, *, pending: bool = False) -> bytes:
        """What makes the tree `new` of `old`, as a full git diff with renames; `pending` if one is only in memory."""
        if pending:
            ready = [packs.deflate(*item) for item in self._objects.waiting()]
            packs.write_pack(self._store, ready, self._objects.git.object_format)
        return self._diff(*DIFF, old, new, "--")

    def spans(self, old: str, new: str) -> list[Span]:
        """Where two blobs differ by lines; the new one may be only in memory. Raises: ObjectTooLarge."""
        self._show(new)
        return revert.spans(self._diff(*_BARE, old, new, "--"))

    def _diff(self, *args: str) -> bytes:
        env = aside.environment(self._objects.git, self._store)
        return self._plain.run(*aside.OPTIONS, "diff", *args, env=env).out

    def _show(self, blob: str) -> None:
        """Lets git see one blob, in a store of its own: no sync, as it is thrown away."""
        data = self._objects.blob(blob)
        folder = os.path.join(self._store, blob[:2])
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, blob[2:]), "wb") as file:
            file.write(zlib.compress(b"blob %d\0%b" % (len(data), data), 1))


def changed_by(
    git: Git,
    commit: str,
    tip: str,
    path: bytes,
    region: tuple[int, int] | None,
    but: Collection[str],
) -> str | None:
    """The commit after `commit` that first changed a region (line, count) of a file, or the file at all without one.

    Looks at the newest commits only; `but` are left out. None if it cannot be told.
    """
    try:
        done = git.run(
            *("log", "--reverse", "--topo-order", f"-n{_LOOKED_AT}", "-p", *_BARE),
            *("--format=%x00%H", f"{commit}..{tip}", "--", os.fsdecode(b":(literal)" + path)),
            check=False,
            timeout=_PATIENCE,
        )
    except IoFailed:
        return None
    found: list[tuple[str, Sequence[Span]]] = []
    for piece in done.out.split(b"\0")[1:]:
        head, _, diff = piece.partition(b"\n")
        name = head.decode("ascii", "replace")
        if name not in but:
            found.append((name, revert.spans(diff)))
    if not found:
        return None
    if region is None:
        return found[0][0]
    line, count = region
    for name, changed in found:
        if revert.touches(changed, line, count):
            return name
        line = revert.moved(line, changed)
    return found[-1][0]


def places(git: Git, tip: str, commits: Sequence[str]) -> dict[str, int]:
    """How far down from the tip each commit is, 0 for the newest; those that the tip does not have are left out."""
    found = refs.reachable(git, tip, [c for c in commits if c])
    there = [c for c in commits if c in found]
    if not there:
        return {}
    base = git.text("merge-base", "--octopus", *there) if len(there) > 1 else there[0]
    rows = git.text("rev-list", "--topo-order", tip, "--not", f"{base}^@").split()
    wanted = set(there)
    return {row: place for place, row in enumerate(rows) if row in wanted}


def landed_again(git: Git, tip: str, entry_id: str) -> str | None:
    """The newest commit below the tip that carries an entry's trailer: its own, rewritten. None without one."""
    found = git.text("log", "-1", "--format=%H", f"--grep=^Uet-Patch: {entry_id}$", tip, "--")
    return found or None
