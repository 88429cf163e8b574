"""`apply --watch`: lands what is handed in meanwhile, with what git's configuration says then, until it is told to stop."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders import diff, git, make_repo
from tests.product import COMMAND, entries, uet

FILES = {f"f{n}": b"old\n" for n in range(4)}


def _patch(folder: Path, number: int, old: bytes = b"old\n") -> Path:
    path = folder / f"{number}.patch"
    path.write_bytes(diff(f"f{number}", old, b"new\n"))
    return path


def _until(wanted: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


@contextmanager
def _watching(repo: Path, *args: str) -> Iterator["subprocess.Popen[bytes]"]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_COMMITTER_")}
    child = subprocess.Popen(
        [*COMMAND, "apply", "--watch", *args],
        cwd=repo, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def _states(repo: Path) -> list[str]:
    return [e["state"] for e in entries(repo)]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    found = make_repo(tmp_path / "r", FILES)
    git(found, "config", "user.name", "First")
    git(found, "config", "user.email", "first@example.com")
    uet(found, "submit", _patch(tmp_path, 0))
    return found


def test_it_lands_what_comes_with_the_name_that_holds_then(repo: Path, tmp_path: Path) -> None:
    with _watching(repo) as child:
        _until(lambda: _states(repo) == ["committed"], "the first one")
        git(repo, "config", "user.name", "Second")
        uet(repo, "submit", _patch(tmp_path, 1), env={"GIT_COMMITTER_NAME": None})
        _until(lambda: _states(repo) == ["committed"] * 2, "the second one")
        uet(repo, "submit", _patch(tmp_path, 2, b"other\n"))
        _until(lambda: "apply_failed" in _states(repo), "one that does not fit")
        uet(repo, "submit", _patch(tmp_path, 3))
        _until(lambda: _states(repo).count("committed") == 3, "the one behind it")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert b"Traceback" not in out + err
    names = git(repo, "log", "--format=%cn", "-3").decode().split()
    assert names == ["Second", "Second", "First"]
    assert uet(repo, "fsck").code == 0
    assert {r["state"] for r in uet(repo, "run", "list", "--json").document} <= {
        "succeeded",
        "canceled",
    }


def test_it_waits_out_a_pause(repo: Path, tmp_path: Path) -> None:
    with _watching(repo, "-q") as child:
        _until(lambda: _states(repo) == ["committed"], "the first one")
        uet(repo, "pause", "--reason", "lunch")
        uet(repo, "submit", _patch(tmp_path, 1))
        time.sleep(1.5)
        assert _states(repo) == ["committed", "queued"]
        assert child.poll() is None
        uet(repo, "resume")
        _until(lambda: _states(repo) == ["committed"] * 2, "the second one")
        child.terminate()
        _, err = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM, err
    assert uet(repo, "fsck").code == 0
