"""fsck, the rows: whether each is what its events lead to, and satisfies its schema as a document (DESIGN 5, 6)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from uet_git.ledger import documents, inspect, redaction, unknown
from uet_git.ledger.documents import Document
from uet_git.ledger.gates import GateRow
from uet_git.ledger.inspect import EntryRows, RunRows, Unreadable
from uet_git.ledger.ledger import Ledger
from uet_git.model import history
from uet_git.model.entry import Entry, Event, Step, StoredPatch
from uet_git.model.history import Recorded
from uet_git.queue import fsck_faults as faults
from uet_git.queue.fsck_chain import Chain
from uet_git.queue.problem import Problems


class Rows:
    """The rows of one ledger beside its events."""

    def __init__(self, ledger: Ledger, chain: Chain, problems: Problems) -> None:
        self.ledger = ledger
        self.chain = chain
        self.problems = problems
        self.unsound: set[str] = set()
        self.unknown = unknown.fields(ledger.db)

    def told_unknown(self) -> None:
        """What a rebuild could not restore, and whether its own list is sound."""
        for (table, key), names in self.unknown.items():
            body = documents.unknown_document(table, key, names, 1)
            self._fits("unknown_fields", f"list of unknown fields of {table} {key}", body, ())
        counts = Counter(table for table, _ in self.unknown)
        if counts:
            said = ", ".join(f"{table} {count}" for table, count in sorted(counts.items()))
            text = f"a rebuild could not restore every field; rows with unknown ones: {said}"
            self.problems.note("fields_unknown", text, ("uet-git", "log", "--json"))

    def is_unknown(self, table: str, key: str, field: str) -> bool:
        """Whether a rebuild could not restore a field."""
        return field in self.unknown.get((table, key), ())

    def lost(self) -> None:
        """Rows that events name and the tables do not have."""
        for row in inspect.lost_rows(self.ledger) if self.chain.whole else ():
            kind = "entry" if row.table == "entries" else "run"
            self.problems.damage("row_missing", f"{kind} {row.key} is gone; its events are here")

    def entries(self) -> Iterator[tuple[Entry, StoredPatch]]:
        """Every entry that is what its events say, with its patch; the others are reported."""
        for page in inspect.entry_pages(self.ledger):
            for row in page:
                if isinstance(row, Unreadable):
                    self._unreadable(row)
                    self.unsound.add(row.key)
                    continue
                patch = self._entry(row)
                if patch is not None:
                    yield row.entry, patch
                else:
                    self.unsound.add(row.entry.entry_id)

    def runs(self) -> Iterator[RunRows]:
        """Every run; what is wrong with it is reported."""
        for page in inspect.run_pages(self.ledger):
            for row in page:
                if isinstance(row, Unreadable):
                    self._unreadable(row)
                    continue
                self._run(row)
                yield row

    def others(self) -> None:
        """Series, repaired readings and pauses."""
        for series in inspect.series(self.ledger):
            self._fits("series", series.series_id, documents.series_document(series), ())
        for repair, fault in inspect.repairs(self.ledger):
            if isinstance(repair, Unreadable):
                self._unreadable(repair)
                continue
            name = f"repaired reading of entry {repair.entry_id}"
            if fault:
                self.problems.damage("row_changed", f"{name}: {fault}", ())
            self._fits("repairs", name, documents.repair_document(repair), ())
        pauses, events = inspect.pauses_with_events(self.ledger)
        for pause in pauses:
            self._fits("pauses", pause.target, documents.pause_document(pause), ())
        if self._trusted(events):
            expected = faults.pauses_of(events)
            found = {p.target: (p.code, p.reason) for p in pauses}
            for target in sorted(expected.keys() | found.keys()):
                if expected.get(target) != found.get(target):
                    text = f"the pause of {target} is not the one that the events tell"
                    self.problems.damage("row_changed", text, ("uet-git", "status"))

    # -- one row -------------------------------------------------------------------------------------------------

    def _entry(self, row: EntryRows) -> StoredPatch | None:
        """Checks one entry and what hangs on it; its patch if the entry is sound."""
        entry, sound = row.entry, True
        next_ = ("uet-git", "show", entry.label)
        events: list[Recorded] = []
        if self._trusted(row.events):
            events = history.recorded("entry", row.events)
            wrong = faults.of_entry(entry, events)
            if wrong is not None:
                self.problems.damage(wrong[0], f"entry {entry.label}: {wrong[1]}", next_)
                sound = False
            self._attached(f"entry {entry.label}", row.events, row.gates, row.steps, next_)
        stored = inspect.patch(self.ledger, entry.patch_id)
        if isinstance(stored, Unreadable):
            self._unreadable(stored)
            return None
        patch, fault = stored
        if not fault and events and events[0].payload.get("sha256") != patch.sha256:
            fault = "its bytes are not those that were handed in"
        redacted = redaction.told(row.events)
        lost = redacted or self.is_unknown("patches", patch.patch_id, "content")
        if not fault and events and patch.content is None and not lost:
            fault = "its bytes are gone, and nobody redacted them"
        if patch.content is not None and redacted:
            again = ("uet-git", "redact", entry.label, "--reason", "it came back")
            self.problems.damage(
                "redaction_undone",
                f"entry {entry.label} was redacted, and its bytes are here",
                again,
            )
        if fault:
            self.problems.damage("patch_damaged", f"patch of entry {entry.label}: {fault}", next_)
            sound = False
        if sound and events:
            body = documents.entry_document(entry, events, row.gates)
            sound = self._fits("entries", f"entry {entry.label}", body, next_)
            body = documents.patch_document(patch, entry)
            sound &= self._fits("patches", f"patch of entry {entry.label}", body, next_)
        return patch if sound else None

    def _run(self, row: RunRows) -> None:
        run = row.run
        next_ = ("uet-git", "run", "show", run.run_id)
        if self._trusted(row.events):
            wrong = faults.of_run(run, history.recorded("run", row.events))
            if wrong is not None:
                self.problems.damage(wrong[0], f"run {run.run_id}: {wrong[1]}", next_)
            self._attached(f"run {run.run_id}", row.events, row.gates, row.steps, next_)
            for fault in faults.of_landings(row.landings, row.events):
                self.problems.damage(fault[0], fault[1], next_)
        self._fits("runs", f"run {run.run_id}", documents.run_document(run), next_)
        for landing in row.landings:
            body = documents.landing_document(landing)
            self._fits("landings", f"landing {landing.landing_id}", body, next_)

    def _attached(
        self,
        owner: str,
        events: Sequence[Event],
        gates: Sequence[GateRow],
        steps: Sequence[Step],
        next_: tuple[str, ...],
    ) -> None:
        """Gate attempts and steps of an entry or a run."""
        lost = {g.gate_id for g in gates if self.is_unknown("gates", g.gate_id, "results")}
        for code, text in (*faults.of_gates(gates, events, lost), *faults.of_steps(steps, events)):
            self.problems.damage(code, f"{owner}: {text}", next_)
        for gate in gates:
            self._fits("gates", f"{owner}: gate {gate.name}", documents.gate_document(gate), next_)
        for step in steps:
            name = f"{owner}: step {step.sequence}"
            self._fits("step_attempts", name, documents.step_document(step), next_)

    # -- what they share -----------------------------------------------------------------------------------------

    def _trusted(self, events: Sequence[Event]) -> bool:
        """Whether events can tell what a row should be; those that are broken are reported as such."""
        return self.chain.whole and not any(e.seq in self.chain.wrong for e in events)

    def _fits(self, table: str, name: str, body: dict[str, Any], next_: tuple[str, ...]) -> bool:
        for fault in documents.faults(Document(table, name, body)):
            self.problems.damage("document_mismatch", f"{name}: {fault}", next_)
            return False
        return True

    def _unreadable(self, row: Unreadable) -> None:
        text = f"a row of {row.table} cannot be read ({row.key}): {row.why}"
        self.problems.damage("row_unreadable", text)
