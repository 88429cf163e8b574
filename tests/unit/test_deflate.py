"""Deflating ahead: what is taken is the data's zlib stream, whoever made it and whenever the thread began."""

import random
import zlib

import pytest

from uet_git.plumbing import deflate
from uet_git.plumbing.deflate import Deflater


def _pieces(count: int, size: int) -> dict[str, bytes]:
    made = random.Random(7)
    return {str(n): made.randbytes(size // 2) * 2 for n in range(count)}


@pytest.mark.parametrize("worth", [1, 100_000, 1 << 30])
def test_every_piece_is_what_zlib_makes_of_it(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "_WORTH", worth)
    pieces = _pieces(60, 6000)
    pieces["small"] = b"x" * 100
    for _ in range(2):  # once more after `close`
        deflater = Deflater()
        deflater._alone = False
        for key, data in pieces.items():
            deflater.add(key, data)
            deflater.add(key, data)
        assert (deflater._thread is not None) is (worth < 1 << 30)
        for key in ("3", "50"):
            deflater.drop(key)
        order = list(pieces)
        random.Random(3).shuffle(order)
        for key in order:
            assert deflater.take(key, pieces[key]) == zlib.compress(pieces[key], 1)
        assert not deflater._done
        deflater.close()
        assert deflater._thread is None
        deflater.add("again", pieces["1"])
        assert zlib.decompress(deflater.take("again", pieces["1"])) == pieces["1"]
        deflater.close()


def test_with_one_core_nothing_is_handed_over() -> None:
    deflater = Deflater()
    deflater._alone = True
    deflater.add("a", b"y" * 5_000_000)
    assert deflater._thread is None
    assert zlib.decompress(deflater.take("a", b"y" * 9)) == b"y" * 9
