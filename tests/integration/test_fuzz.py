"""Mutated patches: the parser and the composer make of them what `git apply --cached` makes, or refuse for a listed reason.

No mutant raises. Whatever is taken has git's tree; whatever git refuses is refused. A repaired reading, where one is
offered, is a patch that git takes to the same tree. CI runs a seeded slice, the nightly run goes on for ten minutes
from a seed of its own, which it prints.
"""

import os
import random
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import treegen
from tests.treegen import Example
from uet_git.model import patchfile, repair
from uet_git.model.records import Composed, Conflict, Finding, Hunk, Oid, Patch
from uet_git.model.repair import Repaired
from uet_git.model.settings import Limits
from uet_git.plumbing.git import discover
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.trees import Composer
from uet_git.queue.repaired import Tip

LIMITS = Limits()
NIGHTLY_SECONDS = 600
STRICTER: dict[str, str] = {
    "parse.empty": "git is told to allow an empty patch here; we never take one",
    "parse.hunk_header": "git passes over a hunk header that it cannot read, and over what follows",
    "parse.hunk_body": "git passes over lines that are left when a hunk's counts are used up",
    "parse.truncated": "git passes over a last header that is cut off",
    "parse.header": "git passes over half a header, or takes one of two things that it says",
    "parse.path": "git takes a name from another line of the header when one cannot be read",
    "parse.garbage_between": "git passes over text between two diffs",
    "parse.duplicate_path": "git applies two changes of one path one after the other",
    "parse.git": "git passes over a diff of another kind beside one that it can read",
    "parse.binary": "git passes over what is damaged behind the direction that it needs",
    "parse.binary_without_data": "git passes over a note on a binary file beside a change that it can read",
    "content.nul": "git takes NUL bytes in text",
    "mode.unknown": "git overlooks a mode that it does not know",
    "path.absolute": "git makes an absolute path relative by `-p1`",
    "apply.postimage": "git does not compare a text's result with the id that the patch names",
    "apply.preimage": "git does not need the id of a text that it changes",
    "content.mismatch": "git takes a change whose result is not what the patch names",
}
"""Refusals of what git takes, each with its reason. Of `apply.*` see also `listed`."""
TOKENS = (
    *(b"@@ -1 +1 @@\n", b"@@\n", b"--- a/a\n+++ b/a\n", b"diff --git a/a b/a\n", b"\\ No newline at end of file\n"),
    *(b"-- \n", b"\n", b"+", b"-", b" ", b"\r", b"\0", b"```\n", b"new file mode 100755\n", b"rename from a\n"),
    *(b"/dev/null", b"../", b".git/", b'"', b"\t", b"deleted file mode 100644\n", b"index 0000000..1111111\n"),
    *(b"GIT binary patch\n", b"old mode 100644\nnew mode 100755\n", b"Only in x: y\n", b"text\n"),
)  # fmt: skip


class World(NamedTuple):
    """A repository with the trees that the examples apply to."""

    folder: Path
    repo: Path
    examples: list[Example]


