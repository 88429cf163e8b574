"""land: moves the branch to what was verified, and everything that hangs on it, in three durable steps (DESIGN 10).

1. One transaction: entries `verified`, and the intent. The objects are on disk before.
2. One ref transaction: the branch, then the log ref; then the work trees that have the branch checked out.
3. One transaction: `committed`.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

from uet_git.errors import GitLocked, UetError
from uet_git.host import files
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Writer
from uet_git.ledger.runs import Attempt
from uet_git.model import display
from uet_git.model.entry import Entry, Landing
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid, TreeChange
from uet_git.plumbing.bringalong import BringAlong, Refused
from uet_git.plumbing.refs import RefUpdate, entry_ref
from uet_git.plumbing.worktrees import WorkTree
from uet_git.project import Project
from uet_git.queue import anchor, set_aside
from uet_git.queue.compare import Comparison
from uet_git.queue.lock import QueueHeld
from uet_git.queue.pending import Pending
from uet_git.queue.stage import Staged

_SOON: Final = 0.2  # seconds


class Candidate:
    """A staged entry with its commit. `state` is the entry's state in the ledger; `pinned` whether a ref holds it.

    Times are UTC; `steps` are the attempts that are over and not yet written.
    """

    def __init__(self, staged: Staged, commit: Oid, state: str, started_at: str) -> None:
        self.staged = staged
        self.commit = commit
        self.state = state
        self.started_at = started_at
        self.pinned = False

    @property
    def entry(self) -> Entry:
        """The entry."""
        return self.staged.entry


class Tip(NamedTuple):
    """A branch at one moment: its full name, commit (None: unborn) and tree."""

    target: str
    commit: Oid | None
    tree: Oid


class Blocked(NamedTuple):
    """The landing cannot go ahead now. `paths` are files in the way, empty if the whole target has to wait."""

    code: str
    detail: str
    paths: tuple[bytes, ...]


class Doubted(NamedTuple):
    """Nobody showed that the candidates land as they were submitted."""


class _TakenBack(Exception):  # noqa: N818 - ends a transaction, never leaves this module
    """What was just written is not to count."""


class Lost(NamedTuple):
    """Somebody else moved the branch."""

    ref: str


class Lander:
    """Lands candidates of one drain."""

    def __init__(self, project: Project, held: QueueHeld, run: str) -> None:
        assert held.held
        self.project = project
        self.run = run
        self.last_anchor = anchor.newest(project)

    def land(
        self,
        tip: Tip,
        candidates: Sequence[Candidate],
        before: Pending,
        changes: Sequence[TreeChange],
        proof: Comparison,
    ) -> Blocked | Lost | Doubted | None:
        """Lands candidates in order onto `tip`; None if they landed.

        `before` is what was decided about other entries; it goes into the first transaction.
        `changes` is what differs between the tip's tree and the last candidate's. `proof` tells whether they are what
        was submitted; it may still be looking while the objects and the intent are written, and is asked before the
        intent counts.
        """
        new_log = anchor.prepare(self.project, self.last_anchor)
        self.project.objects.write()
        try:
            return self._land(tip, candidates, before, changes, proof, new_log)
        except _TakenBack:
            proof.holds()  # takes long: nobody waits for us meanwhile
            return self._land(tip, candidates, before, changes, proof, new_log)

    def _land(
        self,
        tip: Tip,
        candidates: Sequence[Candidate],
        before: Pending,
        changes: Sequence[TreeChange],
        proof: Comparison,
        new_log: tuple[RefUpdate, anchor.Anchor] | None,
    ) -> Blocked | Lost | Doubted | None:
        """The landing itself. Raises: _TakenBack if the proof is not there soon; nothing is written then."""
        new = candidates[-1].commit
        with ExitStack() as stack:
            stack.enter_context(self.project.hook_home.landing())
            along = self._prepare(stack, tip, candidates[-1].staged.composed.tree, changes)
            if isinstance(along, Blocked):
                return along
            landing = self._intent(tip, new, candidates, [a.tree for a in along])
            try:
                self._write_intent(landing, candidates, before, proof)
            except _TakenBack:
                if proof.ends_within(0) and not proof.holds():
                    return Doubted()
                raise
            try:
                lost = self._move_refs(tip, new, candidates, new_log)
            except GitLocked as exc:
                # Git says that it moved nothing and holds nothing. Any other end is for recovery to look at.
                with suppress(UetError):
                    self._abandon(landing, candidates, exc.message)
                raise
            if lost is not None:
                self._abandon(landing, candidates, f"{lost.ref} was moved by someone else")
                return lost
            left = [path for each in along for path in _brought(each)]
        with self.project.ledger.write() as write:
            for path in left:
                note = {"path": display.shown(path), "landing_id": landing.landing_id}
                write.note("path_left", note, run=self.run)
            committed(write, landing, {c.entry.entry_id: "verified" for c in candidates}, self.run)
        return None

    def _write_intent(
        self,
        landing: Landing,
        candidates: Sequence[Candidate],
        before: Pending,
        proof: Comparison,
    ) -> None:
        """The first transaction. Raises: _TakenBack if the candidates do not hold, or nobody knows soon."""
        with self.project.ledger.write() as write:
            before.write(write, self.project.ledger.entries, self.run)
            self._verified(write, candidates)
            write.landings.intend(landing)
            if not proof.ends_within(_SOON) or not proof.holds():
                raise _TakenBack
        before.written()

    def _prepare(
        self, stack: ExitStack, tip: Tip, tree: Oid, changes: Sequence[TreeChange]
    ) -> list[BringAlong] | Blocked:
        along = []
        for worktree in self.project.worktrees.holding(tip.target):
            busy = busy_with(worktree, self.project)
            if busy is not None:
                return busy
            each = stack.enter_context(BringAlong(worktree))
            refused = each.prepare(tip.tree, tree, changes)
            if isinstance(refused, Refused):
                return _blocked(worktree, refused)
            along.append(each)
        return along

    def _intent(
        self, tip: Tip, new: Oid, candidates: Sequence[Candidate], worktrees: Sequence[WorkTree]
    ) -> Landing:
        clock = self.project.clock
        return Landing(
            clock.ulid(), self.run, tip.target, tip.commit or self.project.git.zero, new, "intended",
            [t.path for t in worktrees], [[c.entry.entry_id, c.commit] for c in candidates],
            files.boot_id(), self.project.refs.pid, clock.now(), None,
        )  # fmt: skip

    def _verified(self, write: Writer, candidates: Sequence[Candidate]) -> None:
        fresh = [c for c in candidates if c.state != "applied"]
        again = [c for c in fresh if c.state == "apply_failed"]
        write.entries.move(
            [Move(c.entry.entry_id, "apply_failed", "queued", {}, {}) for c in again], run=self.run
        )
        write.entries.move([applied(c) for c in fresh], run=self.run)
        moves = [
            Move(c.entry.entry_id, "applied", "verified", {"tree": c.staged.composed.tree}, {})
            for c in candidates
        ]
        write.entries.move(moves, run=self.run)
        now = self.project.clock.now()
        write.runs.add_steps(
            self.run,
            [
                Attempt(c.entry.entry_id, tool, "succeeded", None, c.started_at, now)
                for c in fresh
                for tool in ("validate", "stage")
            ]
            + [
                Attempt(c.entry.entry_id, "verify", "succeeded", None, c.started_at, now)
                for c in candidates
            ],
        )
        write.runs.count(self.run, {"patches_applied": len(candidates)})

    def _move_refs(
        self,
        tip: Tip,
        new: Oid,
        candidates: Sequence[Candidate],
        log: tuple[RefUpdate, anchor.Anchor] | None,
    ) -> Lost | None:
        """The branch, the log ref, and the pins that are no longer needed, in one ref transaction."""
        pins = [
            RefUpdate(entry_ref(c.entry.entry_id), None, c.commit) for c in candidates if c.pinned
        ]
        for _ in range(3 + len(pins)):
            updates = [RefUpdate(tip.target, new, tip.commit)]
            updates += [log[0]] if log is not None else []
            lost = self.project.refs.move([*updates, *pins])
            if lost is None:
                self.last_anchor = log[1] if log is not None else self.last_anchor
                return None
            if lost.ref == tip.target:
                return Lost(lost.ref)
            # Somebody anchored meanwhile, or a pin is gone: neither is a reason not to land.
            gone = lost.ref
            if log is not None and gone == log[0].ref:
                self.last_anchor, log = anchor.newest(self.project), None
            pins = [p for p in pins if p.ref != gone]
        return Lost(tip.target)

    def _abandon(self, landing: Landing, candidates: Sequence[Candidate], why: str) -> None:
        with self.project.ledger.write() as write:
            requeue(write, [(c.entry, "verified") for c in candidates], "queue.tip_moved", self.run)
            write.landings.close(landing, "abandoned", why)
        for candidate in candidates:
            candidate.state = "queued"


def _brought(along: BringAlong) -> list[bytes]:
    """The paths that were left as they are in a work tree that is brought along."""
    along.begin()
    from uet_git.queue import tie  # noqa: F401 - what a command ends with, loaded while git works

    return along.finish()


def applied(candidate: Candidate) -> Move:
    """queued -> applied, with what was composed."""
    composed = candidate.staged.composed
    attempts = candidate.entry.attempts + 1
    columns: dict[str, Any] = {
        **{
            "tree": composed.tree,
            "rung": composed.rung,
            "proved": composed.proved,
            "attempts": attempts,
        },
        **{"reason": None, "detail": None},
    }
    payload = {
        "tree": composed.tree,
        "rung": composed.rung,
        "proved": composed.proved,
        "attempts": attempts,
    }
    if candidate.staged.notes:
        columns["findings"] = set_aside.with_added(candidate.entry, candidate.staged.notes)
    offsets = [
        [p.path.decode("utf-8", "backslashreplace"), p.hunk, p.line, p.offset]
        for p in composed.placements
        if p.offset
    ]
    if offsets:
        payload["offsets"] = offsets
    return Move(candidate.entry.entry_id, "queued", "applied", payload, columns)


def committed(write: Writer, landing: Landing, states: dict[str, str], run: str) -> None:
    """verified -> committed for every entry of a landing, and the landing is done."""
    now = write.clock.now()
    moves = [
        Move(
            entry,
            "verified",
            "committed",
            {"commit": commit},
            {"commit_id": commit, "landed_by_run": landing.run_id},
        )
        for entry, commit in landing.commits
        if states.get(entry) == "verified"
    ]
    write.entries.move(moves, run=run)
    steps = [Attempt(m.entry_id, "land", "succeeded", None, landing.created_at, now) for m in moves]
    write.runs.add_steps(run, steps)
    write.runs.count(run, {"patches_committed": len(moves)})
    write.rollbacks.landed([m.entry_id for m in moves], run)
    write.handmade.moved(landing.target, landing.old, landing.new)
    write.landings.close(landing, "done")


def requeue(
    write: Writer, entries: Sequence[tuple[Entry, str]], code: str, run: str | None
) -> None:
    """applied or verified -> queued; the attempt does not count, as nothing was wrong with the patch."""
    moves = [
        Move(
            e.entry_id,
            state,
            "queued",
            {"reason": code},
            {"reason": code, "detail": None, "attempts": e.attempts},
        )
        for e, state in entries
    ]
    write.entries.move(moves, run=run)


def busy_with(worktree: WorkTree, project: Project) -> Blocked | None:
    """What the user is in the middle of there, if anything: also a commit that entered our pre-commit."""
    doing = worktree.in_progress()
    if doing is None:
        commit = project.hook_home.running_in(worktree.git.git_dir)
        if commit is None:
            return None
        why = f"{worktree.path}: a commit is under way there (pid {commit.pid})"
        return Blocked("queue.worktree_busy", why, ())
    return Blocked("queue.worktree_busy", f"{worktree.path} is in the middle of a {doing}", ())


def _blocked(worktree: WorkTree, refused: Refused) -> Blocked:
    if not refused.paths:
        return Blocked("queue.worktree_busy", f"{worktree.path}: {refused.why}", ())
    names = ", ".join(os.fsdecode(p) for p in refused.paths[:3])
    more = f" and {len(refused.paths) - 3} more" if len(refused.paths) > 3 else ""
    return Blocked("queue.worktree_dirty", f"{refused.why}: {names}{more}", refused.paths)
