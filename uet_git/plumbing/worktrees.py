"""Finds the work trees that hold a branch, and what they are in the middle of (DESIGN 10 "Branch checked out").

A branch is also held while a rebase or a bisect that will come back to it is under way; HEAD is detached then.
"""

import os
import time
from collections.abc import Iterator

from uet_git.model.named import NamedTuple
from uet_git.plumbing.git import Git, named_plainly

_BRANCH = "refs/heads/"
_MARKS = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply/applying", "am"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_START", "bisect"),
    ("BISECT_LOG", "bisect"),
)
_PSEUDO_REFS = frozenset({"CHERRY_PICK_HEAD", "REVERT_HEAD"})


class WorkTree(NamedTuple):
    """One work tree. `git` is the repository as seen from it, `branch` the full ref its HEAD names (None: detached).

    `held` are the branches that an unfinished rebase or bisect will come back to. `away` is set when its folder is
    not there but it is locked against pruning (it lies on a disk that is not plugged in).
    """

    git: Git
    branch: str | None
    held: tuple[str, ...] = ()
    away: bool = False

    @property
    def path(self) -> str:
        """The folder."""
        assert self.git.top is not None
        return self.git.top

    def in_progress(self) -> str | None:
        """What keeps it from being brought along: merge, rebase, am, cherry-pick, revert, bisect, away; or None."""
        if self.away:
            return "away"
        for name, meaning in _MARKS:
            if self._has(name):
                return meaning
        todo = _read(os.path.join(self.git.git_dir, "sequencer", "todo"))
        if todo is not None:
            return "revert" if todo.startswith("revert") else "cherry-pick"
        return None

    def _has(self, name: str) -> bool:
        if os.path.lexists(os.path.join(self.git.git_dir, name)):
            return True
        if name not in _PSEUDO_REFS or not _is_reftable(self.git.common_dir):
            return False
        return self.git.run("rev-parse", "-q", "--verify", name, check=False).code == 0


class WorkTrees:
    """The work trees of one repository; asks git again only when a HEAD or the list of work trees changed."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._seen: tuple[object, ...] = ()
        self._found: tuple[WorkTree, ...] = ()

    def all(self) -> tuple[WorkTree, ...]:
        """Every work tree, the main one first; none in a bare repository without linked ones."""
        now = tuple(_stamps(self._git.common_dir))
        fresh = max((int(s[1]) for s in now), default=0)
        if now != self._seen:
            self._found = tuple(_listed(self._git))
            # A change within the clock's grain of the last look would not show in the stamps.
            self._seen = now if time.time_ns() - fresh > 50_000_000 else ()
        return self._found

    def holding(self, branch: str) -> list[WorkTree]:
        """The work trees that hold `branch` (a full ref name): checked out, or by a rebase or bisect."""
        return [t for t in self.all() if branch == t.branch or branch in t.held]


def checked_out(git: Git, branch: str) -> list[WorkTree]:
    """The work trees that hold `branch` (a full ref name), asked afresh; `WorkTrees` remembers between landings."""
    return WorkTrees(git).holding(branch)


def _stamps(common: str) -> Iterator[tuple[str, int, int, int]]:
    """What changes when a HEAD moves to another branch, or a work tree, a rebase or a bisect comes or goes."""
    linked = os.path.join(common, "worktrees")
    yield from _stamp(linked)
    names = sorted(os.listdir(linked)) if os.path.isdir(linked) else []
    for folder in [common, *(os.path.join(linked, name) for name in names)]:
        yield from _stamp(folder, "gitdir")
        yield from _stamp(folder, "locked")
        yield from _stamp(folder, "HEAD")
        yield from _stamp(folder, "rebase-merge")
        yield from _stamp(folder, "rebase-apply")
        yield from _stamp(folder, "BISECT_START")
        yield from _stamp(folder, "reftable", "tables.list")


def _stamp(*parts: str) -> Iterator[tuple[str, int, int, int]]:
    path = os.path.join(*parts)
    try:
        st = os.lstat(path)
    except OSError:
        return
    yield path, st.st_mtime_ns, st.st_ino, st.st_size


def _alone(git: Git) -> WorkTree | None:
    """The main work tree where it is seen without git that there is no other, and what it has checked out."""
    if git.top is None or git.git_dir != git.common_dir:
        return None
    if os.path.lexists(os.path.join(git.common_dir, "worktrees")):
        return None
    branch = named_plainly(git)
    if branch is None or not os.path.isdir(git.top):
        return None
    own = Git(git.program, git.git_dir, git.common_dir, git.top, git.object_format)
    return WorkTree(own, branch, tuple(_held(git.git_dir)))


def _listed(git: Git) -> Iterator[WorkTree]:
    alone = _alone(git)
    if alone is not None:
        yield alone
        return
    git_dirs = dict(_linked(git.common_dir))
    records = git.run("worktree", "list", "--porcelain", "-z").out.split(b"\0\0")
    for number, record in enumerate(filter(None, records)):
        keys = dict(line.partition(b" ")[::2] for line in record.split(b"\0"))
        path = os.fsdecode(keys[b"worktree"])
        if b"bare" in keys:
            continue
        if number == 0:
            git_dir, path = git.common_dir, _main_top(git, path)
        elif path in git_dirs:
            git_dir = git_dirs[path]
        else:
            continue
        there = os.path.isdir(path)
        if not there and b"locked" not in keys:
            continue
        branch = os.fsdecode(keys[b"branch"]) if b"branch" in keys else None
        own = Git(git.program, git_dir, git.common_dir, path, git.object_format)
        yield WorkTree(own, branch, tuple(_held(git_dir)), away=not there)


def _linked(common: str) -> Iterator[tuple[str, str]]:
    """Folder and git directory of each linked work tree (gitrepository-layout: worktrees/<id>/gitdir)."""
    linked = os.path.join(common, "worktrees")
    for name in os.listdir(linked) if os.path.isdir(linked) else ():
        git_dir = os.path.join(linked, name)
        if pointer := _read(os.path.join(git_dir, "gitdir")):
            where = os.path.join(git_dir, pointer.removesuffix("\n"))
            yield os.path.normpath(os.path.dirname(where)), git_dir


def _main_top(git: Git, listed: str) -> str:
    """The main work tree's root; git names the git directory itself where `core.worktree` points elsewhere."""
    if git.git_dir == git.common_dir and git.top is not None:
        return git.top
    argv = (f"--git-dir={git.common_dir}", "config", "--type=path", "core.worktree")
    elsewhere = git.run(*argv, check=False)
    if elsewhere.code != 0:
        return listed
    return os.path.normpath(
        os.path.join(git.common_dir, os.fsdecode(elsewhere.out.removesuffix(b"\n")))
    )


def _held(git_dir: str) -> Iterator[str]:
    for name in ("rebase-merge/head-name", "rebase-apply/head-name"):
        if (text := _read(os.path.join(git_dir, name))) and text.startswith("refs/"):
            yield text.strip()
    # `git rebase --update-refs`: ref, old and new value on a line each
    yield from (_read(os.path.join(git_dir, "rebase-merge/update-refs")) or "").splitlines()[::3]
    if start := (_read(os.path.join(git_dir, "BISECT_START")) or "").strip():
        yield start if start.startswith("refs/") else _BRANCH + start


def _is_reftable(common: str) -> bool:
    return os.path.isdir(os.path.join(common, "reftable"))


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return None
