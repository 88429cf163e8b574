"""verify: runs the target's gates on exactly the tree that would land (DESIGN 9, P5, P6)."""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from uet_git.errors import NotTrusted, RepositoryTampered, UetError
from uet_git.gates import run as gate_run
from uet_git.ledger.entries import Move
from uet_git.ledger.runs import Attempt
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding, Gate, GateResult, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing.refs import ANY, RefUpdate, entry_ref
from uet_git.project import Project
from uet_git.queue import land, set_aside, trust
from uet_git.queue.progress import GateListener, Listener

if TYPE_CHECKING:
    from uet_git.queue.gate_run import TreeGates
    from uet_git.queue.land import Candidate

FAILED = ("failed", "timeout")


class Then(Enum):
    """What becomes of a stopped candidate: set aside; queued again and the queue paused, as nothing can be said of
    the patch; queued again alone, as another one may mend the target.
    """

    ASIDE = "aside"
    PAUSE = "pause"
    WAIT = "wait"


class Stopped(NamedTuple):
    """Why a candidate does not go on."""

    finding: Finding
    then: Then


class _Told(GateListener):
    """Passes on what the gates of one entry tell."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.entry: Entry | None = None
        self.where = ""

    def started(self, gate: str) -> None:
        """A gate begins."""
        if self.entry is not None:
            self._listener.gate_started(self.entry, gate + self.where)

    def ended(self, result: GateResult) -> None:
        """A gate ended."""
        if self.entry is not None:
            self._listener.gate_ended(self.entry, result._replace(gate=result.gate + self.where))

    def tick(self) -> None:
        """Time goes by."""
        self._listener.tick()


class Verifier:
    """The gates of one target's tip."""

    def __init__(
        self, project: Project, run: str, settings: Settings, listener: Listener, target: str
    ) -> None:
        self.project = project
        self.run = run
        self.untrusted = trust.withheld(project, target, settings)
        self.gates = gate_run.for_moment(settings.gates, "queue")
        self.listener = listener
        self._settings, self._target = settings, target
        self._told = _Told(listener)
        self._base: dict[tuple[Oid, str], GateResult] = {}

    def keep(self, batch: Sequence["Candidate"]) -> None:
        """Writes and pins candidates, as a gate needs them on disk, and records them as applied."""
        project, fresh = self.project, [c for c in batch if c.state != "applied"]
        project.objects.write()
        project.refs.move([RefUpdate(entry_ref(c.entry.entry_id), c.commit, ANY) for c in fresh])
        now = project.clock.now()
        with project.ledger.write() as write:
            again = [c for c in fresh if c.state == "apply_failed"]
            write.entries.move(
                [Move(c.entry.entry_id, "apply_failed", "queued", {}, {}) for c in again],
                run=self.run,
            )
            write.entries.move([land.applied(c) for c in fresh], run=self.run)
            steps = [
                Attempt(c.entry.entry_id, tool, "succeeded", None, c.started_at, now)
                for c in fresh
                for tool in ("validate", "stage")
            ]
            write.runs.add_steps(self.run, steps)
        for candidate in fresh:
            candidate.state, candidate.pinned = "applied", True

    def verify(self, candidate: "Candidate", tip: Oid) -> Stopped | None:
        """Runs every gate on the candidate's tree; None if all required ones passed or were skipped.

        `tip` is the tree that the target has now: what fails there too is not the candidate's doing.
        Raises: NotTrusted, before anything runs.
        """
        if self.untrusted is not None:
            raise NotTrusted(self.untrusted.detail)
        tree = candidate.staged.composed.tree
        paths = [c.path for c in candidate.staged.composed.changes]
        self._told.entry, self._told.where = candidate.entry, ""
        try:
            results = self._judging.judge(
                tree,
                self.gates,
                paths=paths,
                entry=candidate.entry.entry_id,
                jobs=self.project.jobs,
            )
            return self._stopped(results, tip, paths)
        except RepositoryTampered as exc:
            return Stopped(Finding(exc.code, exc.detail), Then.PAUSE)

    @cached_property
    def _judging(self) -> "TreeGates":
        from uet_git.queue.gate_run import TreeGates

        return TreeGates(self.project, self._settings, self.run, self._told, target=self._target)

    def _stopped(
        self, results: Mapping[str, GateResult], tip: Oid, paths: Sequence[bytes]
    ) -> Stopped | None:
        """What the results mean; a gate that could not run outweighs a failure."""
        required = [(g, results[g.name]) for g in self.gates if g.required]
        for gate, result in required:
            if result.state == "error":
                return Stopped(Finding("gate.error", f"{gate.name}: {result.detail}"), Then.PAUSE)
        failed = [(g, r) for g, r in required if r.state in FAILED]
        if failed:
            return self._blamed(failed, tip, paths)
        for gate, result in required:
            if result.flaky and holds_flaky(self._settings, gate):
                return Stopped(Finding("gate.flaky", f"{gate.name}: {result.detail}"), Then.ASIDE)
        return None

    def _blamed(
        self, failed: Sequence[tuple[Gate, GateResult]], tip: Oid, paths: Sequence[bytes]
    ) -> Stopped:
        """Whether the candidate is to blame: not if every gate that it failed fails on the target itself."""
        for gate, result in failed:
            base = self._on_base(gate, tip, paths)
            if base.state == "error":
                detail = f"{gate.name} on the target itself: {base.detail}"
                return Stopped(Finding("gate.error", detail), Then.PAUSE)
            if base.state not in FAILED:
                code = "gate.timeout" if result.state == "timeout" else "gate.failed"
                return Stopped(Finding(code, f"{gate.name}: {result.detail}"), Then.ASIDE)
        names = ", ".join(g.name for g, _ in failed)
        return Stopped(Finding("gate.base_broken", f"without it, {names} fails too"), Then.WAIT)

    def _on_base(self, gate: Gate, tip: Oid, paths: Sequence[bytes]) -> GateResult:
        """The gate's verdict on the tip: kept for each tip and gate."""
        key = tip, gate.name
        if key not in self._base:
            gate = gate._replace(paths=(), needs=())
            found = self._judging.known(tip, gate, paths)
            if found is None:
                self._told.where = " on the target itself"
                found = self._judging.judge(tip, [gate], paths=paths, purpose="base")[gate.name]
            self._base[key] = found
        return self._base[key]

    def release(self, candidates: Sequence["Candidate"]) -> None:
        """Gives applied candidates back to the queue; nothing was wrong with them."""
        applied = [c for c in candidates if c.state == "applied"]
        if applied:
            with self.project.ledger.write() as write:
                found = self.project.ledger.entries.by_ids([c.entry.entry_id for c in applied])
                there = {
                    e.entry_id for e in found if e.state == "applied"
                }  # one may have been dropped
                applied = [c for c in applied if c.entry.entry_id in there]
                land.requeue(
                    write, [(c.entry, "applied") for c in applied], "queue.tip_moved", self.run
                )
        self._unpin(candidates)

    def set_aside(self, candidate: "Candidate", stopped: Stopped, started: str) -> None:
        """Quarantines a candidate that a gate failed; or queues it again, if it is not to blame."""
        entry, project = candidate.entry, self.project
        finding = stopped.finding
        attempt = Attempt(
            entry.entry_id, "verify", "failed", finding.code, started, project.clock.now()
        )
        tampered = finding.code == RepositoryTampered.code
        if tampered:
            self._pause_at_once(candidate, finding)
        with project.ledger.write() as write:
            if stopped.then is not Then.ASIDE:
                land.requeue(write, [(entry, "applied")], finding.code, self.run)
            if stopped.then is Then.PAUSE and not tampered:
                write.landings.pause(entry.target, finding.code, finding.detail, project.actor)
            if stopped.then is Then.ASIDE:
                columns = {"attempts": entry.attempts + 1, "tree": candidate.staged.composed.tree}
                move = set_aside.quarantine(
                    set_aside.in_state(entry, "applied"), [finding], columns
                )
                write.entries.move([move], run=self.run)
                write.runs.count(self.run, {"patches_set_aside": 1})
            write.runs.add_steps(self.run, [attempt])
        self._unpin([candidate])

    def _pause_at_once(self, candidate: "Candidate", finding: Finding) -> None:
        """Stops the queue before anything else is written: the gate may have changed the ledger itself.

        Raises: RepositoryTampered if the ledger does not take it, or is not as we left it.
        """
        project, entry = self.project, candidate.entry
        try:
            with project.ledger.write() as write:
                write.landings.pause(entry.target, finding.code, finding.detail, project.actor)
            now = project.ledger.entries.get(entry.entry_id)
            state = "nothing" if now is None else now.state
            said = "" if state == "applied" else f"; it says {state} of change {entry.label}"
        except Exception as exc:
            said = f"; {exc}" if isinstance(exc, UetError) else ""
            raise RepositoryTampered(
                finding.detail + said, next=("uet-git", "fsck", "--repair")
            ) from exc
        if said:
            raise RepositoryTampered(finding.detail + said)

    def _unpin(self, candidates: Sequence["Candidate"]) -> None:
        pins = [RefUpdate(entry_ref(c.entry.entry_id), None, ANY) for c in candidates if c.pinned]
        self.project.refs.move(pins)
        for candidate in candidates:
            candidate.pinned, candidate.state = False, "queued"


def holds_flaky(settings: Settings, gate: Gate) -> bool:
    """Whether a pass on a retry is kept for a person: as the gate says, else in preset strict."""
    usual = "quarantine" if settings.preset == "strict" else "land"
    return (gate.flaky or usual) == "quarantine"
