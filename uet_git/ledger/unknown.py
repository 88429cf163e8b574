"""What a rebuild could not restore: the columns of each row that hold a default, not what was there (DESIGN 2 P15)."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

from uet_git.ledger.events import canonical

Fields = Mapping[tuple[str, str], frozenset[str]]
"""(table, key of the row) to the names of its columns."""
NOTHING: Final[frozenset[str]] = frozenset()


def fields(db: sqlite3.Connection) -> Fields:
    """Every field that is unknown; empty in a ledger that was never rebuilt, or is older than the table for it."""
    return {(table, key): frozenset(names) for table, key, names, _ in rows(db)}


def rows(db: sqlite3.Connection) -> list[tuple[str, str, list[str], int]]:
    """Every line as it is: table, key of the row, its unknown fields, the event of the rebuild."""
    if not _is_there(db):
        return []
    found = db.execute(
        "SELECT row_table, row_key, fields, event_seq FROM unknown_fields"
    ).fetchall()
    return [(table, key, json.loads(names), seq) for table, key, names, seq in found]


def _is_there(db: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'unknown_fields'"
    return db.execute(sql).fetchone() is not None


def of_row(db: sqlite3.Connection, table: str, key: str) -> frozenset[str]:
    """The unknown fields of one row."""
    if not _is_there(db):
        return NOTHING
    sql = "SELECT fields FROM unknown_fields WHERE row_table = ? AND row_key = ?"
    row = db.execute(sql, (table, key)).fetchone()
    return NOTHING if row is None else frozenset(json.loads(row[0]))


def forget(db: sqlite3.Connection, table: str, key: str, names: Iterable[str]) -> None:
    """These fields of a row are known now."""
    left = of_row(db, table, key) - set(names)
    where = " WHERE row_table = ? AND row_key = ?"
    if left:
        sql = f"UPDATE unknown_fields SET fields = ?{where}"
        db.execute(sql, (canonical(sorted(left)), table, key))
    else:
        db.execute(f"DELETE FROM unknown_fields{where}", (table, key))


def add(db: sqlite3.Connection, found: Iterable[tuple[str, str, Iterable[str]]], seq: int) -> None:
    """Notes unknown fields; `seq` is the event of the rebuild."""
    db.executemany(
        "INSERT OR REPLACE INTO unknown_fields VALUES (?, ?, ?, ?)",
        [(table, key, canonical(sorted(names)), seq) for table, key, names in found],
    )
