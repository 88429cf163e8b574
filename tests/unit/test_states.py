"""The state machines say one thing as data, in SQL, and through `advance` (DESIGN 5)."""

import itertools
import sqlite3
from enum import StrEnum

import pytest

from tests.ledgers import SteadyClock
from uet_git.errors import IllegalMove
from uet_git.ledger import inspect, migrate
from uet_git.ledger.events import KIND_OF_STATE, KINDS
from uet_git.model import reasons, states

ENUMS: dict[str, type[StrEnum]] = {
    "entry": states.EntryState,
    "run": states.RunState,
    "step": states.StepState,
    "gate": states.GateState,
}
DESIGN: dict[str, set[tuple[str, str]]] = {
    "entry": {
        *(("created", to) for to in ("validated", "dropped", "quarantined")),
        *(("validated", to) for to in ("queued", "quarantined", "dropped")),
        *(("queued", to) for to in ("applied", "apply_failed", "quarantined", "dropped")),
        *(("applied", to) for to in ("verified", "quarantined", "queued", "dropped")),
        *(("apply_failed", to) for to in ("queued", "quarantined", "dropped")),
        *(("verified", to) for to in ("committed", "queued", "quarantined", "dropped")),
        *(("quarantined", to) for to in ("validated", "dropped")),
        ("committed", "rolled_back"),
    },
    "run": {
        *(("pending", to) for to in ("running", "canceled")),
        *(("running", to) for to in ("succeeded", "failed", "quarantined", "canceled")),
        ("failed", "quarantined"),
    },
    "step": {("pending", "running"), *(("running", to) for to in ("succeeded", "failed", "canceled"))},
    "gate": {
        *(("pending", to) for to in ("running", "skipped", "blocked")),
        *(("running", to) for to in ("passed", "failed", "error", "timeout", "canceled", "skipped")),
        *(("blocked", to) for to in ("pending", "skipped")),
    },
}  # fmt: skip
CELLS = [
    (machine, frm, to)
    for machine, table in states.MACHINES.items()
    for frm, to in itertools.product(table, table)
]


@pytest.mark.parametrize("machine", states.MACHINES)
def test_the_table_is_the_design(machine: str) -> None:
    table = states.MACHINES[machine]
    assert {(frm, to) for frm, tos in table.items() for to in tos} == DESIGN[machine]
    assert set(table) == {str(state) for state in ENUMS[machine]}
    assert all(len(set(tos)) == len(tos) for tos in table.values())


def test_the_rows_in_sql_are_the_table() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate.migrate(db, SteadyClock())
    rows, moves = inspect.machines(db)
    assert {(m, s) for m, s, _ in rows} == {
        (m, s) for m, table in states.MACHINES.items() for s in table
    }
    assert {m: s for m, s, first in rows if first} == states.INITIAL
    assert sum(first for *_, first in rows) == len(states.MACHINES)
    assert moves == {
        (m, frm, to)
        for m, table in states.MACHINES.items()
        for frm, tos in table.items()
        for to in tos
    }
    db.close()


@pytest.mark.parametrize(("machine", "frm", "to"), CELLS)
def test_every_cell(machine: str, frm: str, to: str) -> None:
    if (frm, to) in DESIGN[machine]:
        assert states.advance(machine, frm, to) == to
    else:
        with pytest.raises(IllegalMove, match=f"{machine}: {frm} -> {to}"):
            states.advance(machine, frm, to)


@pytest.mark.parametrize("machine", states.MACHINES)
def test_no_state_is_out_of_reach_or_without_an_end(machine: str) -> None:
    table = states.MACHINES[machine]
    reached, line = set(), [states.INITIAL[machine]]
    while line:
        state = line.pop()
        if state not in reached:
            reached.add(state)
            line += table[state]
    assert reached == set(table)
    ends = {state for state in table if states.is_terminal(machine, state)}
    for state in table:
        seen, line = set(), [state]
        while line:
            at = line.pop()
            if at not in seen:
                seen.add(at)
                line += table[at]
        assert seen & ends, state


def test_unknown_names() -> None:
    with pytest.raises(IllegalMove):
        states.advance("entry", "nowhere", "queued")
    with pytest.raises(IllegalMove):
        states.advance("entry", "queued", "nowhere")
    with pytest.raises(KeyError):
        states.advance("worker", "idle", "busy")


def test_there_is_no_limbo() -> None:
    """Every state is over, moves by itself, or is one that a person is told about."""
    over = {s for s in states.ENTRY if states.is_terminal("entry", s)} | {"committed"}
    assert over | set(states.OPEN_ENTRY) | set(states.NEEDS_PERSON) == set(states.ENTRY)
    assert not over & {*states.OPEN_ENTRY, *states.NEEDS_PERSON}


def test_every_move_of_an_entry_has_a_kind_of_event() -> None:
    assert set(KIND_OF_STATE) == set(states.ENTRY) - {"created"}
    assert set(KIND_OF_STATE.values()) <= KINDS


def test_every_gravity_leads_to_a_state_that_a_queued_entry_can_reach() -> None:
    after = {
        reasons.Gravity.APPLY_FAILED: "apply_failed",
        reasons.Gravity.QUARANTINED: "quarantined",
        reasons.Gravity.DROPPED: "dropped",
    }
    for reason in reasons.REASONS.values():
        if reason.gravity in after:
            assert after[reason.gravity] in states.ENTRY["queued"]
