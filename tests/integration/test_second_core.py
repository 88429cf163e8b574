"""Work on the second core: the same answers in the same order, and what goes wrong there costs time and nothing else."""

import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.builders import git, make_repo
from tests.product import entries
from uet_git.host import beside
from uet_git.host.twoends import TwoEnds
from uet_git.ledger.events import broken_links
from uet_git.model.records import Finding
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue import compare, line, submit
from uet_git.queue.options import Options, Source
from uet_git.queue.progress import Listener

ITEMS = [b"%d" % n * 20_000 for n in range(40)]


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    monkeypatch.setattr(beside, "is_possible", lambda: True)
    monkeypatch.setattr(compare, "is_possible", lambda: True)


def _met(here: Callable[[bytes], Any], there: Callable[[bytes], Any]) -> list[Any]:
    """What both ends find, `None` for what only the other process claimed and did not do."""
    ends: TwoEnds[bytes, Any] = TwoEnds(bytes, len)
    other = beside.Beside(lambda: ends.back(ITEMS, there))
    with closing(other), closing(ends):
        found = list(ends.front(ITEMS, here))
        other.result()
        theirs = ends.answers()
    return [*found, *(theirs.get(item) for item in ITEMS[len(found) :])]


def test_both_ends_meet_and_all_comes_back_in_order() -> None:
    def slow(item: bytes) -> tuple[bytes, int]:
        time.sleep(0.005)
        return item[:2], os.getpid()

    found = _met(slow, slow)
    assert [name for name, _ in found] == [b[:2] for b in ITEMS]
    pids = [pid for _, pid in found]
    assert len(set(pids)) == 2
    assert pids == sorted(pids, key=lambda pid: pid != os.getpid())


def test_who_is_faster_does_more() -> None:
    def here(item: bytes) -> int:
        time.sleep(0.02)
        return os.getpid()

    found = _met(here, lambda item: os.getpid())
    assert found.count(os.getpid()) < len(ITEMS) / 2
    assert None not in found


@pytest.mark.parametrize("end", ["raises", "dies", "lambda"])
def test_what_fails_there_is_missing_and_nothing_else_happens(end: str) -> None:
    def there(item: bytes) -> object:
        if end == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if end == "lambda":
            return lambda: item  # cannot be pickled
        raise ValueError(item)

    found = _met(lambda item: item[:2], there)
    done = [name for name in found if name is not None]
    assert done == [b[:2] for b in ITEMS[: len(done)]]
    assert len(done) >= len(ITEMS) - 3


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_PATIENCE", 0.2)
    slow = beside.Beside(lambda: time.sleep(600))
    assert slow.result() is None
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _series(repo: Path, count: int) -> bytes:
    for n in range(count):
        (repo / f"f{n % 7}").write_bytes(b"text %d\n" % n * 40)
        git(repo, "add", "-A")
        git(repo, "commit", "-qm", f"number {n}")
    mails = git(repo, "format-patch", "--stdout", f"HEAD~{count}")
    git(repo, "reset", "-q", "--hard", f"HEAD~{count}")
    return mails


def _landed(repo: Path, mails: bytes) -> None:
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        submit.submit(project, [Source("s.mbox", mails)], Options("refs/heads/main"))
        line.apply(project, lambda run: None, Listener())


def test_a_batch_that_does_not_hold_is_composed_and_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    mails = _series(repo, 70)
    real, here = Composer.landed_matches, os.getpid()
    compared: list[int] = []

    def wrong(self: Composer, base: Any, composed: Any, patch: Any) -> Finding | None:
        compared.append(os.getpid())
        if patch.changes[0].path == b"f3":
            return Finding("content.mismatch", "as the test wants it")
        return real(self, base, composed, patch)

    monkeypatch.setattr(Composer, "landed_matches", wrong)
    _landed(repo, mails)
    found = entries(repo)
    assert set(compared) == {here}
    held = [e for e in found if e["reason"] == "content.mismatch"]
    assert held
    assert all(e["files"] == 1 for e in held)
    assert not any(e["state"] == "committed" and e["title"] == "number 3" for e in found)


def test_a_long_series_is_compared_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    mails = _series(repo, 70)
    here: list[int] = []
    real = Composer.landed_matches

    def noted(self: Composer, base: Any, composed: Any, patch: Any) -> Finding | None:
        here.append(os.getpid())
        return real(self, base, composed, patch)

    monkeypatch.setattr(Composer, "landed_matches", noted)
    _landed(repo, mails)
    assert not here
    assert [e["state"] for e in entries(repo)] == ["committed"] * 70
    git(repo, "fsck", "--strict", "--full")


def test_a_comparison_that_takes_long_is_waited_for_with_nothing_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    mails = _series(repo, 70)
    real, here = Composer.landed_matches, os.getpid()
    free: list[bool] = []

    def slow(self: Composer, base: Any, composed: Any, patch: Any) -> Finding | None:
        if os.getpid() != here:
            time.sleep(0.02)
        return real(self, base, composed, patch)

    def holds(self: compare.Comparison) -> bool:
        if self._answer is None and not self.ends_within(0):
            common = repo / ".git"
            with (common / "uet" / "write.lock").open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free.append(not (common / "index.lock").exists())
        return really(self)

    really = compare.Comparison.holds
    monkeypatch.setattr(Composer, "landed_matches", slow)
    monkeypatch.setattr(compare.Comparison, "holds", holds)
    _landed(repo, mails)
    assert free == [True]
    assert [e["state"] for e in entries(repo)] == ["committed"] * 70
    with Project.open(str(repo)) as project:
        moved = [e for e in project.ledger.events() if e.kind == "patch_committed"]
        assert len(moved) == 70
        assert not list(broken_links(project.ledger.events()))
