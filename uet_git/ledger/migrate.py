"""Brings a database to the newest schema: numbered SQL files, one transaction each, checksummed.

A new database is a copy of `empty.db`, which is what they lead to: half of a first command's time with the ledger went
into making tables. A test holds it to the steps.
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from uet_git.errors import LedgerCorrupt
from uet_git.host import shipped
from uet_git.host.clock import Clock
from uet_git.model.named import NamedTuple


class Migration(NamedTuple):
    """One step. `version` is its number, `checksum` SHA-256 of its bytes in hex."""

    version: int
    name: str
    checksum: str
    sql: str


def files(folder: Path | None = None) -> list[Path]:
    """The files of the steps in order."""
    found = folder or shipped.folder("migrations")
    names = sorted(n for n in os.listdir(found) if n[:1].isdigit() and n.endswith(".sql"))
    return [found / name for name in names]


def migrations(folder: Path | None = None) -> list[Migration]:
    """The shipped steps in order."""
    found = []
    for path in files(folder):
        raw = path.read_bytes()
        number = int(path.name.split("_", 1)[0])
        found.append(
            Migration(number, path.stem, hashlib.sha256(raw).hexdigest(), raw.decode("utf-8"))
        )
    assert [m.version for m in found] == list(range(1, len(found) + 1)), (
        "migrations are numbered without gaps"
    )
    return found


def statements(sql: str) -> Iterator[str]:
    """Splits a script into its statements; `executescript` would commit the open transaction."""
    pending = ""
    for part in re.findall(r"[^;]*;|[^;]+", sql):
        pending += part
        if part.endswith(";") and sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def empty() -> bytes:
    """An empty database of the newest schema, its steps without a date."""
    return (shipped.folder("migrations") / "empty.db").read_bytes()


def begin(connection: sqlite3.Connection, clock: Clock) -> None:
    """Dates the steps of a copy of `empty`, inside the transaction that is open."""
    connection.execute("UPDATE migrations SET applied_at = ?", (clock.now(),))


def migrate(
    connection: sqlite3.Connection, clock: Clock, steps: list[Migration] | None = None
) -> None:
    """Applies the missing steps. Raises: LedgerCorrupt if an applied step's checksum is not the shipped one's."""
    steps = migrations() if steps is None else steps
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in steps:
        if step.version <= version:
            _check(connection, step)
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(step.sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?, ?, ?)",
                (step.version, step.name, step.checksum, clock.now()),
            )
            connection.execute(f"PRAGMA user_version = {step.version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _check(connection: sqlite3.Connection, step: Migration) -> None:
    row = connection.execute(
        "SELECT checksum FROM migrations WHERE version = ?", (step.version,)
    ).fetchone()
    if row is None or row[0] != step.checksum:
        raise LedgerCorrupt(f"its migration {step.name} is not the one that this version ships")
