"""Judges a patch by a policy: every rule, every finding (DESIGN 7.4). Pure; what it must know comes in a Subject.

The same rules hold twice: at intake on the patch alone (`changes` is None), and on what would really change.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from uet_git.model import globs, invisible, policy_paths
from uet_git.model.added import ReadBlob, Text
from uet_git.model.gate_inputs import Lookup, judge_gate_inputs
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.policy import Policy
from uet_git.model.reasons import REASONS
from uet_git.model.records import EXECUTABLE, REGULAR, Finding, Gate, Patch, TreeChange
from uet_git.model.tamper import judge_edits, judge_tests

_ISSUE: Final = late(
    rb"(?:^|[\s(\[,;:])(?:[\w.-]+/[\w.-]+)?#[0-9]+\b|\bGH-[0-9]+\b"
    rb"|https?://\S{1,200}?/(?:issues?|browse|bugs?|tickets?)/\S"
    rb"|^(?:refs?|see|fix(?:e[sd])?|close[sd]?|resolve[sd]?|issues?|bugs?|tickets?|related)"
    rb"(?:[ -]\w+)?:?[ \t]+\S*[0-9]",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_SUBJECT: Final = late(
    rb"(?:wip|tmp|temp|todo|fix|update|changes?|misc|stuff|test|\.|(?:fixup|squash|amend)!.*)\W*\Z",
    re.IGNORECASE,
)
_FILES: Final = (0, REGULAR, EXECUTABLE)


class Subject(NamedTuple):
    """What is judged. `message` is the patch's own, empty if it has none; `issue` the reference given beside it.

    `approvals` are the votes that hold, `lost_votes` says of others why they do not.
    `changes` is the difference between the tip's tree and the candidate's, None before the patch is composed; `read`
    then gives the bytes of a blob of either. `scope` holds patterns under `write`, `create` and `forbidden`. `texts` is
    what comes in, for the rules on content; `lookup` gives mode and id of what lies at a path of the tip's tree.
    """

    patch: Patch
    message: bytes = b""
    issue: str | None = None
    changes: Sequence[TreeChange] | None = None
    read: ReadBlob | None = None
    gates: tuple[Gate, ...] = ()
    approvals: int = 0
    scope: Mapping[str, Sequence[str]] = {}
    texts: Sequence[Text] = ()
    lookup: Lookup | None = None
    lost_votes: Sequence[str] = ()

    @property
    def paths(self) -> list[bytes]:
        """Every path that changes."""
        return self.patch.paths if self.changes is None else [c.path for c in self.changes]


def judge_words(policy: Policy, subject: Subject) -> list[Finding]:
    """What names, numbers and the message show; cheap, and known before the patch is composed."""
    paths = subject.paths
    findings = [
        *_judged_paths(policy, paths),
        *_judged_sizes(policy, subject, paths),
        *_judged_message(policy, subject),
        *_judged_scope(subject),
        *_judged_names(policy, subject.patch),
    ]
    if policy.lockfiles != "off":
        locked = [Finding("policy.lockfile", "", p) for p in paths if policy_paths.is_lockfile(p)]
        findings += graded(policy.lockfiles, locked)
    return findings


def judge(policy: Policy, subject: Subject) -> list[Finding]:
    """Every finding of every rule that needs no scanner and no history."""
    paths = subject.paths
    findings = judge_words(policy, subject)
    if policy.bidi != "off" or policy.invisible != "off":
        findings += _judged_characters(policy, subject)
    if policy.gate_inputs != "off":
        found = judge_gate_inputs(
            paths, subject.gates, subject.changes, subject.read, subject.patch, subject.lookup
        )
        findings += graded(policy.gate_inputs, found)
    if policy.weakened_tests != "off" or policy.edited_tests != "off":
        findings += _judged_tests(policy, subject)
    return findings


def graded(level: str, findings: Iterable[Finding]) -> list[Finding]:
    """Findings at a policy's level: left out, only noted, kept for a person, or refusing the patch."""
    found = list(findings)
    if level == "off" or not found:
        return []
    if level == "note":
        return [noted(f) for f in found]
    if level == "refuse":
        codes = ", ".join(dict.fromkeys(f.code for f in found))
        found.append(Finding("policy.refused", codes, found[0].path, found[0].line))
    return found


def noted(finding: Finding) -> Finding:
    """The same as a note, which stops nothing."""
    said = finding.detail or REASONS[finding.code].sentence
    return finding._replace(code="policy.noted", detail=f"{finding.code}: {said}")


def refused_safety(policy: Policy, findings: Iterable[Finding]) -> list[Finding]:
    """What a policy makes of findings of the safety rules that a person could else wave through."""
    by_level = {
        "mode.symlink": policy.symlinks,
        "mode.gitlink": policy.gitlinks,
        "mode.type_change": policy.type_changes,
        **dict.fromkeys(
            ("path.casefold_collision", "path.windows_unsafe", "path.encoding"),
            policy.portable_names,
        ),
    }
    return [
        Finding("policy.refused", f.code, f.path, f.line)
        for f in findings
        if by_level.get(f.code) == "refuse"
    ]


# -- paths and sizes -----------------------------------------------------------------------------------------------


