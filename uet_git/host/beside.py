"""Pure functions on a second core: in a forked process, as Python runs one thread at a time.

The forked process works on what this one had in memory, answers through a pipe, pickled, and ends; it
must touch no file, child or connection that it shares with us. Where it cannot be had, or dies, or takes
too long, the caller does the work itself: nothing depends on it but time.
"""

import contextlib
import gc
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
PROTOCOL: Final = 5
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 60.0  # seconds


def is_possible() -> bool:
    """Whether we have a second core, and forking is safe beside threads (not on macOS)."""
    return sys.platform == "linux" and cores() > 1


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not every system tells
        return os.cpu_count() or 1


def pickling() -> Any:
    """`pickle`, where possible without its part in Python, which takes a millisecond to load."""
    try:
        import _pickle
    except ImportError:
        import pickle

        return pickle
    return _pickle


class Beside(Generic[T]):
    """`work()` in a forked process. Ask for its result once, or close it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._reading = self._pid = -1
        try:
            self._reading, writing = os.pipe()
        except OSError:
            return
        # Our handlers are not for the new process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # our threads wait in zlib
                self._pid = os.fork()
            if self._pid == 0:
                _answer(work, self._reading, writing)
        except OSError:
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)

    def answers_within(self, seconds: float) -> bool:
        """Waits so long at most; whether `result` has no work to wait for any more."""
        if self._pid <= 0:
            return True
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def result(self) -> T | None:
        """What `work` returned; None if it could not be had, or is None."""
        pickle = pickling()
        try:
            data = self._read() if self._pid > 0 else b""
            return pickle.loads(data) if data else None  # our own fork wrote it
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Ends the process, if it still runs."""
        pid, self._pid = self._pid, -1
        if pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def _read(self) -> bytearray:
        """The whole answer, its length before it; empty if it is not all there in time."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        deadline = time.monotonic() + _PATIENCE
        size = self._take(8, poll, deadline)
        return self._take(int.from_bytes(size, "big"), poll, deadline) if size else size

    def _take(self, size: int, poll: select.poll, deadline: float) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view and self._pid > 0:
            left = max(0.0, deadline - time.monotonic())
            read = os.readv(self._reading, [view]) if poll.poll(left * 1000) else 0
            if not read:
                return bytearray()
            view = view[read:]
        return data


def _answer(work: Callable[[], object], reading: int, writing: int) -> None:
    """The forked process's whole life."""
    code = 1
    try:
        os.close(reading)  # or this process would be the one that it writes to
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        gc.disable()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # who waits for our output to end is not to wait for this process
            os.dup2(nowhere, stream)
        answer = pickling().dumps(work(), PROTOCOL)
        for part in (len(answer).to_bytes(8, "big"), answer):
            view = memoryview(part)
            while view:
                view = view[os.write(writing, view) :]
        code = 0
    finally:
        os._exit(code)
