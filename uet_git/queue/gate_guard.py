"""gate_guard: notices what a gate did to the repository or the ledger instead of to its tree (DESIGN 9)."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from uet_git.errors import UetError
from uet_git.host.sandbox import Tier
from uet_git.ledger.witness import Witness
from uet_git.plumbing import fingerprint
from uet_git.plumbing.untouched import Before
from uet_git.project import Project

_NOTED: Final = 20  # changes that a note names


class Guard:
    """The repository as it was before the gates of one tree ran."""

    def __init__(self, project: Project, target: str, tier: Tier) -> None:
        self._project, self._target, self._tier = project, target, tier
        self._before = self._after = self._look()
        self._witness = project.ledger.witness()

    def differences(self) -> list[str]:
        """What was changed since that nobody changes by the way, in words; empty is good."""
        confined = self._tier is Tier.BUBBLEWRAP
        self._after = self._look()
        found = fingerprint.differences(self._before, self._after, confined=confined)
        return found + self._project.ledger.lost_since(self._witness)

    def note(self, gates: Sequence[str], run: str | None, entry: str | None) -> None:
        """Keeps what else was other at the last look, other refs and HEADs, where these gates may have done it.

        Anybody may have: it is nothing to stop for, and a ledger that cannot take it now must not cost a verdict.
        """
        if self._tier is Tier.BUBBLEWRAP:
            return
        found = fingerprint.notes(self._before, self._after)
        if found:
            about = {"while_gates_ran": list(gates), "changed": found[:_NOTED]}
            with suppress(UetError, OSError), self._project.ledger.write() as write:
                write.note("note", about, run=run, entry=entry)

    def _look(self) -> fingerprint.Snapshot:
        return fingerprint.take(self._project.git, self._target, str(self._project.ledger_path))


def since(project: Project, before: Before, target: str, witness: Witness | None) -> list[str]:
    """The same for what the hooks' shortcut looked at before a gate that ran unconfined.

    Without a `witness` of a ledger that was written to meanwhile, its whole chain of events has to prove itself.
    """
    after = fingerprint.take(project.git, target, str(project.ledger_path))
    ref = os.path.join(project.git.common_dir, target)
    known = {p: c for p, c in before.files.items() if p in after.files}
    at = before.files[ref]
    was = fingerprint.Snapshot(
        target,
        None if at is None else at.strip(),
        {**dict.fromkeys(after.files), **known},
        before.hooks,
        (*before.ledger[:2], *before.ledger[3:4]),
        {},
        (),
        {},
    )
    found = fingerprint.differences(was, after)
    if witness is not None:
        return found + project.ledger.lost_since(witness)
    if before.is_of_ledger(str(project.ledger_path)):
        return found
    from uet_git.queue import fsck_chain
    from uet_git.queue.problem import DAMAGE, Problems

    problems = Problems()
    fsck_chain.check(project, project.ledger, problems)
    return found + [f"the ledger: {p.message}" for p in problems.found() if p.severity == DAMAGE]
