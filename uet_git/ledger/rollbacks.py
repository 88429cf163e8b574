"""Which entries a landed revert rolls back: its first event names them (DESIGN 5, 12)."""

import json
import sqlite3
from collections.abc import Sequence

from uet_git.ledger.entries import EntryWriter, Move


def rolls_back(db: sqlite3.Connection, entry_id: str) -> list[str]:
    """Ids of the entries that an entry rolls back when it lands, newest first; empty if it is no revert."""
    row = db.execute(
        "SELECT payload FROM events WHERE entry_id = ? ORDER BY seq LIMIT 1", (entry_id,)
    ).fetchone()
    found = json.loads(row[0]).get("rolls_back", []) if row else []
    return [str(one) for one in found]


class RollbackWriter:
    """Moves what was rolled back, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, entries: EntryWriter) -> None:
        self._db = connection
        self._entries = entries

    def landed(self, ids: Sequence[str], run: str) -> None:
        """committed -> rolled_back for what these entries roll back, as they are committed in the same transaction."""
        marks = ", ".join("?" * len(ids))
        reverts = self._db.execute(
            "SELECT entry_id, number, commit_id FROM entries WHERE rollback_of IS NOT NULL"
            f" AND state = 'committed' AND entry_id IN ({marks}) ORDER BY seq",
            ids,
        ).fetchall()
        moves: dict[str, Move] = {}
        for revert, number, commit in reverts:
            said = {"rolled_back_by": revert, "by": number, "commit": commit}
            for original in rolls_back(self._db, revert):
                if self._is_committed(original):
                    columns = {"rolled_back_by": revert}
                    move = Move(original, "committed", "rolled_back", said, columns)
                    moves.setdefault(original, move)
        self._entries.move(list(moves.values()), run=run)

    def _is_committed(self, entry_id: str) -> bool:
        row = self._db.execute("SELECT state FROM entries WHERE entry_id = ?", (entry_id,))
        return bool(row.fetchone() == ("committed",))
