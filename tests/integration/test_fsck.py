"""fsck names every kind of damage of the ledger by its own code, and nothing where nothing is wrong."""

import hashlib
import json
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests import damage
from tests.builders import git, make_repo
from tests.damage import (
    ROWS,
    Templates,
    change,
    codes,
    edit,
    edited,
    hand_in,
    land,
    problems,
    seq_of,
)
from uet_git.errors import LedgerCorrupt, LedgerMissing, NoLedger
from uet_git.ledger import documents, events
from uet_git.ledger.events import Chain
from uet_git.project import Project
from uet_git.queue import anchor, decide
from uet_git.queue.problem import SHOWN, Problems

CLEAN: tuple[set[str], set[str]] = (set(), set())


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("fsck"))


@pytest.fixture
def repo(tmp_path: Path, templates: Templates) -> Path:
    return templates.copy(tmp_path / "repo")


# -- nothing wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", [{}, {"bare": True}, {"object_format": "sha256"}], ids=["plain", "bare", "sha256"]
)
def test_a_sound_ledger_has_no_problems(
    tmp_path: Path, templates: Templates, how: dict[str, object]
) -> None:
    repo = templates.copy(tmp_path / "repo", **how)
    assert problems(repo, full=False) == []
    assert problems(repo) == []


def test_the_sound_ledger_is_worth_checking(repo: Path) -> None:
    """The tests below only mean something if the ledger has rows of every kind."""
    with Project.open(str(repo)) as project:
        states = {e.state for e in project.ledger.entries.pages()}
        assert states >= {"committed", "quarantined", "dropped", "apply_failed", "queued"}
        for table in ("series", "gates", "step_attempts", "landings", "pauses", "runs"):
            assert project.ledger.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
        assert len(project.ledger.open_landings()) == 0


def test_it_writes_nothing(repo: Path) -> None:
    before = damage.snapshot(repo)
    assert problems(repo) == []
    assert damage.snapshot(repo) == before
    edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    edit(repo, "UPDATE gates SET state = 'passed' WHERE state = 'failed'")
    git(repo, "update-ref", "refs/uet/entries/01ARZ3NDEKTSV4RRFFQ69G5FAV", "HEAD")
    before = damage.snapshot(repo)
    assert len(problems(repo)) == 3
    assert damage.snapshot(repo) == before


