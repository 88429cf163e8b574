"""Where a hunk stops fitting, in one phrase that is safe to print."""

import time

import pytest

from uet_git.model.mismatch import mismatch
from uet_git.model.records import Hunk

BASE = b"".join(b"%d\n" % n for n in range(1, 21))


def hunk(old: bytes, start: int) -> Hunk:
    count = old.count(b"\n") + (not old.endswith(b"\n"))
    return Hunk(start, count, start, count, old, b"", 0, 0, b"", 1)


@pytest.mark.parametrize(
    ("old", "start", "base", "said"),
    [
        (b"4\n5\nsix\n7\n", 4, BASE, "line 6 is `6`, the patch expects `six`"),
        (b"4\n5\nsix\n7\n", 9, BASE, "line 6 is `6`, the patch expects `six`"),
        (b"none\n", 3, BASE, "line 3 is `3`, the patch expects `none`"),
        (b"19\n20\n21\n", 19, BASE, "the file ends before line 21, the patch expects `21`"),
        (b"x\n", 300, BASE, "the file ends before line 300, the patch expects `x`"),
        (b"1\n", 1, b"", "the file is empty"),
        (b"", 0, BASE, "the file is not empty"),
        (b"20\n", 1, BASE, "its place is not where the patch says, or is followed by other lines"),
        (
            b"return a\nreturn b\nreturn d\n",
            1,
            b"x\ny\nz\nreturn  a\nreturn b\nreturn c\n",
            "line 1 is `x`, the patch expects `return a`; similar text is at line 4",
        ),
        (
            b"def f():\n  return a\n  pass\n",
            1,
            b"def f():\n    return a\n  pass\n",
            "line 2 is `    return a`, the patch expects `  return a`; only blanks differ",
        ),
        (
            b"total = count(things)\n",
            1,
            b"a\nb\ntotal = counted(things)\nc\n",
            "line 1 is `a`, the patch expects `total = count(things)`; a similar line is line 3",
        ),
        (
            b"total = count(things)\n",
            3,
            b"a\nb\ntotal = counted(things)\nc\n",
            "line 3 is `total = counted(things)`, the patch expects `total = count(things)`",
        ),
        (b"a\r\n", 1, b"a\n", "line 1 is `a`, the patch expects `a\\r`"),
        (
            b"\x1b]0;x\x07\xff\xe2\x80\xae\n",
            1,
            b"a\n",
            "line 1 is `a`, the patch expects `\\x1b]0;x\\x07\\xff\\u202e`",
        ),
        (b"w" * 100 + b"\n", 1, b"a\n", "line 1 is `a`, the patch expects `" + "w" * 60 + "...`"),
    ],
)
def test_the_first_line_that_differs(old: bytes, start: int, base: bytes, said: str) -> None:
    assert mismatch(hunk(old, start), base) == said


@pytest.mark.parametrize(
    ("old", "base"),
    [
        (b"same line of text\n" * 5_000 + b"x\n", b"same line of text\n" * 100_000),
        (b"".join(b"abcdefghij%d\n" % n for n in range(300)), b"abcdefghji\n" * 19_000),
        (b"ab" * 400_000 + b"\n", b"ba" * 400_000 + b"\n"),
    ],
)
def test_it_is_cheap(old: bytes, base: bytes) -> None:
    """Also where everything is like everything."""
    began = time.process_time()
    mismatch(hunk(old, 50_000), base)
    assert time.process_time() - began < 0.5
