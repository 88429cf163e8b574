"""The only subprocess: clean environment, list argv, timeout, the whole tree killed, output capped.

Nothing here knows what git is, except which of its variables must never leak into a child.
"""

import os
import select
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Final, NamedTuple

from uet_git.errors import GitMissing, IoFailed
from uet_git.host.family import Family, adopt_orphans
from uet_git.host.files import os_errors
from uet_git.host.spool import Spool

_KEPT_GIT = frozenset(
    {
        *(
            f"GIT_{who}_{what}"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL", "DATE")
        ),
        *(
            "GIT_CONFIG_GLOBAL",
            "GIT_CONFIG_SYSTEM",
            "GIT_CONFIG_NOSYSTEM",
            "GIT_CEILING_DIRECTORIES",
        ),
        *("GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"),
    }
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
    "UET_ACTIVE": "1",
}


Child = subprocess.Popen[bytes]
PIPE: Final = subprocess.PIPE
DEVNULL: Final = subprocess.DEVNULL
_GRACE: Final = 2.0  # seconds from TERM to KILL
_KILLING: Final = 2.5  # seconds until a process that does not die is given up
_CHUNK: Final = 1 << 18
_started: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()


class Completed(NamedTuple):
    """A finished process: exit code (negative: the signal), stdout, stderr."""

    code: int
    out: bytes
    err: bytes


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for git children: the user's, without the variables that name a repository or an index.

    A leaked GIT_DIR or GIT_INDEX_FILE makes a child write into another repository (git-rev-parse --local-env-vars).
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT_GIT}
    env.update(_FIXED)
    if extra:
        env.update(extra)
    return env


def variable(name: str) -> str | None:
    """One variable of the user's environment; None where unset or empty."""
    return os.environ.get(name) or None


def any_variable(prefixes: tuple[str, ...]) -> bool:
    """Whether the user's environment has a variable whose name begins with one of these."""
    return any(name.startswith(prefixes) for name in os.environ)


def cache_folder() -> str:
    """Where throw-away files of this user belong: XDG_CACHE_HOME, else ~/.cache (XDG base directory specification)."""
    return variable("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")


def find_program(name: str) -> str | None:
    """The absolute path of a program on PATH, or None."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else None


def run(
    argv: Sequence[str | bytes],
    *,
    cwd: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 120.0,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Runs argv to its end. `timeout` in seconds. Raises: GitMissing (not startable), IoFailed (timed out)."""
    child = start(argv, cwd=cwd, env=env, pass_fds=pass_fds)
    try:
        out, err = child.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        kill_group(child)
        raise IoFailed(f"{_shown(argv)} did not end within {timeout:.0f} s") from exc
    except BaseException:
        kill_group(child)
        raise
    return Completed(child.returncode, out, err)


def start(
    argv: Sequence[str | bytes],
    *,
    cwd: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a child with pipes on stdin and stdout, in a process group of its own. Raises: GitMissing.

    `pass_fds` stay open in the child: a flock on one of them then lives as long as the child does.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=pass_fds,
            process_group=0,
        )
    except FileNotFoundError as exc:
        raise GitMissing(_shown(argv)) from exc
    except OSError as exc:
        raise IoFailed(f"{_shown(argv)}: {exc.strerror}") from exc
    _started.add(child)
    return child


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kills a child started here with its process group, and reaps it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    child.wait()


def _shown(argv: Sequence[str | bytes]) -> str:
    return " ".join(os.fsdecode(a) for a in argv[:3])


class Ended(NamedTuple):
    """How a gate's process ended. `code` is negative for a signal and None if it never started.

    `seconds` is its wall time, `error` says why it could not be started, `strays` counts processes
    that it left behind and that were killed, `truncated` that output was left out of the log.
    """

    code: int | None
    timed_out: bool
    seconds: float
    truncated: bool
    error: str = ""
    strays: int = 0


