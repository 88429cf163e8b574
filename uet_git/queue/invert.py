"""invert: the patches that undo landed changes, newest first, each composed on the one before (DESIGN 12)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from uet_git.errors import MissingObject, UsageError
from uet_git.model import commitobject, revert
from uet_git.model.commitobject import CommitFacts
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS
from uet_git.model.records import Composed, Conflict, Finding, Oid, Patch
from uet_git.model.revert import Undone
from uet_git.plumbing import fallback, inverse
from uet_git.plumbing.inverse import Differ
from uet_git.plumbing.view import View
from uet_git.project import Project
from uet_git.queue import validate
from uet_git.queue.options import Given, Reverts, Source
from uet_git.queue.stage import Stager

CODE = "apply.changed_since"


class Chosen(NamedTuple):
    """A landed entry, the commit that its branch has of it, and what that commit says."""

    entry: Entry
    commit: str
    facts: CommitFacts


class InTheWay(NamedTuple):
    """The later change that keeps a rollback from fitting: its commit, its subject, its entry if it has one."""

    commit: str
    title: str
    entry: Entry | None

    @property
    def said(self) -> str:
        """In words."""
        name = f"commit {self.commit[:12]}" if self.entry is None else f"change {self.entry.label}"
        return f"{name} ({self.title})"


@dataclass(frozen=True, slots=True)
class Inverse:
    """One patch of a rollback: what it undoes, what to hand in, its parse, and why it does not fit (None: it does).

    `finding` is the conflict as the composer said it.
    """

    undoes: tuple[Chosen, ...]
    source: Source
    patch: Patch
    finding: Finding | None
    in_the_way: InTheWay | None

    @property
    def waived(self) -> tuple[str, ...]:
        """Codes of the policy's findings that are waived."""
        return self.source.reverts.waived if self.source.reverts is not None else ()


