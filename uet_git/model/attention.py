"""What needs a person, as items to decide one after another, and the order to do that in: pure (DESIGN 12).

The order by effort puts first what is small and clear; its figure is a guess that is good for ordering only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple

ORDERS: Final = ("effort", "age", "priority", "path")
_LINES_A_MINUTE: Final = 20.0
_FILE: Final = 0.25  # minutes
_MINUTES: Final[dict[str, float]] = {
    "queue.dropped_before": 0.5, "queue.dependency_dropped": 0.5, "queue.series_incomplete": 0.5, "queue": 1.0,
    "parse.repairable": 1.0, "parse": 2.0, "path": 0.5, "mode": 1.0, "size": 2.0, "content.mismatch": 5.0,
    "content": 1.0,
    "policy.reviewers": 1.0, "policy.message": 0.5, "policy.issue_required": 0.5, "policy.judge_edited": 4.0,
    "policy.tests_edited": 3.0, "policy.gate_input": 4.0, "policy.oscillation": 5.0, "policy": 1.5,
    "gate.flaky": 2.0, "gate.timeout": 6.0, "gate": 8.0, "apply.threeway": 4.0, "apply": 6.0,
}  # fmt: skip
"""Minutes to understand a reason, by its code or else by its class; reading the patch comes on top."""
_UNKNOWN: Final = 5.0
_FOLLOWS: Final = ("queue.dependency_dropped", "queue.series_incomplete")


class Size(NamedTuple):
    """How much a patch holds; `paths` as text."""

    lines: int
    paths: Sequence[str]


class Item(NamedTuple):
    """What is decided at once: one entry, or all that is set aside of one series, in its order.

    `minutes` is the expected effort, `paths` are those that its patches touch.
    """

    entries: tuple[Entry, ...]
    minutes: float
    paths: tuple[str, ...]

    @property
    def lead(self) -> Entry:
        """The entry that says why: the first one that is not set aside for another's sake."""
        own = (e for e in self.entries if e.reason not in _FOLLOWS)
        return next(own, self.entries[0])

    @property
    def reason(self) -> str:
        """The reason code of the lead."""
        return self.lead.reason or ""


def items(entries: Iterable[Entry], sizes: Mapping[str, Size]) -> list[Item]:
    """One item an entry, or a series; `sizes` by patch id."""
    together: dict[str, list[Entry]] = {}
    for entry in entries:
        together.setdefault(entry.series_id or entry.entry_id, []).append(entry)
    return [_item(found, sizes) for found in together.values()]


def _item(entries: Sequence[Entry], sizes: Mapping[str, Size]) -> Item:
    members = tuple(sorted(entries, key=lambda e: (e.series_index or 0, e.number, e.revision)))
    known = [sizes[e.patch_id] for e in members if e.patch_id in sizes]
    paths = tuple(dict.fromkeys(path for size in known for path in size.paths))
    lines = sum(size.lines for size in known)
    reasons = {code for e in members for code in _codes(e)}
    minutes = max(map(_minutes, reasons), default=_UNKNOWN)
    minutes += 0.5 * max(len(reasons) - 1, 0) + lines / _LINES_A_MINUTE + _FILE * len(paths)
    return Item(members, round(minutes, 2), paths)


def _codes(entry: Entry) -> set[str]:
    """What stands against an entry, and was not waived."""
    waived = entry.waived or ()
    found = {str(f["code"]) for f in entry.findings} | ({entry.reason} if entry.reason else set())
    return {code for code in found if code not in waived}


def _minutes(code: str) -> float:
    return _MINUTES.get(code, _MINUTES.get(code.split(".", 1)[0], _UNKNOWN))


def in_order(found: Iterable[Item], by: str = "effort") -> list[Item]:
    """Items in the order to look at them in; equal reasons stand together as far as the order allows.

    `effort`: reasons by their easiest item, each with its easiest first. `priority`, `path` (its folder): the same
    within each. `age`: the oldest first.
    """
    every = list(found)
    if by == "age":
        return sorted(every, key=lambda i: (min(e.created_at for e in i.entries), i.lead.number))
    first: dict[tuple[tuple[int, str], str], float] = {}
    for item in every:
        key = (_within(item, by), item.reason)
        first[key] = min(first.get(key, item.minutes), item.minutes)

    def place(item: Item) -> tuple[tuple[int, str], float, str, float, int]:
        within = _within(item, by)
        easiest = first[within, item.reason]
        return within, easiest, item.reason, item.minutes, item.lead.number

    return sorted(every, key=place)


def _within(item: Item, by: str) -> tuple[int, str]:
    """What comes before the effort."""
    if by == "priority":
        return -max(e.priority for e in item.entries), ""
    folder = item.paths[0].rpartition("/")[0] if by == "path" and item.paths else ""
    return 0, folder
