"""The ledger of one repository: reading through its parts, writing through one transaction at a time."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from uet_git.host.clock import Clock
from uet_git.ledger import connection as _connection
from uet_git.ledger import events, handmade, landings, repairs, rollbacks
from uet_git.ledger.connection import About
from uet_git.ledger.entries import IS_OPEN, Entries, EntryWriter
from uet_git.ledger.events import Link
from uet_git.ledger.runs import Runs, RunWriter
from uet_git.model.entry import Event, Landing, StoredRepair

if TYPE_CHECKING:
    from uet_git.ledger.decisions import Decisions, DecisionWriter
    from uet_git.ledger.gates import GateRow, GateWriter
    from uet_git.ledger.witness import Witness

FILE_NAME: Final = "ledger.db"
HIGHEST_NUMBER: Final = "highest_number"
"""What is known of numbers that were given away and have no row any more (a fact about the ledger itself)."""
QUARANTINED: Final = f"{IS_OPEN} AND state = 'quarantined'"
"""SQL: spelled so that SQLite sees that the index `entries_open` has every such row."""
_RECENT: Final = 20_000


class Writer:
    """One write transaction. Everything done through it is durable together, or not at all."""

    def __init__(self, db: sqlite3.Connection, clock: Clock, actor: str, project_id: str) -> None:
        self._db = db
        self._about = (actor, project_id)
        self.clock = clock
        self.chain = events.Chain(db, clock, actor)
        self.entries = EntryWriter(db, self.chain, clock)
        self.runs = RunWriter(db, self.chain, clock, project_id)
        self.landings = landings.LandingWriter(db, self.chain, clock)
        self.repairs = repairs.RepairWriter(db, clock)
        self.handmade = handmade.HandmadeWriter(db, self.chain, clock)
        self.rollbacks = rollbacks.RollbackWriter(db, self.entries)

    @cached_property
    def gates(self) -> "GateWriter":
        """Gate attempts."""
        from uet_git.ledger.gates import GateWriter

        return GateWriter(self._db, self.chain, self.clock, self._about[1])

    @cached_property
    def decisions(self) -> "DecisionWriter":
        """What people decided."""
        from uet_git.ledger.decisions import DecisionWriter

        return DecisionWriter(self._db, self.clock, self._about[0])

    def note(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        run: str | None = None,
        entry: str | None = None,
    ) -> None:
        """Records an event that moves nothing."""
        self.chain.add(kind, payload, run=run, entry=entry)
        self.chain.flush()

    def run_of(self, entry_id: str) -> str | None:
        """The run that made an entry."""
        row = self._db.execute(
            "SELECT made_by_run FROM entries WHERE entry_id = ?", (entry_id,)
        ).fetchone()
        return None if row is None else row[0]

    def set_meta(self, key: str, value: str) -> None:
        """Sets a fact about the ledger itself."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


