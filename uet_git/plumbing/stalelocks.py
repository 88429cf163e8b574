"""Removes what a killed landing left locked, and nothing else (DESIGN 10 Recovery).

A lock goes only if it is provably ours, or cannot be anybody else's: git holds these locks for milliseconds, so each
is first given time to vanish by itself.
"""

import os
import time
from collections.abc import Iterable, Iterator

from uet_git.errors import GitLocked
from uet_git.host import openfiles
from uet_git.plumbing.git import Git, locked
from uet_git.plumbing.indexlock import abandoned
from uet_git.plumbing.leftovers import PRIVATE, index_folders, own_ref_locks
from uet_git.plumbing.removal import remove_file, remove_tree
from uet_git.plumbing.worktrees import WorkTree

_CLOCK_GRAIN = 1.0
_WITHOUT_PROC = 60.0  # seconds that a lock must be old where we cannot see who has it open
_POLL = 0.02


def remove_stale_locks(
    git: Git,
    branch: str,
    new: str,
    since: float,
    *,
    trees: Iterable[WorkTree] = (),
    pid: int = 0,
    patience: float = 1.0,
) -> list[str]:
    """Removes the locks of a landing of `new` on `branch` (full ref name) that was killed; returns their paths.

    To be called under the queue lock. `since` is when its intent was recorded (seconds since the epoch), `pid` the
    git child that the intent names (0: none, or another boot), `trees` the work trees to be brought along, `patience`
    the seconds that a lock gets to go by itself.
    Raises: GitLocked with path and age for a lock that is not ours, or if the child still runs.
    """
    _await_child(pid, patience)
    judge = _Judge(git, since, patience)
    removed = [*judge.own_refs(), *judge.branch(branch, new), *judge.heads(git), *judge.packed()]
    for tree in trees:
        removed.extend(_index_lock(tree))
    return removed


def sweep(git: Git, since: float | None, patience: float = 1.0) -> list[str]:
    """Removes what processes of ours left that died outside of a landing; returns the paths.

    To be called under the queue lock: nobody else of us works on an index then. `since` is when the first of the
    dead began, None if none is known to have died: what git locks for the deletion of a pin is only then ours.
    Raises: GitLocked for a lock that is not ours, or whose owner still lives.
    """
    judge = _Judge(git, 0.0 if since is None else since, patience)
    removed = [*judge.own_refs()]
    if since is not None:
        removed.extend(judge.packed())
    for folder in index_folders(git.common_dir):
        removed.extend(_index_leftovers(folder, patience))
    return removed


def remove_config_lock(git: Git, since: float, patience: float = 1.0) -> bool:
    """Removes the lock of the configuration if it is newer than `since` and nobody holds it; tells whether it did."""
    judge = _Judge(git, since, patience)
    path = os.path.join(git.common_dir, "config.lock")
    return judge.is_stale(path) and remove_file(path)


def _index_leftovers(folder: str, patience: float) -> Iterator[str]:
    lock = os.path.join(folder, "index.lock")
    give_up = time.monotonic() + patience
    while True:
        try:
            ours = abandoned(lock)
            break
        except GitLocked:  # a child of the dead one is still at it
            if time.monotonic() >= give_up:
                raise
            time.sleep(_POLL)
    for name in os.listdir(folder):
        if name.startswith(PRIVATE):
            remove_tree(os.path.join(folder, name))
    if ours and remove_file(lock):
        yield lock


def _await_child(pid: int, patience: float) -> None:
    give_up = time.monotonic() + patience
    while openfiles.runs(pid, "git"):
        if time.monotonic() >= give_up:
            raise GitLocked(f"git process {pid} is still moving refs")
        time.sleep(_POLL)


class _Judge:
    def __init__(self, git: Git, since: float, patience: float) -> None:
        self._common = git.common_dir
        self._since = since - _CLOCK_GRAIN
        self._patience = patience

    def own_refs(self) -> Iterator[str]:
        """Nobody but us writes below refs/uet."""
        for path in own_ref_locks(self._common):
            if self._stays(path) and _unheld(path) and remove_file(path):
                yield path

    def is_stale(self, path: str) -> bool:
        """Whether a lock is there, newer than the start, and nobody's any more."""
        return self._stays(path) and self._is_new(path) and _unheld(path)

    def branch(self, ref: str, new: str) -> Iterator[str]:
        """Ours if it holds `new`; while git is still to write that, it is empty or holds a beginning of it."""
        path = os.path.join(self._common, *ref.split("/")) + ".lock"
        if not self._stays(path):
            return
        content = _read(path).rstrip()
        beginning = new.encode().startswith(content) and self._is_new(path) and _unheld(path)
        if content != new.encode() and not beginning:
            raise locked(path)
        if remove_file(path):
            yield path

    def heads(self, git: Git) -> Iterator[str]:
        """HEAD is locked for its reflog alone, so our lock on it is empty; `git switch` writes into its own."""
        path = os.path.join(git.git_dir, "HEAD.lock")
        if not self._stays(path):
            return
        if _read(path) or not self._is_new(path) or not _unheld(path):
            raise locked(path)
        if remove_file(path):
            yield path

    def packed(self) -> Iterator[str]:
        """Taken whenever a ref is deleted; its companion `packed-refs.new` would stop the next deletion too."""
        path = os.path.join(self._common, "packed-refs.lock")
        if not self._stays(path):
            return
        draft = os.path.join(self._common, "packed-refs.new")
        if not self._is_new(path) or not _unheld(path) or not _unheld(draft):
            raise locked(path)
        for left in (draft, path):
            if remove_file(left):
                yield left

    def _stays(self, path: str) -> bool:
        """Whether a lock is there and does not go away while we wait."""
        give_up = time.monotonic() + self._patience
        first = _identity(path)
        while first is not None and time.time() - first[1] < self._patience:
            if time.monotonic() >= give_up:
                break
            time.sleep(_POLL)
            now = _identity(path)
            if now is None or now[0] != first[0]:
                first = now
        return _identity(path) is not None

    def _is_new(self, path: str) -> bool:
        found = _identity(path)
        return found is not None and found[1] >= self._since


def _index_lock(tree: WorkTree) -> Iterator[str]:
    """A foreign index.lock is none of our business until the index is needed: taking it says so then."""
    yield from _index_leftovers(tree.git.git_dir, 0.0)


def _unheld(path: str) -> bool:
    """Whether nobody has the file open, or, where that cannot be seen, it is old enough."""
    held = openfiles.is_open(path)
    if held is None:
        found = _identity(path)
        return found is None or time.time() - found[1] > _WITHOUT_PROC
    return not held


def _identity(path: str) -> tuple[int, float] | None:
    try:
        st = os.lstat(path)
    except OSError:
        return None
    return st.st_ino, st.st_mtime


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except FileNotFoundError:
        return b""
