"""The terminal of a person who waits at one, also where stdin and stdout are somebody else's, as in a git hook."""

import os
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Self

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


def size() -> tuple[int, int]:
    """Columns and rows of the terminal on stdout; 80 and 24 where it does not say."""
    with suppress(OSError, ValueError, AttributeError):
        found = os.get_terminal_size(sys.stdout.fileno())
        if found.columns and found.lines:
            return found.columns, found.lines
    return 80, 24


_PAUSE: Final = 0.1  # seconds that the rest of a key's sequence may take, also over ssh
_LOOK: Final = 0.5  # seconds between two looks at the terminal's size
_NAMED: Final = {
    **{"A": "up", "B": "down", "H": "home", "F": "end"},
    **{"5~": "page up", "6~": "page down", "1~": "home", "4~": "end", "7~": "home", "8~": "end"},
}
_PLAIN: Final = {
    **{"\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace"},
    **{
        "\x06": "page down",
        "\x02": "page up",
        "\x15": "erase",
        "\x04": "end of input",
        " ": "space",
    },
}


class Keyboard:
    """Single keys of the terminal on stdin, unechoed. Ctrl-C stays a signal; Ctrl-Z gives the terminal back until `fg`.

    `shown` is called with True when the terminal is taken, and with False when it is given back.
    """

    def __init__(self, shown: Callable[[bool], None]) -> None:
        self._fd = sys.stdin.fileno()
        self._shown = shown
        self._typed = ""
        self._size = size()
        self._saved = termios.tcgetattr(self._fd)
        self._stopped: object = signal.SIG_DFL

    def __enter__(self) -> Self:
        self._stopped = signal.signal(signal.SIGTSTP, self._stop)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, self._stopped)  # type: ignore[arg-type]

    def read(self) -> str:
        """One key: a character, or the name of one (`up`, `enter`, ...); `resize` when the terminal has another size.

        Raises: EOFError if the terminal is gone.
        """
        while not self._typed:
            if select.select([self._fd], [], [], _LOOK)[0]:
                self._more()
            elif self._resized():
                return "resize"
        first, self._typed = self._typed[0], self._typed[1:]
        if first == "\x1b":
            return self._sequence()
        return _PLAIN.get(first, first if first.isprintable() else "")

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The terminal as it was, for something else that is shown there."""
        self._give_back()
        try:
            yield
        finally:
            self._take()
            self.forget()

    def forget(self) -> None:
        """Drops what was typed ahead: it was not meant for what is shown next."""
        self._typed = ""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def _more(self) -> None:
        data = os.read(self._fd, _LONGEST)
        if not data:
            raise EOFError
        while data[-1] >= 0x80 and select.select([self._fd], [], [], _PAUSE)[0]:
            data += os.read(self._fd, 1)  # the rest of a character
        self._typed += data.decode("utf-8", "replace")

    def _sequence(self) -> str:
        """The key that sends what begins with ESC; `escape` for that alone."""
        if not self._typed and select.select([self._fd], [], [], _PAUSE)[0]:
            self._more()
        if self._typed[:1] not in ("[", "O"):
            return "escape"
        end = 1
        while end < len(self._typed) and not "@" <= self._typed[end] <= "~":
            end += 1
        sent, self._typed = self._typed[1 : end + 1], self._typed[end + 1 :]
        return _NAMED.get(sent, "")

    def _resized(self) -> bool:
        was, self._size = self._size, size()
        return self._size != was

    def _take(self) -> None:
        mode = termios.tcgetattr(self._fd)
        mode[3] &= ~(termios.ECHO | termios.ICANON)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
        self._shown(True)

    def _give_back(self) -> None:
        self._shown(False)
        with suppress(termios.error):
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def _stop(self, number: int, frame: object) -> None:  # noqa: ARG002 - signal's signature
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self._size = (0, 0)  # drawn again at the next look
