"""decide: drop, retry and priority, as one transaction each."""

from collections.abc import Sequence

from uet_git.errors import NeedsPerson, UsageError
from uet_git.ledger.entries import Move
from uet_git.model import order
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import content, handmade, person, set_aside, validate
from uet_git.queue.options import given_of

FOLLOWS = ("queue.dependency_dropped", "queue.series_incomplete")
"""Reasons that come from another entry; they are over as soon as that one may land."""


def drop(project: Project, entries: Sequence[Entry], reason: str) -> list[Entry]:
    """Drops entries; returns them and the followers that were quarantined for it.

    Raises: UsageError (one is over already), NeedsPerson (an agent drops what another handed in).
    """
    check_drop(project, entries)
    held: list[Entry] = []
    both = person.together(project, entries)
    with project.ledger.write() as write:
        for entry in entries:
            now = project.ledger.entries.get(entry.entry_id) or entry
            held += set_aside.drop(write, project.ledger.entries, now, reason, also=both)
    return _again(project, [*entries, *held])


def check_drop(project: Project, entries: Sequence[Entry]) -> None:
    """Whether these can be dropped by this actor. Raises: UsageError, NeedsPerson."""
    for entry in entries:
        if project.actor.startswith("agent:") and entry.submitter != project.actor:
            raise NeedsPerson(f"change {entry.label} was handed in by {entry.submitter}")
        if entry.state not in set_aside.MOVABLE:
            look = ("uet-git", "show", entry.label)
            raise UsageError(f"change {entry.label} is {entry.state}", next=look)


def check_retry(project: Project, entries: Sequence[Entry]) -> None:
    """Whether these can be tried again. Raises: UsageError."""
    for entry in entries:
        content.need(project, entry)
        if entry.state not in ("quarantined", "apply_failed"):
            raise UsageError(
                f"change {entry.label} is {entry.state}; only what was set aside can be tried again",
                next=("uet-git", "show", entry.label),
            )
        handmade.need_patch(entry)
        _still_held(project, entry)


def prioritize(
    project: Project, entries: Sequence[Entry], priority: int, reason: str
) -> list[Entry]:
    """Gives entries another priority, 0 (low) to 3 (critical). Raises: NeedsPerson, UsageError."""
    check_prioritize(project, entries)
    both = person.together(project, entries)
    with project.ledger.write() as write:
        for entry in entries:
            payload = {"priority": priority, "was": entry.priority, "why": reason, **both}
            write.entries.amend(entry.entry_id, {"priority": priority}, payload)
    return _again(project, entries)


def check_prioritize(project: Project, entries: Sequence[Entry]) -> None:
    """Whether this actor may put these elsewhere in the line. Raises: NeedsPerson, UsageError."""
    for entry in entries:
        look = ("uet-git", "show", entry.label)
        if entry.submitter != project.actor:
            person.need(project, f"change the priority of change {entry.label}", look)
        handmade.need_patch(entry)
        if entry.state not in set_aside.MOVABLE:
            raise UsageError(f"change {entry.label} is {entry.state}", next=look)


def retry(project: Project, entries: Sequence[Entry], reason: str = "") -> list[Entry]:
    """Queues entries again. What was set aside is judged anew; nothing more is waived than a person did before.

    Raises: UsageError if one is neither quarantined nor apply_failed.
    """
    check_retry(project, entries)
    judged = {e.entry_id: _without_waived(e, _judge_again(project, e)) for e in entries}
    said = {"retry": True, **({"why": reason} if reason else {})}
    said |= person.together(project, entries)
    moves: list[Move] = []
    for entry in entries:
        clear = {"reason": None, "detail": None}
        if entry.state == "apply_failed":
            moves.append(
                Move(
                    entry.entry_id,
                    "apply_failed",
                    "queued",
                    said,
                    {**clear, "tried_tip": None},
                )
            )
        elif judged[entry.entry_id].reason is None:
            found = judged[entry.entry_id]
            columns = {
                **found.flags,
                **clear,
                "findings": validate.as_json(found.findings),
                "tried_tip": None,
            }
            moves.append(Move(entry.entry_id, "quarantined", "validated", said, columns))
            moves.append(Move(entry.entry_id, "validated", "queued", {}, {}))
    with project.ledger.write() as write:
        write.entries.move(moves)
    return _again(project, entries)


def _still_held(project: Project, entry: Entry) -> None:
    """What only a person's word or another change can lift is not lifted by trying again. Raises: UsageError."""
    look = ("uet-git", "show", entry.label)
    codes = {f["code"] for f in entry.findings} - {*(entry.waived or ())}
    if "queue.rest_of_pick" in codes:
        raise UsageError(
            f"change {entry.label} is what was left of another; only `release` lets it go on",
            next=look,
        )
    if "queue.dropped_before" in codes:
        raise UsageError(
            f"a person dropped change {entry.label} before; only `release` lifts that", next=look
        )
    if "queue.quarantined_before" in codes:
        raise UsageError(
            f"change {entry.label} has lines of one that is quarantined; only `release` lifts that",
            next=look,
        )
    if entry.reason in FOLLOWS:
        gone = lost(project, entry)
        if gone:
            raise UsageError(
                f"change {entry.label} waits for {', '.join(gone)}, which was dropped", next=look
            )


def lost(project: Project, entry: Entry) -> list[str]:
    """Labels of what an entry waits for in vain, as it was dropped."""
    needed = [project.ledger.entries.revision(n) for n in entry.depends_on]
    if entry.series_id is not None:
        members = order.newest_revisions(project.ledger.entries.of_series(entry.series_id)).values()
        whole = any(f["code"] == "queue.series_incomplete" for f in entry.findings)
        needed += [m for m in members if whole or (m.series_index or 0) < (entry.series_index or 0)]
    return [e.label for e in needed if e is not None and order.is_lost(e)]


def _without_waived(entry: Entry, found: validate.Judgement) -> validate.Judgement:
    waived = entry.waived or ()
    return found._replace(findings=tuple(f for f in found.findings if f.code not in waived))


def _judge_again(project: Project, entry: Entry) -> validate.Judgement:
    settings = project.settings_at(project.tip(entry.target))
    stored = content.need(project, entry)
    scope = validate.patterns_of(entry.scope)
    found = validate.judge(stored.content or b"", settings.limits, project.git.hex_length, scope)
    ruled = validate.has_own_rules(entry.origin, entry.scope) or validate.has_rules(
        project, settings
    )
    if not found.patch.changes or not ruled:
        return found
    from uet_git.queue import judge

    bench, given = judge.Judge(project, settings), given_of(entry)
    policy = bench.policy_for(given)
    if policy.min_reviewers:
        from uet_git.queue import tally

        given = tally.counted(project, entry, given, policy, None)
    rules = bench.at_intake(found.patch, given, policy)
    return found._replace(findings=(*found.findings, *rules))


def _again(project: Project, entries: Sequence[Entry]) -> list[Entry]:
    ids = dict.fromkeys(e.entry_id for e in entries)
    return [found for i in ids if (found := project.ledger.entries.get(i)) is not None]
