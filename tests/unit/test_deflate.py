"""Deflating ahead: each piece is deflated once, by whichever thread comes first, and what is dropped leaves nothing."""

import random
import threading
import time
import zlib
from collections import Counter

import pytest

from uet_git.plumbing import deflate
from uet_git.plumbing.deflate import Deflater

PIECES = {str(n): random.Random(n).randbytes(3000) * 2 for n in range(60)}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[bytes, bool]]:
    """How often each piece was deflated, and whether by the thread that works ahead."""
    found: Counter[tuple[bytes, bool]] = Counter()
    real = zlib.compress

    def compress(data: bytes, level: int) -> bytes:
        found[data, threading.current_thread() is not threading.main_thread()] += 1
        return real(data, level)

    monkeypatch.setattr(deflate.zlib, "compress", compress)
    return found


def _deflater(worth: int, monkeypatch: pytest.MonkeyPatch) -> Deflater:
    monkeypatch.setattr(deflate, "_WORTH", worth)
    found = Deflater()
    found._alone = False
    return found


def _until(count: int, deflater: Deflater) -> None:
    give_up = time.monotonic() + 20
    while len(deflater._done) < count and time.monotonic() < give_up:
        time.sleep(0.001)
    assert len(deflater._done) == count


@pytest.mark.parametrize("worth", [1, 100_000])
def test_what_waited_long_enough_is_taken_as_it_is(
    worth: int, done: Counter[tuple[bytes, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deflater = _deflater(worth, monkeypatch)
    for _ in range(2):  # once more after `close`
        done.clear()
        for key, data in PIECES.items():
            deflater.add(key, data)
            deflater.add(key, data)
        _until(len(PIECES), deflater)
        assert done == {(data, True): 1 for data in PIECES.values()}
        for key, data in PIECES.items():
            assert zlib.decompress(deflater.take(key, data)) == data
        assert sum(done.values()) == len(PIECES)
        deflater.close()
        assert deflater._thread is None


def test_nothing_is_deflated_twice_when_both_are_at_it(
    done: Counter[tuple[bytes, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deflater = _deflater(1, monkeypatch)
    for key, data in PIECES.items():
        deflater.add(key, data)
    for key in reversed(PIECES):
        assert zlib.decompress(deflater.take(key, PIECES[key])) == PIECES[key]
    assert sum(done.values()) <= len(PIECES) + 1  # the one that the thread had in hand
    deflater.close()


def test_little_is_deflated_when_it_is_taken(
    done: Counter[tuple[bytes, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deflater = _deflater(1 << 30, monkeypatch)
    for key, data in PIECES.items():
        deflater.add(key, data)
    assert deflater._thread is None
    assert not done
    assert zlib.decompress(deflater.take("7", PIECES["7"])) == PIECES["7"]
    assert done == {(PIECES["7"], False): 1}


def test_what_is_dropped_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    deflater = _deflater(1, monkeypatch)
    for key, data in PIECES.items():
        deflater.add(key, data * 20)
        deflater.drop(key)
    deflater.add("last", b"x" * 5000)
    assert zlib.decompress(deflater.take("last", b"x" * 5000)) == b"x" * 5000
    assert not deflater._done
    deflater.close()


def test_with_one_core_nothing_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    deflater = _deflater(1, monkeypatch)
    deflater._alone = True
    deflater.add("a", b"y" * 5_000_000)
    assert deflater._thread is None
    assert zlib.decompress(deflater.take("a", b"y" * 9)) == b"y" * 9
