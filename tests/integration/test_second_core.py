"""Work on the second core: the same answers in the same order, and what goes wrong there costs time and nothing else."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import git, make_repo
from tests.product import entries
from uet_git.host import beside
from uet_git.host.beside import Beside
from uet_git.model import patchfile
from uet_git.model.records import Finding
from uet_git.model.settings import Limits
from uet_git.plumbing.objects import Edit, Objects
from uet_git.plumbing.packs import Packed
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


def test_both_halves_come_back_in_order() -> None:
    assert [n for n, _ in beside.each(lambda b: (b[:2], os.getpid()), ITEMS)] == [
        b[:2] for b in ITEMS
    ]
    assert len({pid for _, pid in beside.each(lambda b: (b, os.getpid()), ITEMS)}) == 2


@pytest.mark.parametrize("end", ["raises", "dies", "lambda"])
def test_what_fails_there_is_done_here(end: str) -> None:
    here = os.getpid()

    def one(item: bytes) -> object:
        if os.getpid() != here:
            if end == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if end == "lambda":
                return lambda: item  # cannot be pickled
            raise ValueError(item)
        return item[:2]

    assert beside.each(one, ITEMS) == [b[:2] for b in ITEMS]


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_PATIENCE", 0.2)
    slow = beside.Beside(lambda: time.sleep(600))
    assert slow.result() is None
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _series(repo: Path, count: int, same: bytes = b"") -> bytes:
    for n in range(count):
        (repo / f"f{n % 7}").write_bytes(b"text %d\n" % n * 40 + same)
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


@pytest.mark.parametrize("early", [8, 80])
def test_a_batch_that_does_not_hold_is_composed_and_compared_again(
    early: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "EARLY", early)
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


@pytest.mark.parametrize("early", [8, 80])
def test_a_long_series_is_compared_beside(
    early: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "EARLY", early)
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


def _noting(monkeypatch: pytest.MonkeyPatch, then: Any) -> list[list[Packed]]:
    """Makes every part early; `then` is called there before a part is made ready. What came back is noted."""
    monkeypatch.setattr(compare, "EARLY", 8)
    monkeypatch.setattr(
        Beside, "answers", lambda _: True
    )  # as if the other core were done each time
    packed, prepared = Objects.packed, Objects.prepared
    came: list[list[Packed]] = []

    def there(self: Objects, oids: Any) -> list[Packed]:
        then()
        return packed(self, oids)

    def here(self: Objects, found: Any) -> None:
        came.append(list(found))
        prepared(self, came[-1])

    monkeypatch.setattr(Objects, "packed", there)
    monkeypatch.setattr(Objects, "prepared", here)
    return came


def test_what_the_other_process_made_ready_is_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    mails = _series(repo, 70, b"".join(b"line %d\n" % n for n in range(300)))
    came = _noting(monkeypatch, lambda: None)
    _landed(repo, mails)
    assert len(came) == 70 // 8
    assert sum(map(len, came)) > 100
    assert any(each.base for part in came for each in part)
    assert [e["state"] for e in entries(repo)] == ["committed"] * 70
    git(repo, "fsck", "--strict", "--full")


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0])
def test_a_process_that_dies_early_costs_time_only(
    end: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    mails = _series(repo, 70)
    came = _noting(monkeypatch, end)
    _landed(repo, mails)
    assert not any(came)
    assert [e["state"] for e in entries(repo)] == ["committed"] * 70
    git(repo, "fsck", "--strict", "--full")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_delta_whose_base_is_gone_is_made_afresh(tmp_path: Path) -> None:
    """The first of two blobs is let go of after the second was made ready on it."""
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    old = b"".join(b"line %d\n" % n for n in range(300))
    new = old.replace(b"line 7\n", b"line seven\n")
    diff = b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -8,1 +8,1 @@\n-line 7\n+line seven\n"
    with Project.open(str(repo)) as project:
        objects = project.objects
        first = objects.begin()
        base = objects.put("blob", old)
        objects.begin()
        patch = patchfile.read(diff, Limits())
        oid = objects.put("blob", new, Edit(base, patch.changes[0].hunks))
        ready = objects.packed(objects.unprepared())
        assert [each.base for each in ready] == [None, base]
        objects.prepared(ready)
        objects.discard(first)
        objects.write()
    assert git(repo, "cat-file", "blob", oid) == new
    git(repo, "fsck", "--strict", "--full")
