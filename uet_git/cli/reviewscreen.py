"""The screen of `review`: a header, a part of the page, what can be typed. 80 x 24 is enough."""

import sys
from collections.abc import Sequence
from typing import Final

from uet_git.cli.render import Output
from uet_git.cli.reviewlines import BOLD, DIM, YELLOW, Line, folded
from uet_git.host import terminal
from uet_git.host.terminal import Keyboard
from uet_git.model import display
from uet_git.model.named import NamedTuple

_LEAST: Final = (20, 8)  # columns, rows; what is smaller is drawn as if it were this
_LONGEST: Final = 1_000  # characters of an answer
_MORE: Final = ("space", "page down", "down", "enter", "j")
_BACK: Final = ("page up", "up", "k", "home", "g", "end", "G")


class View(NamedTuple):
    """What is on the screen: `head` above, `body` of which a part is seen, `foot` below, `note` above that."""

    head: Sequence[Line]
    body: Sequence[Line]
    foot: Sequence[Line]
    note: str = ""


class Screen:
    """Draws views and reads keys."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.keys = Keyboard(out.other_screen)
        self.top = 0
        self._rule = "\u2500" if _can_draw() else "-"

    @property
    def width(self) -> int:
        """Columns."""
        return max(_LEAST[0], terminal.size()[0])

    def key(self, view: View, *, moves: bool = True) -> str:
        """Shows a view until a key is typed that does not move in it (`moves`); empty where it must be made anew."""
        while True:
            page = self._draw(view)
            key = self.keys.read()
            if key == "resize":
                return ""
            if not moves or key not in (*_MORE, *_BACK):
                return key
            self._move(key, page, len(view.body))

    def ask(self, view: View, question: str, label: str) -> str | None:
        """Asks for one line; None if the answer is not to ask."""
        typed = ""
        while True:
            width = self.width
            shown = display.line(typed, _LONGEST)[-(width - len(label) - 4) :]
            foot = [
                *folded(Line(question, BOLD), width),
                Line(f"{label}: {shown}_"),
                Line("Enter: do it   Esc: leave it as it is", DIM),
            ]
            self._draw(view._replace(foot=foot, note=""))
            key = self.keys.read()
            if key == "enter":
                return typed.strip()
            if key in ("escape", "end of input"):
                return None
            if key == "backspace":
                typed = typed[:-1]
            elif key == "erase":
                typed = ""
            else:
                key = {"space": " "}.get(key, key)
                typed += key if len(key) == 1 and len(typed) < _LONGEST else ""

    def _move(self, key: str, page: int, count: int) -> None:
        last = max(0, count - page)
        if key in ("space", "page down"):
            self.top = min(last, self.top + page - 1)
        elif key == "page up":
            self.top = max(0, self.top - page + 1)
        elif key in ("home", "g"):
            self.top = 0
        elif key in ("end", "G"):
            self.top = last
        else:
            step = 1 if key in ("down", "enter", "j") else -1
            self.top = min(last, max(0, self.top + step))

    def _draw(self, view: View) -> int:
        """Draws; returns how many lines of the body are seen."""
        width, rows = self.width, max(_LEAST[1], terminal.size()[1])
        note = [] if not view.note else list(folded(Line(view.note, YELLOW), width))[:3]
        room = max(1, rows - len(view.head) - len(view.foot) - len(note) - 2)
        self.top = max(0, min(self.top, len(view.body) - room))
        seen = list(view.body[self.top : self.top + room])
        seen += [Line()] * (room - len(seen))
        place = self._place(len(view.body), room)
        rule = Line(self._rule * width, DIM)
        low = Line(self._rule * 2 + place + self._rule * max(0, width - 2 - len(place)), DIM)
        every = [*view.head, rule, *seen, low, *note, *view.foot]
        self.out.page([self.out.paint(each.text, each.colour) for each in every[:rows]])
        return room

    def _place(self, count: int, room: int) -> str:
        if count <= room:
            return ""
        last = min(count, self.top + room)
        more = "space: more" if last < count else "the end"
        return f" {self.top + 1}-{last} of {count}, {more} "


def _can_draw() -> bool:
    return "utf" in (getattr(sys.stdout, "encoding", "") or "").lower()