def test_an_unborn_branch(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    with pytest.raises(NoLedger):
        problems(repo)
    with Project.open(str(repo)) as project:
        hand_in(project, damage.added("a.txt"))
    assert codes(repo) == CLEAN
    with Project.open(str(repo)) as project:
        assert land(project).landed
    assert codes(repo) == CLEAN
    git(repo, "config", "uet.branch", "main")
    with Project.open(str(repo)) as project:
        hand_in(project, damage.added("b.txt"), target="refs/heads/never")
    assert codes(repo) == CLEAN


def test_events_after_the_last_anchor_are_counted(repo: Path) -> None:
    with Project.open(str(repo)) as project, project.ledger.write() as write:
        write.note("note", {"text": "a"})
        write.note("note", {"text": "b"})
    (found,) = problems(repo)
    assert (found.code, found.severity) == ("unanchored", "information")
    assert "2 events" in found.message
    with Project.open(str(repo)) as project:
        anchor.anchor_now(project)
    assert codes(repo) == CLEAN


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_missing_ledger_is_an_error(repo: Path) -> None:
    damage.database(repo).unlink()
    with pytest.raises(LedgerMissing):
        problems(repo)


def test_a_file_that_is_no_database(repo: Path) -> None:
    path = damage.database(repo)
    path.write_bytes(b"not SQLite at all" + path.read_bytes()[17:])
    with pytest.raises(LedgerCorrupt):
        problems(repo)


@pytest.mark.parametrize("table", ["events", "entries", "steps_entry"])
def test_a_broken_page(repo: Path, table: str) -> None:
    path = damage.database(repo)
    db = sqlite3.connect(path)
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    at = (page - 1) * int.from_bytes(data[16:18], "big")
    data[at : at + 200] = b"\xff" * 200
    path.write_bytes(data)
    assert codes(repo) == ({"database_damaged"}, set())


def test_guards_that_were_removed_or_changed(repo: Path) -> None:
    db = sqlite3.connect(damage.database(repo), isolation_level=None)
    db.execute("DROP TRIGGER events_no_update")
    db.execute("DROP TRIGGER entry_move")
    db.execute("CREATE TRIGGER entry_move BEFORE UPDATE OF state ON entries BEGIN SELECT 1; END")
    db.execute("DELETE FROM transitions WHERE machine = 'gate' AND from_state = 'blocked'")
    db.close()
    found = [p for p in problems(repo) if p.code == "schema_changed"]
    assert codes(repo) == ({"schema_changed"}, set())
    assert {p.message.split(" is")[0] for p in found} == {
        "trigger events_no_update", "trigger entry_move", "the state tables",
    }  # fmt: skip


def test_another_migration(repo: Path) -> None:
    edit(repo, "UPDATE migrations SET checksum = ? WHERE version = 1", "0" * 64)
    assert codes(repo) == ({"migration_changed"}, set())


def test_the_configured_ledger(repo: Path) -> None:
    git(repo, "config", "uet.ledger", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert codes(repo) == ({"other_ledger"}, set())
    git(repo, "config", "--unset", "uet.ledger")
    assert codes(repo) == (set(), {"ledger_not_configured"})
    (found,) = problems(repo)
    git(repo, *found.next[1:])
    assert codes(repo) == CLEAN


# -- the chain -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET actor = 'person:Eve' WHERE seq = 9",
        "UPDATE events SET ts = '2020-01-01T00:00:00.000Z' WHERE seq = 9",
        "UPDATE events SET payload = '{}' WHERE seq = 9",
        "UPDATE events SET payload = 'no JSON' WHERE seq = 9",
        "UPDATE events SET kind = 'ötzi' WHERE seq = 9",
        "UPDATE events SET hash = prev_hash WHERE seq = 9",
        "UPDATE events SET prev_hash = hash WHERE seq = 9",
        "UPDATE events SET to_state = 'committed' WHERE seq = 9",
        "UPDATE events SET entry_id = NULL WHERE seq = (SELECT max(seq) FROM events WHERE entry_id IS NOT NULL)",
    ],
)
def test_an_edited_event(repo: Path, sql: str) -> None:
    edit(repo, sql)
    assert "event_edited" in codes(repo)[0]
    if "hash = " not in sql and "NULL" not in sql:
        assert codes(repo) == ({"event_edited"}, set())
        assert problems(repo)[0].message.startswith("event 9 ")


def test_deleted_events(repo: Path) -> None:
    edit(repo, "DELETE FROM events WHERE seq IN (7, 11, 12)")
    assert codes(repo) == ({"event_missing"}, set())
    assert [p.message for p in problems(repo)] == [
        "event 7 is missing",
        "events 11 to 12 are missing",
    ]


def test_the_first_events_deleted(repo: Path) -> None:
    edit(repo, "DELETE FROM events WHERE seq < 4")
    assert codes(repo) == ({"event_missing"}, set())


def test_swapped_events(repo: Path) -> None:
    with edited(repo) as db:
        for sql in ("-1 WHERE seq = 7", "7 WHERE seq = 12", "12 WHERE seq = -1"):
            db.execute(f"UPDATE events SET seq = {sql}")
    assert codes(repo) == ({"event_moved"}, set())
    assert [p.message for p in problems(repo)] == [
        "event 12 stands at place 7",
        "event 7 stands at place 12",
    ]


def test_a_deleted_event_whose_gap_was_closed(repo: Path) -> None:
    with edited(repo) as db:
        db.execute("DELETE FROM events WHERE seq = 9")
        db.execute("UPDATE events SET seq = -seq WHERE seq > 9")
        db.execute("UPDATE events SET seq = -seq - 1 WHERE seq < 0")
    found = codes(repo)[0]
    assert "event_moved" in found
    assert found <= {"event_moved", "ledger_rolled_back", "ledger_truncated"}


def test_a_replaced_event_with_a_hash_of_its_own(repo: Path) -> None:
    with edited(repo) as db:
        db.execute("UPDATE events SET actor = 'person:Eve' WHERE seq = 9")
        damage.rehash(db, 9, 9)
    assert codes(repo) == ({"event_replaced"}, set())


def test_a_chain_that_was_rewritten_to_its_end(repo: Path) -> None:
    with edited(repo) as db:
        db.execute("UPDATE events SET actor = 'person:Eve' WHERE seq = 9")
        damage.rehash(db, 9)
    assert codes(repo) == ({"ledger_forked"}, set())
    assert "from event 9 on" in problems(repo)[0].message


