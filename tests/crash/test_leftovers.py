"""What a killed `apply` left locked is cleared by the next one; what is anybody else's stays (DESIGN 10 Recovery)."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import COMMAND, states, subjects, trust, uet

BASE = b"one\ntwo\nthree\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository whose last `apply` was killed while a gate ran: a run without its process, and a pin."""
    slow = b"version = 1\n[gates.g]\nkind = 'custom'\nrun = ['sleep', '60']\n"
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "uet.toml": slow})
    trust(repo)
    (tmp_path / "p.patch").write_bytes(mail("P", diff("a.txt", BASE, b"1\ntwo\nthree\n")))
    child = subprocess.Popen(
        [*COMMAND, "apply", "../p.patch"], cwd=repo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )  # fmt: skip
    gates = repo / ".git" / "uet" / "gates"
    while not gates.exists() or not list(gates.iterdir()):
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert git(repo, "for-each-ref", "refs/uet/entries") != b""
    commit_files(repo, {"uet.toml": b"version = 1\n"}, "no gates")
    return repo


def _events(repo: Path) -> list[str]:
    found = uet(repo, "log", "--json", "-n", "200").document
    return [e["payload"]["path"] for e in found if e["kind"] == "lock_removed"]


def _lands(repo: Path) -> None:
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}
    assert subjects(repo) == ["base", "no gates", "P"]
    assert git(repo, "for-each-ref", "refs/uet/entries") == b""
    assert git(repo, "status", "--porcelain") == b""


def test_status_tells_and_apply_mends(repo: Path) -> None:
    assert uet(repo, "status", "--json").document["cut_short"] is True
    _lands(repo)
    assert uet(repo, "status", "--json").document["cut_short"] is False
    runs = uet(repo, "run", "list", "--json").document
    assert [r["state"] for r in runs] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    "name",
    ["packed-refs.lock", "refs/uet/entries/01ARZ3NDEKTSV4RRFFQ69G5FAV.lock", "refs/uet/log/x.lock"],
)
def test_a_lock_of_the_dead_goes(repo: Path, name: str) -> None:
    lock = repo / ".git" / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_bytes(b"")
    _lands(repo)
    assert not lock.exists()
    assert _events(repo) == [str(lock)]


def test_an_index_that_the_dead_worked_on_goes(repo: Path) -> None:
    git_dir = repo / ".git"
    (git_dir / "index.lock").write_bytes(b"uet-git 12345\n")
    (git_dir / "uet-index").write_bytes((git_dir / "index").read_bytes())
    (git_dir / "uet-index.lock").write_bytes(b"")
    (git_dir / "uet-index-lock-12345").write_bytes(b"uet-git 12345\n")
    _lands(repo)
    assert not [
        p.name for p in git_dir.iterdir() if p.name.startswith("uet-") or p.name.endswith(".lock")
    ]


@pytest.mark.parametrize("name", ["packed-refs.lock", "index.lock"])
def test_a_lock_of_somebody_else_stays(repo: Path, name: str) -> None:
    lock = repo / ".git" / name
    lock.write_bytes(b"theirs")
    os.utime(lock, (time.time() - 600, time.time() - 600))  # older than anything that we did
    refused = uet(repo, "apply", code=4)
    assert name.encode() in refused.err
    assert lock.read_bytes() == b"theirs"
    lock.unlink()
    _lands(repo)


def test_a_configuration_that_is_locked_does_not_stop_a_landing(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "p.patch").write_bytes(mail("P", diff("a.txt", BASE, b"1\n")))
    lock = repo / ".git" / "config.lock"
    lock.write_bytes(b"theirs")
    os.utime(lock, (time.time() - 600, time.time() - 600))
    uet(repo, "apply", "../p.patch")
    assert lock.read_bytes() == b"theirs"
    lock.unlink()
    uet(repo, "apply")
    assert git(repo, "config", "uet.ledger") != b""
    uet(repo, "fsck")


def test_half_a_ledger_goes(repo: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    half = repo / ".git" / "uet" / f"ledger.db.new-{gone.pid}"
    half.write_bytes(b"half")
    _lands(repo)
    assert not half.exists()
