"""The quarantined entries as the quarantine folder needs them: few columns, no bytes (DESIGN 12)."""

from collections.abc import Sequence
from typing import Final

from uet_git.ledger.handmade import RUNG
from uet_git.ledger.ledger import QUARANTINED, Ledger
from uet_git.model.named import NamedTuple

_OF_PATCHES: Final = f"{QUARANTINED} AND rung IS NOT ?"


class Held(NamedTuple):
    """One quarantined patch. `redacted`: its bytes are not there any more."""

    entry_id: str
    number: int
    revision: int
    title: str
    event_seq: int
    redacted: int

    @property
    def label(self) -> str:
        """`12`, or `12.2` for a revision after the first."""
        return str(self.number) if self.revision == 1 else f"{self.number}.{self.revision}"


def held(ledger: Ledger) -> list[Held]:
    """Every quarantined patch, oldest first; commits made by hand are none."""
    rows = ledger.db.execute(
        "SELECT entry_id, number, revision, title, e.event_seq, content IS NULL FROM entries e"
        f" JOIN patches USING (patch_id) WHERE {_OF_PATCHES} ORDER BY e.seq",
        (RUNG,),
    )
    return [Held(*row) for row in rows.fetchall()]


def titles(ledger: Ledger, numbers: Sequence[int]) -> list[Held]:
    """Every revision of these changes, whatever its state."""
    found: list[Held] = []
    for start in range(0, len(numbers), 500):
        page = numbers[start : start + 500]
        rows = ledger.db.execute(
            "SELECT entry_id, number, revision, title, event_seq, 0 FROM entries"
            f" WHERE number IN ({', '.join('?' * len(page))})",
            page,
        )
        found += [Held(*row) for row in rows.fetchall()]
    return found


def hash_at(ledger: Ledger, seq: int) -> str | None:
    """The hash of one event."""
    row = ledger.db.execute("SELECT hash FROM events WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])
