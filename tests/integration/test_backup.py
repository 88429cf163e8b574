"""A backup is one whole moment of the ledger; a restore is all or nothing, and an old backup never passes for the ledger."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import damage
from tests.builders import git, make_repo
from tests.damage import Templates, change, codes, hand_in
from tests.product import uet
from uet_git.errors import (
    BackupUnusable,
    LedgerCorrupt,
    NeedsPerson,
    NoInput,
    QueueBusy,
    UsageError,
)
from uet_git.host import contracts
from uet_git.ledger import copies
from uet_git.project import Project
from uet_git.queue import backup as keeping
from uet_git.queue import lock

CLEAN: tuple[set[str], set[str]] = (set(), set())


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("backup"))


@pytest.fixture
def repo(tmp_path: Path, templates: Templates) -> Path:
    return templates.copy(tmp_path / "repo")


def save(repo: Path, to: Path) -> keeping.Saved:
    with Project.open(str(repo)) as project:
        return keeping.backup(project, to)


def put_back(repo: Path, file: Path) -> keeping.Restored:
    with Project.open(str(repo)) as project:
        return keeping.restore(project, file, "a test")


def go_on(repo: Path) -> None:
    """Something happens after a backup."""
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))


def rows(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as db:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {n: sorted(db.execute(f"SELECT * FROM {n}").fetchall(), key=repr) for n in names}


def test_a_backup_holds_everything_and_is_ours_alone(repo: Path, tmp_path: Path) -> None:
    saved = save(repo, tmp_path / "b.db")
    assert rows(tmp_path / "b.db") == rows(damage.database(repo))
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["b.db", "repo"]
    with Project.open(str(repo)) as project:
        assert saved.copy.last_seq == project.ledger.last_seq()
        assert saved.copy.head == list(project.ledger.events())[-1].hash


def test_what_stands_in_the_way_of_a_backup(repo: Path, tmp_path: Path) -> None:
    """It replaces nothing unasked, never the ledger itself, and is not made of a damaged ledger."""
    (tmp_path / "b.db").write_bytes(b"mine")
    with pytest.raises(UsageError, match="there already"):
        save(repo, tmp_path / "b.db")
    assert (tmp_path / "b.db").read_bytes() == b"mine"
    with Project.open(str(repo)) as project:
        keeping.backup(project, tmp_path / "b.db", force=True)
        with pytest.raises(UsageError, match="the ledger itself"):
            keeping.backup(project, damage.database(repo), force=True)
        with pytest.raises(NoInput):
            keeping.backup(project, tmp_path / "no" / "b.db")
    damage.edit(repo, "UPDATE events SET actor = 'person:Eve' WHERE seq = 9")
    with pytest.raises(LedgerCorrupt, match="event 9"):
        save(repo, tmp_path / "c.db")
    assert sorted(os.listdir(tmp_path)) == ["b.db", "repo"]


def test_backups_while_others_write_are_whole(repo: Path, tmp_path: Path) -> None:
    """Each is one moment: its chain is unbroken and every row has its event, whatever is written meanwhile."""
    program = (
        "import sys; from uet_git.project import Project\n"
        "with Project.open(sys.argv[1]) as p:\n"
        "    while True:\n"
        "        with p.ledger.write() as w:\n"
        "            for _ in range(20): w.note('note', {'text': 'x' * 500})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(repo)])
    try:
        seen = []
        with Project.open(str(repo)) as project:
            began = project.ledger.last_seq()
            while project.ledger.last_seq() == began:
                assert writer.poll() is None
                time.sleep(0.02)
        for number in range(8):
            path = tmp_path / f"{number}.db"
            seen.append(save(repo, path).copy.last_seq)
            with Project.open(str(repo)) as project:
                assert copies.faults(path, project.clock) == []
        assert writer.poll() is None
        assert seen == sorted(seen)
        assert seen[-1] > seen[0]
    finally:
        writer.kill()
        writer.wait()


def test_restoring_the_present_ledger_is_an_event(repo: Path, tmp_path: Path) -> None:
    saved = save(repo, tmp_path / "b.db")
    damage.edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    before = rows(damage.database(repo))
    done = put_back(repo, tmp_path / "b.db")
    assert done.follows
    assert done.aside is not None
    assert rows(done.aside) == before
    assert codes(repo) == CLEAN
    with Project.open(str(repo)) as project:
        (event,) = project.ledger.events(saved.copy.last_seq)
        told = json.loads(event.payload)
        assert (event.kind, event.actor[:7]) == ("ledger_restored", "person:")
        assert (told["why"], told["aside"]) == ("a test", done.aside.name)


@pytest.mark.parametrize("how", ["restore", "cp"])
def test_an_old_backup_is_reported_as_rolled_back(repo: Path, tmp_path: Path, how: str) -> None:
    """By whatever way it came there; `restore` says so at once."""
    save(repo, tmp_path / "b.db")
    go_on(repo)
    with Project.open(str(repo)) as project:
        last = project.ledger.last_seq()
    if how == "cp":
        shutil.copy(tmp_path / "b.db", damage.database(repo))
    else:
        done = uet(repo, "restore", "../b.db")
        assert b"it is rolled back" in done.out
        assert b"next: uet-git fsck --repair" in done.out
    assert codes(repo)[0] == {"ledger_rolled_back"}
    assert uet(repo, "status", "--json").document["unanchored"] == 0
    uet(repo, "fsck", "--repair")
    assert codes(repo)[0] == set()
    with Project.open(str(repo)) as project:
        assert project.ledger.last_seq() > last


def test_others_who_have_the_ledger_open_see_the_restored_one(repo: Path, tmp_path: Path) -> None:
    """What is written after a restore is in the ledger, also by a process that had it open before."""
    save(repo, tmp_path / "b.db")
    with Project.open(str(repo)) as other:
        count = other.ledger.last_seq()
        put_back(repo, tmp_path / "b.db")
        assert other.ledger.last_seq() == count + 1
        with other.ledger.write() as write:
            write.note("note", {"text": "still here"})
    with Project.open(str(repo)) as project:
        assert project.ledger.last_seq() == count + 2
    assert codes(repo)[0] == set()


@pytest.mark.parametrize("state", ["lost", "empty", "garbage", "broken page", "no folder"])
def test_a_ledger_that_is_lost_or_damaged_is_put_back(
    repo: Path, tmp_path: Path, state: str
) -> None:
    """Whatever is left of the one that was there is kept as it is."""
    save(repo, tmp_path / "b.db")
    path = damage.database(repo)
    data = path.read_bytes()
    left = {
        **{"lost": None, "no folder": None, "empty": b"", "garbage": b"garbage" * 1000},
        "broken page": data[:8192] + b"\xff" * 4096 + data[12288:],
    }[state]
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    if state == "no folder":
        shutil.rmtree(path.parent)
        (repo / ".ledger").unlink()
    done = put_back(repo, tmp_path / "b.db")
    assert codes(repo) == CLEAN
    assert (None if done.aside is None else done.aside.read_bytes()) == left
    assert os.path.realpath(repo / ".ledger") == os.path.realpath(path.parent)


def test_a_foreign_or_damaged_file_is_refused_and_nothing_changes(
    repo: Path, tmp_path: Path
) -> None:
    save(repo, tmp_path / "good.db")
    data = bytearray((tmp_path / "good.db").read_bytes())
    (tmp_path / "cut.db").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.db").write_bytes(b"")
    (tmp_path / "text.db").write_bytes(b"this is a patch\n" * 100)
    with closing(sqlite3.connect(tmp_path / "sqlite.db")) as db:
        db.execute("CREATE TABLE t (a)")
    shutil.copy(tmp_path / "good.db", tmp_path / "edited.db")
    with closing(sqlite3.connect(tmp_path / "edited.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER events_no_update")
        db.execute("UPDATE events SET actor = 'person:Eve' WHERE seq = 9")
    newer = bytearray(data)
    newer[60:64] = (99).to_bytes(4, "big")
    (tmp_path / "newer.db").write_bytes(newer)
    other = make_repo(tmp_path / "other", {"a.txt": b"a\n"})
    with Project.open(str(other)) as project:
        project.ensure_ledger()
    save(other, tmp_path / "foreign.db")
    before = damage.snapshot(repo)
    for name in ("cut", "empty", "text", "sqlite", "edited", "newer", "foreign"):
        with pytest.raises(BackupUnusable):
            put_back(repo, tmp_path / f"{name}.db")
    with pytest.raises(NoInput):
        put_back(repo, tmp_path / "missing.db")
    with pytest.raises(UsageError, match="the ledger itself"):
        put_back(repo, damage.database(repo))
    assert damage.snapshot(repo) == before


def test_a_restore_waits_for_no_drain_and_is_not_for_agents(repo: Path, tmp_path: Path) -> None:
    save(repo, tmp_path / "b.db")
    with Project.open(str(repo)) as project, lock.hold(project), pytest.raises(QueueBusy):
        put_back(repo, tmp_path / "b.db")
    with Project.open(str(repo), origin="bot") as project, pytest.raises(NeedsPerson):
        keeping.restore(project, tmp_path / "b.db", "")


def test_a_restore_that_is_killed_changes_nothing(repo: Path, tmp_path: Path) -> None:
    """At any moment of the copying; the next one goes through."""
    save(repo, tmp_path / "b.db")
    go_on(repo)
    old, new = rows(damage.database(repo)), rows(tmp_path / "b.db")
    program = (
        "import os, sys, pathlib; from uet_git.ledger import copies; from uet_git.host.clock import Clock\n"
        "n = int(sys.argv[3])\n"
        "class Dying(copies.sqlite3.Connection):\n"
        "    def backup(self, target, **how):\n"
        "        super().backup(target, pages=1, progress=lambda s, left, all: os._exit(9) if all - left >= n else None)\n"
        "import sqlite3\n"
        "connect = sqlite3.connect\n"
        "copies._connection.sqlite3.connect = lambda *a, **k: connect(*a, **k, factory=Dying)\n"
        "copies._write = lambda *a: None\n"
        "copies.put(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), Clock())\n"
    )
    for n in (1, 5, 20):
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "b.db", damage.database(repo), str(n)],
            check=False,
        )
        assert done.returncode == 9
        assert rows(damage.database(repo)) == old
    assert put_back(repo, tmp_path / "b.db").aside is not None
    assert rows(damage.database(repo)) == new


def test_as_documents(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "user.name", "Test")
    for args, schema in (
        (("backup", "../b.db"), "backup.v1"),
        (("restore", "../b.db", "--dry-run"), "restore.v1"),
        (("restore", "../b.db", "--reason", "a test"), "restore.v1"),
    ):
        contracts.check(uet(repo, *args, "--json").document, schema)
    assert uet(repo, "restore", "../b.db", "--json", code=0).document["rolled_back"] is True
