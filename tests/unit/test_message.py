"""Rule: a message is cleaned, signed and given trailers without touching any other byte of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.model import message

PERSON = (b"A U Thor", b"a@example.com")


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (b"", b""),
        (b" \n\t\n", b""),
        (b"a", b"a\n"),
        (b"\n\na  \n\n\n\nb\r\n \n", b"a\n\nb\n"),
        (b"#kept\n", b"#kept\n"),
        (b" indented\n", b" indented\n"),
    ],
)
def test_clean(raw: bytes, cleaned: bytes) -> None:
    assert message.clean(raw) == cleaned


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\n", b"\r", b"\xe9"])).map(b"".join))
def test_cleaning_twice_changes_nothing(raw: bytes) -> None:
    once = message.clean(raw)
    assert message.clean(once) == once


def test_title_joins_the_first_paragraph() -> None:
    assert message.title(b"one\ntwo\n\nthree\n") == b"one two"
    assert message.title(b"") == b""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"title\n", b"title\n\nK: v\n"),
        (b"title", b"title\n\nK: v\n"),
        (b"title\n\nbody\n", b"title\n\nbody\n\nK: v\n"),
        (b"title\n\nAcked-by:x\n", b"title\n\nAcked-by:x\nK: v\n"),
        (b"title\n\nK: v\n", b"title\n\nK: v\nK: v\n"),
        (b"title\n\nA: b\nprose\n", b"title\n\nA: b\nprose\n\nK: v\n"),
        (b"title\n\nSigned-off-by: x\nprose\n", b"title\n\nSigned-off-by: x\nprose\nK: v\n"),
        (b"title\n\nA: b\n folded\n", b"title\n\nA: b\n folded\nK: v\n"),
        (b"title\n\nA: b\n# comment\n", b"title\n\nA: b\nK: v\n# comment\n"),
        (b"Title: looks like one\n", b"Title: looks like one\n\nK: v\n"),
        (b"", b"\nK: v\n"),
    ],
)
def test_with_trailer(before: bytes, after: bytes) -> None:
    assert message.with_trailer(before, b"K", b"v") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"t\n\nUet-Patch: 1\n", b"t\n\nUet-Patch-Origin: 1\n"),
        (b"t\n\nuet-patch : 1\n  2\nA: b\n", b"t\n\nUet-Patch-Origin : 1\n  2\nA: b\n"),
        (
            b"t\n\nA:b\nUet-Patch:1\nUet-Patch:2\n",
            b"t\n\nA:b\nUet-Patch-Origin:1\nUet-Patch-Origin:2\n",
        ),
        (b"t\n\nUet-Patch: 1\n\nbody\n", b"t\n\nUet-Patch: 1\n\nbody\n"),
        (b"t\n\nUet-Patch: 1\nprose\n", b"t\n\nUet-Patch: 1\nprose\n"),
        (b"Uet-Patch: 1\n", b"Uet-Patch: 1\n"),
        (b"t\n\nUet-Patch-Origin: 1\n", b"t\n\nUet-Patch-Origin: 1\n"),
    ],
)
def test_rename_trailer(before: bytes, after: bytes) -> None:
    assert message.rename_trailer(before, b"Uet-Patch", b"Uet-Patch-Origin") == after


def test_an_incoming_trailer_can_never_be_read_as_ours() -> None:
    hostile = b"t\n\nSigned-off-by: x <y>\nUet-Patch: forged\n"
    ours = message.with_trailer(
        message.rename_trailer(hostile, b"Uet-Patch", b"Uet-Patch-Origin"), b"Uet-Patch", b"true"
    )
    assert message.read_trailer(ours, b"Uet-Patch") == [b"true"]
    assert message.read_trailer(ours, b"uet-patch-origin") == [b"forged"]


@given(
    st.lists(
        st.sampled_from(
            [
                b"\n",
                b"text\n",
                b"A: b\n",
                b" c\n",
                b"Uet-Patch: forged\n",
                b"Signed-off-by: x\n",
                b"#c\n",
                b"Conflicts:\n",
                b"\tf\n",
            ]
        )
    ).map(b"".join)
)
def test_our_trailer_is_read_back_from_any_message(body: bytes) -> None:
    renamed = message.rename_trailer(
        message.clean(b"t\n\n" + body), b"Uet-Patch", b"Uet-Patch-Origin"
    )
    assert message.read_trailer(
        message.with_trailer(renamed, b"Uet-Patch", b"1"), b"Uet-Patch"
    ) == [b"1"]


def test_read_trailer_unfolds() -> None:
    assert message.read_trailer(b"t\n\nA: b\n  c\nA:d\n", b"a") == [b"b c", b"d"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"t\n", b"t\n\nSigned-off-by: A U Thor <a@example.com>\n"),
        (
            b"t\n\nSigned-off-by: A U Thor <a@example.com>\n",
            b"t\n\nSigned-off-by: A U Thor <a@example.com>\n",
        ),
        (b"t\n\nAcked-by: x\n", b"t\n\nAcked-by: x\nSigned-off-by: A U Thor <a@example.com>\n"),
        (b"", b"\n\nSigned-off-by: A U Thor <a@example.com>\n"),
    ],
)
def test_sign_off(before: bytes, after: bytes) -> None:
    assert message.sign_off(before, *PERSON) == after


def test_a_commit_object_cannot_be_given_header_lines_by_a_name() -> None:
    content = message.commit_object(
        "0" * 40, [], (b"A\nparent x", b"a>\n<b"), b"0 +0000", PERSON, b"0 +0000", b"m\n"
    )
    assert content.split(b"\n")[1] == b"author Aparent x <ab> 0 +0000"


def test_a_commit_object_is_utf8() -> None:
    content = message.commit_object(
        "0" * 64,
        ["1" * 64],
        (b"J\xf6rg", b"a"),
        b"0 +0000",
        PERSON,
        b"0 +0000",
        b"caf\xe9\n",
        b"sig\n\nx\n",
    )
    assert "author Jörg <a>".encode() in content
    assert content.endswith("gpgsig-sha256 sig\n \n x\n\ncafé\n".encode())
