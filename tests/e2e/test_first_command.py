"""What the first command of a repository leaves when something is in its way; one that is interrupted as it starts, one
whose input was closed."""

import subprocess
import sys
from pathlib import Path

from tests.builders import commit_files, diff, make_repo
from tests.product import uet
from uet_git.project import Project


def test_the_baseline_is_there_although_the_link_could_not_be_made(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    info = repo / ".git" / "info"
    info.rename(tmp_path / "info")
    info.write_bytes(b"a file where the folder should be")
    (tmp_path / "1.patch").write_bytes(diff("a.txt", b"old\n", b"new\n"))
    uet(repo, "submit", tmp_path / "1.patch", code=3)
    info.unlink()
    (tmp_path / "info").rename(info)
    commit_files(repo, {"b.txt": b"by hand\n"}, "by hand")
    uet(repo, "submit", tmp_path / "1.patch")
    uet(repo, "apply")
    totals = uet(repo, "audit", "--json", code=None).document["totals"]
    assert (totals["queue"], totals["out_of_band"]) == (1, 1)


def test_what_a_command_landed_is_not_seen_as_somebody_elses(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    for n, (old, new) in enumerate([(b"old\n", b"new\n"), (b"new\n", b"newer\n")]):
        (tmp_path / f"{n}.patch").write_bytes(diff("a.txt", old, new))
        uet(repo, "apply", tmp_path / f"{n}.patch")
    with Project.open(str(repo)) as project:
        known = project.ledger.handmade.branches()
        assert known["refs/heads/main"].tip == project.tip("refs/heads/main")
        seen = [e for e in project.ledger.events() if e.kind == "commits_seen"]
        assert ["baseline" in e.payload for e in seen] == [True]


def test_input_that_was_closed_is_told(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a.txt": b"old\n"})
    closed = ("/bin/sh", "-c", 'exec "$@" 0<&-', "sh")
    for args in (("submit", "-"), ("fsck", "--from", "-")):
        assert b"standard input is closed" in uet(repo, *args, code=2, before=closed).err


def test_an_interrupt_while_a_command_loads_is_no_traceback() -> None:
    code = (
        "import os, signal, sys\nimport uet_git.__main__ as m\nfrom uet_git.cli import loading\n"
        "loading.load_click = lambda: os.kill(os.getpid(), signal.SIGINT)\nsys.argv = ['uet-git', 'status']\nm.command()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