class Inverter:
    """Makes the inverse patches for one target, from its tip as it is now. Writes nothing."""

    def __init__(
        self, project: Project, target: str, chosen: Sequence[Chosen], reason: str
    ) -> None:
        self.project = project
        self.chosen = chosen
        self.reason = reason
        self.target = target
        self.tip = project.tip(target)
        assert self.tip is not None  # what landed is on it
        self.tree = project.tip_tree(self.tip)
        self.settings = project.settings_at(self.tip)
        self.stager = Stager(project, self.settings)
        self._stuck = False

    def each(self) -> list[Inverse]:
        """One patch a change, newest first. Nothing fits any more behind one that does not."""
        mark = self.project.objects.begin()
        try:
            with Differ(self.project.objects) as differ:
                return [self._one(differ, one) for one in self.chosen]
        finally:
            self.project.objects.discard(mark)

    def squashed(self) -> list[Inverse]:
        """All of them as one patch; those one by one where they do not fit. Raises: UsageError if nothing changes."""
        mark = self.project.objects.begin()
        try:
            with Differ(self.project.objects) as differ:
                base = self.tree
                steps = [self._one(differ, one) for one in self.chosen]
                if self._stuck or len(steps) < 2:
                    return steps
                diff = differ.between(base, self.tree, pending=True)
                if not diff:
                    raise UsageError(
                        "these changes undo one another: there is nothing to roll back",
                        next=("git", "log", "--oneline"),
                    )
                self.tree = base
                return [self._inverse(diff, self.chosen, diff)]
        finally:
            self.project.objects.discard(mark)

    def _one(self, differ: Differ, one: Chosen) -> Inverse:
        before = self.project.tree_of(Oid(one.facts.parents[0])) if one.facts.parents else None
        diff = differ.between(one.facts.tree, before or self.project.git.empty_tree)
        return self._inverse(self._aimed(differ, diff, one), [one], diff)

    def _inverse(self, diff: bytes, undoes: Sequence[Chosen], as_made: bytes) -> Inverse:
        """The patch `diff` tried on the tree; `as_made` is the same before it was aimed."""
        patch = self._read(diff)
        finding: Finding | None = None
        way: InTheWay | None = None
        source = self._source(diff, undoes)
        if patch.changes and not self._stuck:
            made = fallback.candidate(self.stager.composer, self.tree, patch, diff)
            if isinstance(made, Conflict):
                self._stuck = True
                finding = made.findings[0]
                way = self._in_the_way(undoes[0], self._read(as_made), finding)
                why = (Finding(CODE, _why(finding, way), finding.path),)
                source = self._source(diff, undoes, findings=why)
            else:
                waived = self._waived(patch, made, source)
                source = self._source(diff, undoes, waived=waived)
                self.tree = made.tree
        return Inverse(tuple(undoes), source, patch, finding, way)

    def _read(self, diff: bytes) -> Patch:
        return validate.judge(diff, self.settings.limits, self.project.git.hex_length).patch

    def _source(
        self,
        diff: bytes,
        undoes: Sequence[Chosen],
        *,
        waived: tuple[str, ...] = (),
        findings: tuple[Finding, ...] = (),
    ) -> Source:
        said = [Undone(c.commit, c.facts.parents, _utf8(c.facts), c.entry.label) for c in undoes]
        ids = tuple(c.entry.entry_id for c in undoes)
        text = revert.message_of(said, self.reason)
        reverts = Reverts(ids, waived, findings, self.reason)
        return Source(f"rollback of {said[0].label}.patch", diff, self.tip, text, reverts)

    # -- where the hunks stand now -------------------------------------------------------------------------------

    def _aimed(self, differ: Differ, diff: bytes, one: Chosen) -> bytes:
        """The diff with the lines that its hunks have on the tree which it is to be composed on."""
        patch = self._read(diff)
        then, now = (View(self.project.objects, t) for t in (Oid(one.facts.tree), self.tree))
        changed = {}
        for number, change in enumerate(patch.changes):
            if not change.hunks or change.old_path is None:
                continue
            old, new = then.file(change.old_path), now.file(change.old_path)
            if old is not None and new is not None and old[1] != new[1]:
                changed[number] = differ.spans(old[1], new[1])
        return revert.aimed(diff, changed)

    # -- what stands in the way ----------------------------------------------------------------------------------

    def _in_the_way(self, one: Chosen, patch: Patch, finding: Finding) -> InTheWay | None:
        """The later change that the hunk, or the file, of a conflict met."""
        if finding.path is None or self.tip is None:
            return None
        change = next((c for c in patch.changes if finding.path in (c.old_path, c.path)), None)
        path = (None if change is None else change.old_path) or finding.path
        hunk = next((h for c in patch.changes for h in c.hunks if h.line == finding.line), None)
        region = None if hunk is None else (hunk.old_start, max(hunk.old_count, 1))
        but = {c.commit for c in self.chosen}
        git = self.project.git
        commit = inverse.changed_by(git, one.commit, self.tip, path, region, but)
        if commit is None:
            return None
        facts = commitobject.read(self.project.objects.commit(commit))
        subject = revert.subject(_utf8(facts))
        return InTheWay(commit, subject, self.project.ledger.entries.by_commit(commit))

    # -- policy --------------------------------------------------------------------------------------------------

    def _waived(self, patch: Patch, made: Composed, source: Source) -> tuple[str, ...]:
        """The policy's findings in what would change that a person may waive; oscillation is one of them."""
        if not validate.has_rules(self.project, self.settings):
            return ()
        judge = self.stager.judge
        given = Given(message=(source.message or "").encode(), target=self.target)
        safety = self.stager.safety(self.tree, made)
        found = judge.staged(patch, given, made, safety, tree=self.tree)
        judge.follow(self.tree, made.tree, source.name, source.name, patch)
        return waivable(found)


def waivable(findings: Collection[Finding]) -> tuple[str, ...]:
    """The codes of the policy that a rollback waives, once each."""
    codes = (f.code for f in findings)
    return tuple(dict.fromkeys(c for c in codes if c.startswith("policy.") and REASONS[c].waivable))


def _why(finding: Finding, way: InTheWay | None) -> str:
    said = finding.detail or REASONS[finding.code].sentence.rstrip(".").lower()
    if way is None:
        return f"what it would change is not as the change left it: {said}"
    return f"{way.said} changed it since: {said}"


def _utf8(facts: CommitFacts) -> bytes:
    """A commit's message, whatever character set it was written in."""
    if not facts.encoding:
        return facts.message
    try:
        return facts.message.decode(facts.encoding.decode("ascii")).encode()
    except (LookupError, ValueError):
        return facts.message


def chosen(project: Project, entry: Entry, commit: str) -> Chosen:
    """An entry with its commit read. Raises: UsageError if the commit is not here any more."""
    try:
        return Chosen(entry, commit, commitobject.read(project.objects.commit(commit)))
    except MissingObject:
        raise UsageError(
            f"commit {commit[:12]} of change {entry.label} is not in this repository any more",
            next=("uet-git", "show", entry.label),
        ) from None
