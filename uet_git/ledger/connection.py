"""Opens the ledger, and is the only way to write it (DESIGN 6).

Every write is `BEGIN IMMEDIATE` inside a blocking flock: SQLite's busy handler alone starves writers. The journal is
WAL only where SQLite has the fix of the WAL-reset bug (3.51.3), else a rollback journal with synchronous=EXTRA.
"""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from uet_git.errors import (
    DiskFull,
    LedgerBusy,
    LedgerCorrupt,
    LedgerEmpty,
    LedgerForeign,
    LedgerNewer,
    LedgerReadOnly,
    UetError,
)
from uet_git.host import files
from uet_git.host.clock import Clock
from uet_git.ledger import migrate
from uet_git.model.named import NamedTuple

APPLICATION_ID: Final = 0x55455447
_MAGIC = b"SQLite format 3\x00"
BUSY_SECONDS: Final = 30.0
_WAL_IS_SAFE: Final = sqlite3.sqlite_version_info >= (3, 51, 3)


def create(
    path: Path,
    clock: Clock,
    meta: dict[str, str],
    first: Callable[[sqlite3.Connection], None] | None = None,
) -> bool:
    """Makes a new ledger beside `path` and links it into place whole; leaves an existing one alone.

    `first` writes what a new ledger begins with. Tells whether the one in place is the one that was made.

    Raises: LedgerReadOnly, DiskFull.
    """
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    with translated():
        try:
            try:
                fresh.write_bytes(migrate.empty())
            except FileNotFoundError as exc:
                raise LedgerReadOnly(f"{fresh}: {exc.strerror}") from exc
            connection = _connect(fresh, "rw")
            try:
                # Nobody sees the file before it is whole: one sync at its end is enough.
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("PRAGMA journal_mode = MEMORY")
                connection.execute("BEGIN IMMEDIATE")
                migrate.begin(connection, clock)
                connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
                if first is not None:
                    first(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()
            os.chmod(fresh, 0o600)
            _sync(fresh)
            made = False
            with suppress(FileExistsError):
                os.link(fresh, path)
                made = True
            _sync(path.parent)
            return made
        finally:
            for end in ("", "-journal", "-wal", "-shm"):
                fresh.with_name(fresh.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unfinished(path: Path) -> list[Path]:
    """What a killed `create` left beside `path`; its process is gone."""
    start = f"{path.name}.new-"
    names = [name for name in os.listdir(path.parent) if name.startswith(start)]
    pids = {name: name.removeprefix(start).partition("-")[0] for name in names}
    return [
        path.with_name(name)
        for name, pid in pids.items()
        if pid.isdigit() and not files.pid_alive(int(pid), files.boot_id())
    ]


def open_ledger(
    path: Path, clock: Clock, *, read_only: bool = False, patience: float | None = None
) -> sqlite3.Connection:
    """Opens an existing ledger after looking at its header; migrates an older one unless `read_only`.

    `patience`: how long to wait for other writers, in seconds; None: as long as it takes.
    Raises: LedgerBusy, FileNotFoundError, LedgerEmpty, LedgerForeign, LedgerCorrupt, LedgerNewer, LedgerReadOnly.
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except PermissionError as exc:
        raise LedgerReadOnly(f"{path}: {exc.strerror}") from exc
    if not head:
        raise LedgerEmpty(str(path))
    if head[:16] != _MAGIC:
        raise LedgerCorrupt(f"{path} is not a database")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise LedgerForeign(str(path))
    newest = _newest()
    _refuse_newer(int.from_bytes(head[60:64], "big"), newest)  # before anything is set on it
    with translated(path):
        connection = _connect(path, "ro" if read_only else "rw", patience)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > newest:
            connection.close()
        _refuse_newer(version, newest)
        if version < newest and not read_only:
            with write_lock(path.parent, patience):
                migrate.migrate(connection, clock)
        return connection


def _refuse_newer(version: int, newest: int) -> None:
    if version > newest:
        raise LedgerNewer(f"its schema is {version}, this version knows {newest}")


class About(NamedTuple):
    """SQLite's version, the journal mode, and the schema: the file's and the newest that this version knows."""

    sqlite: str
    journal: str
    schema: int
    newest: int


def about(connection: sqlite3.Connection | None = None) -> About:
    """The facts of an open ledger; without one, those that a new ledger would have."""
    if connection is None:
        return About(sqlite3.sqlite_version, "wal" if _WAL_IS_SAFE else "truncate", 0, _newest())
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    return About(sqlite3.sqlite_version, journal, schema, _newest())


def _newest() -> int:
    return len(migrate.files())


def _connect(path: Path, mode: str, patience: float | None = None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{_uri(path)}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS if patience is None else patience,
        cached_statements=256,
        check_same_thread=False,
    )
    # What takes back a statement that fails is kept in memory: a file costs two writes for each page that one changes.
    for pragma in (
        *("foreign_keys=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"),
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if mode != "ro":
        connection.execute("PRAGMA journal_mode=" + ("WAL" if _WAL_IS_SAFE else "TRUNCATE"))
        connection.execute("PRAGMA synchronous=" + ("FULL" if _WAL_IS_SAFE else "EXTRA"))
    return connection


def _uri(path: Path) -> str:
    """The path as SQLite's URI (sqlite.org/uri.html, 3.1); bytes that are no UTF-8 stay what they are."""
    text = str(path.absolute())
    for special in "%?#":
        text = text.replace(special, f"%{ord(special):02x}")
    return f"file://{text}"


def writable(path: Path) -> sqlite3.Connection:
    """A plain connection to write the file with, whatever is in it."""
    return _connect(path, "rw")


@contextmanager
def write_lock(folder: Path, patience: float | None = None) -> Iterator[None]:
    """Holds the ledger's writer flock, waiting `patience` seconds (None: as long as it takes) for it.

    Freed by the kernel if the holder dies. Raises: LedgerBusy.
    """
    try:
        fd = os.open(folder / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _translate_os(exc, folder) from exc
    try:
        if patience is None:
            fcntl.flock(fd, fcntl.LOCK_EX)
        else:
            _lock_soon(fd, patience, folder)
        yield
    finally:
        os.close(fd)


def _lock_soon(fd: int, patience: float, folder: Path) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise LedgerBusy(f"{folder}: another process writes") from None
            time.sleep(0.005)
        else:
            return


@contextmanager
def transaction(
    connection: sqlite3.Connection, folder: Path, patience: float | None = None
) -> Iterator[None]:
    """One write transaction: all of it is durable at the end, or none of it happened.

    `patience`: see `write_lock`.
    """
    with write_lock(folder, patience), translated(folder):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # After SQLITE_FULL the transaction is already gone and ROLLBACK would raise.
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise


@contextmanager
def translated(path: Path | None = None) -> Iterator[None]:
    """Turns SQLite's and the system's errors into ours."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _translate(exc, path) from exc
    except OSError as exc:
        raise _translate_os(exc, path) from exc


def ours(exc: BaseException) -> UetError | None:
    """The error of ours that an error of SQLite is, wherever it was raised; None for any other."""
    found = _translate(exc, None) if isinstance(exc, sqlite3.Error) else None
    return found if isinstance(found, UetError) else None


def _translate(exc: sqlite3.Error, path: Path | None) -> Exception:
    name = getattr(exc, "sqlite_errorname", "") or ""
    where = f"{path}: {exc}" if path else str(exc)
    if name.startswith("SQLITE_FULL"):
        return DiskFull(where)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return LedgerReadOnly(where)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA")):
        return LedgerCorrupt(where)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerBusy(where)
    if name == "SQLITE_ERROR" and str(exc).startswith(("no such table", "no such column")):
        return LedgerCorrupt(where)
    if name.startswith("SQLITE_IOERR"):
        return DiskFull(where) if _disk_is_full(path) else LedgerReadOnly(where)
    return exc


def _translate_os(exc: OSError, path: Path | None) -> UetError | OSError:
    where = f"{exc.filename or path or ''}: {exc.strerror}"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(where)
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return LedgerReadOnly(where)
    return exc


def _disk_is_full(path: Path | None) -> bool:
    if path is None:
        return False
    folder = path if path.is_dir() else path.parent
    return os.statvfs(folder).f_bavail == 0
