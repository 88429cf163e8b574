"""The event chain: append-only, each hash over the canonical JSON of its row and the hash before it (DESIGN 6).

Canonical JSON: keys sorted, no white space, ASCII only (RFC 8785 in spirit; numbers are integers or short decimals).
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from uet_git.host.clock import Clock
from uet_git.model.entry import Event
from uet_git.model.named import NamedTuple

GENESIS: Final = "0" * 64
KINDS: Final = frozenset(
    {
        *("ledger_created", "run_created", "run_started", "run_state_changed", "step_finished"),
        *(
            "patch_created",
            "patch_validated",
            "patch_queued",
            "patch_apply_started",
            "patch_apply_succeeded",
        ),
        *(
            "patch_apply_failed",
            "patch_verified",
            "patch_committed",
            "patch_quarantined",
            "patch_dropped",
        ),
        *("patch_rolled_back", "patch_requeued", "patch_released", "patch_amended"),
        *("gate_created", "gate_state_changed", "gates_accepted", "gates_revoked"),
        *("landing_intended", "landing_done", "landing_abandoned", "lock_removed", "path_left"),
        *("queue_paused", "queue_resumed", "commits_seen", "rewritten", "copied", "note"),
        *("patch_redacted", "ledger_restored", "ledger_rebuilt", "patch_approved", "patch_snoozed"),
    }
)
KIND_OF_STATE: Final = {
    "validated": "patch_validated",
    "queued": "patch_queued",
    "applied": "patch_apply_succeeded",
    "apply_failed": "patch_apply_failed",
    "verified": "patch_verified",
    "committed": "patch_committed",
    "quarantined": "patch_quarantined",
    "dropped": "patch_dropped",
    "rolled_back": "patch_rolled_back",
}
_quote = json.encoder.encode_basestring_ascii
_slow = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
# One C encoder for the process: JSONEncoder.encode makes a new one each time, which costs more than the encoding.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_fast: Any = _make and _make(None, None, _quote, None, ":", ",", True, False, False)

COLUMNS: Final = ", ".join(Event._fields)
_INSERT = (
    "INSERT OR FAIL INTO events (seq, event_id, ts, actor, run_id, entry_id, kind, payload, prev_hash, hash,"
    " from_state, to_state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def canonical(document: Any) -> str:
    """Canonical JSON of a document. Raises: ValueError or TypeError for what JSON cannot hold."""
    return "".join(_fast(document, 0)) if _fast is not None else _slow(document)


def line_of(
    seq: int,
    event_id: str,
    ts: str,
    actor: str,
    run_id: str | None,
    entry_id: str | None,
    kind: str,
    payload: str,
    prev_hash: str,
) -> str:
    """The canonical JSON that an event's hash covers; `payload` is canonical JSON already."""
    actor, run, entry = _quote(actor), _optional(run_id), _optional(entry_id)
    return _line(seq, event_id, ts, actor, run, entry, kind, payload, prev_hash)


def _line(
    seq: int, event_id: str, ts: str, actor: str, run: str, entry: str, kind: str, payload: str, prev_hash: str
) -> str:  # fmt: skip
    """The same, of what is JSON already."""
    return (
        f'{{"actor":{actor},"entry":{entry},"event_id":"{event_id}","kind":"{kind}","payload":{payload},'
        f'"prev_hash":"{prev_hash}","run":{run},"seq":{seq},"ts":"{ts}"}}'
    )


