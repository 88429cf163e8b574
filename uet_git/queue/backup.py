"""backup and restore: the whole ledger in one file, and such a file put back in its place (DESIGN 6)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uet_git.errors import (
    BackupUnusable,
    LedgerCorrupt,
    LedgerReadOnly,
    NoInput,
    UetError,
    UsageError,
)
from uet_git.host import files
from uet_git.ledger import copies
from uet_git.ledger.copies import Copy
from uet_git.model import display
from uet_git.model.named import NamedTuple
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import anchor, lock, person
from uet_git.queue.anchor import Anchor


class Saved(NamedTuple):
    """A backup: what is in it, and its size in bytes."""

    copy: Copy
    size: int


class Restored(NamedTuple):
    """What a restore puts back, and where the ledger before lies now.

    `anchored` is the newest event in the repository's log; `follows` whether the backup has that very event.
    """

    copy: Copy
    anchored: int
    follows: bool
    aside: Path | None


def backup(project: Project, path: Path, *, force: bool = False) -> Saved:
    """Writes the ledger as it is at this moment into a file, which is checked before it gets its name.

    Raises: UsageError (there is such a file), LedgerCorrupt (the copy is damaged, as the ledger is), DiskFull.
    """
    check_free(project, path, ("uet-git", "backup"), force=force)
    with _made(path) as fresh:
        copies.write(project.ledger, fresh)
        wrong = copies.faults(fresh, project.clock)
        if wrong:
            raise LedgerCorrupt(wrong[0], next=("uet-git", "fsck"))
        saved = Saved(copies.look(fresh, project.clock), fresh.stat().st_size)
        _name(fresh, path, force=force)
    return saved


@contextmanager
def _made(path: Path) -> Iterator[Path]:
    fresh = Path(os.fsdecode(files.beside(path)))
    try:
        with files.os_errors(f"writing {path}"):
            yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _name(fresh: Path, path: Path, *, force: bool) -> None:
    if not force and path.exists():
        raise FileExistsError(17, os.strerror(17), str(path))
    fresh.rename(path)
    files.fsync_dir(path.parent)


def check_free(project: Project, path: Path, verb: tuple[str, ...], *, force: bool) -> None:
    """Whether a file may be written there. Raises: UsageError, NoInput (no such folder)."""
    shown = display.line(str(path))
    if not path.parent.is_dir():
        raise NoInput(f"{display.line(str(path.parent))} is no folder", next=("ls", "-ld", "."))
    inside = project.home.exists() and path.parent.resolve() == project.home.resolve()
    if inside and path.name.startswith(project.ledger_path.name):
        raise UsageError(f"{shown} is where the ledger itself lies", next=(*verb, "--help"))
    if path.is_dir():
        raise UsageError(f"{shown} is a folder", next=(*verb, "--help"))
    if os.path.lexists(path) and not force:
        raise UsageError(f"{shown} is there already", next=(*verb, "--force", str(path)))


def check(project: Project, path: Path) -> Restored:
    """What a restore would do, without doing it.

    Raises: NeedsPerson, NoInput (no such file), BackupUnusable (not a ledger, damaged, or of another repository).
    """
    person.need(project, "restore the ledger", ("uet-git", "fsck"))
    copy = _checked(project, path)
    known = project.config_value("uet.ledger")
    if known is not None and known != copy.ledger_id:
        text = f"it is of ledger {copy.ledger_id}, this repository's is {display.line(known)}"
        raise BackupUnusable(text, next=("git", "config", "--get-all", "uet.ledger"))
    known_to_git = _anchored(project, copy.ledger_id)
    follows = copies.has_event(path, project.clock, known_to_git.seq, known_to_git.hash)
    return Restored(copy, known_to_git.seq, follows, None)


def _anchored(project: Project, ledger_id: str) -> Anchor:
    tip = project.tip(refs.log_ref(ledger_id))
    return Anchor(None, 0, "") if tip is None else anchor.read(project, tip)


def _checked(project: Project, path: Path) -> Copy:
    shown = display.line(str(path))
    if not path.is_file():
        raise NoInput(f"{shown}: there is no such file", next=("ls", "-l", str(path.parent)))
    if project.ledger_path.exists() and path.samefile(project.ledger_path):
        raise UsageError(f"{shown} is the ledger itself", next=("uet-git", "restore", "--help"))
    try:
        wrong = copies.faults(path, project.clock)
        if not wrong:
            return copies.look(path, project.clock)
    except UetError as exc:
        raise BackupUnusable(exc.message, next=("ls", "-l", str(path))) from exc
    raise BackupUnusable(f"{shown}: {wrong[0]}", next=("ls", "-l", str(path)))


def restore(project: Project, path: Path, reason: str) -> Restored:
    """Puts a backup in the place of the ledger, which is kept beside it under another name.

    It is an event, unless the log in git is ahead of the backup: an event would then begin a chain of its own.
    Raises: as `check`; QueueBusy, DiskFull, LedgerReadOnly.
    """
    planned = check(project, path)
    new = not project.home.exists()
    with files.os_errors(f"making {project.home}", read_only=LedgerReadOnly):
        project.home.mkdir(mode=0o700, exist_ok=True)
    with lock.hold(project, wait=False):
        project.close()  # nothing of ours may look at the file while another content takes its place
        aside = copies.put(path, project.ledger_path, project.clock)
    project.ensure_ledger()
    if new:
        with suppress(UsageError):  # somebody else's `.ledger`: doctor tells
            project.link()
    done = planned._replace(aside=aside)
    if done.follows:
        _note(project, done, reason)
        anchor.anchor_now(project)
    return done


def _note(project: Project, done: Restored, reason: str) -> None:
    payload = {
        **{"last_seq": done.copy.last_seq, "head": done.copy.head, "why": reason},
        "aside": None if done.aside is None else done.aside.name,
    }
    with project.ledger.write() as write:
        write.note("ledger_restored", payload)
