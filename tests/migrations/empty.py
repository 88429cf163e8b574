"""Writes migrations/empty.db, a new ledger without rows of its own, from what the numbered steps lead to.

Run it after a new step: `python -m tests.migrations.empty`.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from uet_git.host import shipped
from uet_git.host.clock import Clock
from uet_git.ledger import connection, migrate

FILLED: Final = ("states", "transitions", "migrations")


def write(path: Path) -> None:
    """Makes the database: tables as the steps left them, without the pages that they used on the way."""
    path.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as stepped,
        closing(sqlite3.connect(path, isolation_level=None)) as db,
    ):
        migrate.migrate(stepped, Clock())
        db.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
        (version,) = stepped.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version}")
        made = stepped.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
        db.execute("BEGIN")
        for (sql,) in made.fetchall():
            db.execute(sql)
        for table in FILLED:
            rows = stepped.execute(f"SELECT * FROM {table}").fetchall()
            db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
        db.execute("UPDATE migrations SET applied_at = ''")
        db.execute("COMMIT")


if __name__ == "__main__":
    write(Path(shipped.folder("migrations")) / "empty.db")
