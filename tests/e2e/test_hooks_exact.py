"""The gates see exactly the tree that git is about to commit, and nothing of the user's is touched (DESIGN 11, P5, P16).

The gate writes down the tree's id, which it is told, and the names and contents that it finds.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from tests.hooking import commit, edit, gate, hooked, kind, newest, run
from tests.product import snapshot, trust, uet


@pytest.fixture
def saw(tmp_path: Path) -> Path:
    """What the gate saw: a line for the tree's id, then a line for each file."""
    return tmp_path / "saw"


@pytest.fixture
def repo(tmp_path: Path, saw: Path) -> Path:
    look = f"{{ echo $UET_TREE; find . -type f -print0 | sort -z | xargs -0 -r grep -H ^; }} >{saw}"
    files = {"b": b"b\n", "sub/c": b"c\n", ".gitignore": b"ignored\n"}
    return hooked(tmp_path / "repo", {"uet.toml": gate(look), **files})


def listing(repo: Path, revision: str = "HEAD") -> list[str]:
    """The same of a commit."""
    names = git(repo, "ls-tree", "-r", "-z", "--name-only", revision).decode().split("\0")[:-1]
    found = [git(repo, "rev-parse", f"{revision}^{{tree}}").decode().strip()]
    for name in sorted(f"./{n}" for n in names):
        for line in git(repo, "show", f"{revision}:{name[2:]}").decode().splitlines():
            found.append(f"{name}:{line}")
    return found


def stage_partly(repo: Path) -> tuple[str, ...]:
    """As `git add -p` does: one of two changes of a file."""
    edit(repo, "sub/c", b"c\nstaged\n")
    git(repo, "add", "sub/c")
    edit(repo, "sub/c", b"not staged\nc\nstaged\n")
    edit(repo, "b", b"not staged either\n")
    return ("commit", "-qm", "x")


def all_of_it(repo: Path) -> tuple[str, ...]:
    edit(repo, "a", b"changed\n")
    edit(repo, "b", None)
    edit(repo, "untracked", b"u\n")
    return ("commit", "-qam", "x")


def one_path(repo: Path) -> tuple[str, ...]:
    edit(repo, "a", b"staged before\n")
    git(repo, "add", "a")
    edit(repo, "b", b"only this\n")
    return ("commit", "-qm", "x", "--", "b")


def path_included(repo: Path) -> tuple[str, ...]:
    edit(repo, "a", b"staged before\n")
    git(repo, "add", "a")
    edit(repo, "b", b"and this\n")
    return ("commit", "-qm", "x", "-i", "b")


def amended(repo: Path) -> tuple[str, ...]:
    edit(repo, "a", b"first\n")
    assert run(repo, "commit", "-qam", "first").code == 0
    edit(repo, "b", b"second\n")
    git(repo, "add", "b")
    edit(repo, "b", b"not staged\n")
    return ("commit", "-q", "--amend", "-m", "x")


def renamed(repo: Path) -> tuple[str, ...]:
    git(repo, "mv", "sub/c", "d")
    return ("commit", "-qm", "x")


def deleted(repo: Path) -> tuple[str, ...]:
    git(repo, "rm", "-q", "--cached", "b")
    return ("commit", "-qm", "x")


def with_untracked(repo: Path) -> tuple[str, ...]:
    edit(repo, "untracked", b"u\n")
    edit(repo, "ignored", b"i\n")
    edit(repo, "new", b"n\n")
    git(repo, "add", "new")
    return ("commit", "-qm", "x")


def odd_names(repo: Path) -> tuple[str, ...]:
    edit(repo, "with space", b"n\n")
    edit(repo, "\u00fc'$(x)", b"n\n")
    git(repo, "add", ".")
    return ("commit", "-qm", "x")


