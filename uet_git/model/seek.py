"""Looks for long text in text: `bytes.find` makes tables of a long needle first, which rarely pays."""

from typing import Final

_PROBE: Final = 64  # bytes; below a hundred no tables are made
_TRIES: Final = 4


def seek(data: bytes, text: bytes, start: int) -> int:
    """`data.find(text, start)`."""
    if len(text) <= _PROBE:
        return data.find(text, start)
    probe, at = text[:_PROBE], start
    for _ in range(_TRIES):
        at = data.find(probe, at)
        if at < 0 or data.startswith(text, at):
            return at
        at += 1
    return data.find(text, at)
