"""Damages patches by chance from a seed, judges each as the product does, and holds it to git: `python -m
tests.e2e.mutants FOLDER SEED COUNT` prints what it counted, and what is wrong, as JSON.

It is a program so that its memory is its own.
"""

import gzip
import json
import os
import random
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.builders import git
from tests.conftest import CORPORA
from tests.e2e import crafted, hostile
from uet_git.model import mail
from uet_git.model.reasons import REASONS, Gravity
from uet_git.project import Project
from uet_git.queue import precheck, repaired, validate
from uet_git.queue.options import Options

LONGEST_SEED: Final = 64 * 1024
MOST_SECONDS: Final = 2.0
_UNSAFE: Final = (b"..", b".git", b".ledger", b"", b".")
_TOLERATED: Final = 3
"""Examples of each kind of fault that are told."""


class Seeds(NamedTuple):
    """Patches to damage, and the repository that they are made against."""

    repo: Path
    branch: str
    patches: list[bytes]


def seeds(folder: Path) -> list[Seeds]:
    """Ours always; the nasty corpus and real patches where they are on this machine."""
    ours = [row.patch for row in hostile.ROWS if isinstance(row.patch, bytes)]
    ours += [crafted.nested(3), crafted.bomb(900)]
    nasty = sorted((CORPORA / "nasty").glob("*.patch"))
    ours += [p.read_bytes() for p in nasty]
    small = [patch for patch in ours if patch and len(patch) <= LONGEST_SEED]
    found = [Seeds(crafted.base(folder / "crafted"), "refs/heads/main", small)]
    corpus = CORPORA / "corpora" / "httpx-conflict"
    if corpus.is_dir():
        repo = folder / "real"
        git(folder, "clone", "-q", "-b", "base", str(corpus / "base.bundle"), str(repo))
        (repo / "uet.toml").write_bytes(crafted.UET)
        git(repo, "add", "uet.toml")
        git(repo, "commit", "-q", "-m", "rules")
        topics = list(mail.split(gzip.decompress((corpus / "topics.mbox.gz").read_bytes())))
        found.append(Seeds(repo, "refs/heads/base", topics))
    return found


