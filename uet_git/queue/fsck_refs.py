"""fsck, the refs: what the branches carry that names an entry, and the pins of candidates (DESIGN 8, 10)."""

from collections.abc import Sequence
from typing import Final

from uet_git.errors import MissingObject, UetError
from uet_git.ledger import inspect
from uet_git.ledger.ledger import Ledger
from uet_git.model import commitobject
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.plumbing.git import Git
from uet_git.project import Project
from uet_git.queue import handmade, lock
from uet_git.queue.commit import TRAILER
from uet_git.queue.fsck_commits import Commits, Landings
from uet_git.queue.problem import Problems

_APPLY: Final = ("uet-git", "apply")
_LANDED: Final = ("committed", "rolled_back")
_ON_THE_WAY: Final = ("applied", "verified")


class Known(NamedTuple):
    """What is kept of every entry until the refs are looked at."""

    label: str
    state: str
    target: str
    commit: str | None
    patch_id: str
    tree: str | None
    is_hook: bool


def known(entry: Entry) -> Known:
    """The few facts of an entry that the refs are compared with."""
    return Known(
        *(entry.label, entry.state, entry.target, entry.commit_id, entry.patch_id, entry.tree),
        handmade.is_hook(entry),
    )


def trailers(git: Git, tip: Oid) -> list[tuple[str, list[str]]]:
    """(commit, entry ids) of every commit of a branch whose message has our trailer, newest first."""
    key = TRAILER.decode()
    form = f"--format=%H %(trailers:key={key},valueonly,separator=%x2C)"
    asked = ("rev-list", "--no-commit-header", "-i", f"--grep=^{key}[ \t]*:", form, tip)
    out = git.run(*asked).out.decode("utf-8", "replace")
    found = []
    for line in out.splitlines():
        commit, _, values = line.partition(" ")
        ids = [value.strip() for value in values.split(",") if value.strip()]
        if ids:
            found.append((commit, ids))
    return found


class Branches:
    """The target branches beside the entries that landed on them."""

    def __init__(
        self,
        project: Project,
        ledger: Ledger,
        problems: Problems,
        entries: dict[str, Known],
        commits: Commits,
        unsound: set[str],
    ) -> None:
        self.project = project
        self.ledger = ledger
        self.problems = problems
        self.entries = entries
        self.commits = commits
        self.unsound = unsound
        self.shallow = refs.is_shallow(project.git)

    def check(self) -> None:
        """Looks at every branch that an entry was meant for."""
        for target in dict.fromkeys(e.target for e in self.entries.values()):
            tip = self.project.tip(target)
            named = trailers(self.project.git, tip) if tip is not None else []
            landed = {
                i: e.commit
                for i, e in self.entries.items()
                if e.target == target and e.state in _LANDED and e.commit is not None
            }
            there = refs.reachable(self.project.git, tip, landed.values())
            again = self._named(target, named, there)
            for entry_id, commit in landed.items():
                if commit not in there and not self.shallow:
                    self._not_there(entry_id, commit, target, again.get(entry_id))

    def _named(
        self, target: str, named: Sequence[tuple[str, list[str]]], there: set[str]
    ) -> dict[str, str]:
        """Judges every trailer; returns entry to the commit that carries it now."""
        again: dict[str, str] = {}
        foreign = 0
        for commit, ids in named:
            for entry_id in set(ids) - self.unsound:
                entry = self._entry(entry_id)
                if entry is None:
                    foreign += 1
                elif entry.commit != commit and not self._landing_now(entry_id, commit):
                    if self._honest(entry, commit, target, there, alone=len(ids) == 1):
                        again[entry_id] = commit
                    else:
                        self._forged(entry, commit)
        if foreign:
            what = "1 commit carries" if foreign == 1 else f"{foreign} commits carry"
            text = f"{what} a trailer of an entry that this ledger does not have, as commits of another clone do"
            self.problems.note("foreign_trailer", text, ("git", "log", "--grep=^Uet-Patch:"))
        return again

    def _entry(self, entry_id: str) -> Known | None:
        """The entry; read again if it seems not to have landed, as it may have since."""
        found = self.entries.get(entry_id)
        if found is not None and found.state in _LANDED:
            return found
        fresh = self.ledger.entries.get(entry_id)
        return None if fresh is None else known(fresh)

    def _landing_now(self, entry_id: str, commit: str) -> bool:
        """Whether the commit is one that is being landed, or was since the entry was read."""
        pair = [entry_id, commit]
        if any(pair in landing.commits for landing in self.ledger.open_landings()):
            return True
        fresh = self.ledger.entries.get(entry_id)
        return fresh is not None and fresh.commit_id == commit

    def _honest(
        self, entry: Known, commit: str, target: str, there: set[str], *, alone: bool
    ) -> bool:
        """Whether a commit that is not the entry's may carry its trailer: the user rewrote or copied it."""
        if entry.state not in _LANDED:
            return False
        if entry.target != target:
            text = f"commit {commit[:12]} on {target} is a copy of entry {entry.label}"
            self.problems.note("commit_copied", text, ("git", "show", commit))
            return True
        if entry.commit in there:
            return False
        return not (self.commits.full and alone) or self._same(entry, commit)

    def _same(self, entry: Known, commit: str) -> bool:
        stored = inspect.patch(self.ledger, entry.patch_id)
        try:
            facts = commitobject.read(self.project.objects.commit(commit))
        except MissingObject:
            return True
        return isinstance(stored, inspect.Unreadable) or self.commits.carries(facts, stored[0])

    def _forged(self, entry: Known, commit: str) -> None:
        was = f"landed as {entry.commit[:12]}" if entry.commit else f"is {entry.state}"
        text = f"commit {commit[:12]} claims to be entry {entry.label}, which {was}"
        self.problems.damage("forged_trailer", text, ("git", "show", commit))

    def _not_there(self, entry_id: str, commit: str, target: str, now: str | None) -> None:
        label = self.entries[entry_id].label
        if now is not None:
            text = f"entry {label} landed as {commit[:12]} and was rewritten to {now[:12]}"
            self.problems.note("commit_rewritten", text, ("git", "show", now))
        elif entry_id in self.commits.gone:
            text = f"the commit of entry {label}, {commit[:12]}, is not in the repository any more"
            self.problems.note("commit_gone", text, ("uet-git", "show", label))
        else:
            text = f"the commit of entry {label}, {commit[:12]}, is not on {target} any more"
            self.problems.note("commit_not_on_branch", text, ("git", "show", commit))


