"""Entries, their patches and series: rows in, records out, moves by compare-and-swap with their event (DESIGN 5, 6)."""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from uet_git.errors import StaleMove
from uet_git.host.clock import Clock
from uet_git.ledger.events import KIND_OF_STATE, Chain, Told, canonical
from uet_git.model import states
from uet_git.model.entry import Entry, Series, StoredPatch
from uet_git.model.named import NamedTuple
from uet_git.model.states import EntryState

_COLUMNS: Final = Entry._fields
COLUMNS: Final = ", ".join(_COLUMNS)
PATCH_COLUMNS: Final = (
    "patch_id, sha256, size, content, files_touched, files, insertions, deletions, hunks,"
    " base_commit, created_at"
)
_SELECT: Final = f"SELECT {COLUMNS} FROM entries"
_LANDED_AT: Final = "SELECT max(v.seq) FROM events v WHERE v.entry_id = entries.entry_id AND v.to_state = 'committed'"
_JSON: Final = frozenset({"findings", "waived", "origin", "scope", "depends_on"})
_JSON_AT: Final = tuple(i for i, name in enumerate(_COLUMNS) if name in _JSON)
_NEW: Final = tuple(c for c in _COLUMNS if c != "seq")
_NEW_JSON: Final = tuple(i for i, name in enumerate(_NEW) if name in _JSON)
_MOVE: Final = "UPDATE OR FAIL entries SET state = ?, event_seq = ?, updated_at = ?"
_IF_GIVEN: Final = ("series_id", "series_index", "replaces", "rollback_of")
_ONLY_TOLD: Final = ("rolls_back", "why")
"""What the first event says and no column holds."""


class Move(NamedTuple):
    """One move of one entry. `payload` goes into the event beside from and to; `columns` are set on the row.

    `kind` is the event's; None: the one of the state.
    """

    entry_id: str
    frm: str
    to: str
    payload: dict[str, Any]
    columns: dict[str, Any]
    kind: str | None = None


_HELD: Final = (*states.OPEN_ENTRY, "quarantined")


def is_open(table: str = "") -> str:
    """SQL: the condition of the index `entries_open`, which SQLite takes only where it reads these very words."""
    closed = (s for s in states.ENTRY if s not in _HELD)
    return " AND ".join(f"{table}state <> '{state}'" for state in closed)


IS_OPEN: Final = is_open()


def _in_state(wanted: Sequence[str]) -> str:
    """The condition, with the states' names in it: a bound one hides from SQLite that an index holds the open ones."""
    found = f"state IN ({', '.join(repr(str(EntryState(name))) for name in wanted)})"
    return f"{IS_OPEN} AND {found}" if set(wanted) <= set(_HELD) else found


def entry_of(row: Sequence[Any]) -> Entry:
    """The record of a row of all columns. Raises: ValueError if a column is not the JSON that it should be."""
    values = list(row)
    for i in _JSON_AT:
        text = values[i]
        if text is not None:
            values[i] = [] if text == "[]" else json.loads(text)
    return Entry._make(values)


