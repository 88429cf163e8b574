"""recent: which lines the patches before this one turned: those that landed, and those that this process has staged."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from uet_git.model import oscillation
from uet_git.model.named import NamedTuple
from uet_git.model.oscillation import Turn
from uet_git.model.records import Patch
from uet_git.model.settings import Settings
from uet_git.project import Project
from uet_git.queue import validate

_KEPT = 4_000


class _Step(NamedTuple):
    """A patch that made a tree of another one."""

    before: str
    result: str
    entry_id: str
    label: str
    patch: Patch


class Recent:
    """The newest patches of each target. What is staged on top of another is newer than all that landed."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project = project
        self._limits = settings.limits
        self._steps: deque[_Step] = deque(maxlen=_KEPT)
        self._turns: dict[str, Turn] = {}
        self._landed: dict[tuple[str, int], list[tuple[str, Turn]]] = {}

    def follow(self, tree: str, result: str, label: str, entry_id: str, patch: Patch) -> None:
        """Remembers a patch that was staged; its lines are looked at when they are asked for."""
        if result != tree:
            self._steps.append(_Step(tree, result, entry_id, label, patch))

    def turns(self, target: str, tree: str, most: int) -> list[Turn]:
        """The last `most` patches below `tree`, newest first."""
        staged = list(islice(self._staged(tree), most))
        ids = {entry_id for entry_id, _ in staged}
        landed = self._of_ledger(target, most) if target else []
        rest = [turn for entry_id, turn in landed if entry_id not in ids]
        return [*(turn for _, turn in staged), *rest][:most]

    def _staged(self, tree: str) -> Iterator[tuple[str, Turn]]:
        """Back along the trees; one tree may have been made more than once, so the order counts too."""
        for step in reversed(self._steps):
            if step.result == tree:
                yield step.entry_id, self._turn(step.entry_id, step.label, step.patch)
                tree = step.before

    def _turn(self, entry_id: str, label: str, patch: Patch) -> Turn:
        if entry_id not in self._turns:
            self._turns[entry_id] = oscillation.turn(label, patch)
        return self._turns[entry_id]

    def _of_ledger(self, target: str, most: int) -> list[tuple[str, Turn]]:
        """What had landed when this process first asked; what it lands itself it knows as staged."""
        if (target, most) not in self._landed:
            found = []
            if self._project.has_ledger():
                entries = self._project.ledger.entries
                for entry in entries.last_landed(target, most):
                    _, insertions, deletions = entries.sizes(entry.patch_id)
                    if insertions + deletions > oscillation.MOST:
                        continue
                    stored = entries.patch(entry.patch_id)
                    width = self._project.git.hex_length
                    judged = validate.judge(stored.content or b"", self._limits, width)
                    turn = self._turn(entry.entry_id, entry.label, judged.patch)
                    found.append((entry.entry_id, turn))
            self._landed[target, most] = found
        return self._landed[target, most]
