"""refs.py: a transaction moves all its refs or none; what is reachable is told exactly, for many at once."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.errors import GitFailed, GitLocked, MissingObject
from uet_git.plumbing import refs
from uet_git.plumbing.git import discover
from uet_git.plumbing.refs import ANY, Lost, RefWriter

MAIN = "refs/heads/main"
LOG = refs.log_ref("01ARZ3NDEKTSV4RRFFQ69G5FAV")


def a_chain(repo: Path, length: int) -> list[str]:
    return [commit_files(repo, {"a": b"%d\n" % i}, str(i)) for i in range(length)]


@pytest.fixture(params=["sha1", "sha256"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", object_format=request.param)


def test_move_several_create_and_delete(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    found = discover(str(repo))
    with RefWriter(found) as writer:
        pid = writer.pid
        pin = refs.entry_ref("X")
        assert writer.move([(MAIN, one, two), (LOG, two, None), (pin, one, None)]) is None
        assert refs.read_all(found, "refs/uet") == {LOG: two, pin: one}
        assert refs.read(found, MAIN) == one
        assert writer.move([(MAIN, two, one), (LOG, one, two), (pin, None, one)]) is None
        assert refs.read(found, pin) is None
        assert writer.move([(LOG, two, ANY), ("refs/heads/x", one, found.zero)]) is None
        assert writer.move([(LOG, found.zero, ANY)]) is None
        assert writer.pid == pid
    assert refs.read_all(found, "refs/uet") == {}
    assert writer.move([]) is None


@pytest.mark.parametrize("case", ["moved", "exists", "gone"])
def test_a_lost_swap_moves_nothing_and_says_which(case: str, repo: Path) -> None:
    one, two = a_chain(repo, 2)
    found = discover(str(repo))
    update = {
        "moved": (MAIN, one, one),
        "exists": (MAIN, one, None),
        "gone": ("refs/heads/gone", one, two),
    }[case]
    with RefWriter(found) as writer:
        lost = writer.move([(LOG, one, None), update])
        assert isinstance(lost, Lost)
        assert lost.ref == update[0]
        assert lost.at == (two if case == "moved" else None)
        assert refs.read(found, LOG) is None
        assert writer.move([(LOG, one, None)]) is None, "the writer goes on after a loss"


def test_a_lock_in_the_way(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    found = discover(str(repo))
    lock = repo / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    with RefWriter(found) as writer:
        with pytest.raises(GitLocked, match=r"refs/heads/main\.lock, \d+ s old"):
            writer.move([(LOG, one, None), (MAIN, one, two)])
        lock.unlink()
        assert refs.read(found, LOG) is None
        assert writer.move([(MAIN, one, two)]) is None


@pytest.mark.parametrize(
    "update", [("refs/heads/main/x", 0, None), (MAIN, "tree", ANY), ("a\nb", 0, None)]
)
def test_what_git_refuses_is_not_called_a_loss(
    update: tuple[str, object, str | None], repo: Path
) -> None:
    (one,) = a_chain(repo, 1)
    tree = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    with RefWriter(discover(str(repo))) as writer, pytest.raises(GitFailed):
        writer.move([(update[0], tree if update[1] == "tree" else one, update[2])])


def test_a_dead_child_is_replaced(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    found = discover(str(repo))
    with RefWriter(found) as writer:
        first = writer.pid
        os.kill(first, signal.SIGKILL)
        time.sleep(0.05)
        assert writer.move([(MAIN, one, two)]) is None
        assert writer.pid != first
        assert refs.read(found, MAIN) == one


def test_a_child_killed_with_the_move_under_way_never_moves_half(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    found = discover(str(repo))
    with RefWriter(found) as writer:
        os.kill(writer.pid, signal.SIGSTOP)
        os.kill(writer.pid, signal.SIGKILL)
        try:
            writer.move([(MAIN, one, two)])
            assert refs.read(found, MAIN) == one
        except GitFailed:
            assert refs.read(found, MAIN) == two


def test_no_hook_sees_the_move(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with RefWriter(discover(str(repo))) as writer:
        assert writer.move([(MAIN, one, two)]) is None


def test_reflog_names_us(repo: Path) -> None:
    one, two = a_chain(repo, 2)
    with RefWriter(discover(str(repo)), reason="uet-git: land 1") as writer:
        writer.move([(MAIN, one, two)])
    assert b"uet-git: land 1" in git(repo, "reflog", "-1", "main")


def test_read_does_not_guess(repo: Path) -> None:
    (one,) = a_chain(repo, 1)
    git(repo, "update-ref", "refs/heads/refs/heads/x", one)
    found = discover(str(repo))
    assert refs.read(found, "refs/heads/x") is None
    assert refs.read(found, "refs/heads/refs/heads/x") == one


def a_fork(repo: Path) -> tuple[list[str], list[str]]:
    trunk = a_chain(repo, 6)
    git(repo, "checkout", "-q", "-b", "side", trunk[2])
    return trunk, a_chain(repo, 7)


def test_reachable_ancestor_and_merge_base(repo: Path) -> None:
    trunk, side = a_fork(repo)
    found = discover(str(repo))
    nowhere = "1" * found.hex_length
    assert refs.reachable(found, trunk[-1], [*trunk, *side, nowhere]) == set(trunk)
    assert refs.reachable(found, trunk[-1], [*trunk, side[0], nowhere]) == set(trunk)
    assert refs.reachable(found, trunk[3], trunk) == set(trunk[:4])
    assert refs.reachable(found, None, trunk) == set()
    assert refs.reachable(found, trunk[0], []) == set()
    assert refs.is_ancestor(found, trunk[0], side[0])
    assert not refs.is_ancestor(found, side[0], trunk[-1])
    assert not refs.is_ancestor(found, nowhere, trunk[-1])
    with pytest.raises(MissingObject):
        refs.is_ancestor(found, trunk[0], nowhere)
    assert refs.merge_base(found, trunk[-1], side[-1]) == trunk[2]


def test_reachable_under_clocks_that_jump(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = []
    for i, year in enumerate(
        [2020, 2035, 2001, 2030, 1999, 2025, 2010, 2005, 2004, 2003, 2002, 2001, 2000]
    ):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{year}-01-01T00:00:00Z")
        chain.append(commit_files(repo, {"a": b"%d\n" % i}, str(i)))
    found = discover(str(repo))
    for cut in range(len(chain)):
        assert refs.reachable(found, chain[cut], chain) == set(chain[: cut + 1])


def test_unrelated_histories_have_no_merge_base(repo: Path) -> None:
    (one,) = a_chain(repo, 1)
    git(repo, "checkout", "-q", "--orphan", "lone")
    two = commit_files(repo, {"z": b"1\n"}, "lone")
    assert refs.merge_base(discover(str(repo)), one, two) is None


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    """Two writers raise a counter by compare-and-swap: each success is one step, nothing is overwritten."""
    repo = make_repo(tmp_path / "r")
    chain = a_chain(repo, 21)
    found = discover(str(repo))
    git(repo, "update-ref", MAIN, chain[0])

    def step(writer: RefWriter, at: int) -> bool:
        return writer.move([(MAIN, chain[at + 1], chain[at])]) is None

    with RefWriter(found) as one, RefWriter(found) as two:
        wins = sum(step(w, at) for at in range(20) for w in (one, two))
    assert wins == 20
    assert refs.read(found, MAIN) == chain[20]
