"""tally: which votes for a change hold: those for this revision, diff, target and policy (DESIGN 12)."""

from collections.abc import Sequence

from uet_git.model import approval
from uet_git.model.approval import Pins
from uet_git.model.entry import Approval, Entry
from uet_git.model.named import NamedTuple
from uet_git.model.policy import Policy
from uet_git.model.records import Composed, Finding, Patch
from uet_git.project import Project
from uet_git.queue.options import Given


class Tally(NamedTuple):
    """The votes that hold for a revision, and of the others why they do not."""

    holds: list[Approval]
    lost: list[str]


def tally(project: Project, entry: Entry, policy: Policy, diff: dict[str, str] | None) -> Tally:
    """Counts the votes for an entry. Without `diff` (nothing is composed yet) that is not compared."""
    votes = project.ledger.decisions.approvals_of(entry.number)
    rules = approval.policy_pins(policy)
    own = {v.approver for v in votes if v.entry_id == entry.entry_id}
    found = Tally([], [])
    for vote in votes:
        if vote.entry_id != entry.entry_id:
            if vote.approver not in own:
                found.lost.append(_of_another(project, vote, entry))
            continue
        actual = Pins(entry.target, rules, vote.diff if diff is None else diff)
        wrong = approval.differences(Pins(vote.target, vote.policy, vote.diff), actual)
        if wrong:
            said = "; ".join(wrong[:3]) + ("; ..." if len(wrong) > 3 else "")
            found.lost.append(f"the vote of {vote.approver} does not hold: {said}")
        else:
            found.holds.append(vote)
    return found


def counted(
    project: Project,
    entry: Entry,
    given: Given,
    policy: Policy,
    made: tuple[Patch, Composed] | None,
) -> Given:
    """What came with an entry, with the votes that hold for it."""
    diff = None if made is None else approval.diff_pins(*made, project.objects.blob)
    found = tally(project, entry, policy, diff)
    return given._replace(approvals=len(found.holds), lost_votes=tuple(found.lost))


def told(project: Project, findings: Sequence[Finding], old: Entry) -> list[Finding]:
    """The findings of what comes after `old`; one that asks for votes says why those for older ones do not hold."""
    if all(f.code != "policy.reviewers" for f in findings):
        return list(findings)
    new = old._replace(revision=old.revision + 1)
    votes = project.ledger.decisions.approvals_of(old.number)
    lost = dict.fromkeys(_of_another(project, v, new) for v in votes)
    return [
        f._replace(detail="; ".join((f.detail, *lost))) if f.code == "policy.reviewers" else f
        for f in findings
    ]


def _of_another(project: Project, vote: Approval, entry: Entry) -> str:
    old = project.ledger.entries.get(vote.entry_id)
    was = "another revision" if old is None else f"{old.number}.{old.revision}"
    now = f"{entry.number}.{entry.revision}"
    return f"the vote of {vote.approver} does not hold: revision: expected {was}, actual {now}"
