"""A redaction takes a patch's content out of everything that is ours, breaks no chain, and says what it cannot reach."""

import os
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests import damage
from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, head, states, trust, uet
from uet_git.errors import NeedsPerson, QueueBusy
from uet_git.host import contracts
from uet_git.project import Project
from uet_git.queue import fsck, lock
from uet_git.queue import redact as redacting
from uet_git.queue.problem import DAMAGE

SECRET = "hunter2-GB5xQ1-tr0ub4dor-9Zk"
BASE = b"one\ntwo\n"
GATES = b"""version = 1
[gates.tests]
kind = "unit_tests"
shell = "cat key.txt; ! grep -q bad key.txt"
"""


def patch(*lines: str, subject: str = "Add the key") -> bytes:
    body = f"The key is {SECRET}.\n"
    return mail(
        subject, diff("key.txt", None, "".join(f"{x}\n" for x in lines).encode()), body=body
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Change 1 has the secret, was quarantined by a gate that printed it, and has a second revision; 2 waits for it."""
    home = tmp_path_factory.mktemp("redact")
    repo = make_repo(home / "repo", {"a.txt": BASE})
    commit_files(repo, {"uet.toml": GATES}, "gates")
    trust(repo)
    (home / "1").write_bytes(patch(f"key = {SECRET}", "bad"))
    cache = {"XDG_CACHE_HOME": str(home / "cache")}
    uet(repo, "apply", "../1", code=1, env=cache)
    (home / "1.2").write_bytes(patch(f"key = {SECRET}", "bad, still"))
    uet(repo, "submit", "--replaces", "1", "../1.2")
    (home / "2").write_bytes(mail("Follow", diff("a.txt", BASE, b"1\ntwo\n")))
    uet(repo, "submit", "--depends-on", "1", "../2")
    return home


@pytest.fixture
def repo(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to change."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    shutil.copytree(built, tmp_path / "home", symlinks=True)
    trust(tmp_path / "home" / "repo")
    return tmp_path / "home" / "repo"


def places(repo: Path, *needles: bytes) -> list[str]:
    """The files of ours that hold one of these strings."""
    cache = repo.parent / "cache"
    found = []
    for folder in (repo / ".git" / "uet", cache):
        for path in (p for p in folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            found += [str(path)] if any(n in data for n in needles) else []
    return found


def packed(repo: Path) -> list[bytes]:
    """What the database holds of the patches, as it lies in its pages: the middle of each."""
    with closing(sqlite3.connect(damage.database(repo))) as db:
        rows = db.execute("SELECT content FROM patches WHERE files_touched LIKE '%key%'").fetchall()
    return [blob[20:60] for (blob,) in rows]


def damages(repo: Path) -> set[str]:
    with Project.open(str(repo)) as project:
        return {p.code for p in fsck.check(project) if p.severity == DAMAGE}


def test_nothing_of_ours_has_the_secret_afterwards(repo: Path) -> None:
    """Not the rows, the free pages of the file, the logs of gates, or the trees in which gates ran."""
    blobs = packed(repo)
    needles = [SECRET.encode(), *blobs]
    assert len(blobs) == 2
    (slot,) = Path(os.environ["XDG_CACHE_HOME"]).glob("uet-git/*/trees/0/tree")
    (slot / "key.txt").write_text(SECRET)  # as it lies there until the next candidate
    merge = slot.parents[2] / "resolve" / "1" / "tree"
    merge.mkdir(parents=True)
    (merge / "key.txt").write_text(SECRET)
    with closing(sqlite3.connect(damage.database(repo), isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE older (text TEXT)")
        text = f"{SECRET}, in a page that is free since " * 90
        db.executemany("INSERT INTO older VALUES (?)", [(text,)] * 100)
        db.execute("DROP TABLE older")
    assert b"free since" in damage.database(repo).read_bytes()
    assert (
        len(places(repo, SECRET.encode())) == 4
    )  # the database, the gate's log, two scratch trees
    done = uet(repo, "redact", "1", "--reason", "a key", "--json").document
    assert not list((repo / ".git/uet/quarantine").glob("1*"))
    assert places(repo, *needles) == []
    assert [r["patch"] for r in done["removed"]] == [True, True]
    assert done["removed"][0]["files"] == 1
    assert damages(repo) == set()
    assert SECRET.encode() not in git(repo, "log", "-p", "--all")  # the anchored events


def test_what_stays_says_what_it_was(repo: Path) -> None:
    """Digest, size, title and paths stay, so that the chain proves what it proved before; the decision is an event."""
    before = entry(repo, 1)
    uet(repo, "redact", "1", "--reason", "a key")
    after = entry(repo, 1)
    assert (after["state"], after["reason"], after["message"]) == ("dropped", "queue.redacted", "")
    for name in ("sha256", "size", "files", "insertions"):
        assert after["patch"][name] == before["patch"][name]
    assert (after["patch"]["text"], after["title"]) == (None, before["title"])
    told = next(e for e in after["events"] if e["kind"] == "patch_redacted")
    assert told["actor"].startswith("person:")
    assert (told["payload"]["why"], told["payload"]["patch"]) == ("a key", True)
    assert states(repo)["2"] == "quarantined"


def test_what_cannot_be_done_with_it_any_more(repo: Path) -> None:
    """Each says that the content was redacted, and the same bytes come back only past a person."""
    uet(repo, "redact", "1", "--reason", "a key")
    for args in (
        ("retry", "1"),
        ("release", "1", "--reason", "x"),
        ("show", "1", "--patch"),
        ("policy", "check", "1"),
    ):
        said = uet(repo, *args, code=2)
        assert b"redacted" in said.err, said.said
        assert b"next: uet-git log 1.2" in said.err
    shown = uet(repo, "show", "1").out
    assert b"its content was redacted" in shown
    assert b"no output is kept" in uet(repo, "gate", "log", "1.1").out
    uet(repo, "submit", "../1.2", code=1)
    assert entry(repo, 3)["reason"] == "queue.dropped_before"
    uet(repo, "redact", "1", "--reason", "again")
    assert entry(repo, 3)["reason"] == "queue.redacted"
    clean = mail("Add a name", diff("key.txt", None, b"name\n"))
    (repo.parent / "clean").write_bytes(clean)
    uet(repo, "apply", "--replaces", "1", "../clean")
    assert states(repo)["1"] == "committed"
    assert damages(repo) == set()


def test_one_revision_alone(repo: Path) -> None:
    uet(repo, "redact", "1.1", "--reason", "a key")
    assert entry(repo, "1.1")["patch"]["text"] is None
    assert SECRET in entry(repo, "1.2")["patch"]["text"]
    assert damages(repo) == set()


def test_what_git_has_is_told(repo: Path) -> None:
    """Landed work, objects that nothing refers to, older ledgers: each with the command that shows or removes it."""
    (repo.parent / "5").write_bytes(patch(f"key = {SECRET}", subject="Landed"))
    uet(repo, "drop", "2", "1")
    uet(repo, "apply", "../5", code=1)  # the lines of what was dropped wait for a person
    uet(repo, "release", "3", "--reason", "it is no key")
    uet(repo, "apply", "3")
    uet(repo, "backup", "../b.db")
    uet(repo, "restore", "../b.db")
    left = uet(repo, "redact", "1", "3", "--reason", "a key", "--json").document["left"]
    text = "\n".join(each["what"] for each in left)
    assert head(repo)[:12] in text
    assert "was set aside has it" in text
    assert "until it clears" in text
    for each in left:
        if each["next"][0] == "uet-git":
            uet(repo, *each["next"][1:])
        elif each["next"][0] == "git":
            git(repo, *each["next"][1:])
        else:
            assert each["next"][0] == "rm"
            Path(each["next"][1]).unlink()
    again = uet(repo, "redact", "1", "3", "--reason", "a key", "--json").document["left"]
    assert [e["next"][:2] for e in again] == [["git", "log"]]
    assert damages(repo) == set()
    assert entry(repo, 3)["state"] == "committed"


def test_events_that_quote_it_are_told(tmp_path: Path) -> None:
    """A reason that a person typed cannot be taken out of the chain."""
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "1").write_bytes(patch(f"key = {SECRET}"))
    uet(repo, "submit", "../1")
    uet(repo, "drop", "1", "--reason", f"it has key = {SECRET}")
    left = uet(repo, "redact", "1", "--reason", "a key", "--json").document["left"]
    assert "quotes it" in left[0]["what"]
    assert left[0]["next"] == ["uet-git", "log", "1"]


def test_a_repaired_reading_goes_with_it(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "1").write_bytes(
        f"--- a.txt\n+++ a.txt\n@@ ... @@\n one\n+key = {SECRET}\n two\n".encode()
    )
    uet(repo, "submit", "../1", code=1)
    with closing(sqlite3.connect(damage.database(repo))) as db:
        (blob,) = db.execute("SELECT content FROM repairs").fetchone()
    assert SECRET.encode() in zlib.decompress(blob)
    uet(repo, "redact", "1", "--reason", "a key")
    assert places(repo, SECRET.encode(), blob[20:60]) == []
    assert damages(repo) == set()


def test_bytes_that_are_gone_or_came_back_are_damage(repo: Path) -> None:
    """A NULL that no event tells of, and content that an event says is gone."""
    damage.edit(repo, "UPDATE patches SET content = NULL WHERE files_touched LIKE '%a.txt%'")
    assert damages(repo) == {"patch_damaged"}
    blob = zlib.compress(b"x")
    uet(repo, "redact", "1", "2", "--reason", "a key")
    assert damages(repo) == set()
    damage.edit(repo, "UPDATE patches SET content = ? WHERE files_touched LIKE '%a.txt%'", blob)
    assert damages(repo) >= {"redaction_undone"}


def test_it_is_a_persons_decision_and_waits_for_the_queue(repo: Path) -> None:
    before = damage.snapshot(repo / ".git")
    with Project.open(str(repo), origin="bot") as project:
        found = project.ledger.entries.revisions(1)
        with pytest.raises(NeedsPerson):
            redacting.redact(project, found, "x")
    with Project.open(str(repo)) as project:
        done = redacting.plan(project, project.ledger.entries.revisions(1))
        assert len(done.entries) == 2
    assert damage.snapshot(repo / ".git") == before
    with (
        Project.open(str(repo)) as project,
        lock.hold(project),
        Project.open(str(repo)) as other,
        pytest.raises(QueueBusy),
    ):
        redacting.redact(other, found, "x")
    shown = uet(repo, "redact", "1", "--reason", "x", "--dry-run", "--json").document
    contracts.check(shown, "redact.v1")
    assert SECRET in entry(repo, 1)["message"]
