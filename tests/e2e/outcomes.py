"""What one hostile patch did: the state of its entries, what it cost, and what else changed in and around the repository."""

import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.builders import git
from tests.measured import measured
from tests.product import COMMAND
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import line, submit
from uet_git.queue.options import Options, Source
from uet_git.queue.progress import Listener
from uet_git.queue.submit import Submitted

SECONDS = 2.0  # of the processor
WALL = 60.0  # for machines that do much else
MEGABYTES = 300.0
_OWN = (".git/uet", ".git/refs/uet", ".git/objects", ".git/logs/refs/uet", ".ledger")
"""What the product keeps in a repository; objects are compared apart."""


class World(NamedTuple):
    """A folder with a repository in it: its files, all refs, all objects."""

    files: dict[str, tuple[int, str]]
    refs: dict[bytes, bytes]
    objects: frozenset[bytes]


class Outcome(NamedTuple):
    """What became of a patch."""

    ended: tuple[str, ...]  # `state` or `state: reason`, one for each entry
    seconds: float
    peak: float
    before: World
    after: World
    said: str


def apply(folder: Path, patch: bytes) -> Outcome:
    """Lands a patch in `folder/repo`, or tries to."""
    repo = folder / "repo"
    scratch = folder.parent / f"{folder.name}-input"
    scratch.mkdir()
    (scratch / "in.patch").write_bytes(patch)
    before = world(folder)
    ran = measured([*COMMAND, "apply", scratch / "in.patch", "--json"], repo, scratch, timeout=WALL)
    said = f"exit {ran.code}\n{ran.out[-3000:]!r}\n{ran.err[-1000:]!r}"
    assert b"Traceback" not in ran.out + ran.err, said
    entries = json.loads(ran.out)
    assert isinstance(entries, list), said
    ended = tuple(_ended(e) for e in entries)
    return Outcome(ended, ran.seconds, ran.peak, before, world(folder), said)


def apply_here(folder: Path, patch: bytes) -> Outcome:
    """The same in this process, for patches that cannot be large: many are tried."""
    before = world(folder)
    began = time.process_time()
    with Project.open(str(folder / "repo")) as project:
        project.ensure_ledger()
        options = Options(target=project.target(None, like_am=True))
        source = Source("in.patch", patch)
        done: list[Submitted] = []

        def wanted(run: str) -> list[Entry]:
            done[:] = submit.submit(project, [source], options, run=run)
            return [d.entry for d in done]

        line.apply(project, wanted, Listener())
        stored = project.ledger.entries.by_ids([d.entry.entry_id for d in done])
        entries = [{"state": e.state, "reason": e.reason} for e in stored]
        said = f"{[(e.label, e.state, e.reason, e.detail, e.findings) for e in stored]}"
    spent = time.process_time() - began
    return Outcome(tuple(map(_ended, entries)), spent, 0, before, world(folder), said)


def _ended(entry: Mapping[str, Any]) -> str:
    return f"{entry['state']}: {entry['reason']}" if entry["reason"] else str(entry["state"])


def check(folder: Path, patch: bytes, outcome: Outcome) -> None:
    """Holds what is true of every patch: its bounds, and that nothing changed but what landed."""
    assert outcome.seconds < SECONDS, outcome.said
    assert outcome.peak < MEGABYTES, outcome.said
    assert not glob.glob("/tmp/uet-canary*")
    repo = folder / "repo"
    before, after = outcome.before, outcome.after
    landed = [e == "committed" for e in outcome.ended]
    named = set(
        git(repo, "rev-list", "--objects", "--no-object-names", "--glob=refs/uet/log").split()
    )
    if any(landed):
        assert all(landed)
        _check_landed(repo, patch, outcome)
        named |= set(git(repo, "rev-list", "--objects", "--no-object-names", "main").split())
    else:
        assert after.refs == before.refs
        assert after.files == before.files
    assert after.objects - before.objects <= named
    assert before.objects <= after.objects