class Entries:
    """Reads entries and patches."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def get(self, entry_id: str) -> Entry | None:
        """The entry with this id."""
        return self._one("entry_id = ?", (entry_id,))

    def by_ids(self, ids: Sequence[str]) -> list[Entry]:
        """The entries with these ids, in the order asked; ids that are not there are left out."""
        found: dict[str, Entry] = {}
        for start in range(0, len(ids), 500):
            page = ids[start : start + 500]
            found.update(
                (e.entry_id, e)
                for e in self._many(f"entry_id IN ({', '.join('?' * len(page))})", tuple(page))
            )
        return [found[i] for i in ids if i in found]

    def revision(self, number: int, revision: int | None = None) -> Entry | None:
        """Revision `revision` of change `number`; the newest without one."""
        if revision is None:
            return self._one("number = ? ORDER BY revision DESC LIMIT 1", (number,))
        return self._one("number = ? AND revision = ?", (number, revision))

    def revisions(self, number: int) -> list[Entry]:
        """Every revision of a change, oldest first."""
        return self._many("number = ? ORDER BY revision", (number,))

    def by_prefix(self, prefix: str) -> list[Entry]:
        """Up to two entries whose id starts so."""
        return self._many(
            "entry_id >= ? AND entry_id < ? ORDER BY entry_id LIMIT 2", (prefix, prefix + "~")
        )

    def by_identity(self, identity: str) -> list[Entry]:
        """Entries of the same bytes, target and overrides, newest first."""
        return self.by_identities([identity]).get(identity, [])

    def by_identities(self, identities: Sequence[str]) -> dict[str, list[Entry]]:
        """As by_identity, for many at once: those that were found, by identity."""
        found: dict[str, list[Entry]] = {}
        for start in range(0, len(identities), 500):
            page = identities[start : start + 500]
            where = f"identity IN ({', '.join('?' * len(page))}) ORDER BY seq DESC"
            for entry in self._many(where, tuple(page)):
                found.setdefault(entry.identity, []).append(entry)
        return found

    def by_commit(self, commit_id: str) -> Entry | None:
        """The entry that landed as this commit."""
        return self._one("commit_id = ?", (commit_id,))

    def in_states(self, wanted: Sequence[str], target: str | None = None) -> list[Entry]:
        """Entries in these states, oldest first."""
        also, values = ("", ()) if target is None else (" AND target = ?", (target,))
        return self._many(f"{_in_state(wanted)}{also} ORDER BY seq", values)

    def of_series(self, series_id: str) -> list[Entry]:
        """All revisions of a series' members, in series order, older revisions first."""
        return self._many("series_id = ? ORDER BY series_index, number, revision", (series_id,))

    def pages(self, wanted: Sequence[str] | None = None, size: int = 500) -> Iterator[Entry]:
        """Every entry, oldest first, a page at a time with no statement open in between."""
        after = 0
        also = "" if wanted is None else f" AND {_in_state(wanted)}"
        while True:
            page = self._many(f"seq > ?{also} ORDER BY seq LIMIT ?", (after, size))
            yield from page
            if len(page) < size:
                return
            after = page[-1].seq

    def counts(self) -> dict[str, int]:
        """Number of entries that are not over, by state; needs no walk over the finished ones."""
        rows = self._db.execute(
            f"SELECT state, count(*) FROM entries WHERE {IS_OPEN} GROUP BY state"
        )
        return dict(rows.fetchall())

    def next_number(self) -> int:
        """The number that the next change gets: above all that were ever seen, also of rows that a rebuild lost."""
        lost = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'highest_number'"
        (highest,) = self._db.execute(
            f"SELECT max(coalesce((SELECT max(number) FROM entries), 0), coalesce(({lost}), 0))"
        ).fetchone()
        return int(highest) + 1

    def followers(self, entry: Entry) -> list[Entry]:
        """Entries that wait for this one: later members of its series and those that depend on its number."""
        found: list[Entry] = []
        if entry.series_id is not None:
            found += self._many(
                "series_id = ? AND series_index > ? ORDER BY seq",
                (entry.series_id, entry.series_index),
            )
        found += self._many(
            "EXISTS (SELECT 1 FROM json_each(depends_on) WHERE value = ?) ORDER BY seq",
            (entry.number,),
        )
        return list({e.entry_id: e for e in found}.values())

    def last_landed_on(self, path: str, among: int = 2_000) -> Entry | None:
        """The newest landed entry whose patch names `path`, looked for among so many of the newest entries."""
        row = self._db.execute(
            "SELECT e.entry_id FROM (SELECT entry_id, patch_id, seq, state FROM entries ORDER BY seq DESC LIMIT ?) e"
            " JOIN patches p USING (patch_id) WHERE e.state = 'committed'"
            " AND EXISTS (SELECT 1 FROM json_each(p.files_touched) WHERE value = ?) ORDER BY e.seq DESC LIMIT 1",
            (among, path),
        ).fetchone()
        return self.get(row[0]) if row else None

    def last_landed(self, target: str, most: int) -> list[Entry]:
        """The entries that landed last on a branch, newest first; those that were rolled back since are of them."""
        return self._many(
            "target = ? AND state IN ('committed', 'rolled_back') ORDER BY CASE state WHEN 'committed' THEN event_seq"
            f" ELSE ({_LANDED_AT}) END DESC LIMIT ?",
            (target, most),
        )

    def rolling_back(self) -> list[Entry]:
        """Entries that roll others back and are not over, oldest first."""
        return [e for e in self.in_states((*states.OPEN_ENTRY, "quarantined")) if e.rollback_of]

    def landed_by(self, run: str) -> list[Entry]:
        """The entries that a run landed, oldest first."""
        return self._many("landed_by_run = ? ORDER BY seq", (run,))

    def series_by_prefix(self, prefix: str) -> list[str]:
        """Up to two ids of series that begin so."""
        rows = self._db.execute(
            "SELECT series_id FROM series WHERE series_id >= ? AND series_id < ? ORDER BY series_id LIMIT 2",
            (prefix, prefix + "~"),
        )
        return [row[0] for row in rows.fetchall()]

    def held(self, target: str) -> list[Entry]:
        """What is quarantined on a branch, and what a person dropped there, oldest first; one look where nothing is.

        Of a drop that was undone, the revision that came back has the same patch: it does not count.
        """
        held = "state = 'quarantined' OR (state = 'dropped' AND reason = 'queue.dropped_by_person')"
        back = (
            "SELECT 1 FROM entries AS b WHERE b.patch_id = entries.patch_id AND b.seq > entries.seq"
        )
        return self._many(
            f"target = ? AND ({held}) AND NOT EXISTS ({back}) ORDER BY seq", (target,)
        )

    def series(self, series_id: str) -> Series | None:
        """One series."""
        row = self._db.execute("SELECT * FROM series WHERE series_id = ?", (series_id,)).fetchone()
        return Series(*row) if row else None

    def patch(self, patch_id: str) -> StoredPatch:
        """A stored patch with its bytes inflated."""
        row = self._db.execute(
            f"SELECT {PATCH_COLUMNS} FROM patches WHERE patch_id = ?", (patch_id,)
        ).fetchone()
        content = None if row[3] is None else zlib.decompress(row[3])
        return StoredPatch._make((*row[:3], content, json.loads(row[4]), *row[5:]))

    def sizes(self, patch_id: str) -> tuple[int, int, int]:
        """Files, insertions and deletions of a patch, without reading its bytes."""
        row = self._db.execute(
            "SELECT files, insertions, deletions FROM patches WHERE patch_id = ?", (patch_id,)
        ).fetchone()
        return row[0], row[1], row[2]

    def touched(self, patch_ids: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
        """For each of these patches the lines that it adds and removes, and the paths that it names."""
        found: dict[str, tuple[int, list[str]]] = {}
        for start in range(0, len(patch_ids), 500):
            page = patch_ids[start : start + 500]
            rows = self._db.execute(
                "SELECT patch_id, insertions + deletions, files_touched FROM patches"
                f" WHERE patch_id IN ({', '.join('?' * len(page))})",
                tuple(page),
            )
            found.update((row[0], (row[1], json.loads(row[2]))) for row in rows.fetchall())
        return found

    def _one(self, where: str, values: tuple[Any, ...]) -> Entry | None:
        row = self._db.execute(f"{_SELECT} WHERE {where}", values).fetchone()
        return entry_of(row) if row else None

    def _many(self, where: str, values: tuple[Any, ...]) -> list[Entry]:
        return [
            entry_of(row) for row in self._db.execute(f"{_SELECT} WHERE {where}", values).fetchall()
        ]


class EntryWriter:
    """Writes entries inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, chain: Chain, clock: Clock) -> None:
        self._db = connection
        self._chain = chain
        self._clock = clock

    def add_series(self, series: Series) -> None:
        """Adds a series."""
        self._db.execute("INSERT INTO series VALUES (?, ?, ?, ?, ?)", series)

    def add_patches(self, rows: Iterable[tuple[StoredPatch, bytes | None]]) -> None:
        """Adds patches; the bytes beside each are its content, compressed with zlib; None: they are lost."""
        self._db.executemany(
            "INSERT INTO patches VALUES (?, ?, ?, 'unified_diff', ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    p.patch_id,
                    p.sha256,
                    p.size,
                    packed,
                    canonical(p.files_touched),
                    *p[5:9],
                    p.base_commit,
                    p.created_at,
                )
                for p, packed in rows
            ],
        )

    def fill_patches(self, contents: Iterable[tuple[bytes, str]]) -> None:
        """Gives patches that were added without it their content, compressed with zlib; each with the patch's id."""
        self._db.executemany("UPDATE patches SET content = ? WHERE patch_id = ?", contents)

    def add(self, entries: Sequence[dict[str, Any]], run: str | None) -> None:
        """Adds entries in state `created`; each dict names the columns that are not NULL or default."""
        now = self._clock.now()
        told = [("patch_created", _told(given), given["entry_id"]) for given in entries]
        first = self._chain.add_all(told, run=run)
        made = {"state": "created", "made_by_run": run, "created_at": now, "updated_at": now}
        rows = []
        for seq, given in enumerate(entries, first):
            full = {**_DEFAULTS, **given, **made, "event_seq": seq}
            row = [full[name] for name in _NEW]
            for i in _NEW_JSON:
                if row[i] is not None:
                    row[i] = "[]" if row[i] == [] else canonical(row[i])
            rows.append(row)
        self._chain.flush()
        marks = ", ".join("?" * len(_NEW))
        self._db.executemany(f"INSERT INTO entries ({', '.join(_NEW)}) VALUES ({marks})", rows)

    def move(self, moves: Sequence[Move], *, run: str | None = None) -> None:
        """Moves entries by compare-and-swap; consecutive moves that set the same columns are one statement.

        Raises: IllegalMove, StaleMove (another process moved one first; nothing is kept).
        """
        now = self._clock.now()
        first = self._chain.add_all([_moved(move) for move in moves], run=run)
        groups: list[tuple[tuple[str, ...], list[tuple[Any, ...]]]] = []
        for seq, move in enumerate(moves, first):
            names = tuple(move.columns)
            if not groups or groups[-1][0] != names:
                groups.append((names, []))
            values = [_stored(n, v) for n, v in move.columns.items()]
            groups[-1][1].append((move.to, seq, now, *values, move.entry_id, move.frm))
        self._chain.flush()
        for names, rows in groups:
            sets = "".join(f", {n} = ?" for n in names)
            sql = f"{_MOVE}{sets} WHERE entry_id = ? AND state = ?"
            if self._db.executemany(sql, rows).rowcount != len(rows):
                raise StaleMove(f"{moves[0].entry_id} is no longer {moves[0].frm}")

    def amend(
        self,
        entry_id: str,
        columns: dict[str, Any],
        payload: dict[str, Any],
        run: str | None = None,
        kind: str = "patch_amended",
    ) -> int:
        """Sets columns that are not the state, with an event that says what changed; returns its seq."""
        seq = self._chain.add(kind, payload, run=run, entry=entry_id)
        self._chain.flush()
        sets = "".join(f", {n} = ?" for n in columns)
        self._db.execute(
            f"UPDATE entries SET event_seq = ?, updated_at = ?{sets} WHERE entry_id = ?",
            (seq, self._clock.now(), *(_stored(n, v) for n, v in columns.items()), entry_id),
        )
        return seq


def _told(given: dict[str, Any]) -> dict[str, Any]:
    """What the first event says of a new entry."""
    names = ("number", "revision", "patch_id", "target", "title", "identity")
    told = {name: given[name] for name in names}
    told |= {n: given[n] for n in (*_IF_GIVEN, *_ONLY_TOLD) if given.get(n) is not None}
    return {**told, "to": "created", "sha256": given["sha256"]}


def _moved(move: Move) -> Told:
    """A move's event. Raises: IllegalMove."""
    states.advance("entry", move.frm, move.to)
    kind = move.kind or KIND_OF_STATE[move.to]
    if move.frm in ("applied", "verified") and move.to == "queued":
        kind = "patch_requeued"
    return kind, {"from": move.frm, "to": move.to, **move.payload}, move.entry_id


def _stored(name: str, value: Any) -> Any:
    return canonical(value) if name in _JSON and value is not None else value


_DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(_NEW),
    **{"priority": 1, "findings": [], "depends_on": []},
    **{"attempts": 0, "allow_behind": 0, "sign_off": 0},
    **{"format_ok": 0, "scope_ok": 0, "constraints_ok": 0, "message": "", "title": ""},
}


def identity_of(content_sha256: str, target: str, overrides: dict[str, Any]) -> str:
    """SHA-256 over bytes, target and overrides: two submits with one identity are one (DESIGN 4)."""
    text = canonical({"content": content_sha256, "target": target, "overrides": overrides})
    return hashlib.sha256(text.encode("ascii")).hexdigest()
