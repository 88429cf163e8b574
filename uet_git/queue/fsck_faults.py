"""fsck, what a row should be: each is compared with what its events say."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from uet_git.ledger import redaction
from uet_git.ledger.events import canonical
from uet_git.ledger.gates import GateRow, results_hash
from uet_git.model import history
from uet_git.model.entry import Entry, Event, Landing, Run, Step
from uet_git.model.history import Recorded

_BORN: Final = (
    *("number", "revision", "patch_id", "target", "title", "identity"),
    *("series_id", "series_index", "replaces", "rollback_of"),
)
_SET_ASIDE: Final = ("quarantined", "dropped", "apply_failed")
_COMPOSED: Final = ("applied", "verified", "committed", "rolled_back")
Fault = tuple[str, str]
"""A code and a sentence."""


def _folded(machine: str, state: str, events: Sequence[Recorded]) -> Fault | None:
    found = history.fold(machine, events)
    if found.state is None:
        return "row_without_event", "no event made it"
    if found.wrong:
        return "illegal_history", found.wrong
    if found.state != state:
        return "state_mismatch", f"it is {state}, its events lead to {found.state}"
    return None


def of_entry(entry: Entry, events: Sequence[Recorded]) -> Fault | None:
    """An entry against its own events."""
    wrong = _folded("entry", entry.state, events)
    if wrong is not None:
        return wrong
    expected: dict[str, Any] = {name: events[0].payload.get(name) for name in _BORN}
    for event in events:
        if event.kind == "patch_amended":
            expected |= {k: v for k, v in event.payload.items() if hasattr(entry, k)}
    expected["waived"] = history.waived(events)
    last = history.last(events, entry.state)
    assert last is not None
    if entry.state in _SET_ASIDE:
        expected |= {name: last.payload.get(name) for name in ("reason", "detail")}
    composed = history.last(events, "applied")
    if entry.state in _COMPOSED and composed is not None:
        given = composed.payload
        expected |= {name: given[name] for name in ("tree", "rung", "proved") if name in given}
    landed = history.last(events, "committed")
    expected["commit_id"] = None if landed is None else landed.payload.get("commit")
    undone = history.last(events, "rolled_back")
    expected["rolled_back_by"] = None if undone is None else undone.payload.get("rolled_back_by")
    expected["event_seq"] = events[-1].seq
    return _compared({name: getattr(entry, name) for name in expected}, expected)


def of_run(run: Run, events: Sequence[Recorded]) -> Fault | None:
    """A run against its own events."""
    wrong = _folded("run", run.state, events)
    if wrong is not None:
        return wrong
    born = events[0].payload
    expected = {
        **{"kind": born.get("kind"), "trigger_type": born.get("trigger_type")},
        **{"state_reason": events[-1].payload.get("reason"), "event_seq": events[-1].seq},
    }
    return _compared({name: getattr(run, name) for name in expected}, expected)


def of_gates(
    gates: Sequence[GateRow], events: Sequence[Event], unknown: Collection[str] = ()
) -> Iterator[Fault]:
    """Gate attempts against the events of their entry or run; of those in `unknown` the results are lost."""
    histories: dict[str, list[Recorded]] = {}
    redacted = redaction.told(events)
    for event in history.recorded("gate", events):
        histories.setdefault(str(event.payload.get("gate_id")), []).append(event)
    for gate in gates:
        own = histories.pop(gate.gate_id, [])
        wrong = _folded("gate", gate.state, own)
        if wrong is None:
            found, expected = _gate_facts(gate, own)
            if gate.results is None and (redacted or gate.gate_id in unknown):
                del expected["results_sha256"]
            wrong = _compared(found, expected)
        if wrong is not None:
            yield wrong[0], f"gate {gate.name} ({gate.gate_id}): {wrong[1]}"
    for gate_id in histories:
        yield "row_missing", f"gate attempt {gate_id} is gone; its events are here"


def _gate_facts(
    gate: GateRow, events: Sequence[Recorded]
) -> tuple[dict[str, object], dict[str, object]]:
    """What a gate's row says, and what its events say it should."""
    born, last = events[0].payload, events[-1].payload
    expected: dict[str, object] = {n: born.get(n) for n in ("gate", "tree", "verdict_key")}
    expected |= {n: last.get(n) for n in ("cached_from", "results_sha256")}
    expected |= {n: last[n] for n in ("exit_code", "tier") if n in last}
    expected |= {"event_seq": events[-1].seq, "purpose": born.get("purpose", "candidate")}
    results = None if gate.results is None else results_hash(canonical(gate.results))
    found = {"gate": gate.name, **gate._asdict(), "results_sha256": results}
    return found, expected


def of_steps(steps: Sequence[Step], events: Sequence[Event]) -> Iterator[Fault]:
    """Steps against the events of their entry or run."""
    told = [json.loads(e.payload) for e in events if e.kind == "step_finished"]
    waiting = {str(payload.get("step_attempt_id")): payload for payload in told}
    for step in steps:
        payload = waiting.pop(step.step_attempt_id, None)
        if payload is None:
            yield "row_without_event", f"step {step.sequence}: no event made it"
            continue
        found = {"sequence": step.sequence, "state": step.state, "step": step.tool_id}
        expected = {name: payload.get(name) for name in (*found, "reason")}
        wrong = _compared({**found, "reason": step.state_reason}, expected)
        if wrong is not None:
            yield wrong[0], f"step {step.sequence}: {wrong[1]}"
    for payload in waiting.values():
        yield "row_missing", f"step {payload.get('sequence')} is gone; its event is here"


def of_landings(landings: Sequence[Landing], events: Sequence[Event]) -> Iterator[Fault]:
    """Landings against the events of their run."""
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind.startswith("landing_"):
            payload = json.loads(event.payload)
            known = told.setdefault(str(payload.get("landing_id")), {})
            known.update({**payload, "state": event.kind.removeprefix("landing_")})
    names = ("state", "target", "old", "new", "commits", "worktrees", "pid", "boot_id")
    for landing in landings:
        payload = told.pop(landing.landing_id, {})
        if not payload:
            yield "row_without_event", f"landing {landing.landing_id}: no event made it"
            continue
        found = {name: getattr(landing, name) for name in names}
        wrong = _compared(found, {name: payload.get(name) for name in names})
        if wrong is not None:
            code = "state_mismatch" if landing.state != payload["state"] else wrong[0]
            yield code, f"landing {landing.landing_id}: {wrong[1]}"
    for landing_id in told:
        yield "row_missing", f"landing {landing_id} is gone; its events are here"


def _compared(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Fault | None:
    """`row_changed` with every column that is not what the events say."""
    wrong = [name for name in expected if found[name] != expected[name]]
    if not wrong:
        return None
    shown = ", ".join(f"{n} is {found[n]!r}, its events say {expected[n]!r}" for n in wrong)
    return "row_changed", shown


def pauses_of(events: Sequence[Event]) -> dict[str, tuple[Any, Any]]:
    """The pauses in force after these events: target to (code, reason)."""
    held: dict[str, tuple[Any, Any]] = {}
    for event in events:
        payload = json.loads(event.payload)
        if event.kind == "queue_paused":
            held[str(payload.get("target"))] = (payload.get("code"), payload.get("reason"))
        else:
            held.pop(str(payload.get("target")), None)
    return held
