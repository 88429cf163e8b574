"""A rollback killed at any moment: the revert is on the branch exactly when the originals are rolled back; the next
command finishes either way (DESIGN 2 P1, P3; 10, 12)."""

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.builders import diff, git, mail, make_repo
from tests.crash import harness
from tests.crash.harness import PERSISTENT, PRODUCT
from tests.product import uet
from uet_git.project import Project

SEED = 20240611
CALL = ("rollback", "1", "2", "--reason", "killed on the way")
BASE = harness.lines("a")
EDIT = b"the user's own\n"


class Kill(NamedTuple):
    """Before or after which call of the product, or of its n-th git child."""

    call: int
    point: str
    when: int


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two landed changes and an edit that nobody may touch."""
    home = tmp_path_factory.mktemp("rollback")
    repo = make_repo(home / "scene" / "repo", {"a.txt": BASE, "b.txt": b"b\n"})
    first = BASE.replace(b"a 5\n", b"five\n")
    second = first.replace(b"a 40\n", b"forty\n") + b"more\n"
    mails = [mail("One", diff("a.txt", BASE, first)), mail("Two", diff("a.txt", first, second))]
    (home / "two.mbox").write_bytes(b"".join(mails))
    uet(repo, "apply", home / "two.mbox")
    (repo / "b.txt").write_bytes(EDIT)
    return home


def copied(home: Path, where: Path) -> Path:
    where.mkdir(parents=True)
    subprocess.run(["cp", "-a", f"{home}/scene/.", str(where)], check=True)
    return where / "repo"


def kills(home: Path, work: Path) -> Iterator[Kill]:
    """Every point of one rollback that nobody disturbs."""
    repo, run = copied(home, work / "recorded"), work / "record"
    command: Sequence[str] = PRODUCT
    env = harness.environment(run)
    if harness.has_strace():
        calls = harness.known_calls(PERSISTENT)
        command = ["strace", "-ttt", "-o", str(run / "trace.0"), "-e", f"trace={calls}", *PRODUCT]
    done = subprocess.run([*command, *CALL], cwd=repo, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for call in sorted(int(p.suffix[1:]) for p in run.glob("call.*")):
        verb = (run / f"call.{call}").read_text()
        if "update-ref" in verb or "read-tree" in verb:
            yield from (Kill(call, "before", 0), Kill(call, "after", 0))
    if harness.has_strace():
        seen: dict[str, int] = {}
        for found in re.findall(r"^\d+\.\d+ (\w+)\(", (run / "trace.0").read_text(), re.MULTILINE):
            seen[found] = seen.get(found, 0) + 1
            yield Kill(0, found, seen[found])


def killed(home: Path, kill: Kill, where: Path) -> list[str] | None:
    """What is broken after one kill and one more command; None if nothing died."""
    repo, run = copied(home, where / "scene"), where / "run"
    if kill.call:
        aim = {"CRASH_CALL": str(kill.call), "CRASH_POINT": kill.point, "CRASH_WHO": "both"}
        env, command = harness.environment(run, **aim), list(PRODUCT)
    else:
        env = harness.environment(run)
        inject = f"inject={kill.point}:signal=SIGKILL:when={kill.when}"
        command = ["strace", "-o", "/dev/null", "-e", f"trace={kill.point}", "-e", inject, *PRODUCT]
    done = subprocess.run(
        [*command, *CALL], cwd=repo, env=env, capture_output=True, check=False, timeout=60
    )
    if not (run / "died").exists() and done.returncode != -signal.SIGKILL:
        return None
    broken = [] if (repo / "b.txt").read_bytes() == EDIT else ["the user's edit is gone"]
    again = subprocess.run(
        [*PRODUCT, "apply"],
        cwd=repo,
        env=dict(os.environ),
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = (again.stdout + again.stderr).decode()
    if again.returncode:
        broken.append(f"the next apply: exit {again.returncode}: {said}")
    return broken + looked_at(repo)


def looked_at(repo: Path) -> list[str]:
    """Both are rolled back and the file is as it was, or neither and nothing moved; the ledger is sound."""
    with Project.open(str(repo)) as project:
        states = [e.state for e in project.ledger.entries.pages()]
        reverts = {e.entry_id for e in project.ledger.entries.pages() if e.rollback_of}
        names = {e.rolled_back_by for e in project.ledger.entries.pages() if e.rolled_back_by}
    landed = len(git(repo, "rev-list", "main").split()) == 5
    back = git(repo, "show", "main:a.txt") == BASE
    wanted = (
        ["rolled_back", "rolled_back", "committed", "committed"] if landed else ["committed"] * 2
    )
    broken = []
    if states != wanted or back != landed or names != (reverts if landed else set()):
        broken.append(f"landed {landed}, as before {back}, states {states}")
    if landed and (repo / "a.txt").read_bytes() != BASE:
        broken.append("the work tree was not brought along")
    if git(repo, "status", "--porcelain") != b" M b.txt\n":
        broken.append(f"status: {git(repo, 'status', '--porcelain')!r}")
    return broken + harness_says(repo)


def harness_says(repo: Path) -> list[str]:
    """What the harness checks of every ledger; here a rolled back entry keeps its commit too."""
    return [
        b for b in harness.ledger_broken(repo) if not b.startswith("entries and commits differ")
    ]


def test_a_rollback_is_whole_or_not_at_all(home: Path, tmp_path: Path) -> None:
    every = list(kills(home, tmp_path))
    chance = random.Random(SEED)
    refs = [k for k in every if k.call]
    rest = [k for k in every if not k.call]
    sample = [*chance.sample(refs, min(5, len(refs))), *chance.sample(rest, min(5, len(rest)))]

    def one(numbered: tuple[int, Kill]) -> tuple[Kill, list[str] | None]:
        return numbered[1], killed(home, numbered[1], tmp_path / f"kill-{numbered[0]}")

    with ThreadPoolExecutor(2) as pool:
        found = [(k, b) for k, b in pool.map(one, enumerate(sample)) if b is not None]
    assert [f"{k}: {b}" for k, b in found if b] == []
    assert len(found) >= len(sample) // 2


@pytest.mark.nightly
def test_many_kills_of_a_rollback(home: Path, tmp_path: Path) -> None:
    every = list(kills(home, tmp_path))
    sample = random.Random(SEED + 1).sample(every, min(80, len(every)))
    found = [(k, killed(home, k, tmp_path / f"kill-{n}")) for n, k in enumerate(sample)]
    assert [f"{k}: {b}" for k, b in found if b] == []
    assert sum(b is not None for _, b in found) >= len(sample) // 2
