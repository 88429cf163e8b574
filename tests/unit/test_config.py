"""uet.toml is read strictly: every mistake has its line and the nearest known key; overrides only tighten."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.errors import ConfigError, LooserThanBase, UsageError
from uet_git.host import config_keys as keys
from uet_git.host import contracts
from uet_git.host.config import parse_toml
from uet_git.host.starter import FoundGate, find_gates, starter_toml
from uet_git.host.tighten import tighten
from uet_git.host.toml_lines import lines_of
from uet_git.model.records import Gate
from uet_git.model.settings import CommitSettings, Limits, QueueSettings, Settings

GOOD = b"""\
version = 1
[policy]
preset = "standard"            # open | standard | strict
protected = ["deploy/**"]
max_files_changed = 50
[gates.lint]
kind = "lint"
run = ["ruff", "check", "."]
paths = ["**/*.py"]
timeout = 60                   # seconds
on = ["pre-commit", "queue"]
[gates.unit]
kind = "unit_tests"
run = ["python", "-m", "pytest", "-q", "--junitxml=report.xml"]
junit = "report.xml"
needs = ["lint"]
timeout = 600
"""


def test_the_documented_example() -> None:
    settings = parse_toml(GOOD, "abc")
    assert settings == Settings(
        preset="standard",
        names_preset=True,
        policy=(("max_files_changed", 50), ("protected", ("deploy/**",))),
        gates=(
            Gate(
                "lint",
                ("ruff", "check", "."),
                kind="lint",
                paths=("**/*.py",),
                timeout=60.0,
                on=("pre-commit", "queue"),
            ),
            Gate(
                "unit",
                ("python", "-m", "pytest", "-q", "--junitxml=report.xml"),
                kind="unit_tests",
                junit="report.xml",
                needs=("lint",),
            ),
        ),
        source="abc",
    )
    assert settings.rule("max_files_changed") == 50
    assert settings.rule("forbid_binary") is None


def test_every_other_key() -> None:
    text = b"""
