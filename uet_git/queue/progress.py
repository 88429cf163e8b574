"""What a drain tells while it works, and what it leaves behind. The command line listens; tests listen too."""

from typing import Final

from uet_git.model.entry import Entry
from uet_git.model.records import Finding, GateResult

_STOPPING: Final = ("gate.error", "gate.base_broken", "gate.tampered")


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

    def tick(self) -> None:
        """Some time went by while gates run; about ten times a second."""

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


class Report:
    """What a drain did. `tried` and `waiting` hold entry ids; `waiting` maps to (code, detail).

    `paused` is why this drain paused a queue; `held` why one was paused before it, by a gate that could not run or so.
    `broken` are entries that wait as their target fails their gates itself: by target, id to detail.
    """

    def __init__(self, run: str | None = None) -> None:
        self.tried: dict[str, None] = {}
        self.landed: list[str] = []
        self.aside: list[str] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.paused: str | None = None
        self.held: str | None = None
        self.broken: dict[str, dict[str, str]] = {}
        self.run = run

    def hold(self, code: str) -> None:
        """A target stands still for this reason; a pause that was not a person's wish holds the queue."""
        if code in _STOPPING:
            self.held = code

    def stop(self, target: str, entry: Entry, then: str, finding: Finding) -> None:
        """A candidate was stopped and is queued again: the queue pauses, or waits for what mends the target."""
        if then == "pause":
            self.paused = finding.code
        else:
            self.broken.setdefault(target, {})[entry.entry_id] = finding.detail

    def mended(self, target: str) -> None:
        """Something landed: what waited for that is tried again."""
        for entry_id in self.broken.pop(target, ()):
            self.tried.pop(entry_id, None)
