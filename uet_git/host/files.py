"""Small file powers: durable writes, locks that the kernel frees, what a path lies on.

Paths are as `os` takes them. What the system refuses leaves here as an error of
uet_git/errors.py.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import BinaryIO, Final, Self

from uet_git.errors import DiskFull, IoFailed, UetError
from uet_git.model.named import NamedTuple

AnyPath = str | bytes | os.PathLike[str]
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NETWORK: Final = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "coda", "ceph", "lustre"),
    *("gpfs", "beegfs", "glusterfs", "vboxsf", "prl_fs", "vmhgfs", "davfs", "fuse.sshfs"),
    *("fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs"),
    *("fuse.davfs2", "fuse.gcsfuse", "fuse.goofys", "fuse.smbnetfs", "fuse.curlftpfs"),
    *("fuse.vmhgfs-fuse", "fuse.gvfsd-fuse", "fuse.grpcfuse", "fuse.mount-s3"),
}


def translated(exc: OSError, doing: str, *, read_only: type[UetError] = IoFailed) -> UetError:
    """The product's error for what the system refused: a full disk, `read_only`, or IoFailed.

    `doing` is what was tried, as a clause: `writing /x/y`.
    """
    detail = f"{doing}: {exc.strerror or exc}"
    if exc.errno in _FULL:
        return DiskFull(detail)
    return read_only(detail) if exc.errno in _READ_ONLY else IoFailed(detail)


@contextmanager
def os_errors(doing: str, *, read_only: type[UetError] = IoFailed) -> Iterator[None]:
    """Turns every OSError of its block into the product's error (see `translated`)."""
    try:
        yield
    except OSError as exc:
        raise translated(exc, doing, read_only=read_only) from exc


def fsync_dir(path: AnyPath) -> None:
    """Makes the names in a folder durable, where its file system can. Raises: OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def write_atomic(path: AnyPath, data: bytes, mode: int = 0o600) -> None:
    """Replaces a file durably: after a power loss it holds the old bytes or the new, never a mix.

    A symbolic link at `path` is replaced, not followed. Raises: DiskFull, IoFailed.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: AnyPath, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end, as `write_atomic` does it; on an error nothing has
    changed. Raises: DiskFull, IoFailed.
    """
    name = os.fsencode(path)
    folder = os.path.dirname(name) or b"."
    temporary = beside(name)
    with os_errors(f"writing {os.fsdecode(name)}"):
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(fd, "wb") as file:
                yield file
                file.flush()
                os.fchmod(fd, mode)
                os.fsync(fd)
            os.rename(temporary, name)
        except BaseException:
            _remove(temporary)
            raise
        fsync_dir(folder)


def beside(path: AnyPath) -> bytes:
    """A name in the same folder that nothing has yet, for what will be moved to `path`."""
    folder, name = os.path.split(os.fsencode(path))
    mine = b".%s.%d.%s.tmp" % (name[:100], os.getpid(), os.urandom(4).hex().encode())
    return os.path.join(folder or b".", mine)


def _remove(path: bytes) -> None:
    with suppress(OSError):
        os.unlink(path)


@cache
def boot_id() -> str:
    """Names this boot of this machine, as a pid means nothing after a restart; may be empty."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip().decode()
    except OSError:
        return ""


def pid_alive(pid: int, boot: str) -> bool:
    """Tells whether the process that had this pid in that boot can still run (a zombie cannot)."""
    if pid <= 0 or boot != boot_id():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return not os.path.isdir("/proc/self")


def started_at(pid: int) -> float | None:
    """When a process started, seconds since the epoch to about a hundredth; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/stat", "rb") as file:
            born = int(next(line for line in file if line.startswith(b"btime ")).split()[1])
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return born + ticks / os.sysconf("SC_CLK_TCK")


class Holder(NamedTuple):
    """Who holds a lock: pid, and since when (seconds since the epoch)."""

    pid: int
    since: float

    def waited(self) -> float:
        """Seconds that it has been held, never negative."""
        return max(0.0, time.time() - self.since)


class Flock:
    """An exclusive lock on a file, freed by the kernel when its holder dies; never stolen by age.

    The file keeps who holds it and is never removed. One object is one holder: two in one
    process exclude each other.
    """

    def __init__(self, path: AnyPath) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(
        self, timeout: float | None = None, on_wait: Callable[[Holder | None], None] | None = None
    ) -> bool:
        """Takes the lock; False if it was not free within `timeout` seconds.

        None waits for ever, 0 does not wait. `on_wait` is called once, with who holds it, before
        the first wait. Raises: DiskFull, IoFailed.
        """
        assert self._fd is None, "taken twice"
        deadline = None if timeout is None else time.monotonic() + timeout
        told = False
        pause = 0.002
        with os_errors(f"locking {os.fsdecode(self.path)}"):
            while not self._try(block=deadline is None and (told or on_wait is None)):
                if on_wait is not None and not told and timeout != 0:
                    on_wait(self.held_by())
                told = True
                if deadline is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    time.sleep(min(pause, left))
                    pause = min(pause * 1.5, 0.05)
        return True

    def _try(self, *, block: bool) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if block else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _still_named(fd, self.path):
                os.close(fd)
                return False
            note = f"{os.getpid()} {time.time():.3f} {boot_id()}\n".encode()
            with suppress(OSError):  # a full disk takes the note, not the lock
                os.pwrite(fd, note, 0)
                os.ftruncate(fd, len(note))
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True

    def release(self) -> None:
        """Gives the lock back; nothing if it is not held."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        with suppress(OSError):
            os.ftruncate(fd, 0)
        os.close(fd)

    def held_by(self) -> Holder | None:
        """Who holds it as far as the file tells, for messages; None if nobody living."""
        try:
            with open(self.path, "rb") as file:
                pid, since, boot = file.read(200).split(b" ")
            holder = Holder(int(pid), float(since))
        except (OSError, ValueError):
            return None
        return holder if pid_alive(holder.pid, boot.decode("ascii", "replace").strip()) else None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _still_named(fd: int, path: AnyPath) -> bool:
    """Whether `path` still names the locked file: a folder removed and made again has another."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def network_file_system(path: AnyPath) -> str | None:
    """The type of the network file system that a path lies (or would lie) on; None if local.

    Read from /proc/self/mountinfo (proc(5)); always None on systems without it.
    """
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            table = file.read()
    except OSError:
        return None
    kind = _mount_type(table, os.path.realpath(os.fsencode(path)))
    return kind if kind in _NETWORK else None


def _mount_type(table: bytes, path: bytes) -> str:
    """The type of the mount that holds a real path; of equals the last, which hides the others."""
    best, kind = -1, ""
    for line in table.splitlines():
        left, _, right = line.partition(b" - ")
        fields = left.split(b" ")
        if len(fields) < 5 or not right:
            continue
        point = _unescaped(fields[4]).rstrip(b"/")
        if len(point) >= best and (path == point or path.startswith(point + b"/")):
            best, kind = len(point), right.split(b" ")[0].decode("ascii", "replace")
    return kind


def _unescaped(field: bytes) -> bytes:
    """mountinfo writes space, tab, newline and backslash as three octal digits."""
    if b"\\" not in field:
        return field
    for octal, raw in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(octal, raw)
    return field
