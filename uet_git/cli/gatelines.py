"""How gates are shown: a live line each on a terminal, plain lines elsewhere; below a failure the end of its output."""

import time
from collections.abc import Sequence
from typing import Final

from uet_git.cli.render import Output, command
from uet_git.host import clock
from uet_git.model import display
from uet_git.model.records import GateResult
from uet_git.queue.progress import GateListener

_SPINNER: Final = "|/-\\"
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 64 * 1024
_MARKS: Final = {"passed": "ok", "failed": "!!", "timeout": "!!", "error": "!!"}
_SHOWN: Final = ("failed", "timeout", "error")
_TESTS: Final = 5


class GateLines(GateListener):
    """One line a gate, in `out`."""

    def __init__(self, out: Output, *, tail: int = _TAIL_LINES) -> None:
        self._out, self._tail = out, tail
        self._running: dict[str, float] = {}
        self._drawn = 0.0

    def started(self, gate: str) -> None:
        """The gate gets its live line."""
        self._running[gate] = time.monotonic()
        self._draw()

    def tick(self) -> None:
        """The spinner turns."""
        self._draw()

    def ended(self, result: GateResult) -> None:
        """The line that stays, and what went wrong."""
        self._running.pop(result.gate, None)
        self._out.block(())
        tell(self._out, result, tail=self._tail)
        self._draw()

    def _draw(self) -> None:
        if not self._out.live:
            return
        now = time.monotonic()
        turn = _SPINNER[int(now * 10) % len(_SPINNER)]
        self._out.block(
            [
                f" {turn}  {name:<24} running   {now - began:5.1f} s"
                for name, began in self._running.items()
            ]
        )


def tell(out: Output, result: GateResult, *, tail: int = _TAIL_LINES, indent: str = "") -> None:
    """One line on how a gate ended; for a failure, the tests that failed and the last lines of its output."""
    mark = "" if indent else f" {_MARKS.get(result.state, '--')}  "
    name = display.line(result.gate, 40)
    said = f"{took(result)}{_why(result)}".strip()
    out.text(f"{indent}{mark}{name:<16} {out.state(result.state, 8)} {said}".rstrip())
    if result.state not in _SHOWN or not tail:
        return
    indent = " " * len(indent)
    tests = result.tests.failures if result.tests is not None else ()
    for failed in tests[:_TESTS]:
        out.text(f"{indent}     {display.line(failed.name)}: {display.line(failed.message, 160)}")
    if result.output:
        show_tail(out, result.output, tail, indent)


def took(result: GateResult) -> str:
    """How long it ran; or when and in which run the verdict was found that is used."""
    if result.cached is not None:
        when = ago(clock.age(result.cached.at))
        return f"(cached {when}, run {result.cached.run_id})"
    return "" if not result.output else f"({result.seconds:.1f} s)"


def ago(seconds: float) -> str:
    """`3 min ago`."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def show_tail(out: Output, path: str, lines: int, indent: str = "") -> None:
    """The end of a gate's output, and where the rest is."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            found = file.read().splitlines()
    except OSError:
        return
    kept = found[-lines:]
    for text in kept:
        out.text(f"{indent}     | {display.line(text)}")
    if len(found) > len(kept) or size > _TAIL_BYTES:
        out.text(f"{indent}     the rest: {display.line(path)}")


def next_fix(results: Sequence[GateResult]) -> list[str]:
    """The command that shows what fixers would change; empty if none found anything."""
    names = [r.gate for r in results if r.fix]
    return ["uet-git", "gate", "fix", *names] if names else []


def show_next(out: Output, argvs: Sequence[Sequence[str]]) -> None:
    """What to type next."""
    for argv in argvs:
        out.text(f"  next: {command(argv)}")


def _why(result: GateResult) -> str:
    return f"  {display.line(result.detail)}" if result.detail else ""
