"""Mails of one call become a series in n/m order, missing parts refuse it, and a new version pairs by changed lines."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model import patchfile, series
from uet_git.model.records import Mail, Patch
from uet_git.model.series import Part
from uet_git.model.settings import Limits

NOTHING = Patch(())


def patch(text: str) -> Patch:
    found = patchfile.read(text.encode(), Limits(), hex_length=40)
    assert found.changes, found.findings
    return found


def change(name: str, old: str, new: str, before: str = "", after: str = "") -> Patch:
    """A one-line change; `before` and `after` are the ids of an index line."""
    index = f"index {before}..{after} 100644\n" if before else ""
    return patch(
        f"diff --git a/{name} b/{name}\n{index}--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-{old}\n+{new}\n"
    )


def part(
    n: int = 0, of: int = 0, *, file: int = 0, exact: bool = False, patch: Patch = NOTHING
) -> Part:
    return Part(file, Mail(None, None, b"", b"", b"", n, of, False, None), patch, exact)


def arranged(*parts: Part) -> tuple[list[int], str]:
    order, wrong = series.arrange(parts)
    return order, "" if wrong is None else wrong.detail


# -- order -----------------------------------------------------------------------------------------------------------


def test_the_order_of_arguments_without_numbers() -> None:
    assert arranged(part(), part(), part()) == ([0, 1, 2], "")


def test_the_order_of_numbers() -> None:
    assert arranged(part(3, 3), part(1, 3), part(2, 3)) == ([1, 2, 0], "")


def test_one_alone_is_no_series() -> None:
    assert arranged(part(2, 5)) == ([0], "")


def test_numbers_of_different_series_or_on_some_only_are_left_alone() -> None:
    assert arranged(part(2, 2), part(1, 3)) == ([0, 1], "")
    assert arranged(part(2, 2), part()) == ([0, 1], "")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([(1, 3), (3, 3)], "part 2 of 3 is missing"),
        ([(2, 4), (4, 4)], "part 1, 3 of 4 is missing"),
        ([(1, 2), (1, 2)], "part 1 of 2 is there more than once"),
        ([(1, 2), (2, 2), (2, 2)], "part 2 of 2 is there more than once"),
        ([(1, 30), (30, 30)], "part 2, 3, 4, 5, 6, 7, 8, 9, ... of 30 is missing"),
    ],
)
def test_missing_and_doubled_parts(parts: list[tuple[int, int]], said: str) -> None:
    assert arranged(*[part(n, of) for n, of in parts])[1] == said
    assert series.arrange([part(n, of) for n, of in parts])[1].code == "parse.series"  # type: ignore[union-attr]


# -- a gap in what format-patch wrote itself -------------------------------------------------------------------------


def exact(n: int, of: int, given: Patch = NOTHING, file: int = 0) -> Part:
    return part(n, of, exact=True, patch=given, file=file)


def test_a_gap_of_an_empty_commit_is_taken() -> None:
    first = change("a", "1", "2", "1111111", "2222222")
    third = change("a", "2", "3", "2222222", "3333333")
    assert arranged(exact(1, 3, first), exact(3, 3, third)) == ([0, 1], "")


def test_a_gap_that_the_next_part_contradicts() -> None:
    first = change("a", "1", "2", "1111111", "2222222")
    third = change("a", "3", "4", "3333333", "4444444")
    assert arranged(exact(1, 3, first), exact(3, 3, third))[1] == "part 2 of 3 is missing"


def test_a_gap_in_several_files_by_hand_or_at_the_end() -> None:
    assert arranged(exact(1, 3), exact(3, 3, file=1))[1] == "part 2 of 3 is missing"
    assert arranged(part(1, 3), exact(3, 3))[1] == "part 2 of 3 is missing"
    assert arranged(exact(1, 3), exact(2, 3))[1] == "part 3 of 3 is missing"
    assert arranged(exact(3, 3), exact(1, 3))[1] == "part 2 of 3 is missing"


def test_ids_of_different_lengths_are_compared_as_far_as_they_go() -> None:
    first = change("a", "1", "2", "1111111", "2222222")
    third = change("a", "2", "3", "22222229999", "3333333")
    assert arranged(exact(1, 3, first), exact(3, 3, third))[1] == ""


# -- pairing ---------------------------------------------------------------------------------------------------------


def lines(*patches: Patch) -> list[Counter[bytes]]:
    return [series.changed_lines(p) for p in patches]


def test_changed_lines_know_their_file_and_leave_out_context() -> None:
    given = patch(
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n same\n-old\n+new\n+new\n same\n".replace(
            "1,3 +1,3", "1,3 +1,4"
        )
    )
    assert series.changed_lines(given) == Counter({b"x\0": 1, b"x\0-old": 1, b"x\0+new": 2})


def test_the_same_patches_pair_in_place() -> None:
    patches = [change("a", "1", "2"), change("b", "1", "2"), change("c", "1", "2")]
    assert series.pair(lines(*patches), lines(*patches)) == [0, 1, 2]


def test_pairs_follow_content_not_place() -> None:
    a, b, c = change("a", "1", "2"), change("b", "1", "2"), change("c", "1", "2")
    assert series.pair(lines(a, b, c), lines(c, a, b)) == [2, 0, 1]


def test_one_more_and_one_fewer() -> None:
    a, b, new = change("a", "1", "2"), change("b", "1", "2"), change("n", "8", "9")
    assert series.pair(lines(a, b), lines(a, new, b)) == [0, None, 1]
    assert series.pair(lines(a, new, b), lines(a, b)) == [0, 2]


def test_a_changed_patch_still_pairs_if_a_third_is_shared() -> None:
    assert series.pair(lines(change("a", "1", "2")), lines(change("a", "1", "3"))) == [0]
    assert series.pair(lines(change("a", "1", "2")), lines(change("b", "1", "2"))) == [None]


def test_equal_likeness_goes_by_place() -> None:
    same = change("a", "1", "2")
    assert series.pair(lines(same, same, same), lines(same, same, same)) == [0, 1, 2]


def test_nothing_to_pair() -> None:
    assert series.pair([], lines(change("a", "1", "2"))) == [None]
    assert series.pair(lines(change("a", "1", "2")), []) == []
    assert series.pair([Counter()], [Counter()]) == [None]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(1, 3)), max_size=5
    ),
    st.lists(
        st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(1, 3)), max_size=5
    ),
)
def test_no_old_patch_is_taken_twice(
    old: list[dict[bytes, int]], new: list[dict[bytes, int]]
) -> None:
    before, after = [Counter(x) for x in old], [Counter(x) for x in new]
    pairs = series.pair(before, after)
    taken = [p for p in pairs if p is not None]
    assert len(pairs) == len(after)
    assert len(set(taken)) == len(taken)
    for number, place in enumerate(pairs):
        if place is not None:
            shared = sum((before[place] & after[number]).values())
            assert shared * 3 >= sum((before[place] | after[number]).values()) > 0
    for number, lines_ in enumerate(after):
        if pairs[number] is None and lines_:
            assert all(old_lines != lines_ or at in taken for at, old_lines in enumerate(before))
