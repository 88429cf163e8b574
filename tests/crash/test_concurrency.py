"""Many hands at once: nothing that was acknowledged is lost, nothing lands twice, nobody starves (DESIGN 2 P1, P3; 6)."""

import json
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders import diff, git, mail, make_repo
from tests.product import COMMAND, trust, uet
from uet_git.project import Project
from uet_git.queue import fsck

SHARED = b"".join(b"line %d\n" % n for n in range(100))
SUBMITTERS, APPLIERS, PER_CALL = 4, 2, 3


@dataclass
class Crowd:
    """What the workers did. `acknowledged` are the ids that submits reported."""

    repo: Path
    until: float
    least: int
    acknowledged: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def goes_on(self) -> bool:
        """Until the time is over; on a slow machine until enough was handed in, as the test is not about speed."""
        now = time.monotonic()
        return now < self.until or (
            len(self.acknowledged) < 2 * self.least and now < self.until + 180
        )

    def call(self, *args: str, codes: tuple[int, ...] = (0,)) -> bytes:
        done = subprocess.run(
            [*COMMAND, *args], cwd=self.repo, capture_output=True, check=False, timeout=120
        )
        self.calls[args[0]] += 1
        if (
            done.returncode not in codes
            or b"database is locked" in done.stderr
            or b"Traceback" in done.stderr
        ):
            self.wrong.append(
                f"{args}: exit {done.returncode}: {(done.stdout + done.stderr).decode()[-500:]}"
            )
        return done.stdout

    def submits(self, worker: int) -> None:
        """Hands in files of its own, and edits of one file that all edit."""
        chance = random.Random(worker)
        number = 0
        while self.goes_on():
            paths = []
            for _ in range(PER_CALL):
                number += 1
                name = f"worker {worker} patch {number}"
                if number % 7:
                    change = diff(f"w{worker}/{number}.txt", None, f"{name}\n".encode())
                else:
                    line = b"line %d\n" % chance.randrange(100)
                    change = diff(
                        "shared.txt", SHARED, SHARED.replace(line, f"{name}\n".encode(), 1)
                    )
                paths.append(self.repo.parent / f"{worker}-{number}.patch")
                paths[-1].write_bytes(mail(name, change))
            out = self.call("submit", "--independent", "--json", *map(str, paths))
            if out:
                self.acknowledged += [e["id"] for e in json.loads(out)]

    def applies(self) -> None:
        while self.goes_on():
            self.call("apply", "--json", codes=(0, 1))

    def looks(self) -> None:
        """Reading never gets in the way, and is never in it."""
        while self.goes_on():
            for args in (("list", "--json"), ("status", "--json")):
                json.loads(self.call(*args))
            time.sleep(0.5)

    def collects_garbage(self) -> None:
        while self.goes_on():
            git(self.repo, "gc", "-q")
            time.sleep(1.5)


def _crowd(tmp_path: Path, seconds: float, least: int) -> Crowd:
    repo = make_repo(tmp_path / "repo", {"shared.txt": SHARED})
    git(repo, "config", "gc.autoDetach", "false")
    uet(repo, "status")
    crowd = Crowd(repo, time.monotonic() + seconds, least)
    work: list[Callable[[], None]] = [lambda n=n: crowd.submits(n) for n in range(SUBMITTERS)]  # type: ignore[misc]
    work += [crowd.applies] * APPLIERS + [crowd.looks, crowd.collects_garbage]
    threads = [threading.Thread(target=w) for w in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    crowd.call("apply", codes=(0, 1))
    return crowd


def _check(crowd: Crowd) -> None:
    repo = crowd.repo
    assert crowd.wrong == []
    with Project.open(str(repo)) as project:
        entries = list(project.ledger.entries.pages(None))
        assert sorted(crowd.acknowledged) == sorted(e.entry_id for e in entries)
        assert len({e.number for e in entries}) == len(entries)
        assert {e.state for e in entries} <= {"committed", "apply_failed", "quarantined"}
        by_id = {e.entry_id: e for e in entries}
        told = git(
            repo,
            "log",
            "--reverse",
            "--format=%H %(trailers:key=Uet-Patch,valueonly,separator=)",
            "main",
        )
        landed = [line.split(" ") for line in told.decode().splitlines()][1:]
        assert len({entry for _, entry in landed}) == len(landed)
        assert {entry: commit for commit, entry in landed} == {
            e.entry_id: e.commit_id for e in entries if e.state == "committed"
        }
        assert len(landed) >= crowd.least, crowd.calls
        patches = [
            project.ledger.entries.patch(by_id[entry].patch_id).content for _, entry in landed
        ]
        assert [p for p in fsck.check(project) if p.severity == fsck.DAMAGE] == []
    replay = make_repo(repo.parent / "replay", {"shared.txt": SHARED})
    for content in patches:
        assert content is not None
        git(replay, "apply", "--cached", "-", stdin=content)
    assert git(replay, "write-tree") == git(repo, "rev-parse", "main^{tree}")
    assert git(repo, "status", "--porcelain") == b""
    git(repo, "fsck", "--strict", "--no-dangling")


def test_a_crowd(tmp_path: Path) -> None:
    _check(_crowd(tmp_path, 10, 30))


@pytest.mark.nightly
def test_a_crowd_for_a_minute(tmp_path: Path) -> None:
    _check(_crowd(tmp_path, 60, 200))


def test_a_second_apply_waits_and_says_so_or_does_not_wait(tmp_path: Path) -> None:
    repo = make_repo(
        tmp_path / "repo",
        {
            "a.txt": b"a\n",
            "uet.toml": b"version = 1\n[gates.g]\nkind = 'custom'\nrun = ['sleep', '6']\n",
        },
    )
    (tmp_path / "p.patch").write_bytes(mail("P", diff("a.txt", b"a\n", b"b\n")))
    trust(repo)
    uet(repo, "submit", "../p.patch")
    first = subprocess.Popen(
        [*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    gates = repo / ".git" / "uet" / "gates"
    while not gates.exists() or not list(gates.iterdir()):
        assert first.poll() is None
        time.sleep(0.01)
    busy = uet(repo, "apply", "--no-wait", code=4)
    assert f"pid {first.pid}".encode() in busy.err
    assert uet(repo, "status", "--json").document["busy"]["pid"] == first.pid
    waited = uet(repo, "apply")
    assert f"waiting for pid {first.pid}".encode() in waited.err
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert git(repo, "log", "--format=%s").split() == [b"P", b"base"]
