"""The lock on a work tree's index, taken so that a crash leaves it provably ours.

Git's lock is the file `index.lock`. Ours carries a mark and a flock that our git children inherit: whoever can take
that flock knows that neither we nor a child of ours lives any more, whatever process ids were reused.
"""

import errno
import fcntl
import os
import time

from uet_git.plumbing.git import Git, locked
from uet_git.plumbing.leftovers import MARK, PRIVATE
from uet_git.plumbing.removal import remove_file

_RETRY_SECONDS = 0.02
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class IndexLock:
    """Holds `index.lock` of one work tree."""

    def __init__(self, git: Git) -> None:
        self.index = os.path.join(git.git_dir, "index")
        self.path = self.index + ".lock"
        self.private = os.path.join(git.git_dir, PRIVATE)
        self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    @property
    def fd(self) -> int:
        """The descriptor that carries the flock; children that touch the work tree inherit it."""
        assert self.held
        return self._fd

    def take(self, patience: float) -> None:
        """Takes the lock, waiting `patience` seconds for a git command that holds it. Raises: GitLocked."""
        give_up = time.monotonic() + patience
        own = f"{self.private}-lock-{os.getpid()}"
        fd = os.open(own, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.write(fd, MARK + b"%d\n" % os.getpid())
            while not self._appear(own):
                if time.monotonic() >= give_up:
                    raise locked(self.path)
                time.sleep(_RETRY_SECONDS)
        except BaseException:
            os.close(fd)
            raise
        finally:
            remove_file(own)
        self._fd = fd
        for left in (self.private, self.private + ".lock"):
            remove_file(left)

    def copy(self) -> None:
        """Copies the index to `private`."""
        copy_index(self.index, self.private)

    def publish(self) -> None:
        """Makes the private copy the index, on disk before it counts, and lets go."""
        fd = os.open(self.private, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(self.private, self.index)
        self.release()

    def release(self) -> None:
        """Lets go; the index stays as it is."""
        if not self.held:
            return
        for left in (self.private, self.private + ".lock", self.path):
            remove_file(left)
        os.close(self._fd)
        self._fd = -1

    def _appear(self, own: str) -> bool:
        """Puts the marked file in place under its real name, all at once."""
        try:
            os.link(own, self.path)
        except FileExistsError:
            return False
        except OSError as exc:
            if exc.errno not in _NO_HARD_LINKS:
                raise
            if os.path.lexists(self.path):
                return False
            os.rename(own, self.path)
        return True


def copy_index(index: str, target: str) -> None:
    """Copies an index, time stamp kept: git tells "edited in the same second" by it. No index, no copy."""
    try:
        st = os.stat(index)
        with open(index, "rb") as source, open(target, "wb") as copy:
            copy.write(source.read())
    except FileNotFoundError:
        return
    os.utime(target, ns=(st.st_atime_ns, st.st_mtime_ns))
    os.chmod(target, st.st_mode & 0o777)


def abandoned(path: str) -> bool:
    """Whether this `index.lock` is ours and all who held it are dead. Raises: GitLocked if one of them lives."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        if os.read(fd, len(MARK)) != MARK:
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise locked(path) from None
    finally:
        os.close(fd)
    return True
