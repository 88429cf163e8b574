"""ULIDs sort in the order of their making, whatever the wall clock does; times are UTC with milliseconds."""

import datetime as dt
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.host.clock import Clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(f"[0-7][{ALPHABET}]{{25}}")


class Played(Clock):
    """Tells the given milliseconds one after the other, then stays."""

    def __init__(self, moments: list[int]) -> None:
        super().__init__()
        self.moments = moments

    def time_ns(self) -> int:
        now = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        return now * 1_000_000 + 999_999


def value(ulid: str) -> int:
    """The number that a ULID spells."""
    number = 0
    for letter in ulid:
        number = number * 32 + ALPHABET.index(letter)
    return number


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**45), min_size=1, max_size=60))
def test_they_ascend_while_the_clock_jumps(moments: list[int]) -> None:
    clock = Played([*moments])
    made = [clock.ulid() for _ in moments]
    assert all(ULID.fullmatch(ulid) for ulid in made)
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    latest = 0
    for ulid, ms in zip(made, moments, strict=True):
        latest = max(latest, ms)
        assert value(ulid) >> 80 == latest


def test_a_year_back_and_on_again() -> None:
    year = 365 * 86_400_000
    clock = Played([10 * year, 9 * year, 9 * year + 1, 11 * year])
    made = [clock.ulid() for _ in range(4)]
    assert made == sorted(made)
    assert [value(u) >> 80 for u in made] == [10 * year, 10 * year, 10 * year, 11 * year]


def test_a_million_within_a_millisecond_do_not_run_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Played([1_700_000_000_000])
    monkeypatch.setattr("os.urandom", lambda count: b"\xff" * count)
    largest = (1_700_000_000_000 << 80) | (1 << 79) - 1  # that a clock starts with
    first = clock.ulid()
    assert value(first) == largest
    for _ in range(1_100_000):
        last = clock.ulid()
    assert value(last) == largest + 1_100_000
    assert value(last) >> 80 == 1_700_000_000_000


def test_a_clock_draws_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("os.urandom", lambda count: drawn.append(count) or b"\x11" * count)
    clock = Played([5, 6, 6, 9])
    made = [value(clock.ulid()) for _ in range(4)]
    assert drawn == [10]
    assert [number >> 80 for number in made] == [5, 6, 6, 9]
    assert [(number - made[0]) & ((1 << 80) - 1) for number in made] == [0, 1, 2, 3]


def test_two_clocks_do_not_meet() -> None:
    moment = 1_700_000_000_000
    made = {Played([moment]).ulid() for _ in range(5_000)}
    assert len(made) == 5_000
    assert len({ulid[:10] for ulid in made}) == 1


def test_the_order_of_text_is_the_order_of_numbers() -> None:
    clock = Clock()
    made = [clock.ulid() for _ in range(2_000)]
    assert sorted(made) == sorted(made, key=value) == made


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (1_709_164_800_999, "2024-02-29T00:00:00.999Z"),
        (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
    ],
)
def test_now(ms: int, text: str) -> None:
    assert Played([ms]).now() == text


def test_now_does_not_depend_on_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert Played([1_700_000_000_007]).now() == "2023-11-14T22:13:20.007Z"
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


def test_now_is_now() -> None:
    before = dt.datetime.now(dt.UTC)
    told = dt.datetime.fromisoformat(Clock().now())
    assert abs((told - before).total_seconds()) < 5
    assert told.tzinfo == dt.UTC


def test_monotonic_does_not_go_back() -> None:
    clock = Clock()
    seen = [clock.monotonic() for _ in range(1_000)]
    assert seen == sorted(seen)
