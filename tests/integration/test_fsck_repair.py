"""`fsck --repair` makes a lost or damaged ledger again, sets the old one aside, and says what nobody knows any more."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests import damage
from tests.builders import commit_files, git
from tests.damage import ROWS, Templates, change, codes, edit, edited, hand_in, land, seq_of
from tests.product import uet
from uet_git.errors import LedgerMissing, NeedsPerson, NoLedger
from uet_git.host import contracts
from uet_git.ledger.entries import Entries
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import adopt, anchor, decide, redact, repair, snooze
from uet_git.queue.repair import Repaired

CLEAN: tuple[set[str], set[str]] = (set(), set())
KNOWN_FROM_GIT = (
    *("number", "revision", "entry_id", "state", "title", "message", "target", "identity", "tree"),
    *("author_name", "author_email", "author_date", "commit_id", "series_id", "series_index"),
    *(
        "submitter",
        "rung",
        "proved",
        "made_by_run",
        "landed_by_run",
        "event_seq",
        "reason",
        "detail",
    ),
)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("fsck-repair"))


@pytest.fixture
def repo(tmp_path: Path, templates: Templates) -> Path:
    return templates.copy(tmp_path / "repo")


def entries(repo: Path) -> list[Entry]:
    with Project.open(str(repo)) as project:
        return list(project.ledger.entries.pages())


def mend(repo: Path, reason: str = "") -> Repaired:
    with Project.open(str(repo)) as project:
        return repair.repair(project, repair.look(project), reason)


def table(repo: Path, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(damage.database(repo))
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def lose(repo: Path) -> None:
    damage.database(repo).unlink()


# -- the database is gone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", [{}, {"bare": True}, {"object_format": "sha256"}], ids=["plain", "bare", "sha256"]
)
def test_every_landed_entry_and_every_quarantined_patch_is_back(
    tmp_path: Path, templates: Templates, how: dict[str, Any]
) -> None:
    """From the log ref, the commits and the quarantine folder alone; numbers go on above all that were seen."""
    repo = templates.copy(tmp_path / "repo", **how)
    before = {e.entry_id: e for e in entries(repo)}
    with Project.open(str(repo)) as project:
        bytes_of = {
            e.entry_id: project.ledger.entries.patch(e.patch_id).content for e in before.values()
        }
        events = list(project.ledger.events())
    lose(repo)
    done = mend(repo, "the disk broke")
    assert done.rebuilt is not None
    assert done.rebuilt.aside is None
    after = {e.entry_id: e for e in entries(repo)}
    assert after.keys() == before.keys()
    for entry_id, was in before.items():
        now = after[entry_id]
        if was.state == "committed":
            for name in KNOWN_FROM_GIT[:-3]:
                if name.startswith("author") and getattr(was, name) is None:
                    continue  # the commit tells who it was; the entry left that to the user's configuration
                if name == "message" and was.sign_off:
                    continue  # the commit's has the line that was asked for
                assert getattr(now, name) == getattr(was, name), (was.number, name)
            assert was.message in now.message
        elif was.state == "quarantined":
            assert now == was
        else:
            assert now.state == "dropped"
    with Project.open(str(repo)) as project:
        held = [e for e in after.values() if e.state == "quarantined"]
        assert held
        for entry in held:
            content = project.ledger.entries.patch(entry.patch_id).content
            assert content == bytes_of[entry.entry_id]
        assert list(project.ledger.events())[: len(events)] == events
        (created,) = [e for e in project.ledger.events() if e.kind == "ledger_rebuilt"]
        assert created.actor == project.actor
        assert project.ledger.entries.next_number() == max(e.number for e in before.values()) + 1
    assert codes(repo) == (set(), {"fields_unknown"})
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
        assert land(project).landed
    assert codes(repo) == (set(), {"fields_unknown"})
    assert mend(repo).rebuilt is None


def test_what_is_unknown_stays_unknown(repo: Path) -> None:
    """A second rebuild does not take the defaults of the first for facts; every field that is lost is named."""
    before = {e.entry_id: e for e in entries(repo)}
    lose(repo)
    mend(repo)
    unknown = "SELECT row_table, row_key, fields FROM unknown_fields ORDER BY 1, 2"
    first = table(repo, unknown)
    assert {row[0] for row in first} >= {"entries", "patches", "runs", "step_attempts", "gates"}
    edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    mend(repo)
    left = {row[:2]: row[2] for row in table(repo, unknown)}
    assert {key: fields for key, fields in left.items() if key in {r[:2] for r in first}} == {
        row[:2]: row[2] for row in first
    }
    with Project.open(str(repo)) as project:
        for entry in project.ledger.entries.pages():
            patch = project.ledger.entries.patch(entry.patch_id)
            lost = json.loads(left.get(("patches", entry.patch_id), "[]"))
            assert before[entry.entry_id].number == entry.number
            if patch.content is None:
                assert {"files", "insertions", "deletions", "hunks"} <= set(lost)


def test_numbers_are_not_reused_though_no_event_tells_them(repo: Path) -> None:
    """The newest entries were not anchored; one of them left its files, the other nothing but a number in the folder."""
    folder = damage.database(repo).parent / "quarantine"
    (folder / "41-gone.patch").write_bytes(b"x")
    lose(repo)
    mend(repo)
    with Project.open(str(repo)) as project:
        (entry_id,) = hand_in(project, damage.added("new.txt"))
        entry = project.ledger.entries.get(entry_id)
        assert entry is not None
        assert entry.number == 42


def test_open_entries_without_bytes_can_be_handed_in_again(repo: Path) -> None:
    lost = next(e for e in entries(repo) if e.state == "queued")
    lose(repo)
    done = mend(repo)
    assert lost.label in {e.label for e in done.entries}
    with Project.open(str(repo)) as project:
        now = project.ledger.entries.get(lost.entry_id)
        assert now is not None
        assert (now.state, now.reason) == ("dropped", "queue.bytes_lost")
        (again,) = hand_in(project, change("f6.txt", "old", "new"))
        assert again != lost.entry_id
        land(project)
    assert codes(repo) == (set(), {"fields_unknown"})


def test_what_landed_after_the_last_anchor_is_found_by_its_commit(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill behind the landing, and then the database is lost: the log does not know that it landed."""
    with monkeypatch.context() as patched, Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"), message="Mine\n\nWhy.\n")
        patched.setattr(anchor, "anchor_now", lambda _: None)
        assert land(project).landed
        landed = project.ledger.entries.in_states(("committed",))[-1]
    lose(repo)
    done = mend(repo)
    assert landed.label in {e.label for e in done.entries}
    now = next(e for e in entries(repo) if e.entry_id == landed.entry_id)
    assert (now.state, now.commit_id, now.tree) == ("committed", landed.commit_id, landed.tree)
    assert now.message == landed.message
    assert codes(repo) == (set(), {"fields_unknown"})