def check_pins(
    project: Project, entries: dict[str, Known], landings: Landings, problems: Problems
) -> None:
    """Pins of what is no candidate, candidates without one, and what a killed process left."""
    for landing_id in landings.open_ids:
        text = f"landing {landing_id} was cut short; the next apply finishes it or gives it back"
        problems.note("landing_open", text, _APPLY)
    pins = refs.read_all(project.git, "refs/uet/entries")
    drained = lock.holder(project) is not None
    for ref, commit in pins.items():
        entry = entries.get(ref.rpartition("/")[2])
        if entry is None or entry.state not in _ON_THE_WAY:
            if not drained:
                text = f"{ref} pins what is no candidate"
                problems.note("stale_pin", text, ("git", "update-ref", "-d", ref))
        elif _tree_of(project, commit) != entry.tree:
            text = f"{ref} does not pin the tree of entry {entry.label}"
            problems.damage("pin_differs", text, ("git", "show", ref))
    for entry_id, entry in entries.items():
        if entry.is_hook:
            continue  # nothing of it has to be kept: git has the tree, or the commit was given up
        waits = entry.state in _ON_THE_WAY and entry_id not in landings.open_
        if waits and not drained and _is_left(project, entry_id):
            left = f"entry {entry.label} was left {entry.state} by a killed process"
            if refs.entry_ref(entry_id) in pins:
                problems.note("entry_stranded", f"{left}; the next apply queues it again", _APPLY)
            else:
                text = f"{left}, and nothing keeps its candidate from git gc"
                problems.damage("pin_missing", text, _APPLY)


def _is_left(project: Project, entry_id: str) -> bool:
    """Whether it is still on its way with nobody at work: a drain may have ended since the rows were read."""
    try:
        now = project.ledger.entries.get(entry_id)
    except (UetError, ValueError):
        return True
    on_the_way = now is None or now.state in _ON_THE_WAY
    return on_the_way and lock.holder(project) is None


def _tree_of(project: Project, commit: str) -> str | None:
    try:
        return project.tree_of(Oid(commit))
    except UetError:
        return None
