"""Entries, their patches, series and repaired readings made again from their events."""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from uet_git.ledger.entries import PATCH_COLUMNS
from uet_git.ledger.events import canonical
from uet_git.ledger.handmade import RUNG
from uet_git.model.entry import Entry, Event

_BORN: Final = ("number", "revision", "patch_id", "target", "title", "identity")
_BORN_MAYBE: Final = ("series_id", "series_index", "replaces", "rollback_of")
_FIXED: Final = frozenset(
    {"seq", "entry_id", "patch_id", "number", "revision", "identity", "created_at", "state"}
)
_UNTOLD: Final = (
    *("phase_id", "workstream_id", "execution_request_id", "prompt_id", "tool_run_id"),
    *("priority", "findings", "format_ok", "scope_ok", "constraints_ok", "message"),
    *("author_name", "author_email", "author_date", "message_id", "submitter", "origin", "issue"),
    *("scope", "depends_on", "allow_behind", "sign_off", "attempts", "tried_tip", "updated_at"),
)
"""Columns that no event tells, or only where they change."""
_UNSURE: Final = frozenset(_UNTOLD) - {"submitter", "updated_at"}
"""Those of them whose default says something that may be wrong."""
_MOST: Final = 1 << 30  # bytes of one patch
_FLAGS: Final = ("format_ok", "scope_ok", "constraints_ok")
_COUNTED: Final = ("files", "insertions", "deletions", "hunks")
PATCH_UNTOLD: Final = ("size", "files_touched", *_COUNTED)
"""What is unknown of a patch whose bytes are lost, beside them."""
_JSON_COLUMNS: Final = frozenset({"findings", "waived", "origin", "scope", "depends_on"})
Extras = Callable[[str, str], Mapping[str, Any]]