def mutant(rng: random.Random, patch: bytes, other: bytes) -> bytes:
    """One to three damages: bytes and lines flipped, dropped, doubled, moved, put in, cut, or taken from another."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(patch) + 1)
        act = rng.randrange(12)
        if act == 0:
            patch = patch[:at] + bytes((rng.randrange(256),)) + patch[at + 1 :]
        elif act == 1:
            patch = patch[:at] + patch[at + rng.randint(1, 4) :]
        elif act == 2:
            patch = patch[:at] + patch[at : at + rng.randint(1, 40)] + patch[at:]
        elif act == 3:
            patch = patch[:at] + rng.choice(TOKENS) + patch[at:]
        elif act == 4:
            patch = patch[:at] if rng.random() < 0.5 else patch[at:]
        elif act == 5:
            patch = re.sub(rb"\d+", lambda m: _number(rng, m[0]), patch)
        elif act == 6:
            patch = patch[:at] + other[rng.randrange(len(other) + 1) :]
        else:
            patch = _lines(rng, patch)
    return patch


def _number(rng: random.Random, digits: bytes) -> bytes:
    if rng.random() < 0.9 or len(digits) > 5:
        return digits
    return str(max(0, int(digits) + rng.choice((-2, -1, 1, 3, 70)))).encode()


def _lines(rng: random.Random, patch: bytes) -> bytes:
    lines = patch.split(b"\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    act = rng.randrange(6)
    if act == 0:
        del lines[at]
    elif act == 1:
        lines.insert(at, lines[at])
    elif act == 2:
        lines[at], lines[to] = lines[to], lines[at]
    elif act == 3:
        lines[at] = rng.choice((b" ", b"+", b"-", b"\\", b"")) + lines[at][1:]
    elif act == 4:
        lines.insert(to, rng.choice(TOKENS).rstrip(b"\n"))
    else:
        lines[at : at + 3] = reversed(lines[at : at + 3])
    return b"\n".join(lines)


def make_world(folder: Path, seeds: range) -> World:
    repo, examples = treegen.make_examples(folder, seeds)
    return World(folder, repo, examples)


def mutants(world: World, rng: random.Random, each: int) -> list[Example]:
    """`each` mutants of every example, with git's verdicts."""
    found = []
    for this in world.examples:
        for _ in range(each):
            patch = mutant(rng, this.patch, rng.choice(world.examples).patch)
            found.append(replace(this, patch=patch, spoiled="mutant", verdict=None))
    treegen._judge(world.repo, Path(tempfile.mkdtemp(dir=world.folder)) / "judged", found)
    return found


Outcome = Composed | Conflict | Finding


def ours(composer: Composer, this: Example, patch: Patch) -> Outcome:
    """What we make of a patch on the example's tree."""
    if not patch.changes:
        return patch.findings[0]
    number = composer.objects.begin()
    try:
        outcome = composer.compose(Oid(this.onto_id), patch)
        if isinstance(outcome, Composed):
            wrong = composer.landed_matches(Oid(this.onto_id), outcome, patch)
            if wrong is not None:  # the second look at the result; it never lands
                return Conflict((wrong,))
        return outcome
    finally:
        composer.objects.discard(number)


def listed(this: Example, patch: Patch, outcome: Conflict | Finding) -> bool:
    """Whether a refusal of what git takes is on the list."""
    finding = outcome if isinstance(outcome, Finding) else outcome.findings[0]
    if finding.code in STRICTER:
        return True
    changes = [c for c in patch.changes if c.path == finding.path]
    if finding.code == "apply.already_applied":
        # git makes nothing of it, or takes a hunk without a firm place a second time
        return this.verdict == this.onto_id or _bare([h for c in patch.changes for h in c.hunks])
    if finding.code == "apply.wrong_mode":
        # git overlooks a mode behind what is too long to be an id
        ids = [oid for c in changes for oid in (c.old_oid, c.new_oid)]
        return any(oid is None or len(oid) > 40 for oid in ids)
    if finding.code == "apply.exists":
        # without `diff --git`, a change without old lines fills an empty file for git
        fills = any(c.op == "add" and c.old_path == c.new_path for c in changes)
        return fills and this.onto[finding.path or b""][1] == b""
    if finding.code == "apply.no_such_file":
        # without `diff --git`, a change without old lines makes the file for git, whatever lines it names
        return any(c.old_mode is None and not any(h.old for h in c.hunks) for c in changes)
    # git puts a hunk without context at the end, and one that ends without a line feed before a longer line
    hunks = [h for c in patch.changes for h in c.hunks if h.line == finding.line]
    return finding.code == "apply.conflict" and _bare(hunks)


def _bare(hunks: Sequence[Hunk]) -> bool:
    """All hunks lack context, or a line feed at the end of their old lines; there are some."""
    return bool(hunks) and all(
        (not h.leading and not h.trailing) or not h.old.endswith(b"\n") for h in hunks
    )


