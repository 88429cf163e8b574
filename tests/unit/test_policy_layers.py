"""A policy is the tightest of its layers: a deeper one never loosens, and every value knows where it comes from."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.errors import LooserThanBase, UsageError
from uet_git.host import config_keys as keys
from uet_git.host import contracts, policy_document
from uet_git.model import policy
from uet_git.model.policy import BY_PRESET, FIELDS, KIND, Layer, Policy, effective
from uet_git.model.policy_paths import LOCKFILES, PROTECTED, is_lockfile, is_source, is_test

OPEN, STANDARD, STRICT = (BY_PRESET[p] for p in policy.PRESETS)


def project(**rules: Any) -> Layer:
    return Layer("project", "uet.toml", rules)


def user(**rules: Any) -> Layer:
    return Layer("global", "/home/u/policy.toml", rules)


# --- the presets, as the design has them -----------------------------------------------------------


def test_open_is_safety_only() -> None:
    assert Policy() == OPEN
    assert OPEN.is_idle
    assert not STANDARD.is_idle
    assert not Policy(max_files_changed=3).is_idle


def test_standard_wants_a_person_for_what_the_design_names() -> None:
    changed = {k: v for k, v in STANDARD._asdict().items() if v != getattr(OPEN, k)}
    assert changed.pop("protected") == PROTECTED
    assert changed == {
        "preset": "standard",
        **dict.fromkeys(
            ("secrets", "bidi", "invisible", "gate_inputs", "weakened_tests"), "person"
        ),
        **{"edited_tests": "note", "lockfiles": "note"},
    }


def test_strict_adds_what_the_design_names() -> None:
    changed = {k: v for k, v in STRICT._asdict().items() if v != getattr(STANDARD, k)}
    assert "*.py" in changed.pop("require_tests_for")
    assert changed == {
        **{"preset": "strict", "max_lines_changed": 300, "max_files_changed": 10},
        **{"forbid_binary": True, "require_issue_ref": True, "require_message": True},
        **{"min_reviewers": 1, "edited_tests": "person", "lockfiles": "person"},
    }


def test_each_preset_is_nowhere_looser_than_the_one_before() -> None:
    for before, after in ((OPEN, STANDARD), (STANDARD, STRICT)):
        for key in FIELDS:
            assert not policy.is_looser(key, getattr(after, key), getattr(before, key)), key


@pytest.mark.parametrize(
    "path",
    [
        "uet.toml", "hooks/pre-commit", ".github/workflows/a.yml", ".gitlab-ci.yml", ".circleci/config.yml",
        "Jenkinsfile", "sub/Jenkinsfile", "azure-pipelines.yml", ".gitattributes", "a/.gitattributes", ".gitmodules",
        "CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".pre-commit-config.yaml", ".mailmap", ".husky/pre-push",
    ],
)  # fmt: skip
def test_standard_protects(path: str) -> None:
    from uet_git.model.policy_paths import matching

    assert matching(PROTECTED)(path.encode())


@pytest.mark.parametrize(
    "path", ["src/hooks/use.ts", "examples/uet.toml", "a.py", ".github/ISSUE_TEMPLATE.md"]
)
def test_standard_leaves_alone(path: str) -> None:
    from uet_git.model.policy_paths import matching

    assert not matching(PROTECTED)(path.encode())


@pytest.mark.parametrize(
    ("path", "test", "source"),
    [
        ("tests/test_a.py", True, True), ("src/a_test.go", True, True), ("a.spec.ts", True, True),
        ("src/__tests__/a.js", True, True), ("Src/My.Json.Tests/A.cs", True, True), ("FooTest.java", True, True),
        ("conftest.py", True, True), ("tests/data/a.json", True, False), ("tests/unit/a.tcl", True, False),
        ("contest.py", False, True), ("src/latest/a.py", False, True), ("attest.c", False, True),
        ("docs/testing.md", False, False), ("protest/a.py", False, True),
    ],
)  # fmt: skip
def test_what_is_a_test_and_what_is_code(path: str, test: bool, source: bool) -> None:
    assert (is_test(path.encode()), is_source(path.encode())) == (test, source)


def test_lock_files() -> None:
    assert is_lockfile(b"web/package-lock.json")
    assert not is_lockfile(b"lock.py")
    assert len(LOCKFILES) > 20


# --- layers ------------------------------------------------------------------------------------------


def test_layers_tighten_and_name_their_sources() -> None:
    found = effective(
        [
            user(max_files_changed=40, protected=("*.pem",)),
            project(preset="standard", protected=("deploy/**",), max_lines_changed=900),
            Layer("phase", "uet.toml [policy.phases.P1]", {"max_lines_changed": 100}),
            Layer("document", "the submission", {"preset": "strict"}),
        ]
    )
    rules = found.policy
    assert (rules.preset, rules.max_files_changed, rules.max_lines_changed) == ("strict", 10, 100)
    assert rules.protected[0] == "*.pem"
    assert {"deploy/**", *PROTECTED} < set(rules.protected)
    said = {key: [str(s) for s in found.sources[key]] for key in FIELDS}
    assert said["max_lines_changed"] == ["uet.toml [policy.phases.P1] (phase)"]
    assert said["max_files_changed"] == ["preset strict, the submission (document)"]
    assert said["secrets"] == ["preset standard, uet.toml (project)"]
    assert said["symlinks"] == ["preset open, built in (default)"]
    assert said["protected"] == [
        *("/home/u/policy.toml (global)", "preset standard, uet.toml (project)", "uet.toml (project)"),
    ]  # fmt: skip


LOOSER = [
    ([user(preset="strict"), project(preset="standard")], "preset", ("standard", "strict")),
    ([user(preset="standard"), project(preset="open")], "preset", ("open", "standard")),
    ([user(max_files_changed=3), project(max_files_changed=4)], "max_files_changed", ("4", "3")),
    ([project(preset="strict", max_files_changed=50)], "max_files_changed", ("50", "10")),
    ([project(preset="standard", secrets="off")], "secrets", ("off", "person")),
    ([user(forbid_binary=True), project(forbid_binary=False)], "forbid_binary", ("false", "true")),
    ([user(min_reviewers=2), project(min_reviewers=1)], "min_reviewers", ("1", "2")),
    ([user(oscillation_window=9), project(oscillation_window=5)], "oscillation_window", ("5", "9")),
    ([user(oscillation_threshold=2), project(oscillation_threshold=3)], "oscillation_threshold", ("3", "2")),
    ([user(symlinks="refuse"), project(symlinks="person")], "symlinks", ("person", "refuse")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "key", "both"), LOOSER, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_looser_layer_is_refused_with_both_values_and_places(
    layers: list[Layer], key: str, both: tuple[str, str]
) -> None:
    with pytest.raises(LooserThanBase) as caught:
        effective(layers)
    said = caught.value.message
    assert f"{key} = {both[0]} of {layers[-1].where} ({layers[-1].level})" in said
    assert f"looser than {both[1]} of" in said
    assert layers[0].where in said
    lenient = effective([*layers[:-1], layers[-1]._replace(lenient=True)])
    assert policy.shown(getattr(lenient.policy, key)) == both[1]


def test_a_preset_is_tightened_by_what_stands_above_it() -> None:
    found = effective([user(max_files_changed=5, secrets="refuse"), project(preset="strict")])
    assert (found.policy.max_files_changed, found.policy.secrets) == (5, "refuse")
    assert str(found.sources["max_files_changed"][0]) == "/home/u/policy.toml (global)"


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "preset": st.sampled_from(policy.PRESETS),
    "union": st.lists(st.sampled_from(["a", "b/", "*.c"]), unique=True).map(tuple),
    "lower": st.integers(2, 400),
    "higher": st.integers(1, 9),
    "true": st.booleans(),
    "level": st.sampled_from(policy.LEVELS),
}
RULES = st.fixed_dictionaries({}, optional={key: VALUES[kind] for key, kind in KIND.items()})


@given(st.lists(RULES, max_size=4))
def test_no_layer_ever_loosens(stack: list[dict[str, Any]]) -> None:
    """Whatever the layers say: the result is nowhere looser than any beginning of them, or it is refused."""
    layers = [Layer(f"l{n}", f"file {n}", rules) for n, rules in enumerate(stack)]
    try:
        whole = effective(layers).policy
    except LooserThanBase:
        whole = effective([one._replace(lenient=True) for one in layers]).policy
        layers = [one._replace(lenient=True) for one in layers]
    for size in range(len(layers)):
        part = effective(layers[:size]).policy
        for key in FIELDS:
            now, then = getattr(whole, key), getattr(part, key)
            assert not policy.is_looser(key, now, then), key
            assert KIND[key] != "union" or set(then) <= set(now)


# --- documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", policy.PRESETS)
def test_a_policy_as_a_document_satisfies_its_schema(preset: str) -> None:
    document = {
        "v": 1,
        "patch_policy_id": "x",
        "scope": {"level": "project"},
        "constraints": policy.as_document(BY_PRESET[preset]._replace(oscillation_window=5)),
    }
    contracts.check(document, "patch_policy.v1")
    assert document["constraints"]["forbid_touching_paths"] == []


def test_the_schema_of_a_policy_has_every_rule() -> None:
    named = contracts.schema("patch_policy.v1")["properties"]["constraints"]["properties"]
    assert set(named) == {policy.DOCUMENT.get(key, key) for key in FIELDS} | {
        "allowed_formats",
        "patch_required",
    }
    assert set(keys.POLICY) == set(FIELDS)


def test_a_policy_document_reads_back_as_rules() -> None:
    rules = policy_document.read({"policy": {"constraints": policy.as_document(STRICT)}}).rules
    assert effective([project(**rules)]).policy == STRICT


def test_the_names_of_uet_toml_are_taken_as_well() -> None:
    found = policy_document.read(
        {"policy": {"forbid_binary": True, "max_files_changed": 2}, "scope": {"create": ["a/"]}}
    )
    assert found == ({"forbid_binary": True, "max_files_changed": 2}, {"create": ["a/"]})
    assert policy_document.read(None) == ({}, {})


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"policy": 3}, "must be an object"),
        ({"policy": {"constraints": []}}, "must be an object"),
        ({"policy": {"max_fils": 3}}, "is no rule"),
        ({"policy": {"max_files_changed": "x"}}, "whole number"),
        ({"policy": {"allowed_formats": ["ed"]}}, "can only be"),
        ({"scope": []}, "must be an object"),
        ({"scope": {"wrte": []}}, "must be an object"),
        ({"scope": {"write": ["!a"]}}, "negation"),
    ],
)
def test_a_wrong_document_is_a_usage_error(origin: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        policy_document.read(origin)
