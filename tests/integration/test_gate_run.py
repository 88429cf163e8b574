"""A gate passes only by exit 0 and a sound report; what could not run is an error; order follows needs."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.gates import junit
from uet_git.gates.run import blocked_by, concerns, for_moment, order, run
from uet_git.host.clock import Clock
from uet_git.model.records import Gate, GateResult


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch" / "tree"
    folder.mkdir(parents=True)
    return folder


def result_of(tree: Path, gate: Gate, changed: list[bytes] | None = None) -> GateResult:
    top = tree.parent.parent
    return run(
        gate,
        tree_dir=str(tree),
        scratch_home=str(top / "home"),
        log_path=str(top / "log"),
        changed_paths=changed,
        clock=Clock(),
        tree="abc",
    )


@pytest.mark.parametrize(
    ("line", "state", "code", "detail"),
    [
        ("true", "passed", 0, ""),
        ("exit 1", "failed", 1, "exit 1"),
        ("exit 125", "skipped", 125, "exit 125"),
        ("exit 127", "error", 127, "exit 127"),
        ("no-such-program-x", "error", 127, "not found"),
        ("exit 126", "error", 126, "cannot be run"),
        ("kill -9 $$", "failed", -9, "signal 9"),
        ("sleep 5", "timeout", -15, "did not end within 0.5 s"),
        ("trap 'exit 0' TERM; sleep 5 & wait", "timeout", 0, "within 0.5 s"),
        ("sleep 30 & exit 0", "passed", 0, "1 processes that it left were killed"),
    ],
)
def test_states(tree: Path, line: str, state: str, code: int, detail: str) -> None:
    got = result_of(tree, Gate("g", (line,), shell=True, timeout=0.5))
    assert (got.gate, got.state, got.exit_code, got.tree) == ("g", state, code, "abc")
    assert detail in got.detail
    assert 0 <= got.seconds < 5
    assert os.path.isfile(got.output)


def test_an_argv_that_cannot_be_started_is_an_error(tree: Path) -> None:
    got = result_of(tree, Gate("g", ("no-such-program-x", "a")))
    assert (got.state, got.exit_code) == ("error", None)
    assert "no-such-program-x: No such file" in got.detail


def test_argv_is_not_read_by_a_shell(tree: Path) -> None:
    got = result_of(tree, Gate("g", ("printf", "%s|", "a b", "$HOME", "; exit 3")))
    assert (got.state, Path(got.output).read_bytes()) == ("passed", b"a b|$HOME|; exit 3|")


def test_where_it_runs(tree: Path) -> None:
    got = result_of(
        tree, Gate("g", ('pwd; echo "$HOME"; echo x > "$TMPDIR/f" && git rev-parse',), shell=True)
    )
    assert got.state == "failed"
    lines = Path(got.output).read_text().splitlines()
    assert lines[:2] == [str(tree), str(tree.parent.parent / "home")]
    assert "not a git repository" in lines[2]
    assert (tree.parent.parent / "home" / "tmp" / "f").is_file()


def test_only_a_change_that_fits_its_paths_runs_it(tree: Path) -> None:
    gate = Gate("g", ("touch", "ran"), paths=("**/*.py", "docs/"))
    skipped = result_of(tree, gate, [b"a.c", b"x.pyc"])
    assert (skipped.state, skipped.exit_code, skipped.detail) == (
        "skipped",
        None,
        "no changed path fits its paths",
    )
    assert not (tree / "ran").exists()
    for changed in ([b"a.c", b"d/x.py"], [b"docs/y"], None):
        assert concerns(gate, changed)
        assert result_of(tree, gate, changed).state == "passed"
    assert concerns(Gate("g", ("x",)), [])
    assert not concerns(gate, [])


# --- reports -------------------------------------------------------------------------------------

SUITE = '<testsuites><testsuite tests="99" failures="0">{}</testsuite></testsuites>'
PASS = '<testcase classname="a" name="ok"/>'
FAIL = '<testcase classname="a" name="bad"><failure message="x">y</failure></testcase>'
ERROR = '<testcase classname="a" name="broken"><error/></testcase>'
SKIP = '<testcase classname="a" name="later"><skipped/></testcase>'


@pytest.mark.parametrize(
    ("cases", "code", "state", "detail"),
    [
        (PASS + PASS + SKIP, 0, "passed", "3 tests, 0 failed, 1 skipped"),
        (PASS + FAIL, 1, "failed", "exit 1; 2 tests, 1 failed, 0 skipped: a::bad"),
        (PASS + FAIL + ERROR, 0, "failed", "3 tests, 2 failed, 0 skipped: a::bad, a::broken"),
        (PASS, 1, "failed", "exit 1; 1 tests"),
        ("", 0, "failed", "no test ran"),
        (SKIP, 0, "failed", "no test ran; 1 tests, 0 failed, 1 skipped"),
    ],
)
def test_a_report_can_only_turn_a_pass_into_a_failure(
    tree: Path, cases: str, code: int, state: str, detail: str
) -> None:
    (tree / "made.xml").write_text(SUITE.format(cases))
    gate = Gate(
        "g",
        (f"cp made.xml report.xml; exit {code}",),
        shell=True,
        kind="unit_tests",
        junit="report.xml",
    )
    got = result_of(tree, gate)
    assert (got.state, got.exit_code) == (state, code)
    assert detail in got.detail


def test_a_report_without_tests_is_fine_for_a_linter(tree: Path) -> None:
    gate = Gate(
        "g", (f"echo '{SUITE.format('')}' > r.xml",), shell=True, kind="lint", junit="r.xml"
    )
    assert result_of(tree, gate).state == "passed"


def test_a_report_that_came_with_the_tree_does_not_count(tree: Path) -> None:
    """A patch must not bring the report of tests that never ran."""
    (tree / "r.xml").write_text(SUITE.format(PASS))
    got = result_of(tree, Gate("g", ("true",), kind="unit_tests", junit="r.xml"))
    assert (got.state, got.detail) == ("failed", "r.xml was not written")


@pytest.mark.parametrize(
    "make",
    [
        "true",
        "echo '<a><b></a>' > r.xml",
        "printf '<testsuite>' > r.xml",
        "mkfifo r.xml",
        "mkdir r.xml",
        "ln -s /dev/zero r.xml",
        "ln -s made.xml r.xml",
        "truncate -s 70M r.xml",
        'echo \'<!DOCTYPE a [<!ENTITY b "c">]><testsuite><testcase name="&b;"/></testsuite>\' > r.xml',
    ],
)
def test_a_report_that_cannot_be_trusted_is_a_failure(tree: Path, make: str) -> None:
    (tree / "made.xml").write_text(SUITE.format(PASS))
    began = time.monotonic()
    got = result_of(
        tree, Gate("g", (make,), shell=True, kind="unit_tests", junit="r.xml", timeout=5)
    )
    assert got.state == "failed"
    assert got.detail.startswith("r.xml ")
    assert time.monotonic() - began < 3


@given(st.binary(max_size=80) | st.text('<testcase/>="! &;[]', max_size=80).map(str.encode))
def test_no_report_gives_another_error(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            report = junit.read(file.name, None)
        except junit.UnreadableReportError:
            return
        assert report.tests >= report.failed + report.skipped


# --- order ---------------------------------------------------------------------------------------


def test_order_follows_needs_and_else_the_file() -> None:
    gates = [
        Gate("z", ("x",), needs=("m", "a")),
        Gate("b", ("x",)),
        Gate("m", ("x",), needs=("b",)),
        Gate("a", ("x",)),
        Gate("c", ("x",), needs=("elsewhere",)),
    ]
    assert [g.name for g in order(gates)] == ["b", "m", "a", "z", "c"]


@given(st.lists(st.integers(0, 7), unique=True, max_size=8), st.data())
def test_every_gate_runs_once_after_what_it_needs(numbers: list[int], data: st.DataObject) -> None:
    gates = [
        Gate(
            str(n),
            ("x",),
            needs=tuple(
                map(str, data.draw(st.lists(st.integers(0, n - 1), max_size=3)) if n else ())
            ),
        )
        for n in numbers
    ]
    names = [g.name for g in order(gates)]
    assert sorted(names) == sorted(g.name for g in gates)
    for gate in gates:
        assert all(
            names.index(need) < names.index(gate.name) for need in gate.needs if need in names
        )
    assert names == [g.name for g in order(gates)]


def test_only_the_gates_of_the_moment_run() -> None:
    gates = [
        Gate("u", ("x",), needs=("l",)),
        Gate("l", ("x",), on=("pre-commit", "queue")),
        Gate("p", ("x",), on=("pre-commit",)),
    ]
    assert [g.name for g in for_moment(gates, "queue")] == ["l", "u"]
    assert [g.name for g in for_moment(gates, "pre-commit")] == ["l", "p"]


def test_what_needs_a_gate_that_did_not_pass_is_blocked() -> None:
    gate = Gate("u", ("x",), needs=("a", "b"))

    def ended(name: str, state: str) -> GateResult:
        return GateResult(name, state, 0, 0.0, "", False, tree="t")

    for good in ("passed", "skipped"):
        assert blocked_by(gate, {"a": ended("a", good), "b": ended("b", "passed")}) is None
    assert blocked_by(gate, {}) is None
    for bad in ("failed", "error", "timeout", "canceled", "blocked"):
        blocked = blocked_by(gate, {"a": ended("a", "passed"), "b": ended("b", bad)})
        assert blocked is not None
        assert (blocked.gate, blocked.state, blocked.detail, blocked.tree) == (
            "u",
            "blocked",
            f"needs b: {bad}",
            "t",
        )
