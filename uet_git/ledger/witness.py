"""What must still be in the ledger after somebody else's program ran: the events that were there, the same tables.

Others append to it meanwhile, and may. The hash of one event stands for all before it; whether the
rows agree with the events is proved by `fsck`.
"""

import sqlite3

from uet_git.model.named import NamedTuple


class Witness(NamedTuple):
    """The last event and the state of the schema at one moment; seq 0 without an event."""

    seq: int
    hash: str
    schema: int


def take(db: sqlite3.Connection) -> Witness:
    """Reads it through an open connection of the ledger."""
    row = db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, hash_ = row or (0, "")
    return Witness(seq, hash_, _schema(db))


def differences(db: sqlite3.Connection, before: Witness) -> list[str]:
    """What is gone or other than it was, in words; empty is good. A ledger that cannot be read is one of them."""
    try:
        row = db.execute("SELECT hash FROM events WHERE seq = ?", (before.seq,)).fetchone()
        schema = _schema(db)
    except sqlite3.Error as exc:
        return [f"the ledger cannot be read any more: {exc}"]
    found = []
    if before.seq and row is None:
        found.append(f"event {before.seq} is gone from the ledger")
    elif before.seq and row[0] != before.hash:
        found.append(f"event {before.seq} of the ledger is another than it was")
    if schema != before.schema:
        found.append("the tables or triggers of the ledger were changed")
    return found


def _schema(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA schema_version").fetchone()[0])
