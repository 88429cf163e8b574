"""gate_guard: notices what a gate did to the repository or the ledger instead of to its tree (DESIGN 9)."""

from uet_git.host.sandbox import Tier
from uet_git.plumbing import fingerprint
from uet_git.project import Project


class Guard:
    """The repository as it was before the gates of one tree ran."""

    def __init__(self, project: Project, target: str, tier: Tier) -> None:
        self._project, self._target, self._tier = project, target, tier
        self._before = self._look()
        self._witness = project.ledger.witness()

    def differences(self) -> list[str]:
        """What was changed since that nobody changes by the way, in words; empty is good."""
        confined = self._tier is Tier.BUBBLEWRAP
        found = fingerprint.differences(self._before, self._look(), confined=confined)
        return found + self._project.ledger.lost_since(self._witness)

    def _look(self) -> fingerprint.Snapshot:
        return fingerprint.take(self._project.git, self._target, str(self._project.ledger_path))
