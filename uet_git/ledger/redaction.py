"""Takes stored content out of the ledger; the events stay, as they name digests and not bytes (DESIGN 6)."""

import json
from collections.abc import Sequence
from typing import Any, Final

from uet_git.ledger import connection as _connection
from uet_git.ledger import events as _events
from uet_git.ledger.entries import COLUMNS, entry_of
from uet_git.ledger.ledger import Ledger, Writer
from uet_git.model.entry import Entry, Event
from uet_git.model.named import NamedTuple

KIND: Final = "patch_redacted"


class Kept(NamedTuple):
    """What the tables hold of an entry's content. `files` are paths of logs and fixes that gates left for it."""

    patch: bool
    repaired: bool
    results: int
    files: list[str]


def alike(ledger: Ledger, entries: Sequence[Entry]) -> list[Entry]:
    """The entries whose patch has the bytes of one of these, these among them, oldest first."""
    found: dict[int, Entry] = {}
    for entry in entries:
        rows = ledger.db.execute(
            f"SELECT {COLUMNS} FROM entries WHERE patch_id IN (SELECT patch_id FROM patches WHERE sha256 ="
            " (SELECT sha256 FROM patches WHERE patch_id = ?))",
            (entry.patch_id,),
        ).fetchall()
        found.update((e.seq, e) for e in map(entry_of, rows))
    return [found[seq] for seq in sorted(found)]


def reverts(ledger: Ledger, entry: Entry) -> list[Entry]:
    """The entries that take a landed one back, as far as their own content is still there: it is the same, turned."""
    rows = ledger.db.execute(
        f"SELECT {COLUMNS} FROM entries WHERE (rollback_of = ? OR entry_id = ?)"
        " AND patch_id IN (SELECT patch_id FROM patches WHERE content IS NOT NULL) ORDER BY seq",
        (entry.entry_id, entry.rolled_back_by),
    )
    return [entry_of(row) for row in rows.fetchall()]


def is_redacted(ledger: Ledger, entry: Entry) -> bool:
    """Whether an entry's bytes were taken out."""
    row = ledger.db.execute(
        "SELECT content IS NULL FROM patches WHERE patch_id = ?", (entry.patch_id,)
    ).fetchone()
    return bool(row[0])


def kept(ledger: Ledger, entry: Entry) -> Kept:
    """What there is to take out."""
    repaired = ledger.db.execute(
        "SELECT content IS NOT NULL FROM repairs WHERE entry_id = ?", (entry.entry_id,)
    ).fetchone()
    gates = ledger.gates_of(entry=entry.entry_id)
    fixes = [str(g.results["fix"]) for g in gates if g.results and g.results.get("fix")]
    return Kept(
        not is_redacted(ledger, entry),
        bool(repaired and repaired[0]),
        sum(g.results is not None for g in gates),
        [*(g.output_path for g in gates if g.output_path), *fixes],
    )


def take_out(write: Writer, ledger: Ledger, entry: Entry, payload: dict[str, Any]) -> None:
    """Takes out what the tables hold of an entry's content, with the event that says so.

    Left are its digests and numbers, its title (which its first event has) and the codes and places of its findings.
    """
    findings = [{**finding, "detail": ""} for finding in entry.findings]
    told = {"message": "", "findings": findings}
    write.entries.amend(entry.entry_id, told, payload, kind=KIND)
    db = ledger.db
    db.execute("UPDATE patches SET content = NULL WHERE patch_id = ?", (entry.patch_id,))
    db.execute(
        "UPDATE repairs SET content = NULL, repairs = '[]' WHERE entry_id = ?", (entry.entry_id,)
    )
    db.execute(
        "UPDATE gates SET results = NULL, output_path = NULL, output_truncated = NULL WHERE entry_id = ?",
        (entry.entry_id,),
    )


def quoting(ledger: Ledger, entry: Entry, words: Sequence[str]) -> list[int]:
    """The events of an entry whose payload has one of these words."""
    found = []
    for event in ledger.events_of(entry=entry.entry_id):
        text = json.dumps(json.loads(event.payload), ensure_ascii=False)
        if any(word in text for word in words):
            found.append(event.seq)
    return found


def shred(ledger: Ledger) -> None:
    """Writes the database anew without the pages that are not used any more: they can still hold what was taken out.

    Raises: DiskFull, LedgerReadOnly, LedgerBusy.
    """
    with (
        _connection.write_lock(ledger.path.parent, ledger.patience),
        _connection.translated(ledger.path),
    ):
        ledger.db.execute("PRAGMA secure_delete=ON").fetchall()
        ledger.db.execute("VACUUM")
        ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def told(events: Sequence[Event]) -> bool:
    """Whether one of an entry's events took its content out."""
    return any(event.kind == KIND for event in events)


assert KIND in _events.KINDS
