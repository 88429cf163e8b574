"""The queue lock: one process at a time drains, lands and recovers. Holding it gives a proof that others ask for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NewType

from uet_git.errors import QueueBusy
from uet_git.host.files import Flock, Holder
from uet_git.project import Project

QueueHeld = NewType("QueueHeld", Flock)
"""Only `hold` makes one: a function that takes it cannot be called without the lock."""

FILE_NAME = "queue.lock"


@contextmanager
def hold(
    project: Project, *, wait: bool = True, on_wait: Callable[[Holder | None], None] | None = None
) -> Iterator[QueueHeld]:
    """Takes the queue lock, waiting for as long as it takes unless `wait` is off. Raises: QueueBusy."""
    lock = Flock(str(project.home / FILE_NAME))
    if not lock.acquire(None if wait else 0, on_wait):
        raise QueueBusy(said(lock.held_by()))
    try:
        yield QueueHeld(lock)
    finally:
        lock.release()


def holder(project: Project) -> Holder | None:
    """Who drains the queue right now, for messages."""
    return Flock(str(project.home / FILE_NAME)).held_by()


def said(who: Holder | None) -> str:
    """`pid 812, 40 s`."""
    return "it holds the queue lock" if who is None else f"pid {who.pid}, {who.waited():.0f} s"
