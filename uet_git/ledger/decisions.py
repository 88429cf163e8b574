"""What people decided about changes that wait: votes, snoozes, and the events that tell of them (DESIGN 12)."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from uet_git.host.clock import Clock
from uet_git.ledger.events import COLUMNS, canonical
from uet_git.model.entry import Approval, Event, Snooze

_KINDS: Final = (
    *("patch_dropped", "patch_released", "patch_approved", "patch_snoozed", "patch_amended"),
    *("patch_validated", "patch_queued", "patch_quarantined", "patch_apply_failed"),
)
_PAGE: Final = 500
_MOVED: Final = (
    "SELECT 1 FROM events v WHERE v.entry_id = s.entry_id AND v.seq > s.event_seq"
    " AND v.to_state IS NOT NULL"
)


class Decisions:
    """Reads votes, snoozes, and decisions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def approvals_of(self, number: int) -> list[Approval]:
        """The votes for every revision of a change, oldest first."""
        rows = self._db.execute(
            "SELECT a.* FROM approvals a JOIN entries e USING (entry_id) WHERE e.number = ?"
            " ORDER BY a.event_seq",
            (number,),
        )
        return [_approval(row) for row in rows.fetchall()]

    def snoozed(self, now: str) -> dict[str, Snooze]:
        """Snoozes in force at a moment, by entry id: the time is not over, and the entry has not moved since."""
        rows = self._db.execute(
            f"SELECT * FROM snoozes s WHERE until > ? AND NOT EXISTS ({_MOVED})", (now,)
        )
        return {row[0]: Snooze(*row) for row in rows.fetchall()}

    def snooze_of(self, entry_id: str) -> Snooze | None:
        """The last snooze of an entry, over or not."""
        row = self._db.execute("SELECT * FROM snoozes WHERE entry_id = ?", (entry_id,)).fetchone()
        return None if row is None else Snooze(*row)

    def every(self) -> Iterator[Approval | Snooze]:
        """Every row. Raises: ValueError if one is not the JSON that it should be."""
        for row in self._db.execute("SELECT * FROM approvals ORDER BY event_seq").fetchall():
            yield _approval(row)
        for row in self._db.execute("SELECT * FROM snoozes ORDER BY event_seq").fetchall():
            yield Snooze(*row)

    def of_actor(self, actor: str) -> Iterator[Event]:
        """Events of an actor that may be decisions, newest first, a page at a time."""
        marks = ", ".join("?" * len(_KINDS))
        before = 1 << 62
        while True:
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM events WHERE seq < ? AND actor = ? AND entry_id IS NOT NULL"
                f" AND kind IN ({marks}) ORDER BY seq DESC LIMIT ?",
                (before, actor, *_KINDS, _PAGE),
            ).fetchall()
            yield from (Event(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            before = rows[-1][0]


class DecisionWriter:
    """Writes votes and snoozes inside one transaction; their events are written before, by EntryWriter.amend."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, actor: str) -> None:
        self._db = connection
        self._clock = clock
        self._actor = actor

    def approve(
        self, entry_id: str, target: str, policy: dict[str, Any], diff: dict[str, str], seq: int
    ) -> None:
        """Keeps this actor's vote, in place of an older one for the same revision."""
        self._db.execute(
            "INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(entry_id, self._actor, target, canonical(policy), canonical(diff)),
                *(self._clock.now(), seq),
            ),
        )

    def take_back_vote(self, entry_id: str) -> None:
        """Removes this actor's vote for a revision."""
        self._db.execute(
            "DELETE FROM approvals WHERE entry_id = ? AND approver = ?", (entry_id, self._actor)
        )

    def snooze(self, entry_id: str, until: str, seq: int) -> None:
        """Keeps a snooze, in place of an older one."""
        self._db.execute(
            "INSERT OR REPLACE INTO snoozes VALUES (?, ?, ?, ?)",
            (entry_id, until, self._actor, seq),
        )

    def wake(self, entry_id: str) -> None:
        """Removes a snooze."""
        self._db.execute("DELETE FROM snoozes WHERE entry_id = ?", (entry_id,))

    def copy_reading(self, old: str, new: str) -> None:
        """Offers the repaired reading of one revision for another of the same bytes."""
        self._db.execute(
            "INSERT OR REPLACE INTO repairs SELECT ?, sha256, size, content, repairs, places, created_at"
            " FROM repairs WHERE entry_id = ?",
            (new, old),
        )


def _approval(row: tuple[Any, ...]) -> Approval:
    policy, diff = json.loads(row[3]), json.loads(row[4])
    return Approval(row[0], row[1], row[2], policy, diff, row[5], row[6])
