"""verify: runs the target's gates on exactly the tree that would land (DESIGN 9, P5, P6)."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from uet_git.errors import NotTrusted
from uet_git.gates import run as gate_run
from uet_git.host import files, process
from uet_git.ledger.entries import Move
from uet_git.ledger.runs import Attempt
from uet_git.model.entry import Entry
from uet_git.model.records import Finding, Gate, GateResult, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing.refs import ANY, RefUpdate, entry_ref
from uet_git.plumbing.scratch import Scratch, ScratchPool
from uet_git.project import Project
from uet_git.queue import land, set_aside, trust
from uet_git.queue.progress import Listener

if TYPE_CHECKING:
    from uet_git.queue.land import Candidate

BAD_STATES = ("failed", "timeout", "blocked")


class Stopped(NamedTuple):
    """Why a candidate does not go on; `pause` if the gate could not run, which says nothing about the patch."""

    finding: Finding
    pause: bool


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
        self._settings = settings
        self._pool: ScratchPool | None = None

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

    def verify(self, candidate: "Candidate") -> Stopped | None:
        """Runs every gate on the candidate's tree; None if all required ones passed or were skipped.

        Raises: NotTrusted, before anything runs.
        """
        if self.untrusted is not None:
            raise NotTrusted(self.untrusted.detail)
        tree = candidate.staged.composed.tree
        paths = [c.path for c in candidate.staged.composed.changes]
        results: dict[str, GateResult] = {}
        with self._scratch().checkout(tree) as scratch:
            used = False
            for gate in self.gates:
                result = gate_run.blocked_by(gate, results)
                if result is None:
                    if used and gate_run.concerns(gate, paths):
                        scratch.fill(tree)  # a formatter before it may have written there
                    used = used or gate_run.concerns(gate, paths)
                    result = self._run_one(gate, candidate.entry, scratch, tree, paths)
                else:
                    self._record_blocked(gate, candidate.entry, tree, result)
                results[gate.name] = result
        return _stopped([(g, results[g.name]) for g in self.gates])

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
        """Quarantines a candidate that a gate failed; or requeues it and pauses, if the gate could not run."""
        entry, project = candidate.entry, self.project
        finding = stopped.finding
        attempt = Attempt(
            entry.entry_id, "verify", "failed", finding.code, started, project.clock.now()
        )
        with project.ledger.write() as write:
            if stopped.pause:
                land.requeue(write, [(entry, "applied")], finding.code, self.run)
                write.landings.pause(entry.target, finding.code, finding.detail, project.actor)
            else:
                columns = {"attempts": entry.attempts + 1, "tree": candidate.staged.composed.tree}
                move = set_aside.quarantine(
                    set_aside.in_state(entry, "applied"), [finding], columns
                )
                write.entries.move([move], run=self.run)
                write.runs.count(self.run, {"patches_set_aside": 1})
            write.runs.add_steps(self.run, [attempt])
        self._unpin([candidate])

    def _run_one(
        self, gate: Gate, entry: Entry, scratch: Scratch, tree: Oid, paths: Sequence[bytes]
    ) -> GateResult:
        project = self.project
        with project.ledger.write() as write:
            gate_id = write.gates.add(
                run=self.run, entry=entry.entry_id, name=gate.name, gate_type=gate.kind,
                required=gate.required, tree=tree, definition=asdict(gate),
            )  # fmt: skip
            if gate_run.concerns(gate, paths):
                write.gates.move(gate_id, "pending", "running")
        self.listener.gate_started(entry, gate.name)
        result = gate_run.run(
            gate,
            tree_dir=scratch.path,
            keep_fds=(scratch.lock_fd,),
            scratch_home=os.path.join(self._base(), "home"),
            log_path=str(self._log(gate_id)),
            changed_paths=paths,
            clock=project.clock,
            tree=tree,
            extra_env={"UET_TREE": tree},
        )
        with project.ledger.write() as write:
            before = "running" if gate_run.concerns(gate, paths) else "pending"
            write.gates.move(
                gate_id, before, result.state, exit_code=result.exit_code,
                duration_seconds=round(result.seconds, 3), detail=result.detail,
                output_path=result.output or None, output_truncated=int(result.truncated),
            )  # fmt: skip
        self.listener.gate_ended(entry, result)
        return result

    def _record_blocked(self, gate: Gate, entry: Entry, tree: Oid, result: GateResult) -> None:
        with self.project.ledger.write() as write:
            gate_id = write.gates.add(
                run=self.run, entry=entry.entry_id, name=gate.name, gate_type=gate.kind,
                required=gate.required, tree=tree, definition=asdict(gate),
            )  # fmt: skip
            write.gates.move(gate_id, "pending", "blocked", detail=result.detail)
            write.gates.move(gate_id, "blocked", "skipped")
        self.listener.gate_ended(entry, result)

    def _log(self, gate_id: str) -> str:
        folder = self.project.home / "gates"
        with files.os_errors(f"making {folder}"):
            folder.mkdir(mode=0o700, exist_ok=True)
        return str(folder / f"{gate_id}.log")

    def _scratch(self) -> ScratchPool:
        if self._pool is None:
            self._pool = ScratchPool(os.path.join(self._base(), "trees"), self.project.git)
        return self._pool

    def _base(self) -> str:
        where = self._settings.scratch_dir or process.cache_folder()
        return os.path.join(where, "uet-git", self.project.ledger.ledger_id)

    def _unpin(self, candidates: Sequence["Candidate"]) -> None:
        pins = [RefUpdate(entry_ref(c.entry.entry_id), None, ANY) for c in candidates if c.pinned]
        self.project.refs.move(pins)
        for candidate in candidates:
            candidate.pinned, candidate.state = False, "queued"


def _stopped(results: Sequence[tuple[Gate, GateResult]]) -> Stopped | None:
    """The first required gate that did not pass; one that could not run outweighs a failure."""
    required = [(g, r) for g, r in results if g.required]
    for gate, result in required:
        if result.state == "error":
            return Stopped(Finding("gate.error", f"{gate.name}: {result.detail}"), True)
    for gate, result in required:
        if result.state in BAD_STATES:
            code = "gate.timeout" if result.state == "timeout" else "gate.failed"
            return Stopped(Finding(code, f"{gate.name}: {result.detail}"), False)
    return None
