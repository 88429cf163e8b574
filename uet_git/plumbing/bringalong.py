"""Takes a work tree that has the branch checked out along to the branch's new commit (DESIGN 10).

Two acts with the ref's move between them: `prepare` takes the index lock and proves that nothing of the user's would
be lost; `begin` and `finish` update files and index. Edits of files that the landing does not touch stay as they are,
staged or not. `repair` does after a crash what `finish` could not.
"""

import os
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Self

from uet_git.errors import IoFailed
from uet_git.host.process import Completed
from uet_git.model.named import NamedTuple
from uet_git.model.records import GITLINK, TreeChange
from uet_git.plumbing import inway
from uet_git.plumbing.git import Begun, Git, words
from uet_git.plumbing.indexfile import is_untouched
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
        self._reading: Begun | None = None

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
        self._way = (_fixed(self._git, old), _fixed(self._git, new))
        self._changes = tree_changes(self.tree, *self._way) if changes is None else changes
        self._lock.take(self._patience)
        try:
            refused = self._judge()
        except BaseException:
            self.abort()
            raise
        if refused:
            self.abort()
        return refused

    def begin(self) -> None:
        """Has git begin to update files and index; call it once the branch has moved."""
        self._reading = self._begin("read-tree", "-m", "-u", *self._way)

    def finish(self) -> list[bytes]:
        """Waits for what `begin` began (begins it, if nobody did), and lets go of the lock.

        Returns the paths that were left as they are, because the user edited them since `prepare`.
        Raises: GitFailed, DiskFull; the work tree is then for `repair`.
        """
        if self._reading is None:
            self.begin()
        assert self._reading is not None
        left: list[bytes] = []
        if self._reading.end().code != 0:
            from uet_git.plumbing.pathwise import Pathwise

            left, _ = Pathwise(self._git, self._lock).carry(self._changes)
        self._lock.publish()
        return left

    def abort(self) -> None:
        """Lets go of the lock. Files and index are as they were, unless `begin` was called: then see `repair`."""
        if self._reading is not None:
            self._reading.close()
        self._lock.release()

    def _judge(self) -> Refused | None:
        seen = inway.look(self.tree.path, self._changes)
        if seen.blocked:
            return Refused(tuple(seen.blocked), "an untracked file is in the way")
        self._lock.copy()
        if not seen.standing and not seen.missing and self._is_untouched():
            return None
        if seen.standing and (unknown := self._untracked(seen.standing)):
            return Refused(unknown, "an untracked file is in the way")
        if displaced := self._displaced():
            return Refused(displaced, "a staged file is in the way")
        if self._would_read_tree().code == 0 and not seen.missing:
            return None
        self._run("update-index", "-q", "--refresh")
        done = self._would_read_tree()
        edited = self._edited()
        if done.code:
            return Refused(
                edited,
                "local changes would be overwritten"
                if edited
                else words(done.err) or f"git read-tree: exit code {done.code}",
            )
        deleted = tuple(p for p in seen.missing if p in edited)
        return Refused(deleted, "a file that would change was deleted locally") if deleted else None

    def _is_untouched(self) -> bool:
        """What the dry run would find, without a process; False where that is not certain."""
        try:
            with open(self._lock.private, "rb") as file:
                written = os.fstat(file.fileno()).st_mtime_ns
                data = file.read()
        except FileNotFoundError:
            return False
        oid_bytes = self._git.hex_length // 2
        return is_untouched(data, written, oid_bytes, self.tree.path, self._changes)

    def _would_read_tree(self) -> Completed:
        return self._run("read-tree", "-n", "-m", "-u", *self._way)

    def _run(self, *args: str | bytes) -> Completed:
        return self._begin(*args).end()

    def _begin(self, *args: str | bytes) -> Begun:
        env = {"GIT_INDEX_FILE": self._lock.private, "GIT_LITERAL_PATHSPECS": "1"}
        return self._git.begin(*args, env=env, check=False, pass_fds=(self._lock.fd,))

    def _untracked(self, paths: Iterable[bytes]) -> tuple[bytes, ...]:
        known = set(self._run("ls-files", "-z").out.split(b"\0"))
        return tuple(p for p in paths if p not in known)

    def _displaced(self) -> tuple[bytes, ...]:
        """Staged files where a folder must go, or inside a folder that a file replaces: git would unstage them."""
        added = {c.path for c in self._changes if not c.old_mode}
        if not added:
            return ()
        above = {folder for path in added for folder in inway.parents(path)}
        ours = {c.path for c in self._changes}
        staged = self._names("diff-index", "--cached", "--diff-filter=d", self._way[0]) - ours
        return tuple(sorted(p for p in staged if p in above or added & set(inway.parents(p))))

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


def _fixed(git: Git, revision: str) -> str:
    """An object id: a name such as HEAD would mean something else once the branch has moved."""
    if len(revision) == git.hex_length and not revision.strip("0123456789abcdef"):
        return revision
    return git.text("rev-parse", "--verify", revision)


def repair(
    tree: WorkTree,
    old: str,
    new: str,
    changes: Collection[TreeChange] | None = None,
    patience: float = _PATIENCE,
) -> list[bytes]:
    """Finishes, path by path, a landing `old` to `new` that was cut short after the branch moved; can be repeated.

    `new` is a commit or tree that the work tree's branch has or had; a path that the branch has changed since is none
    of this landing's business any more. Returns the paths left as they are, because they hold the user's own content.
    Raises: GitLocked, GitFailed, DiskFull, IoFailed.
    """
    from uet_git.plumbing.pathwise import Pathwise

    found = tree_changes(tree, old, new) if changes is None else changes
    since = {c.path for c in tree_changes(tree, new, "HEAD")}
    lock = IndexLock(tree.git)
    lock.take(patience)
    try:
        lock.copy()
        left, moved = Pathwise(tree.git, lock).carry([c for c in found if c.path not in since])
        if moved:
            lock.publish()
    except OSError as exc:
        raise IoFailed(f"{tree.path}: {exc.strerror}") from exc
    finally:
        lock.release()
    return left


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
