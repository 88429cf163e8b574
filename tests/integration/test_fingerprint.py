"""What a gate must not change shows afterwards in words; what people do meanwhile is no accusation, and it is cheap."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.errors import GitFailed
from uet_git.host import process
from uet_git.host.clock import Clock
from uet_git.ledger import ledger as ledgers
from uet_git.ledger import witness
from uet_git.ledger.ledger import Ledger
from uet_git.plumbing import git as gits
from uet_git.plumbing.fingerprint import Snapshot, differences, notes, take

MAIN = "refs/heads/main"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"one\n"})
    git(repo, "branch", "other")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"), "other")
    ledger = repo / ".git" / "uet" / "ledger.db"
    ledger.parent.mkdir()
    ledger.write_bytes(b"SQLite format 3\0" + bytes(4080))
    return repo


def shot(repo: Path) -> Snapshot:
    return take(gits.discover(str(repo)), MAIN, str(repo / ".git" / "uet" / "ledger.db"))


def _edit(name: str, text: str) -> Callable[[Path], object]:
    def edit(repo: Path) -> None:
        path = repo / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)

    return edit


def _replaced(repo: Path) -> None:
    ledger = repo / ".git" / "uet" / "ledger.db"
    copy = ledger.with_name("copy")
    copy.write_bytes(ledger.read_bytes())
    copy.rename(ledger)


def _hidden_edit(repo: Path) -> None:
    """The same size and times as before."""
    hook = repo / ".git" / "hooks" / "pre-commit.sample"
    st = hook.stat()
    hook.write_bytes(b"x" * st.st_size)
    os.utime(hook, ns=(st.st_atime_ns, st.st_mtime_ns))


def _git(*args: str) -> Callable[[Path], object]:
    return lambda repo: git(repo, *args)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "config": (_edit("config", "[core]\n\tfsmonitor = x\n"), "/config was changed"),
    "alias": (_git("config", "alias.x", "!evil"), "/config was changed"),
    "config of a work tree": (_edit("config.worktree", "[a]\n"), "config.worktree was made"),
    "of a linked one": (_edit("worktrees/linked/config.worktree", "[a]\n"), "linked/config.worktree was made"),
    "attributes": (_edit("info/attributes", "* -diff\n"), "info/attributes was made"),
    "alternates": (_edit("objects/info/alternates", "/x\n"), "objects/info/alternates was made"),
    "new hook": (_edit("hooks/post-commit", "x"), "hooks/post-commit was made"),
    "changed hook": (_hidden_edit, "hooks/pre-commit.sample was changed"),
    "removed hook": (lambda r: (r / ".git/hooks/pre-push.sample").unlink(), "pre-push.sample was removed"),
    "hooks gone": (lambda r: (r / ".git/hooks").rename(r / ".git/h"), "hooks was removed"),
    "ledger replaced": (_replaced, "ledger's file was replaced"),
    "ledger gone": (lambda r: (r / ".git/uet/ledger.db").unlink(), "ledger's file was replaced"),
    "ledger cut": (lambda r: os.truncate(r / ".git/uet/ledger.db", 100), "ledger's file was replaced"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("confined", [False, True])
def test_what_nobody_changes_by_the_way(repo: Path, fault: str, confined: bool) -> None:
    act, words = FAULTS[fault]
    before = shot(repo)
    act(repo)
    found = differences(before, shot(repo), confined=confined)
    assert any(words in text for text in found), found
    assert len([t for t in found if "the hook" not in t]) <= 1


MOVES: dict[str, Callable[[Path], object]] = {
    "commit": lambda r: commit_files(r, {"a.txt": b"two\n"}, "two"),
    "rename": _git("branch", "-m", "main", "x"),
    "file": lambda r: (r / ".git/refs/heads/main").write_text("0" * 39 + "1\n"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("move", MOVES)
def test_a_moved_target(repo: Path, move: str, packed: bool) -> None:
    """From a gate that could have done it, it is reported; else somebody else did, which the landing deals with."""
    if packed:
        git(repo, "pack-refs", "--all")
    before = shot(repo)
    MOVES[move](repo)
    after = shot(repo)
    assert [t for t in differences(before, after) if t.startswith(f"{MAIN} moved from ")]
    assert differences(before, after, confined=True) == []
    assert any(t.startswith(MAIN) for t in notes(before, after))


def test_a_target_that_was_not_there(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "unborn")
    before = shot(repo)
    assert before.at is None
    commit_files(repo, {"a": b"x"}, "first")
    (found,) = differences(before, shot(repo))
    assert found.startswith(f"{MAIN} moved from nothing to ")


MEANWHILE: dict[str, Callable[[Path], object]] = {
    "commit elsewhere": lambda r: git(
        r.parent / "linked", "commit", "-q", "--allow-empty", "-m", "x"
    ),
    "branch": _git("branch", "new"),
    "tag": _git("tag", "v1"),
    "switch": _git("switch", "-q", "-c", "mine"),
    "upstream": _git("config", "branch.main.remote", "origin"),
    "stash": lambda r: ((r / "a.txt").write_text("x"), git(r, "stash", "-q")),
    "pack": _git("pack-refs", "--all"),
    "gc": _git("gc", "-q"),
    "ledger grows": _edit("uet/ledger.db", "rows"),
    "pins": _git("update-ref", "refs/uet/entries/X", "HEAD"),
    "nothing": lambda r: None,
}


@pytest.mark.parametrize("deed", MEANWHILE)
def test_what_people_do_meanwhile_is_no_accusation(repo: Path, deed: str) -> None:
    before = shot(repo)
    MEANWHILE[deed](repo)
    after = shot(repo)
    assert differences(before, after) == []
    silent = deed in ("upstream", "ledger grows", "pins", "nothing")
    assert (notes(before, after) == []) == silent


def test_a_remote_may_be_added_while_the_gate_cannot_write(repo: Path) -> None:
    before = shot(repo)
    git(repo, "remote", "add", "origin", "/x")
    assert differences(before, shot(repo), confined=True) == []
    assert len(differences(before, shot(repo))) == 1


@pytest.mark.parametrize("inside", [False, True])
def test_hooks_elsewhere(repo: Path, inside: bool) -> None:
    """`core.hooksPath`: in a work tree they are files that people edit."""
    folder = (repo if inside else repo.parent) / "my-hooks"
    folder.mkdir()
    git(repo, "config", "core.hooksPath", str(folder))
    before = shot(repo)
    (folder / "pre-commit").write_text("evil")
    assert (differences(before, shot(repo)) == []) == inside


def test_sha256_and_reftable_names(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a": b"x"}, object_format="sha256")
    git(repo, "pack-refs", "--all")
    tip = git(repo, "rev-parse", "HEAD").strip()
    assert shot(repo).at == tip
    assert len(tip) == 64


def test_it_starts_no_process_and_is_quick(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = gits.discover(str(repo))

    def refuse(*args: object, **more: object) -> None:
        raise GitFailed("no process")

    monkeypatch.setattr(process, "start", refuse)
    monkeypatch.setattr(process, "run", refuse)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        take(where, MAIN)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.01  # a millisecond in fact; the machine may be busy


# --- the ledger's rows ---------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledgers.create(tmp_path / "ledger.db", Clock(), "person:Test")
    made = Ledger(tmp_path / "ledger.db", Clock(), "person:Test")
    with made.write() as write:
        write.note("note", {"text": "one"})
    return made


def _other(ledger: Ledger) -> Ledger:
    return Ledger(ledger.path, Clock(), "person:Other")


def test_others_may_append(ledger: Ledger) -> None:
    before = witness.take(ledger.db)
    assert before.seq >= 1
    other = _other(ledger)
    with other.write() as write:
        write.note("note", {"text": "two"})
    other.close()
    assert witness.differences(ledger.db, before) == []
    assert witness.take(ledger.db).seq == before.seq + 1


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM events", "is gone from the ledger"),
        ("UPDATE events SET hash = 'x'", "is another than it was"),
        ("DROP TABLE landings", "tables or triggers"),
    ],
)
def test_what_is_done_to_the_rows(ledger: Ledger, sql: str, words: str) -> None:
    before = witness.take(ledger.db)
    other = _other(ledger)
    for (name,) in other.db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall():
        if "event" in name:
            other.db.execute(f"DROP TRIGGER {name}")
    other.db.execute("PRAGMA foreign_keys = OFF")
    other.db.execute(sql)
    if other.db.in_transaction:
        other.db.commit()
    other.close()
    found = witness.differences(ledger.db, before)
    assert any(words in text for text in found), found


def test_a_ledger_that_cannot_be_read(ledger: Ledger) -> None:
    before = witness.take(ledger.db)
    ledger.path.write_bytes(b"x" * 8192)
    (found,) = witness.differences(ledger.db, before)
    assert found.startswith("the ledger cannot be read any more")
