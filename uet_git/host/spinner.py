"""One line that lives on the terminal of a person who waits for a hook; nothing where stderr is no terminal."""

import os
import sys
from contextlib import suppress
from typing import Final

_FRAMES: Final = "|/-\\"
_WIDEST: Final = 70


class Spinner:
    """Shows words, and takes them away again before anything else is said."""

    def __init__(self) -> None:
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self.is_live = terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._turn = 0
        self._shown = False

    def show(self, words: str) -> None:
        """Shows words, which are safe to print, in place of those before."""
        if self.is_live:
            self._turn += 1
            self._write(f"\r{_FRAMES[self._turn % len(_FRAMES)]} {words[:_WIDEST]}\x1b[K")
            self._shown = True

    def clear(self) -> None:
        """The line is empty again."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
