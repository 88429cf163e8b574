"""Reports turn into results, and criteria decide: a report can fail a gate, and only `max_failures` lets one pass."""

import json
from pathlib import Path

import pytest

from uet_git.gates import coverage, junit
from uet_git.gates.run import run
from uet_git.host.clock import Clock
from uet_git.model.records import Gate, GateResult

PASS = '<testcase classname="a.B" name="ok"/>'
FAIL = '<testcase classname="a.B" name="bad"><failure message="1 != 2">line 3\nline 4</failure></testcase>'
ERROR = '<testcase classname="a.B" name="broken"><error type="OSError"/></testcase>'
SKIP = '<testcase classname="a.B" name="later"><skipped/></testcase>'
COBERTURA = (
    '<?xml version="1.0"?><coverage line-rate="0.875" branch-rate="0"><packages/></coverage>'
)


def report(*cases: str) -> str:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


def totals(percent: object) -> str:
    return json.dumps({"totals": {"percent_covered": percent}})


def ended(
    tmp_path: Path, code: int, cases: str = "", covered: str = "", **more: object
) -> GateResult:
    """How a gate ends that writes these reports and exits so."""
    tree = tmp_path / "tree"
    tree.mkdir(exist_ok=True)
    reports: dict[str, object] = {}
    if cases:
        (tmp_path / "made.xml").write_text(cases)
        reports["junit"] = "r.xml"
    if covered:
        (tmp_path / "covered").write_text(covered)
        reports["coverage"] = "c"
    script = f"[ ! -e ../made.xml ] || cp ../made.xml r.xml; [ ! -e ../covered ] || cp ../covered c; exit {code}"
    gate = Gate("g", (script,), shell=True, **{"kind": "unit_tests", **reports, **more})  # type: ignore[arg-type]
    return run(
        gate, tree_dir=str(tree), scratch_home=str(tmp_path / "home"), log_path=str(tmp_path / "log"),
        changed_paths=None, clock=Clock(),
    )  # fmt: skip


def test_totals_and_what_failed_with_its_message(tmp_path: Path) -> None:
    result = ended(tmp_path, 1, report(PASS, FAIL, ERROR, SKIP))
    tests = result.tests
    assert tests is not None
    assert (tests.total, tests.failed, tests.skipped) == (4, 2, 1)
    assert tests.failures[0] == ("a.B::bad", "1 != 2", "line 3\nline 4")
    assert tests.failures[1][:2] == ("a.B::broken", "OSError")
    assert result.detail == "exit 1; 4 tests, 2 failed, 1 skipped: a.B::bad, a.B::broken"


@pytest.mark.parametrize(
    ("most", "cases", "code", "state"),
    [
        (1, [PASS, FAIL], 1, "passed"),
        (1, [PASS, FAIL], 101, "passed"),
        (1, [PASS, FAIL], 2, "failed"),  # pytest: interrupted; not all of it ran
        (1, [PASS, FAIL, ERROR], 1, "failed"),
        (1, [PASS], 1, "failed"),  # no test failed, so something else did
        (2, [PASS, FAIL, ERROR], 0, "passed"),
        (0, [PASS, FAIL], 0, "failed"),
        (1, [FAIL, SKIP], 1, "passed"),
        (1, [SKIP], 0, "failed"),
    ],
)
def test_failures_that_are_allowed(
    tmp_path: Path, most: int, cases: list[str], code: int, state: str
) -> None:
    result = ended(tmp_path, code, report(*cases), criteria=(("max_failures", most),))
    assert result.state == state, result.detail
    failed = sum(c in (FAIL, ERROR) for c in cases)
    assert result.criteria_met == (("max_failures", failed <= most),)


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (("a.B::ok",), "passed"),
        (("ok",), "passed"),
        (("B::ok",), "passed"),
        (("k",), "failed"),
        (("later",), "failed"),
        (("a.B::ok", "absent"), "failed"),
    ],
)
def test_tests_that_must_pass(tmp_path: Path, asked: tuple[str, ...], state: str) -> None:
    result = ended(tmp_path, 0, report(PASS, SKIP), criteria=(("required_tests", asked),))
    assert result.state == state
    assert result.criteria_met == (("required_tests", state == "passed"),)


def test_a_test_that_passed_once_and_failed_once_did_not_pass(tmp_path: Path) -> None:
    both = report(PASS, PASS.replace("/>", "><failure/></testcase>"))
    result = ended(tmp_path, 0, both, criteria=(("required_tests", ("ok",)), ("max_failures", 5)))
    assert (result.state, dict(result.criteria_met)["required_tests"]) == ("failed", False)


@pytest.mark.parametrize(
    ("covered", "least", "state", "percent"),
    [
        (totals(88.5), 88, "passed", 88.5),
        (totals(88.5), 89, "failed", 88.5),
        (totals(100), 100, "passed", 100),
        (totals(79.996), 80, "failed", 79.99),
        (COBERTURA, 87, "passed", 87.5),
        (COBERTURA, 88, "failed", 87.5),
    ],
)
def test_coverage_is_read_and_decides(
    tmp_path: Path, covered: str, least: int, state: str, percent: float
) -> None:
    result = ended(tmp_path, 0, "", covered, criteria=(("min_coverage", least),))
    assert (result.state, result.criteria_met) == (state, (("min_coverage", state == "passed"),))
    assert result.tests is not None
    assert result.tests.coverage == percent
    assert f"{percent:g} % covered" in result.detail


@pytest.mark.parametrize(
    "covered",
    ["{", "[]", totals("90"), totals(None), totals(101), totals(float("nan")), "<coverage/>", '<x line-rate="1"/>',
     '<coverage line-rate="x"/>', '<!DOCTYPE a [<!ENTITY b "c">]><coverage line-rate="1"/>', "[" * 100_000],
)  # fmt: skip
def test_a_coverage_report_that_says_nothing_fails(tmp_path: Path, covered: str) -> None:
    result = ended(tmp_path, 0, "", covered)
    assert result.state == "failed"
    assert result.detail.startswith("c ")


def test_a_report_that_was_there_before_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(totals(90))
    with pytest.raises(junit.UnreadableReportError, match="was not written"):
        coverage.read(str(path), junit.stamp(str(path)))
    assert coverage.read(str(path), None) == 90


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!DOCTYPE x><testsuite/>", "DTD"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>', "DTD"),
        ("<testsuite><testcase>", "not XML"),
        (f"<testcase>{'<a>' * 70}{'</a>' * 70}</testcase>", "nested deeper"),
    ],
)
def test_hostile_xml_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.xml"
    path.write_text(text)
    with pytest.raises(junit.UnreadableReportError, match=says):
        junit.read(str(path), None)


def test_what_a_report_says_is_cut_and_costs_little_memory(tmp_path: Path) -> None:
    """Not the whole report is held, and no case of it without bound."""
    import tracemalloc

    path = tmp_path / "r.xml"
    big = f'<testcase classname="c" name="{"n" * 2000}"><failure message="{"m" * 9000}">{"t" * 300_000}</failure></testcase>'
    path.write_text(report(*([big] * 60)))
    junit.read(str(path), None)
    tracemalloc.start()
    found = junit.read(str(path), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.failed == 60
    assert len(found.failures) == 50
    assert all(
        len(f.name) <= 300 and len(f.message) <= 500 and len(f.details) <= 4_000
        for f in found.failures
    )
    assert peak < 4_000_000 < path.stat().st_size
