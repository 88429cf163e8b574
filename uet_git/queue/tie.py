"""tie: brings what hooks wrote down, and what came past them, into the ledger (DESIGN 11).

The tie between an ordinary commit and its entry is the tree. Every command that changes something does this at its
end, `audit` before it looks, and a reading command if a hook left something.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from uet_git.errors import MissingObject, StaleMove, UetError
from uet_git.host import process
from uet_git.ledger.handmade import HookEntry
from uet_git.ledger.ledger import Writer
from uet_git.model import journal
from uet_git.model.journal import Checked, Hit, Report, Rewritten
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.project import WATCHING, Project
from uet_git.queue import checked, handmade

if TYPE_CHECKING:
    from uet_git.model.commitobject import CommitFacts

_POSITION = "hook_journal"


class Range(NamedTuple):
    """Commits of a branch that nobody looked at yet, oldest first."""

    ref: str
    old: str | None
    new: str
    commits: list[str]


class _Work:
    """What is to be written."""

    def __init__(self, position: str, open_: list[HookEntry]) -> None:
        self.position = position
        self.is_first = False
        self.reports: dict[str, Report] = {}
        self.hits: list[Hit] = []
        self.checked: list[Checked] = []
        self.rewritten: list[Rewritten] = []
        self.ranges: list[Range] = []
        self.still: list[Range] = []  # branches that moved to commits that were seen before
        self.open_ = open_
        self.facts: dict[str, CommitFacts] = {}


def up(project: Project, *, look: bool = True) -> None:
    """Ties up what there is; `look`: also at the branches. Nothing to do costs a look at two files.

    Raises: what git and the ledger raise.
    """
    ledger = project.ledger
    if ledger.read_only:
        return
    _close_dead(project)
    position = ledger.meta(_POSITION) or ""
    found = project.hook_home.unread(position)
    open_ = ledger.handmade.open_entries()
    if not (look or found.lines or any(map(handmade.is_over, open_))):
        return
    work = _Work(found.position, open_)
    _sort(project, work, journal.read(found.lines))
    _look_at_branches(project, work)
    _read_commits(project, work)
    judged = checked.read(project, work.checked)
    if _is_nothing(work, position):
        return
    with ledger.write() as write:
        if (ledger.meta(_POSITION) or "") != position:
            return  # another process did it just now
        for one in judged:
            checked.take_in(project, write, one)
        _Tying(project, write, work).all()
        if work.position != position:
            write.set_meta(_POSITION, work.position)
    project.hook_home.begin_anew(work.position)


def _close_dead(project: Project) -> None:
    """Ends the runs of hooks that were killed, with whatever their gates left running."""
    for pid in project.hook_home.dead_gating():
        process.end_leftovers(pid)
    if not any(run.kind == "hook" for run in project.ledger.runs.unfinished()):
        return
    from uet_git.queue import recover

    with suppress(StaleMove):  # another process did it just now
        recover.close_dead(project, recover.dead_hooks(project))


def quietly(project: Project, *, look: bool = True) -> None:
    """The same for commands that are about something else: what cannot be tied up now is by the next one."""
    with suppress(UetError, OSError):
        if project.has_ledger():
            up(project, look=look)


def unseen(project: Project) -> dict[str, list[str]]:
    """Commits that came past every hook and that no command has looked at yet, by branch; nothing is written.

    Raises: what git and the ledger raise.
    """
    work = _Work("", [])
    _look_at_branches(project, work)
    known = project.ledger.handmade
    found = {}
    for one in work.ranges:
        accounted = known.landed(one.commits).keys() | known.unverified(one.commits).keys()
        found[one.ref] = [c for c in one.commits if c not in accounted]
    return {ref: commits for ref, commits in found.items() if commits}


def _is_nothing(work: _Work, position: str) -> bool:
    over = any(map(handmade.is_over, work.open_))
    return work.position == position and not (work.is_first or work.ranges or work.still or over)


# -- reading -----------------------------------------------------------------------------------------------------


def _sort(project: Project, work: _Work, lines: Sequence[journal.Line]) -> None:
    for line in lines:
        if isinstance(line, Hit):
            work.hits.append(line)
        elif isinstance(line, Checked):
            git_dir = os.path.realpath(line.git_dir)
            work.checked.append(line._replace(git_dir=git_dir))
        elif isinstance(line, Rewritten):
            work.rewritten.append(line)
        else:
            commit = line.commit or _head_of(project, line.git_dir)
            if commit is not None:
                git_dir = os.path.realpath(line.git_dir)
                work.reports.setdefault(commit, line._replace(git_dir=git_dir))


def _head_of(project: Project, git_dir: str) -> str | None:
    done = project.git.run(
        f"--git-dir={git_dir}", "rev-parse", "-q", "--verify", "HEAD", check=False
    )
    return done.out.decode().strip() if done.code == 0 else None


def _look_at_branches(project: Project, work: _Work) -> None:
    if project.ledger.meta(WATCHING) is None:
        work.is_first = True
        return
    known = project.ledger.handmade.branches()
    tips = refs.branches(project.git)
    seen = {b.tip for b in known.values()} | {b.baseline for b in known.values() if b.baseline}
    moved = {r: t for r, t in tips.items() if r not in known or known[r].tip != t}
    for ref, tip in moved.items():
        old = known[ref].tip if ref in known else None
        commits = [] if tip in seen else _between(project, tip, seen)
        seen.add(tip)
        one = Range(ref, old, tip, commits)
        (work.ranges if commits or old is None else work.still).append(one)


def _between(project: Project, tip: str, seen: set[str]) -> list[str]:
    """The commits of `tip` that none of `seen` reaches, oldest first."""
    there = refs.present(project.git, seen)
    asked = "".join(f"{oid}\n" for oid in [tip, *(f"^{oid}" for oid in there)])
    out = project.git.run("rev-list", "--reverse", "--stdin", stdin=asked.encode()).out
    return out.decode().split()


def _read_commits(project: Project, work: _Work) -> None:
    """The facts of every commit that may be tied: those reported, and those of ranges while an entry waits."""
    wanted = dict.fromkeys(work.reports)
    if work.open_ or work.checked:
        wanted |= dict.fromkeys(c for r in work.ranges for c in r.commits)
        wanted |= dict.fromkeys(r.new for r in work.still)
    if wanted:
        from uet_git.model import commitobject
    for oid in wanted:
        with suppress(MissingObject):
            work.facts[oid] = commitobject.read(project.objects.commit(oid))


# -- writing -----------------------------------------------------------------------------------------------------


class _Tying:
    """Writes one piece of work inside a transaction."""

    def __init__(self, project: Project, write: Writer, work: _Work) -> None:
        self.project = project
        self.write = write
        self.work = work
        self.known = project.ledger.handmade
        self.waiting = {e.entry_id: e for e in project.ledger.handmade.open_entries()}
        self.reported = {r.git_dir for r in work.reports.values()}

    def all(self) -> None:
        """Ties commits, notes rewrites and ranges, closes what was given up."""
        commits = [*self.work.reports, *(c for c in self.work.facts if c not in self.work.reports)]
        landed = self.known.landed(commits)
        for commit in commits:
            facts = self.work.facts.get(commit)
            if commit not in landed and facts is not None:
                self._tie(commit, facts)
        for line in self.work.rewritten:
            self.write.handmade.rewritten(line.old, line.new, line.command)
        self._see()
        self._close()

    def _tie(self, commit: str, facts: "CommitFacts") -> None:
        report = self.work.reports.get(commit)
        where = None if report is None else report.git_dir
        own = [
            e
            for e in self.waiting.values()
            if e.tree == facts.tree and (where in (None, e.git_dir) or handmade.is_over(e))
        ]
        passed = [e for e in own if e.state == "verified"]
        if passed:
            self._committed(passed[-1], commit, facts)
        elif report is not None and not _is_foreign(report, facts):
            again = self._passed_before(report, facts)
            if again is not None:
                handmade.commit_again(self.project, self.write, again, commit, facts)
            else:
                self._unverified(commit, facts, report, own)

    def _committed(self, entry: HookEntry, commit: str, facts: "CommitFacts") -> None:
        handmade.commit(self.write, entry.entry_id, commit, facts)
        del self.waiting[entry.entry_id]

    def _passed_before(self, report: Report, facts: "CommitFacts") -> HookEntry | None:
        """The entry that vouches for a commit which pre-commit let through on a marker, or which is made again."""
        bases = {self._tree_of(facts.parents[0]) if facts.parents else self.project.git.empty_tree}
        hits = [h for h in self.work.hits if (h.pid, h.tree) == (report.pid, facts.tree)]
        for entry in self.known.passed(facts.tree):
            if entry.base_tree in bases:
                return entry
            for hit in hits:
                if hit.config == entry.config and hit.base in (entry.base_tree, entry.tree):
                    return entry
        return None

    def _tree_of(self, commit: str) -> str:
        try:
            return self.project.tree_of(Oid(commit))
        except MissingObject:
            return ""

    def _unverified(
        self, commit: str, facts: "CommitFacts", report: Report, own: Sequence[HookEntry]
    ) -> None:
        entry = own[-1] if own else None
        self.write.handmade.unverified(
            commit, facts.tree, report.via, None if entry is None else entry.entry_id
        )
        for each in own:
            handmade.drop(self.write, each, "queue.unverified", f"commit {commit[:12]}")
            del self.waiting[each.entry_id]

    def _see(self) -> None:
        """The ranges, each with the commits in it that came past every hook."""
        if self.work.is_first:
            self.project.begin_to_watch(self.write)
        for one in self.work.ranges:
            landed = self.known.landed(one.commits)
            told = self.known.unverified(one.commits)
            unknown = [c for c in one.commits if c not in landed and c not in told]
            self.write.handmade.seen(one.ref, one.old, one.new, unknown, len(one.commits))
        for one in self.work.still:
            assert one.old is not None
            self.write.handmade.moved(one.ref, one.old, one.new)

    def _close(self) -> None:
        """Entries that no commit will come for. What was refused stays to be read until the next attempt there."""
        newest: dict[str, int] = {}
        for entry in self.waiting.values():
            newest[entry.git_dir] = max(newest.get(entry.git_dir, 0), entry.number)
        for entry in self.waiting.values():
            later = newest[entry.git_dir] > entry.number or entry.git_dir in self.reported
            if handmade.is_over(entry) and (entry.state != "quarantined" or later):
                handmade.drop(self.write, entry, "queue.abandoned", "no commit came of it")


def _is_foreign(report: Report, facts: "CommitFacts") -> bool:
    """Whether a merge made no commit: it went forward to one that was made elsewhere, or squashed into the index."""
    return report.via == "post-merge" and len(facts.parents) < 2