def test_the_last_event_rewritten(repo: Path) -> None:
    with edited(repo) as db:
        (last,) = db.execute("SELECT max(seq) FROM events").fetchone()
        db.execute("UPDATE events SET actor = 'person:Eve' WHERE seq = ?", (last,))
        damage.rehash(db, last)
    assert codes(repo) == ({"ledger_forked"}, set())


# -- the anchors -----------------------------------------------------------------------------------------------------


def test_the_newest_events_deleted(repo: Path) -> None:
    edit(repo, "DELETE FROM events WHERE seq > ?", seq_of(repo, "patch_queued", -1) - 1)
    assert codes(repo) == ({"ledger_truncated"}, set())


def test_unanchored_events_deleted(repo: Path) -> None:
    """Without an anchor, the rows still tell that events were there."""
    with Project.open(str(repo)) as project:
        last = project.ledger.last_seq()
        queued = next(e for e in project.ledger.entries.pages() if e.state == "queued")
        decide.drop(project, [queued], "")
    edit(repo, "DELETE FROM events WHERE seq > ?", last)
    assert codes(repo) == ({"ledger_truncated"}, set())


def test_an_old_copy_put_back(repo: Path) -> None:
    old = damage.database(repo).read_bytes()
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
        assert land(project).landed
    damage.database(repo).write_bytes(old)
    assert codes(repo) == ({"ledger_rolled_back"}, set())


def test_an_old_copy_put_back_and_used(repo: Path) -> None:
    old = damage.database(repo).read_bytes()
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
    damage.database(repo).write_bytes(old)
    with Project.open(str(repo)) as project:
        hand_in(project, change("f0.txt", "old", "other"))
    assert codes(repo) == ({"ledger_forked"}, set())
    with Project.open(str(repo)) as project:
        for n in range(8):
            hand_in(project, damage.added(f"n{n}.txt"))
    assert codes(repo) == ({"ledger_forked"}, set())


def test_the_log_ref_deleted(repo: Path) -> None:
    git(repo, "update-ref", "-d", log_ref(repo))
    assert codes(repo) == ({"anchor_missing"}, {"unanchored"})


def test_the_log_ref_put_back(repo: Path) -> None:
    first = git(repo, "rev-list", "--reverse", log_ref(repo)).split()[1].decode()
    git(repo, "update-ref", log_ref(repo), first)
    assert codes(repo) == ({"anchor_rolled_back"}, {"unanchored"})


def test_the_log_ref_on_something_else(repo: Path) -> None:
    git(repo, "update-ref", log_ref(repo), "HEAD")
    assert codes(repo) == ({"anchor_damaged"}, {"unanchored"})


def test_an_anchor_that_tells_another_story(repo: Path) -> None:
    ref = log_ref(repo)
    commits = git(repo, "rev-list", "--reverse", ref).decode().split()
    parent: list[str] = []
    for n, commit in enumerate(commits):
        lines = git(repo, "cat-file", "blob", f"{commit}:events.jsonl")
        if n == 1:
            lines = lines.replace(b"person:", b"person:x", 1)
        blob = git(repo, "hash-object", "-w", "--stdin", stdin=lines).decode().strip()
        tree = (
            git(repo, "mktree", stdin=f"100644 blob {blob}\tevents.jsonl\n".encode())
            .decode()
            .strip()
        )
        said = git(repo, "log", "-1", "--format=%B", commit)
        made = git(repo, "commit-tree", tree, *parent, "-F", "-", stdin=said).decode().strip()
        parent = ["-p", made]
    git(repo, "update-ref", ref, parent[1])
    assert codes(repo) == ({"anchor_differs"}, set())


def log_ref(repo: Path) -> str:
    with Project.open(str(repo)) as project:
        return project.log_ref()


# -- the rows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "sql"), ROWS)
def test_a_row_that_is_not_what_its_events_say(repo: Path, code: str, sql: str) -> None:
    edit(repo, sql)
    found, notes = codes(repo)
    assert code in found
    implied = {"row_missing"} if "step_attempt_id = " in sql else set()
    implied |= {"landing_missing"} if "landings" in sql else set()
    assert found <= {code} | implied
    assert notes <= {"landing_open", "foreign_trailer"}


