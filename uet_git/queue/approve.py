"""approve: a person's vote for what a change would do now; enough of them let it go on by itself (DESIGN 12).

A vote is for the revision, the composed diff, the target and the policy. It is counted, with these compared, whenever
the change is judged (queue/tally.py).
"""

from collections.abc import Sequence

from uet_git.errors import NotYours, UsageError
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Writer
from uet_git.model import approval, mail, order
from uet_git.model.approval import Pins
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.policy import Policy
from uet_git.model.records import Conflict, Finding, Oid
from uet_git.model.waivers import standing
from uet_git.plumbing import fallback
from uet_git.project import Project
from uet_git.queue import content, decide, handmade, person, tally, validate
from uet_git.queue.options import given_of
from uet_git.queue.stage import Stager

CODE = "policy.reviewers"
_OPEN = ("validated", "queued", "apply_failed", "quarantined")


class Ballot(NamedTuple):
    """What one vote would be for, and under which policy."""

    entry: Entry
    pins: Pins
    policy: Policy


def approve(project: Project, entries: Sequence[Entry], reason: str) -> list[Entry]:
    """Votes for each; one that lacked nothing but votes, and now has enough, is queued.

    Raises: NeedsPerson, NotYours, UsageError (it is over, or does not fit the target now).
    """
    ballots = check(project, entries)
    together = person.together(project, entries)
    with project.ledger.write() as write:
        for ballot in ballots:
            entry, pins = ballot.entry, ballot.pins
            payload = {**pins._asdict(), "why": reason, **together}
            seq = write.entries.amend(entry.entry_id, {}, payload, kind="patch_approved")
            write.decisions.approve(entry.entry_id, pins.target, pins.policy, pins.diff, seq)
            _go_on(project, write, ballot)
    return project.ledger.entries.by_ids([e.entry_id for e in entries])


def check(project: Project, entries: Sequence[Entry]) -> list[Ballot]:
    """What each vote would be for. Raises: as `approve`."""
    return [_ballot(project, entry) for entry in entries]


def _ballot(project: Project, entry: Entry) -> Ballot:
    look = ("uet-git", "show", entry.label)
    person.need(project, f"approve change {entry.label}", look)
    handmade.need_patch(entry)
    content.need(project, entry)
    if entry.state not in _OPEN:
        raise UsageError(f"change {entry.label} is {entry.state}", next=look)
    tip = project.tip(entry.target)
    stager = Stager(project, project.settings_at(tip))
    policy = stager.judge.policy_for(given_of(entry))
    if policy.min_reviewers and is_own(project, entry):
        raise NotYours(
            f"change {entry.label} is your own, and the policy asks for {policy.min_reviewers} to approve it",
            next=look,
        )
    diff = _composed_diff(project, stager, project.tip_tree(tip), entry)
    return Ballot(entry, Pins(entry.target, approval.policy_pins(policy), diff), policy)


def is_own(project: Project, entry: Entry) -> bool:
    """Whether this person handed the change in, or wrote what another person handed in.

    What an agent handed in is the agent's, also on the same account and under the same author's name.
    """
    if entry.submitter.startswith("agent:"):
        return False
    email = project.config_value("user.email")
    wrote = email is not None and entry.author_email == email
    wrote |= entry.author_name == project.actor.partition(":")[2]
    return wrote or entry.submitter == project.actor


def _composed_diff(project: Project, stager: Stager, tree: Oid, entry: Entry) -> dict[str, str]:
    """What the change does on top of what it waits for. Raises: UsageError if it does not fit there."""
    objects = project.objects
    mark = objects.begin()
    try:
        for each in [*_before(project, entry), entry]:
            patch, _ = stager.patch_of(each)
            diff = mail.read(content.need(project, each).content or b"").diff
            found = fallback.candidate(stager.composer, tree, patch, diff)
            if isinstance(found, Conflict):
                first = found.findings[0]
                raise UsageError(
                    f"change {each.label} does not fit {each.target.removeprefix('refs/heads/')} now"
                    f" ({first.code}), so nobody can see what it would do",
                    next=("uet-git", "show", each.label),
                )
            if each is entry:
                return approval.diff_pins(patch, found, objects.blob)
            tree = found.tree
        raise AssertionError("the entry itself is the last")
    finally:
        objects.discard(mark)


def _before(project: Project, entry: Entry) -> list[Entry]:
    """What an entry stands on that has not landed, in order."""
    entries = project.ledger.entries
    found: dict[str, Entry] = {}
    line = [entry]
    while line:
        one = line.pop()
        members = entries.of_series(one.series_id) if one.series_id is not None else []
        newest = order.newest_revisions(members).values()
        needed = [m for m in newest if (m.series_index or 0) < (one.series_index or 0)]
        needed += [e for n in one.depends_on if (e := entries.revision(n)) is not None]
        fresh = [
            e for e in needed
            if e.entry_id not in found and e.state != "dropped" and not order.is_done(e)
        ]  # fmt: skip
        found.update((e.entry_id, e) for e in fresh)
        line += fresh
    found.pop(entry.entry_id, None)
    return sorted(found.values(), key=lambda e: (e.number, e.revision))


def _go_on(project: Project, write: Writer, ballot: Ballot) -> None:
    """Queues an entry that lacked only votes, and has enough now."""
    entry = project.ledger.entries.get(ballot.entry.entry_id)
    if entry is None or entry.state != "quarantined":
        return
    against = [c for c in standing(entry) if c not in decide.FOLLOWS or decide.lost(project, entry)]
    if against != [CODE]:
        return
    votes = tally.tally(project, entry, ballot.policy, ballot.pins.diff)
    if len(votes.holds) < ballot.policy.min_reviewers:
        return
    left = [f for f in entry.findings if f["code"] not in (CODE, *decide.FOLLOWS)]
    flags = validate.flags(
        [Finding(f["code"]) for f in left if f["code"] not in (entry.waived or ())]
    )
    columns = {**flags, "findings": left, "reason": None, "detail": None, "tried_tip": None}
    said = {"approvals": [v.approver for v in votes.holds]}
    write.entries.move(
        [
            Move(entry.entry_id, "quarantined", "validated", said, columns),
            Move(entry.entry_id, "validated", "queued", {}, {}),
        ]
    )
