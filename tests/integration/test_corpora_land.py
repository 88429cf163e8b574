"""Whole real series, landed by the real command, are what upstream and `git am` say they are: every tree, every
author, every message (DESIGN 1, 8, 16). A queue of conflicting patches ends as `git apply` in the same order."""

import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.builders import git
from tests.product import entries, tree, uet

pytestmark = pytest.mark.corpora
_TRAILER = re.compile(rb"Uet-Patch: [0-9A-HJKMNP-TV-Z]{26}\n\Z")
ORDERS = ("natural", "reverse", "shuffle_seed1", "shuffle_seed2", "shuffle_seed3")


class Commit(NamedTuple):
    """The parts of a commit that a patch decides."""

    tree: str
    author: bytes
    encoding: bytes
    message: bytes


def _clone(corpus: Path, where: Path) -> Path:
    subprocess.run(
        ["git", "clone", "-q", "-b", "base", str(corpus / "base.bundle"), str(where)],
        check=True,
        capture_output=True,
    )
    git(where, "remote", "remove", "origin")
    return where


def _landed(repo: Path, base: str) -> list[Commit]:
    """The commits after `base`, oldest first."""
    oids = git(repo, "rev-list", "--reverse", f"{base}..HEAD").split()
    raw = git(repo, "cat-file", "--batch", stdin=b"".join(o + b"\n" for o in oids))
    found, at = [], 0
    for oid in oids:
        head, at = raw[at : (end := raw.index(b"\n", at))], end + 1
        assert head.startswith(oid)
        size = int(head.split()[2])
        headers, _, message = raw[at : at + size].partition(b"\n\n")
        at += size + 1
        fields = dict(line.split(b" ", 1) for line in headers.split(b"\n"))
        found.append(
            Commit(
                fields[b"tree"].decode(), fields[b"author"], fields.get(b"encoding", b""), message
            )
        )
    return found


def _without_trailer(message: bytes) -> bytes:
    """The message before our trailer joined it; the trailer must be there."""
    cut = _TRAILER.search(message)
    assert cut is not None, message
    return message[: cut.start()]


@pytest.mark.parametrize("name", ["httpx", "redis", "newtonsoft"])
def test_a_whole_series_lands_as_git_am_writes_it(corpora: Path, tmp_path: Path, name: str) -> None:
    corpus = corpora / name
    expected: dict[str, Any] = json.loads((corpus / "expected.json").read_bytes())
    mbox = tmp_path / "series.mbox"
    mbox.write_bytes(gzip.decompress((corpus / "series.mbox.gz").read_bytes()))
    ours, theirs = _clone(corpus, tmp_path / "ours"), _clone(corpus, tmp_path / "theirs")
    base = expected["base_commit_bundle"]

    uet(ours, "apply", mbox, timeout=300)
    git(theirs, "am", "-q", "--keep-cr", str(mbox))

    landed, wanted = _landed(ours, base), _landed(theirs, base)
    assert [c.tree for c in landed] == [p["tree"] for p in expected["series"]]
    assert [(c.author, c.encoding) for c in landed] == [(c.author, c.encoding) for c in wanted]
    for mine, am in zip(landed, wanted, strict=True):
        # The trailer joins a block of trailers directly, any other text after one blank line.
        assert _without_trailer(mine.message) in (am.message, am.message + b"\n")
    assert git(ours, "status", "--porcelain") == b""
    git(ours, "fsck", "--strict", "--no-dangling")
    found = entries(ours)
    assert [e["state"] for e in found] == ["committed"] * len(expected["series"])
    assert [e["commit"] for e in found] == git(
        ours, "rev-list", "--reverse", f"{base}..HEAD"
    ).decode().split()


@pytest.mark.parametrize("order", ORDERS)
def test_a_queue_of_conflicting_patches_ends_as_in_git(
    corpora: Path, tmp_path: Path, order: str
) -> None:
    corpus = corpora / "httpx-conflict"
    queue = json.loads((corpus / "expected.json").read_bytes())["queues"][order]
    topics = re.split(
        rb"(?m)^(?=From [0-9a-f]{40} Mon Sep 17 00:00:00 2001$)",
        gzip.decompress((corpus / "topics.mbox.gz").read_bytes()),
    )[1:]
    repo = _clone(corpus, tmp_path / "repo")
    files = []
    for number in queue["order"]:
        files.append(tmp_path / f"{number:03}.patch")
        files[-1].write_bytes(topics[number])

    uet(repo, "submit", "--independent", *files)
    uet(repo, "apply", code=1)

    wanted = {"applied": "committed", "conflict": "apply_failed"}
    first: dict[
        bytes, str
    ] = {}  # some topics are there twice: to the ledger that is one patch, handed in again
    for number, outcome in queue["outcomes"]:
        first.setdefault(topics[number], wanted[outcome])
    assert [e["state"] for e in entries(repo)] == list(first.values())
    assert tree(repo, "HEAD") == queue["final_tree"]
    assert git(repo, "status", "--porcelain") == b""
    git(repo, "fsck", "--strict", "--no-dangling")
