"""Runs and their step attempts."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from uet_git.errors import StaleMove
from uet_git.host.clock import Clock
from uet_git.ledger.events import Chain, Told
from uet_git.model import states
from uet_git.model.entry import Run, Step
from uet_git.model.named import NamedTuple

COUNTERS = (
    "step_attempts",
    "patches_created",
    "patches_applied",
    "patches_committed",
    "patches_set_aside",
    "errors",
)


class Attempt(NamedTuple):
    """A step attempt that is over. `started_at` and `ended_at` are UTC; `reason` a reason code or None."""

    entry_id: str | None
    tool_id: str
    state: str
    reason: str | None
    started_at: str
    ended_at: str


class Runs:
    """Reads runs and steps."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def get(self, run_id: str) -> Run | None:
        """The run with this id."""
        row = self._db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return Run(*row) if row else None

    def by_prefix(self, prefix: str) -> list[Run]:
        """Up to two runs whose id starts so."""
        rows = self._db.execute(
            "SELECT * FROM runs WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 2",
            (prefix, prefix + "~"),
        )
        return [Run(*row) for row in rows.fetchall()]

    def newest(self, limit: int) -> list[Run]:
        """The newest runs first."""
        rows = self._db.execute("SELECT * FROM runs ORDER BY run_id DESC LIMIT ?", (limit,))
        return [Run(*row) for row in rows.fetchall()]

    def unfinished(self) -> list[Run]:
        """Runs that are pending or running."""
        rows = self._db.execute(
            "SELECT * FROM runs WHERE state IN ('pending', 'running') ORDER BY run_id"
        )
        return [Run(*row) for row in rows.fetchall()]

    def steps(self, run_id: str) -> list[Step]:
        """A run's step attempts in order."""
        rows = self._db.execute(
            "SELECT * FROM step_attempts WHERE run_id = ? ORDER BY sequence", (run_id,)
        )
        return [Step(*row) for row in rows.fetchall()]


class RunWriter:
    """Writes runs inside one transaction."""

    def __init__(
        self, connection: sqlite3.Connection, chain: Chain, clock: Clock, project_id: str
    ) -> None:
        self._db = connection
        self._chain = chain
        self._clock = clock
        self._project_id = project_id

    def start(
        self,
        kind: str,
        requested_by: str,
        process: dict[str, Any],
        trigger_type: str = "manual",
        trigger_ref: str | None = None,
    ) -> str:
        """Adds a run and sets it running; returns its id. `process` (pid, boot_id) tells later whether it died."""
        run_id, now = self._clock.ulid(), self._clock.now()
        seq = self._chain.add(
            "run_created",
            {"kind": kind, "to": "pending", "trigger_type": trigger_type, **process},
            run=run_id,
        )
        self._chain.flush()
        self._db.execute(
            "INSERT INTO runs (run_id, project_id, kind, state, trigger_type, trigger_ref, requested_by, created_at,"
            " event_seq) VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?)",
            (run_id, self._project_id, kind, trigger_type, trigger_ref, requested_by, now, seq),
        )
        self._move(run_id, "pending", "running", "run_started", None, "started_at")
        return run_id

    def finish(self, run_id: str, state: str, reason: str | None = None) -> None:
        """Ends a running run."""
        self._move(run_id, "running", state, "run_state_changed", reason, "ended_at")

    def count(self, run_id: str, counters: dict[str, int]) -> None:
        """Adds to a run's counters."""
        sets = ", ".join(f"{name} = {name} + ?" for name in counters if name in COUNTERS)
        self._db.execute(f"UPDATE runs SET {sets} WHERE run_id = ?", (*counters.values(), run_id))

    def add_steps(self, run_id: str, attempts: Sequence[Attempt]) -> None:
        """Adds step attempts that are over, one event each, and counts them."""
        (last,) = self._db.execute(
            "SELECT coalesce(max(sequence), 0) FROM step_attempts WHERE run_id = ?", (run_id,)
        ).fetchone()
        rows: list[tuple[Any, ...]] = []
        told: list[Told] = []
        for sequence, a in enumerate(attempts, last + 1):
            step_id = self._clock.ulid()
            payload: dict[str, Any] = {
                **{"sequence": sequence, "state": a.state, "step": a.tool_id},
                "step_attempt_id": step_id,
            }
            if a.reason:
                payload["reason"] = a.reason
            told.append(("step_finished", payload, a.entry_id))
            rows.append((step_id, run_id, sequence, *a))
        self._chain.add_all(told, run=run_id)
        self._chain.flush()
        self._db.executemany(
            "INSERT INTO step_attempts (step_attempt_id, run_id, sequence, entry_id, tool_id, state, state_reason,"
            " started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.count(run_id, {"step_attempts": len(rows)})

    def _move(
        self, run_id: str, frm: str, to: str, kind: str, reason: str | None, time_column: str
    ) -> None:
        states.advance("run", frm, to)
        payload: dict[str, Any] = {"from": frm, "to": to}
        if reason:
            payload["reason"] = reason
        seq = self._chain.add(kind, payload, run=run_id)
        self._chain.flush()
        sets = f"state = ?, state_reason = ?, event_seq = ?, {time_column} = ?"
        sql = f"UPDATE runs SET {sets} WHERE run_id = ? AND state = ?"
        done = self._db.execute(sql, (to, reason, seq, self._clock.now(), run_id, frm))
        if done.rowcount != 1:
            raise StaleMove(f"run {run_id} is no longer {frm}")
