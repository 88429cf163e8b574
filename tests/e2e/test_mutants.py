"""Damaged patches never crash the judge, never escape, never cost more than they may; what lands is what git makes of it."""

import json
import random
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import crafted, mutants, outcomes
from tests.measured import measured

NIGHTLY = 50_000


def _judged(folder: Path, seed: int, count: int, timeout: float) -> dict[str, Any]:
    """What the program of this name counted, its memory held."""
    argv = [sys.executable, "-m", "tests.e2e.mutants", folder / "worlds", str(seed), str(count)]
    root = Path(__file__).resolve().parents[2]
    ran = measured(argv, root, folder, timeout=timeout)
    assert ran.code == 0, ran.err.decode(errors="replace")
    assert ran.peak < outcomes.MEGABYTES
    found: dict[str, Any] = json.loads(ran.out)
    assert sum(found["counts"].values()) - found["counts"]["repairable"] == count
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_seeded_slice(seed: int, tmp_path: Path) -> None:
    found = _judged(tmp_path, seed, 600, 300)
    assert found["wrong"] == []
    assert found["slowest"] < mutants.MOST_SECONDS
    kinds = found["counts"]
    assert kinds["lands"] > 10, kinds  # chance leaves some whole, or they would prove nothing
    assert min(kinds[kind] for kind in ("parse", "path", "apply", "policy", "repairable")) > 0, (
        kinds
    )


def test_a_few_from_end_to_end(tmp_path: Path) -> None:
    """By the queue itself, each into a repository of its own."""
    rng = random.Random(7)
    base = tmp_path / "base"
    crafted.base(base)
    (ours, *_) = mutants.seeds(tmp_path / "seeds")
    for number in range(40):
        patch = mutants.mutant(rng, rng.choice(ours.patches), rng.choice(ours.patches))
        folder = tmp_path / f"{number}" / "world"
        shutil.copytree(base, folder, symlinks=True)
        outcome = outcomes.apply_here(folder, patch)
        if len(set(outcome.ended)) == 1:  # of a series, the good beginning may land
            outcomes.check(folder, patch, outcome)
        shutil.rmtree(folder.parent)


@pytest.mark.nightly
def test_very_many(tmp_path: Path) -> None:
    """From a seed of its own, which is told."""
    seed = secrets.randbits(32)
    sys.stdout.write(f"\nseed {seed}: ")
    found = _judged(tmp_path, seed, NIGHTLY, 3600)
    sys.stdout.write(f"{found['counts']}, slowest {found['slowest']:.2f} s\n")
    assert found["wrong"] == []
