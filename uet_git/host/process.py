"""The only subprocess: clean environment, list argv, timeout, the whole tree killed, output capped.

Nothing here knows what git is, except which of its variables must never leak into a child.
"""

import os
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from uet_git.errors import GitMissing, IoFailed
from uet_git.host import gitenv, programs
from uet_git.host.family import Family, adopt_orphans, starting
from uet_git.host.files import os_errors
from uet_git.model.named import NamedTuple

if TYPE_CHECKING:
    from uet_git.host.gate_watch import Ended
    from uet_git.host.sandbox import Box

Child = subprocess.Popen[bytes]
PIPE: Final = subprocess.PIPE
DEVNULL: Final = subprocess.DEVNULL
_started: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()


class Completed(NamedTuple):
    """A finished process: exit code (negative: the signal), stdout, stderr."""

    code: int
    out: bytes
    err: bytes


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for git children (host/gitenv.py), and what is `extra`."""
    env = gitenv.environment()
    if extra:
        env.update(extra)
    return env


def inherited() -> dict[str, str]:
    """The whole environment as it was given to us: in a hook, what git set for the repository at hand."""
    return dict(os.environ)


def monotonic() -> float:
    """Seconds that never go back."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Waits a moment."""
    time.sleep(seconds)


def variable(name: str) -> str | None:
    """One variable of the user's environment; None where unset or empty."""
    return os.environ.get(name) or None


def user_name() -> str | None:
    """The name of the account we run under, None if it has none."""
    # As getpass.getuser, which loads what a terminal needs.
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if found := variable(name):
            return found
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    return None


def any_variable(prefixes: tuple[str, ...]) -> bool:
    """Whether the user's environment has a variable whose name begins with one of these."""
    return any(name.startswith(prefixes) for name in os.environ)


def cache_folder() -> str:
    """Where throw-away files of this user belong: XDG_CACHE_HOME, else ~/.cache (XDG base directory specification)."""
    return variable("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")


def ancestor(name: str) -> int | None:
    """The nearest process above ours that runs a program of that name; None where the system does not tell."""
    pid = os.getppid()
    try:
        while pid > 1:
            with open(f"/proc/{pid}/stat", "rb") as file:
                before, _, after = file.read().rpartition(b")")
            if os.fsdecode(before.partition(b"(")[2]) == name:
                return pid
            pid = int(after.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def find_program(name: str) -> str | None:
    """The absolute path of a program on PATH, or None."""
    return programs.find(name)


class Running:
    """A program at work while we do something else. Ask for its end once, or close it."""

    def __init__(
        self, child: Child, argv: Sequence[str | bytes], stdin: bytes, timeout: float
    ) -> None:
        self._child = child
        self._argv = argv
        self._stdin = stdin
        self._timeout = timeout
        if not stdin and child.stdin is not None:
            child.stdin.close()
            child.stdin = None

    def end(self) -> Completed:
        """Waits for it. Once. Raises: IoFailed (timed out, counted from here)."""
        try:
            out, err = self._child.communicate(self._stdin or None, timeout=self._timeout)
        except subprocess.TimeoutExpired as exc:
            kill_group(self._child)
            shown = _shown(self._argv)
            raise IoFailed(f"{shown} did not end within {self._timeout:.0f} s") from exc
        except BaseException:
            kill_group(self._child)
            raise
        return Completed(self._child.returncode, out, err)

    def close(self) -> None:
        """Ends it, if nobody asked what it said."""
        if self._child.returncode is None:
            kill_group(self._child)


def begin(
    argv: Sequence[str | bytes],
    *,
    cwd: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 120.0,
    pass_fds: Sequence[int] = (),
) -> Running:
    """Starts argv, to be ended later. `timeout` in seconds. Raises: GitMissing (not startable)."""
    return Running(start(argv, cwd=cwd, env=env, pass_fds=pass_fds), argv, stdin, timeout)


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
    return begin(argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout, pass_fds=pass_fds).end()


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
        with starting:
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
            _started.add(child)
    except FileNotFoundError as exc:
        raise GitMissing(_shown(argv)) from exc
    except OSError as exc:
        raise IoFailed(f"{_shown(argv)}: {exc.strerror}") from exc
    return child


def run_here(argv: Sequence[str]) -> int:
    """Runs a program of the user's on our own terminal, in the environment that was given to us; returns its exit code.

    Ctrl-C is the program's while it runs. Raises: GitMissing (not startable).
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(  # the program, not we, is to have the default
            list(argv), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
        return child.wait()
    except FileNotFoundError as exc:
        raise GitMissing(_shown(argv)) from exc
    finally:
        signal.signal(signal.SIGINT, before)


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


def run_gate(
    argv: Sequence[str] | str,
    *,
    cwd: str | bytes,
    env: Mapping[str, str],
    timeout: float,
    log_path: str,
    cap_bytes: int = 4 * 1024 * 1024,
    keep_fds: Sequence[int] = (),
    box: "Box | None" = None,
    stop_fd: int | None = None,
) -> "Ended":
    """Runs argv, or a str with `sh -c`, and whatever it starts; all of it is gone afterwards.

    With a `box` it runs in that, with its limits: a box that cannot be made is like a program that
    cannot be started (`code` None), and a program that is not there ends with 127, as in a shell.
    No stdin; stdout and stderr together in `log_path`, the first and last half of `cap_bytes`. Ends
    with the first process, not with the pipe: who keeps it open does not hold us. On timeout, or once
    `stop_fd` can be read, TERM, 2 s later KILL. Raises: DiskFull, IoFailed (the log cannot be made).
    """
    from uet_git.host.gate_watch import Ended, Watched
    from uet_git.host.sandbox import Tier
    from uet_git.host.spool import Opening, Spool

    marker = f"UET_GATE={os.getpid()}-{time.monotonic_ns():x}"
    full = {**env, **dict([marker.split("=")])}
    command = ["/bin/sh", "-c", argv] if isinstance(argv, str) else list(argv)
    if box is not None:
        full = box.environment(full)
        command = box.wrap(command, full, timeout=timeout, mark=marker)
    with os_errors(f"writing {log_path}"):
        spool = Spool(log_path, cap_bytes)
    output = Opening(spool, marker if box is not None else "")
    adopt_orphans(True)
    began = time.monotonic()
    try:
        family = Family(marker, _living)
        child, pipe = _start_gate(command, cwd, full, keep_fds)
        family.pid = child.pid
        ended = Watched(child, pipe, family, output, box, stop_fd).ended(began, timeout)
    except OSError as exc:
        ended = Ended(None, False, time.monotonic() - began, False, _why(exc, command[0], cwd))
    finally:
        spool.close()
        adopt_orphans(False)
    return ended._replace(truncated=spool.truncated, tier=box.tier if box else Tier.NONE)


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


def _why(exc: OSError, program: str, cwd: str | bytes) -> str:
    culprit = os.fsdecode(cwd) if exc.filename == cwd else program
    return f"{culprit}: {exc.strerror or exc}"


def _start_gate(
    argv: Sequence[str], cwd: str | bytes, env: Mapping[str, str], keep_fds: Sequence[int]
) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the first process of a gate in a session of its own; returns it and where it writes."""
    reading, writing = os.pipe()
    try:
        with starting:
            child = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(keep_fds),
            )
            _started.add(child)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    os.set_blocking(reading, False)
    return child, reading