class EntryReplay:
    """The `patch_*` events."""

    def __init__(
        self, db: sqlite3.Connection, extras: Extras, unknown: dict[tuple[str, str], set[str]]
    ) -> None:
        self._db = db
        self._extras = extras
        self._unknown = unknown
        self._waived: dict[str, dict[int, list[str]]] = {}  # by the event that waived
        self._told: dict[
            str, set[str]
        ] = {}  # columns that an event set on purpose: nothing else is better
        self._half: dict[str, set[str]] = {}  # columns that moves set in passing
        self._landing_runs: dict[str, str] = {}
        self._gone: set[str] = set()

    def landing(self, run_id: str, commits: Sequence[Sequence[str]]) -> None:
        """An intent: entries that become committed later are landed by this run."""
        self._landing_runs.update((pair[0], run_id) for pair in commits)

    def take(self, event: Event, payload: dict[str, Any], project_id: str) -> None:
        """One event of an entry. Raises: sqlite3.IntegrityError (a guard), KeyError (it is no such event)."""
        assert event.entry_id is not None
        if event.kind == "patch_created":
            self._created(event, payload, project_id)
            return
        if event.kind == "patch_redacted":
            self._redacted(event.entry_id)
        sets: dict[str, Any] = {"event_seq": event.seq, "updated_at": event.ts}
        to = payload.get("to")
        if event.kind == "patch_amended":
            amended = {
                k: canonical(v) if k in _JSON_COLUMNS and v is not None else v
                for k, v in payload.items()
                if k in Entry._fields and k not in _FIXED
            }
            self._told[event.entry_id].update(amended)
            sets |= amended
        if to is not None:
            sets |= {"state": to, **self._moved(event, payload, to)}
        self._half[event.entry_id].update(sets)
        marks = ", ".join(f"{name} = ?" for name in sets)
        sql = f"UPDATE entries SET {marks} WHERE entry_id = ?"
        self._db.execute(sql, (*sets.values(), event.entry_id))

    def _created(self, event: Event, payload: dict[str, Any], project_id: str) -> None:
        entry_id = event.entry_id
        assert entry_id is not None
        self._told[entry_id], self._half[entry_id] = set(), set()
        self._patch(payload, event.ts)
        if payload.get("series_id") is not None:
            self._series(str(payload["series_id"]), int(payload["series_index"]), event.ts)
        born = self._extras("entries", entry_id).get("created_at", event.ts)
        if born[:16] != event.ts[:16]:
            born = event.ts  # a row is written within moments of its event
        row = {
            **{name: payload[name] for name in _BORN},
            **{name: payload.get(name) for name in _BORN_MAYBE},
            **{"entry_id": entry_id, "project_id": project_id, "state": "created", "priority": 1},
            **{"findings": "[]", "message": "", "submitter": event.actor},
            **{"made_by_run": event.run_id, "created_at": born, "updated_at": event.ts},
            "event_seq": event.seq,
        }
        if self._is_of_a_hook(event.run_id):
            row |= {"rung": RUNG, "origin": canonical({"tool_id": "hook"})}
            self._half[entry_id] |= _UNSURE  # one is made with nothing but defaults
        sql = f"INSERT INTO entries ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        self._db.execute(sql, tuple(row.values()))

    def _is_of_a_hook(self, run_id: str | None) -> bool:
        row = self._db.execute("SELECT kind FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return row is not None and row[0] == "hook"

    def _moved(self, event: Event, payload: dict[str, Any], to: str) -> dict[str, Any]:
        """The columns that a move to this state sets."""
        key = event.entry_id or ""
        sets: dict[str, Any] = {"reason": payload.get("reason"), "detail": payload.get("detail")}
        held = self._waived.setdefault(key, {})
        if event.kind == "patch_released":
            held[event.seq] = list(payload.get("waived", ()))
        undone = held.pop(payload.get("undoes", 0), None)
        codes = list(dict.fromkeys(code for given in held.values() for code in given))
        if event.kind == "patch_released" or undone is not None:
            sets["waived"] = canonical(codes) if codes else None
        if to == "validated" and not codes:
            sets |= dict.fromkeys(_FLAGS, 1)
        if to == "applied":
            sets |= {n: payload[n] for n in ("tree", "rung", "proved", "attempts") if n in payload}
        if to == "committed":
            run = self._landing_runs.get(key, event.run_id)
            sets |= {"commit_id": payload["commit"], "landed_by_run": run}
        if to == "rolled_back":
            sets["rolled_back_by"] = payload["rolled_back_by"]
        return sets

    def _redacted(self, entry_id: str) -> None:
        """Whatever is found of the content stays out (ledger/redaction.py)."""
        self._gone.add(entry_id)
        self._told[entry_id].add("message")
        self._db.execute(
            "UPDATE gates SET results = NULL, output_path = NULL, output_truncated = NULL WHERE entry_id = ?",
            (entry_id,),
        )
        sql = "SELECT patch_id FROM entries WHERE entry_id = ?"
        row = self._db.execute(sql, (entry_id,)).fetchone()
        if row is not None:
            self._db.execute("UPDATE patches SET content = NULL WHERE patch_id = ?", row)
            self._unknown["patches", row[0]].discard("content")

    # -- what hangs on an entry ----------------------------------------------------------------------------------

    def _patch(self, payload: dict[str, Any], ts: str) -> None:
        key, digest = str(payload["patch_id"]), str(payload["sha256"])
        there = "SELECT 1 FROM patches WHERE patch_id = ?"
        if self._db.execute(there, (key,)).fetchone() is not None:
            return
        extra = self._extras("patches", key)
        packed, size = _proved(extra.get("content"), digest)
        names = PATCH_COLUMNS.replace("\n", " ").split(", ")
        row: dict[str, Any] = {
            **dict.fromkeys(("size", *_COUNTED), 0),
            **{"files_touched": "[]", "base_commit": None, "created_at": ts},
            **{name: extra[name] for name in names if name in extra},
            **{"patch_id": key, "sha256": digest, "format": "unified_diff", "content": packed},
        }
        if packed is not None:
            row["size"] = size
        else:
            self._unknown["patches", key].add("content")
        if "files_touched" not in extra:
            self._unknown["patches", key] |= {"base_commit", *PATCH_UNTOLD}
        sql = f"INSERT INTO patches ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        self._db.execute(sql, tuple(row.values()))

    def _series(self, key: str, index: int, ts: str) -> None:
        extra = self._extras("series", key)
        missing = {"total", "atomic", "cover"} - extra.keys()
        if missing:
            self._unknown["series", key] = missing
        row = (
            *(key, extra.get("total", index), extra.get("atomic", 0), extra.get("cover")),
            extra.get("created_at", ts),
        )
        sql = "INSERT INTO series VALUES (?, ?, ?, ?, ?) ON CONFLICT (series_id) DO UPDATE SET total = max(total, ?)"
        self._db.execute(sql, (*row, index))

    def finish(self) -> None:
        """Adds what is known of each entry beside its events, and its repaired reading and staged change."""
        for entry_id, told in self._told.items():
            extra = self._extras("entries", entry_id)
            known = {n: extra[n] for n in _UNTOLD if n in extra and n not in told}
            if entry_id in self._gone and "findings" in known:
                findings = json.loads(known["findings"])
                known["findings"] = canonical([{**f, "detail": ""} for f in findings])
            missing = _UNSURE - extra.keys() - told - self._half[entry_id]
            if missing:
                self._unknown["entries", entry_id] |= missing
            if known:
                self.fill(entry_id, known)
            self._copied("repairs", entry_id)
            self._copied("hook_entries", entry_id)

    def fill(self, entry_id: str, columns: Mapping[str, Any]) -> None:
        """Sets columns that something else than an event tells."""
        marks = ", ".join(f"{name} = ?" for name in columns)
        sql = f"UPDATE entries SET {marks} WHERE entry_id = ?"
        self._db.execute(sql, (*columns.values(), entry_id))

    def fill_patch(self, patch_id: str, packed: bytes, size: int, paths: Sequence[str]) -> None:
        """Gives a patch its bytes, which the caller proved."""
        self._db.execute(
            "UPDATE patches SET content = ?, size = ?, files_touched = ?, files = ? WHERE patch_id = ?",
            (packed, size, canonical(list(paths)), len(paths), patch_id),
        )

    def _copied(self, table: str, entry_id: str) -> None:
        """A row that stands or falls as a whole."""
        extra = self._extras(table, entry_id)
        is_offer = table == "repairs"
        if is_offer and (entry_id in self._gone or not _named(self._db, entry_id, extra)):
            return
        if not extra:
            return
        if table == "hook_entries":
            extra = {**extra, "passed_seq": self._event(extra.get("passed_seq"))}
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(extra)}) VALUES ({', '.join('?' * len(extra))})"
        self._db.execute(sql, tuple(extra.values()))

    def _event(self, seq: object) -> object:
        """The event, if it is one of those that were replayed."""
        row = self._db.execute("SELECT seq FROM events WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else row[0]


def _proved(packed: object, digest: str) -> tuple[bytes | None, int]:
    """Compressed bytes if they are those that were handed in, and their size inflated."""
    if not isinstance(packed, bytes):
        return None, 0
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(packed, _MOST)
    except zlib.error:
        return None, 0
    if not reader.eof or hashlib.sha256(content).hexdigest() != digest:
        return None, 0
    return packed, len(content)


def _named(db: sqlite3.Connection, entry_id: str, extra: Mapping[str, Any]) -> bool:
    """Whether an event of the entry offered exactly this reading."""
    sql = (
        "SELECT 1 FROM events WHERE entry_id = ? AND kind = 'patch_quarantined'"
        " AND json_extract(payload, '$.repaired') = ?"
    )
    found = db.execute(sql, (entry_id, extra.get("sha256"))).fetchone()
    return (
        found is not None and _proved(extra.get("content"), str(extra.get("sha256")))[0] is not None
    )
