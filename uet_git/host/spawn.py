"""Short-lived processes for the hooks' shortcut, without what `subprocess` loads (as much as the rest of such a hook).

One thread only: a gate is started by a plain fork.
"""

import _signal  # type: ignore[import-not-found,unused-ignore]
import os
import select

TYPE_CHECKING = False  # as type checkers read it; `typing` would be loaded
if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT = 0.06  # seconds; whatever takes longer is followed by host/gate_watch.py
_MOST = 65_536  # bytes of output


class Begun:
    """A command at work while we do something else. It gets no input, and nobody hears it complain. `end` it once."""

    def __init__(self, argv: list[str], env: "Mapping[str, str]") -> None:
        """Starts it in the current folder. Raises: OSError."""
        self._reading, writing = os.pipe()
        try:
            self._pid = os.posix_spawn(
                argv[0],
                argv,
                env,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writing, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setpgroup=0,
                setsigdef=[_signal.SIGPIPE],
            )
        except OSError:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)

    def end(self) -> bytes | None:
        """What it printed, None if it failed. Once."""
        try:
            parts = []
            while part := os.read(self._reading, 1 << 18):
                parts.append(part)
        finally:
            os.close(self._reading)
            _, status = os.waitpid(self._pid, 0)
        return b"".join(parts) if os.waitstatus_to_exitcode(status) == 0 else None


def output(argv: list[str], env: "Mapping[str, str] | None" = None) -> bytes | None:
    """What a command prints, None if it fails or cannot be started; it gets no input, and nobody hears it complain."""
    try:
        return Begun(argv, os.environ if env is None else env).end()
    except OSError:
        return None


class Child:
    """A gate's first process; its output comes from `pipe`. `returncode` is None until `poll` found its end."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: str) -> None:
        """Starts it in a session of its own. Raises: OSError."""
        self.returncode: int | None = None
        self.pipe, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _become(argv, env, folder, writing)
        os.close(writing)
        os.set_blocking(self.pipe, False)

    def poll(self) -> int | None:
        """The exit code once it ended, negative for a signal; it is reaped then."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def short(self) -> bytes | None:
        """All that it said, if it ended very soon and left no process; None: follow it, `said` is the beginning."""
        self.said = b""
        try:
            end = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return None
        try:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            ended = bool(poll.poll(SHORT * 1000))
        finally:
            os.close(end)
        is_open = self._take()
        if not ended or is_open or len(self.said) > _MOST or _children() != [self.pid]:
            return None
        return self.said

    def _take(self) -> bool:
        """Takes in what the pipe holds; whether somebody can still write to it."""
        while len(self.said) <= _MOST:
            try:
                part = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                return True
            if not part:
                return False
            self.said += part
        return True


def _become(argv: list[str], env: dict[str, str], folder: str, writing: int) -> None:
    """In the new process: becomes the gate, or ends with 127."""
    try:
        os.setsid()
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDONLY)
        for have, want in ((null, 0), (writing, 1), (writing, 2)):
            os.dup2(have, want)
        for number in (_signal.SIGPIPE, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_DFL)
        os.execve(argv[0], argv, env)  # noqa: S606 - the shell that sets its limits comes first
    finally:
        os._exit(127)


def _children() -> list[int]:
    """Our children, those that ended and were not reaped included; none where the system does not tell."""
    found: list[int] = []
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb", buffering=0) as file:
                found += map(int, file.read(65_536).split())
    except (OSError, ValueError):
        return []
    return found


def adopt_orphans() -> bool:
    """Makes this process the reaper of its orphaned descendants; see host/family.py. False: not possible.

    `ctypes` itself takes a while to load, and of it only one call is needed.
    """
    try:
        import _ctypes

        library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type,unused-ignore]
        address = _ctypes.dlsym(library, "prctl")
        return bool(_ctypes.call_function(address, (36, 1, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        from uet_git.host import family

        return family.adopt_orphans(True)
