"""Reads the database the way `fsck` needs it: whole, a page at a time, and without trust in any row.

Each page is read in one transaction, so a row and its events agree even while another process writes.
"""

import hashlib
import json
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from uet_git.ledger import entries as _entries
from uet_git.ledger import events as _events
from uet_git.ledger import migrate, redaction
from uet_git.ledger import repairs as _repairs
from uet_git.ledger.gates import GateRow, gate_of
from uet_git.ledger.handmade import Branch, HookEntry, Rewrite, Unverified
from uet_git.ledger.landings import Pause, landing_of
from uet_git.ledger.ledger import Ledger
from uet_git.model import states
from uet_git.model.entry import Entry, Event, Landing, Run, Series, Step, StoredPatch, StoredRepair
from uet_git.model.named import NamedTuple

PAGE: Final = 500
_OFFER: Final = "patch_quarantined"


class Unreadable(NamedTuple):
    """A row that cannot be read as what it should be."""

    table: str
    key: str
    why: str


class EntryRows(NamedTuple):
    """An entry with its events, gate attempts and steps."""

    entry: Entry
    events: list[Event]
    gates: list[GateRow]
    steps: list[Step]


class RunRows(NamedTuple):
    """A run with its own events (not those of entries), and its rows that belong to no entry."""

    run: Run
    events: list[Event]
    gates: list[GateRow]
    steps: list[Step]
    landings: list[Landing]


def damage(ledger: Ledger) -> list[str]:
    """What SQLite's own check finds wrong with the file. Raises: what reading a broken file raises."""
    rows = ledger.db.execute("PRAGMA integrity_check(20)").fetchall()
    return [str(line) for (line,) in rows if line != "ok"]


def dangling(ledger: Ledger) -> list[tuple[str, str]]:
    """(table, parent table) of every row that refers to a row which is not there."""
    rows = ledger.db.execute("PRAGMA foreign_key_check").fetchall()
    return [(str(row[0]), str(row[2])) for row in rows]


def version(ledger: Ledger) -> int:
    """The schema's version."""
    (found,) = ledger.db.execute("PRAGMA user_version").fetchone()
    return int(found)


def newest_version() -> int:
    """The version that this release ships."""
    return len(migrate.migrations())


def changed_migrations(ledger: Ledger) -> list[str]:
    """Names of applied migrations that are not those that ship."""
    rows = ledger.db.execute("SELECT version, name, checksum FROM migrations ORDER BY version")
    applied = [tuple(row) for row in rows.fetchall()]
    shipped = [(m.version, m.name, m.checksum) for m in migrate.migrations()]
    return [str(have[1]) for have in applied if have not in shipped] + [
        name for number, name, _ in shipped if number not in {have[0] for have in applied}
    ]


