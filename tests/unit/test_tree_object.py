"""One tree object: look-ups, edits and comparison agree with a plain dictionary, in git's order of entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.errors import CorruptObject
from uet_git.model.records import EXECUTABLE, GITLINK, REGULAR, SYMLINK, TREE
from uet_git.plumbing.tree import Tree, TreeEntry, changed_entries, read_entries

NAMES = st.one_of(
    st.sampled_from([b"a", b"a.b", b"a-b", b"a0", b"ab", b"b", b"zz100644 a", b"x y", b"\xff"]),
    st.binary(min_size=1, max_size=3).filter(
        lambda n: not set(n) & {0, 47} and n not in (b".", b"..")
    ),
)
ENTRIES = st.tuples(
    st.sampled_from([REGULAR, EXECUTABLE, SYMLINK, GITLINK, TREE]),
    st.sampled_from(["61" * 20, "00" * 20, "2f" * 20, "20" * 19 + "00", "ff" * 20]),
)
TREES = st.dictionaries(NAMES, ENTRIES, max_size=12)
EDITS = st.dictionaries(NAMES, st.none() | ENTRIES, max_size=5)


def raw(entries: dict[bytes, TreeEntry]) -> bytes:
    """The rule of git: sorted by name, directories as if they ended in a slash."""
    order = sorted(
        entries.items(), key=lambda item: item[0] + (b"/" if item[1][0] == TREE else b"")
    )
    return b"".join(b"%o %b\0%b" % (mode, name, bytes.fromhex(oid)) for name, (mode, oid) in order)


@given(TREES)
def test_look_ups(entries: dict[bytes, TreeEntry]) -> None:
    tree = Tree(raw(entries))
    assert len(tree) == len(entries)
    assert tree.entries() == entries
    for name in (*entries, b"absent"):
        assert tree.find(name) == entries.get(name)


@given(TREES, EDITS, EDITS)
def test_edits_and_differences(
    entries: dict[bytes, TreeEntry],
    first: dict[bytes, TreeEntry | None],
    second: dict[bytes, TreeEntry | None],
) -> None:
    start = Tree(raw(entries))
    tree, now = start, dict(entries)
    for edits in (first, second):
        tree = tree.edit(edits)
        now = {n: e for n, e in {**now, **edits}.items() if e is not None}
        assert tree.raw == raw(now)
        assert tree.entries() == now
        for name in now:
            assert tree.find(name) == now[name]
    expected = [
        (n, entries.get(n), now.get(n))
        for n in sorted({*entries, *now})
        if entries.get(n) != now.get(n)
    ]
    assert changed_entries(start, tree) == expected
    assert changed_entries(start, Tree(tree.raw)) == expected


def test_a_name_that_ends_like_an_entry_does_not_mislead_the_comparison() -> None:
    old, new = {b"a": (REGULAR, "61" * 20)}, {b"zz100644 a": (REGULAR, "61" * 20)}
    found = changed_entries(Tree(raw(old)), Tree(raw(new)))
    assert found == [(b"a", old[b"a"], None), (b"zz100644 a", None, new[b"zz100644 a"])]


def test_replacing_ids_keeps_the_positions() -> None:
    tree = Tree(raw({b"%d" % n: (REGULAR, "61" * 20) for n in range(50)}))
    edited = tree.edit({b"7": (EXECUTABLE, "62" * 20)})
    assert edited.places is tree.places
    assert edited.find(b"7") == (EXECUTABLE, "62" * 20)
    assert tree.find(b"7") == (REGULAR, "61" * 20)


@pytest.mark.parametrize("name", [b"", b".", b"..", b".git", b".GIT", b"a/b", b"a\0b"])
def test_no_edit_makes_a_malformed_tree(name: bytes) -> None:
    with pytest.raises(ValueError):
        Tree(b"").edit({name: (REGULAR, "61" * 20)})


@pytest.mark.parametrize(
    "text",
    [
        b"x",
        b"100644 a\0short",
        b"100644 a" + b"\0" * 20,
        b"100644 \0" + b"1" * 20,
        raw({b"a": (TREE, "61" * 20)}) * 2,
    ],
)
def test_damaged_bytes_are_an_error(text: bytes) -> None:
    with pytest.raises(CorruptObject):
        Tree(text).find(b"a")


def test_sha256_ids_are_32_bytes() -> None:
    text = b"100644 a\0" + b"\x61" * 32
    assert read_entries(text, 32) == {b"a": (REGULAR, "61" * 32)}
    assert Tree(text, 32).edit({b"b": (REGULAR, "62" * 32)}).find(b"b") == (REGULAR, "62" * 32)


def test_what_was_spliced_is_kept_where_that_is_little() -> None:
    """A tree that was made anew, or is small, is not told by what was replaced."""
    large = Tree(raw({b"%03d" % n: (REGULAR, "61" * 20) for n in range(600)}))
    other = (REGULAR, "62" * 20)
    few = large.edit({b"003": other, b"500": None})
    assert [s[2] for s in few.splices] == [b"003", b"500"]
    assert few.weight > len(few.raw) + 2 * 200
    assert not large.edit({b"%03d" % n: other for n in range(600)}).splices
    small = Tree(raw({b"%03d" % n: (REGULAR, "61" * 20) for n in range(60)}))
    assert not small.edit({b"003": other}).splices
