"""compare: shows for a whole batch, on a second core, that it lands as it was submitted (DESIGN 8).

The first core stages the rest and writes the batch's objects meanwhile. Nothing moves before the answer; without one,
the batch is composed again, and each candidate compared where it is made.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from uet_git.host.beside import Beside, is_possible
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.packs import Packed
from uet_git.queue.stage import Staged, Stager

if TYPE_CHECKING:
    from uet_git.queue.land import Candidate

_WORTH: Final = 64  # candidates
EARLY: Final = 80  # candidates that are worth another process before all are staged


def pays(entries: int) -> bool:
    """Whether comparing so many in one go is worth a process."""
    return entries >= _WORTH and is_possible()


class Comparison:
    """The answers for one batch, on their way: for the first part while the rest is still staged. Close it.

    The other process also makes that part's objects ready for the pack.
    """

    def __init__(self, stager: Stager, objects: Objects) -> None:
        self._stager = stager
        self._objects = objects
        self._asked = 0
        self._early: Beside[tuple[bool, list[Packed]]] | None = None
        self._last: Beside[bool] | None = None
        self._holds = True

    def ask_early(self, batch: Sequence["Candidate"]) -> None:
        """Asks for what is staged by now, if that is enough and the other core is free."""
        if len(batch) - self._asked < EARLY:
            return
        if self._early is not None:
            if not self._early.answers():
                return
            self._take()
        left, oids = self._left(batch), self._objects.unprepared()
        self._early = Beside(lambda: (self._stager.compare(left), self._objects.packed(oids)))
        self._objects.left_to(oids)

    def ask(self, batch: Sequence["Candidate"]) -> None:
        """Asks for the rest of the whole batch."""
        left = self._left(batch)
        self._last = Beside(lambda: self._stager.compare(left)) if left else None
        self._take()

    def _take(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            holds, packed = early.result() or (False, [])
            self._holds = self._holds and holds
            self._objects.prepared(packed)

    def holds(self) -> bool:
        """Waits for the answer; False also if there is none."""
        return self._holds and (self._last is None or self._last.result() is True)

    def close(self) -> None:
        """Ends it."""
        for each in (self._early, self._last):
            if each is not None:
                each.close()

    def _left(self, batch: Sequence["Candidate"]) -> list[Staged]:
        left = [c.staged for c in batch[self._asked :] if not c.staged.compared]
        self._asked = len(batch)
        return left
