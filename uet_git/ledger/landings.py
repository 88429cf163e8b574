"""Landings (intents to move a branch) and pauses of the queue."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from uet_git.errors import StaleMove
from uet_git.host.clock import Clock
from uet_git.ledger.events import Chain, canonical
from uet_git.model.entry import Landing
from uet_git.model.named import NamedTuple


class Pause(NamedTuple):
    """Why a target's queue stands still. `target` is a full ref name, or `*` for all."""

    target: str
    code: str
    reason: str
    actor: str
    since: str


def open_landings(db: sqlite3.Connection) -> list[Landing]:
    """Landings that were intended and not closed, oldest first."""
    rows = db.execute(
        "SELECT * FROM landings WHERE state = 'intended' ORDER BY landing_id"
    ).fetchall()
    return [landing_of(row) for row in rows]


def pauses(db: sqlite3.Connection) -> list[Pause]:
    """Every pause in force."""
    return [Pause(*row) for row in db.execute("SELECT * FROM pauses ORDER BY target").fetchall()]


def landing_of(row: Sequence[Any]) -> Landing:
    """The record of a row of all columns. Raises: ValueError if a list is not JSON."""
    values = list(row)
    values[6], values[7] = json.loads(row[6]), json.loads(row[7])
    return Landing(*values)


class LandingWriter:
    """Writes landings and pauses inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, chain: Chain, clock: Clock) -> None:
        self._db = connection
        self._chain = chain
        self._clock = clock

    def intend(self, landing: Landing) -> None:
        """Records the intent; it is durable before the branch moves."""
        payload = {
            **{
                "landing_id": landing.landing_id,
                "target": landing.target,
                "old": landing.old,
                "new": landing.new,
            },
            **{"worktrees": landing.worktrees, "boot_id": landing.boot_id, "pid": landing.pid},
            "commits": landing.commits,
        }
        self._chain.add("landing_intended", payload, run=landing.run_id)
        self._chain.flush()
        row = list(landing)
        row[6], row[7] = canonical(landing.worktrees), canonical(landing.commits)
        self._db.execute("INSERT INTO landings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def close(self, landing: Landing, state: str, note: str = "") -> None:
        """Closes an intent as `done` or `abandoned`."""
        payload = {"landing_id": landing.landing_id, "target": landing.target, "new": landing.new}
        if note:
            payload["note"] = note
        self._chain.add(f"landing_{state}", payload, run=landing.run_id)
        self._chain.flush()
        done = self._db.execute(
            "UPDATE landings SET state = ?, ended_at = ? WHERE landing_id = ? AND state = 'intended'",
            (state, self._clock.now(), landing.landing_id),
        )
        if done.rowcount != 1:
            raise StaleMove(f"landing {landing.landing_id} is closed already")

    def pause(self, target: str, code: str, reason: str, actor: str) -> None:
        """Pauses a target's queue, or all with `*`; a pause in force is replaced."""
        self._chain.add("queue_paused", {"code": code, "reason": reason, "target": target})
        self._chain.flush()
        self._db.execute(
            "INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?, ?)",
            (target, code, reason, actor, self._clock.now()),
        )

    def resume(self, target: str | None) -> int:
        """Lifts one pause, or every one; returns how many."""
        where, values = ("", ()) if target is None else (" WHERE target = ?", (target,))
        rows = self._db.execute(f"SELECT target FROM pauses{where}", values).fetchall()
        for (name,) in rows:
            self._chain.add("queue_resumed", {"target": name})
        self._chain.flush()
        self._db.execute(f"DELETE FROM pauses{where}", values)
        return len(rows)
