"""Runs one gate in a folder that holds the tree to judge, and says how it ended (DESIGN 9).

Nothing here reads a repository: the caller makes the folder, and keeps the result.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from uet_git.host.clock import Clock
from uet_git.host.files import os_errors
from uet_git.host.gate_env import gate_environment
from uet_git.host.gate_watch import Ended
from uet_git.host.process import run_gate
from uet_git.host.sandbox import Box
from uet_git.model import globs
from uet_git.model.named import NamedTuple
from uet_git.model.records import Gate, GateResult, Tested

_SKIPPED: Final = 125
_NOT_STARTED: Final = (126, 127)


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


class _Reports(NamedTuple):
    """Where a gate's reports are, and what stood there before it ran."""

    junit: str
    coverage: str
    before: tuple[tuple[int, int, int] | None, ...]


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
    box: Box | None = None,
    stop_fd: int | None = None,
) -> GateResult:
    """Runs a gate in `tree_dir`; `scratch_home` becomes its HOME (made if absent).

    It inherits `keep_fds`: the lock of its folder is then held for as long as any of its processes lives. `stop_fd`
    ends it once it can be read.

    The state is passed (exit 0 and its criteria met), skipped (125, or no changed path fits `paths`),
    error (127, 126 or not startable: never a pass), timeout, canceled or failed. Raises: DiskFull, IoFailed.
    """
    if not concerns(gate, changed_paths):
        return unconcerned(gate, tree)
    env = _environment(gate, tree_dir, scratch_home, extra_env)
    reports = _reports(gate, tree_dir)
    began = clock.monotonic()
    ended = run_gate(
        gate.run[0] if gate.shell else gate.run,
        cwd=tree_dir,
        env=env,
        timeout=gate.timeout,
        log_path=log_path,
        keep_fds=keep_fds,
        box=box,
        stop_fd=stop_fd,
    )
    seconds = clock.monotonic() - began
    state, detail = judged(ended, gate.timeout)
    result = GateResult(
        gate.name, state, ended.code, seconds, log_path, ended.truncated, detail, tree,
        tier=str(ended.tier),
    )  # fmt: skip
    if reports is not None and state in ("passed", "failed"):
        return _with_reports(gate, result, reports)
    return result


def _environment(
    gate: Gate, tree_dir: str, home: str, extra: Mapping[str, str] | None
) -> dict[str, str]:
    """The gate's variables; its HOME and its folder for temporary files are there then."""
    temporary = os.path.join(home, "tmp")
    with os_errors(f"making {temporary}"):
        os.makedirs(temporary, mode=0o700, exist_ok=True)
    return gate_environment(
        gate.pass_env,
        home=home,
        temporary=temporary,
        ceiling=os.path.dirname(os.path.realpath(tree_dir)),
        extra=extra,
    )


def unconcerned(gate: Gate, tree: str) -> GateResult:
    """The result of a gate that a change does not concern."""
    detail = "no changed path fits its paths"
    return GateResult(gate.name, "skipped", None, 0.0, "", False, detail, tree)


def judged(ended: Ended, timeout: float) -> tuple[str, str]:
    """State and detail from the way a process ended that had `timeout` seconds."""
    code = ended.code
    if ended.canceled:
        return "canceled", "it was not wanted any more"
    if code is None:
        return "error", f"could not be started: {ended.error}"
    if ended.exceeded:
        return "failed", f"it {ended.exceeded} and was killed"
    if ended.timed_out:
        return "timeout", f"did not end within {timeout:g} s"
    if code in _NOT_STARTED:
        return "error", f"a command was not found or cannot be run (exit {code})"
    if code == _SKIPPED:
        return "skipped", "it asked to be skipped (exit 125)"
    if code < 0:
        return "failed", f"ended by signal {-code}"
    left = f"{ended.strays} processes that it left were killed" if ended.strays else ""
    return ("passed", left) if code == 0 else ("failed", f"exit {code}")


def _reports(gate: Gate, tree_dir: str) -> _Reports | None:
    """What stands where its reports will; None if it has none to read."""
    if not gate.junit and not gate.coverage:
        return None
    from uet_git.gates import junit

    paths = [os.path.join(tree_dir, name) if name else "" for name in (gate.junit, gate.coverage)]
    return _Reports(paths[0], paths[1], tuple(junit.stamp(p) if p else None for p in paths))


def _with_reports(gate: Gate, result: GateResult, reports: _Reports) -> GateResult:
    """The same with what the reports say; one that cannot be read fails the gate."""
    from uet_git.gates import coverage, criteria, junit

    asked = dict(gate.criteria).get("required_tests", ())
    reading = gate.junit
    try:
        tested = junit.read(reports.junit, reports.before[0], asked) if reports.junit else Tested()
        reading = gate.coverage
        if reports.coverage:
            tested = tested._replace(coverage=coverage.read(reports.coverage, reports.before[1]))
    except junit.UnreadableReportError as exc:
        said = f"{reading} {exc}"
        detail = said if result.state == "passed" else f"{result.detail}; {said}"
        return result._replace(state="failed", detail=detail)
    state, detail, met = criteria.decide(
        gate, result.state, result.detail, result.exit_code, tested
    )
    return result._replace(state=state, detail=detail, tests=tested, criteria_met=met)
