"""A ledger file that is newer, foreign, empty, corrupt or not writable has its own error and is left byte for byte."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ledgers
from tests.builders import make_repo
from uet_git import errors
from uet_git.ledger import connection
from uet_git.ledger.ledger import Ledger
from uet_git.project import Project

CLOCK = ledgers.SteadyClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound ledger with an entry, closed."""
    opened = ledgers.new_ledger(tmp_path / "uet")
    with opened.write() as write:
        ledgers.add_entry(write, 1)
    opened.close()
    return opened.path


def everything(folder: Path) -> dict[str, str]:
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() + oct(p.stat().st_mode)
        for p in folder.iterdir()
    }


def opening(path: Path, *, read_only: bool = False) -> None:
    ledger = Ledger(path, CLOCK, "person:Test", read_only=read_only)
    try:
        ledger.last_seq()
        with ledger.write() as write:
            write.note("note", {})
    finally:
        ledger.close()


def header(path: Path, at: int, data: bytes) -> None:
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def other_program(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()


def other_id(path: Path) -> None:
    header(path, 68, b"\x00\x00\x00\x01")


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


def newer_in_wal(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA user_version = 999")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def not_sqlite(path: Path) -> None:
    path.write_bytes(b"# notes\n" * 100)


def one_byte(path: Path) -> None:
    path.write_bytes(b"S")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def broken_root(path: Path) -> None:
    header(path, 100, b"\xff" * 300)


BROKEN = [
    (zero_bytes, errors.LedgerEmpty, "ledger.empty"),
    (other_program, errors.LedgerForeign, "ledger.foreign"),
    (other_id, errors.LedgerForeign, "ledger.foreign"),
    (newer, errors.LedgerNewer, "ledger.newer"),
    (newer_in_wal, errors.LedgerNewer, "ledger.newer"),
    (not_sqlite, errors.LedgerCorrupt, "ledger.corrupt"),
    (one_byte, errors.LedgerCorrupt, "ledger.corrupt"),
    (cut, errors.LedgerCorrupt, "ledger.corrupt"),
    (broken_root, errors.LedgerCorrupt, "ledger.corrupt"),
]


@pytest.mark.parametrize(
    ("breaks", "error", "code"), BROKEN, ids=lambda v: getattr(v, "__name__", None)
)
@pytest.mark.parametrize("read_only", [False, True])
def test_it_is_refused_and_not_touched(
    path: Path, breaks: object, error: type[errors.UetError], code: str, read_only: bool
) -> None:
    breaks(path)  # type: ignore[operator]
    before = everything(path.parent)
    with pytest.raises(error) as caught:
        opening(path, read_only=read_only)
    assert type(caught.value) is error
    assert caught.value.code == code
    assert caught.value.exit_code == 3
    assert caught.value.next
    after = everything(path.parent)
    assert after == {**before, **{k: v for k, v in after.items() if k == "write.lock"}}


def test_every_error_has_its_own_code() -> None:
    kinds = {error for _, error, _ in BROKEN}
    assert len({e.code for e in kinds}) == len(kinds)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opening(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_in_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    for name in ("a?mode=memory", "a#b", "a%41", "a b", "ä"):
        ledger = ledgers.new_ledger(tmp_path / name)
        assert ledger.path.exists()
        ledger.close()
        opening(ledger.path)


def test_making_one_leaves_an_existing_one_alone(path: Path) -> None:
    before = path.read_bytes()
    connection.create(path, CLOCK, {"ledger_id": "x"})
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} <= {
        "ledger.db",
        "ledger.db-journal",
        "write.lock",
    }


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs to become another user"
)
@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_a_ledger_that_may_not_be_written(tmp_path: Path, mode: int) -> None:
    """As another user: reading works where it is allowed, and writing is one honest error."""
    folder = tmp_path / "home"
    ledger = ledgers.new_ledger(folder)
    ledger.close()
    for place in (folder, *folder.iterdir()):
        os.chown(place, 65534, 65534)
    ledger.path.chmod(mode)
    folder.chmod(0o500)
    for above in folder.parents:
        if (
            above.stat().st_uid == 0
            and not above.stat().st_mode & 1
            and str(above).startswith("/tmp/pytest")
        ):
            above.chmod(above.stat().st_mode | 0o011)
    script = (
        "import sys, pathlib\nfrom tests import ledgers\nfrom uet_git.ledger.ledger import Ledger\n"
        "from uet_git import errors\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "try:\n    l = Ledger(path, ledgers.SteadyClock(), 'person:T', read_only=True)\n    print(l.last_seq())\n"
        "    l = Ledger(path, ledgers.SteadyClock(), 'person:T')\n"
        "    with l.write() as w:\n        w.note('note', {})\n"
        "except errors.UetError as exc:\n    print(exc.code)\n"
    )
    before = everything(folder)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", script, str(ledger.path)],
        capture_output=True, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    if b"PermissionError" in done.stderr or b"ModuleNotFoundError" in done.stderr:
        pytest.skip("that user cannot read the interpreter or the tests")
    assert done.stdout.decode().split() == (
        ["1", "ledger.read_only"] if mode else ["ledger.read_only"]
    ), done.stderr
    assert everything(folder) == before


def test_a_full_disk_is_an_error_and_nothing_is_kept(path: Path) -> None:
    """SQLite's own page limit stands in for the disk."""
    ledger = Ledger(path, CLOCK, "person:Test")
    (pages,) = ledger.db.execute("PRAGMA page_count").fetchone()
    ledger.db.execute(f"PRAGMA max_page_count = {pages + 1}")
    before = ledger.last_seq()
    with pytest.raises(errors.DiskFull), ledger.write() as write:  # noqa: PT012
        for number in range(2, 60):
            ledgers.add_entry(write, number, content=os.urandom(4000))
    assert ledger.last_seq() == before
    ledger.db.execute("PRAGMA max_page_count = 100000")
    with ledger.write() as write:
        ledgers.add_entry(write, 2)
    ledger.close()


def test_a_lost_ledger_is_not_replaced(tmp_path: Path) -> None:
    """`git config uet.ledger` remembers that there was one."""
    repo = make_repo(tmp_path / "repo", {"a": b""})
    with Project.open(str(repo)) as project:
        assert project.ensure_ledger()
        assert not project.ensure_ledger()
        lost = project.ledger_path
    lost.unlink()
    with Project.open(str(repo)) as project:
        for ask in (project.has_ledger, project.ensure_ledger, lambda: project.ledger):
            with pytest.raises(errors.LedgerMissing):
                ask()
    assert not lost.exists()


def test_a_folder_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.LedgerReadOnly, match=r"gone/ledger\.db"):
        connection.create(tmp_path / "gone" / "ledger.db", ledgers.SteadyClock(), {})
    assert not list(tmp_path.iterdir())
