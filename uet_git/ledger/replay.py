"""Makes the rows of a ledger again from its events, behind the same guards: the fold of DESIGN 5 and 6 as SQL.

What events do not tell comes from `extras`, a function of table and key; what nobody knows keeps a default and is
noted.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from uet_git.ledger import connection as _connection
from uet_git.ledger.entries import Entries
from uet_git.ledger.events import COLUMNS, canonical
from uet_git.ledger.replay_entries import EntryReplay
from uet_git.ledger.replay_gates import GateReplay
from uet_git.model.entry import Event

Extras = Callable[[str, str], Mapping[str, Any]]
"""Columns of a row, as they are stored, from any source but the events; empty without one."""
_RUN_EXTRAS: Final = ("trigger_ref", "phase_id", "workstream_id", "execution_request_id")
_COUNTERS: Final = ("patches_applied", "patches_set_aside", "errors")


@contextmanager
def into(path: Path, extras: Extras) -> Iterator["Replay"]:
    """A replay into the new ledger at `path`: all of it is there at the end, or none.

    Raises: DiskFull, LedgerReadOnly, and sqlite3.IntegrityError (rows refer to rows that no event made).
    """
    with closing(_connection.writable(path)) as db, _connection.translated(path):
        db.execute("BEGIN IMMEDIATE")
        db.execute("PRAGMA defer_foreign_keys = ON")  # an entry may name one that comes later
        replay = Replay(db, extras)
        yield replay
        db.execute("COMMIT")


class Replay:
    """One replay into an empty ledger, inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, extras: Extras) -> None:
        self._db = db
        self._extras = extras
        self.unknown: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.refused: list[int] = []
        """Events whose move the guards do not allow: their row stays as it was."""
        self.reader = Entries(db)
        self.entries = EntryReplay(db, extras, self.unknown)
        self.gates = GateReplay(db, extras, self.unknown)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._acts: dict[str, Callable[[Event, dict[str, Any]], None]] = {
            "ledger_created": self._ledger_created,
            "run_created": self._run_created,
            "run_started": self._run_moved,
            "run_state_changed": self._run_moved,
            "step_finished": self._step,
            "landing_intended": self._intended,
            "landing_done": self._closed,
            "landing_abandoned": self._closed,
            "queue_paused": self._paused,
            "queue_resumed": self._resumed,
            "commits_seen": self._seen,
            "rewritten": self._rewritten,
            "note": self._note,
        }
        self.project_id = ""

    def take(self, event: Event) -> None:
        """Adds an event and does what it says. Raises: sqlite3.Error if the event itself cannot be added."""
        payload = json.loads(event.payload)
        self._db.execute(
            f"INSERT INTO events ({COLUMNS}, from_state, to_state) VALUES ({', '.join('?' * 12)})",
            (*event, payload.get("from"), payload.get("to")),
        )
        try:
            if event.kind.startswith("patch_"):
                self.entries.take(event, payload, self.project_id)
                self._counted(event, payload)
                self._decided(event, payload)
            elif event.kind.startswith("gate_"):
                self.gates.take(event, payload, self.project_id)
            elif event.kind in self._acts:
                self._acts[event.kind](event, payload)
        except (sqlite3.IntegrityError, KeyError, TypeError, ValueError):
            self.refused.append(event.seq)

    def finish(self) -> None:
        """Adds what is known of rows beside their events."""
        self.entries.finish()
        for run_id, counts in self._counts.items():
            extra = self._extras("runs", run_id)
            known = {n: extra[n] for n in _COUNTERS if isinstance(extra.get(n), int)}
            named = {**counts, **known}
            if not known:
                self.unknown["runs", run_id].update(_COUNTERS)
            sets = ", ".join(f"{name} = ?" for name in named)
            if sets:
                self._db.execute(
                    f"UPDATE runs SET {sets} WHERE run_id = ?", (*named.values(), run_id)
                )

    # -- the ledger and its runs ---------------------------------------------------------------------------------

    def _ledger_created(self, event: Event, payload: dict[str, Any]) -> None:
        self.project_id = str(payload["project_id"])
        meta = (("ledger_id", payload["ledger_id"]), ("project_id", self.project_id))
        self.set_meta(*meta, ("created_at", event.ts))

    def set_meta(self, *pairs: tuple[str, str]) -> None:
        """Sets facts about the ledger itself."""
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)

    def _run_created(self, event: Event, payload: dict[str, Any]) -> None:
        assert event.run_id is not None
        extra = self._extras("runs", event.run_id)
        names = ("run_id", "project_id", "kind", "state", "trigger_type", "requested_by")
        self._db.execute(
            f"INSERT INTO runs ({', '.join(names)}, created_at, event_seq, {', '.join(_RUN_EXTRAS)})"
            f" VALUES ({', '.join('?' * 12)})",
            (
                *(event.run_id, self.project_id, payload["kind"], "pending"),
                *(payload["trigger_type"], event.actor, event.ts, event.seq),
                *(extra.get(name) for name in _RUN_EXTRAS),
            ),
        )
        self._counts[event.run_id] = Counter()
        if "trigger_ref" not in extra:
            self.unknown["runs", event.run_id].add("trigger_ref")

    def _run_moved(self, event: Event, payload: dict[str, Any]) -> None:
        column = "started_at" if payload["to"] == "running" else "ended_at"
        self._db.execute(
            f"UPDATE runs SET state = ?, state_reason = ?, event_seq = ?, {column} = ? WHERE run_id = ?",
            (payload["to"], payload.get("reason"), event.seq, event.ts, event.run_id),
        )

    def _step(self, event: Event, payload: dict[str, Any]) -> None:
        key = str(payload["step_attempt_id"])
        extra = self._extras("step_attempts", key)
        started = extra.get("started_at")
        if not isinstance(started, str):
            started = event.ts
            self.unknown["step_attempts", key].add("started_at")
        self._db.execute(
            "INSERT INTO step_attempts (step_attempt_id, run_id, sequence, entry_id, tool_id, state, state_reason,"
            " started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(key, event.run_id, payload["sequence"], event.entry_id, payload["step"]),
                *(payload["state"], payload.get("reason"), started, event.ts),
            ),
        )
        self._count(event, "step_attempts")

    def _counted(self, event: Event, payload: dict[str, Any]) -> None:
        name = {"created": "patches_created", "committed": "patches_committed"}.get(
            str(payload.get("to"))
        )
        if name is not None:
            self._count(event, name)

    def _decided(self, event: Event, payload: dict[str, Any]) -> None:
        """Votes and snoozes, and what took one back."""
        if event.kind == "patch_approved":
            row = (event.entry_id, event.actor, payload["target"], canonical(payload["policy"]))
            more = (canonical(payload["diff"]), event.ts, event.seq)
            sql = "INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?)"
            self._db.execute(sql, (*row, *more))
        elif event.kind == "patch_snoozed" and payload["until"] is not None:
            values = (event.entry_id, payload["until"], event.actor, event.seq)
            self._db.execute("INSERT OR REPLACE INTO snoozes VALUES (?, ?, ?, ?)", values)
        elif event.kind == "patch_snoozed":
            self._db.execute("DELETE FROM snoozes WHERE entry_id = ?", (event.entry_id,))
        if "undoes" in payload:
            sql = "DELETE FROM approvals WHERE entry_id = ? AND event_seq = ?"
            self._db.execute(sql, (event.entry_id, payload["undoes"]))

    def _count(self, event: Event, name: str) -> None:
        if event.run_id is not None:
            self._counts[event.run_id][name] += 1

    # -- landings and pauses -------------------------------------------------------------------------------------

    def _intended(self, event: Event, payload: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO landings VALUES (?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?, NULL)",
            (
                *(payload["landing_id"], event.run_id, payload["target"], payload["old"]),
                *(payload["new"], canonical(payload["worktrees"]), canonical(payload["commits"])),
                *(payload["boot_id"], payload["pid"], event.ts),
            ),
        )
        assert event.run_id is not None
        self.entries.landing(event.run_id, payload["commits"])

    def _closed(self, event: Event, payload: dict[str, Any]) -> None:
        state = event.kind.removeprefix("landing_")
        key = payload["landing_id"]
        sql = "UPDATE landings SET state = ?, ended_at = ? WHERE landing_id = ?"
        self._db.execute(sql, (state, event.ts, key))
        if state == "done":
            row = self._db.execute(
                "SELECT new, target, old FROM landings WHERE landing_id = ?", (key,)
            ).fetchone()
            self._db.execute("UPDATE branches SET tip = ? WHERE ref = ? AND tip = ?", row)

    def _paused(self, event: Event, payload: dict[str, Any]) -> None:
        row = (payload["target"], payload["code"], payload["reason"], event.actor, event.ts)
        self._db.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?, ?)", row)

    def _resumed(self, _event: Event, payload: dict[str, Any]) -> None:
        self._db.execute("DELETE FROM pauses WHERE target = ?", (payload["target"],))

    # -- ordinary commits ----------------------------------------------------------------------------------------

    def _seen(self, event: Event, payload: dict[str, Any]) -> None:
        what = payload.get("what")
        if what == "baseline":
            rows = [(ref, tip, tip, event.seq) for ref, tip in payload["branches"].items()]
            self._db.executemany("INSERT OR IGNORE INTO branches VALUES (?, ?, ?, ?)", rows)
            self.set_meta(("watching_since", event.ts))
        elif what == "range":
            self._db.execute(
                "INSERT INTO branches VALUES (?, NULL, ?, ?) ON CONFLICT (ref) DO UPDATE SET tip = excluded.tip,"
                " event_seq = excluded.event_seq",
                (payload["ref"], payload["new"], event.seq),
            )
        elif what == "unverified":
            row = (payload["commit"], payload["tree"], payload["via"], event.entry_id, event.seq)
            self._db.execute("INSERT OR IGNORE INTO unverified_commits VALUES (?, ?, ?, ?, ?)", row)

    def _rewritten(self, event: Event, payload: dict[str, Any]) -> None:
        row = (payload["old"], payload["new"], payload["command"], event.seq)
        self._db.execute("INSERT OR IGNORE INTO rewrites VALUES (?, ?, ?, ?)", row)

    def _note(self, _event: Event, payload: dict[str, Any]) -> None:
        if payload.get("what") in ("hooks_installed", "hooks_removed"):
            self.set_meta(("hook_files", json.dumps(payload["hooks"], sort_keys=True)))
