"""compare: shows for a whole batch, on a second core, that it lands as it was submitted (DESIGN 8).

The first core writes the batch's objects meanwhile. Nothing moves before the answer; without one, the batch is composed
again, and each candidate compared where it is made.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from uet_git.host.beside import Beside, is_possible
from uet_git.queue.stage import Stager

if TYPE_CHECKING:
    from uet_git.queue.land import Candidate

_WORTH: Final = 64  # candidates


def pays(entries: int) -> bool:
    """Whether comparing so many in one go is worth a process."""
    return entries >= _WORTH and is_possible()


class Comparison:
    """The answer for one batch, on its way. Close it."""

    def __init__(self, stager: Stager, batch: Sequence["Candidate"]) -> None:
        left = [c.staged for c in batch if not c.staged.compared]
        self._beside = Beside(lambda: stager.compare(left)) if left else None
        self._answer: bool | None = None if left else True

    def ends_within(self, seconds: float) -> bool:
        """Waits so long at most; whether `holds` has nothing to wait for any more."""
        if self._answer is not None:
            return True
        return self._beside is not None and self._beside.answers_within(seconds)

    def holds(self) -> bool:
        """Waits for the answer; False also if there is none."""
        if self._answer is None:
            self._answer = self._beside is not None and self._beside.result() is True
        return self._answer

    def close(self) -> None:
        """Ends it."""
        if self._beside is not None:
            self._beside.close()
