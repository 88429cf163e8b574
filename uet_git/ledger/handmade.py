"""Ordinary commits in the ledger: entries that pre-commit made, commits that only a hook saw, branches as last seen."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from uet_git.host.clock import Clock
from uet_git.ledger.entries import is_open
from uet_git.ledger.events import Chain
from uet_git.model.named import NamedTuple

RUNG: Final = "hook"
"""The rung of an entry that pre-commit made: nothing was composed, git had the tree."""
_PAGE: Final = 500
_MOST_NAMED: Final = 200


class HookEntry(NamedTuple):
    """What pre-commit knew of an entry, beside its state now. `config` is a blob id or `none`."""

    entry_id: str
    tree: str
    base_tree: str
    config: str
    git_dir: str
    pid: int
    boot_id: str
    passed_seq: int | None
    entered_at: str
    state: str
    number: int
    target: str


class Branch(NamedTuple):
    """A branch as it was last seen; `baseline` None if it came after the ledger began to watch."""

    ref: str
    baseline: str | None
    tip: str
    event_seq: int


class Unverified(NamedTuple):
    """A commit without a passed verdict that hook `via` reported."""

    commit_id: str
    tree: str
    via: str
    entry_id: str | None
    event_seq: int


class Rewrite(NamedTuple):
    """One commit that became another by `command` (amend, rebase)."""

    old_commit: str
    new_commit: str
    command: str
    event_seq: int


class Landed(NamedTuple):
    """Which entry a commit is of; `rung` is RUNG for an ordinary commit."""

    entry_id: str
    number: int
    rung: str | None

    @property
    def is_hook(self) -> bool:
        """Whether it was an ordinary commit."""
        return self.rung == RUNG


_HOOK_ENTRY: Final = (
    "SELECT h.*, e.state, e.number, e.target FROM hook_entries h JOIN entries e USING (entry_id)"
)
_LAST_RED: Final = (
    "coalesce((SELECT max(g.event_seq) FROM hook_entries r JOIN gates g USING (entry_id) WHERE r.tree = ?1"
    " AND g.required AND g.state IN ('failed', 'timeout', 'error')), 0)"
)
_ONCE: Final = (
    "SELECT 1 FROM gates g WHERE g.entry_id = h.entry_id AND g.state = 'passed' AND (g.verdict_key IS NULL"
    " OR json_array_length(g.definition, '$.pass_env') > 0 OR json_extract(g.results, '$.flaky') IS NOT NULL)"
)
"""A pass of an entry that holds for one commit alone."""
_TAKEN_BACK: Final = (
    "SELECT 1 FROM gates g JOIN gates red USING (verdict_key) WHERE g.entry_id = h.entry_id"
    " AND red.state IN ('failed', 'timeout') AND red.event_seq > h.passed_seq"
)
"""The same question was answered with no since, whoever asked."""
_OPEN: Final = "('created', 'validated', 'queued', 'applied', 'verified', 'quarantined')"


class Handmade:
    """Reads what is known of ordinary commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def open_entries(self) -> list[HookEntry]:
        """Entries that pre-commit made and that no commit or drop has closed, oldest first."""
        rows = self._db.execute(
            f"{_HOOK_ENTRY} WHERE {is_open('e.')} AND e.state IN {_OPEN} AND e.rung = ? ORDER BY e.seq",
            (RUNG,),
        )
        return [HookEntry(*row) for row in rows.fetchall()]

    def every_entry(self) -> list[HookEntry]:
        """Every entry that pre-commit made, oldest first."""
        rows = self._db.execute(f"{_HOOK_ENTRY} ORDER BY e.seq")
        return [HookEntry(*row) for row in rows.fetchall()]

    def passed(self, tree: str) -> list[HookEntry]:
        """Entries whose gates passed on exactly this tree and may be believed again, newest first.

        A verdict may not where a gate says so, was flaky or saw variables of the user's; nor once the same question,
        or another gate here, was answered with no.
        """
        rows = self._db.execute(
            f"{_HOOK_ENTRY} WHERE h.tree = ?1 AND h.passed_seq > {_LAST_RED} AND NOT EXISTS ({_ONCE})"
            f" AND NOT EXISTS ({_TAKEN_BACK})"
            " ORDER BY e.seq DESC LIMIT 50",
            (tree,),
        )
        return [HookEntry(*row) for row in rows.fetchall()]

    def of_entry(self, entry_id: str) -> HookEntry | None:
        """What pre-commit knew of an entry; None for one that was handed in."""
        row = self._db.execute(f"{_HOOK_ENTRY} WHERE h.entry_id = ?", (entry_id,)).fetchone()
        return HookEntry(*row) if row else None

    def branches(self) -> dict[str, Branch]:
        """Every branch that was ever seen, by full name; empty before the baseline."""
        rows = self._db.execute("SELECT * FROM branches ORDER BY ref").fetchall()
        return {row[0]: Branch(*row) for row in rows}

    def landed(self, commits: Sequence[str]) -> dict[str, Landed]:
        """Those of `commits` that an entry landed as."""
        found: dict[str, Landed] = {}
        for page in _pages(commits):
            rows = self._db.execute(
                "SELECT commit_id, entry_id, number, rung FROM entries WHERE commit_id IN"
                f" ({', '.join('?' * len(page))}) ORDER BY seq",
                page,
            )
            found.update((row[0], Landed(*row[1:])) for row in rows.fetchall())
        return found

    def unverified(self, commits: Sequence[str]) -> dict[str, Unverified]:
        """Those of `commits` that a hook reported without a passed verdict."""
        found: dict[str, Unverified] = {}
        for page in _pages(commits):
            rows = self._db.execute(
                f"SELECT * FROM unverified_commits WHERE commit_id IN ({', '.join('?' * len(page))})",
                page,
            )
            found.update((row[0], Unverified(*row)) for row in rows.fetchall())
        return found

    def rewritten(self, commits: Sequence[str]) -> dict[str, Rewrite]:
        """What `commits` were before they were rewritten, by new commit."""
        found: dict[str, Rewrite] = {}
        for page in _pages(commits):
            rows = self._db.execute(
                f"SELECT * FROM rewrites WHERE new_commit IN ({', '.join('?' * len(page))})", page
            )
            found.update((row[1], Rewrite(*row)) for row in rows.fetchall())
        return found