def _check_landed(repo: Path, patch: bytes, outcome: Outcome) -> None:
    """One branch moved, to the tree that git makes of the patch; the work tree went along, and nothing else."""
    before, after = outcome.before, outcome.after
    moved = {name for name, oid in after.refs.items() if before.refs.get(name) != oid}
    assert moved == {b"refs/heads/main"}
    assert before.refs.keys() == after.refs.keys()
    old = before.refs[b"refs/heads/main"].decode()
    assert git(repo, "rev-parse", "main^{tree}").decode().strip() == oracle(repo, old, patch)
    assert git(repo, "status", "--porcelain") == b""
    listed = git(repo, "diff", "--no-renames", "--name-only", "-z", old, "main").split(b"\0")
    changed = {f"repo/{os.fsdecode(name)}" for name in listed if name}
    for path in changed:  # folders that came or went with their files
        changed = changed | {str(p) for p in Path(path).parents}
    bookkeeping = {"repo/.git/index", "repo/.git/logs/HEAD", "repo/.git/logs/refs/heads/main"}
    bookkeeping |= {"repo/.git/refs/heads/main", "repo/.git/ORIG_HEAD"}
    touched = {
        p
        for p in before.files.keys() | after.files.keys()
        if before.files.get(p) != after.files.get(p)
    }
    assert touched <= changed | bookkeeping, touched - changed - bookkeeping


def world(folder: Path) -> World:
    """Takes the picture of a folder. What the product notes of itself in git's own files is left out."""
    repo = folder / "repo"
    listed = git(repo, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    refs = dict(line.split(b" ") for line in listed if not line.startswith(b"refs/uet/"))
    ids = git(repo, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
    return World(_files(folder), refs, frozenset(ids.split()))


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for base, folders, files in os.walk(folder):
        above = os.path.relpath(base, folder)
        folders[:] = [n for n in folders if not _is_own(f"{above}/{n}")]
        for name in (*folders, *files):
            place = os.path.normpath(f"{above}/{name}")
            if not _is_own(place):
                found[place] = _content(Path(base) / name, place)
    return found


def _is_own(place: str) -> bool:
    inside = os.path.normpath(place).removeprefix("repo/")
    return any(inside == own or inside.startswith(f"{own}/") for own in _OWN)


def _content(path: Path, place: str) -> tuple[int, str]:
    mode = path.lstat().st_mode
    if path.is_symlink():
        return mode, os.readlink(path)
    if not path.is_file():
        return mode, ""
    data = path.read_bytes()
    if place == "repo/.git/config":
        data = re.sub(rb"\[uet\]\n(?:\t[^\n]*\n)*", b"", data)
    elif place == "repo/.git/info/exclude":
        data = data.replace(b"/.ledger\n", b"")
    return mode, hashlib.sha256(data).hexdigest()


def oracle(repo: Path, base: str, patch: bytes) -> str:
    """The tree that `git apply --cached` makes of a patch on a commit; of a mail, of the diff that git finds in it."""
    scratch = repo.parent.parent / f"{repo.parent.name}-oracle"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    env = {"GIT_INDEX_FILE": str(scratch / "index")}
    git(repo, "read-tree", base, env=env)
    diffs = [patch]
    if re.match(rb"From[: ]", patch):
        (scratch / "in").write_bytes(patch)
        git(repo, "mailsplit", "-b", "--keep-cr", f"-o{scratch}", str(scratch / "in"))
        diffs = []
        for piece in sorted(scratch.glob("0*")):
            with piece.open("rb") as stdin:
                subprocess.run(
                    ["git", "mailinfo", scratch / "message", scratch / "diff"],
                    cwd=repo,
                    stdin=stdin,
                    capture_output=True,
                    check=True,
                )
            diffs.append((scratch / "diff").read_bytes())
    for diff in diffs:
        git(repo, "apply", "--cached", "--whitespace=nowarn", "-", stdin=diff, env=env)
    return git(repo, "write-tree", env=env).decode().strip()
