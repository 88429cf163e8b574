"""walk: one pass over the line of one target: stage, verify, land, set aside (DESIGN 5, 10)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from uet_git.errors import StaleMove, TipMoving
from uet_git.ledger.entries import Move
from uet_git.ledger.runs import Attempt
from uet_git.model.entry import Entry
from uet_git.model.reasons import Gravity
from uet_git.model.records import Finding, Oid
from uet_git.plumbing import difference
from uet_git.project import Project
from uet_git.queue import compare, set_aside, standstill, validate
from uet_git.queue.commit import Committer
from uet_git.queue.land import Blocked, Candidate, Doubted, Lander, Lost, Tip
from uet_git.queue.lineup import Lineup
from uet_git.queue.pending import Pending
from uet_git.queue.progress import Listener, Report
from uet_git.queue.stage import NotStaged, Staged, Stager

if TYPE_CHECKING:
    from uet_git.queue.verify import Stopped, Verifier

BATCH_BYTES = 32 * 1024 * 1024
LOST_IN_A_ROW = 3
STALE_AT_MOST = 20


class Walk:
    """One pass over one target. A batch is a chain of candidates, each composed on the one before."""

    def __init__(
        self, project: Project, lander: Lander, report: Report, listener: Listener, target: str
    ) -> None:
        self.project = project
        self.lander = lander
        self.report = report
        self.listener = listener
        self.target = target
        self.pending = Pending()
        self.batch: list[Candidate] = []
        self.in_the_way: dict[bytes, tuple[str, str]] = {}
        self.stopped: tuple[str, str] | None = None
        self.landings = 0
        self.stale = 0
        self.lost = 0
        self._look_at_tip()

    def walk(self, line: Sequence[Entry]) -> bool:
        """Tries the line once; tells whether anything landed or was set aside."""
        self.line = line
        why = standstill.reason(self.project, self.target, self.tip.commit, line)
        if why is not None:
            self.report.hold(why[0])
            for entry in line:
                self._waits(entry, *why)
            return False
        before = len(self.report.landed) + len(self.report.aside)
        self.lineup = Lineup(self.project.ledger.entries, line)
        self._look_at_waiting()
        groups: set[str] = set()
        self.stager.defers = self.verifier is None and compare.pays(len(line))
        self.committer.ask()
        self.stager.look_ahead(self.tip.tree, line)
        for entry in line:
            if self.report.paused is not None:
                break
            if entry.entry_id in self.report.tried or entry.series_id in groups:
                continue
            if self.stopped is not None:
                self._waits(entry, *self.stopped)
                continue
            group = self.lineup.all_or_none(entry)
            if group is not None:
                groups.add(entry.series_id or "")
                self._land()
                self._try_group(group)
            elif self._may_try(entry):
                self._try(entry)
        self._land()
        self._flush()
        return len(self.report.landed) + len(self.report.aside) > before

    def close(self) -> None:
        """Ends what it has begun and not used."""
        self.committer.close()

    # -- choosing --------------------------------------------------------------------------------------------

    def _may_try(self, entry: Entry) -> bool:
        blockers = self.waiting.blockers(entry)
        if blockers:
            why = "for " + ", ".join(map(str, blockers))
            self.report.waiting[entry.entry_id] = ("queue.waiting", why)
            return False
        return entry.state == "queued" or self._worth_retrying(entry)

    def _worth_retrying(self, entry: Entry) -> bool:
        """Whether the tip changed a path that the entry touches since it last failed (DESIGN 5)."""
        if entry.tried_tip is None:
            return True
        if entry.tried_tip == self.tip.tree:
            return False
        if not self.project.objects.has(entry.tried_tip):
            return True
        changed = difference.diff_trees(self.project.objects, entry.tried_tip, self.tip.tree)
        touched = set(self.stager.patch_of(entry)[0].paths)
        return any(c.path in touched for c in changed)

    # -- trying ----------------------------------------------------------------------------------------------

    def _try(self, entry: Entry) -> None:
        """Stages one entry on the batch; lands a full batch, or each candidate at once when there are gates."""
        candidate = self._stage(entry)
        if candidate is None:
            return
        self.batch.append(candidate)
        self.waiting.done(entry)
        full = (
            len(self.batch) >= self.settings.queue.batch
            or self.project.objects.pending_bytes > BATCH_BYTES
        )
        if full or self.verifier is not None:
            self._land()

    def _try_group(self, group: Sequence[Entry]) -> None:
        """All members of a series, or none of them."""
        own = {e.number for e in group}
        ready = [
            e.state in ("queued", "apply_failed") and own.issuperset(self.waiting.blockers(e))
            for e in group
        ]
        if all(ready):
            for entry in group:
                candidate = self._stage(entry)
                if candidate is None:
                    break
                self.batch.append(candidate)
            if len(self.batch) == len(group):
                self._land()
        told = (e.entry_id for e, *_ in self.pending.told)
        settled = {*self.report.landed, *self.report.aside, *told}
        self._give_back()
        for entry in group:
            if entry.state in ("queued", "apply_failed") and entry.entry_id not in settled:
                self._waits(entry, "queue.waiting", "for the rest of its all-or-nothing series")

    def _stage(self, entry: Entry) -> Candidate | None:
        """Stages one entry on the batch's end; what does not pass is decided at once and written with the next."""
        started = self.project.clock.now()
        self.listener.trying(entry)
        self.report.tried[entry.entry_id] = None
        tree = self.batch[-1].staged.composed.tree if self.batch else self.tip.tree
        staged = self.stager.stage(tree, entry)
        if isinstance(staged, NotStaged):
            self._not_staged(entry, staged, tree, started)
            return None
        for change in staged.composed.changes if self.in_the_way else ():
            if change.path in self.in_the_way:
                self.project.objects.discard(staged.mark)
                self._waits(entry, *self.in_the_way[change.path])
                return None
        return self._candidate(staged, started)

    def _candidate(self, staged: Staged, started: str) -> Candidate:
        parent = self.batch[-1].commit if self.batch else self.tip.commit
        commit = self.committer.make(staged.entry, staged.composed.tree, parent)
        return Candidate(staged, commit, staged.entry.state, started)

    # -- setting aside ---------------------------------------------------------------------------------------

    def _not_staged(self, entry: Entry, failed: NotStaged, tree: Oid, started: str) -> None:
        """Moves an entry that could not be staged to where its gravest finding says."""
        now = self.project.clock.now()
        self.pending.steps += [
            Attempt(entry.entry_id, "validate", "succeeded", None, started, now),
            Attempt(entry.entry_id, "stage", "failed", failed.code, started, now),
        ]
        if entry.state == "apply_failed":
            self.pending.moves.append(Move(entry.entry_id, "apply_failed", "queued", {}, {}))
        entry = set_aside.in_state(entry, "queued")
        columns: dict[str, object] = {"attempts": entry.attempts + 1, "tried_tip": tree}
        if failed.code == "apply.already_applied" and entry.series_id is not None:
            done = Finding("queue.already_in_target", "every change of it is there already")
            self.waiting.done(entry)
            self._settle(entry, set_aside.refuse(entry, [done], columns))
        elif failed.gravity == Gravity.APPLY_FAILED:
            self._apply_failed(entry, failed, columns)
        elif failed.gravity == Gravity.QUARANTINED:
            self._settle(entry, self.pending.aside(entry, failed.findings, failed.offer, columns))
        else:
            self._settle(entry, set_aside.refuse(entry, failed.findings, columns))
            self.pending.gone.append(entry)

    def _apply_failed(self, entry: Entry, failed: NotStaged, columns: dict[str, object]) -> None:
        move = set_aside.fail(entry, failed.findings, columns)
        attempts = entry.attempts + 1
        if attempts < self.settings.queue.max_attempts:
            self._settle(entry, move)
            return
        self.pending.moves.append(move)
        used_up = Finding(
            "apply.attempts",
            f"{attempts} attempts; the last: {failed.code} {move.columns['detail']}",
        )
        after = set_aside.in_state(entry, "apply_failed")
        findings = [*move.columns["findings"], *validate.as_json([used_up])]
        self._settle(entry, set_aside.quarantine(after, [used_up], {"findings": findings}))

    def _settle(self, entry: Entry, move: Move) -> None:
        self.pending.moves.append(move)
        self.pending.told.append(
            (entry, move.to, str(move.columns["reason"]), str(move.columns["detail"]))
        )

    def _waits(self, entry: Entry, code: str, detail: str) -> None:
        self.report.tried[entry.entry_id] = None
        self.report.waiting[entry.entry_id] = (code, detail)
        self.listener.settled(entry, "queued", code, detail, None)

    # -- verifying and landing -------------------------------------------------------------------------------

    def _land(self) -> None:
        """Verifies and lands the batch. What is in the way waits, and the rest is composed afresh without it."""
        while self.batch:
            try:
                if not self._verified():
                    return
                outcome = self._land_once()
            except StaleMove:
                self._moved_meanwhile()
                continue
            if outcome is None:
                return
            entries = self._give_back()
            if isinstance(outcome, Lost):
                self._tip_lost()
            elif isinstance(outcome, Doubted):
                self.stager.defers = False
            elif not self._step_around(outcome, entries):
                return
            self._compose_again(entries)

    def _land_once(self) -> Blocked | Lost | Doubted | None:
        batch, tree = self.batch, self.batch[-1].staged.composed.tree
        with closing(compare.Comparison(self.stager, batch)) as comparison:
            changes = difference.diff_trees(self.project.objects, self.tip.tree, tree)
            outcome = self.lander.land(self.tip, batch, self.pending, changes, comparison)
        if outcome is None:
            self._landed(batch)
        return outcome

    def _moved_meanwhile(self) -> None:
        """Someone dropped or replaced an entry while it was worked on: the rest is looked at afresh."""
        self.stale += 1
        if self.stale > STALE_AT_MOST:
            raise StaleMove(f"entries of {self.target} keep moving")
        for entry, *_ in self.pending.told:
            self.report.tried.pop(entry.entry_id, None)
        self.pending.clear()
        self._compose_again(self._give_back())

    def _verified(self) -> bool:
        """Runs the gates on every candidate, each on exactly its tree; False, and no batch, if one is stopped."""
        verifier = self.verifier
        if verifier is None:
            return True
        self._flush()
        verifier.keep(self.batch)
        for candidate in self.batch:
            started = self.project.clock.now()
            stopped = verifier.verify(candidate, self.tip.tree)
            if stopped is not None:
                verifier.set_aside(candidate, stopped, started)
                self.batch = [c for c in self.batch if c is not candidate]
                self._stopped(candidate, stopped)
                return False
        return True

    def _stopped(self, candidate: Candidate, stopped: "Stopped") -> None:
        finding = stopped.finding
        if stopped.then.value != "aside":
            self.report.stop(self.target, candidate.entry, stopped.then.value, finding)
            self._waits(candidate.entry, finding.code, finding.detail)
        else:
            self.report.aside.append(candidate.entry.entry_id)
            why = finding.code, finding.detail
            self.listener.settled(candidate.entry, "quarantined", *why, None)
        self._give_back()
        self._look_at_waiting()

    def _give_back(self) -> list[Entry]:
        """Lets go of the batch; its entries are queued again, and nothing of them is pending."""
        batch, self.batch = self.batch, []
        for candidate in reversed(batch):
            self.project.objects.discard(candidate.staged.mark)
        if self.verifier is not None:
            self.verifier.release(batch)
        return [c.entry for c in batch]

    def _tip_lost(self) -> None:
        self.lost += 1
        if self.lost >= LOST_IN_A_ROW:
            raise TipMoving(self.target)
        self._look_at_tip()

    def _step_around(self, blocked: Blocked, entries: Sequence[Entry]) -> bool:
        """Remembers the files in the way; False if the whole target has to wait."""
        if blocked.paths:
            self.in_the_way.update(dict.fromkeys(blocked.paths, (blocked.code, blocked.detail)))
            return True
        self.stopped = (blocked.code, blocked.detail)
        for entry in entries:
            self._waits(entry, *self.stopped)
        return False

    def _compose_again(self, entries: Sequence[Entry]) -> None:
        """Stages entries again, after the tip moved or around what is in the way."""
        self._look_at_waiting()
        for old in entries:
            entry = self.project.ledger.entries.get(old.entry_id)
            if entry is None or entry.state not in ("queued", "apply_failed"):
                continue
            if self.stopped is not None:
                self._waits(entry, *self.stopped)
                continue
            if self.waiting.blockers(entry):
                self._may_try(entry)
                continue
            candidate = self._stage(entry)
            if candidate is not None:
                self.batch.append(candidate)
                self.waiting.done(entry)

    def _landed(self, batch: Sequence[Candidate]) -> None:
        last = batch[-1]
        self.landings, self.lost, self.batch = self.landings + 1, 0, []
        self._tell({c.entry.entry_id: c for c in batch})
        self.report.mended(self.target)
        self._set_tip(Tip(self.target, last.commit, last.staged.composed.tree))

    # -- what it knows ---------------------------------------------------------------------------------------

    def _look_at_tip(self) -> None:
        commit = self.project.tip(self.target)
        self.settings = self.project.settings_at(commit)
        self._new_settings()
        self.tip = Tip(self.target, commit, self.project.tip_tree(commit))

    def _set_tip(self, tip: Tip) -> None:
        """After a landing; a landed change of `uet.toml` judges all that come after it."""
        self.tip = tip
        settings = self.project.settings_at(tip.commit)
        if settings is not self.settings:
            self.settings = settings
            self._new_settings()

    def _new_settings(self) -> None:
        self.stager = Stager(self.project, self.settings)
        self.verifier = self._new_verifier()
        if self.verifier is not None and self.verifier.untrusted is not None:
            self.stopped = (self.verifier.untrusted.code, self.verifier.untrusted.detail)
        self.committer = Committer(self.project, self.settings.commit)

    def _new_verifier(self) -> "Verifier | None":
        """The target's gates; None without any, which spares a long series from loading what runs them."""
        if not any("queue" in gate.on for gate in self.settings.gates):
            return None
        from uet_git.queue.verify import Verifier

        return Verifier(self.project, self.lander.run, self.settings, self.listener, self.target)

    def _look_at_waiting(self) -> None:
        self.waiting = self.lineup.waiting(unmoved=not self.landings)

    def _flush(self) -> None:
        """Writes what is pending without a landing."""
        if self.pending:
            with self.project.ledger.write() as write:
                self.pending.write(write, self.project.ledger.entries, self.lander.run)
            self.pending.written()
            self._tell()

    def _tell(self, landed: Mapping[str, Candidate] | None = None) -> None:
        """Tells what became of entries, in the order in which they were tried."""
        aside = {told[0].entry_id: told for told in self.pending.told}
        landed = landed or {}
        for entry_id in [i for i in self.report.tried if i in aside or i in landed]:
            self.report.waiting.pop(entry_id, None)
            if entry_id in landed:
                self.report.landed.append(entry_id)
                self.listener.settled(
                    landed[entry_id].entry, "committed", None, "", landed[entry_id].commit
                )
            else:
                self.report.aside.append(entry_id)
                self.listener.settled(*aside[entry_id], None)
        self.pending.clear()
