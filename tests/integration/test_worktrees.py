"""worktrees.py: every work tree that holds a branch is found, and what it is in the middle of."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.plumbing.git import discover
from uet_git.plumbing.worktrees import WorkTrees, checked_out

MAIN = "refs/heads/main"


def may_fail(repo: Path, *args: str, **env: str) -> None:
    """A git command that stops half-way, as it should here."""
    subprocess.run(
        ["git", "-C", str(repo), *args], capture_output=True, env={**os.environ, **env}, check=False
    )


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", {"a": b"1\n"})


def paths(repo: Path, branch: str = MAIN) -> list[str]:
    return [t.path for t in checked_out(discover(str(repo)), branch)]


def state(repo: Path) -> str | None:
    (tree,) = checked_out(discover(str(repo)), MAIN)
    return tree.in_progress()


def conflict(repo: Path) -> None:
    """`main` and `side` change the same line."""
    git(repo, "branch", "side")
    commit_files(repo, {"a": b"main\n"}, "main")
    git(repo, "checkout", "-q", "side")
    commit_files(repo, {"a": b"side\n"}, "side")
    git(repo, "checkout", "-q", "main")


def test_main_and_linked(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked tree"))
    assert paths(repo) == [str(repo)]
    assert paths(repo, "refs/heads/other") == [str(tmp_path / "linked tree")]
    assert paths(tmp_path / "linked tree") == [str(repo)]
    assert paths(repo, "refs/heads/none") == []
    (tree,) = checked_out(discover(str(repo)), "refs/heads/other")
    assert tree.git.git_dir == discover(str(tmp_path / "linked tree")).git_dir
    assert tree.in_progress() is None


def test_one_branch_in_two_work_trees(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-f", str(tmp_path / "again"), "main")
    assert paths(repo) == [str(repo), str(tmp_path / "again")]


def test_bare_unborn_and_detached(tmp_path: Path, repo: Path) -> None:
    assert paths(make_repo(tmp_path / "b.git", bare=True)) == []
    assert paths(make_repo(tmp_path / "u")) == [str(tmp_path / "u")]
    git(repo, "checkout", "-q", "--detach")
    assert paths(repo) == []
    (tree,) = WorkTrees(discover(str(repo))).all()
    assert tree.branch is None


def test_bare_with_a_linked_work_tree(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "b.git")
    git(tmp_path / "b.git", "worktree", "add", "-q", str(tmp_path / "linked"), "main")
    assert paths(tmp_path / "b.git") == [str(tmp_path / "linked")]


def test_deleted_work_trees(repo: Path, tmp_path: Path) -> None:
    for name in ("gone", "unplugged"):
        git(repo, "worktree", "add", "-q", "-b", name, str(tmp_path / name))
    git(repo, "worktree", "lock", str(tmp_path / "unplugged"))
    for name in ("gone", "unplugged"):
        shutil.rmtree(tmp_path / name)
    assert paths(repo, "refs/heads/gone") == []
    (tree,) = checked_out(discover(str(repo)), "refs/heads/unplugged")
    assert tree.in_progress() == "away"


def test_submodule(repo: Path, tmp_path: Path) -> None:
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "sub")
    sub = repo / "sub"
    assert paths(sub) == [str(sub)]
    git(sub, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    assert paths(tmp_path / "linked") == [str(sub)]


def test_merge_cherry_pick_and_revert(repo: Path) -> None:
    conflict(repo)
    assert state(repo) is None
    may_fail(repo, "merge", "side")
    assert state(repo) == "merge"
    git(repo, "merge", "--abort")
    may_fail(repo, "cherry-pick", "side")
    assert state(repo) == "cherry-pick"
    git(repo, "cherry-pick", "--abort")
    commit_files(repo, {"a": b"later\n"}, "later")
    may_fail(repo, "revert", "HEAD^")
    assert state(repo) == "revert"
    git(repo, "revert", "--abort")
    assert state(repo) is None


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_rebase_holds_its_branch(backend: str, repo: Path) -> None:
    conflict(repo)
    may_fail(repo, "rebase", backend, "side")
    assert git(repo, "rev-parse", "--abbrev-ref", "HEAD") == b"HEAD\n"
    assert paths(repo) == [str(repo)]
    assert state(repo) == "rebase"


def test_rebase_update_refs_holds_more_branches(repo: Path) -> None:
    conflict(repo)
    git(repo, "branch", "stacked")
    commit_files(repo, {"b": b"1\n"}, "top")
    may_fail(repo, "rebase", "--update-refs", "side")
    assert paths(repo, "refs/heads/stacked") == [str(repo)]


def test_am(repo: Path) -> None:
    conflict(repo)
    mail = git(repo, "format-patch", "--stdout", "main..side")
    (repo.parent / "mail").write_bytes(mail)
    may_fail(repo, "am", str(repo.parent / "mail"))
    assert state(repo) == "am"


def test_bisect_holds_its_branch(repo: Path) -> None:
    for i in range(4):
        commit_files(repo, {"a": b"%d\n" % i}, str(i))
    git(repo, "bisect", "start", "HEAD", "HEAD~4")
    assert paths(repo) == [str(repo)]
    assert state(repo) == "bisect"


def test_the_memory_notices_every_change(repo: Path, tmp_path: Path) -> None:
    trees = WorkTrees(discover(str(repo)))

    def holding(branch: str) -> int:
        return len(trees.holding(f"refs/heads/{branch}"))

    def age() -> None:
        """Makes all stamps old, so that the answer is remembered."""
        for base, folders, names in os.walk(repo / ".git"):
            for name in [*folders, *names]:
                os.utime(Path(base) / name, (1, 1))

    assert holding("main") == 1
    age()
    assert holding("main") == 1
    git(repo, "checkout", "-q", "-b", "new")
    assert (holding("main"), holding("new")) == (0, 1)
    age()
    assert holding("new") == 1
    git(repo, "worktree", "add", "-q", str(tmp_path / "l"), "main")
    assert holding("main") == 1
    age()
    assert holding("main") == 1
    git(tmp_path / "l", "checkout", "-q", "--detach")
    assert holding("main") == 0
    age()
    assert holding("main") == 0
    git(tmp_path / "l", "checkout", "-q", "main")
    conflict_in = tmp_path / "l"
    age()
    assert holding("main") == 1
    git(conflict_in, "checkout", "-q", "-b", "side")
    commit_files(conflict_in, {"a": b"side\n"}, "side")
    git(conflict_in, "checkout", "-q", "main")
    commit_files(conflict_in, {"a": b"main\n"}, "main")
    age()
    assert holding("main") == 1
    may_fail(conflict_in, "rebase", "side")
    assert holding("main") == 1
    age()
    assert trees.holding("refs/heads/main")[0].in_progress() == "rebase"


def test_a_remembered_answer_asks_nobody(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD",):
        os.utime(repo / ".git" / name, (1, 1))
    found = discover(str(repo))
    trees = WorkTrees(found)
    trees.all()
    monkeypatch.setattr(type(found), "run", None)
    assert [t.path for t in trees.all()] == [str(repo)]
