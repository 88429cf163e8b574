"""UTC now, monotonic seconds, and ULIDs (48 bits of ms since the epoch, 80 random bits, Crockford base 32)."""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOW = (1 << 20) - 1
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


class Clock:
    """The only source of time and chance. Tests pass a subclass with its own `time_ns`."""

    def __init__(self) -> None:
        self._last_ms = -1
        self._high, self._low = (
            0,
            0,
        )  # of the last ULID: its first 108 bits, and the 20 that count up
        self._stamp = ("", -1)
        self._second = ("", -1)
        self._head = ""

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def now(self) -> str:
        """UTC, ISO 8601 with milliseconds: `2026-01-31T12:00:00.000Z`."""
        ms = self.time_ns() // 1_000_000
        if self._stamp[1] != ms:
            second = ms // 1000
            if self._second[1] != second:
                text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
                self._second = (text, second)
            self._stamp = (f"{self._second[0]}.{ms % 1000:03d}Z", ms)
        return self._stamp[0]

    def ulid(self) -> str:
        """A new ULID; those of one clock ascend even within a millisecond and when the time goes back."""
        ms = self.time_ns() // 1_000_000
        if ms > self._last_ms:
            self._last_ms = ms
            self._begin((ms << 80) | int.from_bytes(os.urandom(10), "big") >> 1)
        elif self._low < _LOW:
            self._low += 1
        else:
            self._begin((self._high + 1) << 20)
        return f"{self._head}{_PAIRS[self._low >> 10]}{_PAIRS[self._low & 1023]}"

    def _begin(self, value: int) -> None:
        """Goes on from this value; its first 22 letters stay the same for a while."""
        self._high, self._low = high, _ = divmod(value, _LOW + 1)
        self._head = "".join([_PAIRS[(high >> shift) & 1023] for shift in range(100, -1, -10)])


def moment(seconds: float) -> str:
    """A time in seconds since the epoch as `Clock.now` writes it."""
    ms = int(seconds * 1000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000))
    return f"{text}.{ms % 1000:03d}Z"


def age(moment: str) -> float:
    """Seconds since a moment as `Clock.now` writes it."""
    import calendar  # a start pays for what it loads; strptime below loads it as well

    return time.time() - calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def later(seconds: float) -> str:
    """The moment so many seconds from now, as `Clock.now` writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))
