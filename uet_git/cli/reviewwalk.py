"""The walk of `review`: which item is shown, what its keys do, what was decided (DESIGN 12).

Each decision is done, and in the ledger, before the next key is read: whatever ends the walk loses nothing.
"""

from collections.abc import Collection, Sequence
from typing import Final

from uet_git.cli import reviewpage
from uet_git.cli.reviewlines import BOLD, DIM, Line, cut, folded
from uet_git.cli.reviewscreen import Screen, View
from uet_git.cli.reviewverbs import ASKS_NOTHING, REFUSALS, VERBS, Hands, Verb, labels
from uet_git.errors import QueueBusy, StaleMove, UsageError
from uet_git.model import display, states
from uet_git.model.attention import Item
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import anchor, attention

_MOVES: Final = (
    ("s", "skip: the next one"),
    ("b", "back: the one before"),
    ("u", "undo: take back your last decision here, and go back to it"),
    ("Tab", "in a series: decide about one member, the next, all"),
    ("space", "page down; also up, down, page up, home, end"),
    ("?", "this help"),
    ("q", "quit; what was decided is done"),
)


class Decision(NamedTuple):
    """What was done: the verb, the entries as they became, the reason given."""

    verb: Verb
    entries: Sequence[Entry]
    reason: str


class Walk:
    """Goes through items. `only` are the entries that the call named, if it named any."""

    def __init__(
        self, project: Project, screen: Screen, found: Sequence[Item], by: str,
        only: Collection[Entry] | None,
    ) -> None:  # fmt: skip
        self.project, self.screen, self.by, self.only = project, screen, by, only
        self.items = {_key(item): item for item in found}
        self.line = list(self.items)
        self.at = 0
        self.focus: int | None = None  # the one member that is decided about
        self.note = ""
        self.made: list[Decision] = []

    def walk(self) -> None:
        """Until everything was shown, or the person quits or leaves."""
        try:
            with self.screen.keys:
                while self.at < len(self.line) and self._step():
                    pass
        except EOFError:
            return

    # -- one key ---------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Shows the current item and does what one key says; False to end."""
        key = self.screen.key(self._view())
        if key in ("q", "end of input"):
            return False
        self.note = ""
        verb = next((v for v in VERBS if v.key == key), None)
        if verb is not None:
            self._decide(verb)
        elif key in ("s", "n"):
            self._go(self.at + 1)
        elif key == "b":
            self._go(max(0, self.at - 1))
        elif key == "u":
            self._undo()
        elif key == "tab":
            self._turn()
        elif key == "?":
            self._help()
        elif key:
            self.note = "? says what can be typed"
        return True

    def _go(self, at: int) -> None:
        self.at, self.focus, self.screen.top = at, None, 0

    def _turn(self) -> None:
        members = [e.number for e in self._item.entries]
        if len(members) < 2:
            self.note = "only one change is to be decided here"
            return
        turns: list[int | None] = [None, *members]
        self.focus = turns[(turns.index(self.focus) + 1) % len(turns)]

    # -- deciding --------------------------------------------------------------------------------------------

    def _decide(self, verb: Verb) -> None:
        meant = [e for e in self._item.entries if self.focus in (None, e.number)]
        faults = {e.entry_id: verb.fault(self.project, e) for e in meant}
        fit = [e for e in meant if not faults[e.entry_id]]
        if not fit:
            self._told(next(iter(faults.values())))
            return
        fit = fit[:1] if verb.alone else fit
        reason = self._reason(verb, fit)
        if reason is None:
            self.note = "nothing was decided"
            return
        try:
            self.project.require_writable()
            became = self._act(verb, fit, reason)
            anchor.anchor_now(self.project)
        except (*REFUSALS, QueueBusy, StaleMove) as exc:
            self._look_again()
            self._told(exc.message)
            return
        if not became:
            self.note = "nothing was changed"
            return
        self.made.append(Decision(verb, became, reason))
        self._decided(verb, fit)

    def _undo(self) -> None:
        """Takes the last decision of this walk back, and goes to its item."""
        if not self.made:
            self._told("nothing was decided here that could be taken back")
            return
        from uet_git.queue import undo

        decision = self.made[-1]
        question = f"undo {decision.verb.name} {labels(decision.entries)}"
        reason = self.screen.ask(self._view(), question, "Reason (may be empty)")
        if reason is None:
            self.note = "nothing was decided"
            return
        try:
            last = {d.entry.number for d in undo.check(self.project, None)}
            if not last & {e.number for e in decision.entries}:
                raise UsageError("your last decision was made elsewhere since; undo it there")
            touched = undo.undo(self.project, None, reason)
            anchor.anchor_now(self.project)
        except (*REFUSALS, QueueBusy, StaleMove) as exc:
            self._told(exc.message)
            return
        self.made.pop()
        self._look_again()
        numbers = {e.number for e in touched}
        for place, key in enumerate(self.line):
            if numbers & {e.number for e in self.items[key].entries}:
                self._go(place)
                break
        self.note = f"{question} is done"

    def _act(self, verb: Verb, entries: Sequence[Entry], reason: str) -> list[Entry]:
        """Does it; what needs the ordinary screen gets that."""
        hands = Hands(self.project, self.screen.out)
        if not verb.alone:
            return verb.act(hands, entries, reason)
        with self.screen.keys.lent():
            return verb.act(hands, entries, reason)

    def _told(self, why: str) -> None:
        """Says why something was not done, and waits: a reason that is typed on blindly must not become keys."""
        view = self._view()._replace(note=why, foot=[Line("Enter: go on", DIM)])
        while self.screen.key(view, moves=False) not in ("enter", "escape"):
            pass

    def _reason(self, verb: Verb, entries: Sequence[Entry]) -> str | None:
        """Why, as the person types it; None to leave it."""
        if verb.name in ASKS_NOTHING:
            return ""
        said = verb.says(entries)
        question = f"{verb.name} {labels(entries)}" + (f": {said}" if said else "")
        while True:
            optional = "" if verb.must else " (may be empty)"
            given = self.screen.ask(self._view(), question, f"Reason{optional}")
            if given is None or given or not verb.must:
                return given
            question = f"{question.removesuffix('; a reason is wanted')}; a reason is wanted"

    def _decided(self, verb: Verb, entries: Sequence[Entry]) -> None:
        """Goes on to the next item, unless this one still needs a word."""
        key = self.line[self.at]
        self._look_again()
        self.screen.keys.forget()
        now = self.items[key]
        away = {e.entry_id for e in entries} if verb.name == "snooze" else set()
        needy = (e for e in now.entries if e.state in states.NEEDS_PERSON)
        still = [e for e in needy if e.entry_id not in away]
        if still:
            wait = f"; {labels(still)} still needs you: {still[0].reason}"
            self.note = f"{verb.name} {labels(entries)} is done{wait}"
            self.focus = None
            return
        self.note = f"{labels(entries)}: {verb.name} is done, now {now.lead.state}"
        self._go(self.at + 1)

    def _look_again(self) -> None:
        """Reads what needs a person now: what was decided since is kept as it became, what is new comes last."""
        fresh = {_key(i): i for i in attention.items(self.project, self.by, self.only)}
        for key, item in self.items.items():
            if key not in fresh:
                numbers = dict.fromkeys(e.number for e in item.entries)
                newest = map(self.project.ledger.entries.revision, numbers)
                self.items[key] = item._replace(entries=tuple(e for e in newest if e is not None))
        self.items.update(fresh)
        self.line += [key for key in fresh if key not in self.line]

    # -- what is shown ---------------------------------------------------------------------------------------

    @property
    def _item(self) -> Item:
        return self.items[self.line[self.at]]

    def _view(self) -> View:
        width = self.screen.width
        item = self._item
        return View(
            self._head(item, width),
            reviewpage.lines(self.project, item, width),
            self._foot(item, width),
            self.note,
        )

    def _head(self, item: Item, width: int) -> list[Line]:
        lead = item.lead
        place = f"{self.at + 1} of {len(self.line)}"
        what = f"change{'s' if len(item.entries) > 1 else ''} {labels(item.entries)}"
        first = f"{place}   {what}   {lead.state}   {lead.reason or ''}".rstrip()
        title = Line(display.line(lead.title, 300), BOLD)
        return [cut(Line(first, DIM), width), cut(title, width)]

    def _foot(self, item: Item, width: int) -> list[Line]:
        meant = [e for e in item.entries if self.focus in (None, e.number)]
        verbs = [v for v in VERBS if any(not v.fault(self.project, e) for e in meant)]
        can = "  ".join(f"{v.key} {v.name}" for v in verbs) or "nothing is left to decide here"
        undo = "u undo  " if self.made else ""
        moves = f"s skip  b back  {undo}{self._tab(item)}? help  q quit"
        return [*folded(Line(can, BOLD), width), *folded(Line(moves, DIM), width)]

    def _tab(self, item: Item) -> str:
        if len(item.entries) < 2:
            return ""
        who = f"all {len(item.entries)}" if self.focus is None else f"only {self.focus}"
        return f"Tab ({who} chosen)  "

    def _help(self) -> None:
        width = self.screen.width
        rows = [(v.key, f"{v.name}: {v.help}") for v in VERBS]
        body = [Line("A decision is done as soon as it is made."), Line()]
        for key, words in (*rows, ("", ""), *_MOVES):
            body += folded(Line(f"  {key:6} {words}" if words else ""), width)
        top, self.screen.top = self.screen.top, 0
        self.screen.key(View([Line("Keys", BOLD)], body, [Line("any key: back", DIM)]))
        self.screen.top = top


def _key(item: Item) -> str:
    """What stays the same of an item, whatever becomes of its entries."""
    return item.lead.series_id or f"change {item.lead.number}"
