"""Reads how much of the code a gate's tests covered: coverage.py's JSON, or Cobertura XML; neither is trusted."""

import json
import math
import os
from typing import Any, Final

from uet_git.gates.junit import Stamp, UnreadableReportError, opened, parse

_LARGEST: Final = 64 * 1024 * 1024  # bytes


def read(path: str, before: Stamp | None) -> float:
    """Percent of lines covered, by a report that was written since `before`. Raises: UnreadableReportError."""
    fd = opened(path, before, _LARGEST)
    try:
        head = os.pread(fd, 64, 0).lstrip(b"\xef\xbb\xbf \t\r\n")
        percent = _of_xml(fd) if head.startswith(b"<") else _of_json(fd)
    finally:
        os.close(fd)
    if percent is None or not 0 <= percent <= 100:
        raise UnreadableReportError("does not say how much was covered")
    return math.floor(round(percent * 100, 6)) / 100  # never more than there is


def _of_json(fd: int) -> float | None:
    """coverage.py: `totals.percent_covered`."""
    with os.fdopen(os.dup(fd), "rb") as file:
        data = file.read(_LARGEST + 1)
    try:
        found = json.loads(data)["totals"]["percent_covered"]
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise UnreadableReportError("is not a report of coverage.py in JSON") from exc
    return float(found) if isinstance(found, int | float) else None


def _of_xml(fd: int) -> float | None:
    """Cobertura: `line-rate` of the root, from 0 to 1."""
    found: dict[str, Any] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if not found:
            found.update(attributes, tag=name)

    parse(fd, start, None)
    try:
        return float(found["line-rate"]) * 100 if found["tag"] == "coverage" else None
    except (LookupError, ValueError):
        return None
