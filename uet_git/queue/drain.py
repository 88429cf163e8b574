"""drain: the apply that a hook starts and nobody waits for (`[queue] drain_on`, DESIGN 11)."""

import os
import time
from contextlib import suppress
from typing import Final

from uet_git.errors import UetError
from uet_git.host import files
from uet_git.project import Project
from uet_git.queue import line
from uet_git.queue.progress import Listener

_PATIENCE: Final = 10.0  # seconds for git to end


def later(pid: int) -> int:
    """Lets the git process that ran the hook end, then drains the queue. Another drain makes it one too many."""
    os.setsid()
    until = time.monotonic() + _PATIENCE
    while files.pid_alive(pid, files.boot_id()) and time.monotonic() < until:
        time.sleep(0.01)
    with suppress(UetError, OSError), Project.open() as project:
        waiting = project.ledger.entries.in_states(("queued", "apply_failed"))
        if waiting:
            line.apply(project, lambda _: None, Listener(), wait=False)
    return 0
