"""Repaired readings of malformed diffs: kept beside the entry that they are offered for (DESIGN 4)."""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from uet_git.host.clock import Clock
from uet_git.ledger.events import canonical
from uet_git.model.entry import StoredRepair

_COLUMNS: Final = "entry_id, sha256, size, content, repairs, places, created_at"
_LARGEST: Final = 64 * 1024 * 1024  # bytes; a damaged row must not fill the memory


def of_entry(db: sqlite3.Connection, entry_id: str) -> StoredRepair | None:
    """The reading that is offered for an entry; its content is None if it was redacted or is damaged."""
    row = db.execute(f"SELECT {_COLUMNS} FROM repairs WHERE entry_id = ?", (entry_id,)).fetchone()
    if row is None:
        return None
    content = None if row[3] is None else _inflated(row[3])
    if content is not None and sha256(content) != row[1]:
        content = None
    places = tuple((str(path), int(line), int(named)) for path, line, named in json.loads(row[5]))
    return StoredRepair(row[0], row[1], row[2], content, tuple(json.loads(row[4])), places, row[6])


def sha256(content: bytes) -> str:
    """What the event of an offer names it by."""
    return hashlib.sha256(content).hexdigest()


def _inflated(packed: bytes) -> bytes | None:
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(packed, _LARGEST)
    except zlib.error:
        return None
    return content if reader.eof else None


class RepairWriter:
    """Writes repaired readings inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock

    def add(
        self,
        entry_id: str,
        content: bytes,
        repairs: Sequence[str],
        places: Sequence[tuple[bytes, int, int]],
    ) -> None:
        """Keeps the reading for an entry, in place of an older one. Its event is the move into quarantine."""
        named = [
            [path.decode("utf-8", "backslashreplace"), line, was] for path, line, was in places
        ]
        self._db.execute(
            f"INSERT OR REPLACE INTO repairs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(entry_id, sha256(content), len(content), zlib.compress(content)),
                *(canonical(list(repairs)), canonical(named), self._clock.now()),
            ),
        )

    def put(self, row: Mapping[str, Any]) -> None:
        """Adds a reading as it was stored before; its event is there."""
        names = _COLUMNS.split(", ")
        self._db.execute(
            f"INSERT OR REPLACE INTO repairs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            tuple(row[name] for name in names),
        )
