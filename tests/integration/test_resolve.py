"""A merge that a person finishes in a folder of its own becomes the next revision; the user's own files, index, stash
and branches are left alone, and nothing of the patch or the tree runs (DESIGN 8, 12)."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, snapshot, uet
from uet_git.model import apart, patchfile
from uet_git.model.settings import Settings

LINES = [b"line %d\n" % n for n in range(20)]
BASE = b"".join(LINES)
PATCHED = BASE.replace(b"line 3\n", b"three by patch\n").replace(b"line 15\n", b"fifteen\n")
MOVED = BASE.replace(b"line 3\n", b"three by branch\n")
BOTH = PATCHED.replace(b"three by patch\n", b"three by both\n")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change 1 does not fit any more: the branch changed one of its lines."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE, "c.txt": b"c\n"})
    (tmp_path / "1.patch").write_bytes(mail("Three", diff("a.txt", BASE, PATCHED), body="Why.\n"))
    commit_files(repo, {"a.txt": MOVED}, "moved")
    (repo / "b.txt").write_bytes(b"my own edit\n")
    uet(repo, "apply", "../1.patch", code=1)
    return repo


def begun(repo: Path, label: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = uet(repo, "resolve", label, "--json").document
    return found


def test_a_conflict_is_resolved(repo: Path) -> None:
    """Markers first refuse it; what the person leaves there lands with the author and message of the mail."""
    before = snapshot(repo)
    found = begun(repo)
    folder = Path(found["folder"])
    assert (found["state"], found["files"]) == ("open", [{"path": "a.txt", "marked": True}])
    assert not str(folder).startswith(str(repo))
    text = (folder / "a.txt").read_bytes()
    assert b"<<<<<<< HEAD\nthree by branch\n" in text
    assert b"=======\nthree by patch\n>>>>>>> change-1\n" in text
    assert b"\nfifteen\n" in text
    assert snapshot(repo) == before
    again = uet(repo, "resolve", "1", "--json", code=2).document["error"]
    assert (again["next"], str(folder) in again["message"]) == (
        ["uet-git", "resolve", "1", "--continue"],
        True,
    )
    uet(repo, "resolve", "1", "--continue", code=2)
    assert folder.exists()
    (folder / "a.txt").write_bytes(BOTH)
    uet(repo, "resolve", "1", "--continue", "--dry-run")
    assert snapshot(repo) == before
    (told,) = uet(repo, "resolve", "1", "--continue", "--reason", "both", "--json").document
    assert (told["revision"], told["state"], told["author"]) == (
        2,
        "queued",
        "Pat Ch <pat@example.com>",
    )
    assert not folder.exists()
    event = [e for e in entry(repo, "1.1")["events"] if e["kind"] == "patch_amended"][-1]
    assert event["payload"] == {"resolved": "1.2", "why": "both"}
    uet(repo, "apply")
    assert git(repo, "show", "main:a.txt") == BOTH
    assert git(repo, "log", "-1", "--format=%an %B").startswith(b"Pat Ch Three\n\nWhy.")
    assert (repo / "b.txt").read_bytes() == b"my own edit\n"
    uet(repo, "fsck")


def test_it_can_be_given_up_and_taken_anyway(repo: Path) -> None:
    """`--abort` removes the folder; markers are handed in only where that is asked for."""
    before = snapshot(repo)
    folder = Path(begun(repo)["folder"])
    assert uet(repo, "resolve", "1", "--abort", "--json").document["state"] == "aborted"
    assert not folder.exists()
    assert snapshot(repo) == before
    uet(repo, "resolve", "1", "--abort", code=2)
    uet(repo, "resolve", "1", "--continue", code=2)
    begun(repo)
    uet(repo, "resolve", "1", "--continue", "--with-markers")
    assert b"<<<<<<<" in uet(repo, "show", "--patch", "1").out


def test_nothing_runs_and_bytes_stay(repo: Path, tmp_path: Path) -> None:
    """Filters, merge programs, line ends, hooks and templates that tree, patch and user name have no effect."""
    ran = tmp_path / "ran"
    home = tmp_path / "userhome"
    (home / "hooks").mkdir(parents=True)
    (home / "template" / "hooks").mkdir(parents=True)
    for folder in ("hooks", "template/hooks"):
        for name in ("post-checkout", "pre-merge-commit", "post-merge", "reference-transaction"):
            (home / folder / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
            (home / folder / name).chmod(0o755)
    (home / "config").write_text(
        f'[filter "evil"]\n\tclean = touch {ran}; cat\n\tsmudge = touch {ran}; cat\n'
        f'[merge "evil"]\n\tdriver = touch {ran}\n[core]\n\thooksPath = {home}/hooks\n'
        f"\tfsmonitor = touch {ran}\n[init]\n\ttemplateDir = {home}/template\n"
    )
    env: dict[str, str | None] = {"GIT_CONFIG_GLOBAL": str(home / "config")}
    rules = b"* filter=evil merge=evil ident text eol=crlf\n"
    whole = b"$Id$\r\nmixed\n" + BASE
    git(repo, "checkout", "-q", "--", ".")
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{_blob(repo, rules)},.gitattributes")
    git(repo, "update-index", "--cacheinfo", f"100644,{_blob(repo, whole)},c.txt")
    tree = git(repo, "write-tree").decode().strip()
    commit = git(repo, "commit-tree", "-m", "rules", "-p", "HEAD", tree).decode().strip()
    git(repo, "update-ref", "refs/heads/main", commit)
    folder = Path(uet(repo, "resolve", "1", "--json", env=env).document["folder"])
    assert (folder / "c.txt").read_bytes() == whole
    (folder / "a.txt").write_bytes(BOTH)
    uet(repo, "resolve", "1", "--continue", env=env)
    assert not ran.exists()
    patch = uet(repo, "show", "--patch", "1").out
    assert patch.count(b"diff --git") == 1
    assert b"\r" not in patch


def _blob(repo: Path, data: bytes) -> str:
    return git(repo, "hash-object", "-w", "--stdin", stdin=data).decode().strip()


def test_both_sides_of_a_deletion_are_to_be_decided(repo: Path) -> None:
    """Where there are no markers, git's own `add` or `rm` is the decision."""
    git(repo, "rm", "-q", "c.txt")
    git(repo, "commit", "-q", "-m", "gone")
    (repo.parent / "2.patch").write_bytes(mail("C", diff("c.txt", b"c\n", b"c2\n")))
    uet(repo, "apply", "../2.patch", code=1)
    found = begun(repo, "2")
    assert found["files"] == [{"path": "c.txt", "marked": False}]
    uet(repo, "resolve", "2", "--continue", code=2)
    git(found["folder"], "add", "c.txt")
    uet(repo, "resolve", "2", "--continue")
    uet(repo, "apply", "2")
    assert git(repo, "show", "main:c.txt") == b"c2\n"


