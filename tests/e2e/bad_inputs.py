"""The table of what can be wrong: how to make it so, and what the command must say (DESIGN 2 P2, P14; 14)."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import uet

BASE = b"one\ntwo\nthree\n"
GOOD = mail("Good", diff("a.txt", BASE, b"one\n2\nthree\n"))
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n\x00\xff\x00trailer\n%%EOF\n"
OTHER_USER = 54321


@dataclass
class Scene:
    """A repository and a call on it. `repo` is what must not change, `folder` where the call is made."""

    tmp: Path
    repo: Path
    args: Sequence[str] = ("apply", "../good.patch")
    folder: Path | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    before: Sequence[str] = ()
    undo: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True)
class Bad:
    """One row: the input, the exit code, the error's code or the entry's reason, and words that the message needs."""

    name: str
    make: Callable[[Scene], None]
    exit: int
    code: str
    says: tuple[str, ...] = ()
    outcome: bool = False  # it is an entry's reason: the call itself went well


def scene(tmp: Path) -> Scene:
    """A repository with one commit, and a good patch beside it."""
    (tmp / "good.patch").write_bytes(GOOD)
    return Scene(tmp, make_repo(tmp / "repo", {"a.txt": BASE, "dir/b.txt": BASE}))


# -- inputs ------------------------------------------------------------------------------------------------------


def _file(name: str, content: bytes) -> Callable[[Scene], None]:
    def make(s: Scene) -> None:
        (s.tmp / name).write_bytes(content)
        s.args = ("apply", f"../{name}")

    return make


def _args(*args: str) -> Callable[[Scene], None]:
    def make(s: Scene) -> None:
        s.args = args

    return make


def not_a_repository(s: Scene) -> None:
    s.folder = s.tmp / "nowhere"
    s.folder.mkdir()
    s.env = {"GIT_CEILING_DIRECTORIES": str(s.tmp)}


def a_folder(s: Scene) -> None:
    s.args = ("apply", "dir")


def unreadable(s: Scene) -> None:
    secret = s.tmp / "secret.patch"
    secret.write_bytes(GOOD)
    secret.chmod(0)
    s.args = ("apply", "../secret.patch")
    as_another_user(s)


def as_another_user(s: Scene) -> None:
    """Root may read and write anything, so the call is made as somebody else, in a folder that is theirs."""
    if os.geteuid() != 0:
        return
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv cannot act as another user")
    theirs = Path(tempfile.mkdtemp(prefix="uet-git-test-"))  # pytest's folders are closed to others
    s.undo.append(lambda: shutil.rmtree(theirs))
    theirs.chmod(0o755)
    for path in list(s.tmp.iterdir()):
        shutil.move(path, theirs / path.name)
    s.tmp, s.repo = theirs, theirs / "repo"
    (theirs / "home").mkdir()
    for top in (s.repo, theirs / "home"):
        for base, _, names in os.walk(top):
            for path in (base, *(os.path.join(base, n) for n in names)):
                os.chown(path, OTHER_USER, OTHER_USER, follow_symlinks=False)
    s.env = {"HOME": str(theirs / "home")}
    s.before = ("setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups")


# -- the ledger --------------------------------------------------------------------------------------------------


def _ledger(s: Scene) -> Path:
    uet(s.repo, "submit", "../good.patch")
    return s.repo / ".git" / "uet" / "ledger.db"


def read_only_ledger(s: Scene) -> None:
    _ledger(s)
    as_another_user(s)
    ledger = s.repo / ".git" / "uet" / "ledger.db"
    ledger.chmod(0o444)
    ledger.parent.chmod(0o555)
    s.undo.append(lambda: ledger.parent.chmod(0o755))


def ledger_of_tomorrow(s: Scene) -> None:
    with sqlite3.connect(_ledger(s)) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()


def ledger_of_something_else(s: Scene) -> None:
    ledger = _ledger(s)
    ledger.unlink()
    with sqlite3.connect(ledger) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()


def empty_ledger(s: Scene) -> None:
    _ledger(s).write_bytes(b"")


def ledger_of_noise(s: Scene) -> None:
    ledger = _ledger(s)
    ledger.write_bytes(b"noise" * (ledger.stat().st_size // 5))


def broken_ledger(s: Scene) -> None:
    ledger = _ledger(s)
    data = bytearray(ledger.read_bytes())
    data[4096:] = bytes(len(data) - 4096)  # the header stays, every other page is gone
    ledger.write_bytes(bytes(data))


def lost_ledger(s: Scene) -> None:
    _ledger(s).unlink()


# -- the repository ----------------------------------------------------------------------------------------------


def broken_config(s: Scene) -> None:
    commit_files(
        s.repo,
        {"uet.toml": b"version = 1\n\n[gates.lint]\nkind = 'lint'\nrn = ['true']\n"},
        "gates",
    )


def config_that_is_not_toml(s: Scene) -> None:
    commit_files(s.repo, {"uet.toml": b"version = 1\n[gates\n"}, "gates")


def detached(s: Scene) -> None:
    git(s.repo, "switch", "-q", "--detach")


def no_identity(s: Scene) -> None:
    s.env = {
        f"GIT_{who}_{what}": None for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    git(s.repo, "config", "user.useConfigOnly", "true")


def no_git(s: Scene) -> None:
    empty = s.tmp / "empty"
    empty.mkdir()
    s.env = {"PATH": str(empty)}


def merge_in_range(s: Scene) -> None:
    git(s.repo, "switch", "-q", "-c", "topic")
    commit_files(s.repo, {"a.txt": b"topic\n"}, "topic")
    git(s.repo, "switch", "-q", "-c", "side", "main")
    commit_files(s.repo, {"dir/b.txt": b"side\n"}, "side")
    git(s.repo, "merge", "-q", "-m", "merge", "topic")
    git(s.repo, "switch", "-q", "main")
    s.args = ("apply", "main..side")


def in_a_rebase(s: Scene) -> None:
    git(s.repo, "switch", "-q", "-c", "other")
    commit_files(s.repo, {"a.txt": b"other\n"}, "other")
    git(s.repo, "switch", "-q", "main")
    commit_files(s.repo, {"a.txt": b"mine\n"}, "mine")
    done = subprocess.run(
        ["git", "-C", s.repo, "rebase", "-q", "other"], capture_output=True, check=False
    )
    assert done.returncode != 0
    s.args = ("apply", "--onto", "main", "../good.patch")


def in_a_merge(s: Scene) -> None:
    git(s.repo, "switch", "-q", "-c", "other")
    commit_files(s.repo, {"dir/b.txt": b"other\n"}, "other")
    git(s.repo, "switch", "-q", "main")
    git(s.repo, "merge", "-q", "--no-ff", "--no-commit", "other")


def edited(s: Scene) -> None:
    (s.repo / "a.txt").write_bytes(b"mine\ntwo\nthree\n")


def edited_and_staged(s: Scene) -> None:
    edited(s)
    git(s.repo, "add", "a.txt")


def untracked_in_the_way(s: Scene) -> None:
    (s.repo / "new.txt").write_bytes(b"mine\n")
    (s.tmp / "new.patch").write_bytes(mail("New", diff("new.txt", None, b"theirs\n")))
    s.args = ("apply", "../new.patch")


def ignored_in_the_way(s: Scene) -> None:
    (s.repo / ".git" / "info" / "exclude").write_bytes(b"new.txt\n")
    untracked_in_the_way(s)


def foreign_lock(s: Scene) -> None:
    (s.repo / ".git" / "index.lock").write_bytes(b"")


def locked_branch(s: Scene) -> None:
    (s.repo / ".git" / "refs" / "heads" / "main.lock").write_bytes(b"")


def ambiguous(s: Scene) -> None:
    uet(s.repo, "submit", "../good.patch")
    (s.repo / "1").write_bytes(GOOD)
    git(s.repo, "add", "1")
    git(s.repo, "commit", "-q", "-m", "one")
    s.args = ("apply", "1")


def unknown_number(s: Scene) -> None:
    uet(s.repo, "submit", "../good.patch")
    s.args = ("show", "99")


TABLE: tuple[Bad, ...] = (
    Bad("not a repository", not_a_repository, 3, "git.not_a_repository"),
    Bad("an empty file", _file("empty.patch", b""), 1, "parse.empty", outcome=True),
    Bad("only spaces", _file("spaces.patch", b" \n\n \t\n"), 1, "parse.empty", outcome=True),
    Bad("a folder", a_folder, 2, "input.unreadable", ("dir",)),
    Bad("a PDF", _file("paper.pdf", PDF), 1, "parse.empty", outcome=True),
    Bad("a patch for another project", _file("other.patch", mail("X", diff("src/main.rs", b"fn\n", b"fn main\n"))), 1,
        "apply.no_such_file", outcome=True),
    Bad("a patch that does not fit", _file("old.patch", mail("X", diff("a.txt", b"1\n2\n3\n", b"1\n3\n"))), 1,
        "apply.conflict", outcome=True),
    Bad("a patch that leads out", _file("out.patch", mail("X", diff("../x", None, b"x\n"))), 1, "path.traversal", outcome=True),
    Bad("a cut patch", _file("cut.patch", GOOD[: GOOD.index(b" three") + 2]), 1, "parse.truncated", outcome=True),
    Bad("an unreadable file", unreadable, 2, "input.unreadable", ("secret.patch",)),
    Bad("a missing file", _args("apply", "../gone.patch"), 2, "input.unreadable", ("gone.patch",)),
    Bad("a missing file to submit", _args("submit", "../gone.patch"), 2, "input.unreadable", ("gone.patch",)),
    Bad("nothing to submit", _args("submit"), 2, "usage"),
    Bad("a read-only ledger", read_only_ledger, 3, "ledger.read_only"),
    Bad("a ledger of a newer version", ledger_of_tomorrow, 3, "ledger.newer", ("999",)),
    Bad("a ledger of something else", ledger_of_something_else, 3, "ledger.foreign"),
    Bad("an empty ledger", empty_ledger, 3, "ledger.empty"),
    Bad("a ledger of noise", ledger_of_noise, 3, "ledger.corrupt"),
    Bad("a broken ledger", broken_ledger, 3, "ledger.corrupt"),
    Bad("a lost ledger", lost_ledger, 3, "ledger.missing"),
    Bad("a broken uet.toml", broken_config, 3, "config.invalid", ("uet.toml:5", "rn", "run")),
    Bad("a uet.toml that is not TOML", config_that_is_not_toml, 3, "config.invalid", ("uet.toml:2",)),
    Bad("a detached HEAD", detached, 2, "usage.detached_head", ("--onto",)),
    Bad("no identity", no_identity, 3, "git.no_identity", ("user.",)),
    Bad("no git", no_git, 3, "git.missing", ("PATH",)),
    Bad("a merge in the range", merge_in_range, 2, "parse.merge_in_range"),
    Bad("an empty range", _args("apply", "main..main"), 2, "input.unreadable"),
    Bad("an unknown branch to land on", _args("apply", "--onto", "nowhere", "../good.patch"), 2, "usage", ("nowhere",)),
    Bad("in the middle of a rebase", in_a_rebase, 1, "queue.worktree_busy", ("rebase",), outcome=True),
    Bad("in the middle of a merge", in_a_merge, 1, "queue.worktree_busy", ("merge",), outcome=True),
    Bad("a local edit", edited, 1, "queue.worktree_dirty", ("a.txt",), outcome=True),
    Bad("a staged edit", edited_and_staged, 1, "queue.worktree_dirty", ("a.txt",), outcome=True),
    Bad("an untracked file in the way", untracked_in_the_way, 1, "queue.worktree_dirty", ("new.txt",), outcome=True),
    Bad("an ignored file in the way", ignored_in_the_way, 1, "queue.worktree_dirty", ("new.txt",), outcome=True),
    Bad("a foreign index.lock", foreign_lock, 4, "git.locked", ("index.lock",)),
    Bad("a foreign lock of the branch", locked_branch, 4, "git.locked", ("main.lock",)),
    Bad("two readings", ambiguous, 2, "usage.ambiguous", ("./1",)),
    Bad("an unknown number", unknown_number, 2, "ledger.not_found", ("99",)),
    Bad("an unknown number to land", _args("apply", "99"), 2, "ledger.not_found", ("99",)),
    Bad("an unknown command", _args("aply"), 2, "usage", ("apply",)),
    Bad("an unknown option", _args("apply", "--frobnicate"), 2, "usage", ("--frobnicate",)),
    Bad("a number that is none", _args("log", "-n", "many"), 2, "usage"),
    Bad("a broken origin", _args("submit", "--origin-json", "{", "../good.patch"), 2, "usage"),
)  # fmt: skip
