"""Random walks over the ledger against a model in memory: only legal paths, and rows that are the fold of their events."""

import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests import ledgers
from uet_git.errors import IllegalMove, StaleMove
from uet_git.ledger import documents, events, inspect
from uet_git.ledger.documents import Document
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Ledger
from uet_git.model import history, states

STATES = st.sampled_from(list(states.ENTRY))


class Walks(RuleBasedStateMachine):
    """Two handles on one ledger; the model is each entry's path."""

    entries = Bundle("entries")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="uet-walks-"))
        first = ledgers.new_ledger(self.folder / "uet")
        self.handles = [first, Ledger(first.path, ledgers.SteadyClock(), "agent:second")]
        for handle in self.handles:
            handle.db.execute("PRAGMA synchronous = OFF")  # nothing dies here
        self.paths: dict[str, list[str]] = {}
        self.numbers = 0

    def teardown(self) -> None:
        if hasattr(self, "handles"):
            for handle in self.handles:
                handle.close()
            shutil.rmtree(self.folder)

    @rule(target=entries, who=st.integers(0, 1), count=st.integers(1, 3))
    def submit(self, who: int, count: int) -> Any:
        added = []
        with self.handles[who].write() as write:
            for _ in range(count):
                self.numbers += 1
                added.append(ledgers.add_entry(write, self.numbers))
        self.paths.update((e, ["created"]) for e in added)
        return multiple(*added)

    @rule(entry=entries, to=STATES, who=st.integers(0, 1))
    def move(self, entry: str, to: str, who: int) -> None:
        """From where it is: it moves if and only if the table says so."""
        now = self.paths[entry][-1]
        try:
            with self.handles[who].write() as write:
                ledgers.move(write, entry, now, to)
        except IllegalMove:
            assert to not in states.ENTRY[now]
        else:
            assert to in states.ENTRY[now]
            self.paths[entry].append(to)

    @rule(entry=entries, frm=STATES, to=STATES, who=st.integers(0, 1))
    def move_from_anywhere(self, entry: str, frm: str, to: str, who: int) -> None:
        """A stale reader: it moves if and only if the entry is where the reader believes it to be."""
        try:
            with self.handles[who].write() as write:
                ledgers.move(write, entry, frm, to)
        except IllegalMove:
            assert to not in states.ENTRY[frm]
        except StaleMove:
            assert frm != self.paths[entry][-1]
        else:
            assert frm == self.paths[entry][-1]
            self.paths[entry].append(to)

    @rule(chosen=st.lists(entries, min_size=2, max_size=4, unique=True), to=STATES)
    def move_together(self, chosen: list[str], to: str) -> None:
        """All of one call or none."""
        believed = self.paths[chosen[0]][-1]
        moves = [Move(e, believed, to, {}, ledgers.columns_for(to, e)) for e in chosen]
        agrees = all(self.paths[e][-1] == believed for e in chosen)
        try:
            with self.handles[0].write() as write:
                write.entries.move(moves)
        except IllegalMove:
            assert to not in states.ENTRY[believed]
        except StaleMove:
            assert not agrees
        else:
            assert agrees
            for entry in chosen:
                self.paths[entry].append(to)

    @rule(entry=entries, to=STATES)
    def force(self, entry: str, to: str) -> None:
        """SQL by hand, without an event."""
        now = self.paths[entry][-1]
        columns = ledgers.columns_for(to, entry)
        sets = "".join(f", {name} = ?" for name in columns)
        try:
            self.handles[0].db.execute(
                f"UPDATE entries SET state = ?{sets} WHERE entry_id = ?",
                (to, *columns.values(), entry),
            )
        except sqlite3.IntegrityError:
            assert to != now
        else:
            assert to == now

    @rule(entry=entries, to=STATES, who=st.integers(0, 1))
    def undo(self, entry: str, to: str, who: int) -> None:
        """A transaction that does not end leaves nothing."""
        try:
            with self.handles[who].write() as write:
                ledgers.move(write, entry, self.paths[entry][-1], to)
                ledgers.add_entry(write, self.numbers + 1)
                raise InterruptedError
        except (InterruptedError, IllegalMove):
            pass

    @invariant()
    def rows_are_the_model(self) -> None:
        if not hasattr(self, "handles"):
            return
        for handle in self.handles:
            assert {e.entry_id: e.state for e in handle.entries.pages(size=2)} == {
                e: path[-1] for e, path in self.paths.items()
            }

    def check_at_the_end(self) -> None:
        ledger = self.handles[1]
        assert list(events.broken_links(ledger.events())) == []
        assert inspect.wrong_columns(ledger) == []
        assert not inspect.beyond(ledger)
        assert inspect.lost_rows(ledger) == []
        for page in inspect.entry_pages(ledger):
            for row in page:
                assert isinstance(row, inspect.EntryRows)
                told = history.recorded("entry", row.events)
                assert [e.to for e in told] == self.paths[row.entry.entry_id]
                folded = history.fold("entry", told)
                assert folded == (row.entry.state, row.entry.event_seq, "")
                body = documents.entry_document(row.entry, told, row.gates)
                assert [h["state"] for h in body["state_history"]] == self.paths[row.entry.entry_id]
                assert list(documents.faults(Document("entries", "", body))) == []
        counts = ledger.entries.counts()
        assert sum(counts.values()) == sum(
            path[-1] in (*states.OPEN_ENTRY, "quarantined") for path in self.paths.values()
        )
        assert all(json.loads(e.payload) is not None for e in ledger.events())


class Checked(Walks):
    """The walks, with the whole ledger looked at in the end."""

    def teardown(self) -> None:
        if hasattr(self, "handles"):
            self.check_at_the_end()
        super().teardown()


TestWalks = Checked.TestCase
TestWalks.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
