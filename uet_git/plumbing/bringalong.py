"""Takes a work tree that has the branch checked out along to the branch's new commit (DESIGN 10).

Two acts with the ref's move between them: `prepare` takes the index lock and proves that nothing of the user's would
be lost; `finish` updates files and index. Edits of files that the landing does not touch stay as they are, staged or
not. The private copy of the index keeps its time stamp: git tells "edited in the same second" by it.
"""

import os
import shutil
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import NamedTuple, Self

from uet_git.host.process import Completed
from uet_git.model.records import GITLINK, TreeChange
from uet_git.plumbing import inway
from uet_git.plumbing.git import words
from uet_git.plumbing.indexlock import IndexLock
from uet_git.plumbing.worktrees import WorkTree

_PATIENCE = 1.0


class Refused(NamedTuple):
    """Why a work tree cannot be brought along. `paths` are the files, as many as are known; `why` is for people."""

    paths: tuple[bytes, ...]
    why: str


class BringAlong:
    """One work tree on its way from one tree to another. Used as a context: leaving it without `finish` aborts."""

    def __init__(self, tree: WorkTree, patience: float = _PATIENCE) -> None:
        self.tree = tree
        self._git = tree.git
        self._lock = IndexLock(tree.git)
        self._patience = patience
        self._way: tuple[str, str] = ("", "")
        self._changes: Collection[TreeChange] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def prepare(
        self, old: str, new: str, changes: Collection[TreeChange] | None = None
    ) -> Refused | None:
        """Gets everything ready to go from `old` to `new` (commits or trees), holding the index lock until the end.

        `changes` are the differences between the two, asked of git if not given. Returns None when ready; a refusal
        leaves nothing behind. Raises: GitLocked (someone else holds the index), GitFailed.
        """
        if busy := self.tree.in_progress():
            return Refused((), f"the work tree is in the middle of a {busy}")
        self._changes = tree_changes(self.tree, old, new) if changes is None else changes
        self._way = (old, new)
        self._lock.take(self._patience)
        try:
            refused = self._judge()
        except BaseException:
            self.abort()
            raise
        if refused:
            self.abort()
        return refused

    def finish(self) -> list[bytes]:
        """Updates files and index, and lets go of the lock; call it once the branch has moved.

        Returns the paths that were left as they are, because the user edited them since `prepare`.
        Raises: GitFailed, DiskFull; the work tree is then for `repair`.
        """
        done = self._read_tree()
        assert done.code == 0
        self._sync()
        self._lock.publish()
        return []

    def abort(self) -> None:
        """Lets go of the lock; files and index are as they were."""
        self._lock.release()

    def _judge(self) -> Refused | None:
        seen = inway.look(self.tree.path, self._changes)
        if seen.blocked:
            return Refused(tuple(seen.blocked), "an untracked file is in the way")
        self._copy()
        if seen.standing and (unknown := self._untracked(seen.standing)):
            return Refused(unknown, "an untracked file is in the way")
        if self._read_tree("-n").code == 0 and not seen.missing:
            return None
        self._run("update-index", "-q", "--refresh")
        done = self._read_tree("-n")
        edited = self._edited()
        if done.code:
            return Refused(
                edited, "local changes would be overwritten" if edited else words(done.err)
            )
        deleted = tuple(p for p in seen.missing if p in edited)
        return Refused(deleted, "a file that would change was deleted locally") if deleted else None

    def _copy(self) -> None:
        private = self._lock.private
        try:
            shutil.copyfile(self._lock.index, private)
        except FileNotFoundError:
            return
        st = os.stat(self._lock.index)
        os.utime(private, ns=(st.st_atime_ns, st.st_mtime_ns))
        os.chmod(private, st.st_mode & 0o777)

    def _read_tree(self, *flags: str) -> Completed:
        return self._run("read-tree", *flags, "-m", "-u", *self._way)

    def _run(self, *args: str | bytes, stdin: bytes = b"") -> Completed:
        env = {"GIT_INDEX_FILE": self._lock.private, "GIT_LITERAL_PATHSPECS": "1"}
        return self._git.run(*args, stdin=stdin, env=env, check=False, pass_fds=(self._lock.fd,))

    def _untracked(self, paths: Iterable[bytes]) -> tuple[bytes, ...]:
        known = set(self._run("ls-files", "-z").out.split(b"\0"))
        return tuple(p for p in paths if p not in known)

    def _edited(self) -> tuple[bytes, ...]:
        """Touched files with edits of the user's, staged or not; a submodule's own state is not ours to judge."""
        touched = {c.path for c in self._changes if GITLINK not in (c.old_mode, c.new_mode)}
        old, new = self._way
        changed = self._names("diff-index", "--cached", old) | self._names("diff-files")
        return tuple(sorted(touched & changed & self._names("diff-index", "--cached", new)))

    def _names(self, *args: str) -> set[bytes]:
        flags = ("--name-only", "-z", "--no-renames", "--ignore-submodules=all")
        done = self._run(args[0], *flags, *args[1:])
        return set(filter(None, done.out.split(b"\0")))

    def _sync(self) -> None:
        fd = os.open(self._lock.private, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def tree_changes(tree: WorkTree, old: str, new: str) -> list[TreeChange]:
    """The paths in which two trees or commits differ, renames as deletion and addition."""
    flags = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
    fields = tree.git.run("diff-tree", *flags, old, new).out.split(b"\0")
    found = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_oid, new_oid, _ = meta[1:].decode().split(" ")
        modes = int(old_mode, 8), int(new_mode, 8)
        found.append(
            TreeChange(
                path, modes[0], old_oid if modes[0] else "", modes[1], new_oid if modes[1] else ""
            )
        )
    return found
