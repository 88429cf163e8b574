"""gate_run: judges a tree by gates, side by side where their needs allow it, each verdict recorded once (DESIGN 9).

The one place that does: the queue (verify), the hooks (guard) and `gate run` all ask here. Every gate that runs has a
scratch tree of its own: what a formatter writes is in no other gate's way, and a warm slot costs milliseconds.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from uet_git.errors import RepositoryTampered, UetError
from uet_git.gates import run as gate_run
from uet_git.gates.executor import Executor, Finished, LocalExecutor, Request
from uet_git.host import files
from uet_git.ledger.gates import GateRow
from uet_git.model.records import Cached, Gate, GateResult, Oid, Tested
from uet_git.model.settings import Settings
from uet_git.plumbing.scratch import Scratch
from uet_git.project import Project
from uet_git.queue.gate_guard import Guard
from uet_git.queue.gate_question import Questions, as_results
from uet_git.queue.gate_slot import Slots
from uet_git.queue.progress import GateListener

TICK: Final = 0.1  # seconds
_LAST_WAIT: Final = 8.0  # seconds for canceled gates to end
_FAILED: Final = ("failed", "timeout")


class TreeGates:
    """Judges trees by gates, for one run of the ledger; one thread only.

    Nothing here asks whether the gates are accepted on this machine: who calls it has (queue/trust.py).
    """

    def __init__(
        self,
        project: Project,
        settings: Settings,
        run_id: str,
        listener: GateListener | None = None,
        executor: Executor | None = None,
        *,
        target: str = "",
    ) -> None:
        """With a `target` (full name of a branch) the repository is looked at before and after each gate."""
        self.project = project
        self.run_id = run_id
        self.listener = listener or GateListener()
        self.executor = executor or LocalExecutor(project.clock)
        self.slots = Slots(project, settings)
        self.questions = Questions(project, self.slots.base)
        self.target = target
        self.ended: Mapping[str, GateResult] = {}
        """The results so far of what was judged last, also where they could not be written down."""

    def judge(
        self,
        tree: Oid,
        gates: Sequence[Gate],
        *,
        paths: Sequence[bytes] | None,
        entry: str | None = None,
        use_cache: bool = True,
        jobs: int = 0,
        purpose: str = "candidate",
    ) -> dict[str, GateResult]:
        """Every gate's result on exactly `tree` (its objects are on disk), by name, in the order of their needs.

        `paths` are those that the change touches, None for "all may have changed": they only decide what is skipped.
        `entry` is the id of the entry that the tree is of, `purpose` candidate, base or asked. At most `jobs` gates
        run at once (0: one for each processor). Each attempt is a row of the ledger, and a pass of the same question
        is used again unless `use_cache` is off. On any exception, Ctrl-C included, running gates are ended and
        recorded as canceled. Raises: RepositoryTampered, DiskFull, IoFailed, GitFailed, and what the ledger raises.
        """
        ordered = gate_run.order(gates)
        judging = _Judging(self, tree, ordered, paths, entry, use_cache, jobs, purpose)
        self.ended = judging.ended
        return judging.results()

    def known(
        self, tree: Oid, gate: Gate, paths: Sequence[bytes] | None = None
    ) -> GateResult | None:
        """The newest verdict on that tree, be it a failure; None if the gate must run. Records nothing."""
        key = self.questions.key(gate, tree, paths, self.slots.tier)
        if key is None:
            return None
        # Of a gate that is tried again, a failure may have been the first try of a pass.
        ended = ("passed",) if gate.retries else ("passed", *_FAILED)
        found = self.project.ledger.verdict(key, ended)
        return None if found is None else from_row(found, tree)


@dataclass(slots=True)
class _Attempt:
    """One try of one gate. `state` is what the ledger will say once the moves that wait are written."""

    gate: Gate
    key: str | None
    tries: int = 0
    gate_id: str = ""
    state: str = "pending"
    failed_first: tuple[str, ...] = ()


class _Judging:
    """One tree on its way through its gates."""

    def __init__(
        self,
        owner: TreeGates,
        tree: Oid,
        gates: Sequence[Gate],
        paths: Sequence[bytes] | None,
        entry: str | None,
        use_cache: bool,
        jobs: int,
        purpose: str,
    ) -> None:
        self._owner, self._project = owner, owner.project
        self._tree, self._paths, self._entry, self._purpose = tree, paths, entry, purpose
        self._gates = gates
        self._use_cache = use_cache
        self._jobs = jobs or len(os.sched_getaffinity(0))
        self._results: dict[str, GateResult] = {}
        self.ended: Mapping[str, GateResult] = self._results
        self._waiting: dict[str, _Attempt] = {}
        self._starting: list[_Attempt] = []
        self._running: dict[str, tuple[_Attempt, Scratch]] = {}
        self._new: list[_Attempt] = []
        self._moves: list[tuple[_Attempt, str, str, dict[str, Any]]] = []
        self._told: list[GateResult] = []
        self._guard: Guard | None = None
        self._ran = False

    def results(self) -> dict[str, GateResult]:
        """Goes on until every gate has a result."""
        for gate in self._gates:
            self._add(_Attempt(gate, self._key(gate)))
        try:
            while self._waiting or self._running:
                self._settle()
                self._record()
                self._start()
                if self._running:
                    finished = self._owner.executor.poll(TICK)
                    for one in finished:
                        self._finish(one)
                    if not finished:
                        self._owner.listener.tick()
            self._record()
            if self._guard is not None:
                self._guard.note([g.name for g in self._gates], self._owner.run_id, self._entry)
            if self._ran:
                self._owner.slots.trim()
        except BaseException:
            self._abandon()
            raise
        return {g.name: self._results[g.name] for g in self._gates}

    # -- deciding --------------------------------------------------------------------------------------------

    def _key(self, gate: Gate) -> str | None:
        if not gate_run.concerns(gate, self._paths):
            return None
        return self._owner.questions.key(gate, self._tree, self._paths, self._owner.slots.tier)

    def _add(self, attempt: _Attempt) -> None:
        self._waiting[attempt.gate.name] = attempt
        self._new.append(attempt)

    def _settle(self) -> None:
        """Takes every waiting gate as far as it goes without running; settling one can settle the next."""
        for name, attempt in list(self._waiting.items()):
            gate = attempt.gate
            blocked = gate_run.blocked_by(gate, self._results)
            open_needs = any(n in self._waiting or self._is_running(n) for n in gate.needs)
            if blocked is not None or open_needs:
                if attempt.state == "pending":
                    self._move(attempt, "blocked", detail=blocked.detail if blocked else None)
                if blocked is not None:
                    self._move(attempt, "skipped")
                    self._end(attempt, blocked._replace(tree=self._tree))
                continue
            if attempt.state == "blocked":
                self._move(attempt, "pending")
            if not gate_run.concerns(gate, self._paths):
                result = gate_run.unconcerned(gate, self._tree)
                self._move(attempt, "skipped", detail=result.detail)
                self._end(attempt, result)
            elif (cached := self._cached(attempt)) is not None:
                self._use(attempt, cached)
            elif len(self._running) + len(self._starting) < self._jobs:
                del self._waiting[name]
                self._move(attempt, "running")
                self._starting.append(attempt)

    def _is_running(self, name: str) -> bool:
        return any(a.gate.name == name for a in self._starting) or any(
            a.gate.name == name for a, _ in self._running.values()
        )

    def _cached(self, attempt: _Attempt) -> GateRow | None:
        if not self._use_cache or attempt.key is None:
            return None
        return self._project.ledger.verdict(attempt.key)

    def _use(self, attempt: _Attempt, row: GateRow) -> None:
        """Takes a verdict over from an earlier attempt."""
        result = from_row(row, self._tree)
        self._move(attempt, "running")
        self._move(
            attempt, "passed", exit_code=row.exit_code, detail=row.detail, duration_seconds=0.0,
            output_path=row.output_path, output_truncated=row.output_truncated,
            cached_from=row.gate_id, tier=row.tier, results=row.results,
        )  # fmt: skip
        self._end(attempt, result)

    def _end(self, attempt: _Attempt, result: GateResult) -> None:
        self._waiting.pop(attempt.gate.name, None)
        self._results[attempt.gate.name] = result
        self._told.append(result)

    # -- the ledger ------------------------------------------------------------------------------------------

    def _move(self, attempt: _Attempt, to: str, **columns: Any) -> None:
        self._moves.append((attempt, attempt.state, to, columns))
        attempt.state = to

    def _record(self) -> None:
        """Writes new attempts and moves, in one transaction; what is told was written before."""
        if self._new or self._moves:
            with self._project.ledger.write() as write:
                for attempt in self._new:
                    gate = attempt.gate
                    attempt.gate_id = write.gates.add(
                        run=self._owner.run_id, entry=self._entry, name=gate.name,
                        gate_type=gate.kind, required=gate.required, tree=self._tree,
                        definition=gate._asdict(), purpose=self._purpose, verdict_key=attempt.key,
                    )  # fmt: skip
                for attempt, frm, to, columns in self._moves:
                    write.gates.move(attempt.gate_id, frm, to, **columns)
            self._new, self._moves = [], []
        told, self._told = self._told, []
        for result in told:
            self._owner.listener.ended(result)

    # -- running ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        while self._starting:
            attempt = self._starting[0]
            gate, slots = attempt.gate, self._owner.slots
            refused = slots.refused(gate)
            if refused:
                del self._starting[0]
                result = GateResult(gate.name, "error", None, 0.0, "", False, refused, self._tree)
                self._ended(attempt, result._replace(gate_id=attempt.gate_id))
                self._end(attempt, result._replace(gate_id=attempt.gate_id))
                continue
            if self._owner.target and self._guard is None:
                self._guard = Guard(self._project, self._owner.target, slots.tier)
            seen = self._owner.questions.seen(gate, self._tree)
            slot = slots.take(gate, seen, self._owner.questions.objects, self._paths)
            self._running[attempt.gate_id] = attempt, slot
            del self._starting[0]
            request = Request(
                attempt=attempt.gate_id,
                gate=gate,
                tree=self._tree,
                tree_dir=slot.path,
                home=slot.home,
                log_path=self._log(attempt.gate_id),
                fds=(slot.lock_fd,),
                env=slots.variables(gate, slot, seen),
                box=slots.box(gate, slot),
            )
            self._owner.listener.started(gate.name)
            self._owner.executor.submit(request)
            self._ran = True

    def _finish(self, finished: Finished) -> None:
        attempt, slot = self._running.pop(finished.attempt)
        with slot:
            if finished.result is None:
                assert finished.error is not None
                raise finished.error
            result = finished.result._replace(gate_id=finished.attempt)
            if attempt.gate.fixes and result.state in ("passed", "failed"):
                result = self._with_fix(attempt, slot, result)
        changed = self._guard.differences() if self._guard is not None else []
        if changed:
            detail = f"while {_names([attempt, *(a for a, _ in self._running.values())])} ran: "
            detail += "; ".join(changed[:3])
            self._ended(attempt, result._replace(state="error", detail=detail))
            raise RepositoryTampered(detail)
        again = result.state in _FAILED and attempt.tries < attempt.gate.retries
        if result.state == "passed" and attempt.failed_first:
            result = result._replace(flaky=attempt.failed_first, detail=_flaky(result, attempt))
        self._ended(attempt, result)
        if again:
            self._told.append(result)
            first = attempt.failed_first or _failed(result)
            self._add(_Attempt(attempt.gate, None, attempt.tries + 1, failed_first=first))
        else:
            self._end(attempt, result)

    def _with_fix(self, attempt: _Attempt, slot: Scratch, result: GateResult) -> GateResult:
        """A fixer that found something to change did not pass; what it changed is kept beside its log."""
        seen = self._owner.questions.seen(attempt.gate, self._tree)
        patch = slot.fix(seen)
        if not patch:
            return result
        path = result.output.removesuffix(".log") + ".patch"
        with files.os_errors(f"writing {path}"):
            files.write_atomic(path, patch)
        count = patch.count(b"\ndiff --git ") + patch.startswith(b"diff --git ")
        changed = "1 file" if count == 1 else f"{count} files"
        said = f"it would change {changed}: uet-git gate fix {attempt.gate.name}"
        detail = said if result.state == "passed" else f"{result.detail}; {said}"
        return result._replace(state="failed", fix=path, detail=detail)

    def _ended(self, attempt: _Attempt, result: GateResult) -> None:
        if result.state == "passed":
            self._project.hook_home.judged(self._tree)
        else:
            self._project.hook_home.unmark(self._tree)
        self._move(
            attempt, result.state, exit_code=result.exit_code, detail=result.detail,
            duration_seconds=round(result.seconds, 3), output_path=result.output or None,
            output_truncated=int(result.truncated), tier=result.tier, results=as_results(result),
        )  # fmt: skip

    def _abandon(self) -> None:
        """Ends what runs; says so in the ledger if that still can be said."""
        executor = self._owner.executor
        executor.cancel(list(self._running))
        deadline = self._project.clock.monotonic() + _LAST_WAIT
        while self._running and self._project.clock.monotonic() < deadline:
            for finished in executor.poll(TICK):
                attempt, slot = self._running.pop(finished.attempt)
                slot.close()
                self._move(attempt, "canceled", detail="it was not wanted any more")
        for attempt in self._starting:
            if attempt.gate_id:
                self._move(attempt, "canceled", detail="it was not wanted any more")
        for attempt in self._waiting.values():
            if attempt.gate_id and attempt.state in ("pending", "blocked"):
                self._move(attempt, "skipped")
        try:
            self._record()
        except (UetError, OSError):
            return  # the world is broken already; recovery closes what is left

    def _log(self, gate_id: str) -> str:
        folder = self._project.home / "gates"
        with files.os_errors(f"making {folder}"):
            folder.mkdir(mode=0o700, exist_ok=True)
        return str(folder / f"{gate_id}.log")


def _names(attempts: Sequence[_Attempt]) -> str:
    return ", ".join(a.gate.name for a in attempts)


def _failed(result: GateResult) -> tuple[str, ...]:
    """The tests that failed; the gate itself where no report says more."""
    named = tuple(f.name for f in result.tests.failures) if result.tests is not None else ()
    return named or (result.gate,)


def _flaky(result: GateResult, attempt: _Attempt) -> str:
    names = ", ".join(attempt.failed_first[:3])
    said = f"flaky: {names} failed before and passed on try {attempt.tries + 1}"
    return f"{said}; {result.detail}" if result.detail else said


def from_row(row: GateRow, tree: Oid) -> GateResult:
    """The result that an earlier attempt had, as one of this tree."""
    kept = row.results or {}
    tests = None
    if "total" in kept:
        tests = Tested(kept["total"], kept["failed"], kept["skipped"], (), kept.get("coverage"))
    return GateResult(
        row.name,
        row.state,
        row.exit_code,
        0.0,
        row.output_path or "",
        bool(row.output_truncated),
        row.detail or "",
        tree,
        row.gate_id,
        row.tier or "",
        tests,
        tuple(kept.get("criteria_met", {}).items()),
        Cached(row.gate_id, row.run_id, cast("str", row.ended_at)),
        fix=kept.get("fix", ""),
    )
