"""Killed at any moment, and one more `apply` later, all is as if nothing had happened (DESIGN 2 P1, P3, P15, P16; 10).

CI kills at a seeded sample of the points, the nightly run at several times as many. Negative controls prove that the
same checks see a product whose order of writing, or whose recovery, is broken.
"""

import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.builders import git
from tests.crash import harness
from tests.crash.harness import AT_FORMS, PERSISTENT, SELF, Point, Scene, Wreck
from tests.product import uet

SEED = 20240405
LASTING = {*PERSISTENT, *AT_FORMS.values()}
OPEN = ("intended", "branch locked", "branch moved, work tree not", "work tree begun")
BETWEEN = "branch moved, work tree not"

# How many kills of each kind, in each of the two scenes.
KINDS: dict[str, Callable[[Point], bool]] = {
    "moving refs": lambda p: p.verb == "update-ref" and p.syscall in LASTING,
    "bringing the work tree along": lambda p: p.verb == "read-tree",
    "the product, writing": lambda p: p.call == SELF and p.syscall in LASTING,
    "anything": lambda _: True,
}
CI = {
    "moving refs": 10,
    "bringing the work tree along": 7,
    "the product, writing": 9,
    "anything": 5,
}
NIGHTLY = {
    "moving refs": 70,
    "bringing the work tree along": 40,
    "the product, writing": 60,
    "anything": 40,
}


@pytest.fixture(scope="module", params=["plain", "gated"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A scene that knows how it must end."""
    work = tmp_path_factory.mktemp(request.param)
    made = harness.make_scene(work / "scene", gated=request.param == "gated")
    harness.learn(made, work)
    return made


@pytest.fixture(scope="module")
def points(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Every point at which the scene's `apply` can be killed."""
    work = tmp_path_factory.mktemp("points")
    return (
        list(harness.points_of(scene, work))
        if harness.has_strace()
        else harness.shim_points(scene, work)
    )


def chosen(points: Sequence[Point], counts: dict[str, int], seed: int = SEED) -> list[Point]:
    """A sample by kind, the same in every run."""
    chance = random.Random(seed)
    found: dict[Point, None] = {}
    for kind, count in counts.items():
        fitting = [p for p in points if KINDS[kind](p)]
        found.update(dict.fromkeys(chance.sample(fitting, min(count, len(fitting)))))
    return list(found)


def killed(scene: Scene, points: Sequence[Point], work: Path) -> Iterator[tuple[Point, Wreck]]:
    """The runs in which something really died."""

    def one(numbered: tuple[int, Point]) -> tuple[Point, Wreck]:
        where = work / f"kill-{numbered[0]}"
        wreck = harness.kill_at(scene, numbered[1], where)
        shutil.rmtree(where)
        return numbered[1], wreck

    with ThreadPoolExecutor(2) as pool:
        yield from ((p, w) for p, w in pool.map(one, enumerate(points)) if w.died)


def _report(wrecks: Sequence[tuple[Point, Wreck]]) -> list[str]:
    return [f"{point}: {wreck.phase}: {wreck.broken}" for point, wreck in wrecks if wreck.broken]


def test_a_sample_of_kills(scene: Scene, points: list[Point], tmp_path: Path) -> None:
    sample = chosen(points, CI)
    wrecks = list(killed(scene, sample, tmp_path))
    assert _report(wrecks) == []
    assert len(wrecks) >= 0.9 * len(sample) or not harness.has_strace()
    assert (
        sum(p.verb == "update-ref" and w.phase in OPEN for p, w in wrecks) >= 3
        or not harness.has_strace()
    )


@pytest.mark.nightly
def test_many_kills(scene: Scene, points: list[Point], tmp_path: Path) -> None:
    sample = chosen(points, NIGHTLY, SEED + 1)
    wrecks = list(killed(scene, sample, tmp_path))
    assert _report(wrecks) == []
    phases = Counter(w.phase for _, w in wrecks)
    if harness.has_strace():  # both scenes together: at least 300, 20 and 20
        assert len(wrecks) >= 150, phases
        assert sum(p.verb == "update-ref" and w.phase in OPEN for p, w in wrecks) >= 10, phases
        assert phases[BETWEEN] >= 10, phases


def test_kills_without_strace(scene: Scene, tmp_path: Path) -> None:
    """Where there is no strace the shim itself kills, before or after a git call."""
    every = harness.shim_points(scene, tmp_path)
    wrecks = list(killed(scene, random.Random(SEED).sample(every, 4), tmp_path))
    assert _report(wrecks) == []
    assert wrecks


@pytest.mark.parametrize("how", ["rows-after-refs", "no-recovery"])
def test_the_checks_see_a_broken_product(how: str, tmp_path: Path) -> None:
    double = (sys.executable, "-P", str(Path(__file__).with_name("broken_double.py")), how)
    scene = harness.make_scene(tmp_path / "scene", gated=False, product=double)
    harness.learn(scene, tmp_path)
    if harness.has_strace():
        every = list(harness.points_of(scene, tmp_path))
        sample = [
            p for p in every if p.verb == "update-ref" and p.syscall in LASTING and p.who == "both"
        ]
    else:
        sample = [p for p in harness.shim_points(scene, tmp_path) if p.verb == "read-tree"]
    step = max(1, len(sample) // 8)
    wrecks = list(killed(scene, sample[::step], tmp_path))
    assert len(_report(wrecks)) >= 1, wrecks


def test_cleaning_and_stashing_take_nothing(tmp_path: Path) -> None:
    scene = harness.make_scene(tmp_path / "scene", gated=False)
    uet(scene.repo, "apply", "../series.mbox")
    (scene.repo / "b.txt").write_bytes(harness.lines("b.txt"))
    before = uet(scene.repo, "list", "--json").document
    head = git(scene.repo, "rev-parse", "main")

    git(scene.repo, "stash", "-q", "-a")
    assert uet(scene.repo, "list", "--json").document == before
    uet(scene.repo, "fsck")
    git(scene.repo, "stash", "pop", "-q")
    git(scene.repo, "clean", "-ffdxq")
    assert uet(scene.repo, "list", "--json").document == before
    uet(scene.repo, "fsck")
    assert git(scene.repo, "rev-parse", "main") == head
    uet(scene.repo, "apply")
