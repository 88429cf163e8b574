"""Migrations: numbered, checksummed, one transaction each; a ledger of any older schema, with its rows, becomes today's.

`data/NNNN.sql` holds rows for what migration NNNN adds. A migration with a new table needs a file: a test asks for it.
"""

import hashlib
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import ledgers
from tests.migrations import empty
from uet_git.errors import LedgerCorrupt, LedgerNewer
from uet_git.host import shipped
from uet_git.ledger import connection, documents, events, inspect, migrate
from uet_git.ledger import ledger as making
from uet_git.ledger.documents import Document
from uet_git.ledger.ledger import Ledger
from uet_git.ledger.migrate import Migration
from uet_git.model import history, states

DATA = Path(__file__).parent / "data"
STEPS = migrate.migrations()
CLOCK = ledgers.SteadyClock()


def connect(path: Path | str = ":memory:") -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def schema(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
    ).fetchall()


def rows(db: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def filled(version: int, path: Path | str = ":memory:") -> sqlite3.Connection:
    """A database of an older schema with rows; they are loaded step by step, with the guards off."""
    db = connect(path)
    db.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
    for step in STEPS[:version]:
        migrate.migrate(db, CLOCK, STEPS[: step.version])
        data = DATA / f"{step.version:04}.sql"
        guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        db.executescript(data.read_text() if data.exists() else "")
        for _, sql in guards:
            db.execute(sql)
    return db


def test_a_new_ledger_is_what_the_steps_lead_to(tmp_path: Path) -> None:
    """After a new step: `python -m tests.migrations.empty`."""
    path = tmp_path / "ledger.db"
    path.write_bytes(migrate.empty())
    with closing(connect()) as stepped, closing(connect(path)) as new:
        migrate.migrate(stepped, CLOCK)
        assert {r[3] for r in rows(new, "migrations")} == {""}
        new.execute("BEGIN")
        migrate.begin(new, CLOCK)
        new.execute("COMMIT")
        assert schema(new) == schema(stepped)
        for table in tables(stepped):
            found = rows(new, table)
            if table == "migrations":
                assert all(r[3] > "2027" for r in found)
                found = [(*r[:3], s[3]) for r, s in zip(found, rows(stepped, table), strict=True)]
            assert found == rows(stepped, table), table
            asked = f"PRAGMA table_xinfo({table})"
            assert new.execute(asked).fetchall() == stepped.execute(asked).fetchall()
        for pragma in ("user_version", "integrity_check", "foreign_key_check", "encoding"):
            asked = f"PRAGMA {pragma}"
            assert new.execute(asked).fetchall() == stepped.execute(asked).fetchall(), pragma
        assert new.execute("PRAGMA application_id").fetchone() == (connection.APPLICATION_ID,)
        assert new.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert new.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_the_empty_ledger_can_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "again.db"
    empty.write(path)
    with closing(connect(path)) as again, closing(connect(tmp_path / "shipped.db")) as ours:
        Path(tmp_path / "shipped.db").write_bytes(migrate.empty())
        assert list(again.iterdump()) == list(ours.iterdump())


def tables(db: sqlite3.Connection) -> list[str]:
    return [name for kind, name, *_ in schema(db) if kind == "table"]


# -- what ships ------------------------------------------------------------------------------------------------------


def test_they_are_numbered_without_gaps_and_named() -> None:
    assert [s.version for s in STEPS] == list(range(1, len(STEPS) + 1))
    folder = shipped.folder("migrations")
    names = [f"{s.name}.sql" for s in STEPS]
    assert sorted(p.name for p in folder.iterdir()) == [*names, "empty.db"]
    for step in STEPS:
        assert (
            step.checksum == hashlib.sha256((folder / f"{step.name}.sql").read_bytes()).hexdigest()
        )


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_every_schema_has_rows_to_try(version: int) -> None:
    """In every table, and entries in every state."""
    with closing(filled(version)) as db:
        for table in tables(db):
            assert rows(db, table), table
        held = {s for (s,) in db.execute("SELECT DISTINCT state FROM entries").fetchall()}
        assert held == set(states.ENTRY)


def test_fresh_is_the_same_as_stepped() -> None:
    fresh, stepped = connect(), connect()
    migrate.migrate(fresh, CLOCK)
    for number in range(1, len(STEPS) + 1):
        migrate.migrate(stepped, CLOCK, STEPS[:number])
        assert stepped.execute("PRAGMA user_version").fetchone() == (number,)
    assert schema(fresh) == schema(stepped)
    for table in ("states", "transitions"):
        assert rows(fresh, table) == rows(stepped, table)
    told = "SELECT version, name, checksum FROM migrations"
    assert (
        fresh.execute(told).fetchall()
        == stepped.execute(told).fetchall()
        == [tuple(s[:3]) for s in STEPS]
    )
    fresh.close()
    stepped.close()


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_an_older_ledger_becomes_todays_and_keeps_its_rows(version: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(filled(version, path)) as db:
        before = {table: len(rows(db, table)) for table in tables(db) if table != "migrations"}
        hashes = db.execute("SELECT seq, hash FROM events ORDER BY seq").fetchall()
    ledger = Ledger(path, CLOCK, "person:Test")
    assert inspect.version(ledger) == len(STEPS)
    for table, count in before.items():
        assert len(rows(ledger.db, table)) == count
    assert ledger.db.execute("SELECT seq, hash FROM events ORDER BY seq").fetchall() == hashes
    assert inspect.damage(ledger) == []
    assert inspect.dangling(ledger) == []
    assert inspect.changed_schema(ledger) == []
    assert inspect.changed_migrations(ledger) == []
    assert list(events.broken_links(ledger.events())) == []
    every_document_fits(ledger)
    with ledger.write() as write:
        ledgers.walk(write, ledgers.add_entry(write, 99), ("validated", "queued"))
    ledger.close()


def every_document_fits(ledger: Ledger) -> None:
    for page in inspect.entry_pages(ledger):
        for row in page:
            assert isinstance(row, inspect.EntryRows), row
            told = history.recorded("entry", row.events)
            assert history.fold("entry", told)[::2] == (row.entry.state, "")
            body = documents.entry_document(row.entry, told, row.gates)
            assert list(documents.faults(Document("entries", "", body))) == []
            stored = inspect.patch(ledger, row.entry.patch_id)
            assert isinstance(stored, tuple)
            assert stored[1] == ""  # type: ignore[comparison-overlap]
    for runs in inspect.run_pages(ledger):
        for run in runs:
            assert isinstance(run, inspect.RunRows), run
            assert (
                list(documents.faults(Document("runs", "", documents.run_document(run.run)))) == []
            )


# -- how it is done --------------------------------------------------------------------------------------------------


@pytest.fixture
def later() -> list[Migration]:
    """Today's steps and one that does not exist yet."""
    sql = (
        "ALTER TABLE entries ADD COLUMN mood TEXT;\n"
        "UPDATE entries SET mood = 'a; b' WHERE number = 1; -- two statements; and a semicolon in a text\n"
        "CREATE TRIGGER mood_kept BEFORE UPDATE OF mood ON entries\nBEGIN\n"
        "  SELECT RAISE(ABORT, 'kept; always');\n  SELECT 1;\nEND;\n"
    )
    number = len(STEPS) + 1
    return [*STEPS, Migration(number, f"{number:04}_mood", "c" * 64, sql)]


def test_one_step_more_with_rows_in_the_tables(later: list[Migration]) -> None:
    with closing(filled(len(STEPS))) as db:
        before = rows(db, "entries")
        migrate.migrate(db, CLOCK, later)
        after = rows(db, "entries")
        assert [row[:-1] for row in after] == before
        assert [row[-1] for row in after] == ["a; b"] + [None] * (len(after) - 1)
        assert db.execute("PRAGMA user_version").fetchone() == (len(later),)
        with pytest.raises(sqlite3.IntegrityError, match="kept"):
            db.execute("UPDATE entries SET mood = 'x'")
        migrate.migrate(db, CLOCK, later)
        assert db.execute("SELECT count(*) FROM migrations").fetchone() == (len(later),)


@pytest.mark.parametrize(
    "broken",
    [
        "SELECT * FROM nowhere;\n",
        "INSERT INTO meta VALUES ('ledger_id', 'x');\n",
        "CREATE TABLE (;\n",
    ],
)
def test_a_step_that_fails_leaves_nothing(later: list[Migration], broken: str) -> None:
    bad = [*later[:-1], later[-1]._replace(sql=later[-1].sql + broken)]
    with closing(filled(len(STEPS))) as db:
        before = schema(db), {t: rows(db, t) for t in tables(db)}
        with pytest.raises(sqlite3.Error):
            migrate.migrate(db, CLOCK, bad)
        assert (schema(db), {t: rows(db, t) for t in tables(db)}) == before
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert not db.in_transaction
        migrate.migrate(db, CLOCK, later)


def test_a_step_that_was_changed_after_it_was_applied(later: list[Migration]) -> None:
    with closing(filled(len(STEPS))) as db:
        db.execute("UPDATE migrations SET checksum = ? WHERE version = 1", ("0" * 64,))
        with pytest.raises(LedgerCorrupt, match=STEPS[0].name):
            migrate.migrate(db, CLOCK, later)
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)


def test_a_gap_in_the_numbers_is_a_bug(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("")
    (tmp_path / "0003_c.sql").write_text("")
    with pytest.raises(AssertionError, match="without gaps"):
        migrate.migrations(tmp_path)


def test_statements_are_split_where_they_end() -> None:
    sql = "-- a comment; here\nCREATE TABLE a (x);\n\nINSERT INTO a VALUES ('1;\n2'); -- end;\nSELECT 1\n;\nSELECT 2"
    with closing(connect()) as db:
        found = list(migrate.statements(sql))
        for statement in found:
            db.execute(statement)
        assert rows(db, "a") == [("1;\n2",)]
    assert "".join(found).split() == sql.split()


@pytest.fixture
def newer_release(tmp_path: Path, later: list[Migration], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations with one step more."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for step in later:
        (folder / f"{step.name}.sql").write_text(step.sql)
    monkeypatch.setattr(
        shipped, "folder", lambda name: folder if name == "migrations" else Path(name)
    )
    return folder


def test_opening_brings_it_up_and_an_older_release_then_refuses(
    tmp_path: Path, newer_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    filled(len(STEPS), path).close()
    before = path.read_bytes()
    Ledger(path, CLOCK, "person:Test", read_only=True).close()
    assert path.read_bytes() == before, "reading migrates nothing"
    Ledger(path, CLOCK, "person:Test").close()
    monkeypatch.undo()
    after = path.read_bytes()
    assert after != before
    with pytest.raises(LedgerNewer):
        Ledger(path, CLOCK, "person:Test")
    assert path.read_bytes() == after


def test_two_that_open_at_once_migrate_once(tmp_path: Path, newer_release: Path) -> None:
    path = tmp_path / "ledger.db"
    filled(len(STEPS), path).close()
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            Ledger(path, ledgers.SteadyClock(), "person:Test").close()
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM migrations").fetchone() == (len(STEPS) + 1,)


@pytest.mark.parametrize("wait", [0.0, 0.001, 0.003])
def test_a_kill_while_a_ledger_is_made(tmp_path: Path, wait: float) -> None:
    """A ledger appears whole or not at all."""
    script = (
        "import sys, pathlib\nfrom tests import ledgers\nfrom uet_git.ledger import ledger\n"
        "print('go', flush=True)\n"
        "ledger.create(pathlib.Path(sys.argv[1]), ledgers.SteadyClock(), 'person:Test')\n"
    )
    path = tmp_path / "ledger.db"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    threading.Event().wait(wait)
    child.kill()
    child.wait()
    child.stdout.close()
    if path.exists():
        ledger = Ledger(path, CLOCK, "person:Test")
        assert inspect.changed_schema(ledger) == []
        assert ledger.ledger_id
        ledger.close()
    assert making.create(path, CLOCK, "person:Test")
