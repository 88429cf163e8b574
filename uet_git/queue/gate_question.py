"""gate_question: what is asked when a gate judges a tree, as a key under which the verdict is kept (DESIGN 9)."""

import os
from collections.abc import Sequence
from typing import Any

from uet_git.host import gate_facts
from uet_git.host.sandbox import Tier
from uet_git.model.records import Gate, GateResult, Oid
from uet_git.model.verdict import verdict_key
from uet_git.plumbing import narrow
from uet_git.project import Project
from uet_git.queue.gate_slot import NARROWED


class Questions:
    """Keys of verdicts for one run; what the machine is like is looked at once."""

    def __init__(self, project: Project, base: str) -> None:
        self._project = project
        self._narrowed = os.path.join(base, NARROWED)
        self._trees: dict[tuple[Oid, tuple[str, ...]], Oid] = {}
        self._versions: dict[tuple[str, ...], str | None] = {}

    @property
    def objects(self) -> str:
        """Where the trees lie that only gates with `inputs` see."""
        return self._narrowed

    def seen(self, gate: Gate, tree: Oid) -> Oid:
        """The tree that a gate gets to see: the whole one, or its `inputs` alone."""
        if not gate.inputs:
            return tree
        key = tree, gate.inputs
        if key not in self._trees:
            self._trees[key] = narrow.narrow(self._project.git, tree, gate.inputs, self._narrowed)
        return self._trees[key]

    def key(self, gate: Gate, tree: Oid, paths: Sequence[bytes] | None, tier: Tier) -> str | None:
        """The key of the question; None where a verdict must not be used again."""
        if not gate.cache:
            return None
        env = gate_facts.variables(gate.pass_env)
        facts = [gate_facts.program("sh" if gate.shell else gate.run[0], env)]
        if gate.link:
            facts += gate_facts.linked(self._project.git.top or "", gate.link)
        for argv in gate.versions:
            if argv not in self._versions:
                self._versions[argv] = gate_facts.version(argv, env)
            said = self._versions[argv]
            if said is None:
                return None
            facts.append(said)
        changed = paths if gate.changed else None
        return verdict_key(
            gate, self.seen(gate, tree), env=env, tier=str(tier), facts=facts, changed=changed
        )


def as_results(result: GateResult) -> dict[str, Any] | None:
    """What the ledger keeps of a result beside its columns; None if there is nothing."""
    found: dict[str, Any] = {}
    if result.tests is not None:
        tests = result.tests
        failures = [
            {"name": f.name, "message": f.message, "details": f.details} for f in tests.failures
        ]
        found |= {"total": tests.total, "failed": tests.failed, "skipped": tests.skipped}
        found |= {"coverage": tests.coverage, "failures": failures}
    if result.criteria_met:
        found["criteria_met"] = dict(result.criteria_met)
    if result.flaky:
        found["flaky"] = list(result.flaky)
    if result.fix:
        found["fix"] = result.fix
    return found or None
