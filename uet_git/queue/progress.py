"""What a drain tells while it works, and what it leaves behind. The command line listens; tests listen too."""

from dataclasses import dataclass, field

from uet_git.model.entry import Entry
from uet_git.model.records import GateResult


class Listener:
    """Hears of a drain's progress; this one ignores it."""

    def starting(self, entries: list[Entry]) -> None:
        """These entries are about to be tried."""

    def trying(self, entry: Entry) -> None:
        """This entry is being composed."""

    def gate_started(self, entry: Entry, gate: str) -> None:
        """A gate begins on this entry's candidate."""

    def gate_ended(self, entry: Entry, result: GateResult) -> None:
        """A gate ended."""

    def settled(
        self, entry: Entry, state: str, reason: str | None, detail: str, commit: str | None
    ) -> None:
        """This entry reached a state that the drain leaves it in; for a wait, `queued` with its reason."""

    def notice(self, text: str) -> None:
        """Something that concerns no single entry."""


class GateListener:
    """Hears how the gates of one tree go along, in the thread that asked; this one ignores it."""

    def started(self, gate: str) -> None:
        """A gate begins to run."""

    def ended(self, result: GateResult) -> None:
        """A gate ended, was skipped, or its verdict was known."""

    def tick(self) -> None:
        """Some time went by while gates run; about ten times a second."""


@dataclass(slots=True)
class Report:
    """What a drain did. `tried` and `waiting` hold entry ids; `waiting` maps to (code, detail)."""

    tried: dict[str, None] = field(default_factory=dict)
    landed: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    paused: str | None = None
    run: str | None = None
