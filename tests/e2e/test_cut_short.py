"""A drain that is ended or interfered with in the middle: nothing runs on, nothing is lost, the next one goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.builders import commit_files, git, make_repo
from tests.product import COMMAND, uet

SLOW = b"version = 1\n[gates.slow]\nrun = ['sh', '-c', 'sleep 3; test ! -e bad']\ntimeout = 30\n"


def _diff(name: str) -> bytes:
    return f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n".encode()


def _repo(tmp_path: Path, *names: str) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n", "uet.toml": SLOW})
    for name in names:
        (tmp_path / f"{name}.patch").write_bytes(_diff(name))
    uet(repo, "submit", "--independent", *(f"../{n}.patch" for n in names))
    uet(repo, "trust", "--yes", code=None)
    return repo


def _gate_runs(repo: Path) -> bool:
    out = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    return b"sleep 3; test ! -e bad" in out


def _started(repo: Path) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 30
    while not _gate_runs(repo):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    return child


def test_sigterm_ends_like_ctrl_c(tmp_path: Path) -> None:
    repo = _repo(tmp_path, "one")
    child = _started(repo)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in err
    assert not _gate_runs(repo)
    uet(repo, "apply")
    assert git(repo, "show", "main:one") == b"x\n"
    uet(repo, "fsck")


def test_the_gate_of_a_killed_apply_does_not_meet_the_next_one(tmp_path: Path) -> None:
    repo = _repo(tmp_path, "one")
    child = _started(repo)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=30)
    uet(repo, "apply")
    assert not _gate_runs(repo)
    assert git(repo, "show", "main:one") == b"x\n"
    uet(repo, "fsck")


def test_a_drop_while_the_gates_run_stops_only_that_change(tmp_path: Path) -> None:
    repo = _repo(tmp_path, "one", "two")
    child = _started(repo)
    uet(repo, "drop", "1")
    out, err = child.communicate(timeout=60)
    assert b"Traceback" not in err
    states = {e["number"]: e["state"] for e in uet(repo, "list", "--json").document}
    assert states == {1: "dropped", 2: "committed"}, (out, err)
    assert git(repo, "for-each-ref", "refs/uet/entries") == b""
    uet(repo, "fsck")


def test_a_link_is_no_uet_toml(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n", "conf.toml": SLOW})
    os.symlink("conf.toml", repo / "uet.toml")
    git(repo, "add", "uet.toml")
    git(repo, "commit", "-q", "-m", "link")
    commit_files(repo, {"b.txt": b"b\n"}, "more")
    (tmp_path / "one.patch").write_bytes(_diff("one"))
    ran = uet(repo, "apply", "../one.patch", code=3)
    assert b"not a regular file" in ran.err
    assert git(repo, "log", "--format=%s", "-1") == b"more\n"
