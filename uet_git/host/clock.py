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
        self._random = self._low = 0  # 60 bits that rarely change, and 20 that count up
        self._time = self._middle = ""  # the letters of the time and of the 60 bits
        self._stamp = ("", -1)
        self._second = ("", -1)

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
        """A new ULID; those of one clock ascend even within a millisecond and when the time goes back.

        Its random bits are drawn once for a clock and count up from there.
        """
        ms = self.time_ns() // 1_000_000
        if ms > self._last_ms:
            self._last_ms = ms
            self._time = _letters(ms, 5)
        self._low += 1
        if self._low > _LOW or not self._middle:
            self._turn()
        return f"{self._time}{self._middle}{_PAIRS[self._low >> 10]}{_PAIRS[self._low & 1023]}"

    def _turn(self) -> None:
        """The 20 bits are used up, or nothing was drawn yet: half of all values are left to count up to."""
        if self._middle:
            self._random, self._low = self._random + 1, 0
        else:
            drawn = int.from_bytes(os.urandom(10), "big") >> 1
            self._random, self._low = drawn >> 20, drawn & _LOW
        self._middle = _letters(self._random, 6)


def _letters(value: int, pairs: int) -> str:
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(10 * pairs - 10, -1, -10)])


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