version = 1
sandbox = "none"
require_sandbox = false
scratch_dir = "/dev/shm/x"
policy = { forbid_binary = true, max_lines_changed = 3 }
limits.files = 7
limits.path_depth = 3
[commit]
trailer = false
[queue]
batch = 4
max_attempts = 2
[gates.a-1]
shell = "true && true"
required = false
cache = false
network = true
memory = 512
pass_env = ["TOKEN"]
inputs = ["src/"]
git = true
timeout = 0.5
"""
    assert parse_toml(text) == Settings(
        sandbox="none",
        scratch_dir="/dev/shm/x",
        policy=(("forbid_binary", True), ("max_lines_changed", 3)),
        limits=Limits(files=7, path_depth=3),
        commit=CommitSettings(trailer=False),
        queue=QueueSettings(batch=4, max_attempts=2),
        gates=(
            Gate(
                "a-1",
                ("true && true",),
                shell=True,
                required=False,
                cache=False,
                network=True,
                memory=512,
                pass_env=("TOKEN",),
                inputs=("src/",),
                git=True,
                timeout=0.5,
            ),
        ),
    )


def test_nothing_but_the_version_is_needed() -> None:
    assert parse_toml(b"version = 1\n") == Settings()
    assert parse_toml(b"\xef\xbb\xbfversion=1".removeprefix(b"\xef\xbb\xbf")) == Settings()


MISTAKES: list[tuple[bytes, bytes, int, str]] = [
    (
        b"timeout = 60 ",
        b"timout = 60 ",
        10,
        "unknown key `timout` in [gates.lint]; did you mean `timeout`?",
    ),
    (b"[policy]", b"[polcy]", 2, "unknown key `polcy`; did you mean `policy`?"),
    (b"max_files_changed", b"max_file_changed", 5, "did you mean `max_files_changed`?"),
    (b"max_files_changed = 50", b"zzz = 50", 5, "known are "),
    (b"version = 1", b"version = 2", 1, "`version` must be 1"),
    (b"version = 1", b"version = true", 1, "`version` must be 1"),
    (b"version = 1\n", b"", 1, "`version = 1` is missing"),
    (b"= 50", b'= "x"', 5, "`policy.max_files_changed` must be a whole number from 1"),
    (b"= 50", b"= true", 5, "must be a whole number"),
    (b"= 50", b"= 0", 5, "must be a whole number"),
    (b'"standard"', b'"standart"', 3, '"open", "standard", "strict"'),
    (b'["deploy/**"]', b'["!deploy"]', 4, "negation is not supported"),
    (b'["deploy/**"]', b'["a{b,c}"]', 4, "braces"),
    (b'["deploy/**"]', b'["../x"]', 4, ".."),
    (b'["deploy/**"]', b'"deploy"', 4, "must be a list of path patterns"),
    (b'"lint"\n', b'"lnt"\n', 7, "must be one of"),
    (b'run = ["ruff", "check", "."]', b'run = "ruff check"', 8, "for a shell line use `shell`"),
    (b'run = ["ruff", "check", "."]', b"run = []", 8, "not empty"),
    (b'run = ["ruff", "check", "."]', b"run = [3]", 8, "one of them must be a text"),
    (b'run = ["ruff", "check", "."]', b'run = [""]', 8, "not empty"),
    (b'run = ["ruff", "check", "."]', b"required = true", 6, "neither `run` nor `shell`"),
    (b'run = ["ruff", "check", "."]', b'run = ["a"]\nshell = "b"', 6, "both `run` and `shell`"),
    (b"timeout = 60 ", b"timeout = 0 ", 10, "seconds above 0"),
    (b"timeout = 60 ", b"timeout = nan ", 10, "seconds above 0"),
    (b"timeout = 60 ", b"timeout = inf ", 10, "seconds above 0"),
    (b'["pre-commit", "queue"]', b'["pre-push"]', 11, '"pre-commit", "queue"'),
    (b'["pre-commit", "queue"]', b'["queue", "queue"]', 11, "twice"),
    (b'["pre-commit", "queue"]', b"[]", 11, "not empty"),
    (
        b'["pre-commit", "queue"]',
        b'["pre-commit"]',
        16,
        "gate `unit` needs `lint`, which does not run on queue",
    ),
    (b'needs = ["lint"]', b'needs = ["lnt"]', 16, "no such gate; did you mean `lint`?"),
    (
        b'kind = "lint"',
        b"required = false",
        16,
        "gate `unit` is required, but needs `lint`, which is not",
    ),
    (b'needs = ["lint"]', b'needs = ["unit"]', 16, "circle: unit -> unit"),
    (b"[gates.lint]", b'needs = 1\n[gates."a b"]', 6, "unknown key `needs` in [policy]"),
    (b"[gates.lint]", b'[gates."a/../b"]', 6, "gate name 'a/../b'"),
    (
        b"[gates.lint]",
        b'[gates.Unit]\nrun=["x"]\n[gates.lint]',
        13 + 1,
        "differs from `Unit` only in case",
    ),
    (b'junit = "report.xml"', b'junit = "../x.xml"', 15, "without '..'"),
    (b'junit = "report.xml"', b'junit = "/x.xml"', 15, "relative"),
    (b'junit = "report.xml"', b'pass_env = ["GIT_DIR"]', 15, "never passed"),
    (b'junit = "report.xml"', b'pass_env = ["A-B"]', 15, "environment variable"),
    (b'junit = "report.xml"', b"retries = 11", 15, "`gates.unit.retries` must be a whole number"),
    (
        b'junit = "report.xml"',
        b"criteria = { min_coverage = 80 }",
        15,
        "gate `unit` has `min_coverage`, which needs `coverage`",
    ),
    (
        b'junit = "report.xml"',
        b"criteria = { min_coverag = 80 }",
        15,
        "did you mean `min_coverage`?",
    ),
    (b'junit = "report.xml"', b'criteria = "x"', 15, "must be a table"),
    (
        b"[policy]",
        b'require_sandbox = true\nsandbox = "none"\n[policy]',
        3,
        '`sandbox = "none"` contradicts `require_sandbox = true`',
    ),
    (
        b"[policy]",
        b'sandbox = "docker"\n[policy]',
        2,
        '`sandbox` must be one of "auto", "bubblewrap", "unshare", "none"',
    ),
    (b"[policy]", b'scratch_dir = "x"\n[policy]', 2, "absolute"),
    (b"[policy]", b"limits = 3\n[policy]", 2, "`limits` must be a table, [limits]"),
    (b"[gates.lint]", b"[gates.lint", 6, "not TOML"),
    (b"= 50", b"= ", 5, "not TOML"),
    (b"[gates.unit]", b"[gates.lint]", 12, "not TOML"),
    (b'"standard"', b'"\xff"', 3, "is not UTF-8"),
    (b'"report.xml"', b'"report.xml', 15, "not TOML"),
]


@pytest.mark.parametrize(("old", "wrong", "line", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line(old: bytes, wrong: bytes, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse_toml(GOOD.replace(old, wrong, 1))
    assert f"uet.toml:{line}: " in caught.value.message
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_circle_of_needs_is_shown() -> None:
    text = b'version=1\n[gates.a]\nrun=["x"]\nneeds=["b"]\n[gates.b]\nrun=["x"]\nneeds=["c"]\n[gates.c]\nrun=["x"]\nneeds=["a"]\n'
    with pytest.raises(
        ConfigError, match=r"circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"
    ):
        parse_toml(text)


def test_a_huge_or_deep_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        parse_toml(b"version = 1\n#" + b"x" * 2_000_000)
    with pytest.raises(ConfigError, match="not TOML"):
        parse_toml(b"version = 1\nx = " + b"[" * 50_000)


@given(st.binary(max_size=60) | st.text("version=1[gates.]\n\"'#{}, ", max_size=60).map(str.encode))
def test_no_input_gives_another_error(data: bytes) -> None:
    with suppress(ConfigError):
        parse_toml(data)


def test_lines_are_found_in_every_form_of_key() -> None:
    text = 'a = 1\n"b c".d = 2\n[x."y.z"]\nk = """\nq = 3\n"""\nl = [\n 1,\n]\n"e=f" = 1\n[[arr]] # c\nm = 1\n'
    assert lines_of(text) == {
        ("a",): 1,
        ("b c", "d"): 2,
        ("x", "y.z"): 3,
        ("x", "y.z", "k"): 4,
        ("x", "y.z", "l"): 7,
        ("x", "y.z", "e=f"): 10,
        ("arr",): 11,
        ("arr", "m"): 12,
    }


# --- one list of keys ------------------------------------------------------------------------------


def test_the_schema_names_exactly_the_known_keys() -> None:
    schema = contracts.schema("uet_toml.v1")
    properties = schema["properties"]
    assert set(properties) == {*keys.TOP, *keys.TABLES, "gates"}
    for table, known in keys.TABLES.items():
        inner = keys.INNER.get(table, ())
        assert set(properties[table]["properties"]) == {*known, *inner}
    assert set(schema["$defs"]["rules"]["properties"]) == set(keys.POLICY)
    gate = schema["$defs"]["gate"]["properties"]
    assert set(gate) == {*keys.GATE, "criteria"}
    assert set(gate["criteria"]["properties"]) == set(keys.CRITERIA)


def test_the_schema_names_the_defaults_and_ranges_of_the_code() -> None:
    schema = contracts.schema("uet_toml.v1")
    parts: list[tuple[dict[str, Any], Any, dict[str, keys.Key]]] = [
        (schema["properties"]["limits"], Limits(), keys.LIMITS),
        (schema["properties"]["queue"], QueueSettings(), keys.QUEUE),
        (schema["properties"]["commit"], CommitSettings(), keys.COMMIT),
        (schema["$defs"]["gate"], Gate("x", ("y",)), keys.GATE),
    ]
    seen = 0
    for part, values, known in parts:
        for key, said in part["properties"].items():
            default = said.get("default")
            if default is not None and key in known:
                known[key].check(default)
            if default is not None and hasattr(values, key):
                there = getattr(values, key)
                assert default == (list(there) if isinstance(there, tuple) else there), key
                seen += 1
            if said.get("type") == "integer":
                known[key].check(said["minimum"])
                known[key].check(said["maximum"])
                for beyond in (said["minimum"] - 1, said["maximum"] + 1):
                    with pytest.raises(ValueError, match="whole number"):
                        known[key].check(beyond)
    assert seen > 15
    assert set(Limits._fields) == set(keys.LIMITS)
    assert set(QueueSettings._fields) <= set(keys.QUEUE)


def test_the_schema_and_the_code_agree_on_files() -> None:
    import tomllib

    for text in (GOOD, starter_toml(()).encode(), b"version = 1"):
        contracts.check(tomllib.loads(text.decode()), "uet_toml.v1")
    skipped = (
        "circle",
        "no such gate",
        "does not run on",
        "is required, but",
        "only in case",
        "braces",
        "..",
        "not TOML",
        "UTF-8",
        "nan",
        "not empty",
        "relative",
    )
    for old, wrong, _, says in MISTAKES:
        if any(s in says for s in skipped) or wrong.endswith((b"nan ", b"inf ", b"[]")):
            continue
        document = tomllib.loads(GOOD.replace(old, wrong, 1).decode())
        assert list(contracts.iter_errors(document, "uet_toml.v1")), (wrong, says)


# --- tightening ----------------------------------------------------------------------------------


def test_flags_and_variables_tighten() -> None:
    base = parse_toml(GOOD)
    got = tighten(
        base,
        {"limits.files": 5, "gates.timeout": 100, "policy.max_files_changed": None},
        {
            "UET_POLICY_PRESET": "strict",
            "UET_POLICY_PROTECTED": "a/**, deploy/**",
            "UET_POLICY_FORBID_BINARY": "1",
            "UET_QUEUE_MAX_ATTEMPTS": "1",
            "UET_POLICY_MAX_LINES_CHANGED": "9",
            "UET_ORIGIN": "x",
            "PATH": "y",
            "UET_LIMITS_HUNKS": "",
        },
    )
    assert got.limits == Limits(files=5)
    assert got.preset == "strict"
    assert got.queue.max_attempts == 1
    assert dict(got.policy) == {
        "max_files_changed": 50,
        "protected": ("deploy/**", "a/**"),
        "forbid_binary": True,
        "max_lines_changed": 9,
    }
    assert [g.timeout for g in got.gates] == [60.0, 100.0]
    assert tighten(base, {}, {}) == base


@pytest.mark.parametrize(
    ("flag", "value", "both"),
    [
        ("limits.files", 2001, ("2001", "2000")),
        ("policy.max_files_changed", 51, ("51", "50")),
        ("policy.preset", "open", ("open", "standard")),
        ("policy.forbid_binary", False, ("False", "True")),
        ("queue.max_attempts", 4, ("4", "3")),
        ("gates.timeout", 601, ("601", "600")),
    ],
)
def test_loosening_is_refused_with_both_values(
    flag: str, value: object, both: tuple[str, str]
) -> None:
    base = tighten(parse_toml(GOOD), {"policy.forbid_binary": True}, {})
    variable = "UET_" + flag.upper().replace(".", "_")
    for flags, env in (({flag: value}, {}), ({}, {variable: str(value)})):
        with pytest.raises(LooserThanBase) as caught:
            tighten(base, flags, env)
        assert all(part in caught.value.message for part in both)
        assert caught.value.exit_code == 2


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_an_override_never_raises_a_limit(base: int, wanted: int) -> None:
    settings = Settings(limits=Limits(files=base))
    try:
        assert tighten(settings, {"limits.files": wanted}, {}).limits.files == wanted <= base
    except LooserThanBase:
        assert wanted > base


def test_an_override_that_is_no_setting_is_refused() -> None:
    for flags, env in (
        ({"limits.fils": 3}, {}),
        ({}, {"UET_LIMITS_FILS": "3"}),
        ({}, {"UET_COMMIT_TRAILER": "0"}),
    ):
        with pytest.raises(UsageError, match="not a setting that can be tightened"):
            tighten(Settings(), flags, env)
    with pytest.raises(UsageError, match=r"UET_LIMITS_FILES must be a whole number.*'many'"):
        tighten(Settings(), {}, {"UET_LIMITS_FILES": "many"})


# --- the starter -----------------------------------------------------------------------------------

PROJECTS: list[tuple[dict[str, bytes], dict[str, bool]]] = [
    ({}, {}),
    (
        {"pyproject.toml": b"[tool.ruff]\n[tool.pytest.ini_options]\n"},
        {"lint": True, "tests": True},
    ),
    ({"pyproject.toml": b"[project]\n", "tests": b""}, {"tests": False}),
    ({"pyproject.toml": b"not toml ["}, {}),
    (
        {"setup.cfg": b"[tool:pytest]\n", "ruff.toml": b"", "mypy.ini": b""},
        {"lint": True, "types": False, "tests": True},
    ),
    ({"package.json": b'{"scripts": {"test": "jest"}}'}, {"npm-test": False}),
    (
        {"package.json": b'{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {},
    ),
    ({"package.json": b'{"scripts": {"test": "jest"}}', "node_modules": b""}, {"npm-test": True}),
    ({".pre-commit-config.yaml": b"repos: []"}, {"pre-commit": False}),
    ({".lefthook.yml": b"pre-commit: {}"}, {"lefthook": False}),
    ({"package.json": b"[" * 9999}, {}),
    ({"package.json": b"[]"}, {}),
    ({"Cargo.toml": b'[package]\nname = "x"\n'}, {"cargo-test": True}),
    ({"Cargo.toml": b'[dependencies]\nserde = "1"\n'}, {"cargo-test": False}),
    ({"go.mod": b"module x\n"}, {"go-test": True}),
    ({"go.mod": b"module x\nrequire (\n a v1\n)\n"}, {"go-test": False}),
    ({"Makefile": b"all:\n\ntest: all\n\ncheck:\n"}, {"make-check": True}),
    ({"Makefile": b"test := x\n"}, {}),
    ({"Makefile": b"test:\n", "go.mod": b"module x\n"}, {"go-test": True, "make-test": False}),
]


@pytest.mark.parametrize(("files", "expected"), PROJECTS)
def test_gates_are_found_and_the_starter_can_be_read(
    files: dict[str, bytes], expected: dict[str, bool]
) -> None:
    found = find_gates(files, files.get, lambda program: f"/bin/{program}")
    assert {g.name: not g.doubt for g in found} == expected
    text = starter_toml(found)
    settings = parse_toml(text.encode())
    assert settings.preset == "standard"
    assert {g.name for g in settings.gates} == {n for n, sure in expected.items() if sure}
    # What is only proposed can be read too, once a person takes the comment signs away.
    body = text.split("\n\n", 2)
    taken = "\n".join(
        line.removeprefix("# ") if not line.startswith("# Only") else ""
        for line in "\n\n".join(body[2:]).splitlines()
    )
    if found:
        assert {g.name for g in parse_toml(b"version = 1\n" + taken.encode()).gates} == set(
            expected
        )


def test_only_linters_run_on_a_commit_and_none_beside_another_tools_hook() -> None:
    files = {"ruff.toml": b"", "Makefile": b"check:\n"}
    found = find_gates(files, files.get, lambda program: f"/bin/{program}")
    moments = {g.name: g.on for g in parse_toml(starter_toml(found).encode()).gates}
    assert moments == {"lint": ("pre-commit", "queue"), "make-check": ("queue",)}
    beside = parse_toml(starter_toml(found, on_commit=False).encode()).gates
    assert {g.on for g in beside} == {("queue",)}


def test_a_gate_whose_program_is_missing_is_only_proposed() -> None:
    files = {"Makefile": b"test:\n"}
    assert find_gates(files, files.get, lambda _: None) == (
        FoundGate("make-test", "custom", ("make", "test"), doubt="make is not installed here"),
    )


TIERS = ("auto", "bubblewrap", "unshare", "none")
SAFER = {
    *(("none", tier) for tier in TIERS),
    *((tier, "bubblewrap") for tier in TIERS),
    *((tier, tier) for tier in TIERS),
}


@pytest.mark.parametrize("base", TIERS)
@pytest.mark.parametrize("wanted", TIERS)
def test_a_variable_may_ask_for_a_stronger_sandbox_only(base: str, wanted: str) -> None:
    settings = Settings(sandbox=base)
    if (base, wanted) in SAFER:
        assert tighten(settings, {}, {"UET_SANDBOX": wanted}).sandbox == wanted
        return
    with pytest.raises(LooserThanBase) as caught:
        tighten(settings, {}, {"UET_SANDBOX": wanted})
    assert f"UET_SANDBOX = {wanted}" in caught.value.message
    assert f"sandbox = {base}" in caught.value.message


def test_a_variable_may_require_a_sandbox_and_never_excuse_it() -> None:
    required = tighten(Settings(), {}, {"UET_REQUIRE_SANDBOX": "1"})
    assert required.require_sandbox is True
    assert tighten(required, {}, {"UET_REQUIRE_SANDBOX": "true"}) == required
    with pytest.raises(LooserThanBase):
        tighten(required, {}, {"UET_REQUIRE_SANDBOX": "0"})
    with pytest.raises(UsageError, match="UET_SANDBOX must be one of"):
        tighten(Settings(), {}, {"UET_SANDBOX": "docker"})
