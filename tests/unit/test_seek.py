"""Looking for long text finds what `bytes.find` finds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model.seek import seek


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_it_finds_what_find_finds(data: st.DataObject) -> None:
    few = st.text("ab\n", max_size=12).map(str.encode)
    unit = data.draw(few)
    text = unit * data.draw(st.integers(0, 40)) + data.draw(few)
    around = [data.draw(few) * data.draw(st.integers(0, 30)) for _ in range(4)]
    whole = around[0] + text[: data.draw(st.integers(0, 300))] + around[1] + text + around[2] + text
    start = data.draw(st.integers(-3, len(whole) + 3))
    assert seek(whole, text, max(start, 0)) == whole.find(text, max(start, 0))
    assert seek(whole, text + b"x", 0) == -1


@pytest.mark.parametrize("before", range(8))
def test_behind_many_that_begin_alike(before: int) -> None:
    alike, text = b"a" * 100 + b"b\n", b"a" * 100 + b"c\n"
    whole = alike * before + text + alike
    assert seek(whole, text, 0) == whole.find(text) == len(alike) * before
    assert seek(whole, text, len(alike) * before + 1) == -1
