"""quarantine: keeps `.ledger/quarantine/` in step with the ledger, two files for each quarantined patch (DESIGN 12).

The ledger is the truth. Every changing command ends here; what a crash left out, or somebody deleted, the next one puts
back. `quarantine.seen`, beside the folder, names the newest event that the files have seen: a command looks only at
what came since, and what is missing of before was taken away.
"""

import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from uet_git.host import files
from uet_git.host.files import Flock
from uet_git.ledger import held as holding
from uet_git.ledger.held import Held
from uet_git.ledger.ledger import Ledger
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import quarantine_report as reports

_NAME: Final = re.compile(r"(([1-9][0-9]{0,17})(?:\.[0-9]{1,9})?-[a-z0-9-]+)\.(patch|json)")
_MARK: Final = "quarantine.seen"
_LOCK: Final = "quarantine.lock"
_PATIENCE: Final = 10.0  # seconds; whoever holds the lock does the same work


class Plan(NamedTuple):
    """What is not in step. `stale`: entries whose files are to be written; `over`: names of files to be removed."""

    stale: list[Held]
    over: list[str]
    strange: list[str]
    """Files named like ours of entries that the ledger does not have: perhaps all that is left of them."""
    held: list[Held]
    seen: int
    """The newest event that the files have seen."""
    seq: int
    """The newest event that there is."""


def folder(project: Project) -> Path:
    """Where the files lie."""
    return project.home / reports.FOLDER


def keep(project: Project, entries: Collection[Entry] | None = None) -> None:
    """Writes and removes what is not in step; the files of `entries` are written in any case.

    Raises: DiskFull, IoFailed, and what reading the ledger raises.
    """
    again = {e.entry_id for e in entries or ()}
    ledger = project.ledger
    if not again and _is_nothing(plan(project, ledger)):
        return
    lock = Flock(project.home / _LOCK)
    if not lock.acquire(_PATIENCE):
        return
    try:
        _act(project, plan(project, ledger, again))
    finally:
        lock.release()


def plan(project: Project, ledger: Ledger, again: Collection[str] = ()) -> Plan:
    """What is not in step; `again`: ids of entries to write in any case."""
    seq = ledger.last_seq()
    found = holding.held(ledger)
    there = _names(project)
    seen = _seen(project, ledger)
    expected: set[str] = set()
    stale = []
    for each in found:
        stem = reports.stem(each.label, each.title)
        both = {f"{stem}.json", f"{stem}.patch"}
        own = {f"{stem}.json"} if each.redacted else both
        if each.event_seq > seen or each.entry_id in again or both & there != own:
            stale.append(each)
        expected |= own
    over, strange = _left_over(ledger, there - expected)
    return Plan(stale, over, strange, found, seen, seq)


def _is_nothing(found: Plan) -> bool:
    return not (found.stale or found.over)


def _names(project: Project) -> set[str]:
    try:
        return set(os.listdir(folder(project)))
    except OSError:
        return set()


def _seen(project: Project, ledger: Ledger) -> int:
    """The newest event that the files have seen; 0 if that is none of this chain's."""
    with suppress(OSError, ValueError):
        seq, _, digest = (project.home / _MARK).read_text("ascii").strip().partition(" ")
        if holding.hash_at(ledger, int(seq)) == digest:
            return int(seq)
    return 0


def _left_over(ledger: Ledger, names: Collection[str]) -> tuple[list[str], list[str]]:
    """Files of entries that are not quarantined any more, and of entries that are unknown."""
    parsed = [(name, m) for name in sorted(names) if (m := _NAME.fullmatch(name))]
    if not parsed:
        return [], []
    known = holding.titles(ledger, sorted({int(m[2]) for _, m in parsed}))
    stems = {reports.stem(each.label, each.title) for each in known}
    over = [name for name, m in parsed if m[1] in stems]
    return over, [name for name, m in parsed if m[1] not in stems]


def _act(project: Project, found: Plan) -> None:
    if _is_nothing(found):
        return
    where = folder(project)
    _make(where)
    for name in found.over:
        with files.os_errors(f"removing {where / name}"), suppress(FileNotFoundError):
            os.unlink(where / name)
    _write(project, where, found.stale)
    digest = holding.hash_at(project.ledger, found.seq)
    files.write_atomic(project.home / _MARK, f"{found.seq} {digest}\n".encode("ascii"))
    _sweep(where)


def _make(where: Path) -> None:
    with files.os_errors(f"making {where}"):
        if where.is_symlink() or (where.exists() and not where.is_dir()):
            where.unlink()  # not what we made; nothing is written through it
        where.mkdir(mode=0o700, exist_ok=True)
        where.chmod(0o700)


def _write(project: Project, where: Path, stale: Sequence[Held]) -> None:
    """The patch first: a report without one would speak of a file that is not there."""
    entries = {e.entry_id: e for e in project.ledger.entries.by_ids([h.entry_id for h in stale])}
    for each in stale:
        entry = entries.get(each.entry_id)
        if entry is None or entry.state != "quarantined":
            continue  # it moved meanwhile; whoever moved it waits for our lock
        stem = reports.stem(entry.label, entry.title)
        made = reports.made(project.ledger, entry)
        if made.patch is not None:
            files.write_atomic(where / f"{stem}.patch", made.patch)
        files.write_atomic(where / f"{stem}.json", made.report)


def _sweep(where: Path) -> None:
    """Halves of files that a killed process left."""
    for name in os.listdir(where):
        if name.startswith(".") and name.endswith(".tmp"):
            pid = name.split(".")[-3]
            if pid.isdigit() and not files.pid_alive(int(pid), files.boot_id()):
                with suppress(OSError):
                    os.unlink(where / name)