def test_a_patch_of_unknown_origin_is_merged_too(repo: Path) -> None:
    """No commit has what it was made on: the conflict stands where its hunk says."""
    old = BASE.replace(b"line 9\n", b"never seen\n")
    patch = diff("a.txt", old, old.replace(b"never seen\n", b"new\n"))
    (repo.parent / "2.patch").write_bytes(mail("Lost", patch))
    uet(repo, "apply", "../2.patch", code=1)
    found = begun(repo, "2")
    text = (Path(found["folder"]) / "a.txt").read_bytes()
    assert b"<<<<<<< HEAD\nline 9\n" in text
    assert b"=======\nnew\n>>>>>>> change-2\n" in text


def test_a_newer_revision_ends_it(repo: Path) -> None:
    """What was merged for an older revision is never handed in over a newer one."""
    folder = Path(begun(repo)["folder"])
    (folder / "a.txt").write_bytes(BOTH)
    (repo.parent / "1.patch").write_bytes(diff("c.txt", b"c\n", b"new\n"))
    uet(repo, "edit", "1", "--from", "../1.patch")
    uet(repo, "resolve", "1", "--continue", code=2)
    uet(repo, "resolve", "1", code=2)
    assert (folder / "a.txt").read_bytes() == BOTH
    uet(repo, "resolve", "1", "--abort")
    assert entry(repo, 1)["revision"] == 2


def test_killed_in_the_middle(repo: Path, tmp_path: Path) -> None:
    """What was half made is made anew; what was not handed in is still there."""
    shim = tmp_path / "bin"
    shim.mkdir()
    real = shutil.which("git")
    (shim / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" merge --no-commit "*|*" diff-tree -p "*) kill -9 $PPID;; esac\nexec {real} "$@"\n'
    )
    (shim / "git").chmod(0o755)
    env: dict[str, str | None] = {"PATH": f"{shim}:{os.environ['PATH']}"}
    before = snapshot(repo)
    uet(repo, "resolve", "1", env=env, code=-9)
    assert snapshot(repo) == before
    folder = Path(begun(repo)["folder"])
    (folder / "a.txt").write_bytes(BOTH)
    uet(repo, "resolve", "1", "--continue", env=env, code=-9)
    assert (folder / "a.txt").read_bytes() == BOTH
    uet(repo, "resolve", "1", "--continue")
    assert entry(repo, 1)["revision"] == 2


def test_agents_resolve_their_own_only(repo: Path) -> None:
    """As with drop; and not the end of what a person began."""
    agent: dict[str, str | None] = {"UET_ORIGIN": "tool"}
    uet(repo, "resolve", "1", env=agent, code=2)
    folder = Path(begun(repo)["folder"])
    uet(repo, "resolve", "1", "--abort", env=agent, code=2)
    uet(repo, "resolve", "1", "--continue", "--with-markers", env=agent, code=2)
    assert folder.exists()


def test_hunks_apart() -> None:
    """Hunks that fit are found where they stand; another takes the place that it names."""
    old = BASE.replace(b"line 15\n", b"other\n")
    new = old.replace(b"line 3\n", b"three\n").replace(b"other\n", b"fifteen\n")
    (change,) = patchfile.read(diff("a.txt", old, new), Settings().limits).changes
    before, after = apart.around(BASE, change.hunks)
    assert (before, after) == (old, new)
