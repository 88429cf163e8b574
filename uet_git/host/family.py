"""Every descendant of a child, also those that left its session or lost their parents.

Linux: this process is made the reaper of its orphaned descendants (PR_SET_CHILD_SUBREAPER, prctl(2)),
so whatever a child leaves behind turns up among our own children. Elsewhere only the process group
is known.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

_SET_CHILD_SUBREAPER = 36
_PROC = "/proc"
_lock = threading.Lock()
_adopting = 0
starting = threading.Lock()
"""Held while a child is started and made known: before it runs its program it looks like any gate's orphan."""


def adopt_orphans(on: bool) -> bool:
    """Starts or ends being the reaper of orphaned descendants; calls nest. False: not possible."""
    global _adopting
    with _lock:
        _adopting += 1 if on else -1
        if (on and _adopting > 1) or (not on and _adopting > 0):
            return True
        return _prctl(_SET_CHILD_SUBREAPER, int(on))


def _prctl(option: int, value: int) -> bool:
    if not os.path.isdir(f"{_PROC}/self/task"):
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def children(pid: int) -> set[int]:
    """The pids of a process's children, zombies included; empty where the system does not tell."""
    found: set[int] = set()
    try:
        for thread in os.listdir(f"{_PROC}/{pid}/task"):
            with open(f"{_PROC}/{pid}/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except FileNotFoundError:
        return found | _children_by_parent(pid)
    except (OSError, ValueError):
        pass
    return found


def _children_by_parent(pid: int) -> set[int]:
    """The same from /proc/*/stat: for kernels without `children`, and threads that just ended."""
    found: set[int] = set()
    if not os.path.isdir(f"{_PROC}/{pid}"):
        return found
    for name in os.listdir(_PROC):
        if name.isdigit():
            with suppress(OSError, IndexError), open(f"{_PROC}/{name}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == pid:
                    found.add(int(name))
    return found


def descendants(
    roots: Iterable[int], *, most: int = 0, visit: Callable[[int], object] | None = None
) -> set[int]:
    """The roots and everything below them, at most `most` (0: all); `visit` is called on each before its children.

    What forks faster than it can be walked must be stopped by `visit`, or bounded by `most`.
    """
    found: set[int] = set()
    waiting = set(roots)
    while waiting and not 0 < most <= len(found):
        pid = waiting.pop()
        found.add(pid)
        if visit is not None:
            visit(pid)
        waiting |= children(pid) - found
    return found


def marked(pid: int, marker: bytes, prefix: bytes) -> bool:
    """Whether a process carries our marker, or none with that prefix, or cannot be asked."""
    try:
        with open(f"{_PROC}/{pid}/environ", "rb") as file:
            env = file.read(262_144)
    except OSError:
        return True
    return marker in env or prefix not in env


class Family:
    """One child and all that comes from it. Made before the child is started."""

    def __init__(
        self,
        marker: str,
        others: Callable[[], set[int]],
        *,
        before: frozenset[int] | None = None,
    ) -> None:
        """`others` tells the pids of our other children; `marker` is NAME=VALUE in its environment.

        `before`: the children that we had before this one was started, where it is made only afterwards.
        """
        name, _, _ = marker.partition("=")
        self._marker, self._prefix = marker.encode() + b"\0", f"{name}=".encode()
        self._others = others
        self._before = children(os.getpid()) if before is None else before
        self.pid = 0

    def orphans(self) -> set[int]:
        """Our own children that came from this family by losing their parents."""
        with starting:
            strange = children(os.getpid()) - self._before - self._others() - {self.pid}
        return {pid for pid in strange if marked(pid, self._marker, self._prefix)}

    def signal(self, number: int, *, spare: frozenset[int] = frozenset()) -> set[int]:
        """Sends a signal to every living member, parents first, the first child too; returns whom it found.

        Whom to `spare` is left alone, and then the process group is not signalled as such.
        """

        def send(pid: int) -> None:
            if pid not in spare:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

        if not spare:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        return descendants(self.orphans() | {self.pid}, visit=send)

    def wardens(self) -> frozenset[int]:
        """The first child and its children: what holds a namespace together, where the gate runs in one."""
        return frozenset(children(self.pid) | {self.pid})

    def end_namespace(self) -> None:
        """Kills the first process of the gate's own process namespace; the kernel ends all others in it at once."""
        for pid in children(self.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def kill(self, within: float) -> int:
        """Kills all and reaps the orphans, for at most `within` seconds; returns how many they were.

        The first child stays for its owner to reap, so its pid and group cannot belong to another.
        """
        deadline = time.monotonic() + within
        reaped: set[int] = set()
        while True:
            self.signal(signal.SIGSTOP)
            self.signal(signal.SIGKILL)
            for pid in self.orphans():
                with suppress(ChildProcessError):
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        reaped.add(pid)
            # In this order: what leaves the first list by losing its parent is in the second.
            if not children(self.pid) and not self.orphans():
                return len(reaped)
            if time.monotonic() > deadline:
                return len(reaped)
            time.sleep(0.002)
