"""The terminal of a person who waits at one, also where stdin and stdout are somebody else's, as in a git hook."""

import os
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

PATIENCE: Final = 120.0  # seconds
_LONGEST: Final = 1000  # bytes of an answer


def ask(lines: Sequence[str], question: str, *, patience: float = PATIENCE) -> bool | None:
    """Shows lines, which are safe to print, and asks; anything but `y` or `yes` in time is no.

    None if nobody is there to answer: stderr is no terminal, or this is not its foreground.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(fd) != os.getpgrp():
            return None
        os.write(fd, "".join(f"{line}\n" for line in (*lines, "")).encode("utf-8", "replace"))
        os.write(fd, f"{question} [y/N] ".encode())
        return _answer(fd, patience) in (b"y", b"yes")
    except OSError:
        return None
    finally:
        os.close(fd)


def _answer(fd: int, patience: float) -> bytes:
    """One typed line; empty where none comes."""
    ready = select.select([fd], [], [], patience)[0]
    if not ready:
        with suppress(OSError):
            os.write(fd, b"\n")
        return b""
    return os.read(fd, _LONGEST).strip().lower()
