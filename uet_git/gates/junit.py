"""Reads the JUnit report that a gate wrote, without trusting it: size capped, no DTD, no entities."""

import os
import stat
from typing import Final, NamedTuple

_LARGEST: Final = 64 * 1024 * 1024  # bytes
_CHUNK: Final = 1 << 18

Stamp = tuple[int, int, int]


class Report(NamedTuple):
    """What a report counts. `failing` are the first names of failed tests, as `class::name`."""

    tests: int
    failed: int
    skipped: int
    failing: tuple[str, ...]

    @property
    def ran(self) -> int:
        return self.tests - self.skipped


class UnreadableReportError(Exception):
    """There is no report, or none that can be read; the message says why."""


def stamp(path: str) -> Stamp | None:
    """What changes when a file is written again; None if it is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read(path: str, before: Stamp | None) -> Report:
    """Reads a report that was written since `before`. Raises: UnreadableReportError."""
    now = stamp(path)
    if now is None or now == before:
        raise UnreadableReportError("was not written")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise UnreadableReportError(f"cannot be opened: {exc.strerror}") from exc
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise UnreadableReportError("is not a file of at most 64 MB")
        return _Counter().counted(fd)
    finally:
        os.close(fd)


class _Counter:
    """Counts test cases while expat reads."""

    def __init__(self) -> None:
        self.tests = self.failed = self.skipped = 0
        self.failing: list[str] = []
        self._case: str | None = None
        self._outcome = ""

    def counted(self, fd: int) -> Report:
        from xml.parsers import expat

        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        left = _LARGEST
        try:
            while left > 0 and (data := os.read(fd, _CHUNK)):
                left -= len(data)
                parser.Parse(data, False)
            parser.Parse(b"", True)
        except expat.ExpatError as exc:
            raise UnreadableReportError(f"is not XML: {exc}") from exc
        except OSError as exc:
            raise UnreadableReportError(f"cannot be read: {exc.strerror}") from exc
        return Report(self.tests, self.failed, self.skipped, tuple(self.failing))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "testcase":
            self._case = f"{attributes.get('classname', '')}::{attributes.get('name', '')}"[:300]
            self._outcome = ""
        elif self._case is not None and name in ("failure", "error"):
            self._outcome = "failed"
        elif self._case is not None and name == "skipped":
            self._outcome = self._outcome or "skipped"

    def _end(self, name: str) -> None:
        if name != "testcase" or self._case is None:
            return
        self.tests += 1
        if self._outcome == "failed":
            self.failed += 1
            if len(self.failing) < 20:
                self.failing.append(self._case)
        elif self._outcome == "skipped":
            self.skipped += 1
        self._case = None


def _refuse(*_: object) -> None:
    raise UnreadableReportError("has a DTD, which is not read")