def _judged_paths(policy: Policy, paths: Sequence[bytes]) -> Iterator[Finding]:
    for code, patterns in (
        ("policy.protected_path", policy.protected),
        ("policy.forbidden_path", policy.forbidden),
    ):
        if patterns:
            fits = policy_paths.matching(patterns)
            folded = policy_paths.matching(tuple(map(str.lower, patterns)))
            for path in paths:
                if fits(path):
                    yield Finding(code, f"it fits {fits.which(path)}", path)
                elif folded(lower := path.lower()):  # some file systems do not see case
                    pattern = patterns[folded.patterns.index(folded.which(lower))]
                    yield Finding(code, f"it fits {pattern}", path)


def _judged_names(policy: Policy, patch: Patch) -> list[Finding]:
    """New names that do not show what they are, and files moved or copied from a name that says: a secret is in it."""
    findings: list[Finding] = []
    for change in patch.changes:
        if change.op not in ("add", "rename", "copy") or change.new_path is None:
            continue
        path, line = change.new_path, change.line
        if not path.isascii():
            name = path.decode("utf-8", "replace")
            for level, code, find in _characters(policy):
                if level != "off" and (found := find(name)):
                    told = Finding(code, f"{', '.join(found)} in its name", path, line)
                    findings += graded(level, [told])
        old = change.old_path
        came = change.op != "add" and old is not None and policy_paths.holds_secrets(old)
        if came and not policy_paths.holds_secrets(path):
            shown = (old or b"").decode("utf-8", "backslashreplace")
            told = Finding("content.secret", f"it comes from {shown}", path, line)
            findings += graded(policy.secrets, [told])
    return findings


def _judged_sizes(policy: Policy, subject: Subject, paths: Sequence[bytes]) -> Iterator[Finding]:
    patch = subject.patch
    most = policy.max_files_changed
    if most is not None and len(patch.changes) > most:
        yield Finding("policy.max_files", f"{len(patch.changes)} files, allowed are {most}")
    most = policy.max_lines_changed
    if most is not None and (lines := patch.insertions + patch.deletions) > most:
        yield Finding("policy.max_lines", f"{lines} lines, allowed are {most}")
    if policy.forbid_binary:
        for change in patch.changes:
            if change.binary is not None:
                yield Finding("policy.binary", "", change.path, change.line)
    wanted = policy.require_tests_for
    if wanted and not any(policy_paths.is_test(p) for p in paths):
        for path in policy_paths.first(wanted, paths):
            yield Finding("policy.tests_required", "no test changes with it", path)
            break


def _judged_message(policy: Policy, subject: Subject) -> Iterator[Finding]:
    message = subject.message
    if policy.require_issue_ref and not subject.issue and not _ISSUE.search(message):
        yield Finding("policy.issue_required", "neither the message nor --issue names one")
    if policy.require_message:
        title = message.lstrip().partition(b"\n")[0].strip()
        if not title:
            yield Finding("policy.message", "it has none of its own")
        elif _EMPTY_SUBJECT.match(title):
            yield Finding("policy.message", "its first line says nothing about the change")
    if subject.approvals < policy.min_reviewers:
        said = "; ".join((f"{subject.approvals} of {policy.min_reviewers}", *subject.lost_votes))
        yield Finding("policy.reviewers", said)


def _judged_scope(subject: Subject) -> Iterator[Finding]:
    """What a submission's own scope leaves out; what it may only create, it may not change."""
    write, create = tuple(subject.scope.get("write", ())), tuple(subject.scope.get("create", ()))
    if create and subject.changes is not None:
        for change in subject.changes:
            old = change.old_mode and globs.any_match(create, [change.path])
            if old and not globs.any_match(write, [change.path]):
                yield Finding("policy.out_of_scope", "it may only be created", change.path)
    for path in policy_paths.first(tuple(subject.scope.get("forbidden", ())), subject.paths):
        yield Finding("policy.forbidden_path", "this submission says that it leaves it alone", path)


# -- content -------------------------------------------------------------------------------------------------------


def _characters(policy: Policy) -> tuple[tuple[str, str, Callable[[str], list[str]]], ...]:
    """Level, code and finder for characters that mislead a reader."""
    return (
        (policy.bidi, "content.bidi", invisible.bidi),
        (policy.invisible, "content.invisible", invisible.invisible),
    )


def _judged_characters(policy: Policy, subject: Subject) -> list[Finding]:
    findings: list[Finding] = []
    for text in subject.texts:
        if text.raw.isascii() or (not text.marked and b"\0" in text.raw):
            continue
        new, old = (t.decode("utf-8", "replace") for t in (text.added(), text.removed()))
        for level, code, find in _characters(policy):
            there = set(find(old)) if level != "off" else set()
            fresh = [c for c in find(new) if c not in there] if level != "off" else []
            if fresh:
                line = text.line if text.marked else 0
                findings += graded(level, [Finding(code, ", ".join(fresh), text.path, line)])
    return findings


def _judged_tests(policy: Policy, subject: Subject) -> list[Finding]:
    found = judge_tests(subject.patch, subject.changes, subject.read)
    weakened = graded(policy.weakened_tests, found)
    edited = graded(policy.edited_tests, judge_edits(subject.patch))
    return [*weakened, *edited]
