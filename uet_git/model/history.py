"""What events say of a row: the fold of its moves (DESIGN 5, 6). The rows are only a faster copy of this."""

import json
from collections.abc import Iterable
from typing import Any, Final

from uet_git.model import states
from uet_git.model.entry import Event
from uet_git.model.named import NamedTuple

_PREFIX: Final = {"entry": "patch_", "run": "run_", "gate": "gate_"}


class Recorded(NamedTuple):
    """One event of a row with its payload read. `to` is None where it moved nothing."""

    seq: int
    ts: str
    actor: str
    kind: str
    frm: str | None
    to: str | None
    payload: dict[str, Any]


class Folded(NamedTuple):
    """The state that the events lead to (None: there are none), the last event, the first thing wrong on the way."""

    state: str | None
    last_seq: int
    wrong: str


def recorded(machine: str, events: Iterable[Event]) -> list[Recorded]:
    """The events of one machine (`entry`, `run`, `gate`) in order; others on the same entry are left out.

    Raises: ValueError if a payload is not JSON.
    """
    prefix = _PREFIX[machine]
    found = []
    for event in events:
        if event.kind.startswith(prefix):
            payload = json.loads(event.payload)
            moved = payload.get("from"), payload.get("to")
            found.append(Recorded(event.seq, event.ts, event.actor, event.kind, *moved, payload))
    return found


def fold(machine: str, events: Iterable[Recorded]) -> Folded:
    """Walks a machine along its events."""
    state: str | None = None
    seq, wrong = 0, ""
    for event in events:
        seq = event.seq
        if event.to is None:
            continue
        if state is None:
            legal = event.frm is None and event.to == states.INITIAL[machine]
        else:
            legal = event.frm == state and event.to in states.MACHINES[machine].get(state, ())
        if not legal and not wrong:
            was = state or "not there"
            wrong = f"event {event.seq} moves it from {event.frm} to {event.to}; it was {was}"
        state = event.to
    return Folded(state, seq, wrong)


def last(events: Iterable[Recorded], *to: str) -> Recorded | None:
    """The newest move to one of these states."""
    newest = None
    for event in events:
        if event.to in to:
            newest = event
    return newest


def waived(events: Iterable[Recorded]) -> list[str] | None:
    """What an entry's events waive in all; a release that was undone waives nothing. None: nobody waived anything."""
    every = list(events)
    undone = {e.payload.get("undoes") for e in every}
    codes = (
        code
        for e in every
        if e.kind == "patch_released" and e.seq not in undone
        for code in e.payload.get("waived", ())
    )
    return list(dict.fromkeys(codes)) or None
