"""The only place that prints. stdout carries results, stderr notices; with `--json` stdout is one JSON document."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from uet_git.host import process
from uet_git.model import display

_COLOURS = {
    "committed": "32",
    "queued": "36",
    "validated": "36",
    "apply_failed": "33",
    "quarantined": "35",
    "dropped": "31",
    "passed": "32",
    "failed": "31",
    "error": "31",
    "timeout": "31",
}


class Output:
    """How this call prints. `as_json` leaves stdout to one document; `quiet` drops notices."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        terminal = sys.stdout is not None and sys.stdout.isatty()
        self.live = terminal and not as_json and process.variable("TERM") != "dumb"
        wanted = self.live or (process.variable("FORCE_COLOR") is not None and not as_json)
        self.colour = wanted and process.variable("NO_COLOR") is None
        self.width = _width()
        self._block = 0

    def text(self, text: str = "") -> None:
        """One line of result for people. Whatever slipped into it, nothing but our colours reaches a terminal."""
        if not self.as_json:
            _write(sys.stdout, display.harmless(text, colours=self.colour) + "\n")

    def document(self, document: Any) -> None:
        """The one JSON document of this call."""
        if self.as_json:
            text = json.dumps(document, indent=2, ensure_ascii=True)
            _write(
                sys.stdout, text.replace("\x7f", "\\u007f") + "\n"
            )  # the one control that json leaves

    @property
    def can_ask(self) -> bool:
        """Whether a person at a terminal would see a question and could answer it."""
        streams = (sys.stdin, sys.stdout)
        return not self.as_json and all(s is not None and s.isatty() for s in streams)

    def ask(self, question: str, *, default: bool = False) -> bool:
        """A question on the terminal; anything but `y` or `yes` is no, and nothing is the default."""
        _write(sys.stdout, display.harmless(question) + (" [Y/n] " if default else " [y/N] "))
        answer = sys.stdin.readline()
        if answer in ("\n", "\r\n"):
            return default
        return answer.strip().lower() in ("y", "yes")

    def notice(self, text: str) -> None:
        """Something to know, on stderr."""
        if not self.quiet:
            _write(sys.stderr, display.line(text) + "\n")

    def again(self, text: str) -> None:
        """Rewrites the live line."""
        if self.live:
            _write(sys.stdout, "\r\x1b[K" + display.harmless(text)[: self.width - 1])

    def block(self, lines: Sequence[str]) -> None:
        """Rewrites the live lines below everything else; none removes them."""
        if not self.live:
            return
        up = f"\x1b[{self._block}A" if self._block else ""
        text = "".join(display.harmless(line)[: self.width - 1] + "\n" for line in lines)
        if up or text:
            _write(sys.stdout, f"{up}\r\x1b[J{text}")
        self._block = len(lines)

    def other_screen(self, wanted: bool) -> None:
        """Goes to the terminal's other screen, without a cursor, or comes back from it to where it was."""
        _write(sys.stdout, "\x1b[?1049h\x1b[?25l\x1b[2J" if wanted else "\x1b[?25h\x1b[?1049l")

    def page(self, lines: Sequence[str]) -> None:
        """Redraws the whole terminal with these lines, which are no longer than it is wide."""
        drawn = (display.harmless(line, colours=self.colour) + "\x1b[K" for line in lines)
        _write(sys.stdout, "\x1b[H" + "\r\n".join(drawn) + "\x1b[J")

    def clear(self) -> None:
        """Removes the live line."""
        if self.live:
            _write(sys.stdout, "\r\x1b[K")

    def state(self, state: str, width: int = 0) -> str:
        """A state, padded and coloured."""
        return self.paint(f"{state:{width}}", _COLOURS.get(state, "0"))

    def paint(self, text: str, code: str) -> str:
        """Text in a colour, where colours are wanted."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def table(self, rows: Iterable[Sequence[str]], head: Sequence[str]) -> None:
        """A plain table; the last column takes what is left of the line on a terminal."""
        every = [list(head), *(list(r) for r in rows)]
        widths = [max(len(r[i]) for r in every) for i in range(len(head))]
        for number, row in enumerate(every):
            cells = [f"{cell:{w}}" for cell, w in zip(row[:-1], widths[:-1], strict=True)]
            if number and "state" in head:
                at = list(head).index("state")
                cells[at : at + 1] = [self.state(row[at], widths[at])] if at < len(cells) else []
            used = sum(widths[:-1]) + 2 * (len(widths) - 1)
            last = row[-1][: max(20, self.width - used)] if self.live else row[-1]
            self.text("  ".join([*cells, last]).rstrip())


def command(argv: Sequence[str]) -> str:
    """argv as a line to type."""
    return display.command(tuple(argv))


def failure(out: Output, code: str, message: str, next_: Sequence[str]) -> None:
    """One honest line and the next command; as a document with `--json`, unless stdout itself is what broke."""
    shown = out.as_json
    try:
        out.document({"error": {"code": code, "message": message, "next": list(next_)}})
    except OSError:
        shown = False
    if not shown:
        _write(sys.stderr, f"uet-git: {display.line(message, 600)}\n")
        if next_:
            _write(sys.stderr, f"  next: {command(next_)}\n")


def _width() -> int:
    try:
        return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError, AttributeError):
        return 100


def _write(stream: Any, text: str) -> None:
    if stream is None:
        return  # it was closed before we started
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        stream.flush()
