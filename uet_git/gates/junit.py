"""Reads the JUnit report that a gate wrote, without trusting it: size capped, no DTD, no entities.

What a test case says is read by junitparser; the XML is fed to it one case at a time, so that a report of millions of
tests costs little memory and nothing of a hostile one is expanded.
"""

import os
import stat
from collections.abc import Collection
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder

from uet_git.model.records import FailedTest, Tested

_LARGEST: Final = 64 * 1024 * 1024  # bytes
_CHUNK: Final = 1 << 18
_MOST_FAILURES: Final = 50
_NAME, _MESSAGE, _DETAILS = 300, 500, 4_000  # characters
_DEEPEST: Final = 64

Stamp = tuple[int, int, int]


class UnreadableReportError(Exception):
    """There is no report, or none that can be read; the message says why."""


def stamp(path: str) -> Stamp | None:
    """What changes when a file is written again; None if it is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read(path: str, before: Stamp | None, asked: Collection[str] = ()) -> Tested:
    """Reads a report that was written since `before`. `asked` are tests to look for (see `fits`).

    Raises: UnreadableReportError.
    """
    fd = opened(path, before)
    try:
        return _Counter(asked).counted(fd)
    finally:
        os.close(fd)


def opened(path: str, before: Stamp | None, largest: int = _LARGEST) -> int:
    """A descriptor of a report that a gate wrote since `before`. Raises: UnreadableReportError."""
    now = stamp(path)
    if now is None or now == before:
        raise UnreadableReportError("was not written")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise UnreadableReportError(f"cannot be opened: {exc.strerror}") from exc
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
        os.close(fd)
        raise UnreadableReportError(f"is not a file of at most {largest >> 20} MB")
    return fd


def fits(asked: str, name: str) -> bool:
    """Whether `class::name` is the test that is asked for: whole, its name, or an ending after a `.` or `::`."""
    return name == asked or name.endswith((f"::{asked}", f".{asked}"))


def parse(fd: int, start: Any, end: Any, text: Any = None) -> None:
    """Feeds XML to expat, nothing of it declared or expanded. Raises: UnreadableReportError."""
    from xml.parsers import expat

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    if text is not None:
        parser.CharacterDataHandler = text
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


def _refuse(*_: object) -> None:
    raise UnreadableReportError("has a DTD, which is not read")


class _Counter:
    """Counts test cases while expat reads."""

    def __init__(self, asked: Collection[str]) -> None:
        self._asked = asked
        self._total = self._failed = self._skipped = 0
        self._failures: list[FailedTest] = []
        self._passed: set[str] = set()
        self._not_passed: set[str] = set()
        self._case: TreeBuilder | None = None
        self._depth = self._room = 0

    def counted(self, fd: int) -> Tested:
        parse(fd, self._start, self._end, self._text)
        return Tested(
            self._total,
            self._failed,
            self._skipped,
            tuple(self._failures),
            passed_names=frozenset(self._passed - self._not_passed),
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._case is None and name == "testcase":
            self._case, self._depth, self._room = TreeBuilder(), 0, 4 * _DETAILS
        if self._case is None:
            return
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableReportError(f"is nested deeper than {_DEEPEST} elements")
        self._case.start(name, {k: v[:_DETAILS] for k, v in attributes.items()})

    def _text(self, text: str) -> None:
        if self._case is not None and self._room > 0:
            self._case.data(text[: self._room])
            self._room -= len(text)

    def _end(self, name: str) -> None:
        if self._case is None:
            return
        self._case.end(name)
        self._depth -= 1
        if self._depth == 0:
            case, self._case = self._case.close(), None
            self._count(case)

    def _count(self, element: Element) -> None:
        from junitparser import Skipped, TestCase

        case: Any = TestCase.fromelem(element)  # type: ignore[no-untyped-call]
        name = f"{case.classname or ''}::{case.name or ''}"[:_NAME]
        self._total += 1
        bad = [r for r in case.result if not isinstance(r, Skipped)]
        if bad:
            self._failed += 1
            if len(self._failures) < _MOST_FAILURES:
                message = str(bad[0].message or bad[0].type or "")[:_MESSAGE]
                details = str(bad[0].text or "")[:_DETAILS]
                self._failures.append(FailedTest(name, message, details))
        elif case.is_skipped:
            self._skipped += 1
        for asked in self._asked:
            if fits(asked, name):
                (self._passed if case.is_passed else self._not_passed).add(asked)