def differences(
    composer: Composer, examples: list[Example], counts: Counter[str]
) -> Iterator[tuple[str, bytes]]:
    """Every unlisted difference, with the mutant."""
    for this in examples:
        patch = patchfile.read(this.patch, LIMITS)
        outcome = ours(composer, this, patch)
        if isinstance(outcome, Composed):
            counts["taken"] += 1
            if this.verdict != outcome.tree:
                what = "git refuses it" if this.verdict is None else "another tree"
                yield f"{what}: {this.said!r}", this.patch
        elif this.verdict is None:
            counts["refused"] += 1
        elif listed(this, patch, outcome):
            finding = outcome if isinstance(outcome, Finding) else outcome.findings[0]
            counts[f"stricter: {finding.code}"] += 1
        else:
            yield f"git takes it: {outcome}", this.patch


def offers(composer: Composer, examples: list[Example]) -> Iterator[tuple[Example, str]]:
    """The repaired readings of refused mutants, as examples of their own, with our tree."""
    for this in examples:
        patch = patchfile.read(this.patch, LIMITS)
        if patch.changes:
            continue
        tip = Tip(composer.objects, Oid(this.onto_id))
        found = repair.read(
            this.patch, tip.content, LIMITS, refusal=patch.findings[0], known_paths=tip.ending
        )
        if isinstance(found, Repaired):
            outcome = ours(composer, this, found.patch)
            # A full `index` line that was typed may name another result.
            tree = outcome.tree if isinstance(outcome, Composed) else ""
            yield replace(this, patch=found.diff, verdict=None), tree


def check(world: World, rng: random.Random, each: int, counts: Counter[str]) -> list[object]:
    """One round; returns what is wrong."""
    examples = mutants(world, rng, each)
    with Objects(discover(str(world.repo))) as objects:
        composer = Composer(objects, LIMITS)
        wrong: list[object] = list(differences(composer, examples, counts))
        offered = list(offers(composer, examples))
    if offered:
        again = [this for this, _ in offered]
        treegen._judge(world.repo, Path(tempfile.mkdtemp(dir=world.folder)) / "judged", again)
    for this, tree in offered:
        counts["repaired"] += 1
        if tree and this.verdict != tree:
            wrong.append(("a repaired reading is not git's", this.said, this.patch))
    return wrong


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: git is run thousands of times."""
    fast = "/dev/shm"
    folder = Path(tempfile.mkdtemp(dir=fast if os.access(fast, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def test_a_seeded_slice(memory: Path) -> None:
    counts: Counter[str] = Counter()
    world = make_world(memory, range(500_000, 500_120))
    assert check(world, random.Random(1), 5, counts) == []
    assert counts["taken"] > 25
    assert counts["refused"] > 200
    assert counts["repaired"] > 5


def test_it_can_fail(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the list as it is, a parser that loses a file is seen; and so is one that refuses what the list does not name."""
    world = make_world(memory, range(500_000, 500_040))
    assert check(world, random.Random(1), 3, Counter()) == []
    real = patchfile.read

    def loses_one(*args: Any, **kwargs: Any) -> Patch:
        patch = real(*args, **kwargs)
        return patch._replace(changes=patch.changes[:-1]) if len(patch.changes) > 1 else patch

    with monkeypatch.context() as patched:
        patched.setattr(patchfile, "read", loses_one)
        assert check(world, random.Random(1), 3, Counter()) != []
    monkeypatch.delitem(STRICTER, "parse.truncated")
    monkeypatch.delitem(STRICTER, "parse.hunk_body")
    assert check(world, random.Random(1), 3, Counter()) != []


@pytest.mark.nightly
def test_for_ten_minutes(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = float(os.environ.get("FUZZ_SECONDS", NIGHTLY_SECONDS))
    seed = int(os.environ.get("FUZZ_SEED", secrets.randbelow(10**9)))
    ends = time.monotonic() + seconds
    counts: Counter[str] = Counter()
    wrong: list[object] = []
    number = 0
    while time.monotonic() < ends and not wrong:
        folder = memory / str(number)
        folder.mkdir()
        world = make_world(folder, range(seed + 100 * number, seed + 100 * (number + 1)))
        wrong = check(world, random.Random(seed + number), 6, counts)
        shutil.rmtree(folder)
        number += 1
    with capsys.disabled():
        sys.stdout.write(f"\nfuzz: seed {seed}, {number} rounds: {told(counts)}\n")
    assert wrong == [], f"FUZZ_SEED={seed}, round {number - 1}"