def run_gate(
    argv: Sequence[str] | str,
    *,
    cwd: str | bytes,
    env: Mapping[str, str],
    timeout: float,
    log_path: str,
    cap_bytes: int = 4 * 1024 * 1024,
    keep_fds: Sequence[int] = (),
) -> Ended:
    """Runs argv, or a str with `sh -c`, and whatever it starts; all of it is gone afterwards.

    No stdin; stdout and stderr together in `log_path`, the first and last half of `cap_bytes`. Ends
    with the first process, not with the pipe: who keeps it open does not hold us. On timeout TERM,
    2 s later KILL. Raises: DiskFull, IoFailed (the log cannot be made).
    """
    marker = f"UET_GATE={os.getpid()}-{time.monotonic_ns():x}"
    full = {**env, **dict([marker.split("=")])}
    with os_errors(f"writing {log_path}"):
        spool = Spool(log_path, cap_bytes)
    adopt_orphans(True)
    began = time.monotonic()
    try:
        family = Family(marker, _living)
        child, pipe = _start_gate(argv, cwd, full, keep_fds)
        family.pid = child.pid
        ended = _watch(child, pipe, family, spool, began, timeout)
    except OSError as exc:
        ended = Ended(None, False, time.monotonic() - began, False, _why(exc, argv, cwd))
    finally:
        spool.close()
        adopt_orphans(False)
    return ended._replace(truncated=spool.truncated)


def end_leftovers(pid: int) -> int:
    """Kills what the gates of a dead process left running, by the mark in their environment; returns how many.

    Linux only: elsewhere nothing tells whose they are.
    """
    mark, killed = f"UET_GATE={pid}-".encode(), 0
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit():
            continue
        with suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as file:
                found = any(item.startswith(mark) for item in file.read().split(b"\0"))
            if found:
                os.kill(int(name), signal.SIGKILL)
                killed += 1
    return killed


def _living() -> set[int]:
    return {child.pid for child in list(_started) if child.returncode is None}


def _why(exc: OSError, argv: Sequence[str] | str, cwd: str | bytes) -> str:
    program = "sh" if isinstance(argv, str) else argv[0]
    culprit = os.fsdecode(cwd) if exc.filename == cwd else program
    return f"{culprit}: {exc.strerror or exc}"


def _start_gate(
    argv: Sequence[str] | str, cwd: str | bytes, env: Mapping[str, str], keep_fds: Sequence[int]
) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the first process of a gate in a session of its own; returns it and where it writes."""
    reading, writing = os.pipe()
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", argv] if isinstance(argv, str) else list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(keep_fds),
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    _started.add(child)
    os.set_blocking(reading, False)
    return child, reading


def _watch(
    child: subprocess.Popen[bytes],
    pipe: int,
    family: Family,
    spool: Spool,
    began: float,
    timeout: float,
) -> Ended:
    """Follows a started gate to its end and clears away all that it leaves."""
    timed_out = False
    strays = 0
    try:
        if not _follow(child, pipe, spool, began + timeout):
            timed_out = True
            family.signal(signal.SIGTERM)
            family.signal(signal.SIGCONT)  # who is stopped hears TERM only then
            _follow(child, pipe, spool, time.monotonic() + _GRACE)
        seconds = time.monotonic() - began
    finally:
        strays = family.kill(_KILLING)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_KILLING)
        _drain(pipe, spool, 64)
        os.close(pipe)
    return Ended(child.returncode, timed_out, seconds, False, strays=strays)


def _follow(child: subprocess.Popen[bytes], pipe: int, spool: Spool, deadline: float) -> bool:
    """Takes in output until the process ended (not yet reaped: True) or the time is up (False)."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    watch = _watched(child)
    if watch is not None:
        poll.register(watch, select.POLLIN)
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ready = dict(poll.poll(min(left, 3600.0 if watch is not None else 0.01) * 1000))
            if pipe in ready and not _drain(pipe, spool, 16):
                poll.unregister(pipe)
            if watch in ready or (watch is None and _ended(child)):
                return True
    finally:
        if watch is not None:
            os.close(watch)


def _watched(child: subprocess.Popen[bytes]) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none."""
    try:
        return os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        return None


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the process ended; without reaping it where that can be asked."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _drain(pipe: int, spool: Spool, chunks: int) -> bool:
    """Moves what the pipe holds, at most some chunks, into the log; False once nobody can write."""
    for _ in range(chunks):
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        spool.write(data)
    return True
