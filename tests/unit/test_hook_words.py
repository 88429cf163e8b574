"""What hooks write down is read back, and what is no line of theirs is left out; a listing says what it was given."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.model import journal, treechange
from uet_git.model.journal import Hit, Report, Rewritten
from uet_git.model.records import TreeChange

A, B = "a" * 40, "b" * 64


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"post-commit 12 {A} /w/with space/.git",
            Report("post-commit", 12, A, "/w/with space/.git"),
        ),
        ("post-merge 12 - /w/.git", Report("post-merge", 12, None, "/w/.git")),
        (f"hit 3 {A} {B} none /w/.git", Hit(3, A, B, "none", "/w/.git")),
        (f"rewrite amend {A} {B}", Rewritten("amend", A, B)),
        (f"rewrite other {A} {B}", None),
        (f"post-commit x {A} /w", None),
        ("post-commit 1 HEAD /w", None),
        (f"hit 3 {A} short none /w", None),
        (f"rewrite amend {A}", None),
        ("", None),
        ("something else", None),
    ],
)
def test_a_line_of_the_journal(line: str, expected: journal.Line | None) -> None:
    assert journal.read([line]) == ([] if expected is None else [expected])


@given(st.lists(st.text()))
def test_no_text_is_too_much(lines: list[str]) -> None:
    journal.read(lines)


oids = st.text(string.hexdigits.lower()[:16], min_size=40, max_size=40).filter(
    lambda t: t.strip("0")
)
paths = st.binary(min_size=1, max_size=30).filter(lambda p: b"\0" not in p)
modes = st.sampled_from([0o100644, 0o100755, 0o120000, 0o160000])


@st.composite
def changes(draw: st.DrawFn) -> TreeChange:
    old, new = draw(st.sampled_from([(0, 1), (1, 0), (1, 1)]))
    return TreeChange(
        draw(paths),
        draw(modes) if old else 0,
        draw(oids) if old else "",
        draw(modes) if new else 0,
        draw(oids) if new else "",
    )


@given(oids, oids, st.lists(changes(), max_size=5))
def test_a_listing_is_read_as_it_was_written(base: str, tree: str, found: list[TreeChange]) -> None:
    data = treechange.write(base, tree, found)
    assert treechange.is_listing(data)
    assert treechange.read(data) == (base, tree, found)
    assert [c.path for c in treechange.as_patch(found).changes] == [c.path for c in found]


@pytest.mark.parametrize(
    "data", [b"", b"diff --git a/x b/x\n", b"tree change a b\n:0\0", b"tree change a\n"]
)
def test_what_is_no_listing(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        treechange.read(data)
