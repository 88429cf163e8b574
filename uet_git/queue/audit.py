"""audit: says of every commit of a range how it came there (DESIGN 11). What it cannot prove it does not claim."""

import os
from collections.abc import Sequence
from contextlib import suppress

from uet_git.errors import DetachedHead, NotFound, UetError
from uet_git.ledger.ledger import Ledger
from uet_git.model.audit import ACCOUNTED, CommitClass
from uet_git.model.named import NamedTuple
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import audit_logs, tie
from uet_git.queue.audit_logs import Foreign

_FORMAT = "--format=%H%x00%T%x00%s"


class Audited(NamedTuple):
    """One commit. `entry` is its number in our ledger, `was` the commit that it was rewritten from, `log` the ledger
    elsewhere that proves it; each None where there is none."""

    commit: str
    kind: str
    subject: str
    entry: int | None = None
    was: str | None = None
    log: str | None = None

    @property
    def accounted(self) -> bool:
        """Whether it needs nobody's attention."""
        return self.kind in ACCOUNTED


class Audit(NamedTuple):
    """What was found, newest commit first; `broken` names logs of others that cannot be believed."""

    commits: list[Audited]
    totals: dict[str, int]
    broken: list[str]

    @property
    def ok(self) -> bool:
        """Whether every commit is accounted for."""
        return all(c.accounted for c in self.commits)


def audit(project: Project, asked: Sequence[str] | None = None) -> Audit:
    """Classifies the commits that `asked` (arguments of `git rev-list`) names; by default those of the checked-out
    branch since the ledger began to watch.

    Raises: NotFound (no such revision), and what git and the ledger raise.
    """
    ledger = None
    if project.has_ledger():
        ledger = project.ledger
        tie.up(project)
    foreign, broken = audit_logs.read(project)
    baselines = _baselines(ledger, foreign)
    rows = _commits(project, asked if asked is not None else _default(project, baselines))
    found = _classified(project, ledger, foreign, baselines, rows, list(asked or ()))
    totals = {kind.value: 0 for kind in CommitClass}
    for commit in found:
        totals[commit.kind] += 1
    return Audit(found, totals, broken)


def classified(project: Project, commits: Sequence[str]) -> dict[str, Audited]:
    """How each of these commits came there, by id, as the ledger knows it now; records nothing."""
    if not commits:
        return {}
    ledger = project.ledger if project.has_ledger() else None
    foreign, _ = audit_logs.read(project)
    asked = ["--no-walk=unsorted", *commits]
    baselines = _baselines(ledger, foreign)
    rows = _commits(project, asked)
    found = _classified(project, ledger, foreign, baselines, rows, asked)
    return {one.commit: one for one in found}


def revisions(text: str) -> list[str]:
    """A RANGE as arguments of `git rev-list`; nothing in it can be an option."""
    return ["--end-of-options", text]


def _default(project: Project, baselines: Sequence[str]) -> list[str]:
    try:
        branch = project.target(None, like_am=True)
        tip = project.tip(branch)
    except DetachedHead:
        tip = project.tip("HEAD")
    if tip is None:
        return []
    there = refs.present(project.git, baselines)
    return [tip, *(f"^{oid}" for oid in there)]


def _baselines(ledger: Ledger | None, foreign: Sequence[Foreign]) -> list[str]:
    own = [] if ledger is None else [b.baseline for b in ledger.handmade.branches().values()]
    return list(dict.fromkeys([*filter(None, own), *(b for f in foreign for b in f.baselines)]))


def _commits(project: Project, asked: Sequence[str]) -> list[tuple[str, str]]:
    """(commit, subject) of a range, newest first. Raises: NotFound."""
    if not asked:
        return []
    done = project.git.run("rev-list", "--no-commit-header", _FORMAT, *asked, "--", check=False)
    if done.code != 0:
        name = next((a for a in asked if not a.startswith("-")), "")
        raise NotFound(f"no such revision or range: {name}", next=("git", "log", "--oneline"))
    rows = []
    for line in os.fsdecode(done.out).splitlines():
        commit, _, rest = line.partition("\0")
        rows.append((commit, rest.partition("\0")[2]))
    return rows


def _classified(
    project: Project,
    ledger: Ledger | None,
    foreign: Sequence[Foreign],
    baselines: Sequence[str],
    rows: Sequence[tuple[str, str]],
    asked: Sequence[str],
) -> list[Audited]:
    ids = [commit for commit, _ in rows]
    landed = {} if ledger is None else ledger.handmade.landed(ids)
    told = {} if ledger is None else ledger.handmade.unverified(ids)
    was = {} if ledger is None else ledger.handmade.rewritten(ids)
    old = _older(project, baselines, ids, asked)
    found = []
    for commit, subject in rows:
        before = was.get(commit)
        one = Audited(
            *(commit, CommitClass.OUT_OF_BAND, subject),
            was=None if before is None else before.old_commit,
        )
        log = next((f for f in foreign if commit in f.landed), None)
        if commit in landed:
            kind = CommitClass.HOOK if landed[commit].is_hook else CommitClass.QUEUE
            one = one._replace(kind=kind, entry=landed[commit].number)
        elif commit in told:
            one = one._replace(kind=CommitClass.UNVERIFIED)
        elif log is not None:
            one = one._replace(kind=CommitClass.ELSEWHERE, log=log.ledger_id)
        elif commit in old:
            one = one._replace(kind=CommitClass.BEFORE)
        elif any(commit in f.unverified for f in foreign):
            one = one._replace(kind=CommitClass.UNVERIFIED)
        found.append(one._replace(kind=str(one.kind)))
    return found


def _older(
    project: Project, baselines: Sequence[str], ids: Sequence[str], asked: Sequence[str]
) -> set[str]:
    """Those of the range that a baseline reaches; nothing to ask where the range itself begins after them."""
    if not asked or not ids:
        return set()
    there = refs.present(project.git, baselines)
    if not there:
        return set()
    marks = [f"^{oid}" for oid in there]
    newer = set(project.git.run("rev-list", *marks, *asked, "--").out.decode().split())
    return set(ids) - newer


def record(project: Project) -> None:
    """Anchors what the look at the branches found, so that others can read it."""
    from uet_git.queue import anchor

    with suppress(UetError):
        if project.has_ledger() and not project.ledger.read_only:
            anchor.anchor_now(project)
