"""Reads patches out of a repository: commit ranges as mails, a work tree's uncommitted changes as a diff.

Byte-exact whatever the user's configuration says, and without a trace in the user's index or object store
(DESIGN 4; 2 P16).
"""

import os
import re
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from uet_git.errors import NoInput, UsageError
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.plumbing import aside
from uet_git.plumbing.git import Git, failure
from uet_git.plumbing.indexlock import copy_index
from uet_git.plumbing.refs import branch_ref, merge_base, read

Kind = Literal["range", "branch", "commit"]
DIFF = (
    "--binary",
    "--full-index",
    "--find-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
)
_MAIL = ("--stdout", "--no-numbered", "--no-signature", "--no-stat", *DIFF)
_FROM = late(rb"^From ([0-9a-f]{40,64}) Mon Sep 17 00:00:00 2001\n", re.MULTILINE)
# As patterns, not as names: git refuses an `add` that names an ignored path, even to leave it out.
_NO_LEDGER = (":(top,exclude,glob).ledge[r]", ":(top,exclude,glob).ledge[r]/**")
_NESTED = late(rb":000000 160000 0+ [0-9a-f]+ A\0([^\0]+)\0")


@dataclass(frozen=True, slots=True)
class Mails:
    """A commit range as mails, oldest first; `commits` are their commits. Empty if the range is.

    `empty` are the commits of the range that change nothing, for which there is no mail.
    """

    mails: tuple[bytes, ...]
    commits: tuple[str, ...]
    empty: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """All of them as one mbox."""
        return b"".join(self.mails)


class MergeInRange(NamedTuple):
    """The range has a merge, which no patch can say."""

    commit: str


class Uncommitted(NamedTuple):
    """A work tree's changes against its HEAD. `base` is that commit (None: unborn); `nested` are the untracked
    repositories inside it that were left out."""

    diff: bytes
    base: str | None
    nested: tuple[bytes, ...] = ()


def classify(git: Git, text: str) -> Kind | None:
    """What `text` names: a range (`A..B`), a branch, another commit; None if none of them."""
    if not text or text.startswith("-") or "\0" in text or "\n" in text:
        return None
    if ".." in text:
        start, dots, end = text.partition("..")
        ends = (start or "HEAD", end or "HEAD")
        is_range = bool(dots) and not end.startswith(".") and all(_commit(git, e) for e in ends)
        return "range" if is_range else None
    branch = branch_ref(text)
    if branch.startswith("refs/heads/") and read(git, branch):
        return "branch"
    return "commit" if _commit(git, text) else None


def is_revision(git: Git, text: str) -> bool:
    """Whether `text` names commits of this repository in any way."""
    return classify(git, text) is not None


def range_mails(git: Git, text: str, target: str = "HEAD") -> Mails | MergeInRange:
    """Reads a range, a branch (what it has beyond its merge base with `target`), or one commit.

    An unborn `target` has nothing yet, so the whole branch is beyond it.

    Raises: NoInput if `text` names no commits, UsageError if it is a branch and shares no history with `target`.
    """
    start, end = _ends(git, text, target)
    asked = [end, *([f"^{start}"] if start else [])]
    rows = git.text("rev-list", "--parents", "--topo-order", "--reverse", *asked).splitlines()
    listed = [row.split(" ") for row in rows]
    for commit, *above in listed:
        if len(above) > 1:
            return MergeInRange(commit)
    if not listed:
        return Mails((), ())
    with tempfile.TemporaryDirectory(prefix="uet-harvest-") as folder:
        plain = aside.make(folder, git)
        root = [] if start else ["--root"]
        out = plain.run(
            *(*aside.OPTIONS, "format-patch", *_MAIL, "--topo-order", *root, *asked),
            env=aside.environment(git),
        ).out
    return _split(out, [row[0] for row in listed])


def squashed(git: Git, text: str, target: str = "HEAD") -> tuple[bytes, str, str | None]:
    """A range or branch as one diff, with a message that lists its commits, and the commit it starts from.

    Merges may be in it. Raises: as `range_mails`.
    """
    start, end = _ends(git, text, target)
    before = start or git.empty_tree
    with tempfile.TemporaryDirectory(prefix="uet-harvest-") as folder:
        plain = aside.make(folder, git)
        diff = plain.run(
            *(*aside.OPTIONS, "diff", *DIFF, before, end, "--"), env=aside.environment(git)
        ).out
    asked = [end, *([f"^{start}"] if start else [])]
    titles = git.text("log", "--reverse", "--no-show-signature", "--format=* %s", *asked)
    return diff, f"Squash {text}\n\n{titles}\n", start


