"""A work tree that takes long to update is waited for while others can write to the ledger."""

import fcntl
from pathlib import Path
from typing import Any

import pytest

from tests.builders import diff, git, make_repo
from tests.product import entries, uet
from uet_git.errors import IoFailed
from uet_git.host.process import Completed
from uet_git.ledger.events import broken_links
from uet_git.plumbing.bringalong import BringAlong
from uet_git.plumbing.git import Begun, Git
from uet_git.plumbing.pathwise import Pathwise
from uet_git.project import Project
from uet_git.queue import line, submit
from uet_git.queue.options import Options, Source
from uet_git.queue.progress import Listener


def _is_free(repo: Path) -> bool:
    with (repo / ".git" / "uet" / "write.lock").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _land(repo: Path) -> None:
    patch = diff("a.txt", b"old\n", b"new\n")
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        submit.submit(project, [Source("1.patch", patch)], Options("refs/heads/main"))
        line.apply(project, lambda run: None, Listener())


def _is_sound(repo: Path, path_left: int) -> None:
    assert [e["state"] for e in entries(repo)] == ["committed"]
    with Project.open(str(repo)) as project:
        events = list(project.ledger.events())
        kinds = [e.kind for e in events]
        assert not list(broken_links(events))
    assert kinds.count("patch_committed") == kinds.count("landing_done") == 1
    assert kinds.count("path_left") == path_left
    assert uet(repo, "fsck").code == 0


def test_a_filter_that_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n", ".gitattributes": b"a.txt filter=slow\n"})
    git(repo, "config", "filter.slow.smudge", "sleep 0.2; cat")
    git(repo, "config", "filter.slow.clean", "cat")
    waited: list[bool] = []
    begin, end = Git.begin, Begun.end

    def begins(self: Git, *args: Any, **more: Any) -> Begun:
        if "read-tree" in args and "-n" not in args:
            waited.append(_is_free(repo))
        return begin(self, *args, **more)

    def ends(self: Begun) -> Completed:
        if "read-tree" in self._args and "-n" not in self._args:
            waited.append(_is_free(repo))
        return end(self)

    monkeypatch.setattr(Git, "begin", begins)
    monkeypatch.setattr(Begun, "end", ends)
    _land(repo)
    assert waited == [True, True]
    assert (repo / "a.txt").read_bytes() == b"new\n"
    assert git(repo, "status", "--porcelain").strip() in (b"", b"?? .ledger")
    _is_sound(repo, 0)


def test_a_file_that_is_saved_meanwhile_is_looked_at_with_nothing_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    begin, carry = BringAlong.begin, Pathwise.carry
    waited: list[bool] = []

    def saved(self: BringAlong) -> None:
        (repo / "a.txt").write_bytes(b"the user's own\n")
        begin(self)

    def carried(self: Pathwise, changes: object) -> object:
        waited.append(_is_free(repo))
        return carry(self, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(BringAlong, "begin", saved)
    monkeypatch.setattr(Pathwise, "carry", carried)
    _land(repo)
    assert waited == [True]
    assert (repo / "a.txt").read_bytes() == b"the user's own\n"
    _is_sound(repo, 1)


def test_a_work_tree_that_cannot_be_updated_leaves_the_next_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go one after the other: giving up in the first cuts nothing short in the second."""
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    other = tmp_path / "other"
    git(repo, "worktree", "add", "-q", "--force", str(other), "main")
    begun: list[str] = []
    begin = BringAlong.begin

    def begins(self: BringAlong) -> None:
        begun.append(self.tree.path)
        begin(self)

    def fails(self: BringAlong) -> list[bytes]:
        raise IoFailed("the disk went away")

    monkeypatch.setattr(BringAlong, "begin", begins)
    with monkeypatch.context() as patch:
        patch.setattr(BringAlong, "finish", fails)
        with pytest.raises(IoFailed):
            _land(repo)
    assert len(begun) == 1
    uet(repo, "apply")
    assert (repo / "a.txt").read_bytes() == (other / "a.txt").read_bytes() == b"new\n"
    assert [e["state"] for e in entries(repo)] == ["committed"]
    assert uet(repo, "fsck").code == 0