def test_bytes_of_another_patch_with_a_hash_to_match(repo: Path) -> None:
    """The hash that was handed in stands in the chain."""
    other = change("f1.txt", "old", "evil")
    edit(
        repo,
        "UPDATE patches SET content = ?, sha256 = ?, size = ? WHERE patch_id ="
        " (SELECT patch_id FROM entries WHERE state = 'queued')",
        *(zlib.compress(other), hashlib.sha256(other).hexdigest(), len(other)),
    )
    assert codes(repo) == ({"patch_damaged"}, set())


def test_bytes_that_are_gone_without_a_redaction(repo: Path) -> None:
    edit(repo, "UPDATE patches SET content = NULL")
    assert codes(repo) == ({"patch_damaged"}, {"quarantine_left_over"})
    with Project.open(str(repo)) as project:
        anchor.anchor_now(project)
    assert codes(repo) == ({"patch_damaged"}, set())


def test_a_move_that_no_rule_allows(repo: Path) -> None:
    """Written with the guards off, but with a chain that holds."""
    with Project.open(str(repo)) as project:
        dropped = next(e for e in project.ledger.entries.pages() if e.state == "dropped")
        with edited(repo) as db:
            chain = Chain(db, project.clock, "person:Eve")
            seq = chain.add(
                "patch_queued", {"from": "dropped", "to": "queued"}, entry=dropped.entry_id
            )
            chain.flush()
            db.execute(
                "UPDATE entries SET state = 'queued', event_seq = ? WHERE entry_id = ?",
                (seq, dropped.entry_id),
            )
        anchor.anchor_now(project)
    assert codes(repo) == ({"illegal_history"}, set())


def test_an_event_of_no_known_kind(repo: Path) -> None:
    with edited(repo) as db:
        (last,) = db.execute("SELECT max(seq) FROM events").fetchone()
        db.execute(
            "INSERT INTO events SELECT seq + 1, event_id, ts, actor, NULL, NULL, 'party', '{}', NULL, NULL, hash, ''"
            " FROM events WHERE seq = ?",
            (last,),
        )
        damage.rehash(db, last + 1)
    assert codes(repo) == ({"document_mismatch"}, {"unanchored"})


def test_many_problems_are_counted(repo: Path) -> None:
    many = Problems()
    for n in range(SHOWN + 5):
        many.damage("row_changed", str(n))
    many.note("unanchored", "1")
    found = many.found()
    assert len(found) == SHOWN + 2
    assert [p.code for p in found].count("row_changed") == SHOWN + 1
    assert "and 5 more of these" in [p.message for p in found]
    assert found[-1].code == "unanchored"


def test_the_order_is_damage_first_and_the_next_command_is_there(repo: Path) -> None:
    edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    git(repo, "config", "--unset", "uet.ledger")
    found = problems(repo)
    assert [p.severity for p in found] == ["damage", "information"]
    assert all(p.next for p in found)


def test_it_can_be_asked_while_the_queue_drains(tmp_path: Path, templates: Templates) -> None:
    """No damage is seen in a ledger that another process is writing."""
    repo = templates.copy(tmp_path / "repo")
    script = (
        "import sys\nfrom tests import damage\nfrom uet_git.project import Project\n"
        "with Project.open(sys.argv[1]) as project:\n"
        "    for n in range(12):\n"
        "        damage.hand_in(project, *[damage.added(f'd{n}/{m}.txt') for m in range(4)], independent=True)\n"
        "        damage.land(project)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(repo)], cwd=Path(__file__).parents[2]
    )
    seen: set[str] = set()
    rounds = 0
    while child.poll() is None:
        seen |= codes(repo)[0]
        rounds += 1
    assert child.returncode == 0
    assert rounds > 1
    assert seen == set()
    assert codes(repo) == CLEAN


def test_a_ledger_that_cannot_be_written(repo: Path) -> None:
    """Read-only media: the check needs no right to write."""
    folder = damage.database(repo).parent
    names = [*folder.iterdir(), folder]
    for path in names:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        assert codes(repo) == CLEAN
    finally:
        for path in reversed(names):
            path.chmod(0o700)


def test_rows_and_anchored_lines_are_the_same_document(repo: Path) -> None:
    """What the log ref holds, one line an event, is the document of the event's row."""
    with Project.open(str(repo)) as project:
        rows = [documents.event_document(e) for e in project.ledger.events()]
        text = b"".join(
            git(repo, "cat-file", "blob", f"{commit.decode()}:events.jsonl")
            for commit in git(repo, "rev-list", "--reverse", project.log_ref()).split()
        )
    assert [json.loads(line) for line in text.splitlines()] == rows
    assert list(events.broken_links([])) == []
