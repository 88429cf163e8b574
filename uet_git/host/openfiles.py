"""Whether any process has a file open, where the system lets us see it (Linux: /proc/<pid>/fd, proc(5))."""

import os

_PROC = "/proc"


def is_open(path: str) -> bool | None:
    """Whether a process that we may look into has `path` open; None where the system does not tell."""
    if not os.path.isdir(f"{_PROC}/self/fd"):
        return None
    wanted = os.path.realpath(path)
    return any(wanted in _open_by(pid) for pid in os.listdir(_PROC) if pid.isdigit())


def _open_by(pid: str) -> set[str]:
    folder = f"{_PROC}/{pid}/fd"
    found = set()
    try:
        for fd in os.listdir(folder):
            found.add(os.readlink(f"{folder}/{fd}"))
    except OSError:  # ended meanwhile, or another user's
        pass
    return found


def runs(pid: int, program: str) -> bool:
    """Whether process `pid` lives; where /proc tells names, only if it is `program` (ids are used again)."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open(f"{_PROC}/{pid}/comm", "rb") as file:
            name = os.fsdecode(file.read().strip())
        with open(f"{_PROC}/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b") ")[2][:1]
    except OSError:
        return not os.path.isdir(f"{_PROC}/self")
    return name == program and state != b"Z"
