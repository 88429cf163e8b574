"""What every look at the queue asks takes no longer in a ledger of a hundred thousand: no statement walks a whole table."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import diff, make_repo
from tests.product import uet
from uet_git.cli import main
from uet_git.project import Project

TABLES = ("entries", "events", "patches", "runs", "step_attempts", "gates", "e", "h")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    real: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = real(*args, **kwargs)
        connection.set_trace_callback(found.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    return found


@pytest.mark.parametrize("command", ["status", "list", "review"])
def test_a_look_at_the_queue_walks_no_table(
    command: str, tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    (tmp_path / "1.patch").write_bytes(diff("a.txt", b"old\n", b"new\n"))
    uet(repo, "submit", str(tmp_path / "1.patch"))
    asked.clear()
    here = Path.cwd()
    try:
        assert main.run(["-C", str(repo), command]) == 0
    finally:
        os.chdir(here)
    assert capsys.readouterr().out
    looks = [sql for sql in dict.fromkeys(asked) if sql.lstrip().startswith(("SELECT", "WITH"))]
    assert len(looks) >= 5
    with Project.open(str(repo)) as project:
        db = project.ledger.db
        db.set_trace_callback(None)
        plans = {sql: [r[3] for r in db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in looks}
    walks = {
        (sql, step)
        for sql, plan in plans.items()
        for step in plan
        if step.startswith(tuple(f"SCAN {t}" for t in TABLES))
        and "USING INDEX entries_open" not in step
        and "USING COVERING INDEX entries_open" not in step
        and " LIMIT " not in sql
    }
    assert not walks
