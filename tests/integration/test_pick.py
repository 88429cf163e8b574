"""Picked hunks and the rest are exact patches: git, applying one after the other, gets what it gets from the whole
(DESIGN 12)."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, snapshot, subjects, uet
from uet_git.model import patchfile, pieces
from uet_git.model.records import FileChange
from uet_git.model.settings import Settings

LIMITS = Settings().limits
LINES = [b"line %d\n" % n for n in range(60)]


def _edited(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    made: list[bytes] = []
    for line in lines:
        dice = rng.random()
        if dice < 0.06:
            continue
        made += [b"changed %d\n" % rng.randrange(99)] if dice < 0.12 else [line]
        if dice > 0.95:
            made += [b"more %d\n" % rng.randrange(99)] * rng.randrange(1, 4)
    return made


def _world(rng: random.Random, repo: Path) -> None:
    """Changes the work tree in every way that a patch can say."""
    for name in ("a.txt", "dir/b c.txt", "crlf.txt", "x.sh"):
        lines = _edited(rng, (repo / name).read_bytes().splitlines(keepends=True))
        data = b"".join(lines)
        (repo / name).write_bytes(data.removesuffix(b"\n") if rng.random() < 0.3 else data)
    if rng.random() < 0.7:
        (repo / "x.sh").chmod(0o755)
    if rng.random() < 0.5:
        (repo / "bin").write_bytes(bytes(rng.randrange(256) for _ in range(99)) + b"\0")
    if rng.random() < 0.5:
        git(repo, "mv", "old.txt", "new.txt")
        if rng.random() < 0.5:
            (repo / "new.txt").write_bytes(b"".join([*LINES[:-1], b"end\n"]))
    if rng.random() < 0.5:
        (repo / "gone.txt").unlink()
    if rng.random() < 0.5:
        (repo / "link").unlink()
        (repo / "link").write_bytes(b"a file now\n")
    (repo / "added.txt").write_bytes(b"added\n")


def _check_places(repo: Path, changes: Sequence[FileChange], *, before: bool) -> None:
    """Each hunk names the very lines at which its image stands in the index: git would search for it elsewhere."""
    for change in changes:
        path = change.old_path if before else change.new_path
        if path is None or not change.hunks:
            continue
        lines = git(repo, "show", b":" + path).splitlines(keepends=True)
        for h in change.hunks:
            image, start, count = (
                (h.old, h.old_start, h.old_count) if before else (h.new, h.new_start, h.new_count)
            )
            first = start - 1 if count else start
            assert b"".join(lines[first : first + count]) == image


SEEDS = [*range(4), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(4, 40))]


@pytest.mark.parametrize("seed", SEEDS)
def test_picked_and_rest_make_the_whole(tmp_path: Path, seed: int) -> None:
    """For any choice of pieces, with context or without."""
    rng = random.Random(seed)
    whole = b"".join(LINES)
    crlf = whole.replace(b"\n", b"\r\n")
    repo = make_repo(tmp_path / "repo")
    (repo / "link").symlink_to("a.txt")
    files = {"a.txt": whole, "dir/b c.txt": whole, "crlf.txt": crlf, "x.sh": whole}
    files |= {"old.txt": whole, "gone.txt": b"gone\n", "bin": b"\0\1\2"}
    git(repo, "add", "link")
    commit_files(repo, files, "base")
    base = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    _world(rng, repo)
    git(repo, "add", "-A")
    wanted = git(repo, "write-tree").decode().strip()
    context = rng.choice(("-U0", "-U1", "-U3", "-U10"))
    options = ("--binary", "--full-index", "-M", context)
    data = git(repo, "diff-tree", "-p", *options, base, wanted)
    read = patchfile.read(data, LIMITS)
    cut = pieces.Cut(data, read, 1)
    numbers = [p.number for p in cut.pieces()]
    assert sum(p.insertions for p in cut.pieces()) == read.insertions
    for _ in range(4):
        chosen = [n for n in numbers if rng.random() < 0.5]
        git(repo, "read-tree", base)
        for patch in cut.split(chosen):
            if patch:
                changes = patchfile.read(patch, LIMITS).changes
                assert changes
                _check_places(repo, changes, before=True)
                git(repo, "apply", "--cached", "--unidiff-zero", "-", stdin=patch)
                _check_places(repo, changes, before=False)
        assert git(repo, "write-tree").decode().strip() == wanted
        git(repo, "read-tree", base)
        for piece in cut.pieces():
            git(repo, "apply", "--cached", "--check", "--unidiff-zero", "-", stdin=piece.data)


@pytest.mark.parametrize(("text", "found"), [("1", [1]), ("1,3-4", [1, 3, 4]), ("2-2, 1", [1, 2])])
def test_numbers_are_read(text: str, found: list[int]) -> None:
    """Numbers and ranges, in any order."""
    assert pieces.numbers(text, 4) == found


@pytest.mark.parametrize("text", ["", "0", "5", "3-1", "x", "1-", "1 2", "9999999"])
def test_what_is_no_number_is_told(text: str) -> None:
    """A number that is not there is not passed over."""
    with pytest.raises(ValueError, match=r"."):
        pieces.numbers(text, 4)


BASE = b"".join(LINES)
BOTH = BASE.replace(b"line 5\n", b"five\n").replace(b"line 40\n", b"forty\n")
FIRST = BASE.replace(b"line 5\n", b"five\n")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE})
    (tmp_path / "two.patch").write_bytes(mail("Two things", diff("a.txt", BASE, BOTH)))
    return repo


def test_what_is_picked_lands_and_the_rest_follows(repo: Path) -> None:
    """Of what is only queued, the rest is queued too and waits; author and message stay; the events link all three."""
    uet(repo, "submit", "../two.patch")
    listed = uet(repo, "show", "--hunks", "1", "--json").document
    assert [(h["number"], h["kind"], h["insertions"]) for h in listed] == [
        (1, "hunk", 1),
        (2, "hunk", 1),
    ]
    before = snapshot(repo)
    uet(repo, "pick", "1", "--hunks", "1", "--dry-run")
    assert snapshot(repo) == before
    told = uet(repo, "pick", "1", "--hunks", "1", "--reason", "ripe", "--json").document
    assert [(e["number"], e["revision"], e["state"]) for e in told] == [
        (1, 2, "queued"),
        (2, 1, "queued"),
    ]
    assert {e["author"] for e in told} == {"Pat Ch <pat@example.com>"}
    assert entry(repo, "1.1")["reason"] == "queue.superseded"
    for label in ("1.1", "1.2", "2"):
        event = [e for e in entry(repo, label)["events"] if e["kind"] == "patch_amended"][-1]
        payload = event["payload"]
        assert (payload["picked"], payload["left"], payload["hunks"], payload["why"]) == (
            "1.2",
            "2",
            [1],
            "ripe",
        )
        assert payload.get("made_from", "1") == "1"
        assert event["actor"].startswith("person:")
    uet(repo, "apply", "1")
    assert git(repo, "show", "main:a.txt") == FIRST
    uet(repo, "apply")
    assert git(repo, "show", "main:a.txt") == BOTH
    assert subjects(repo) == ["base", "Two things", "Two things"]
    uet(repo, "fsck")


def test_the_rest_of_what_was_set_aside_stays_so(repo: Path) -> None:
    """The good hunk lands; the one that does not fit is held until a person releases it, however often it is retried."""
    stale = BASE.replace(b"line 41\n", b"other\n")
    patch = diff(
        "a.txt", stale, stale.replace(b"line 5\n", b"five\n").replace(b"line 40\n", b"forty\n")
    )
    (repo.parent / "stale.patch").write_bytes(mail("Stale", patch))
    uet(repo, "apply", "../stale.patch", code=1)
    uet(repo, "pick", "1", "--hunks", "1")
    held = entry(repo, 2)
    assert (held["state"], held["reason"]) == ("quarantined", "queue.rest_of_pick")
    uet(repo, "retry", "2", code=2)
    uet(repo, "apply")
    assert git(repo, "show", "main:a.txt") == FIRST
    assert entry(repo, 2)["state"] == "quarantined"
    uet(repo, "release", "2", "--reason", "try it")
    assert entry(repo, 2)["state"] == "queued"
    uet(repo, "fsck")


@pytest.mark.parametrize(
    ("hunks", "said"),
    [("1,2", "whole"), ("3", "not among"), ("x", "not a number"), (None, "--hunks")],
)
def test_what_cannot_be_picked_changes_nothing(repo: Path, hunks: str | None, said: str) -> None:
    """All of them, a number that is not there, or nobody to ask: exit 2."""
    uet(repo, "submit", "../two.patch")
    before = snapshot(repo)
    options = [] if hunks is None else ["--hunks", hunks]
    assert said in uet(repo, "pick", "1", *options, code=2).said
    assert snapshot(repo) == before
    assert entry(repo, 1)["state"] == "queued"


def test_agents_pick_from_their_own_only(repo: Path) -> None:
    """As with drop: what another handed in is a person's to cut."""
    uet(repo, "submit", "../two.patch")
    uet(repo, "pick", "1", "--hunks", "1", env={"UET_ORIGIN": "tool"}, code=2)
    (repo.parent / "own.patch").write_bytes(mail("Own", diff("b.txt", BASE, BOTH)))
    uet(repo, "submit", "../own.patch", "--origin", "tool")
    uet(repo, "pick", "2", "--hunks", "1", env={"UET_ORIGIN": "tool"})
    assert entry(repo, 3)["submitter"] == "agent:tool"
