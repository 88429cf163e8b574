"""How tests damage a ledger by hand, as a person with an editor or a broken disk would."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.host.config import parse_toml
from uet_git.ledger import events
from uet_git.model.entry import Event
from uet_git.model.trust import trust_hash
from uet_git.project import Project
from uet_git.queue import anchor, fsck, line, submit
from uet_git.queue.options import Options, Source
from uet_git.queue.problem import DAMAGE, Problem
from uet_git.queue.progress import Listener, Report

MAIN = "refs/heads/main"
RULES = b"""version = 1
[gates.clean]
run = ["sh", "-c", "! test -e bad.txt"]
"""


ROWS = [
        ("state_mismatch", "UPDATE entries SET state = 'dropped', reason = 'parse.git' WHERE state = 'queued'"),
        ("state_mismatch", "UPDATE entries SET state = 'queued', commit_id = NULL WHERE number = 1"),
        ("state_mismatch", "UPDATE entries SET state = 'rolled_back' WHERE number = 2"),
        ("state_mismatch", "UPDATE runs SET state = 'failed' WHERE state = 'succeeded'"),
        ("state_mismatch", "UPDATE gates SET state = 'passed' WHERE state = 'failed'"),
        ("state_mismatch", "UPDATE landings SET state = 'abandoned' WHERE landing_id = (SELECT min(landing_id) FROM landings)"),
        ("row_changed", "UPDATE entries SET title = 'x' WHERE number = 1"),
        ("row_changed", "UPDATE entries SET target = 'refs/heads/x' WHERE number = 1"),
        ("row_changed", "UPDATE entries SET number = 90 WHERE number = 1"),
        ("row_changed", "UPDATE entries SET series_index = 2 WHERE series_index = 1"),
        ("row_changed", "UPDATE entries SET commit_id = (SELECT commit_id FROM entries WHERE number = 2) WHERE number = 1"),
        ("row_changed", "UPDATE entries SET tree = (SELECT tree FROM entries WHERE number = 2) WHERE number = 1"),
        ("row_changed", "UPDATE entries SET rung = 'magic' WHERE number = 1"),
        ("row_changed", "UPDATE entries SET reason = 'gate.timeout' WHERE state = 'quarantined'"),
        ("row_changed", "UPDATE entries SET detail = 'x' WHERE state = 'dropped'"),
        ("row_changed", "UPDATE entries SET event_seq = event_seq - 1 WHERE number = 1"),
        ("row_changed", "UPDATE runs SET state_reason = 'x' WHERE state = 'succeeded'"),
        ("row_changed", "UPDATE step_attempts SET state = 'succeeded' WHERE state = 'failed'"),
        ("row_changed", "UPDATE gates SET exit_code = 0 WHERE state = 'failed'"),
        ("row_changed", "UPDATE landings SET new = old"),
        ("row_changed", "UPDATE pauses SET reason = 'dinner'"),
        ("row_changed", "DELETE FROM pauses"),
        ("row_missing", "DELETE FROM entries WHERE number = 1"),
        ("row_missing", "DELETE FROM entries WHERE state = 'queued'"),
        ("row_missing", "DELETE FROM gates WHERE state = 'failed'"),
        ("row_missing", "DELETE FROM step_attempts WHERE state = 'failed'"),
        ("row_missing", "DELETE FROM landings WHERE landing_id = (SELECT max(landing_id) FROM landings)"),
        ("row_without_event", "UPDATE step_attempts SET step_attempt_id = replace(step_attempt_id, '0', '1') WHERE state = 'failed'"),
        ("row_unreadable", "UPDATE entries SET findings = '{' WHERE number = 1"),
        ("row_unreadable", "UPDATE gates SET definition = '' WHERE state = 'failed'"),
        ("row_unreadable", "UPDATE landings SET commits = 'x'"),
        ("row_unreadable", "DELETE FROM patches WHERE patch_id = (SELECT patch_id FROM entries WHERE number = 1)"),
        ("patch_damaged", "UPDATE patches SET content = x'00' WHERE sha256 = (SELECT max(sha256) FROM patches)"),
        ("patch_damaged", "UPDATE patches SET size = size + 1"),
        ("patch_damaged", "UPDATE patches SET sha256 = replace(sha256, 'a', 'b')"),
        ("document_mismatch", "UPDATE entries SET submitter = 'Eve' WHERE number = 1"),
        ("document_mismatch", "UPDATE entries SET created_at = 'yesterday' WHERE number = 1"),
        ("document_mismatch", "UPDATE runs SET requested_by = 'nobody'"),
        ("document_mismatch", "UPDATE series SET created_at = ''"),
        ("dangling_row", "UPDATE entries SET made_by_run = '01ARZ3NDEKTSV4RRFFQ69G5FAV' WHERE state = 'queued'"),
    ]  # fmt: skip
"""One wrong row each, by the code that names it."""


def change(name: str, old: str, new: str) -> bytes:
    """A diff that turns the one line of a file into another."""
    return f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-{old}\n+{new}\n".encode()


def added(name: str) -> bytes:
    """A diff that adds a file of one line."""
    return f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{name}\n".encode()


def mail(number: int, of: int, diff: bytes) -> bytes:
    """A patch mail of a series."""
    return (
        b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        b"From: A U Thor <author@example.com>\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n"
        b"Subject: [PATCH %d/%d] Step %d\n\nWhy it is done.\n---\n" % (number, of, number)
    ) + diff


def hand_in(project: Project, *patches: bytes, target: str = MAIN, **options: Any) -> list[str]:
    """Submits patches and anchors; returns their entry ids."""
    project.ensure_ledger()
    sources = [Source(f"{n}.patch", patch) for n, patch in enumerate(patches)]
    done = submit.submit(project, sources, Options(target, **options))
    anchor.anchor_now(project)
    return [d.entry.entry_id for d in done]


def land(project: Project) -> Report:
    """Drains the queue, with the gates accepted for this call alone: that makes no event of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UET_TRUST", trust_hash(parse_toml(RULES)))
        return line.apply(project, lambda _: None, Listener())


