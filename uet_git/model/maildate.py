"""Dates of mails, read as `git am` reads them (date.c's grammar), without its guesses from today's date."""

import re
import time
from typing import Final

from uet_git.model.pattern import late

_MONTHS: Final = (
    *(b"january", b"february", b"march", b"april", b"may", b"june", b"july"),
    *(b"august", b"september", b"october", b"november", b"december"),
)
_WEEKDAYS: Final = (
    b"sunday",
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
)
_ZONES: Final = {
    **{
        b"idlw": -12,
        b"nt": -11,
        b"cat": -10,
        b"hst": -10,
        b"hdt": -9,
        b"yst": -9,
        b"ydt": -8,
        b"pst": -8,
    },
    **{
        b"pdt": -7,
        b"mst": -7,
        b"mdt": -6,
        b"cst": -6,
        b"cdt": -5,
        b"est": -5,
        b"edt": -4,
        b"ast": -3,
    },
    **{
        b"adt": -2,
        b"wat": -1,
        b"gmt": 0,
        b"utc": 0,
        b"z": 0,
        b"wet": 0,
        b"bst": 1,
        b"cet": 1,
        b"met": 1,
    },
    **{b"mewt": 1, b"mest": 2, b"cest": 2, b"mesz": 2, b"fwt": 1, b"fst": 2, b"eet": 2, b"eest": 3},
    **{
        b"wast": 7,
        b"wadt": 8,
        b"cct": 8,
        b"jst": 9,
        b"east": 10,
        b"eadt": 11,
        b"gst": 10,
        b"nzt": 12,
    },
    **{b"nzst": 12, b"nzdt": 13, b"idle": 12},
}
"""Hours east of UTC, summer time included, in the order in which a shortened name is looked up."""

_DAYS_BEFORE: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_MONTH_OF: Final = {name[:3].title(): i for i, name in enumerate(_MONTHS)}
_USUAL: Final = late(
    rb"(?:[A-Z][a-z]{2}, )?([0-9]{1,2}) ([A-Z][a-z]{2}) ((?:19[789]|20[0-9])[0-9])"
    rb" ([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]) ([+-])([01][0-9]|2[0-3])([0-5][0-9])"
)
_RAW: Final = late(rb"@([0-9]{1,18}) ([+-])([0-9]{2})([0-9]{2})")
_TOKEN: Final = late(
    rb"(?P<word>[A-Za-z]+)(?P<tail>[0-9]?)"
    rb"|(?P<number>[0-9]+)(?:(?P<sep>[:./-])(?P<second>[0-9]+)(?:(?P=sep)(?P<third>[0-9]+))?)?"
    rb"|(?P<sign>[+-])(?P<zone>[0-9]+)(?::(?P<minutes>[0-9]+))?"
)
_LATEST: Final = 4102444799  # 2099-12-31T23:59:59Z, the end of git's own calendar
_GIT_UNSET: Final = -1  # git takes the zone -0001 for none at all
_EPOCH_DIGITS: Final = 100_000_000  # a first number from here on is seconds since the epoch


class _UnclearError(Exception):
    """Not a date that git reads, or one that it could only guess."""


def parse(text: bytes) -> bytes | None:
    """Reads a date into git's raw form `<epoch seconds> <+hhmm>`; None if it cannot be read.

    A date without a zone is in the zone of this process, as in git. Source: git's date.c.
    """
    usual = _USUAL.fullmatch(text)
    if usual and usual[2] in _MONTH_OF and 0 < int(usual[1]) < 32:
        day, month, year, hour, minute, second, sign, zone_hour, zone_minute = usual.groups()
        stamp = _seconds(int(year), _MONTH_OF[month], int(day), int(hour), int(minute), int(second))
        zone = int(zone_hour) * 60 + int(zone_minute)
        if zone != -_GIT_UNSET or sign == b"+":
            return _raw(stamp, -zone if sign == b"-" else zone)
    reading = _Reading()
    try:
        return reading.of(text)
    except (_UnclearError, OverflowError, ValueError):
        return None


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    years = year - 1970
    if month < 2 or (years + 2) % 4:
        day -= 1
    days = years * 365 + (years + 1) // 4 + _DAYS_BEFORE[month] + day
    return days * 86400 + hour * 3600 + minute * 60 + second


def _raw(local: int, zone: int, *, is_utc: bool = False) -> bytes | None:
    stamp = local if is_utc else local - zone * 60
    if not 0 <= stamp <= _LATEST:
        return None
    hours, minutes = divmod(abs(zone), 60)
    return b"%d %c%02d%02d" % (stamp, b"-" if zone < 0 else b"+", hours, minutes)