class Ledger:
    """One open ledger. `actor` is who this process acts for: `person|agent|ci:NAME[/SESSION]`.

    `patience` is how long it waits for other writers, in seconds; None: as long as it takes.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        actor: str,
        *,
        read_only: bool = False,
        patience: float | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.actor = actor
        self.read_only = read_only
        self.patience = patience
        self.db = _connection.open_ledger(path, clock, read_only=read_only, patience=patience)
        self.entries = Entries(self.db)
        self._recent: list[Link] = []
        self.runs = Runs(self.db)
        self.handmade = handmade.Handmade(self.db)
        with _connection.translated(path):
            meta = dict(self.db.execute("SELECT key, value FROM meta").fetchall())
        self.ledger_id = str(meta.get("ledger_id", ""))
        self.project_id = str(meta.get("project_id", ""))

    @cached_property
    def decisions(self) -> "Decisions":
        """What people decided."""
        from uet_git.ledger.decisions import Decisions

        return Decisions(self.db)

    def close(self) -> None:
        """Closes the database."""
        self.db.close()

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Opens a write transaction. Raises: DiskFull, LedgerReadOnly, LedgerBusy."""
        with _connection.transaction(self.db, self.path.parent, self.patience):
            write = Writer(self.db, self.clock, self.actor, self.project_id)
            yield write
        if len(self._recent) > _RECENT:
            self._recent = []
        self._recent += write.chain.links

    def meta(self, key: str) -> str | None:
        """A fact about the ledger itself."""
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def events(self, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Events in order, from the one after `after`."""
        return events.read(self.db, after, limit)

    def links(self, after: int) -> list[Link]:
        """The events after `after` as the log keeps them; what this process wrote itself is not read again."""
        last = self.last_seq()
        recent = [link for link in self._recent if link.seq > after]
        # They ascend: as many as there should be, up to the last, are all of them.
        if not recent or (recent[-1].seq, len(recent)) != (last, last - recent[0].seq + 1):
            recent = []
        before = (recent[0].seq if recent else last + 1) - after - 1
        return [
            *(
                Link(e.seq, e.hash, events.log_line(events.line_of(*e[:9]), e.hash))
                for e in self.events(after, before)
            ),
            *recent,
        ]

    def made_here(self, after: int, kinds: Sequence[str]) -> list[Link]:
        """The newest events after `after` that this process wrote, of these kinds."""
        marks = tuple(f'"kind":"{kind}"'.encode() for kind in kinds)
        return [
            link
            for link in self._recent
            if link.seq > after and any(mark in link.line for mark in marks)
        ]

    def events_of(self, *, entry: str | None = None, run: str | None = None) -> list[Event]:
        """The history of one entry, or of one run itself (not of the entries it worked on)."""
        column, value = (
            ("entry_id", entry) if entry is not None else ("entry_id IS NULL AND run_id", run)
        )
        rows = self.db.execute(
            f"SELECT {events.COLUMNS} FROM events WHERE {column} = ? ORDER BY seq", (value,)
        )
        return [Event(*row) for row in rows.fetchall()]

    def process_of(self, run_id: str) -> tuple[int, str]:
        """Pid and boot id of the process that a run belongs to; (0, "") if unknown."""
        first = self.events_of(run=run_id)[:1]
        payload = json.loads(first[0].payload) if first else {}
        return int(payload.get("pid", 0)), str(payload.get("boot_id", ""))

    def rolls_back(self, entry: str) -> list[str]:
        """Ids of the entries that an entry rolls back when it lands, newest first; empty if it is no revert."""
        return rollbacks.rolls_back(self.db, entry)

    def about(self) -> About:
        """How the database is kept, for `doctor`."""
        return _connection.about(self.db)

    def last_seq(self) -> int:
        """The seq of the newest event."""
        (seq,) = self.db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return int(seq)

    def is_any_quarantined(self) -> bool:
        """Whether anything is quarantined; one look into an index."""
        sql = f"SELECT 1 FROM entries WHERE {QUARANTINED} LIMIT 1"
        return self.db.execute(sql).fetchone() is not None

    def open_landings(self) -> list[Landing]:
        """Landings that were cut short."""
        return landings.open_landings(self.db)

    def pauses(self) -> list[landings.Pause]:
        """Pauses in force."""
        return landings.pauses(self.db)

    def repair_of(self, entry_id: str) -> StoredRepair | None:
        """The repaired reading that is kept for an entry."""
        return repairs.of_entry(self.db, entry_id)

    def gates_of(self, *, entry: str | None = None, run: str | None = None) -> list["GateRow"]:
        """Gate attempts of one entry or run."""
        from uet_git.ledger import gates

        return (
            gates.of_entry(self.db, entry)
            if entry is not None
            else gates.of_run(self.db, run or "")
        )

    def verdict(self, key: str, ended: Sequence[str] = ("passed",)) -> "GateRow | None":
        """The newest attempt that ran and ended in one of these states for the same question (model/verdict.py)."""
        from uet_git.ledger import gates

        return gates.verdict(self.db, key, ended)

    def be_patient(self, seconds: float) -> None:
        """Waits so long for other writers from now on."""
        self.patience = seconds
        self.db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def witness(self) -> "Witness":
        """What must still be there after somebody else's program ran."""
        from uet_git.ledger import witness

        return witness.take(self.db)

    def lost_since(self, before: "Witness") -> list[str]:
        """What is gone or other than it was, in words."""
        from uet_git.ledger import witness

        return witness.differences(self.db, before)

    def gate(self, prefix: str) -> list["GateRow"]:
        """Up to two gate attempts whose id starts so."""
        from uet_git.ledger import gates

        return gates.by_prefix(self.db, prefix)

    def newest_gates(self, name: str | None, limit: int) -> list["GateRow"]:
        """The newest gate attempts, of one gate or of all, newest first."""
        from uet_git.ledger import gates

        return gates.newest(self.db, name, limit)


def create(path: Path, clock: Clock, actor: str) -> str:
    """Makes a new ledger file with ids of its own and its first event; returns the ledger id.

    Raises: LedgerReadOnly, DiskFull.
    """
    ids = {"ledger_id": clock.ulid(), "project_id": clock.ulid()}

    def first(db: sqlite3.Connection) -> None:
        chain = events.Chain(db, clock, actor)
        chain.add("ledger_created", {**ids})
        chain.flush()

    if _connection.create(path, clock, {**ids, "created_at": clock.now()}, first):
        return ids["ledger_id"]
    ledger = Ledger(path, clock, actor)  # another process was faster
    try:
        return ledger.ledger_id
    finally:
        ledger.close()