def mutant(rng: random.Random, patch: bytes, other: bytes) -> bytes:
    """One to three damages: bits flipped; bytes and lines dropped, doubled, moved, taken from another patch."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not patch:
            return patch
        patch = _bytes(rng, patch) if rng.random() < 0.5 else _lines(rng, patch, other)
    return patch


def _bytes(rng: random.Random, patch: bytes) -> bytes:
    at = rng.randrange(len(patch))
    end = at + rng.choice((1, 1, 2, 8, 60))
    act = rng.randrange(5)
    if act == 0:
        return patch[:at] + bytes((patch[at] ^ 1 << rng.randrange(8),)) + patch[at + 1 :]
    if act == 1:
        return patch[:at] + patch[end:]
    if act == 2:
        return patch[:end] + patch[at:]
    if act == 3:
        to = rng.randrange(len(patch))
        piece = patch[at:end]
        rest = patch[:at] + patch[end:]
        return rest[:to] + piece + rest[to:]
    return (
        patch[:at]
        + rng.choice((b"0", b"9", b"\n", b"\0", b"/", b"..", b"\r", b"\t", b'"'))
        + patch[at:]
    )


def _lines(rng: random.Random, patch: bytes, other: bytes) -> bytes:
    lines = patch.split(b"\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    act = rng.randrange(6)
    if act == 0:
        del lines[at : at + rng.choice((1, 1, 3))]
    elif act == 1:
        lines[at:at] = lines[at : at + rng.choice((1, 1, 5))]
    elif act == 2:
        lines[at], lines[to] = lines[to], lines[at]
    elif act == 3:
        lines[at : at + 4] = reversed(lines[at : at + 4])
    elif act == 4:
        lines[at] = rng.choice((b" ", b"+", b"-", b"\\", b"")) + lines[at][1:]
    else:
        theirs = other.split(b"\n")
        begin = rng.randrange(len(theirs))
        lines[at:at] = theirs[begin : begin + rng.choice((1, 4, 30))]
    return b"\n".join(lines)


class _Bench:
    """One repository, in which every mutant is judged on the same tip."""

    def __init__(self, seeds: Seeds, project: Project) -> None:
        self.repo = seeds.repo
        self.project = project
        self.bench = precheck._Bench(project, Options(seeds.branch))
        self.base = self.bench.tree
        self.index = seeds.repo.parent / f"{seeds.repo.name}.index"
        git(self.repo, "read-tree", self.base, env={"GIT_INDEX_FILE": str(self.index)})
        self.before = self.index.read_bytes()
        self.offers = 0

    def _offers(self, piece: bytes) -> bool:
        """Whether a repaired reading is offered. It is read strictly, and safe."""
        limits = self.bench.settings.limits
        judged = validate.judge(piece, limits, self.project.git.hex_length)
        _, offer = repaired.at_intake(self.project, judged, self.base, limits)
        if offer is None:
            return False
        again = validate.judge(offer.diff, limits, self.project.git.hex_length)
        assert again.patch.changes
        assert not any(REASONS[f.code].gravity == Gravity.DROPPED for f in again.findings)
        return True

    def judge(self, data: bytes) -> list[precheck.Checked]:
        """What `policy check` says of it, and so the queue."""
        mark = self.project.objects.begin()
        self.bench.tree = self.base
        checked = [self.bench.check("mutant", piece) for piece in mail.split(data)]
        for one, piece in zip(checked, mail.split(data), strict=True):
            if not one.patch.changes:
                self.offers += self._offers(piece)
        for number in range(mark, mark + len(checked) + 1):
            self.project.objects.discard(number)
        return checked

    def differs(self, checked: list[precheck.Checked]) -> str | None:
        """How the tree of what lands is not that of `git apply --cached`, or goes where no patch may."""
        self.index.write_bytes(self.before)
        env = {**os.environ, "GIT_INDEX_FILE": str(self.index)}
        for one in checked:
            done = subprocess.run(
                ["git", "apply", "--cached", "--whitespace=nowarn", "-"],
                cwd=self.repo,
                input=one.mail.diff,
                env=env,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                return f"git refuses it: {done.stderr.decode(errors='replace')[:200]}"
        tree = (
            git(self.repo, "write-tree", env={"GIT_INDEX_FILE": str(self.index)}).decode().strip()
        )
        if tree != self.bench.tree:
            return f"another tree than git's: {self.bench.tree}, not {tree}"
        listed = git(self.repo, "diff-tree", "-r", "-z", "--name-only", self.base, tree)
        changed = set(filter(None, listed.split(b"\0")))
        if not changed <= {p for one in checked for p in one.patch.paths}:
            return f"it changes what it does not name: {changed}"
        if any(part.lower() in _UNSAFE for path in changed for part in path.split(b"/")):
            return f"it changes what no patch may: {changed}"
        return None


def run(folder: Path, seed: int, count: int) -> dict[str, Any]:
    """Judges `count` mutants. Returns counts, the slowest's seconds of the processor, and what is wrong."""
    rng = random.Random(seed)
    every = seeds(folder)
    counts: Counter[str] = Counter()
    wrong: list[dict[str, str]] = []
    slowest = 0.0
    for number, some in enumerate(every):
        share = count // len(every) + (count % len(every) if not number else 0)
        with Project.open(str(some.repo)) as project:
            bench = _Bench(some, project)
            for _ in range(share):
                data = mutant(rng, rng.choice(some.patches), rng.choice(some.patches))
                what, spent = _one(bench, data, counts)
                slowest = max(slowest, spent)
                if spent > MOST_SECONDS:
                    what = f"{spent:.1f} s"
                if what is not None and len(wrong) < _TOLERATED * 3:
                    wrong.append({"what": what, "patch": repr(data[:3000])})
            counts["repairable"] += bench.offers
    return {"counts": dict(counts), "slowest": slowest, "wrong": wrong}


def _one(bench: _Bench, data: bytes, counts: Counter[str]) -> tuple[str | None, float]:
    began = os.times()
    try:
        checked = bench.judge(data)
    except Exception:
        return traceback.format_exc(limit=-3), 0.0
    ended = os.times()
    spent = sum(ended[:4]) - sum(began[:4])
    codes = [one.reason for one in checked]
    if not checked or not all(one.applies for one in checked) or any(codes):
        reason = next((c for c in codes if c), "apply" if checked else "nothing")
        counts[reason.partition(".")[0]] += 1
        return None, spent
    counts["lands"] += 1
    return bench.differs(checked), spent


if __name__ == "__main__":
    given = Path(sys.argv[1])
    given.mkdir(parents=True, exist_ok=True)
    json.dump(run(given, int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