def merged(repo: Path) -> tuple[str, ...]:
    git(repo, "checkout", "-q", "-b", "side")
    edit(repo, "b", b"theirs\n")
    run(repo, "commit", "-qam", "theirs")
    git(repo, "checkout", "-q", "main")
    edit(repo, "a", b"ours\n")
    run(repo, "commit", "-qam", "ours")
    return ("merge", "-q", "--no-edit", "side")


WAYS = [
    stage_partly,
    all_of_it,
    one_path,
    path_included,
    amended,
    renamed,
    deleted,
    with_untracked,
    odd_names,
    merged,
]


def left(repo: Path) -> dict[str, object]:
    """What the commit itself does not change: the work tree, and what is staged and not committed."""
    found = snapshot(repo)
    return {
        "work tree": found["work tree"],
        "locks": found["locks"],
        "staged": git(repo, "ls-files", "-s"),
    }


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
def test_the_gate_sees_what_is_committed(way, repo: Path, saw: Path) -> None:
    """And the user keeps the same work tree and index as without hooks."""
    args = way(repo)
    saw.unlink(missing_ok=True)
    plain = repo.parent / "plain"
    subprocess.run(["cp", "-a", str(repo), str(plain)], check=True)
    assert run(plain, "-c", "core.hooksPath=/dev/null", *args).code == 0
    did = run(repo, *args)
    assert (did.code, did.err) == (0, "")
    assert saw.read_text().splitlines() == listing(repo)
    assert git(repo, "rev-parse", "HEAD^{tree}") == git(plain, "rev-parse", "HEAD^{tree}")
    assert left(repo) == left(plain)
    assert kind(repo) == "hook"


def test_from_a_subfolder(repo: Path, saw: Path) -> None:
    edit(repo, "sub/c", b"changed\n")
    assert run(repo / "sub", "commit", "-qam", "x").code == 0
    assert saw.read_text().splitlines() == listing(repo)


def test_in_a_linked_work_tree(repo: Path, saw: Path, tmp_path: Path) -> None:
    """The branch's own tip says which gates; the ledger is the same."""
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "topic", str(linked))
    before = snapshot(repo)
    edit(linked, "a", b"there\n")
    assert run(linked, "commit", "-qam", "x").code == 0
    assert saw.read_text().splitlines() == listing(linked)
    assert newest(linked)["target"] == "refs/heads/topic"
    assert kind(repo, "topic") == "hook"
    after = snapshot(repo)
    assert {k: v for k, v in before.items() if k != "refs"} == {
        k: v for k, v in after.items() if k != "refs"
    }


def test_in_a_submodule(tmp_path: Path, saw: Path) -> None:
    inner = make_repo(tmp_path / "inner", {"a": b"a\n", "uet.toml": gate(f"echo $UET_TREE >{saw}")})
    outer = make_repo(tmp_path / "outer", {"o": b"o\n"})
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    git(outer, "commit", "-qm", "sub")
    uet(outer / "sub", "hook", "install")
    trust(outer / "sub")
    before = git(outer, "ls-files", "-s")
    assert commit(outer / "sub", "two").code == 0
    assert (
        saw.read_text().split() == git(outer / "sub", "rev-parse", "HEAD^{tree}").decode().split()
    )
    assert kind(outer / "sub") == "hook"
    assert git(outer, "ls-files", "-s") == before


def test_a_repository_named_by_the_environment(tmp_path: Path) -> None:
    """As dotfiles are kept: the git directory lies elsewhere, and only GIT_DIR says so."""
    home = tmp_path / "home"
    hooked(tmp_path / "repo").rename(home)
    (home / ".git").rename(tmp_path / "dots")
    env = {"GIT_DIR": str(tmp_path / "dots"), "GIT_WORK_TREE": str(home)}
    edit(home, "a", b"two\n")
    did = run(home, "commit", "-qam", "x", env=env)
    assert (did.code, did.err) == (0, "")
    assert kind(tmp_path / "dots") == "hook"


