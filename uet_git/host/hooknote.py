"""A line in the hooks' journal that is on disk before git goes on; and what it takes to write one. Loads nothing."""

import fcntl
import os

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TRIES = 5


def new_id(now: float) -> str:
    """A ULID of that time (seconds since the epoch), as host/clock.py makes them."""
    value = int(now * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_BASE32[value >> shift & 31] for shift in range(125, -1, -5))


def boot_id() -> str:
    """Names this boot of this machine; may be empty."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
            return file.read(64).decode("ascii").strip()
    except OSError:
        return ""


def sha256(text: str) -> str:
    """SHA-256 in hex of an ASCII text, without what `hashlib` loads."""
    try:
        from _sha256 import sha256 as make  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha2 import sha256 as make  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256 as make
    return str(make(text.encode("ascii")).hexdigest())


def as_json(record: dict[str, str | int | float]) -> bytes:
    """One flat object as JSON in ASCII, without what `json` loads."""
    from _json import encode_basestring_ascii as quoted

    pairs = (
        f"{quoted(k)}:{quoted(v) if isinstance(v, str) else repr(v)}" for k, v in record.items()
    )
    return b"{%b}" % ",".join(pairs).encode()


def append(path: str, line: bytes) -> None:
    """Adds a line to a file that others add to as well, and begin anew; it is on disk then. Raises: OSError."""
    for _ in range(_TRIES):
        is_there = os.path.exists(path)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)  # plumbing/hookhome.py takes none away meanwhile
            whole = line if _is_whole(fd) else b"\n" + line
            missing = len(whole) - (written := os.write(fd, whole))
            if missing:
                _take_back(fd, written)
            os.fdatasync(fd)
            same = os.stat(path).st_ino == os.fstat(fd).st_ino
        except FileNotFoundError:
            continue
        finally:
            os.close(fd)
        if missing:
            raise OSError(f"{path} does not take a whole line")
        if same:
            if not is_there:
                _sync_folder(os.path.dirname(path))
            return
    raise OSError(f"{path} does not stay")


def _is_whole(fd: int) -> bool:
    """Whether the last line has its end: a power cut or a full disk may have taken it."""
    end = os.fstat(fd).st_size
    return not end or os.pread(fd, 1, end - 1) == b"\n"


def _take_back(fd: int, written: int) -> None:
    """Half a line would spoil the next one, unless that came already."""
    end = os.lseek(fd, 0, os.SEEK_CUR)
    if os.fstat(fd).st_size == end:
        os.ftruncate(fd, end - written)


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