def changed_schema(ledger: Ledger) -> list[str]:
    """Tables, indexes and triggers that are not as the migrations made them, and machines unlike the model's."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate.migrate(fresh, ledger.clock)
        expected, found = _objects(fresh), _objects(ledger.db)
    finally:
        fresh.close()
    wrong = [
        f"{kind} {name}"
        for kind, name in sorted(expected.keys() | found.keys())
        if expected.get((kind, name)) != found.get((kind, name))
    ]
    if machines(ledger.db) != _machines_of_the_model():
        wrong.append("the state tables")
    return wrong


def _objects(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name): sql for kind, name, sql in rows if not name.startswith("sqlite_stat")}


def machines(db: sqlite3.Connection) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """The state machines as the database holds them: (machine, state, is initial), (machine, from, to)."""
    rows = db.execute("SELECT machine, state, is_initial FROM states").fetchall()
    moves = db.execute("SELECT machine, from_state, to_state FROM transitions").fetchall()
    return set(rows), set(moves)


def _machines_of_the_model() -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    return (
        {
            (machine, state, int(states.INITIAL[machine] == state))
            for machine, table in states.MACHINES.items()
            for state in table
        },
        {
            (machine, frm, to)
            for machine, table in states.MACHINES.items()
            for frm, targets in table.items()
            for to in targets
        },
    )


def wrong_columns(ledger: Ledger) -> list[int]:
    """Events whose guard columns, which the hash does not cover, are not what the payload says."""
    rows = ledger.db.execute(
        "SELECT seq FROM events WHERE json_valid(payload) AND"
        " (from_state IS NOT json_extract(payload, '$.from') OR to_state IS NOT json_extract(payload, '$.to'))"
    )
    return [int(seq) for (seq,) in rows.fetchall()]


def beyond(ledger: Ledger) -> bool:
    """Whether a row refers to an event after the newest."""
    newest = "(SELECT coalesce(max(seq), 0) FROM events)"
    return any(
        ledger.db.execute(f"SELECT 1 FROM {table} WHERE event_seq > {newest} LIMIT 1").fetchone()
        for table in ("entries", "runs", "gates")
    )


def landings_done(ledger: Ledger, count: int) -> list[int]:
    """The events that closed the newest landings as done, newest first."""
    rows = ledger.db.execute(
        "SELECT seq FROM events WHERE kind = 'landing_done' ORDER BY seq DESC LIMIT ?", (count,)
    )
    return [int(seq) for (seq,) in rows.fetchall()]


def lost_rows(ledger: Ledger) -> list[Unreadable]:
    """Entries and runs that events name and no row holds."""
    found = []
    for table, column in (("entries", "entry_id"), ("runs", "run_id")):
        rows = ledger.db.execute(
            f"SELECT DISTINCT {column} FROM events WHERE {column} IS NOT NULL"
            f" EXCEPT SELECT {column} FROM {table} ORDER BY 1"
        )
        found += [Unreadable(table, str(key), "there is no such row") for (key,) in rows.fetchall()]
    return found


def entry_pages(ledger: Ledger) -> Iterator[list[EntryRows | Unreadable]]:
    """Every entry, oldest first, a page at a time."""
    after = 0
    while True:
        with _snapshot(ledger.db):
            rows = ledger.db.execute(
                f"SELECT {_entries.COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, PAGE),
            ).fetchall()
            page = _entry_page(ledger.db, rows) if rows else []
        yield page
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _entry_page(
    db: sqlite3.Connection, rows: Sequence[Sequence[Any]]
) -> list[EntryRows | Unreadable]:
    ids = [row[1] for row in rows]
    events = _grouped(db, f"SELECT entry_id, {_events.COLUMNS} FROM events", "entry_id", ids, "seq")
    gates = _grouped(db, "SELECT entry_id, * FROM gates", "entry_id", ids, "gate_id")
    steps = _grouped(db, "SELECT entry_id, * FROM step_attempts", "entry_id", ids, "sequence")
    page: list[EntryRows | Unreadable] = []
    for row in rows:
        key = str(row[1])
        try:
            page.append(
                EntryRows(
                    _entries.entry_of(row),
                    [Event(*e) for e in events[key]],
                    [gate_of(g) for g in gates[key]],
                    [Step(*s) for s in steps[key]],
                )
            )
        except (ValueError, TypeError) as exc:
            page.append(Unreadable("entries", key, str(exc)))
    return page


def patch(ledger: Ledger, patch_id: str) -> tuple[StoredPatch, str] | Unreadable:
    """A stored patch, and what is wrong with its bytes; "" if they have their hash, or were redacted."""
    row = ledger.db.execute(
        f"SELECT {_entries.PATCH_COLUMNS} FROM patches WHERE patch_id = ?", (patch_id,)
    ).fetchone()
    if row is None:
        return Unreadable("patches", patch_id, "there is no such row")
    content, why = None, ""
    if row[3] is not None:
        try:
            content = _inflated(row[3], row[2])
        except zlib.error as exc:
            why = f"its bytes cannot be unpacked: {exc}"
        else:
            if hashlib.sha256(content).hexdigest() != row[1]:
                why = "its bytes do not have its hash"
            elif len(content) != row[2]:
                why = f"it has {len(content)} bytes, not {row[2]}"
    try:
        return StoredPatch._make((*row[:3], content, json.loads(row[4]), *row[5:])), why
    except ValueError as exc:
        return Unreadable("patches", patch_id, str(exc))


def run_pages(ledger: Ledger) -> Iterator[list[RunRows | Unreadable]]:
    """Every run, oldest first, a page at a time."""
    after = ""
    while True:
        with _snapshot(ledger.db):
            rows = ledger.db.execute(
                "SELECT * FROM runs WHERE run_id > ? ORDER BY run_id LIMIT ?", (after, PAGE)
            ).fetchall()
            page = _run_page(ledger.db, [Run(*row) for row in rows]) if rows else []
        yield page
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def run_rows(ledger: Ledger, run_id: str) -> RunRows | Unreadable:
    """One run as it is now."""
    with _snapshot(ledger.db):
        row = ledger.db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            return Unreadable("runs", run_id, "there is no such row")
        return _run_page(ledger.db, [Run(*row)])[0]


def _run_page(db: sqlite3.Connection, runs: Sequence[Run]) -> list[RunRows | Unreadable]:
    ids = [run.run_id for run in runs]
    own = " WHERE entry_id IS NULL AND "
    events = _grouped(
        db, f"SELECT run_id, {_events.COLUMNS} FROM events", "run_id", ids, "seq", own
    )
    gates = _grouped(db, "SELECT run_id, * FROM gates", "run_id", ids, "gate_id", own)
    steps = _grouped(db, "SELECT run_id, * FROM step_attempts", "run_id", ids, "sequence", own)
    landings = _grouped(db, "SELECT run_id, * FROM landings", "run_id", ids, "landing_id")
    page: list[RunRows | Unreadable] = []
    for run in runs:
        key = run.run_id
        try:
            page.append(
                RunRows(
                    run,
                    [Event(*e) for e in events[key]],
                    [gate_of(g) for g in gates[key]],
                    [Step(*s) for s in steps[key]],
                    [landing_of(row) for row in landings[key]],
                )
            )
        except (ValueError, TypeError) as exc:
            page.append(Unreadable("runs", key, str(exc)))
    return page


def series(ledger: Ledger) -> list[Series]:
    """Every series."""
    rows = ledger.db.execute("SELECT * FROM series ORDER BY series_id").fetchall()
    return [Series(*row) for row in rows]


def repairs(ledger: Ledger) -> Iterator[tuple[StoredRepair | Unreadable, str]]:
    """Every repaired reading with what is wrong with it beside its form: empty if it is what its event names."""
    ids = ledger.db.execute("SELECT entry_id FROM repairs ORDER BY entry_id").fetchall()
    for (entry_id,) in ids:
        try:
            found = _repairs.of_entry(ledger.db, entry_id)
        except (ValueError, TypeError) as exc:
            yield Unreadable("repairs", entry_id, str(exc)), ""
            continue
        if found is not None:
            yield found, _fault(ledger, found)


def _fault(ledger: Ledger, repair: StoredRepair) -> str:
    kept = "SELECT content IS NOT NULL FROM repairs WHERE entry_id = ?"
    if repair.content is None and ledger.db.execute(kept, (repair.entry_id,)).fetchone()[0]:
        return "its bytes are not those that were offered"
    events = ledger.events_of(entry=repair.entry_id)
    if repair.content is None and not redaction.told(events):
        return "its bytes are gone, and nobody redacted them"
    named = (json.loads(e.payload).get("repaired") for e in events if e.kind == _OFFER)
    return "" if repair.sha256 in named else "no event of its entry names it"


def handmade(ledger: Ledger) -> Iterator[HookEntry | Branch | Unverified | Rewrite]:
    """Every row about ordinary commits."""
    yield from ledger.handmade.every_entry()
    yield from ledger.handmade.branches().values()
    for table, row in (("unverified_commits", Unverified), ("rewrites", Rewrite)):
        rows = ledger.db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        yield from map(row._make, rows)


def event(ledger: Ledger, seq: int) -> Event | None:
    """One event."""
    found = list(_events.read(ledger.db, seq - 1, 1))
    return found[0] if found and found[0].seq == seq else None


def pauses_with_events(ledger: Ledger) -> tuple[list[Pause], list[Event]]:
    """The pauses in force, and every event that began or ended one."""
    with _snapshot(ledger.db):
        rows = ledger.db.execute("SELECT * FROM pauses ORDER BY target").fetchall()
        events = ledger.db.execute(
            f"SELECT {_events.COLUMNS} FROM events WHERE run_id IS NULL AND entry_id IS NULL"
            " AND kind IN ('queue_paused', 'queue_resumed') ORDER BY seq"
        ).fetchall()
    return [Pause(*row) for row in rows], [Event(*e) for e in events]


def _inflated(packed: bytes, size: int) -> bytes:
    """At most one byte more than there should be: a damaged row must not fill the memory. Raises: zlib.error."""
    reader = zlib.decompressobj()
    content = reader.decompress(packed, size + 1)
    if not reader.eof and len(content) <= size:
        raise zlib.error("it ends too early")
    return content


@contextmanager
def _snapshot(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _grouped(
    db: sqlite3.Connection,
    select: str,
    column: str,
    keys: Sequence[str],
    order: str,
    where: str = " WHERE ",
) -> dict[str, list[Sequence[Any]]]:
    """Rows of several keys at once, by key; the first column of `select` is the key."""
    marks = ", ".join("?" * len(keys))
    found: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in db.execute(f"{select}{where}{column} IN ({marks}) ORDER BY {order}", keys):
        found[row[0]].append(row[1:])
    return found
