"""Runs one gate in a folder that holds the tree to judge, and says how it ended (DESIGN 9).

Nothing here reads a repository: the caller makes the folder, and keeps the result.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from uet_git.gates import junit
from uet_git.host.clock import Clock
from uet_git.host.files import os_errors
from uet_git.host.gate_env import gate_environment
from uet_git.host.process import Ended, run_gate
from uet_git.model import globs
from uet_git.model.records import Gate, GateResult

_SKIPPED: Final = 125
_NOT_STARTED: Final = (126, 127)
_TEST_KINDS: Final = ("unit_tests", "integration_tests", "e2e_tests")


def for_moment(gates: Iterable[Gate], moment: str) -> tuple[Gate, ...]:
    """The gates that run at a moment (`queue`, `pre-commit`), in the order in which they run."""
    return order([g for g in gates if moment in g.on])


def order(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Every gate after those that it needs, else as declared. Needs outside the list are met."""
    left = {g.name: g for g in gates}
    ordered: list[Gate] = []
    while left:
        ready = next((g for g in left.values() if not any(n in left for n in g.needs)), None)
        assert ready is not None, "gates need each other in a circle"
        ordered.append(left.pop(ready.name))
    return tuple(ordered)


def blocked_by(gate: Gate, results: Mapping[str, GateResult]) -> GateResult | None:
    """The result of a gate that cannot run, as one that it needs did not pass; None if it may run.

    `results` is by gate name. A needed gate that was skipped does not block.
    """
    for need in gate.needs:
        found = results.get(need)
        if found is not None and found.state not in ("passed", "skipped"):
            detail = f"needs {need}: {found.state}"
            return GateResult(gate.name, "blocked", None, 0.0, "", False, detail, found.tree)
    return None


def concerns(gate: Gate, changed_paths: Iterable[bytes] | None) -> bool:
    """Whether a change of these paths concerns a gate; None means that all may have changed."""
    return changed_paths is None or not gate.paths or globs.any_match(gate.paths, changed_paths)


def run(
    gate: Gate,
    *,
    tree_dir: str,
    scratch_home: str,
    log_path: str,
    changed_paths: Sequence[bytes] | None,
    clock: Clock,
    tree: str = "",
    extra_env: Mapping[str, str] | None = None,
    keep_fds: Sequence[int] = (),
) -> GateResult:
    """Runs a gate in `tree_dir`; `scratch_home` becomes its HOME (made if absent).

    It inherits `keep_fds`: the lock of its folder is then held for as long as any of its processes lives.

    The state is passed (exit 0), skipped (125, or no changed path fits `paths`), error (127, 126 or
    not startable: never a pass), timeout or failed. Raises: DiskFull, IoFailed.
    """
    if not concerns(gate, changed_paths):
        detail = "no changed path fits its paths"
        return GateResult(gate.name, "skipped", None, 0.0, "", False, detail, tree)
    temporary = os.path.join(scratch_home, "tmp")
    with os_errors(f"making {temporary}"):
        os.makedirs(temporary, mode=0o700, exist_ok=True)
    env = gate_environment(
        gate.pass_env,
        home=scratch_home,
        temporary=temporary,
        ceiling=os.path.dirname(os.path.realpath(tree_dir)),
        extra=extra_env,
    )
    report = os.path.join(tree_dir, gate.junit) if gate.junit else ""
    before = junit.stamp(report) if report else None
    began = clock.monotonic()
    ended = run_gate(
        gate.run[0] if gate.shell else gate.run,
        cwd=tree_dir,
        env=env,
        timeout=gate.timeout,
        log_path=log_path,
        keep_fds=keep_fds,
    )
    seconds = clock.monotonic() - began
    state, detail = _judged(gate, ended)
    if report and state in ("passed", "failed"):
        state, detail = _with_report(gate, state, detail, report, before)
    return GateResult(
        gate.name, state, ended.code, seconds, log_path, ended.truncated, detail, tree
    )


def _judged(gate: Gate, ended: Ended) -> tuple[str, str]:
    """State and detail from the way a process ended."""
    code = ended.code
    if code is None:
        return "error", f"could not be started: {ended.error}"
    if ended.timed_out:
        return "timeout", f"did not end within {gate.timeout:g} s"
    if code in _NOT_STARTED:
        return "error", f"a command was not found or cannot be run (exit {code})"
    if code == _SKIPPED:
        return "skipped", "it asked to be skipped (exit 125)"
    if code < 0:
        return "failed", f"ended by signal {-code}"
    left = f"{ended.strays} processes that it left were killed" if ended.strays else ""
    return ("passed", left) if code == 0 else ("failed", f"exit {code}")


def _with_report(
    gate: Gate, state: str, detail: str, path: str, before: junit.Stamp | None
) -> tuple[str, str]:
    """The same with what the JUnit report says: it can turn a pass into a failure, never back."""
    try:
        report = junit.read(path, before)
    except junit.UnreadableReportError as exc:
        detail = f"{gate.junit} {exc}" if state == "passed" else f"{detail}; {gate.junit} {exc}"
        return "failed", detail
    counts = f"{report.tests} tests, {report.failed} failed, {report.skipped} skipped"
    if report.failing:
        counts += ": " + ", ".join(report.failing[:3])
    if state == "passed" and not report.failed and not report.ran and gate.kind in _TEST_KINDS:
        return "failed", f"no test ran ({counts})"
    if report.failed:
        state = "failed"
    return state, f"{detail}; {counts}" if detail else counts