def _optional(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def hash_of(line: str) -> str:
    """SHA-256 of a canonical line, in hex."""
    return hashlib.sha256(line.encode("ascii")).hexdigest()


Told: TypeAlias = tuple[str, dict[str, Any], str | None]
"""An event before it has its place in the chain: kind, payload, entry."""


class Link(NamedTuple):
    """One event as the log keeps it: its seq, its hash, and its line with the line feed."""

    seq: int
    hash: str
    line: bytes


class Chain:
    """The chain's open end inside one write transaction: events gather here and are written in bulk."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, actor: str) -> None:
        self._connection = connection
        self._clock = clock
        self._actor = actor
        row = connection.execute(
            "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        self._seq: int = row[0] if row else 0
        self._hash: str = row[1] if row else GENESIS
        self._rows: list[tuple[Any, ...]] = []
        self.links: list[Link] = []

    def add(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        run: str | None = None,
        entry: str | None = None,
    ) -> int:
        """Adds one event and returns its seq; it is in the database after `flush`."""
        return self.add_all([(kind, payload, entry)], run=run)

    def add_all(self, told: Iterable[Told], *, run: str | None = None) -> int:
        """Adds events of one moment, in order; returns the first one's seq. They are in the database after `flush`."""
        ts, ulid = self._clock.now(), self._clock.ulid
        actor, named = _quote(self._actor), _optional(run)
        first, seq, prev = self._seq + 1, self._seq, self._hash
        for kind, payload, entry in told:
            assert kind in KINDS, kind
            seq += 1
            text, event_id = canonical(payload), ulid()
            line = _line(seq, event_id, ts, actor, named, _optional(entry), kind, text, prev)
            found = hash_of(line)
            self.links.append(Link(seq, found, log_line(line, found)))
            self._rows.append(
                (seq, event_id, ts, self._actor, run, entry, kind, text, prev, found, payload.get("from"),
                 payload.get("to"))
            )  # fmt: skip
            prev = found
        self._seq, self._hash = seq, prev
        return first

    def flush(self) -> None:
        """Writes the gathered events."""
        if self._rows:
            self._connection.executemany(_INSERT, self._rows)
            self._rows = []


def read(
    connection: sqlite3.Connection, after: int = 0, limit: int | None = None
) -> Iterator[Event]:
    """Yields events in order, a page at a time, with no statement open in between."""
    left = limit
    while left is None or left > 0:
        page = 1000 if left is None else min(left, 1000)
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, page)
        ).fetchall()
        for row in rows:
            yield Event(*row)
        if len(rows) < page:
            return
        after = rows[-1][0]
        left = None if left is None else left - len(rows)


def json_line(event: Event) -> str:
    """One event as the log keeps it: the hashed line with the hash itself added."""
    return with_hash(line_of(*event[:9]), event.hash)


def with_hash(line: str, hash_: str) -> str:
    """A canonical line with its hash added."""
    return f'{line[:-1]},"hash":"{hash_}"}}'


def log_line(line: str, hash_: str) -> bytes:
    """A canonical line with its hash, as it stands in the log."""
    return f"{with_hash(line, hash_)}\n".encode("ascii")


def of_line(line: bytes) -> Event | None:
    """The event of one line of a log, if the line is whole and has the hash that it names; else None."""
    try:
        found = json.loads(line)
        event = Event(
            *(found["seq"], found["event_id"], found["ts"], found["actor"], found["run"]),
            *(found["entry"], found["kind"], canonical(found["payload"]), found["prev_hash"]),
            found["hash"],
        )
        return event if is_sound(event) else None
    except (ValueError, TypeError, KeyError):
        return None


def is_sound(event: Event) -> bool:
    """Whether an event's content has its hash."""
    try:
        return isinstance(event.seq, int) and hash_of(line_of(*event[:9])) == event.hash
    except (TypeError, ValueError):
        return False


def broken_links(
    events: Iterable[Event], seq: int = 0, prev: str = GENESIS
) -> Iterator[tuple[int, str]]:
    """Yields (seq, what is wrong) for every event that does not follow from the one before."""
    for event in events:
        if event.seq != seq + 1:
            yield event.seq, f"events {seq + 1} to {event.seq - 1} are missing"
        if event.prev_hash != prev:
            yield event.seq, "it does not name the hash of the event before it"
        try:
            expected = hash_of(line_of(*event[:9]))
        except (UnicodeEncodeError, ValueError):
            expected = ""
        if expected != event.hash:
            yield event.seq, "its content does not match its hash"
        seq, prev = event.seq, event.hash
