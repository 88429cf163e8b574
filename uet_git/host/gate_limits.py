"""What a gate may use: limits that its shell sets before the gate begins, and a watch over all of its processes.

`ulimit` in the shell that then becomes the gate: it is there before the gate's first instruction
(setting limits from outside races with it), and safe with threads (what Python runs between fork and
exec is not). Memory and the number of processes are watched from outside instead, for the whole family: a limit
on address space breaks Java, Node, sanitizers and `go test -race`, which reserve much more than they
use; one on processes counts all of the user's, and does not hold root.
"""

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Final

from uet_git.host.family import Family, descendants
from uet_git.model.named import NamedTuple

MB: Final = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_FIRST, _OFTEN, _SHARE = 0.02, 0.05, 20  # seconds, seconds, and at most 1/20 of the time
_CGROUP: Final = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


class GateLimits(NamedTuple):
    """Bounds of one gate. Memory and processes count all of its processes together; 0 memory: `default_memory`."""

    memory_bytes: int = 0
    processes: int = 2_048
    file_bytes: int = 8 * 1024 * MB
    open_files: int = 16_384

    def memory(self) -> int:
        """The bound on memory in bytes; 0 for none."""
        return self.memory_bytes or default_memory()

    def shell(self, timeout: float, *, confined_user: bool) -> str:
        """Commands for sh that set what the kernel holds for each process. What is refused stays as it was.

        `timeout` in seconds: processor time is bounded by that on every core, which only matters
        if nobody is left to end the gate. `confined_user`: in a user namespace of its own.
        """
        seconds = int(timeout * (os.cpu_count() or 1)) + 10
        lines = [
            "ulimit -c 0",
            f"ulimit -f {max(1, self.file_bytes // 512)}",
            f"ulimit -n {self.open_files}",
            f"ulimit -t {seconds}",
            # If memory runs out before the watch sees it, the kernel takes the gate and nobody else.
            "echo 1000 >/proc/self/oom_score_adj",
        ]
        if confined_user and _counts_by_namespace():
            tasks = self.processes * 4  # threads count too
            lines.append(f"ulimit -u {tasks} || ulimit -p {tasks}")  # as bash says it, and dash
        return "{ " + "; ".join(lines) + "; } 2>/dev/null"


@cache
def default_memory() -> int:
    """Three quarters of what the machine, or the container, has; 0 where it does not say."""
    found = []
    with suppress(ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * _PAGE)
    for path in _CGROUP:
        with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            found.append(int(file.read()))
    return min(found, default=0) * 3 // 4


@cache
def _counts_by_namespace() -> bool:
    """Linux 5.14 and newer count a user's tasks for each user namespace; older ones all of them."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and tuple(map(int, found.groups())) >= (5, 14)


class Watch:
    """Looks at a gate's processes now and then; `words` says what they had too much of, empty if nothing."""

    def __init__(self, family: Family, limits: GateLimits) -> None:
        self._family = family
        self._processes, self._memory = limits.processes, limits.memory()
        self.next = time.monotonic() + _FIRST
        self.words = ""

    def look(self) -> bool:
        """Counts; True if they have too much."""
        began = time.monotonic()
        roots = self._family.orphans() | {self._family.pid}
        members = descendants(roots, most=self._processes + 1)
        if len(members) > self._processes:
            self.words = f"had more than {self._processes} processes at once"
        elif self._memory and _resident(members) > self._memory and _exact(members) > self._memory:
            self.words = f"used more than {self._memory // MB} MB of memory"
        now = time.monotonic()
        self.next = now + max(_OFTEN, _SHARE * (now - began))
        return bool(self.words)


def _resident(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes have; what they share counts once for each."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
            total += int(file.read().split()[1])
    return total * _PAGE


def _exact(pids: Iterable[int]) -> int:
    """The same without files, and what is shared divided among those that share it. Slow: it walks page tables."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                parts = re.findall(rb"^Pss_(?:Anon|Shmem): +(\d+) kB", file.read(), re.MULTILINE)
        except OSError:
            parts = []
        total += sum(map(int, parts)) * 1024 if parts else _resident([pid])
    return total
