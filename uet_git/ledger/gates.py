"""Gate attempts: one row per gate and candidate tree, moved with an event each."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from uet_git.errors import StaleMove
from uet_git.host.clock import Clock
from uet_git.ledger.events import Chain, canonical
from uet_git.model import states
from uet_git.model.named import NamedTuple

_TOLD: Final = ("exit_code", "detail", "duration_seconds", "cached_from", "tier")
"""Columns that an event tells of a move, where they have a value."""


_SUMMED: Final = ("total", "failed", "skipped", "coverage", "flaky")
"""What an event tells of the results themselves; for the rest, which can be long, their hash."""


class GateRow(NamedTuple):
    """One gate attempt, column by column; `definition` is parsed JSON, times UTC, `duration_seconds` seconds."""

    gate_id: str
    run_id: str
    entry_id: str | None
    project_id: str
    name: str
    gate_type: str
    state: str
    required: int
    tree: str
    definition: dict[str, Any]
    exit_code: int | None
    duration_seconds: float | None
    output_path: str | None
    output_truncated: int | None
    detail: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    event_seq: int
    purpose: str
    verdict_key: str | None
    cached_from: str | None
    tier: str | None
    results: dict[str, Any] | None


def of_entry(db: sqlite3.Connection, entry_id: str) -> list[GateRow]:
    """An entry's gate attempts in order."""
    return _rows(db, "entry_id = ?", entry_id)


def of_run(db: sqlite3.Connection, run_id: str) -> list[GateRow]:
    """A run's gate attempts in order."""
    return _rows(db, "run_id = ?", run_id)


def unfinished(db: sqlite3.Connection) -> list[GateRow]:
    """Gate attempts that a dead process left pending or running."""
    return _rows(db, "state IN ('pending', 'running', 'blocked') AND ? = ''", "")


def _rows(
    db: sqlite3.Connection, where: str, *values: str | None, order: str = "gate_id"
) -> list[GateRow]:
    rows = db.execute(f"SELECT * FROM gates WHERE {where} ORDER BY {order}", values).fetchall()
    return [gate_of(row) for row in rows]


def gate_of(row: Sequence[Any]) -> GateRow:
    """The record of a row of all columns. Raises: ValueError if the definition is not JSON."""
    results = None if row[23] is None else json.loads(row[23])
    return GateRow._make((*row[:9], json.loads(row[9]), *row[10:23], results))


def results_hash(text: str) -> str:
    """SHA-256 (hex) of results as they are stored."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def verdict(db: sqlite3.Connection, key: str, ended: Sequence[str] = ("passed",)) -> GateRow | None:
    """The newest attempt that ran and said yes or no to the same question, if it ended in one of these states.

    A pass does not count any more once the same question was answered with no.
    """
    rows = _rows(
        db,
        "verdict_key = ? AND cached_from IS NULL AND state IN ('passed', 'failed', 'timeout')",
        key,
        order="gate_id DESC LIMIT 1",
    )
    return rows[0] if rows and rows[0].state in ended else None


def get(db: sqlite3.Connection, gate_id: str) -> GateRow | None:
    """The attempt with this id."""
    rows = _rows(db, "gate_id = ?", gate_id)
    return rows[0] if rows else None


def newest(db: sqlite3.Connection, name: str | None, limit: int) -> list[GateRow]:
    """The newest attempts, of one gate or of all, newest first."""
    where = "(? IS NULL OR name = ?)"
    return _rows(db, where, name, name, order=f"gate_id DESC LIMIT {int(limit)}")


def by_prefix(db: sqlite3.Connection, prefix: str) -> list[GateRow]:
    """Up to two attempts whose id starts so."""
    return _rows(db, "gate_id >= ? AND gate_id < ?", prefix, prefix + "~", order="gate_id LIMIT 2")


class GateWriter:
    """Writes gate attempts inside one transaction."""

    def __init__(
        self, connection: sqlite3.Connection, chain: Chain, clock: Clock, project_id: str
    ) -> None:
        self._db = connection
        self._chain = chain
        self._clock = clock
        self._project_id = project_id

    def add(
        self,
        *,
        run: str,
        entry: str | None,
        name: str,
        gate_type: str,
        required: bool,
        tree: str,
        definition: dict[str, Any],
        purpose: str = "candidate",
        verdict_key: str | None = None,
        gate_id: str | None = None,
        at: str | None = None,
    ) -> str:
        """Adds a pending gate attempt; returns its id. `purpose` is candidate, base or asked.

        `gate_id` and `at` (UTC) are of one that was made before it could be recorded.
        """
        gate_id = gate_id or self._clock.ulid()
        payload = {"gate_id": gate_id, "gate": name, "tree": tree, "to": "pending"}
        if purpose != "candidate":
            payload["purpose"] = purpose
        if verdict_key is not None:
            payload["verdict_key"] = verdict_key
        seq = self._chain.add("gate_created", payload, run=run, entry=entry)
        self._chain.flush()
        self._db.execute(
            "INSERT INTO gates (gate_id, run_id, entry_id, project_id, name, gate_type, state, required, tree,"
            " definition, created_at, event_seq, purpose, verdict_key)"
            " VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)",
            (gate_id, run, entry, self._project_id, name, gate_type, int(required), tree, canonical(definition),
             at or self._clock.now(), seq, purpose, verdict_key),
        )  # fmt: skip
        return gate_id

    def move(
        self, gate_id: str, frm: str, to: str, *, at: str | None = None, **columns: Any
    ) -> None:
        """Moves a gate attempt by compare-and-swap; `at` (UTC) if that was not now. Raises: IllegalMove, StaleMove."""
        states.advance("gate", frm, to)
        row = self._db.execute(
            "SELECT run_id, entry_id, name FROM gates WHERE gate_id = ?", (gate_id,)
        ).fetchone()
        payload: dict[str, Any] = {"gate_id": gate_id, "gate": row[2], "from": frm, "to": to}
        for name in _TOLD:
            if columns.get(name) is not None:
                payload[name] = columns[name]
        results = columns.get("results")
        if results is not None:
            columns["results"] = canonical(results)
            payload |= {k: results[k] for k in _SUMMED if results.get(k)}
            payload["results_sha256"] = results_hash(columns["results"])
        seq = self._chain.add("gate_state_changed", payload, run=row[0], entry=row[1])
        self._chain.flush()
        time_column = "started_at" if to == "running" else "ended_at"
        sets = "".join(f", {n} = ?" for n in columns)
        done = self._db.execute(
            f"UPDATE gates SET state = ?, event_seq = ?, {time_column} = ?{sets} WHERE gate_id = ? AND state = ?",
            (to, seq, at or self._clock.now(), *columns.values(), gate_id, frm),
        )
        if done.rowcount != 1:
            raise StaleMove(f"gate {gate_id} is no longer {frm}")
