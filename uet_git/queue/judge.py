"""judge: the policy of a target's tip over one entry, at intake by its words and at stage by what would change.

Layers: the user's file, the tip's `uet.toml` with flags and variables, the entry's phase, its own document
(DESIGN 7.4).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from uet_git.errors import UsageError
from uet_git.host import policy_document, secrets
from uet_git.model import added, oscillation, policy, policy_rules
from uet_git.model.policy import Effective, Layer, Policy
from uet_git.model.policy_rules import Subject
from uet_git.model.records import Composed, Finding, Oid, Patch
from uet_git.model.settings import Settings
from uet_git.plumbing.view import View
from uet_git.project import CONFIG_FILE, Project
from uet_git.queue.options import Given
from uet_git.queue.recent import Recent

_AT_ONCE: Final = 256 * 1024
"""Bytes of a patch that are first searched together; a larger one is searched once, text by text."""


class Judge:
    """Judges entries of one target by the settings of its tip."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self.project = project
        self.settings = settings
        self._layers = base_layers(project, settings)
        policy.effective(self._layers)  # a project that loosens the user's policy is told at once
        self._known: dict[tuple[str | None, str], Policy] = {}
        self._recent = Recent(project, settings)

    def effective(self, given: Given, *, strict: bool) -> Effective:
        """The policy for one submission. What its own layer loosens is passed over, or refused if `strict`.

        Raises: LooserThanBase, UsageError.
        """
        return policy.effective([*self._layers, *own_layers(self.settings, given, strict=strict)])

    def policy_for(self, given: Given) -> Policy:
        """The same, remembered, for an entry that was taken in."""
        own = json.dumps(given.origin.get("policy"), sort_keys=True) if given.origin else ""
        key = (given.phase_id, own)
        if key not in self._known:
            self._known[key] = self.effective(given, strict=False).policy
        return self._known[key]

    def at_intake(self, patch: Patch, given: Given, found: Policy | None = None) -> list[Finding]:
        """What the patch alone shows: names, sizes, words. The rest waits for the tree."""
        rules = found or self.policy_for(given)
        return policy_rules.judge_words(rules, self._subject(patch, given, None))

    def staged(
        self,
        patch: Patch,
        given: Given,
        composed: Composed | None,
        safety: Sequence[Finding] = (),
        found: Policy | None = None,
        tree: str = "",
    ) -> list[Finding]:
        """Everything, on what would really change. `safety` is what the safety rules found there, `tree` what it is on.

        Without `composed` (it fits nowhere) the patch's own words must do.
        """
        rules = found or self.policy_for(given)
        subject = self._subject(patch, given, composed)
        texts = tuple(added.texts(patch, subject.changes, subject.read))
        subject = subject._replace(texts=texts, lookup=self._lookup(tree) if tree else None)
        findings = policy_rules.judge(rules, subject)
        if rules.secrets != "off":
            findings += policy_rules.graded(rules.secrets, _secrets(subject))
            for found_cut, is_binary in _cut(texts):
                level = "note" if is_binary else rules.secrets
                findings += policy_rules.graded(level, [found_cut])
        if rules.oscillation_window is not None:
            before = self._recent.turns(given.target, tree, rules.oscillation_window)
            now = oscillation.turn("", patch)
            findings += oscillation.judge(now, before, rules.oscillation_threshold)
        return [*findings, *policy_rules.refused_safety(rules, safety)]

    def follow(self, tree: str, result: str, label: str, entry_id: str, patch: Patch) -> None:
        """Remembers that `result` was made of `tree` by a patch, which is then a recent one for those on top of it."""
        self._recent.follow(tree, result, label, entry_id, patch)

    def _lookup(self, tree: str) -> Callable[[bytes], tuple[int, str]]:
        """Mode and id by path; the tree is read when it is first asked."""
        views: list[View] = []

        def look_up(path: bytes) -> tuple[int, str]:
            if not views:
                views.append(View(self.project.objects, Oid(tree)))
            return views[0].look_up(path)

        return look_up

    def _subject(self, patch: Patch, given: Given, composed: Composed | None) -> Subject:
        return Subject(
            patch,
            given.message,
            given.issue,
            None if composed is None else composed.changes,
            self.project.objects.blob,
            self.settings.gates,
            given.approvals,
            given.scope,
            lost_votes=given.lost_votes,
        )


def _cut(texts: Sequence[added.Text]) -> Iterator[tuple[Finding, bool]]:
    """`content.secret` for each file that is too large to look at all of it, and whether it is binary."""
    for text in texts:
        if text.cut:
            yield (
                Finding("content.secret", "not all of it was looked at", text.path),
                b"\0" in text.raw,
            )


def _secrets(subject: Subject) -> Iterator[Finding]:
    """`content.secret` for each secret that comes in; what a line only keeps is not new."""
    size = sum(len(t.raw) for t in subject.texts)
    if size < _AT_ONCE and not secrets.is_suspicious(b"".join(t.raw for t in subject.texts)):
        return
    effort = secrets.Effort()
    for text in subject.texts:
        if not text.marked and b"\0" in text.raw:
            continue
        hits, too_many = secrets.scan(text.raw, effort)
        marks = [text.raw[text.raw.rfind(b"\n", 0, h.offset) + 1 :][:1] for h in hits]
        both = list(zip(hits, marks, strict=True))
        told = {h.value for h, m in both if text.marked and m == b"-" and h.is_whole}
        for hit, mark in both:
            if (text.marked and mark != b"+") or hit.value in told:
                continue
            told.add(hit.value)
            line = text.line + text.raw.count(b"\n", 0, hit.offset)
            where = "" if text.marked else f", line {line} of the file"
            found = line if text.marked else 0
            yield Finding("content.secret", f"{hit.kind}{where}", text.path, found)
        if too_many:
            yield Finding("content.secret", "too many places to look at them all", text.path)
        if effort.is_spent:
            return


def base_layers(project: Project, settings: Settings) -> list[Layer]:
    """The layers that hold for every patch of a target."""
    layers = []
    if project.user_policy is not None:
        layers.append(Layer("global", project.user_policy.path, dict(project.user_policy.rules)))
    rules = dict(settings.policy)
    if settings.names_preset:
        rules["preset"] = settings.preset
    layers.append(Layer("project", CONFIG_FILE, rules, dict(settings.said)))
    return layers


def own_layers(settings: Settings, given: Given, *, strict: bool) -> list[Layer]:
    """The layers of a submission's phase and of the submission itself. Raises: UsageError if `strict`."""
    layers = []
    for name, rules in settings.phases:
        if name == given.phase_id:
            layers.append(Layer("phase", f"{CONFIG_FILE} [policy.phases.{name}]", dict(rules)))
    try:
        own = policy_document.read(given.origin).rules
    except UsageError:
        if strict:
            raise
        own = {}
    if own:
        layers.append(Layer("document", "the submission", own, lenient=not strict))
    return layers
