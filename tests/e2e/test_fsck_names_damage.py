"""`uet-git fsck` at the command line: each kind of damage by its own code, and what a user may do is none."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import damage
from tests.builders import commit_files, git
from tests.damage import MAIN, Templates, change, edit, edited, hand_in
from tests.product import uet
from uet_git.ledger.entries import Move
from uet_git.project import Project
from uet_git.queue import anchor

LAST = "SELECT max(seq) FROM events"


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("fsck-names"))


@pytest.fixture
def repo(tmp_path: Path, templates: Templates) -> Path:
    return templates.copy(tmp_path / "repo")


def last_seq(repo: Path) -> int:
    db = sqlite3.connect(damage.database(repo))
    try:
        return int(db.execute(LAST).fetchone()[0])
    finally:
        db.close()


def swapped(repo: Path) -> None:
    with edited(repo) as db:
        for sql in ("-1 WHERE seq = 7", "7 WHERE seq = 12", "12 WHERE seq = -1"):
            db.execute(f"UPDATE events SET seq = {sql}")


def entry_of(repo: Path, state: str) -> str:
    with Project.open(str(repo)) as project:
        return project.ledger.entries.in_states((state,))[0].entry_id


def forged(repo: Path) -> None:
    commit_files(repo, {"x.txt": b"x\n"}, f"mine\n\nUet-Patch: {entry_of(repo, 'queued')}")


def pinless(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        tree = project.tip_tree(project.tip(MAIN))
        columns = {"tree": tree, "rung": "memory", "proved": 0, "attempts": 1}
        with project.ledger.write() as write:
            queued = entry_of(repo, "queued")
            write.entries.move([Move(queued, "queued", "applied", dict(columns), columns)])
        anchor.anchor_now(project)


def no_file(repo: Path) -> None:
    next((damage.database(repo).parent / "quarantine").glob("*.patch")).unlink()


def rewritten(repo: Path) -> None:
    """As `git pull --rebase` does."""
    git(repo, "checkout", "-q", "-b", "upstream", "main~4")
    commit_files(repo, {"theirs.txt": b"x\n"}, "theirs")
    git(repo, "checkout", "-q", "main")
    git(repo, "rebase", "-q", "upstream")


EVIL = "UPDATE events SET actor = 'person:Eve' WHERE seq = 9"
CASES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "edited event": ("event_edited", lambda r: edit(r, EVIL)),
    "deleted event": ("event_missing", lambda r: edit(r, "DELETE FROM events WHERE seq = 9")),
    "swapped events": ("event_moved", swapped),
    "truncated tail": (
        "ledger_truncated",
        lambda r: edit(r, "DELETE FROM events WHERE seq > ?", last_seq(r) - 5),
    ),
    "state by hand": (
        "state_mismatch",
        lambda r: edit(r, "UPDATE entries SET state = 'queued', commit_id = NULL WHERE number = 1"),
    ),
    "commit content": (
        "commit_differs",
        lambda r: edit(r, "UPDATE entries SET message = 'Other' WHERE number = 1"),
    ),
    "forged trailer": ("forged_trailer", forged),
    "deleted quarantine file": ("quarantine_missing", no_file),
    "missing pin": ("pin_missing", pinless),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_damage_has_its_own_code(repo: Path, name: str) -> None:
    code, harm = CASES[name]
    harm(repo)
    ran = uet(repo, "fsck", "--json", code=1)
    found = ran.document["problems"]
    assert {p["code"] for p in found if p["severity"] == "damage"} == {code}
    assert ran.document["clean"] is False
    said = uet(repo, "fsck", code=1)
    assert f"damage: {code}: ".encode() in said.out


@pytest.mark.parametrize("how", ["cut", "older copy"])
@pytest.mark.parametrize("decision", ["drop", "release", "pause"])
def test_the_tail_cut_after_a_decision_with_no_landing_since(
    repo: Path, decision: str, how: str
) -> None:
    """Every decision is anchored when its command ends."""
    held = change("f7.txt", "old", "new").replace(b"@@ -1 +1 @@", b"@@ -1,3 +1,3 @@")
    with Project.open(str(repo)) as project:
        hand_in(project, held)
    before, old = last_seq(repo), damage.database(repo).read_bytes()
    argv = {
        "drop": ("drop", "8", "--reason", "no"),
        "release": ("release", "9", "--repaired", "--reason", "as meant"),
        "pause": ("pause", "--reason", "lunch"),
    }[decision]
    uet(repo, *argv)
    if how == "cut":
        edit(repo, "DELETE FROM events WHERE seq > ?", before)
    else:
        damage.database(repo).write_bytes(old)
    ran = uet(repo, "fsck", "--json", code=1)
    found = {p["code"] for p in ran.document["problems"] if p["severity"] == "damage"}
    cut_rows = how == "cut" and decision != "pause"
    assert ("ledger_truncated" if cut_rows else "ledger_rolled_back") in found


def test_rebased_commits_are_information(repo: Path) -> None:
    rewritten(repo)
    ran = uet(repo, "fsck", "--json")
    assert {p["code"] for p in ran.document["problems"]} == {"commit_rewritten"}
    assert ran.document["clean"] is True


def test_the_command_that_a_lost_ledger_names_works(repo: Path) -> None:
    """Typed as printed; afterwards the queue works, and a second repair has nothing to do."""
    damage.database(repo).unlink()
    lost = uet(repo, "status", "--json", code=3)
    assert lost.document["error"]["code"] == "ledger.missing"
    argv = lost.document["error"]["next"]
    assert argv == ["uet-git", "fsck", "--repair"]
    planned = uet(repo, *argv[1:], "--dry-run", "--json")
    assert planned.document["clean"] is False
    assert planned.document["repair"]["did"]
    assert not damage.database(repo).exists()
    done = uet(repo, *argv[1:], "--json")
    assert done.document["clean"] is True
    assert {p["code"] for p in done.document["problems"]} == {"fields_unknown"}
    uet(repo, "status")
    assert uet(repo, "fsck", "--repair", "--dry-run").out.startswith(b"would do nothing")
    uet(repo, "fsck", "--repair", env={"UET_ORIGIN": "codex"}, code=2)
