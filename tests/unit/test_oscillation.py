"""Lines that patches turn back and forth are found by sets as they would be by hand, and name those patches."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import diff
from uet_git.model import oscillation, patchfile
from uet_git.model.oscillation import Turn
from uet_git.model.records import Patch
from uet_git.model.settings import Limits

ON, OFF = b"import os\nretries = 3\n", b"import os\nretries = 5\n"


def patch(*diffs: bytes) -> Patch:
    return patchfile.read(b"".join(diffs), Limits())


def turns(*contents: bytes, path: str = "a.py") -> list[Turn]:
    """The patches from each content to the next, oldest first, labelled 1, 2, ..."""
    pairs = itertools.pairwise(contents)
    return [oscillation.turn(str(n), patch(diff(path, a, b))) for n, (a, b) in enumerate(pairs, 1)]


def judged(threshold: int, *contents: bytes) -> list[str]:
    *before, now = turns(*contents)
    return [f.detail for f in oscillation.judge(now, reversed(before), threshold)]


def test_the_third_turn_of_a_line_is_told_with_the_patches_before() -> None:
    assert judged(3, OFF, ON, OFF) == []
    assert judged(2, OFF, ON, OFF) == ["1 and this one turn it back and forth: retries = 5"]
    assert judged(3, OFF, ON, OFF, ON) == ["1, 2 and this one turn it back and forth: retries = 5"]
    assert judged(4, OFF, ON, OFF, ON) == []
    assert judged(4, OFF, ON, OFF, ON, OFF) == [
        "1, 2, 3 and this one turn it back and forth: retries = 5"
    ]


def test_patches_between_do_not_hide_it() -> None:
    other = oscillation.turn("x", patch(diff("b.py", b"1\n", b"2 = two\n")))
    first, second, now = turns(OFF, ON, OFF, ON)
    found = oscillation.judge(now, [other, second, other, first, other], 3)
    assert [(f.code, f.path) for f in found] == [("policy.oscillation", b"a.py")]


def test_the_same_line_of_another_file_is_another_line() -> None:
    first, second, _ = turns(OFF, ON, OFF, ON)
    assert oscillation.judge(turns(OFF, ON, path="b.py")[0], [second, first], 2) == []


@pytest.mark.parametrize("line", [b"}", b"", b"  );", b"x", b"//"])
def test_lines_that_say_nothing_do_not_count(line: bytes) -> None:
    without, with_ = b"int a;\n", b"int a;\n" + line + b"\n"
    assert judged(2, without, with_, without, with_, without) == []


def test_a_line_that_only_moves_or_is_indented_does_not_count() -> None:
    given = oscillation.turn(
        "1", patch(diff("a", b"one line\ntwo lines\n", b"two lines\n  one line\n"))
    )
    assert (given.added, given.removed) == (frozenset(), frozenset())


def test_a_renamed_file_has_two_names() -> None:
    text = b"diff --git a/o b/n\nsimilarity index 50%\nrename from o\nrename to n\n--- a/o\n+++ b/n\n@@ -1 +1 @@\n-old line\n+new line\n"
    given = oscillation.turn("1", patch(text))
    assert given == ("1", frozenset({(b"n", b"new line")}), frozenset({(b"o", b"old line")}))


LINES = st.sets(st.sampled_from([(b"a", b"one"), (b"a", b"two"), (b"b", b"one")]))


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=7), st.integers(2, 5))
def test_it_is_what_counting_by_hand_gives(
    steps: list[tuple[set[tuple[bytes, bytes]], ...]], threshold: int
) -> None:
    every = [Turn(str(n), frozenset(a - r), frozenset(r - a)) for n, (a, r) in enumerate(steps)]
    *before, now = every
    best = 0
    for line in now.added | now.removed:
        was_added, count = line in now.added, 1
        for one in reversed(before):
            if line in (one.removed if was_added else one.added):
                was_added, count = not was_added, count + 1
        best = max(best, count)
    found = oscillation.judge(now, reversed(before), threshold)
    assert bool(found) == (best >= threshold)
    if found:
        assert found[0].detail.count(",") + (" and " in found[0].detail) == best - 1


def test_a_very_large_patch_is_no_turn() -> None:
    lines = b"".join(b"line %d\n" % n for n in range(oscillation.MOST // 2 + 1))
    there, small = (oscillation.turn("1", patch(diff("a", None, t))) for t in (lines * 2, b"abc\n"))
    assert not there.added
    assert small.added
