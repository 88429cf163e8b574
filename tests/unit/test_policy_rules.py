"""Every rule of a policy finds what it is for, with code and path, and nothing else; levels decide what comes of it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import diff
from uet_git.model import added, globs, invisible, patchfile, policy_rules
from uet_git.model.policy import BY_PRESET, Policy
from uet_git.model.policy_paths import Patterns
from uet_git.model.policy_rules import Subject, graded, judge
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Finding, Patch, TreeChange
from uet_git.model.settings import Limits

PY = b"a = 1\n"


def patch(*diffs: bytes) -> Patch:
    found = patchfile.read(b"".join(diffs), Limits())
    assert found.changes, found.findings
    return found


def subject(*diffs: bytes, **more: Any) -> Subject:
    read = patch(*diffs)
    return Subject(read, texts=tuple(added.texts(read, None, None)), **more)


def found(rules: Policy, *diffs: bytes, **more: Any) -> list[tuple[str, bytes | None]]:
    return [(f.code, f.path) for f in judge(rules, subject(*diffs, **more))]


A, B = diff("a.py", b"1\n", b"2\n"), diff("src/b.py", None, PY)
RENAME = b"diff --git a/safe.txt b/deploy/x\nsimilarity index 100%\nrename from safe.txt\nrename to deploy/x\n"
AWAY = b"diff --git a/deploy/x b/safe.txt\nsimilarity index 100%\nrename from deploy/x\nrename to safe.txt\n"
BINARY = (
    b"diff --git a/x.bin b/x.bin\nnew file mode 100644\nindex " + b"0" * 40 + b".." + b"1" * 40 +
    b"\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 0\nHcmV?d00001\n\n"
)  # fmt: skip

CASES: list[tuple[str, Policy, tuple[bytes, ...], dict[str, Any], list[tuple[str, bytes | None]]]] = [
    ("protected", Policy(protected=("deploy/",)), (diff("deploy/x", None, b"1\n"), A), {}, [("policy.protected_path", b"deploy/x")]),
    ("renamed into", Policy(protected=("deploy/",)), (RENAME,), {}, [("policy.protected_path", b"deploy/x")]),
    ("renamed out of", Policy(protected=("deploy/",)), (AWAY,), {}, [("policy.protected_path", b"deploy/x")]),
    ("protected in small letters", Policy(protected=("x", "CODEOWNERS", "Jenkinsfile")), (diff("codeowners", None, b"1\n"), diff("JENKINSFILE", None, b"1\n")), {}, [("policy.protected_path", b"codeowners"), ("policy.protected_path", b"JENKINSFILE")]),
    ("forbidden", Policy(forbidden=("*.py",)), (A, B), {}, [("policy.forbidden_path", b"a.py"), ("policy.forbidden_path", b"src/b.py")]),
    ("files", Policy(max_files_changed=1), (A, B), {}, [("policy.max_files", None)]),
    ("just files", Policy(max_files_changed=2), (A, B), {}, []),
    ("lines", Policy(max_lines_changed=2), (A, B), {}, [("policy.max_lines", None)]),
    ("just lines", Policy(max_lines_changed=3), (A, B), {}, []),
    ("tests wanted", Policy(require_tests_for=("src/",)), (B,), {}, [("policy.tests_required", b"src/b.py")]),
    ("tests there", Policy(require_tests_for=("src/",)), (B, diff("tests/test_b.py", None, PY)), {}, []),
    ("no such path", Policy(require_tests_for=("lib/",)), (B,), {}, []),
    ("lock file", Policy(lockfiles="person"), (diff("uv.lock", None, b"1\n"),), {}, [("policy.lockfile", b"uv.lock")]),
    ("lock file noted", Policy(lockfiles="note"), (diff("uv.lock", None, b"1\n"),), {}, [("policy.noted", b"uv.lock")]),
    ("issue", Policy(require_issue_ref=True), (A,), {"message": b"Do it\n"}, [("policy.issue_required", None)]),
    ("issue beside", Policy(require_issue_ref=True), (A,), {"issue": "UX-1"}, []),
    ("message", Policy(require_message=True), (A,), {}, [("policy.message", None)]),
    ("empty word", Policy(require_message=True), (A,), {"message": b"wip\n"}, [("policy.message", None)]),
    ("fixup", Policy(require_message=True), (A,), {"message": b"fixup! Do it well\n"}, [("policy.message", None)]),
    ("a word", Policy(require_message=True), (A,), {"message": b"Do it well\n"}, []),
    ("reviewers", Policy(min_reviewers=2), (A,), {"approvals": 1}, [("policy.reviewers", None)]),
    ("approved", Policy(min_reviewers=2), (A,), {"approvals": 2}, []),
    ("scope", Policy(), (A, B), {"scope": {"forbidden": ["src/"]}}, [("policy.forbidden_path", b"src/b.py")]),
    ("bidi", Policy(bidi="person"), (diff("a", None, "x\u202ey\n".encode()),), {}, [("content.bidi", b"a")]),
    ("bidi there", Policy(bidi="person"), (diff("a", "x\u202ey\n".encode(), "x\u202ez\n".encode()),), {}, []),
    ("bidi goes", Policy(bidi="person"), (diff("a", "x\u202ey\n".encode(), b"xy\n"),), {}, []),
    ("invisible", Policy(invisible="person"), (diff("a", None, "x\u200by\n".encode()),), {}, [("content.invisible", b"a")]),
    ("refused", Policy(invisible="refuse"), (diff("a", None, "x\u200by\n".encode()),), {},
     [("content.invisible", b"a"), ("policy.refused", b"a")]),
    ("open", Policy(), (A, B, diff("uet.toml", None, b"1\n")), {}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "diffs", "more", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_rule(
    rules: Policy, diffs: tuple[bytes, ...], more: dict[str, Any], expected: object
) -> None:
    assert found(rules, *diffs, **more) == expected


def test_binary_files() -> None:
    assert found(Policy(forbid_binary=True), BINARY) == [("policy.binary", b"x.bin")]
    assert found(Policy(), BINARY) == []


def test_all_findings_are_reported() -> None:
    codes = {code for code, _ in found(BY_PRESET["strict"], A, B, diff("uet.toml", None, b"1\n"))}
    assert codes == {
        *("policy.protected_path", "policy.tests_required", "policy.issue_required"),
        *("policy.message", "policy.reviewers"),
    }


def test_what_may_only_be_created_may_not_be_changed() -> None:
    scope = {"write": ["src/"], "create": ["docs/"]}
    read = patch(
        diff("docs/a", b"1\n", b"2\n"), diff("docs/b", None, b"1\n"), diff("src/c", b"1\n", b"2\n")
    )
    changes = [
        TreeChange(b"docs/a", 0o100644, "1" * 40, 0o100644, "2" * 40),
        TreeChange(b"docs/b", 0, "", 0o100644, "2" * 40),
        TreeChange(b"src/c", 0o100644, "1" * 40, 0o100644, "2" * 40),
    ]
    findings = judge(Policy(), Subject(read, changes=changes, scope=scope))
    assert [(f.code, f.path) for f in findings] == [("policy.out_of_scope", b"docs/a")]


MESSAGES = {
    "Fix it (#12)": True, "Fixes: AB-12": True, "Closes #4": True, "See https://x.org/a/issues/3": True,
    "GH-12 again": True, "Refs owner/repo#3": True, "Use UTF-8": False, "Version 2": False, "Add C# 8": False,
    "Fix the bug": False, "color: #fff": False,
}  # fmt: skip


@pytest.mark.parametrize(("text", "names"), MESSAGES.items())
def test_which_messages_name_an_issue(text: str, names: bool) -> None:
    rules = Policy(require_issue_ref=True)
    codes = found(rules, A, message=f"{text}\n".encode())
    assert codes == ([] if names else [("policy.issue_required", None)])


LONG = {
    "addresses": b"http://" * 140_000,
    "dots": b"." * 900_000 + b"x",
    "slashes": b"a/" * 450_000,
    "fix": b"fix a" * 180_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_message_takes_long(text: bytes) -> None:
    before = time.process_time()
    assert found(Policy(require_issue_ref=True, require_message=True), A, message=text)
    assert time.process_time() - before < 2


# --- levels ------------------------------------------------------------------------------------------


def test_levels() -> None:
    one = Finding("content.secret", "AWS", b"a", 3)
    assert graded("off", [one]) == []
    assert graded("person", [one]) == [one]
    assert graded("note", [one]) == [Finding("policy.noted", "content.secret: AWS", b"a", 3)]
    assert [f.code for f in graded("refuse", [one, one])] == [
        "content.secret",
        "content.secret",
        "policy.refused",
    ]
    assert graded("refuse", []) == []
    gravities = {REASONS[c].gravity for c in ("policy.noted", "content.secret", "policy.refused")}
    assert gravities == {Gravity.NOTE, Gravity.QUARANTINED, Gravity.DROPPED}


@pytest.mark.parametrize(
    ("code", "field"),
    [("mode.symlink", "symlinks"), ("mode.gitlink", "gitlinks"), ("mode.type_change", "type_changes"),
     ("path.encoding", "portable_names"), ("path.windows_unsafe", "portable_names")],
)  # fmt: skip
def test_safety_that_a_policy_refuses(code: str, field: str) -> None:
    findings = [Finding(code, "", b"x")]
    assert policy_rules.refused_safety(Policy(), findings) == []
    refused = policy_rules.refused_safety(Policy()._replace(**{field: "refuse"}), findings)
    assert refused == [Finding("policy.refused", code, b"x")]


def test_every_finding_of_a_policy_that_stops_can_be_decided_by_a_person() -> None:
    stubborn = {
        c
        for c, r in REASONS.items()
        if c.startswith("policy.") and r.gravity > Gravity.NOTE and not r.waivable
    }
    assert stubborn == {"policy.forbidden_path", "policy.refused"}


# --- characters --------------------------------------------------------------------------------------

TEXTS = {
    "plain": ("ok", [], []),
    "right to left override": ("a\u202eb", ["U+202E"], []),
    "isolates": ("\u2066a\u2069", ["U+2066", "U+2069"], []),
    "hebrew is a script": ("\u05e9\u05dc\u05d5\u05dd", [], []),
    "a family of emoji": ("\U0001f468\u200d\U0001f469\u200d\U0001f467", [], []),
    "persian needs a non-joiner": ("\u0645\u06cc\u200c\u062e", [], []),
    "zero width in a name": ("adm\u200cin", [], ["U+200C"]),
    "zero width space": ("a\u200bb", [], ["U+200B"]),
    "a byte order mark": ("\ufeffusing", [], []),
    "one in the middle": ("a\ufeffb", [], ["U+FEFF"]),
    "a flag": ("\U0001f3f4\U000e0067\U000e0062\U000e007f", [], []),
    "hidden tags": ("a\U000e0068\U000e0069", [], ["U+E0068"]),
    "hidden selectors": ("a\U000e0100", [], ["U+E0100"]),
    "hangul filler": ("\u3164 = 1", [], ["U+3164"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "bidi", "hidden"), TEXTS.values(), ids=TEXTS)
def test_characters(text: str, bidi: list[str], hidden: list[str]) -> None:
    assert invisible.bidi(text) == bidi
    assert invisible.invisible(text)[:1] == hidden


# --- patterns and texts ------------------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(["a", "a/", "/a", "*.py", "a/**", "b/*.c", "**/x"]), max_size=4, unique=True
    ),
    st.lists(st.sampled_from(["a", "b", "x", "y.py", "z.c"]), min_size=1, max_size=3).map("/".join),
)
def test_remembered_patterns_answer_as_globs(patterns: list[str], path: str) -> None:
    fits = Patterns(tuple(patterns))
    expected = globs.any_match(tuple(patterns), [path.encode()])
    assert fits(path.encode()) == fits(path.encode()) == expected
    assert bool(fits.which(path.encode())) == expected


def test_copies_and_renames_come_in_whole() -> None:
    copy = b"diff --git a/o b/n\nsimilarity index 100%\ncopy from o\ncopy to n\n"
    changes = [TreeChange(b"n", 0, "", 0o100644, "5" * 40)]
    texts = list(added.texts(patch(copy), changes, {"5" * 40: b"whole\n"}.__getitem__))
    assert texts == [added.Text(b"n", b"whole\n", False, 1)]
    assert list(added.texts(patch(copy), None, None)) == []


def test_of_whole_files_too_large_to_look_at_it_is_told() -> None:
    def told(*sizes: int) -> list[bool]:
        raw = b"".join(
            b"diff --git a/o%d b/n%d\nsimilarity index 100%%\ncopy from o%d\ncopy to n%d\n"
            % ((i,) * 4)
            for i in range(len(sizes))
        )
        blobs = {f"{i:040}": b"a" * size for i, size in enumerate(sizes)}
        changes = [TreeChange(b"n%d" % int(oid), 0, "", 0o100644, oid) for oid in blobs]
        return [t.cut for t in added.texts(patch(raw), changes, blobs.__getitem__)]

    most = added.LARGEST
    assert told(most, 0, 5) == [False] * 3
    assert told(most + 1, 5) == [True, False]
    assert told(*[most] * 4) == [False] * 4
    assert told(*[most] * 4, 5, 5) == [False] * 4 + [True]
    assert told(*[most] * 3, most - 3, 5, 5) == [False] * 4 + [True, True]


def test_added_and_removed_lines_are_those_of_the_hunks() -> None:
    (change,) = patch(diff("a", b"1\n2\n+x\n", b"1\n3\n+x\n++y")).changes
    assert added.added_lines(change) == b"3\n++y\n"
    assert added.removed_lines(change) == b"2\n"
