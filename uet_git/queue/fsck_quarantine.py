"""fsck, the quarantine folder: whether its files are what the ledger would write (DESIGN 12)."""

from typing import Final

from uet_git.ledger.ledger import Ledger
from uet_git.project import Project
from uet_git.queue import quarantine
from uet_git.queue import quarantine_report as reports
from uet_git.queue.problem import DAMAGE, INFORMATION, Problem, Problems

_REPAIR: Final = ("uet-git", "fsck", "--repair")
_MOST_READ: Final = 64 * 1024 * 1024  # bytes


def check(project: Project, ledger: Ledger, problems: Problems, *, compare: bool) -> None:
    """Every quarantined patch has its two files, byte for byte (`compare`), and no other entry has any."""
    found = set(_look(project, ledger, compare=compare))
    if found:  # another process may be at work: what it mended is no problem
        found &= set(_look(project, ledger, compare=compare))
    for problem in sorted(found, key=lambda p: (p.code, p.message)):
        if problem.severity == DAMAGE:
            problems.damage(problem.code, problem.message, problem.next)
        else:
            problems.note(problem.code, problem.message, problem.next)


def _look(project: Project, ledger: Ledger, *, compare: bool) -> list[Problem]:
    plan = quarantine.plan(project, ledger)
    behind = {each.entry_id for each in plan.stale if each.event_seq > plan.seen}
    found = []
    if behind:
        text = f"{len(behind)} of its entries are not written yet; the next command that changes something does it"
        found.append(Problem("quarantine_behind", text, _REPAIR, INFORMATION))
    for name in plan.over:
        text = f"{name} is of an entry that is not quarantined any more"
        found.append(Problem("quarantine_left_over", text, _REPAIR, INFORMATION))
    for name in plan.strange:
        text = f"{name} is of an entry that this ledger does not have"
        found.append(
            Problem(
                "quarantine_stray", text, ("ls", "-l", str(quarantine.folder(project))), INFORMATION
            )
        )
    for each in plan.held:
        redacted = each.redacted and f"{reports.stem(each.label, each.title)}.patch" in plan.over
        if each.entry_id in behind or redacted:
            continue
        found += _entry(project, ledger, each.entry_id, compare=compare)
    return found


def _entry(project: Project, ledger: Ledger, entry_id: str, *, compare: bool) -> list[Problem]:
    entry = ledger.entries.get(entry_id)
    if entry is None or entry.state != "quarantined":
        return []
    stem = reports.stem(entry.label, entry.title)
    made = reports.made(ledger, entry)
    wanted = {"json": made.report, "patch": made.patch}
    found = []
    for ending, content in wanted.items():
        if content is None:
            continue
        name = f"{stem}.{ending}"
        try:
            with (quarantine.folder(project) / name).open("rb") as file:
                there = file.read(_MOST_READ)
        except OSError:
            text = f"{name}, a file of entry {entry.label}, is gone"
            found.append(Problem("quarantine_missing", text, _REPAIR))
            continue
        if compare and there != content:
            text = f"{name} is not what the ledger has of entry {entry.label}"
            found.append(Problem("quarantine_differs", text, _REPAIR))
    return found
