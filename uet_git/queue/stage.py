"""stage: composes an entry's patch on a tree and judges what would really change (DESIGN 7, 8)."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from uet_git.model import paths
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Composed, Conflict, Finding, Oid, Patch
from uet_git.model.settings import Settings
from uet_git.plumbing.trees import RUNG, Composer, is_doubtful
from uet_git.project import Project
from uet_git.queue import validate
from uet_git.queue.options import given_of

if TYPE_CHECKING:
    from uet_git.model.repair import Repaired
    from uet_git.queue.judge import Judge


class Staged(NamedTuple):
    """An entry's patch composed on the tree `base`; `mark` is the object store's candidate number.

    `notes` are findings that stop nothing. Where not `compared`, somebody has yet to show that it lands as submitted.
    """

    entry: Entry
    patch: Patch
    composed: Composed
    mark: int
    base: Oid
    notes: tuple[Finding, ...] = ()
    compared: bool = True


class NotStaged(NamedTuple):
    """Why it could not be staged; `gravity` says where the entry goes. `offer` is a repaired reading that fits."""

    entry: Entry
    findings: tuple[Finding, ...]
    offer: "Repaired | None" = None

    @property
    def code(self) -> str:
        """The gravest finding's code."""
        code = validate.blocking(self.findings)
        assert code is not None
        return code

    @property
    def gravity(self) -> Gravity:
        """What it does to the entry."""
        return REASONS[self.code].gravity


class Stager:
    """Stages entries of one target with its settings.

    While it `defers`, what it composes in memory is not compared yet: `compares` does that for many at once.
    """

    def __init__(self, project: Project, settings: Settings) -> None:
        self.project = project
        self.settings = settings
        self.defers = False
        self.composer = Composer(project.objects, settings.limits)
        self._read: set[str] = set()  # ids of patches whose files were read ahead
        self._ruled = validate.has_rules(project, settings)
        if self._ruled:
            _ = self.judge  # a policy that contradicts itself is told before anything is tried

    def patch_of(self, entry: Entry) -> tuple[Patch, tuple[Finding, ...]]:
        """The entry's patch, parsed again unless this process still has it, with the first judge's findings."""
        known = self.project.parsed.take(entry.patch_id)
        if known is not None:
            return known, ()
        stored = self.project.ledger.entries.patch(entry.patch_id)
        scope = validate.patterns_of(entry.scope)
        judged = validate.judge(
            stored.content or b"", self.settings.limits, self.project.git.hex_length, scope
        )
        return judged.patch, judged.findings

    def look_ahead(self, tree: Oid, line: Sequence[Entry]) -> None:
        """Reads what the patches in memory start from on `tree` at once, not one by one as each is tried."""
        paths: dict[bytes, None] = {}
        for entry in line:
            patch = self.project.parsed.take(entry.patch_id)
            if patch is not None:
                self._read.add(entry.patch_id)
                paths |= dict.fromkeys(c.old_path for c in patch.changes if c.old_path is not None)
        self.composer.view(tree).prefetch(list(paths))

    def stage(self, tree: Oid, entry: Entry) -> Staged | NotStaged:
        """Composes the entry's patch on `tree`. What does not pass leaves nothing pending."""
        patch, findings = self.patch_of(entry)
        held = self._not_waived(entry, findings)
        if validate.blocking(held) is not None:
            return NotStaged(entry, held)
        mark = self.project.objects.begin()
        result = self._composed(tree, entry, patch)
        if isinstance(result, Conflict):
            self.project.objects.discard(mark)
            return self._not_fitting(tree, entry, patch, result.findings)
        safety = self.safety(tree, result)
        held = self._not_waived(
            entry, (*safety, *self._by_policy(tree, entry, patch, result, safety))
        )
        if validate.blocking(held) is not None:
            self.project.objects.discard(mark)
            return NotStaged(entry, held)
        if self._ruled:
            self.judge.follow(tree, result.tree, entry.label, entry.entry_id, patch)
        return Staged(
            entry, patch, result, mark, tree, held, compared=not self._is_deferred(result)
        )

    def _by_policy(
        self,
        tree: Oid,
        entry: Entry,
        patch: Patch,
        composed: Composed,
        safety: Sequence[Finding],
    ) -> Sequence[Finding]:
        """What the target's policy, and the entry's own, finds in what would change."""
        if self._ruled or validate.has_own_rules(entry.origin, entry.scope):
            given = given_of(entry)
            rules = self.judge.policy_for(given)
            if rules.min_reviewers:
                from uet_git.queue import tally

                made = patch, composed
                given = tally.counted(self.project, entry, given, rules, made)
            return self.judge.staged(patch, given, composed, safety, rules, tree)
        return ()

    @cached_property
    def judge(self) -> "Judge":
        """The target's policy."""
        from uet_git.queue.judge import Judge

        return Judge(self.project, self.settings)

    def _composed(self, tree: Oid, entry: Entry, patch: Patch) -> Composed | Conflict:
        """The candidate tree, proved to be exactly what was handed in; git is asked where the composer doubts."""
        result = self.composer.compose(tree, patch, is_read=entry.patch_id in self._read)
        if isinstance(result, Composed):
            if self._is_deferred(result):
                return result
            wrong = self.composer.landed_matches(tree, result, patch)
            if wrong is None:
                return result
            result = Conflict((wrong,))
        if is_doubtful(result):
            from uet_git.plumbing import fallback

            return fallback.candidate(self.composer, tree, patch, self._diff_of(entry))
        through = self.through_links(tree, patch)
        return Conflict((*through, *result.findings)) if through else result

    def _is_deferred(self, composed: Composed) -> bool:
        return self.defers and composed.rung == RUNG

    def compare(self, staged: Sequence[Staged]) -> bool:
        """Whether each of them differs from its base by exactly what its patch says. For a forked process."""
        self.project.objects.leave_child()
        compare = self.composer.landed_matches
        return all(compare(s.base, s.composed, s.patch) is None for s in staged)

    def _not_fitting(
        self, tree: Oid, entry: Entry, patch: Patch, findings: tuple[Finding, ...]
    ) -> NotStaged:
        """A patch that does not fit may be meant in a way that fits."""
        if not all(f.code in ("apply.conflict", "apply.no_such_file") for f in findings):
            return NotStaged(entry, findings)
        from uet_git.queue import repaired

        limits = self.settings.limits
        offer = repaired.at_stage(self.project, patch, tree, limits, lambda: self._diff_of(entry))
        if offer is None:
            return NotStaged(entry, findings)
        return NotStaged(entry, (repaired.offered(offer, findings[0]), *findings), offer)

    def through_links(self, tree: Oid, patch: Patch) -> list[Finding]:
        """Paths of a patch that lead through links of the tree, which is why it does not fit."""
        return paths.judge_base_links(patch, self.composer.view(tree).look_up)

    def safety(self, tree: Oid, composed: Composed) -> Sequence[Finding]:
        """The second judge: the difference between the trees."""
        view = self.composer.view(tree)
        return paths.judge_changes(
            composed.changes,
            self.settings.limits,
            lookup=view.look_up,
            names=view.names,
            read_blob=self.project.objects.blob,
        )

    def _diff_of(self, entry: Entry) -> bytes:
        from uet_git.model import mail

        stored = self.project.ledger.entries.patch(entry.patch_id)
        return mail.read(stored.content or b"").diff

    @staticmethod
    def _not_waived(entry: Entry, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        waived = entry.waived or ()
        return tuple(f for f in findings if f.code not in waived)
