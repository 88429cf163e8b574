"""Moves refs by compare-and-swap, and answers what is reachable from what.

One `git update-ref --stdin` child carries every transaction of a process: a spawn per landing would cost more than
the landing (DESIGN 10). A kill can leave any prefix of a transaction's updates; recovery accepts each of them.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

from uet_git.errors import GitFailed, MissingObject
from uet_git.host import process
from uet_git.host.process import Completed
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.plumbing.git import Begun, Git, failure

ANY: Final = "*"
_LOST = late(
    r"cannot lock ref '(?P<ref>.+?)': (?:is at (?P<at>[0-9a-f]+) but expected|reference already exists"
    r"|reference is missing|unable to resolve reference '(?P=ref)'$)",
    re.MULTILINE,
)
_EXACT_SCAN = 4


def branch_ref(name: str) -> str:
    """The full ref name of a branch, given short or full."""
    return name if name.startswith("refs/") else f"refs/heads/{name}"


def log_ref(ledger: str) -> str:
    """The ref that anchors the event log of the ledger with that id."""
    return f"refs/uet/log/{ledger}"


def entry_ref(ulid: str) -> str:
    """The ref that pins the candidate of one entry against gc."""
    return f"refs/uet/entries/{ulid}"


class RefUpdate(NamedTuple):
    """One ref's move. None means that the ref does not exist; `old` may be ANY."""

    ref: str
    new: str | None
    old: str | None


class Lost(NamedTuple):
    """A compare-and-swap that someone else won: nothing moved. `at` is where `ref` is instead, where git says so."""

    ref: str
    at: str | None


class RefWriter:
    """Moves refs of one repository through one long-lived child, started when first needed."""

    def __init__(self, git: Git, reason: str = "uet-git") -> None:
        self._git = git
        self._reason = reason
        self._child: process.Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child that will do the next move; an intent records it beforehand."""
        return self._running().pid

    def move(
        self, updates: Sequence[RefUpdate | tuple[str, str | None, str | None]]
    ) -> Lost | None:
        """Moves all refs or none, in this order; returns None when they moved.

        When the child is killed in the middle any prefix of `updates` may have happened.
        Raises: GitLocked (a lock is in the way), DiskFull, GitFailed (git refuses, or died half-way).
        """
        if not updates:
            return None
        script = [b"start\n", *(self._line(RefUpdate(*u)) for u in updates), b"prepare\ncommit\n"]
        said = self._talk(b"".join(script))
        if said is None:
            return None
        if lost := _LOST.search(os.fsdecode(said.err)):
            return Lost(lost["ref"], lost["at"])
        if not said.err.strip() and self._arrived(updates):
            return None
        raise failure(("update-ref",), said)

    def close(self) -> None:
        """Ends the child. The writer may be used again; it then starts another."""
        child, self._child = self._child, None
        if child is not None:
            _reap(child)

    def _running(self) -> process.Child:
        if self._child is not None and self._child.poll() is not None:
            self.close()
        if self._child is None:
            self._child = self._git.start(
                "update-ref", "-m", self._reason, "--stdin", stderr=process.PIPE
            )
        return self._child

    def _line(self, update: RefUpdate) -> bytes:
        ref, new, old = update
        zero = self._git.zero
        expected = "" if old == ANY else f" {old or zero}"
        gone = new is None or new == zero
        if gone:
            expected = "" if old in (None, zero) else expected
        verb = f"delete {ref}{expected}" if gone else f"update {ref} {new}{expected}"
        if "\n" in verb or "\0" in verb:
            raise GitFailed(f"not a ref name: {ref!r}")
        return os.fsencode(verb) + b"\n"

    def _talk(self, script: bytes) -> Completed | None:
        """Sends one transaction; None if git says it is committed, else the dead child's last words."""
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(script)
            child.stdin.flush()
            for _ in range(3):
                answer = child.stdout.readline()
            if answer == b"commit: ok\n":
                return None
        except BrokenPipeError:
            pass
        except BaseException:
            process.kill_group(child)
            self._child = None
            raise
        self._child = None
        return _reap(child)

    def _arrived(self, updates: Iterable[RefUpdate | tuple[str, str | None, str | None]]) -> bool:
        """Whether every ref is where it should be, after a child that died without a word."""
        zero = self._git.zero
        return all(
            read(self._git, ref) == (None if new == zero else new) for ref, new, _ in updates
        )


