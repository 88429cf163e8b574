"""Moves and step attempts that wait for the next transaction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uet_git.ledger.entries import Entries, Move
from uet_git.ledger.ledger import Writer
from uet_git.ledger.repairs import sha256
from uet_git.ledger.runs import Attempt
from uet_git.model.entry import Entry
from uet_git.model.records import Finding
from uet_git.queue import set_aside

if TYPE_CHECKING:
    from uet_git.model.repair import Repaired


class Pending:
    """What a walk decided and has not written yet. `gone` are entries whose followers must be held."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        self.steps: list[Attempt] = []
        self.gone: list[Entry] = []
        self.told: list[tuple[Entry, str, str, str]] = []
        self.offers: list[tuple[str, Repaired]] = []

    def __bool__(self) -> bool:
        return bool(self.moves or self.steps)

    def clear(self) -> None:
        """Forgets all."""
        self.moves, self.steps, self.gone, self.told, self.offers = [], [], [], [], []

    def aside(
        self,
        entry: Entry,
        findings: Sequence[Finding],
        offer: "Repaired | None",
        columns: dict[str, object],
    ) -> Move:
        """The move into quarantine; a repaired reading is kept with it, and its event names it."""
        move = set_aside.quarantine(entry, findings, columns)
        if offer is not None:
            move.payload["repaired"] = sha256(offer.diff)
            self.offers.append((entry.entry_id, offer))
        return move

    def write(self, write: Writer, entries: Entries, run: str) -> None:
        """Writes all into an open transaction. Once that holds, `written` is to be called."""
        write.entries.move(self.moves, run=run)
        for entry_id, reading in self.offers:
            write.repairs.add(entry_id, reading.diff, reading.repairs, reading.places)
        write.runs.add_steps(run, self.steps)
        for entry in self.gone:
            set_aside.hold_followers(write, entries, entry, run)
        aside = sum(move.to in ("apply_failed", "quarantined", "dropped") for move in self.moves)
        if aside:
            write.runs.count(run, {"patches_set_aside": aside})

    def written(self) -> None:
        """It is in the ledger; only `told` is left."""
        self.moves, self.steps, self.gone, self.offers = [], [], [], []
