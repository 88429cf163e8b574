"""Reads what can still be read of a damaged ledger, without trust in it and without writing to it (DESIGN 2 P15).

It works on a private copy, so that SQLite may undo there what a crash left in the journal, and make indexes anew.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from uet_git.ledger.events import COLUMNS
from uet_git.model.entry import Event
from uet_git.model.pattern import late

KEYS: Final = {
    **{"entries": "entry_id", "patches": "patch_id", "series": "series_id", "runs": "run_id"},
    **{"gates": "gate_id", "step_attempts": "step_attempt_id", "repairs": "entry_id"},
    "hook_entries": "entry_id",
}
"""The tables with facts that events do not tell, and what names a row in each."""
_OBJECTS: Final = frozenset({"origin", "scope", "definition", "results"})
_JSON: Final = _OBJECTS | {"findings", "depends_on", "files_touched", "repairs", "places"}
_NEVER_NULL: Final = frozenset({"findings", "depends_on", "message", "submitter", "created_at"})
_TIME: Final = late(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_HEX: Final = late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TEXTS: Final = {
    **dict.fromkeys(("created_at", "updated_at", "started_at", "ended_at", "entered_at"), _TIME),
    **{"submitter": late(r"(person|agent|ci):.*"), "author_date": late(r"-?\d+ [+-]\d{4}")},
    **{"tried_tip": _HEX, "base_commit": _HEX},
}
"""Columns whose text has a form, wherever they stand."""
_BESIDE: Final = ("-journal", "-wal")


class Salvage:
    """A damaged ledger, or none at all: then everything is empty."""

    def __init__(self, path: Path, copy: Path) -> None:
        self._path = path
        self._copy = copy
        self._state = _state(path)
        self._db: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            if not path.exists() or path.stat().st_size == 0:
                return
            for suffix in ("", *_BESIDE):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            self._db = sqlite3.connect(copy, isolation_level=None)
            self._db.execute("PRAGMA trusted_schema=OFF")
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with suppress(sqlite3.Error):
                self._db.execute("REINDEX")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._db is not None:
            self._db.close()
        for suffix in ("", *_BESIDE, "-shm"):
            Path(f"{self._copy}{suffix}").unlink(missing_ok=True)

    def is_unchanged(self) -> bool:
        """Whether nobody wrote to the damaged ledger since it was read."""
        return _state(self._path) == self._state

    def row(self, table: str, key: str) -> Mapping[str, Any]:
        """One row by the names of its columns; empty without one.

        Left out is what is not as it should be, and what an earlier rebuild could not restore: that is only a default.
        """
        found = self._query(f"SELECT * FROM {table} WHERE {KEYS[table]} = ?", key)
        if not found:
            return {}
        lost = self._lost(table, key)
        return {n: v for n, v in found[0].items() if n not in lost and _is_sound(n, v)}

    def _lost(self, table: str, key: str) -> frozenset[str]:
        sql = "SELECT fields FROM unknown_fields WHERE row_table = ? AND row_key = ?"
        with suppress(ValueError, TypeError):
            return frozenset(
                n for row in self._query(sql, table, key) for n in json.loads(row["fields"])
            )
        return frozenset()

    def meta(self) -> Mapping[str, str]:
        """The facts about the ledger itself."""
        return {str(r["key"]): str(r["value"]) for r in self._query("SELECT key, value FROM meta")}

    def numbers(self) -> list[int]:
        """Every number of a change that can be read."""
        rows = self._query("SELECT number FROM entries")
        return [n for row in rows if isinstance(n := row["number"], int)]

    def events(self, after: int) -> Iterator[Event]:
        """Its events in order, from the one after `after`, as far as they can be read."""
        while True:
            sql = f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT 500"
            page = self._query(sql, after)
            yield from (Event(*row.values()) for row in page)
            if len(page) < 500:
                return
            after = page[-1]["seq"]

    def _query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows by column; what was read before the damage, if there is damage on the way."""
        found: list[dict[str, Any]] = []
        if self._db is None:
            return found
        with suppress(sqlite3.Error):
            cursor = self._db.execute(sql, values)
            names = [column[0] for column in cursor.description]
            for row in cursor:  # one by one: what came before the damage is kept
                found.append(dict(zip(names, row, strict=True)))  # noqa: PERF401
        return found


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_sound(name: str, value: object) -> bool:
    """Whether a column holds what one of its name can hold; what satisfies no schema is not taken over."""
    if value is None:
        return name not in _NEVER_NULL
    if name in _TEXTS:
        return isinstance(value, str) and _TEXTS[name].fullmatch(value) is not None
    if name not in _JSON:
        return True
    try:
        read = json.loads(str(value))
    except ValueError:
        return False
    if name == "findings":
        return isinstance(read, list) and all(
            isinstance(f, dict) and {"code", "detail"} <= f.keys() for f in read
        )
    if name == "depends_on":
        return isinstance(read, list) and all(type(n) is int and n > 0 for n in read)
    return isinstance(read, dict if name in _OBJECTS else list)
