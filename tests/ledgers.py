"""How tests make ledgers without a repository: the only place that does."""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from uet_git.host.clock import Clock
from uet_git.ledger import ledger as ledgers
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Ledger, Writer
from uet_git.model import states
from uet_git.model.entry import Landing, StoredPatch

TREE: Final = "a" * 40
COMMIT: Final = "c" * 40
ZERO: Final = "0" * 40
ROUTES: Final[dict[str, tuple[str, ...]]] = {
    "created": (),
    "validated": ("validated",),
    "queued": ("validated", "queued"),
    "applied": ("validated", "queued", "applied"),
    "apply_failed": ("validated", "queued", "apply_failed"),
    "verified": ("validated", "queued", "applied", "verified"),
    "committed": ("validated", "queued", "applied", "verified", "committed"),
    "quarantined": ("quarantined",),
    "dropped": ("dropped",),
    "rolled_back": ("validated", "queued", "applied", "verified", "committed", "rolled_back"),
}
"""The shortest legal way to every state of an entry."""


class SteadyClock(Clock):
    """Starts at a fixed moment and goes on by one millisecond with every look."""

    def __init__(self, start_ms: int = 1_800_000_000_000) -> None:
        super().__init__()
        self.ms = start_ms

    def time_ns(self) -> int:
        self.ms += 1
        return self.ms * 1_000_000


def new_ledger(folder: Path, clock: Clock | None = None, actor: str = "person:Test") -> Ledger:
    """Makes and opens a ledger in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = clock or SteadyClock()
    path = folder / ledgers.FILE_NAME
    ledgers.create(path, clock, actor)
    return Ledger(path, clock, actor)


def diff_of(number: int) -> bytes:
    """A small well-formed diff, another one for every number."""
    return b"--- a/f%d.txt\n+++ b/f%d.txt\n@@ -1 +1 @@\n-old\n+new %d\n" % (number, number, number)


def add_entry(
    write: Writer,
    number: int,
    *,
    content: bytes | None = None,
    run: str | None = None,
    **columns: Any,
) -> str:
    """Adds an entry with its patch; `columns` are set beside what every entry has. Returns its id."""
    content = diff_of(number) if content is None else content
    sha256 = hashlib.sha256(content).hexdigest()
    patch = StoredPatch(
        write.clock.ulid(), sha256, len(content), None, [f"f{number}.txt"], 1, 1, 1, 1, None, write.clock.now()
    )  # fmt: skip
    entry_id = write.clock.ulid()
    row = {
        **{"entry_id": entry_id, "patch_id": patch.patch_id, "project_id": write.clock.ulid()},
        **{"number": number, "revision": 1, "identity": sha256, "sha256": sha256},
        **{
            "target": "refs/heads/main",
            "title": f"Change {number}",
            "message": f"Change {number}\n",
        },
        **{"author_name": "A U Thor", "author_email": "author@example.com"},
        **{"author_date": "1700000000 +0100", "submitter": "person:Test"},
        **columns,
    }
    write.entries.add_patches([(patch, zlib.compress(content))])
    write.entries.add([row], run)
    return entry_id


def columns_for(to: str, revert: str | None = None) -> dict[str, Any]:
    """What the guards of the database ask of a move to this state."""
    return {
        "validated": {"format_ok": 1, "scope_ok": 1, "constraints_ok": 1},
        "applied": {"tree": TREE, "rung": "memory", "proved": 1, "attempts": 1},
        "apply_failed": {"reason": "apply.conflict", "detail": "f.txt: hunk 1"},
        "committed": {"commit_id": COMMIT},
        "quarantined": {"reason": "gate.failed", "detail": "unit: 1 failed"},
        "dropped": {"reason": "parse.git", "detail": "line 3"},
        "rolled_back": {"rolled_back_by": revert},
    }.get(to, {})


def move(write: Writer, entry_id: str, frm: str, to: str, **columns: Any) -> None:
    """One move with the columns that it needs, and what they say in its event."""
    every = {**columns_for(to, entry_id), **columns}
    named = {"reason", "detail", "tree", "rung", "proved", "attempts"}
    payload = {k: v for k, v in every.items() if k in named and v is not None}
    if to == "committed":
        payload["commit"] = every["commit_id"]
    write.entries.move([Move(entry_id, frm, to, payload, every)])


def walk(write: Writer, entry_id: str, route: Iterable[str], start: str = "created") -> None:
    """Moves an entry along a route."""
    for to in route:
        move(write, entry_id, start, to)
        start = to


def landing(write: Writer, run: str, commits: list[list[str]], state: str = "intended") -> Landing:
    """Records the intent of a landing, and closes it if asked to."""
    intent = Landing(
        write.clock.ulid(), run, "refs/heads/main", ZERO, commits[-1][1], "intended", ["/work/tree"],
        commits, "boot", 1, write.clock.now(), None,
    )  # fmt: skip
    write.landings.intend(intent)
    if state != "intended":
        write.landings.close(intent, state)
    return intent


assert set(ROUTES) == set(states.ENTRY)