def test_a_second_time_no_gate_runs(repo: Path, saw: Path) -> None:
    commit(repo, "two")
    saw.unlink()
    assert run(repo, "commit", "-q", "--amend", "-m", "reworded").code == 0
    assert not saw.exists()
    assert newest(repo)["commit"] == git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, "reset", "-q", "--soft", "HEAD^")
    assert run(repo, "commit", "-qm", "again").code == 0
    assert not saw.exists()
    assert kind(repo) == "hook"


def test_what_is_staged_meanwhile_refuses(tmp_path: Path) -> None:
    started = tmp_path / "started"
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"touch {started}; sleep 1"), "b": b"b\n"})
    edit(repo, "a", b"two\n")
    git(repo, "add", "a")
    child = subprocess.Popen(["git", "commit", "-qm", "x"], cwd=repo, stderr=subprocess.PIPE)
    while not started.exists():
        time.sleep(0.01)
    edit(repo, "b", b"slipped in\n")
    git(repo, "add", "b")
    _, err = child.communicate(timeout=30)
    assert child.returncode == 1
    assert b"the index changed while the gates ran" in err
    assert git(repo, "log", "--format=%s").decode().split() == ["base"]
    entry = newest(repo)
    assert (entry["state"], entry["reason"]) == ("dropped", "queue.index_moved")
    assert run(repo, "commit", "-qm", "again").code == 0
    assert kind(repo) == "hook"


def test_the_fixture_disaster(tmp_path: Path) -> None:
    """A gate's `git init; git add; git commit` in a folder of its own, run for a linked work tree, stays there."""
    play = (
        "set -e; d=$(mktemp -d); cd $d; git init -q; echo f >fixture; git add .;"
        " git -c user.name=f -c user.email=f@x commit -qm FIXTURE; git worktree add -q ../w$$; env >&2; git config core.bare true"
    )
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(play), "b": b"b\n"})
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "topic", str(linked))
    for where in (linked, repo):
        config = (repo / ".git" / "config").read_bytes()
        index = git(where, "ls-files", "-s")
        edit(where, "a", b"two\n")
        did = run(where, "commit", "-qam", "mine")
        assert did.code == 0, did.err
        assert git(where, "log", "--format=%s").decode().split() == ["mine", "base"]
        assert git(where, "ls-files").split() == [
            line.split(b"\t")[1] for line in index.splitlines()
        ]
        assert (repo / ".git" / "config").read_bytes() == config
        assert b"FIXTURE" not in git(repo, "log", "--all", "--format=%s")
        assert git(repo, "worktree", "list", "--porcelain").count(b"worktree ") == 2


SIGNALS = {"INT": 2, "TERM": 15, "KILL": 9}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_in_the_middle_loses_nothing(name: str, tmp_path: Path) -> None:
    """To the whole group, as a terminal, a CI runner and an agent's timeout send it. The next commit works."""
    started = tmp_path / "started"
    slow = gate(f"if [ ! -e {started} ]; then touch {started}; exec sleep 60; fi")
    repo = hooked(tmp_path / "repo", {"uet.toml": slow, "b": b"b\n"})
    stage_partly(repo)
    child = subprocess.Popen(
        ["git", "commit", "-qm", "x"],
        cwd=repo,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not started.exists():
        assert child.poll() is None
        time.sleep(0.01)
    before = snapshot(repo)  # git itself has written its index by now
    os.killpg(child.pid, SIGNALS[name])
    child.wait(timeout=20)
    time.sleep(0.2)
    after = snapshot(repo)
    (repo / ".git" / "index.lock").unlink(missing_ok=True)
    assert {k: v for k, v in after.items() if k != "locks"} == {
        k: v for k, v in before.items() if k != "locks"
    }
    did = run(repo, "commit", "-qm", "x")
    assert (did.code, did.ours) == (0, [])
    assert git(repo, "show", "HEAD:sub/c") == b"c\nstaged\n"
    assert kind(repo) == "hook"
    assert all(r["state"] != "running" for r in uet(repo, "run", "list", "--json").document)
    uet(repo, "fsck")
