"""Gate attempts made again from their events. An event names the hash of long results, not the results themselves."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from uet_git.ledger.gates import results_hash
from uet_git.model.entry import Event

_TOLD: Final = ("exit_code", "detail", "duration_seconds", "cached_from", "tier")
_BORN_WITH: Final = {"gate_type": "custom", "required": 1, "definition": "{}"}
_LOGS: Final = ("output_path", "output_truncated")


class GateReplay:
    """The `gate_*` events."""

    def __init__(
        self,
        db: sqlite3.Connection,
        extras: Callable[[str, str], Mapping[str, Any]],
        unknown: dict[tuple[str, str], set[str]],
    ) -> None:
        self._db = db
        self._extras = extras
        self._unknown = unknown

    def take(self, event: Event, payload: dict[str, Any], project_id: str) -> None:
        """One event of a gate attempt. Raises: sqlite3.IntegrityError (a guard), KeyError (it is no such event)."""
        if event.kind == "gate_created":
            self._created(event, payload, project_id)
        elif event.kind == "gate_state_changed":
            self._moved(event, payload)

    def _created(self, event: Event, payload: dict[str, Any], project_id: str) -> None:
        key = str(payload["gate_id"])
        extra = self._extras("gates", key)
        born = {n: extra.get(n, default) for n, default in _BORN_WITH.items()}
        missing = _BORN_WITH.keys() - extra.keys()
        if missing:
            self._unknown["gates", key] |= missing
        row = {
            **{"gate_id": key, "run_id": event.run_id, "entry_id": event.entry_id},
            **{"project_id": project_id, "name": payload["gate"], "tree": payload["tree"]},
            **{"state": "pending", "created_at": event.ts, "event_seq": event.seq, **born},
            **{"purpose": payload.get("purpose", "candidate")},
            "verdict_key": payload.get("verdict_key"),
        }
        sql = f"INSERT INTO gates ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        self._db.execute(sql, tuple(row.values()))

    def _moved(self, event: Event, payload: dict[str, Any]) -> None:
        key = str(payload["gate_id"])
        column = "started_at" if payload["to"] == "running" else "ended_at"
        sets = {"state": payload["to"], "event_seq": event.seq, column: event.ts}
        sets |= {name: payload[name] for name in _TOLD if name in payload}
        if payload["to"] not in ("running", "pending", "blocked"):
            extra = self._extras("gates", key)
            sets |= {name: extra[name] for name in _LOGS if name in extra}
            sets |= self._results(key, payload, extra)
        marks = ", ".join(f"{name} = ?" for name in sets)
        self._db.execute(f"UPDATE gates SET {marks} WHERE gate_id = ?", (*sets.values(), key))

    def _results(
        self, key: str, payload: dict[str, Any], extra: Mapping[str, Any]
    ) -> dict[str, Any]:
        digest = payload.get("results_sha256")
        if digest is None:
            return {}
        kept = extra.get("results")
        if isinstance(kept, str) and kept.isascii() and results_hash(kept) == digest:
            return {"results": kept}
        self._unknown["gates", key].add("results")
        return {}
