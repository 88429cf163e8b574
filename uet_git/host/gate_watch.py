"""Follows a started gate to its end: its output, its time, what it uses; and leaves nothing of it behind."""

import os
import select
import signal
import time
from typing import Final, Protocol

from uet_git.host.family import Family
from uet_git.host.gate_limits import Watch
from uet_git.host.sandbox import Box, Tier
from uet_git.host.spool import Opening
from uet_git.model.named import NamedTuple

_GRACE: Final = 2.0  # seconds from TERM to KILL
_KILLING: Final = 2.5  # seconds until a process that does not die is given up
_CHUNK: Final = 1 << 18


class Child(Protocol):
    """What is needed of a child process."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...


class Ended(NamedTuple):
    """How a gate's process ended. `code` is negative for a signal and None if it never started.

    `seconds` is its wall time, `error` says why it could not be started, `strays` counts processes
    that it left behind and that were killed (in a namespace of its own the kernel does, and nobody
    counts), `truncated` that output was left out of the log. `exceeded` says what it had too much
    of, and was killed for: "used more than 500 MB of memory". `tier` is what it ran in, `canceled`
    that it was ended because nobody wants it any more.
    """

    code: int | None
    timed_out: bool
    seconds: float
    truncated: bool
    error: str = ""
    strays: int = 0
    exceeded: str = ""
    tier: Tier = Tier.NONE
    canceled: bool = False


class Watched:
    """A started gate, followed to its end."""

    def __init__(
        self,
        child: Child,
        pipe: int,
        family: Family,
        output: Opening,
        box: Box | None,
        stop_fd: int | None = None,
    ) -> None:
        self._child, self._pipe, self._family, self._output = child, pipe, family, output
        self._box, self._stop_fd, self._stopped = box, stop_fd, False
        self._watch = Watch(family, box.limits) if box is not None else None

    def ended(self, began: float, timeout: float) -> Ended:
        """Waits for it and clears away all that it leaves."""
        timed_out = False
        strays = 0
        try:
            if not self._follow(began + timeout) and not self._exceeded():
                timed_out = not self._stopped
                self._ask_to_end()
                self._follow(time.monotonic() + _GRACE)
            seconds = time.monotonic() - began
        finally:
            if self._in_namespace():
                self._family.end_namespace()
            strays = self._family.kill(_KILLING)
            self._reap()
            _drain(self._pipe, self._output, 64)
            self._output.close()
            os.close(self._pipe)
        if not self._output.begun:
            return Ended(None, timed_out, seconds, False, self._unboxed())
        strays = 0 if self._in_namespace() else strays
        exceeded = self._exceeded()
        ended = Ended(self._code(), timed_out, seconds, False, strays=strays, exceeded=exceeded)
        return ended._replace(canceled=self._stopped)

    def _reap(self) -> None:
        deadline = time.monotonic() + _KILLING
        while self._child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)

    def _exceeded(self) -> str:
        return self._watch.words if self._watch is not None else ""

    def _in_namespace(self) -> bool:
        return self._box is not None and self._box.has_namespace

    def _unboxed(self) -> str:
        assert self._box is not None
        words = (
            self._output.words or f"it ended with {self._child.returncode} before the gate began"
        )
        return f"{self._box.tier}: {words}"

    def _code(self) -> int | None:
        """The exit code; what holds a namespace passes the gate's signal on as 128 + its number, as a shell does."""
        code = self._child.returncode
        if code is not None and self._in_namespace() and 128 < code <= 128 + signal.SIGSYS:
            return 128 - code
        return code

    def _ask_to_end(self) -> None:
        """TERM for the gate, not for what holds its namespace: that would end it at once."""
        spare = self._family.wardens() if self._in_namespace() else frozenset()
        self._family.signal(signal.SIGTERM, spare=spare)
        # Who is stopped hears TERM only then.
        self._family.signal(signal.SIGCONT, spare=spare)

    def _follow(self, deadline: float) -> bool:
        """Takes in output until the process ended (not yet reaped: True); False: out of time, too greedy, unwanted."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        end = _end_of(self._child)
        if end is not None:
            poll.register(end, select.POLLIN)
        if self._stop_fd is not None and not self._stopped:
            poll.register(self._stop_fd, select.POLLIN)
        try:
            while True:
                now = time.monotonic()
                if now >= deadline or self._has_too_much(now):
                    return False
                ready = dict(poll.poll(self._pause(now, deadline, end is None) * 1000))
                if self._pipe in ready and not _drain(self._pipe, self._output, 16):
                    poll.unregister(self._pipe)
                if end in ready or (end is None and _ended(self._child)):
                    return True
                if self._stop_fd in ready:
                    self._stopped = True
                    return False
        finally:
            if end is not None:
                os.close(end)

    def _has_too_much(self, now: float) -> bool:
        return self._watch is not None and now >= self._watch.next and self._watch.look()

    def _pause(self, now: float, deadline: float, must_ask: bool) -> float:
        """Seconds to wait for something to happen."""
        until = deadline if self._watch is None else min(deadline, self._watch.next)
        return max(0.0, min(until - now, 0.01 if must_ask else 3600.0))


def _end_of(child: Child) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none."""
    try:
        return os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        return None


def _ended(child: Child) -> bool:
    """Whether the process ended; without reaping it where that can be asked."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None


def _drain(pipe: int, output: Opening, chunks: int) -> bool:
    """Moves what the pipe holds, at most some chunks, into the log; False once nobody can write."""
    for _ in range(chunks):
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        output.write(data)
    return True
