"""undo: takes back this person's last decision by a new move or a new revision, never by changing history (DESIGN 12).

What was decided together is taken back together. The event that takes a decision back names it in `undoes`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from uet_git.errors import QueueBusy, UsageError
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Writer
from uet_git.model import history
from uet_git.model.entry import Entry, Event
from uet_git.model.history import Recorded
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import handmade, person, revive

_LANDED: Final = ("committed", "rolled_back")
_KIND: Final = {
    "patch_released": "release",
    "patch_approved": "approve",
    "patch_snoozed": "snooze",
}


class Decision(NamedTuple):
    """One decision about one entry: its event with the payload read, what was done, and the change as it now is."""

    event: Recorded
    verb: str
    decided: Entry
    entry: Entry


def undo(project: Project, entry: Entry | None, reason: str) -> list[Entry]:
    """Takes back the last decision of this actor, or the last one about `entry`; returns what it touched.

    Raises: NeedsPerson, UsageError (there is none, another actor touched the entry since, it has landed), QueueBusy.
    """
    check(project, entry)
    touched: list[str] = []
    with project.ledger.write() as write:
        for decision in check(project, entry):  # as it is while nobody else writes
            touched += _take_back(project, write, decision, reason)
    return project.ledger.entries.by_ids(list(dict.fromkeys(touched)))


def check(project: Project, entry: Entry | None) -> list[Decision]:
    """What would be taken back. Raises: as `undo`."""
    look = ("uet-git", "list") if entry is None else ("uet-git", "show", entry.label)
    person.need(project, "undo a decision", look)
    found = _last(project, entry)
    if not found:
        what = "" if entry is None else f" about change {entry.label}"
        raise UsageError(f"{project.actor} has decided nothing{what} that can be undone", next=look)
    for decision in found:
        _may(project, decision)
    return found


# -- finding it --------------------------------------------------------------------------------------------------


def _last(project: Project, entry: Entry | None) -> list[Decision]:
    """The newest decision of this actor that is not undone, with what was decided together with it."""
    found: list[Decision] = []
    for decision in _decisions(project, entry):
        together = decision.event.payload.get("together")
        if not found:
            found.append(decision)
            if together is None or entry is not None:
                break
        elif together == found[0].event.payload.get("together"):
            found.append(decision)
        elif decision.event.seq < found[0].event.seq:
            break
    return found[::-1]


def _decisions(project: Project, entry: Entry | None) -> Iterator[Decision]:
    """Decisions of this actor, newest first, without those that were taken back."""
    entries = project.ledger.entries
    undone: set[int] = set()
    for event in project.ledger.decisions.of_actor(project.actor):
        payload = json.loads(event.payload)
        if "undoes" in payload:
            undone.add(payload["undoes"])
            continue
        verb = _verb(event, payload)
        if not verb or event.seq in undone:
            continue
        decided = entries.get(event.entry_id or "")
        if decided is None or (entry is not None and decided.number != entry.number):
            continue
        moved = payload.get("from"), payload.get("to")
        told = Recorded(event.seq, event.ts, event.actor, event.kind, *moved, payload)
        yield Decision(told, verb, decided, entries.revision(decided.number) or decided)


def _verb(event: Event, payload: dict[str, Any]) -> str:
    """Which decision an event is; empty for what the queue did."""
    if event.kind == "patch_dropped":
        return "drop" if payload.get("reason") == "queue.dropped_by_person" else ""
    if event.kind == "patch_amended":
        if "edited" in payload and "made_from" not in payload:
            return "edit"
        return "priority" if "priority" in payload and "was" in payload else ""
    if payload.get("retry"):
        return "retry"
    return _KIND.get(event.kind, "")


# -- whether it may be -------------------------------------------------------------------------------------------


def _may(project: Project, decision: Decision) -> None:
    """Raises: UsageError, QueueBusy."""
    entry, look = decision.entry, ("uet-git", "show", decision.entry.label)
    handmade.need_patch(entry)
    if entry.state in _LANDED and decision.verb != "drop":
        raise UsageError(
            f"change {entry.label} has landed since; what has landed is taken back by a rollback",
            next=("uet-git", "rollback", entry.label, "--dry-run"),
        )
    for event in _since(project, decision):
        if event.actor != project.actor:
            raise UsageError(
                f"{event.actor} touched change {entry.label} since ({event.kind}, event {event.seq}):"
                " ask them, or decide anew",
                next=("uet-git", "log", entry.label),
            )
    if entry.state in ("applied", "verified"):
        raise QueueBusy(f"change {entry.label} is worked on right now", next=("uet-git", "apply"))
    over = entry.state == "dropped" and decision.verb != "drop"
    newer = entry.entry_id != decision.decided.entry_id
    if over or (newer and not _is_new_revision(decision) and entry.state != "dropped"):
        why = "was dropped" if over else f"has a newer revision, {entry.label},"
        raise UsageError(f"change {entry.number} {why} since: decide anew", next=look)


def _is_new_revision(decision: Decision) -> bool:
    """Whether the decision itself made the next revision."""
    return decision.verb == "edit" or "repaired" in decision.event.payload


def _since(project: Project, decision: Decision) -> list[Event]:
    """What happened to the change after the decision, all its revisions from the decided one on."""
    entries = project.ledger.entries
    found = []
    for revision in range(decision.decided.revision, decision.entry.revision + 1):
        one = entries.revision(decision.decided.number, revision)
        if one is not None:
            found += project.ledger.events_of(entry=one.entry_id)
    return [e for e in found if e.seq > decision.event.seq]


# -- taking it back ----------------------------------------------------------------------------------------------


def _take_back(project: Project, write: Writer, decision: Decision, reason: str) -> list[str]:
    """Ids of what is touched."""
    said = {"undoes": decision.event.seq, "why": reason}
    entry = project.ledger.entries.get(decision.entry.entry_id) or decision.entry
    if decision.verb == "drop" or _is_new_revision(decision):
        newest = entry if entry.entry_id != decision.decided.entry_id else None
        return revive.revive(project, write, decision.decided, newest, decision.event.seq, said)
    if decision.verb == "priority":
        was = decision.event.payload["was"]
        now = {"priority": was, "was": entry.priority}
        write.entries.amend(entry.entry_id, {"priority": was}, {**now, **said})
    elif decision.verb == "snooze":
        _wake(write, entry, decision, said)
    else:
        _put_back(project, write, entry, decision, said)
    return [entry.entry_id]


def _wake(write: Writer, entry: Entry, decision: Decision, said: dict[str, Any]) -> None:
    was = decision.event.payload.get("was")
    seq = write.entries.amend(entry.entry_id, {}, {"until": was, **said}, kind="patch_snoozed")
    if was is None:
        write.decisions.wake(entry.entry_id)
    else:
        write.decisions.snooze(entry.entry_id, was, seq)


def _put_back(
    project: Project, write: Writer, entry: Entry, decision: Decision, said: dict[str, Any]
) -> None:
    """An entry goes back to where it was set aside; what was waived, or voted for, is so no more."""
    told = history.recorded("entry", project.ledger.events_of(entry=entry.entry_id))
    before = [e for e in told if e.seq < decision.event.seq]
    state = history.fold("entry", before).state or entry.state
    last = history.last(before, state)
    why = {n: None if last is None else last.payload.get(n) for n in ("reason", "detail")}
    columns: dict[str, Any] = {}
    if decision.verb == "release":
        undone = {e.payload.get("undoes") for e in told} | {decision.event.seq}
        left = [e for e in told if e.seq not in undone]
        columns["waived"] = history.waived(left)
    if decision.verb == "approve":
        write.decisions.take_back_vote(entry.entry_id)
        if why["reason"] == "policy.reviewers" and entry.state != state:
            again = {"code": why["reason"], "detail": why["detail"] or "", "path": None, "line": 0}
            columns["findings"] = [*entry.findings, again]
    moves = state in ("quarantined", "apply_failed") and entry.state != state
    if not moves or entry.state == "quarantined":
        write.entries.amend(entry.entry_id, columns, {"verb": decision.verb, **said})
        return
    write.entries.move(
        [Move(entry.entry_id, entry.state, state, {**why, **said}, {**columns, **why})]
    )
