"""Decides what a gate's end and its reports mean: passed or not, by the criteria that it declares (DESIGN 9)."""

from typing import Any, Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import Gate, Tested

_TEST_KINDS: Final = ("unit_tests", "integration_tests", "e2e_tests")
_TESTS_FAILED: Final = (
    1,
    101,
)  # exit codes that say "tests failed" and nothing else; 101 is cargo's
_NAMED: Final = 3


class Verdict(NamedTuple):
    """`met` says for each criterion of the gate whether it was."""

    state: str
    detail: str
    met: tuple[tuple[str, bool], ...]


def decide(gate: Gate, state: str, detail: str, code: int | None, tested: Tested) -> Verdict:
    """The verdict on a gate that ended as `state` (passed or failed), with what its reports say.

    A report turns a pass into a failure. Only `max_failures` lets a failure pass: tests failed, not more than that,
    and nothing else is wrong (exit 1, or 101 from cargo).
    """
    criteria: dict[str, Any] = dict(gate.criteria)
    most = int(criteria.get("max_failures", 0))
    words = [] if not gate.junit else [_counts(tested)]
    wrong: list[str] = []
    met: dict[str, bool] = {}
    if tested.failed > most or (gate.junit and gate.kind in _TEST_KINDS and not _ran(tested)):
        wrong.append("" if tested.failed else "no test ran")
    if "max_failures" in criteria:
        met["max_failures"] = tested.failed <= most
    missing = [t for t in criteria.get("required_tests", ()) if t not in tested.passed_names]
    if "required_tests" in criteria:
        met["required_tests"] = not missing
    if missing:
        wrong.append(f"did not pass: {', '.join(missing[:_NAMED])}")
    if tested.coverage is not None:
        words.append(f"{tested.coverage:g} % covered")
    if "min_coverage" in criteria:
        least = criteria["min_coverage"]
        met["min_coverage"] = tested.coverage is not None and tested.coverage >= least
        if not met["min_coverage"]:
            wrong.append(f"less than {least:g} % covered")
    if state == "failed" and 0 < tested.failed <= most and code in _TESTS_FAILED and not wrong:
        state, detail = "passed", f"at most {most} may fail"
    elif wrong and state == "passed":
        state = "failed"
    said = [w for w in (detail, *wrong, *words) if w]
    return Verdict(state, "; ".join(said), tuple(met.items()))


def _ran(tested: Tested) -> int:
    return tested.total - tested.skipped


def _counts(tested: Tested) -> str:
    counts = f"{tested.total} tests, {tested.failed} failed, {tested.skipped} skipped"
    names = ", ".join(f.name for f in tested.failures[:_NAMED])
    return f"{counts}: {names}" if names else counts
