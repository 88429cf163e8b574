"""precheck: judges patches as the queue would, and records nothing: no entry, no object (DESIGN 7.4)."""

import hashlib
from collections.abc import Sequence

from uet_git.model import mail as mails
from uet_git.model.named import NamedTuple
from uet_git.model.policy import Effective
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Conflict, Finding, Mail, Patch
from uet_git.plumbing import fallback
from uet_git.project import Project
from uet_git.queue import validate
from uet_git.queue.options import Options, Source
from uet_git.queue.stage import Stager


class Checked(NamedTuple):
    """One patch; `findings` hold notes and conflicts too. `applies` is None if it was not tried: it cannot be read, or
    is refused as it stands."""

    source: str
    mail: Mail
    patch: Patch
    applies: bool | None
    findings: tuple[Finding, ...]

    @property
    def reason(self) -> str | None:
        """The gravest finding that would keep it from landing; that it does not fit is none."""
        return validate.blocking([f for f in self.findings if not f.code.startswith("apply.")])


def check(
    project: Project, sources: Sequence[Source], options: Options
) -> tuple[Effective, list[Checked]]:
    """The policy in force, and every patch judged on the target's tip with those before it that fit.

    A patch that fits nowhere is judged by its own words. Raises: LooserThanBase, UsageError.
    """
    bench = _Bench(project, options)
    found = []
    for source in sources:
        for piece in mails.split(source.data) if source.data else [b""]:
            checked = bench.check(source.name, piece)
            if not (checked.mail.is_cover and not checked.patch.changes):
                found.append(checked)
    return bench.policy, found


class _Bench:
    """The tree so far, and what all patches share."""

    def __init__(self, project: Project, options: Options) -> None:
        tip = project.tip(options.target)
        self.project = project
        self.options = options
        self.settings = project.settings_at(tip)
        self.stager = Stager(project, self.settings)
        self.policy = self.stager.judge.effective(options.given(b""), strict=True)
        self.tree = project.tip_tree(tip)

    def check(self, name: str, piece: bytes) -> Checked:
        limits, width = self.settings.limits, self.project.git.hex_length
        scope = validate.patterns_of(self.options.whole_scope)
        judged = validate.judge(piece, limits, width, scope)
        patch, findings = judged.patch, list(judged.findings)
        if not patch.changes or _is_refused(
            findings
        ):  # the queue does not look at its result either
            return Checked(name, judged.mail, patch, None, tuple(findings))
        given = self.options.given(judged.mail.message)
        piece_id = hashlib.sha256(piece).hexdigest()
        mark = self.project.objects.begin()
        result = fallback.candidate(self.stager.composer, self.tree, patch, judged.mail.diff)
        rules = self.policy.policy
        if isinstance(result, Conflict):
            self.project.objects.discard(mark)
            more = self.stager.judge.staged(patch, given, None, found=rules)
            through = self.stager.through_links(self.tree, patch)
            findings += [*through, *result.findings, *more]
            return Checked(name, judged.mail, patch, False, tuple(findings))
        safety = self.stager.safety(self.tree, result)
        bench = self.stager.judge
        findings += [*safety, *bench.staged(patch, given, result, safety, rules, self.tree)]
        bench.follow(self.tree, result.tree, name, piece_id, patch)
        self.tree = result.tree
        return Checked(name, judged.mail, patch, True, tuple(dict.fromkeys(findings)))


def _is_refused(findings: Sequence[Finding]) -> bool:
    return any(REASONS[f.code].gravity == Gravity.DROPPED for f in findings)