class _Reading:
    """What has been read of one date so far; a field is None until some token gave it."""

    def __init__(self) -> None:
        self.year: int | None = None
        self.month: int | None = None  # 0 is January
        self.day: int | None = None
        self.clock: tuple[int, int, int] | None = None
        self.zone: int | None = None  # minutes east of UTC
        self.epoch: int | None = None

    def of(self, text: bytes) -> bytes | None:
        raw = _RAW.fullmatch(text)
        if raw:
            zone = int(raw[3]) * 60 + int(raw[4])
            return _raw(int(raw[1]), -zone if raw[2] == b"-" else zone, is_utc=True)
        at = 0
        while found := _TOKEN.search(text, at):
            if found["word"]:
                at = found.end("word")
                self._word(found["word"].lower(), alone=not found["tail"])
            elif found["sign"]:
                at = found.end()
                self._zone(found["sign"], found["zone"], found["minutes"])
            else:
                at = self._numbers(text, found)
        return self._result()

    def _result(self) -> bytes | None:
        if self.epoch is not None:
            if not self._untouched() or self.epoch > _LATEST:
                return None
            zone = _local_zone(self.epoch) if self.zone is None else self.zone
            return _raw(self.epoch, zone, is_utc=True)
        if self.year is None or self.month is None or self.day is None or self.clock is None:
            return None
        if not 1970 <= self.year < 2100:
            return None
        local = _seconds(self.year, self.month, self.day, *self.clock)
        return _raw(local, _local_zone(local) if self.zone is None else self.zone)

    def _word(self, word: bytes, *, alone: bool) -> None:
        if not alone:
            return
        if len(word) >= 3:
            for index, name in enumerate(_MONTHS):
                if name.startswith(word):
                    self.month = index
                    return
            if any(name.startswith(word) for name in _WEEKDAYS):
                return
        for name, hours in _ZONES.items():
            if name == word or (len(word) >= 3 and name.startswith(word)):
                self.zone = hours * 60 if self.zone is None else self.zone
                return
        if word in (b"am", b"pm"):
            if self.clock is None:
                raise _UnclearError
            hour, minute, second = self.clock
            self.clock = (hour % 12 + (12 if word == b"pm" else 0), minute, second)

    def _zone(self, sign: bytes, digits: bytes, minutes: bytes | None) -> None:
        if len(digits) == 4 and minutes is None:
            hour, minute = int(digits[:2]), int(digits[2:])
        elif len(digits) == 2 and (minutes is None or len(minutes) == 2):
            hour, minute = int(digits), int(minutes or 0)
        else:
            raise _UnclearError
        if hour >= 24 or minute >= 60:
            raise _UnclearError
        zone = -(hour * 60 + minute) if sign == b"-" else hour * 60 + minute
        if zone == _GIT_UNSET:
            raise _UnclearError
        self.zone = zone

    def _numbers(self, text: bytes, found: re.Match[bytes]) -> int:
        """Takes one number, or two or three joined by one separator; gives the offset behind what it took."""
        number = int(found["number"])
        if number >= _EPOCH_DIGITS and self.epoch is None and self._untouched():
            self.epoch = number
            return found.end("number")
        if found["sep"] == b":":
            self._set_clock(number, int(found["second"]), int(found["third"] or 0))
            return self._past_fraction(text, found.end())
        if found["sep"] and self._date(number, found):
            return found.end()
        at = found.end("number")
        if self._single(number, at - found.start()):
            return self._past_fraction(text, at)
        return at

    def _untouched(self) -> bool:
        fields = (self.year, self.month, self.day, self.clock)
        return all(field is None for field in fields)

    def _set_clock(self, hour: int, minute: int, second: int) -> None:
        if hour > 24 or minute > 59 or second > 60:
            raise _UnclearError
        self.clock = (hour, minute, second)

    def _past_fraction(self, text: bytes, at: int) -> int:
        fraction = re.compile(rb"\.[0-9]+").match(text, at)
        if not fraction:
            return at
        if self.year is None or self.month is None or self.day is None:
            raise _UnclearError
        return fraction.end()

    def _date(self, first: int, found: re.Match[bytes]) -> bool:
        """Year first if that number is above 70; else mm/dd/yy before dd/mm/yy, dd.mm.yy before mm.dd.yy."""
        if found["third"] is None:
            if first <= 70:
                raise _UnclearError
            return False
        second, third = int(found["second"]), int(found["third"])
        if first > 70:
            orders = ((first, second, third), (first, third, second))
        elif found["sep"] == b".":
            orders = ((third, second, first), (third, first, second))
        else:
            orders = ((third, first, second), (third, second, first))
        return any(self._set_date(*order) for order in orders)

    def _set_date(self, year: int, month: int, day: int) -> bool:
        if not (0 < month < 13 and 0 < day < 32):
            return False
        if 70 < year < 100:
            year += 1900
        elif year < 38:
            year += 2000
        if not 1970 <= year < 2100:
            raise _UnclearError
        self.year, self.month, self.day = year, month - 1, day
        return True

    def _single(self, number: int, digits: int) -> bool:
        """Takes one number by its count of digits; tells whether it was a time of day (`hhmmss`)."""
        if digits == 8:
            if not self._set_date(number // 10000, number // 100 % 100, number % 100):
                raise _UnclearError
        elif digits == 6:
            self._set_clock(number // 10000, number // 100 % 100, number % 100)
            return True
        elif digits == 4:
            if number <= 1400 and self.zone is None:
                self._zone(b"+", b"%04d" % number, None)
            elif 1900 < number < 2100:
                self.year = number
        elif digits <= 2:
            self._small(number, digits)
        return False

    def _small(self, number: int, digits: int) -> None:
        if 0 < number < 32 and self.day is None:
            self.day = number
        elif digits == 2 and self.year is None and number < 10 and self.day is not None:
            self.year = number + 2000
        elif digits == 2 and self.year is None and number >= 70:
            self.year = number + 1900
        elif 0 < number < 13 and self.month is None:
            self.month = number - 1


def _local_zone(local: int) -> int:
    """Minutes east of UTC of this process's zone, at the wall-clock time that `local` spells."""
    wall = time.gmtime(local)
    return (local - int(time.mktime((*wall[:8], -1)))) // 60