def build(path: Path, *, bare: bool = False, object_format: str = "sha1") -> Path:
    """A repository whose ledger has entries in most states, of three landings; fsck finds nothing in it."""
    work = path.with_name("work") if bare else path
    make_repo(work, object_format=object_format)
    names = {f"f{n}.txt": b"old\n" for n in range(8)}
    commit_files(work, {**names, "uet.toml": RULES}, "base")
    git(work, "branch", "side")
    if bare:
        git(work.parent, "clone", "-q", "--bare", str(work), str(path))
    with Project.open(str(path)) as project:
        hand_in(project, *[mail(n, 2, change(f"f{n}.txt", "old", "new")) for n in (1, 2)])
        land(project)
        hand_in(project, change("f3.txt", "old", "new"), sign_off=True, message="Third\n\nBody.\n")
        land(project)
        hand_in(project, added("bad.txt"))
        hand_in(project, b"not a patch\n")
        hand_in(project, change("f4.txt", "other", "new"))
        hand_in(project, change("f5.txt", "old", "new"), author=("Söme One", "s@example.com"))
        land(project)
        hand_in(project, change("f6.txt", "old", "new"))
        with project.ledger.write() as write:
            write.landings.pause("refs/heads/side", "queue.paused", "lunch", "person:Test")
        anchor.anchor_now(project)
    return path


class Templates:
    """Repositories that are built once and copied for each test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, to: Path, **how: Any) -> Path:
        """A copy of its own of a built repository."""
        name = "-".join(f"{k}-{v}" for k, v in sorted(how.items())) or "plain"
        made = self.folder / name / "repo"
        if not made.exists():
            building = self.folder / f"{name}-building"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            build(building / "repo", **how)
            building.rename(made.parent)
        shutil.copytree(made, to, symlinks=True)
        return to


def database(repo: Path) -> Path:
    """The ledger's file."""
    inside = repo / ".git"
    return (inside if inside.exists() else repo) / "uet" / "ledger.db"


@contextmanager
def edited(repo: Path) -> Iterator[sqlite3.Connection]:
    """The database without its guards; they are put back afterwards."""
    db = sqlite3.connect(database(repo), isolation_level=None)
    try:
        db.execute("PRAGMA foreign_keys = OFF")
        guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for _, sql in guards:
            db.execute(sql)
    finally:
        db.close()


def edit(repo: Path, sql: str, *values: Any) -> None:
    """One statement without the guards; it must change something."""
    with edited(repo) as db:
        assert db.execute(sql, values).rowcount > 0, sql


def rehash(db: sqlite3.Connection, first: int, last: int | None = None) -> None:
    """Makes the hashes of a row of events (to the end, without `last`) fit what they say."""
    rows = db.execute(f"SELECT {events.COLUMNS} FROM events WHERE seq >= ? ORDER BY seq", (first,))
    prev = None
    for row in rows.fetchall():
        event = Event(*row)
        if last is not None and event.seq > last:
            break
        event = event._replace(prev_hash=prev or event.prev_hash)
        prev = events.hash_of(events.line_of(*event[:9]))
        db.execute(
            "UPDATE events SET prev_hash = ?, hash = ? WHERE seq = ?",
            (event.prev_hash, prev, event.seq),
        )


def seq_of(repo: Path, kind: str, nth: int = 0) -> int:
    """The seq of the nth event of a kind."""
    db = sqlite3.connect(database(repo))
    try:
        rows = db.execute("SELECT seq FROM events WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
    finally:
        db.close()
    return int(rows[nth][0])


def problems(repo: Path, *, full: bool = True) -> list[Problem]:
    """What fsck finds."""
    with Project.open(str(repo)) as project:
        return fsck.check(project, full=full)


def codes(repo: Path, *, full: bool = True) -> tuple[set[str], set[str]]:
    """The codes that fsck reports: damage, information."""
    found = problems(repo, full=full)
    assert all(p.message and all(isinstance(word, str) for word in p.next) for p in found)
    damage = {p.code for p in found if p.severity == DAMAGE}
    return damage, {p.code for p in found} - damage


def snapshot(repo: Path) -> dict[str, str]:
    """Every file of a repository with its content's hash."""
    found = {}
    for folder, _, names in os.walk(repo):
        for name in names:
            path = Path(folder) / name
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
