"""Whole copies of a ledger by SQLite's own backup: each is one moment of it, however many write meanwhile (DESIGN 6).

A copy is one file with no journal beside it. Copying the file of a ledger in use by other means can lose or mix tables.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from uet_git.errors import LedgerBusy, LedgerCorrupt, UetError
from uet_git.host import files
from uet_git.host.clock import Clock
from uet_git.ledger import connection as _connection
from uet_git.ledger import events
from uet_git.ledger.ledger import Ledger
from uet_git.model.named import NamedTuple

ASIDE: Final = ".aside-"
_BESIDE: Final = ("-journal", "-wal", "-shm")


class Copy(NamedTuple):
    """What a copy holds: its ledger, the version of its schema, and its newest event (seq 0: none) with its hash."""

    ledger_id: str
    schema: int
    last_seq: int
    head: str


def write(ledger: Ledger, path: Path) -> None:
    """Copies an open ledger into a new file of mode 0600, which is on disk afterwards.

    Raises: FileExistsError, DiskFull, LedgerReadOnly (the folder cannot be written), LedgerCorrupt.
    """
    _write(ledger.db, path)


def _write(source: sqlite3.Connection, path: Path) -> None:
    with _connection.translated(path.parent):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
            _sync(path)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def look(path: Path, clock: Clock) -> Copy:
    """What the ledger in this file is; nothing is written.

    Raises: FileNotFoundError, LedgerReadOnly, LedgerEmpty, LedgerForeign, LedgerCorrupt, LedgerNewer.
    """
    with closing(Ledger(path, clock, "", read_only=True)) as found, _connection.translated(path):
        return facts(found)


def facts(ledger: Ledger) -> Copy:
    """What an open ledger is. Raises: what reading a damaged file raises."""
    row = ledger.db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, head = row or (0, events.GENESIS)
    return Copy(ledger.ledger_id, ledger.about().schema, int(seq), str(head))


def has_event(path: Path, clock: Clock, seq: int, hash_: str) -> bool:
    """Whether the ledger in this file has this event (seq 0: every one has)."""
    with closing(Ledger(path, clock, "", read_only=True)) as found, _connection.translated(path):
        row = found.db.execute("SELECT hash FROM events WHERE seq = ?", (seq,)).fetchone()
    return seq == 0 or (row is not None and row[0] == hash_)


def faults(path: Path, clock: Clock) -> list[str]:
    """What is wrong with the ledger in this file, in words: its pages, its references, its chain. Raises: as `look`."""
    with closing(Ledger(path, clock, "", read_only=True)) as found:
        try:
            with _connection.translated(path):
                return list(_faults(found))
        except LedgerCorrupt as exc:
            return [exc.detail]


def _faults(ledger: Ledger) -> Iterator[str]:
    rows = ledger.db.execute("PRAGMA integrity_check(5)").fetchall()
    wrong = [str(line) for (line,) in rows if line != "ok"]
    yield from wrong
    if not wrong:
        for table, _, parent, _ in ledger.db.execute("PRAGMA foreign_key_check").fetchmany(5):
            yield f"a row of {table} refers to a row of {parent} that is not there"
        for count, (seq, what) in enumerate(events.broken_links(ledger.events())):
            if count == 5:
                return
            yield f"event {seq}: {what}"


@contextmanager
def moment(ledger: Ledger, folder: Path) -> Iterator[Ledger]:
    """The ledger as it is at this moment, as a read-only copy in `folder` that is gone afterwards: readers of the
    live one would keep its writers waiting for as long as they read."""
    path = folder / f"{ledger.path.name}.new-{os.getpid()}"  # swept away if this process is killed
    with suppress(FileNotFoundError):
        path.unlink()
    write(ledger, path)
    try:
        copy = Ledger(path, ledger.clock, ledger.actor, read_only=True)
        with closing(copy), _connection.translated(path):
            yield copy
    finally:
        path.unlink(missing_ok=True)


def kept_aside(path: Path) -> list[Path]:
    """The older ledgers that lie beside the one at `path`."""
    names = sorted(n for n in os.listdir(path.parent) if n.startswith(path.name + ASIDE))
    return [path.with_name(n) for n in names if not n.endswith(_BESIDE)]


def usable(path: Path, clock: Clock) -> bool:
    """Whether SQLite finds nothing wrong with the pages of the ledger at `path`."""
    try:
        with closing(Ledger(path, clock, "", read_only=True)) as found:
            (said,) = found.db.execute("PRAGMA quick_check(1)").fetchone()
            return bool(said == "ok")
    except (sqlite3.Error, UetError, OSError):
        return False


def put(
    source: Path, path: Path, clock: Clock, still: Callable[[], bool] = lambda: True
) -> Path | None:
    """Makes the ledger at `path` what the file `source` holds, whole or not at all; returns where the one that was
    there lies now (None: there was none).

    One that can be read is copied aside and overwritten in a transaction, so that whoever has it open sees the other
    content; of any other, the very file is moved away. `still` is asked once nobody can write any more.
    Raises: DiskFull, LedgerReadOnly, LedgerBusy (also if `still` says no).
    """
    stamp = "".join(c for c in clock.now() if c.isalnum())
    aside = path.with_name(f"{path.name}{ASIDE}{stamp}")
    with (
        _connection.write_lock(path.parent),
        _connection.translated(path),
        closing(Ledger(source, clock, "", read_only=True)) as copy,
    ):
        if not still():
            raise LedgerBusy(f"{path}: another process wrote to it meanwhile")
        there = path.exists()
        if there and usable(path, clock):
            with closing(_connection.writable(path)) as live:
                _write(live, aside)
                copy.db.backup(live)
        else:
            fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
            _write(copy.db, fresh)
            for suffix in ("", *_BESIDE):
                with suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
            fresh.rename(path)
        files.fsync_dir(path.parent)
    return aside if there else None
