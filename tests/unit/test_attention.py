"""What needs a person is put in order by a pure function: small and clear first, equal reasons together (DESIGN 12)."""

import random
from typing import Any

import pytest

from tests.unit.test_order import EMPTY
from uet_git.model import attention
from uet_git.model.attention import Item, Size
from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS, Gravity


def entry(number: int, reason: str, **given: Any) -> Entry:
    known = {
        "number": number,
        "revision": 1,
        "priority": 1,
        "state": "quarantined",
        "reason": reason,
    }
    told = {"findings": [], "created_at": f"2026-01-{number:02d}T00:00:00.000Z"}
    ids = {"entry_id": f"E{number}", "patch_id": f"P{number}"}
    return Entry(**{**EMPTY, **known, **told, **ids, **given})


def items(*entries: Entry, lines: dict[int, int] | None = None, paths: dict[int, str] | None = None) -> list[Item]:  # fmt: skip
    sizes = {
        e.patch_id: Size((lines or {}).get(e.number, 1), [(paths or {}).get(e.number, "a")])
        for e in entries
    }
    return attention.items(entries, sizes)


def numbers(found: list[Item]) -> list[int]:
    return [item.lead.number for item in found]


def test_small_and_clear_comes_first_and_equal_reasons_stand_together() -> None:
    line = [
        entry(1, "gate.failed"), entry(2, "policy.protected_path"), entry(3, "queue.dropped_before"),
        entry(4, "policy.protected_path"), entry(5, "parse.repairable"), entry(6, "apply.conflict"),
    ]  # fmt: skip
    found = attention.in_order(items(*line, lines={2: 400, 4: 1}))
    assert numbers(found) == [3, 5, 4, 2, 6, 1]
    assert [i.minutes for i in found if i.reason == "policy.protected_path"] == [1.8, 21.75]


def test_a_series_is_one_item_that_its_cause_speaks_for() -> None:
    series = {"series_id": "S"}
    line = [
        entry(9, "queue.dependency_dropped", series_index=3, **series),
        entry(8, "policy.lockfile", series_index=2, **series),
        entry(7, "queue.series_incomplete", series_index=1, **series),
        entry(1, "gate.failed"),
    ]
    found = items(*line)
    assert [[e.number for e in i.entries] for i in found] == [[7, 8, 9], [1]]
    assert (found[0].lead.number, found[0].reason) == (8, "policy.lockfile")
    held = items(line[0])
    assert held[0].lead.number == 9


def test_other_orders() -> None:
    line = [
        entry(1, "policy.lockfile"), entry(2, "gate.failed", priority=3), entry(3, "parse.repairable"),
        entry(4, "queue.dropped_before", priority=3), entry(5, "gate.failed"),
    ]  # fmt: skip
    paths = {1: "z/a", 2: "a/z", 3: "top", 4: "z/b", 5: "a/a"}
    found = items(*line, paths=paths)
    assert numbers(attention.in_order(found, "age")) == [1, 2, 3, 4, 5]
    assert numbers(attention.in_order(found, "priority")) == [4, 2, 3, 1, 5]
    assert numbers(attention.in_order(found, "path")) == [3, 2, 5, 4, 1]


@pytest.mark.parametrize("by", attention.ORDERS)
def test_the_order_does_not_depend_on_how_it_is_asked(by: str) -> None:
    codes = [
        r.code for r in REASONS.values() if r.gravity in (Gravity.QUARANTINED, Gravity.APPLY_FAILED)
    ]
    chance = random.Random(7)
    line = [entry(n, chance.choice(codes), priority=chance.randrange(4)) for n in range(1, 28)]
    wanted = attention.in_order(items(*line), by)
    assert len(wanted) == len(line)
    for _ in range(5):
        chance.shuffle(line)
        assert attention.in_order(items(*line), by) == wanted


def test_what_was_waived_takes_no_time() -> None:
    both = [{"code": "policy.lockfile"}, {"code": "policy.oscillation"}]
    (plain,) = items(entry(1, "policy.lockfile", findings=both))
    (waived,) = items(entry(1, "policy.lockfile", findings=both, waived=["policy.oscillation"]))
    assert plain.minutes > waived.minutes
