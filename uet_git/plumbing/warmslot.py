"""Takes up a warm slot of the pool (plumbing/scratch.py) for the hooks' shortcut: what is unusual is left to that.

Loads nothing; the same folders, the same lock, the same `read-tree`, and the same look at every file afterwards.
"""

import fcntl
import os

from uet_git.host import gitenv, spawn
from uet_git.plumbing import indexnames
from uet_git.plumbing.tidy import tidy

_MOST = 64  # slots
_SMALL_INDEX = 1 << 20  # bytes
_COMPARED = 1 << 16  # bytes of an index; beyond it a process compares faster


class WarmSlot:
    """A slot that is ours until `close`, filled. `path` is the tree, `home` the HOME of a gate in it."""

    def __init__(self, base: str, number: int, lock_fd: int) -> None:
        self.lock_fd = lock_fd
        self.path = os.path.join(base, str(number), "tree")
        self.home = os.path.join(base, str(number), "home")
        self._git_dir = os.path.join(base, str(number), "git")
        self._was = b""
        self._is = b""
        self.files: list[bytes] = []

    def close(self) -> None:
        """Gives it back."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def fill(self, tree: str, argv: list[str], env: dict[str, str]) -> bool:
        """Makes it hold exactly `tree`; False: it is not warm, or not as usual.

        `argv` is git with its options, `env` is added to git's environment (plumbing/aside.py). Raises: OSError.
        """
        index = os.path.join(self._git_dir, "index")
        if os.path.islink(self.path) or not os.path.isdir(self.path) or not os.path.exists(index):
            return False
        if os.path.lexists(index + ".lock"):
            os.unlink(index + ".lock")  # its writer is dead: we hold the slot's flock
        with open(index, "rb", buffering=0) as file:
            self._was = file.read(_COMPARED + 1)
        os.set_inheritable(self.lock_fd, True)
        where = [argv[0], "-C", self.path, f"--git-dir={self._git_dir}", f"--work-tree={self.path}"]
        command = [*where, *argv[1:], "read-tree", "--reset", "-u", tree]
        if spawn.output(command, {**gitenv.environment(), **env}) is None:
            return False
        with open(index, "rb", buffering=0) as file:
            data = file.read(_SMALL_INDEX + 1)
        found = indexnames.names(data, len(tree) // 2) if len(data) <= _SMALL_INDEX else None
        if found is None or found[2] != tree or not tidy(self.path, found[0], found[1]):
            return False
        self._is, self.files = data, found[0]
        return self._empty_home()

    def changes(self, base: str) -> list[tuple[bytes, int, int]] | None:
        """The paths in which `base` and the tree differ, with the modes there and here (0: not there).

        None if the slot was too large, or held another tree before.
        """
        width = len(base) // 2
        was = indexnames.names(self._was, width) if len(self._was) <= _COMPARED else None
        if was is None or was[2] != base or len(self._is) > _COMPARED:
            return None
        old, new = (indexnames.entries(data, width) for data in (self._was, self._is))
        return [
            (path, _mode(old.get(path)), _mode(new.get(path)))
            for path in old.keys() | new.keys()
            if old.get(path) != new.get(path)
        ]

    def has_twins(self) -> bool:
        """Whether two names of the tree might be one where case does not count."""
        folders = {path.rpartition(b"/")[0] for path in self.files}
        for folder in list(folders):
            while folder:
                folder = folder.rpartition(b"/")[0]
                folders.add(folder)
        alike = b"\0".join([*self.files, *folders])
        return not alike.isascii() or len(set(alike.lower().split(b"\0"))) != alike.count(b"\0") + 1

    def _empty_home(self) -> bool:
        """Makes `home` as it is for a new gate: with nothing in it but an empty folder `tmp`."""
        tmp = os.path.join(self.home, "tmp")
        if os.path.islink(self.home) or not os.path.isdir(self.home):
            return False
        inside = os.listdir(self.home)
        if inside == ["tmp"] and not os.path.islink(tmp) and not os.listdir(tmp):
            os.chmod(tmp, 0o700)
            return True
        if inside:
            from uet_git.plumbing import removal

            removal.empty(self.home)
        os.mkdir(tmp, 0o700)
        return True


def _mode(entry: bytes | None) -> int:
    return int.from_bytes(entry[:4], "big") if entry else 0


def take(base: str) -> WarmSlot | None:
    """The first slot that nobody uses; None if it was never made. Raises: OSError."""
    for number in range(_MOST):
        fd = os.open(os.path.join(base, f"{number}.lock"), os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        os.utime(fd)  # the time of its last use
        return WarmSlot(base, number, fd)
    return None
