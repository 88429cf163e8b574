"""A pool of warm scratch trees, outside every work tree, in which gates run (DESIGN 9).

Each slot keeps its files and its own index between checkouts, so that only changed files are rewritten (a cold
checkout of 5,000 files takes seconds, a warm one milliseconds). A slot is `tree/`, where the
gate runs, and beside it `git/`, which no gate needs to see: a git directory without any configuration, so nothing that
the repository's config names can run.
"""

import fcntl
import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from uet_git.errors import GitFailed, IoFailed, UetError
from uet_git.host.files import os_errors
from uet_git.plumbing import aside
from uet_git.plumbing.git import Git, failure
from uet_git.plumbing.indexfile import names
from uet_git.plumbing.removal import empty, remove_file, remove_tree
from uet_git.plumbing.tidy import tidy

_SMALL_INDEX = 1 << 20  # bytes; about 10,000 files
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "uet-git"), ("EMAIL", "uet-git@localhost"), ("DATE", "@0 +0000"))
}


class Scratch:
    """A slot that is ours until `close`. `path` is the folder that holds exactly the tree asked for.

    `lock_fd` carries the slot's flock: a child that inherits it keeps the slot from others while it lives.
    """

    def __init__(self, base: str, number: int, lock_fd: int, git: Git) -> None:
        self.lock_fd = lock_fd
        self.path = os.path.join(base, str(number), "tree")
        self.home = os.path.join(base, str(number), "home")
        self._git_dir = os.path.join(base, str(number), "git")
        self._index = os.path.join(self._git_dir, "index")
        self._home = git
        self._env = aside.environment(git)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the slot back; its files stay for the next checkout."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def fill(self, tree: str, keep: Sequence[str] = (), objects: str = "") -> None:
        """Makes the folder hold exactly `tree` (an id whose objects are on disk), rewriting only what differs.

        Objects that the repository lacks are looked for in the folder `objects`.

        What a gate changed, deleted or left behind is undone, but for untracked files that match a pattern of `keep`
        (as in .gitignore: declared caches). A slot that cannot be mended is built anew.
        Raises: GitFailed, DiskFull, IoFailed.
        """
        self._env = aside.environment(self._home, objects or None)
        try:
            if not self._mend(tree, keep):
                self.wipe()
                if not self._mend(tree, keep):
                    raise GitFailed(f"{self.path} does not become tree {tree}")
        except OSError as exc:
            raise IoFailed(f"{self.path}: {exc.strerror}") from exc

    def empty_home(self, keep: Sequence[str] = ()) -> None:
        """Empties `home`, the HOME of gates in this slot, but for what matches a pattern of `keep` (from there).

        What one candidate's gate leaves there must not judge the next. Raises: DiskFull, IoFailed.
        """
        with os_errors(f"emptying {self.home}"):
            if os.path.isdir(self.home) and not os.path.islink(self.home):
                empty(self.home, keep)
            else:
                remove_tree(self.home)
                os.makedirs(self.home, mode=0o700)

    def give_git(self, tree: str) -> None:
        """Puts a throw-away `.git` into the folder: its index and only commit are `tree`, on a branch `uet`.

        It borrows the repository's objects and knows no remote, no configuration and no history, so that the same
        tree always looks the same. Raises: GitFailed, DiskFull, IoFailed.
        """
        folder = os.path.join(self.path, ".git")
        with os_errors(f"making {folder}"):
            remove_tree(folder)
            own = aside.make(folder, self._home, self.path, "refs/heads/uet")
            remove_file(os.path.join(folder, "shallow"))
            objects = os.path.join(folder, "objects")
            os.makedirs(os.path.join(objects, "info"))
            borrowed = [
                self._env["GIT_OBJECT_DIRECTORY"],
                os.path.join(self._home.common_dir, "objects"),
            ]
            with open(
                os.path.join(objects, "info", "alternates"),
                "w",
                encoding="utf-8",
                errors="surrogateescape",
            ) as file:
                file.writelines(f"{path}\n" for path in dict.fromkeys(borrowed))
            import shutil

            shutil.copyfile(self._index, os.path.join(folder, "index"))
        env = {**self._env, **_NOBODY, "GIT_OBJECT_DIRECTORY": objects}
        made = own.run(
            *aside.OPTIONS, "commit-tree", "-m", "The tree that is judged", tree, env=env
        )
        commit = made.out.decode().strip()
        own.run(*aside.OPTIONS, "update-ref", "refs/heads/uet", commit, env=env)

    def fix(self, tree: str) -> bytes:
        """What was changed in the folder since it was filled with `tree`, as a patch; without files that are new."""
        options = ("--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv")
        git = aside.make(self._git_dir, self._home, self.path)
        return self._run(git, "diff", *options, tree, "--", ".")

    def wipe(self) -> None:
        """Removes the slot's files and index, and its home."""
        remove_tree(self.home)
        remove_tree(self.path)
        remove_tree(self._git_dir)

    def _mend(self, tree: str, keep: Sequence[str]) -> bool:
        if os.path.islink(self.path):
            os.unlink(self.path)
        is_used = os.path.exists(self._index)
        os.makedirs(self.path, exist_ok=True)
        remove_file(self._index + ".lock")  # its writer is dead: we hold the slot's flock
        git = aside.make(self._git_dir, self._home, self.path)
        try:
            self._run(git, "read-tree", "--reset", "-u", tree)
            if not keep and (is_exact := self._tidy(tree)) is not None:
                return is_exact
            if is_used:
                patterns = (f"--exclude={pattern}" for pattern in keep)
                self._run(git, "clean", "-ffdxq", *patterns)
                self._remove_repositories(git, tree)
        except GitFailed:
            if is_used:
                return False
            raise
        done = git.run(*aside.OPTIONS, "diff-index", "--quiet", tree, env=self._env, check=False)
        return done.code == 0

    def _tidy(self, tree: str) -> bool | None:
        """Clears and checks a small slot without git, which has just compared every file; None for the others."""
        with open(self._index, "rb") as file:
            data = file.read(_SMALL_INDEX + 1)
        found = names(data, self._home.hex_length // 2) if len(data) <= _SMALL_INDEX else None
        if found is None or found.tree is None:
            return None
        return found.tree == tree and tidy(self.path, found.files, found.links)

    def _remove_repositories(self, git: Git, tree: str) -> None:
        """`git clean` never looks at a `.git`, but a gate may have made one in any folder."""
        folders = self._run(git, "ls-tree", "-r", "-d", "-z", "--name-only", tree).split(b"\0")
        for folder in folders:  # the last one is empty: the top
            left = os.path.join(self.path, os.fsdecode(folder), ".git")
            if os.path.lexists(left):
                remove_tree(left)

    def _run(self, git: Git, *args: str) -> bytes:
        done = git.run(*aside.OPTIONS, *args, env=self._env, check=False, pass_fds=(self.lock_fd,))
        if done.code != 0:
            raise failure(args, done)
        return done.out


class ScratchPool:
    """The slots below `base` for one repository; as many as are in use at once, over all processes.

    `base` must lie outside every work tree: inside one, test tools find the user's files (DESIGN 9).
    """

    def __init__(self, base: str, git: Git) -> None:
        self.base = os.path.realpath(base)
        self._git = git

    def checkout(self, tree: str, keep: Sequence[str] = (), objects: str = "") -> Scratch:
        """Takes a free slot and fills it with `tree`; see `Scratch.fill`. Raises: GitFailed, DiskFull, IoFailed."""
        slot = self.take()
        try:
            slot.fill(tree, keep, objects)
        except BaseException:
            slot.close()
            raise
        return slot

    def take(self) -> Scratch:
        """Takes the first free slot, as it is."""
        os.makedirs(self.base, mode=0o700, exist_ok=True)
        slots = (self._try(number) for number in itertools.count())
        slot = next(slot for slot in slots if slot is not None)
        os.utime(slot.lock_fd)  # the time of its last use
        return slot

    def trim(self, most: int) -> int:
        """Removes slots that nobody uses, those unused for longest first, until all take at most `most` bytes.

        Returns how many were removed. Whoever is in use stays, however large.
        """
        slots = {n: _size(os.path.join(self.base, str(n))) for n in self._numbers()}
        removed = 0
        for number in sorted(slots, key=self._last_use):
            if sum(slots.values()) <= most:
                break
            if self._remove(number):
                slots[number] = 0
                removed += 1
        return removed

    def clear(self) -> int:
        """Removes every slot that nobody uses, and returns how many."""
        return sum(self._remove(number) for number in self._numbers())

    def _numbers(self) -> list[int]:
        names = os.listdir(self.base) if os.path.isdir(self.base) else []
        return sorted(int(name) for name in names if name.isdigit())

    def _last_use(self, number: int) -> float:
        try:
            return os.stat(os.path.join(self.base, f"{number}.lock")).st_mtime
        except OSError:
            return 0.0

    def _remove(self, number: int) -> bool:
        slot = self._try(number)
        if slot is None:
            return False
        with slot, suppress(OSError, UetError):
            slot.wipe()
            remove_tree(os.path.join(self.base, str(number)))
            return True
        return False

    def _try(self, number: int) -> Scratch | None:
        fd = os.open(os.path.join(self.base, f"{number}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return Scratch(self.base, number, fd, self._git)


def _size(folder: str) -> int:
    """Bytes that a folder takes on disk."""
    total, pending = 0, [folder]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return total