def worktree_diff(git: Git) -> Uncommitted:
    """Reads all uncommitted changes of the work tree that `git` was discovered from, untracked files included.

    Raises: UsageError (no work tree, or unmerged files), GitFailed, DiskFull.
    """
    if git.top is None:
        raise UsageError("a bare repository has no uncommitted changes")
    with tempfile.TemporaryDirectory(prefix="uet-harvest-") as folder:
        return _Snapshot(git, folder).diff()


class _Snapshot:
    """A work tree's files as a tree, made with an index and an object store of its own."""

    def __init__(self, git: Git, folder: str) -> None:
        self._git = git
        self._folder = folder
        self._index = os.path.join(folder, "index")
        self._objects = os.path.join(folder, "objects")
        os.mkdir(self._objects)

    def diff(self) -> Uncommitted:
        base = _commit(self._git, "HEAD")
        copy_index(os.path.join(self._git.git_dir, "index"), self._index)
        if self._run("ls-files", "-u", "-z"):
            raise UsageError("the work tree has unmerged files", next=("git", "status"))
        before = base or self._git.empty_tree
        self._run("add", "-A", "--", ".", *_NO_LEDGER)
        nested = self._drop_nested(before)
        tree = self._run("write-tree").decode().strip()
        plain = aside.make(os.path.join(self._folder, "git"), self._git)
        diff = plain.run(
            *(*aside.OPTIONS, "diff-tree", "-p", *DIFF, before, tree),
            env=aside.environment(self._git, self._objects),
        ).out
        return Uncommitted(diff, base, nested)

    def _drop_nested(self, before: str) -> tuple[bytes, ...]:
        """A clone that lies untracked in the work tree would become a submodule link: it is left out."""
        changed = self._run("diff-index", "--cached", "--raw", "-z", "--no-abbrev", before)
        new = _NESTED.findall(changed)
        known = set()
        if new:
            listed = self._git.run("ls-files", "-s", "-z").out.split(b"\0")
            known = {line.split(b"\t", 1)[1] for line in listed if line.startswith(b"160000 ")}
        nested = tuple(path for path in new if path not in known)
        if nested:
            self._run("update-index", "--force-remove", "-z", "--stdin", stdin=b"\0".join(nested))
        return nested

    def _run(self, *args: str, stdin: bytes = b"") -> bytes:
        objects = aside.quoted(os.path.join(self._git.common_dir, "objects"))
        env = {
            "GIT_INDEX_FILE": self._index,
            "GIT_OBJECT_DIRECTORY": self._objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }
        off = (
            *("-c", "advice.addEmbeddedRepo=false", "-c", "core.splitIndex=false"),
            *("-c", "core.safecrlf=false", "-c", "core.fsync=none"),
        )
        done = self._git.run(*off, *args, stdin=stdin, env=env, check=False)
        if done.code != 0:
            raise failure(args, done)
        return done.out


def _ends(git: Git, text: str, target: str) -> tuple[str | None, str]:
    """The commits that a range lies between; None as start means from the very first on."""
    kind = classify(git, text)
    if kind is None:
        raise NoInput(f"{text}: no such commit, branch or range")
    if kind == "range":
        start, _, end = text.partition("..")
        return _known(git, start or "HEAD"), _known(git, end or "HEAD")
    if kind == "commit":
        tip = _known(git, text)
        return _commit(git, f"{tip}^"), tip
    tip = _known(git, branch_ref(text))
    onto = _commit(git, target)
    base = merge_base(git, onto, tip) if onto else None
    if onto and base is None:
        raise UsageError(f"{text} and {target} share no history")
    return base, tip


def _known(git: Git, text: str) -> str:
    found = _commit(git, text)
    if found is None:
        raise NoInput(f"{text}: no such commit")
    return found


def _commit(git: Git, text: str) -> str | None:
    done = git.run("rev-parse", "-q", "--verify", f"{text}^{{commit}}", check=False)
    return done.out.decode().strip() if done.code == 0 else None


def _split(out: bytes, commits: list[str]) -> Mails:
    """Cuts at git's own `From <commit>` lines: a message cannot hold the id of a commit that comes after it."""
    place = {commit: i for i, commit in enumerate(commits)}
    last = -1
    starts: list[int] = []
    shown: list[str] = []
    for mark in _FROM.finditer(out):
        commit = mark[1].decode()
        if place.get(commit, -1) > last:
            last = place[commit]
            starts.append(mark.start())
            shown.append(commit)
    mails = tuple(out[a:b] for a, b in pairwise([*starts, len(out)]))
    return Mails(mails, tuple(shown), tuple(c for c in commits if c not in set(shown)))
