"""repair: what `fsck --repair` does about what fsck found; every step may be done again (DESIGN 2 P15).

1. A ledger that is lost or damaged is rebuilt; the damaged database is set aside, never deleted.
2. Landings that were cut short are finished or given back.
3. Entries whose commit is on the branch have landed; quarantined patches that only their files know come back.
4. Open entries whose bytes are lost are dropped: they can be handed in again.
5. The quarantine folder and the log ref are brought into step.
"""

import os
from typing import Final

from uet_git.errors import (
    LedgerCorrupt,
    LedgerEmpty,
    LedgerForeign,
    LedgerMissing,
    NoLedger,
    UetError,
)
from uet_git.host import files
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import adopt, anchor, fsck, line, lock, person, quarantine, rebuild, recover
from uet_git.queue.lock import QueueHeld
from uet_git.queue.problem import DAMAGE, Problem
from uet_git.queue.rebuild import Rebuilt

REBUILT: Final = frozenset(
    {
        *("database_damaged", "dangling_row", "migration_changed", "schema_changed"),
        *("event_missing", "event_edited", "event_moved", "event_replaced"),
        *("ledger_truncated", "ledger_rolled_back", "ledger_forked"),
        *("row_missing", "row_without_event", "row_changed", "row_unreadable", "state_mismatch"),
        *("patch_damaged", "document_mismatch", "landing_missing", "landed_twice"),
    }
)
"""Damage of the database itself, which a rebuild puts right."""
REANCHORED: Final = frozenset({"anchor_damaged", "anchor_differs"})
"""Damage of the log ref, whose events the database has."""


class Repaired(NamedTuple):
    """What was done, in words, and what the entries are that it touched."""

    did: list[str]
    entries: list[Entry]
    rebuilt: Rebuilt | None


class Found(NamedTuple):
    """What fsck finds; `fault` is why the ledger cannot even be opened."""

    problems: list[Problem]
    fault: UetError | None

    def has(self, codes: frozenset[str]) -> bool:
        """Whether there is damage of one of these kinds."""
        return any(p.severity == DAMAGE and p.code in codes for p in self.problems)


def look(project: Project, *, full: bool = True) -> Found:
    """Checks the ledger, also one that is not there. Raises: NoLedger, LedgerNewer, LedgerReadOnly and git's."""
    try:
        return Found(fsck.check(project, full=full), None)
    except (LedgerMissing, LedgerEmpty, LedgerForeign, LedgerCorrupt) as exc:
        return Found([], exc)


def steps(project: Project, found: Found) -> list[str]:
    """What `repair` would do, in words, without doing it."""
    planned = []
    if found.fault is not None or found.has(REBUILT):
        where = project.ledger_path
        planned.append("rebuild the ledger from its log ref, the commits and the quarantine folder")
        if os.path.lexists(where):
            planned.append(f"set {where} aside; it is kept beside the new one")
    if found.has(REANCHORED):
        planned.append("anchor all events anew; the log as it is stays under refs/uet/aside/")
    codes = {p.code for p in found.problems}
    if "landing_open" in codes or "entry_stranded" in codes or "pin_missing" in codes:
        planned.append("finish or give back what a killed process left")
    if any(code.startswith("quarantine_") and code != "quarantine_stray" for code in codes):
        planned.append("write the quarantine folder anew")
    if codes & {"anchor_missing", "anchor_rolled_back", "unanchored"}:
        planned.append("anchor the events that are not anchored")
    return planned


def repair(project: Project, found: Found, reason: str) -> Repaired:
    """Puts right what can be. Raises: NeedsPerson, QueueBusy, NoLedger, DiskFull, LedgerReadOnly and git's."""
    person.need(project, "repair the ledger", ("uet-git", "fsck"))
    did: list[str] = []
    made = None
    with files.os_errors(f"making {project.home}"):
        project.home.mkdir(mode=0o700, exist_ok=True)
    with lock.hold(project, wait=False) as held:
        if found.fault is not None or found.has(REBUILT):
            project.close()
            made = rebuild.rebuild(project, _ledger_id(project))
            did.append(_said(made))
        if found.has(REANCHORED):
            did.append(anchor.begin_anew(project))
        entries: list[Entry] = []
        if made is not None or found.problems:
            log_lost = made is not None and (made.events == 0 or made.lost > 0)
            entries = _settle(project, held, did, reason, log_lost=log_lost)
    behind = any(quarantine.plan(project, project.ledger)[:2])
    if made is not None or behind or found.has(_FILES):
        held_ones = project.ledger.entries.in_states(("quarantined",))
        quarantine.keep(project, held_ones)
        did.append("wrote the quarantine folder anew")
    anchor.anchor_now(project)
    return Repaired(did, entries, made)


_FILES: Final = frozenset({"quarantine_missing", "quarantine_differs"})


def _ledger_id(project: Project) -> str:
    """The id of the ledger that is lost. Raises: NoLedger if nothing names it."""
    known = project.config_value("uet.ledger")
    if known is None:
        from uet_git.ledger.salvage import Salvage

        copy = project.ledger_path.with_name(f"{project.ledger_path.name}.new-{os.getpid()}-id")
        with Salvage(project.ledger_path, copy) as salvage:
            known = salvage.meta().get("ledger_id")
    if known is None:
        raise NoLedger(project.git.top or project.git.git_dir)
    return known


def _said(made: Rebuilt) -> str:
    text = f"rebuilt the ledger: {made.entries} entries of {made.events} events"
    if made.unknown:
        text += f"; {made.unknown} rows have fields that nobody knows"
    if made.lost:
        text += (
            f"; {made.lost} events of the old database do not follow from these and are left out"
        )
    return f"{text}; the old database is {made.aside.name}" if made.aside is not None else text


def _settle(
    project: Project, held: QueueHeld, did: list[str], reason: str, *, log_lost: bool
) -> list[Entry]:
    """What follows from the rows: landings, commits, files, and entries without bytes."""
    touched: dict[str, Entry] = {}
    process = {"pid": os.getpid(), "boot_id": files.boot_id(), "why": reason}
    with project.ledger.write() as write:
        run = write.runs.start("apply", project.actor, process, "other", "fsck --repair")
    acts = [("landed after all", adopt.landed), ("came back from its files", adopt.filed)]
    if log_lost:
        acts.append(("has a commit, and no other trace", adopt.orphans))
    try:
        recover.recover(project, held, run, did.append)
        for word, act in (*acts, ("was dropped: what it was is lost", adopt.give_up)):
            for entry in act(project, run):
                touched[entry.entry_id] = entry
                did.append(f"change {entry.label} {word}")
    except BaseException as exc:
        line.finish_run(project, run, "failed", exc)
        raise
    line.finish_run(project, run, "succeeded", None)
    return [e for i in touched if (e := project.ledger.entries.get(i)) is not None]