def _pages(commits: Sequence[str]) -> Iterable[Sequence[str]]:
    return (commits[start : start + _PAGE] for start in range(0, len(commits), _PAGE))


class HandmadeWriter:
    """Writes them inside one transaction, each with its event."""

    def __init__(self, connection: sqlite3.Connection, chain: Chain, clock: Clock) -> None:
        self._db = connection
        self._chain = chain
        self._clock = clock

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds what pre-commit knows of an entry; the keys are the columns, `entered_at` if not now."""
        names = ("entry_id", "tree", "base_tree", "config", "git_dir", "pid", "boot_id")
        at = entry.get("entered_at") or self._clock.now()
        row = (*(entry[name] for name in names), None, at)
        self._db.execute("INSERT INTO hook_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def passed(self, entry_id: str) -> None:
        """Notes the move to `verified` that was just written as this entry's verdict."""
        self._db.execute(
            "UPDATE hook_entries SET passed_seq = (SELECT event_seq FROM entries WHERE entry_id = ?1)"
            " WHERE entry_id = ?1",
            (entry_id,),
        )

    def taken_up(self, entry_id: str, pid: int, boot_id: str, at: str | None = None) -> None:
        """Another git process commits the same, since `at` (UTC; None: now)."""
        self._db.execute(
            "UPDATE hook_entries SET pid = ?, boot_id = ?, entered_at = ? WHERE entry_id = ?",
            (pid, boot_id, at or self._clock.now(), entry_id),
        )

    def baseline(self, tips: Mapping[str, str]) -> None:
        """Begins to watch: every branch as it is now."""
        seq = self._chain.add("commits_seen", {"what": "baseline", "branches": dict(tips)})
        self._chain.flush()
        self._db.executemany(
            "INSERT OR IGNORE INTO branches VALUES (?, ?, ?, ?)",
            [(ref, tip, tip, seq) for ref, tip in tips.items()],
        )

    def seen(self, ref: str, old: str | None, new: str, unknown: Sequence[str], count: int) -> None:
        """A range of a branch: `count` commits that came since, of which `unknown` passed by every hook."""
        payload = {
            **{"what": "range", "ref": ref, "old": old, "new": new, "commits": count},
            **{"out_of_band": len(unknown), "named": list(unknown[:_MOST_NAMED])},
        }
        seq = self._chain.add("commits_seen", payload)
        self._chain.flush()
        self._db.execute(
            "INSERT INTO branches VALUES (?, NULL, ?, ?) ON CONFLICT (ref) DO UPDATE SET tip = excluded.tip,"
            " event_seq = excluded.event_seq",
            (ref, new, seq),
        )

    def moved(self, ref: str, old: str, new: str) -> None:
        """A landing of ours moved a branch: nothing unseen came. Its own event says so."""
        self._db.execute("UPDATE branches SET tip = ? WHERE ref = ? AND tip = ?", (new, ref, old))

    def unverified(self, commit: str, tree: str, via: str, entry: str | None) -> None:
        """A commit without a passed verdict."""
        payload = {"what": "unverified", "commit": commit, "tree": tree, "via": via}
        seq = self._chain.add("commits_seen", payload, entry=entry)
        self._chain.flush()
        row = (commit, tree, via, entry, seq)
        self._db.execute("INSERT OR IGNORE INTO unverified_commits VALUES (?, ?, ?, ?, ?)", row)

    def rewritten(self, old: str, new: str, command: str) -> None:
        """One commit became another."""
        seq = self._chain.add("rewritten", {"old": old, "new": new, "command": command})
        self._chain.flush()
        row = (old, new, command, seq)
        self._db.execute("INSERT OR IGNORE INTO rewrites VALUES (?, ?, ?, ?)", row)
