"""What the hooks' shortcut takes for harmless, the safety rules have nothing to say about (DESIGN 7.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.model import paths, plainpath
from uet_git.model.records import REGULAR, TreeChange
from uet_git.model.settings import Limits

_PARTS = st.sampled_from(
    [
        b"a",
        b"B",
        b"..",
        b".",
        b".git",
        b".GIT",
        b"git~1",
        b"con",
        b"Aux.c",
        b"com1",
        b"x.",
        b"",
        b".ledger",
        b"-r",
    ]
)
_NAMES = st.one_of(_PARTS, st.text(alphabet="aA.~:\\ \u0301-_+@=,0", max_size=6).map(str.encode))


@given(st.lists(_NAMES, min_size=1, max_size=20).map(b"/".join))
def test_what_is_plain_is_safe(path: bytes) -> None:
    if plainpath.is_plain(path):
        change = TreeChange(path, 0, "", REGULAR, "1" * 40)
        found = paths.judge_changes(
            [change],
            Limits(),
            lookup=lambda _: (0, ""),
            names=lambda _: (),
            read_blob=lambda _: b"",
        )
        assert found == []


@pytest.mark.parametrize(
    "path", [b"a", b"src/uet_git/x.py", b".github/x", b"a-b/c+d@e=f,g", b"Makefile"]
)
def test_ordinary_names(path: bytes) -> None:
    assert plainpath.is_plain(path) is not path.startswith(b".git")