def _reap(child: process.Child) -> Completed:
    assert child.stdin is not None
    assert child.stderr is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    said = child.stderr.read()
    child.stderr.close()
    if child.stdout is not None:
        child.stdout.close()
    return Completed(child.wait(), b"", said)


def read(git: Git, ref: str) -> str | None:
    """Where `ref` (a full name) points; None if there is no such ref."""
    done = git.run("show-ref", "--verify", "--hash", "--", ref, check=False)
    if done.code == 0:
        return done.out.decode().strip()
    if b"not a valid ref" in done.err:
        return None
    raise failure(("show-ref",), done)


def read_all(git: Git, prefix: str) -> dict[str, str]:
    """Every ref under `prefix` (whole name parts: `refs/uet/entries`), to its object id."""
    return _listed(_list(git, prefix).end())


def ask_branches(git: Git) -> Begun:
    """Has git list the branches, for `branches`."""
    return _list(git, "refs/heads")


def branches(git: Git, asked: Begun | None = None) -> dict[str, str]:
    """Every branch that the ledger can watch, by its full name, to its tip: the name must be UTF-8."""
    tips = _listed((asked or ask_branches(git)).end())
    return {r: tip for r, tip in tips.items() if os.fsencode(r).decode(errors="replace") == r}


def _list(git: Git, prefix: str) -> Begun:
    return git.begin("for-each-ref", "--format=%(objectname) %(refname)", prefix)


def _listed(done: Completed) -> dict[str, str]:
    rows = (line.split(" ", 1) for line in os.fsdecode(done.out).split("\n")[:-1])
    return {ref: oid for oid, ref in rows}


def merge_base(git: Git, a: str, b: str) -> str | None:
    """The best common ancestor of two commits, None if they share no history. Raises: GitFailed."""
    done = git.run("merge-base", a, b, check=False)
    if done.code not in (0, 1):
        raise failure(("merge-base",), done)
    return done.out.decode().strip() or None


def is_ancestor(git: Git, a: str, b: str) -> bool:
    """Whether commit `a` is `b` or one of its ancestors; False if the repository lacks `a` (it was never kept).

    Raises: MissingObject if the repository lacks `b`.
    """
    done = git.run("merge-base", "--is-ancestor", a, b, check=False)
    if done.code in (0, 1):
        return done.code == 0
    kept = present(git, (a, b))
    if b not in kept:
        raise MissingObject(b)
    if a not in kept:
        return False
    raise failure(("merge-base",), done)


def present(git: Git, oids: Iterable[str]) -> set[str]:
    """Those of `oids` that the repository holds as commits, in one process."""
    asked = list(dict.fromkeys(oids))
    if not asked:
        return set()
    out = git.run(
        "cat-file", "--batch-check=%(objecttype)", stdin="".join(f"{o}\n" for o in asked).encode()
    ).out
    return {oid for oid, kind in zip(asked, out.splitlines(), strict=True) if kind == b"commit"}


def reachable(git: Git, tip: str | None, oids: Iterable[str]) -> set[str]:
    """Those of `oids` (commits) that are `tip` or its ancestors. Two processes, however many are asked.

    In a shallow clone an ancestor beyond the cut counts as not reachable: see `is_shallow`.
    """
    kept = present(git, oids) if tip else set()
    if tip is None or not kept:
        return set()
    asked = "".join(f"{oid}\n" for oid in [*kept, f"^{tip}"])
    beyond = set(git.run("rev-list", "--stdin", stdin=asked.encode()).out.decode().split())
    doubtful = kept & beyond
    # The limited walk orders by date and can be wrong under a clock that jumped: what it denies is asked exactly.
    if len(doubtful) > _EXACT_SCAN:
        history = set(git.run("rev-list", tip).out.decode().split())
        return (kept - doubtful) | (doubtful & history)
    return (kept - doubtful) | {oid for oid in doubtful if is_ancestor(git, oid, tip)}


def is_shallow(git: Git) -> bool:
    """Whether this is a shallow clone, where a "no" of `reachable` may only mean "not known"."""
    return os.path.exists(os.path.join(git.common_dir, "shallow"))
