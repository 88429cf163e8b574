"""A full disk is said in one line, loses nothing, and is over once there is room (DESIGN 2 P1, P2, P14).

The repository lies on a small file system of its own, mounted in a private namespace; a filler leaves some bytes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import diff, git, mail, make_repo
from tests.product import COMMAND

BASE = b"".join(b"line %d\n" % n for n in range(400))
ROOM = (
    0,
    380,
    560,
    600,
    760,
)  # KiB left: too little for the ledger, a pack, a ref, a work tree; enough

# Runs inside the namespace: mounts, copies, fills, applies; frees, applies again; tells all as JSON.
INSIDE = """
import json, os, subprocess, sys
disk, source, room, command = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=True)
subprocess.run(["cp", "-a", source + "/.", disk], check=True)
repo = disk + "/repo"
def call(*args):
    done = subprocess.run([*command, *args], cwd=repo, capture_output=True)
    return [done.returncode, done.stdout.decode(), done.stderr.decode()]
def git(*args):
    done = subprocess.run(["git", "-C", repo, *args], capture_output=True)
    return done.stdout.decode() + (done.stderr.decode() if done.returncode else "")
told = {"before": [git("rev-parse", "main"), git("--no-optional-locks", "status", "--porcelain")]}
with open(disk + "/filler", "wb") as filler:
    free = os.statvfs(disk)
    left = free.f_bavail * free.f_frsize - room * 1024
    filler.write(bytes(max(0, left)))
told["full"] = call("apply", "../series.mbox")
told["full json"] = call("apply", "--json", "../series.mbox")
told["looking"] = call("list", "--json")
told["during"] = [git("rev-parse", "main"), git("--no-optional-locks", "status", "--porcelain"), git("log", "--format=%s")]
os.unlink(disk + "/filler")
told["again"] = call("apply", "../series.mbox")
told["after"] = [git("log", "--reverse", "--format=%s"), git("--no-optional-locks", "status", "--porcelain"), git("fsck", "--strict", "--no-dangling")]
told["entries"] = call("list", "--json")
told["content"] = git("show", "main:a.txt")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The command that makes a private mount namespace."""
    for flags in ("-m", "-rm"):
        tried = subprocess.run(
            ["unshare", flags, "mount", "-t", "tmpfs", "none", "/mnt"],
            capture_output=True,
            check=False,
        )
        if tried.returncode == 0:
            return ["unshare", flags]
    pytest.skip("no mount namespace can be made here (neither root nor user namespaces)")


@pytest.mark.parametrize("room", ROOM)
def test_a_full_disk_loses_nothing(tmp_path: Path, namespace: list[str], room: int) -> None:
    source, disk = tmp_path / "source", tmp_path / "disk"
    source.mkdir()
    disk.mkdir()
    repo = make_repo(source / "repo", {"a.txt": BASE})
    now, mails = BASE, []
    for n in range(8):
        after = now.replace(b"line %d\n" % n, os.urandom(4096).hex().encode() + b"\n")
        mails.append(mail(f"part {n}", diff("a.txt", now, after)))
        now = after
    (source / "series.mbox").write_bytes(b"".join(mails))
    git(repo, "gc", "-q")

    done = subprocess.run(
        [*namespace, sys.executable, "-c", INSIDE, str(disk), str(source), str(room), *COMMAND],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)

    code, _, err = told["full"]
    landed = told["during"][2].splitlines()[::-1]
    assert "Traceback" not in err
    if code == 0:
        assert landed == ["base", *(f"part {n}" for n in range(8))]
    else:
        assert code == 3, told["full"]
        notices = [line for line in err.splitlines() if not line.startswith("made a ledger")]
        assert notices[0].startswith("uet-git: The disk is full"), told["full"]
        assert notices[1:] == ["  next: df -h ."], told["full"]
        assert json.loads(told["full json"][1])["error"]["code"] == "io.disk_full", told[
            "full json"
        ]
        assert told["looking"][0] in (0, 3)
        if len(landed) == 1:
            assert told["during"][:2] == told["before"]
    assert told["again"][0] == 0, told["again"]
    assert told["after"] == ["\n".join(["base", *(f"part {n}" for n in range(8))]) + "\n", "", ""]
    assert [e["state"] for e in json.loads(told["entries"][1])] == ["committed"] * 8
    assert told["content"].encode() == now
