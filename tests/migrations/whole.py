"""Writes migrations/whole.sql, the schema of a new ledger, from what the numbered steps lead to.

Run it after a new step: `python -m tests.migrations.whole`.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from uet_git.host import shipped
from uet_git.host.clock import Clock
from uet_git.ledger import migrate

HEAD: Final = "-- Made from the numbered steps by `python -m tests.migrations.whole`: what they lead to in a new ledger.\n"
FILLED: Final = ("states", "transitions")


def _row(values: tuple[Any, ...]) -> str:
    return "(" + ", ".join(str(v) if isinstance(v, int) else f"'{v}'" for v in values) + ")"


def made() -> str:
    """The script, from the numbered steps."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate.migrate(db, Clock())
        parts = [
            f"{sql};\n"
            for (sql,) in db.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
            )
        ]
        for table in FILLED:
            rows = ",\n  ".join(map(_row, db.execute(f"SELECT * FROM {table}")))
            parts.append(f"INSERT INTO {table} VALUES\n  {rows};\n")
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    Path(shipped.folder("migrations") / "whole.sql").write_text(made(), "utf-8")
