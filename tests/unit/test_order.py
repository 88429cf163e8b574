"""Queue order and waiting are pure functions: priority, then number; earlier series members and dependencies first."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model import order
from uet_git.model.entry import Entry
from uet_git.model.order import Waiting

EMPTY: dict[str, Any] = dict.fromkeys(Entry.__annotations__)


def entry(number: int, state: str = "queued", **given: Any) -> Entry:
    """An entry with only what ordering looks at."""
    known = {"number": number, "revision": 1, "priority": 1, "state": state, "depends_on": []}
    return Entry(**{**EMPTY, **known, "entry_id": f"E{number}.{given.get('revision', 1)}", **given})


def member(index: int, number: int, state: str = "queued", **given: Any) -> Entry:
    """A member of series S."""
    return entry(number, state, series_id="S", series_index=index, **given)


def test_higher_priority_first_then_number_then_revision() -> None:
    line = [
        entry(4, priority=0), entry(3), entry(1, revision=2), entry(1), entry(9, priority=3), entry(2, priority=2)
    ]  # fmt: skip
    assert [(e.number, e.revision) for e in order.in_line(line)] == [
        (9, 1), (2, 1), (1, 1), (1, 2), (3, 1), (4, 1),
    ]  # fmt: skip


def test_a_new_revision_keeps_the_place() -> None:
    assert [e.number for e in order.in_line([entry(3), entry(2, revision=7), entry(1)])] == [
        1,
        2,
        3,
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(0, 3)),
        unique_by=lambda t: t[:2],
    ),
    st.randoms(),
)
def test_the_order_does_not_depend_on_how_it_is_asked(
    rows: list[tuple[int, int, int]], chance: random.Random
) -> None:
    line = [entry(n, revision=r, priority=p) for n, r, p in rows]
    shuffled = [*line]
    chance.shuffle(shuffled)
    assert order.in_line(shuffled) == order.in_line(line)


def test_newest_revisions() -> None:
    found = order.newest_revisions([entry(1, revision=2), entry(1), entry(2), entry(1, revision=3)])
    assert {n: e.revision for n, e in found.items()} == {1: 3, 2: 1}


@pytest.mark.parametrize(
    ("state", "reason", "done", "lost"),
    [
        ("committed", None, True, False),
        ("rolled_back", None, True, False),
        ("dropped", "queue.already_in_target", True, False),
        ("dropped", "queue.superseded", False, False),
        ("dropped", "queue.dropped_by_person", False, True),
        ("dropped", "parse.git", False, True),
        ("quarantined", "gate.failed", False, False),
        ("apply_failed", "apply.conflict", False, False),
        *[
            (s, None, False, False)
            for s in ("created", "validated", "queued", "applied", "verified")
        ],
    ],
)
def test_who_is_done_and_who_is_lost(
    state: str, reason: str | None, done: bool, lost: bool
) -> None:
    asked = entry(1, state, reason=reason)
    assert (order.is_done(asked), order.is_lost(asked)) == (done, lost)


def test_members_wait_for_the_earlier_ones() -> None:
    series = [member(1, 5), member(2, 6), member(3, 7)]
    waiting = Waiting(series, [])
    assert [waiting.blockers(e) for e in series] == [[], [5], [5, 6]]
    waiting.done(series[0])
    assert [waiting.blockers(e) for e in series] == [[], [], [6]]
    waiting.done(series[1])
    assert waiting.blockers(series[2]) == []


def test_members_that_landed_do_not_hold() -> None:
    series = [
        member(1, 5, "committed"),
        member(2, 6, "dropped", reason="queue.already_in_target"),
        member(3, 7),
    ]
    assert Waiting(series, []).blockers(series[2]) == []


def test_a_quarantined_member_holds_those_after_it() -> None:
    series = [member(1, 5, "quarantined"), member(2, 6)]
    assert Waiting(series, []).blockers(series[1]) == [5]


def test_members_done_out_of_order() -> None:
    series = [member(n, n + 10) for n in range(1, 5)]
    waiting = Waiting(series, [])
    waiting.done(series[1])
    assert waiting.blockers(series[3]) == [11, 13]
    waiting.done(series[0])
    assert waiting.blockers(series[2]) == []
    assert waiting.blockers(series[3]) == [13]


def test_dependencies_hold_until_they_are_done() -> None:
    needed, free = entry(1), entry(2, "committed")
    asks = entry(3, depends_on=[1, 2, 99])
    waiting = Waiting([], [needed, free])
    assert waiting.blockers(asks) == [1]
    waiting.done(needed)
    assert waiting.blockers(asks) == []


def test_a_series_and_dependencies_together_once_each() -> None:
    first, second = member(1, 5), member(2, 6, depends_on=[5, 1, 6])
    assert Waiting([first, second], [entry(1), first, second]).blockers(second) == [1, 5]


def test_two_series_do_not_hold_each_other() -> None:
    one = [member(1, 1), member(2, 2)]
    two = [entry(3, series_id="T", series_index=1), entry(4, series_id="T", series_index=2)]
    waiting = Waiting([*one, *two], [])
    waiting.done(one[0])
    assert [waiting.blockers(e) for e in (*one, *two)] == [[], [], [], [3]]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_as_told_by_looking_at_everyone(data: st.DataObject) -> None:
    """`done` told one by one gives what a fresh look at all entries gives."""
    count = data.draw(st.integers(1, 7))
    entries = []
    for number in range(1, count + 1):
        series = data.draw(st.sampled_from([None, "S", "T"]))
        needs = data.draw(st.lists(st.integers(1, count), max_size=3, unique=True))
        index = None if series is None else sum(e.series_id == series for e in entries) + 1
        entries.append(entry(number, depends_on=needs, series_id=series, series_index=index))
    landed: set[int] = set()

    def expected(asked: Entry) -> list[int]:
        found = {n for n in asked.depends_on if n not in landed}
        if asked.series_id is not None:
            found |= {
                e.number
                for e in entries
                if e.series_id == asked.series_id
                and (e.series_index or 0) < (asked.series_index or 0)
                and e.number not in landed
            }
        return sorted(found - {asked.number})

    waiting = Waiting(entries, entries)
    for number in data.draw(st.permutations(range(1, count + 1))):
        assert {e.number: waiting.blockers(e) for e in entries} == {
            e.number: expected(e) for e in entries
        }
        waiting.done(entries[number - 1])
        landed.add(number)
    assert all(waiting.blockers(e) == [] for e in entries)