def test_a_trailer_is_not_believed_while_the_patch_is_there(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        (queued,) = project.ledger.entries.in_states(("queued",))
    commit_files(repo, {"x.txt": b"x\n"}, f"mine\n\nUet-Patch: {queued.entry_id}")
    edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    mend(repo)
    assert codes(repo) == ({"forged_trailer"}, set())


def test_files_that_no_event_knows_come_back(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quarantined just before the loss, and not anchored."""
    patch = change("f7.txt", "old", "new").replace(b"@@ -1 +1 @@", b"@@ -1,3 +1,3 @@")
    with Project.open(str(repo)) as project:
        keep = anchor.prepare
        monkeypatch.setattr(anchor, "prepare", lambda *_: None)
        (entry_id,) = hand_in(project, patch, message="Held\n")
        monkeypatch.setattr(anchor, "prepare", keep)
        was = project.ledger.entries.get(entry_id)
    assert was is not None
    lose(repo)
    mend(repo)
    with Project.open(str(repo)) as project:
        now = project.ledger.entries.get(entry_id)
        assert now is not None
        assert (now.number, now.state, now.reason, now.message) == (
            *(was.number, "quarantined", "parse.repairable", "Held\n"),
        )
        assert project.ledger.entries.patch(now.patch_id).content == patch
        assert project.ledger.repair_of(entry_id) is not None
    assert codes(repo) == (set(), {"fields_unknown"})


def test_the_log_is_lost_too(repo: Path) -> None:
    """What carries our trailer, and what lies in the quarantine folder, is all that is left; it gets new numbers."""
    before = {e.entry_id: e for e in entries(repo) if e.state in ("committed", "quarantined")}
    git(repo, "update-ref", "-d", log_ref(repo))
    lose(repo)
    mend(repo)
    after = {e.entry_id: e for e in entries(repo)}
    assert {i: (e.state, e.commit_id) for i, e in after.items()} == {
        i: (e.state, e.commit_id) for i, e in before.items()
    }
    assert codes(repo) == (set(), {"fields_unknown"})
    with Project.open(str(repo)) as project:
        assert project.ledger.entries.next_number() > max(e.number for e in before.values())
        assert project.ledger.ledger_id == project.config_value("uet.ledger")


def log_ref(repo: Path) -> str:
    with Project.open(str(repo)) as project:
        return project.log_ref()


# -- the database is damaged -----------------------------------------------------------------------------------------

EVERY_ENTRY = "SELECT * FROM entries ORDER BY entry_id"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET actor = 'person:Eve' WHERE seq = 9",
        "DELETE FROM events WHERE seq IN (7, 11, 12)",
        "DELETE FROM events WHERE seq > 60",
        "UPDATE entries SET state = 'queued', commit_id = NULL WHERE number = 1",
        "UPDATE entries SET title = 'x', number = 90 WHERE number = 1",
        "UPDATE entries SET findings = '{' WHERE state = 'quarantined'",
        "DELETE FROM entries WHERE number = 4",
        "DELETE FROM gates WHERE state = 'failed'",
        "UPDATE gates SET results = NULL, exit_code = 0 WHERE state = 'failed'",
        "UPDATE landings SET new = old",
        "DELETE FROM pauses",
        "DELETE FROM step_attempts",
        "DROP TRIGGER events_no_update",
    ],
)
def test_damage_of_rows_and_events_is_undone(repo: Path, sql: str) -> None:
    """The old database is kept; nothing that it can still prove is lost."""
    before = {row[1]: row for row in table(repo, EVERY_ENTRY)}
    with edited(repo) as db:
        db.execute(sql) if "TRIGGER" not in sql else None
    if "TRIGGER" in sql:
        db = sqlite3.connect(damage.database(repo), isolation_level=None)
        db.execute(sql)
        db.close()
    found = codes(repo)[0]
    assert found
    broken = damage.database(repo).read_bytes()
    done = mend(repo)
    assert done.rebuilt is not None
    assert done.rebuilt.aside is not None
    kept = sqlite3.connect(done.rebuilt.aside)
    assert kept.execute("SELECT count(*) FROM events").fetchone()[0] > 0
    kept.close()
    assert len(broken) > 0
    left, notes = codes(repo)
    assert left == set()
    assert notes <= {"fields_unknown"}
    after = {row[1]: row for row in table(repo, EVERY_ENTRY)}
    assert after.keys() == before.keys()
    states = {key: (row[9], row[16]) for key, row in before.items()}
    assert {key: (row[9], row[16]) for key, row in after.items()} == states


@pytest.mark.nightly
@pytest.mark.parametrize(("code", "sql"), ROWS)
def test_every_wrong_row_is_mended(repo: Path, code: str, sql: str) -> None:
    before = {e.entry_id: (e.number, e.state) for e in entries(repo)}
    edit(repo, sql)
    mend(repo)
    assert codes(repo)[0] == set(), code
    assert {e.entry_id: (e.number, e.state) for e in entries(repo)} == before


@pytest.mark.parametrize("how", ["empty", "no database", "foreign", "a broken page", "half"])
def test_files_that_cannot_be_opened(repo: Path, how: str) -> None:
    before = {e.entry_id: (e.number, e.state) for e in entries(repo)}
    path = damage.database(repo)
    data = bytearray(path.read_bytes())
    if how == "empty":
        data.clear()
    elif how == "no database":
        data[:16] = b"not SQLite at all"[:16]
    elif how == "foreign":
        data[68:72] = b"\0\0\0\1"
    elif how == "half":
        del data[len(data) // 2 :]
    else:
        (page,) = table(repo, "SELECT rootpage FROM sqlite_master WHERE name = 'entries'")[0]
        at = (page - 1) * int.from_bytes(data[16:18], "big")
        data[at : at + 200] = b"\xff" * 200
    path.write_bytes(data)
    done = mend(repo)
    assert done.rebuilt is not None
    assert done.rebuilt.aside is not None
    assert done.rebuilt.aside.read_bytes() == data
    after = {e.entry_id: (e.number, e.state) for e in entries(repo)}
    for entry_id, (number, state) in before.items():
        assert after[entry_id][0] == number
        if state in ("committed", "quarantined"):
            assert after[entry_id][1] == state
    assert codes(repo)[0] == set()


def test_an_older_copy_put_back(repo: Path) -> None:
    old = damage.database(repo).read_bytes()
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
        assert land(project).landed
    before = {e.entry_id: e.state for e in entries(repo)}
    damage.database(repo).write_bytes(old)
    assert codes(repo) == ({"ledger_rolled_back"}, set())
    mend(repo)
    assert {e.entry_id: e.state for e in entries(repo)} == before
    assert codes(repo) == (set(), {"fields_unknown"})


def test_an_older_copy_put_back_and_used(repo: Path) -> None:
    """The anchored history stands; what was done in the older copy is in the one set aside, its numbers are not reused."""
    old = damage.database(repo).read_bytes()
    with Project.open(str(repo)) as project:
        hand_in(project, change("f7.txt", "old", "new"))
    damage.database(repo).write_bytes(old)
    with Project.open(str(repo)) as project:
        for n in range(3):
            hand_in(project, damage.added(f"n{n}.txt"))
        highest = project.ledger.entries.next_number() - 1
    assert codes(repo) == ({"ledger_forked"}, set())
    done = mend(repo)
    assert done.rebuilt is not None
    assert done.rebuilt.lost > 0
    with Project.open(str(repo)) as project:
        assert project.ledger.entries.next_number() == highest + 1


@pytest.mark.parametrize("what", ["deleted", "elsewhere", "put back"])
def test_a_damaged_log_is_anchored_anew(repo: Path, what: str) -> None:
    ref = log_ref(repo)
    first = git(repo, "rev-list", "--reverse", ref).split()[1].decode()
    if what == "deleted":
        git(repo, "update-ref", "-d", ref)
    elif what == "elsewhere":
        git(repo, "update-ref", ref, "HEAD")
    else:
        git(repo, "update-ref", ref, first)
    assert codes(repo)[0]
    mend(repo)
    assert codes(repo) == CLEAN
    lose(repo)
    mend(repo)
    assert codes(repo) == (set(), {"fields_unknown"})


def test_lost_pins_and_quarantine_files(repo: Path) -> None:
    """Neither needs a new database."""
    shutil.rmtree(damage.database(repo).parent / "quarantine")
    assert codes(repo) == ({"quarantine_missing"}, set())
    done = mend(repo)
    assert done.rebuilt is None
    assert codes(repo) == CLEAN


# -- who and what may ------------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(repo: Path) -> None:
    lose(repo)
    before = damage.snapshot(repo)
    with Project.open(str(repo)) as project:
        found = repair.look(project)
        assert isinstance(found.fault, LedgerMissing)
        assert "rebuild" in repair.steps(project, found)[0]
    assert damage.snapshot(repo) == before


def test_an_agent_may_not(repo: Path) -> None:
    lose(repo)
    with Project.open(str(repo), origin="codex") as project, pytest.raises(NeedsPerson):
        repair.repair(project, repair.look(project), "")
    assert not damage.database(repo).exists()


def test_there_must_have_been_one(repo: Path) -> None:
    lose(repo)
    git(repo, "config", "--unset", "uet.ledger")
    with Project.open(str(repo)) as project, pytest.raises(NoLedger):
        repair.look(project)


def test_steps_can_be_done_again(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed behind the new database: the next repair goes on."""
    lose(repo)
    with monkeypatch.context() as patched:
        patched.setattr(adopt, "give_up", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mend(repo)
    mend(repo)
    assert codes(repo) == (set(), {"fields_unknown"})
    assert {e.state for e in entries(repo)} <= {"committed", "quarantined", "dropped"}


def test_unanchored_decisions_survive_in_a_readable_database(repo: Path) -> None:
    """Events behind the last anchor are taken from the damaged database, as they follow from the anchored ones."""
    with Project.open(str(repo)) as project:
        (queued,) = project.ledger.entries.in_states(("queued",))
        decide.drop(project, [queued], "no")
    edit(repo, "UPDATE entries SET title = 'x' WHERE number = 1")
    mend(repo)
    with Project.open(str(repo)) as project:
        now = Entries(project.ledger.db).get(queued.entry_id)
        assert now is not None
        assert (now.state, now.reason) == ("dropped", "queue.dropped_by_person")
    assert codes(repo) == CLEAN
    assert seq_of(repo, "ledger_rebuilt") > 0


def test_what_was_redacted_stays_out(repo: Path) -> None:
    """Whether it is found in the old database or not."""
    with Project.open(str(repo)) as project:
        (held, *_) = project.ledger.entries.in_states(("quarantined",))
        redact.redact(project, [held], "a secret")
        anchor.anchor_now(project)
        was = project.ledger.entries.get(held.entry_id)
        assert was is not None
    assert codes(repo) == CLEAN
    edit(repo, "UPDATE patches SET content = ? WHERE patch_id = ?", b"x", held.patch_id)
    edit(repo, "UPDATE entries SET number = 99 WHERE number = 1")
    mend(repo)
    lose_again = False
    for _ in range(2):
        with Project.open(str(repo)) as project:
            now = project.ledger.entries.get(held.entry_id)
            assert now is not None
            assert (now.state, now.message) == (was.state, was.message)
            assert project.ledger.entries.patch(held.patch_id).content is None
        assert codes(repo)[0] == set()
        if not lose_again:
            lose(repo)
            mend(repo)
        lose_again = True


def test_snoozes_come_back(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        held = project.ledger.entries.in_states(("quarantined",))
        snooze.snooze(project, held, "2099-01-01T00:00:00.000Z", "later")
        anchor.anchor_now(project)
    kept = table(repo, "SELECT * FROM snoozes")
    assert kept
    lose(repo)
    mend(repo)
    assert table(repo, "SELECT * FROM snoozes") == kept
    assert codes(repo) == (set(), {"fields_unknown"})


def test_show_says_what_a_rebuild_could_not_restore(repo: Path) -> None:
    """Bytes that were lost are not called redacted, and a default is not shown as a fact."""
    assert uet(repo, "show", "3", "--json").document["unknown"] == []
    lose(repo)
    mend(repo)
    told = uet(repo, "show", "3", "--json").document
    contracts.check(told, "entry_detail.v1")
    assert {"priority", "patch.content", "patch.files"} <= set(told["unknown"])
    shown = uet(repo, "show", "3").out.decode()
    assert "patch: its content was lost with the database" in shown
    assert "redacted" not in shown
    assert "size " not in shown
    assert "unknown    since a rebuild: " in shown
