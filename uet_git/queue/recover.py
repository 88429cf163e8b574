"""recover: finishes or gives back what a killed process left behind. Runs under the queue lock, before anything else.

What to do is a pure function of the open intents and where the branches are (DESIGN 10); every act is idempotent.
"""

from collections.abc import Callable, Sequence

from uet_git.host import files, process
from uet_git.ledger import connection
from uet_git.ledger.ledger import Writer
from uet_git.model.entry import Entry, Landing
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid, TreeChange
from uet_git.plumbing import leftovers, refs
from uet_git.plumbing.refs import ANY, RefUpdate
from uet_git.plumbing.worktrees import WorkTree
from uet_git.project import Project
from uet_git.queue import handmade
from uet_git.queue.lock import QueueHeld


class Recovered(NamedTuple):
    """What was put right: entries that landed after all, entries queued again, paths that were left to the user."""

    landed: int
    requeued: int
    left: list[str]


def needed(project: Project, run: str = "") -> bool:
    """Whether a killed process left something; cheap, and takes no lock. `run` is the caller's own."""
    ledger = project.ledger
    dead = set(_dead_runs(project, hooks=False)) - {run}
    return bool(ledger.open_landings() or _stranded(project) or dead)


def recover(
    project: Project, held: QueueHeld, run: str, notice: Callable[[str], None]
) -> Recovered:
    """Puts everything right, in the name of `run`. Raises: GitLocked if a foreign lock is in the way."""
    assert held.held
    halves = connection.unfinished(project.ledger_path)
    left_behind = leftovers.left_behind(project.git.common_dir)
    if not (halves or left_behind or needed(project, run)):
        return Recovered(0, 0, [])
    for half in halves:
        half.unlink(missing_ok=True)
    landed, requeued = 0, 0
    _sweep(project, run)
    left: list[str] = []
    for landing in project.ledger.open_landings():
        count, paths = _finish(project, landing, run)
        landed, left = landed + count, left + paths
        requeued += 0 if count else len(landing.commits)
    requeued += _requeue_stranded(project, run)
    close_dead(project, _dead_runs(project), run)
    _drop_pins(project)
    if landed or requeued:
        notice(f"a landing was cut short: {landed} finished, {requeued} queued again")
    for path in left:
        notice(f"left as it is, because it was edited meanwhile: {path}")
    return Recovered(landed, requeued, left)


def _sweep(project: Project, run: str) -> None:
    """Removes locks that were left outside of a landing, each with its event."""
    from uet_git.plumbing.stalelocks import sweep

    dead = [
        project.ledger.runs.get(run_id)
        for run_id in _dead_runs(project, hooks=False)
        if run_id != run
    ]
    began = min((_epoch(r.created_at) for r in dead if r is not None), default=None)
    removed = sweep(project.git, began)
    if removed:
        with project.ledger.write() as write:
            for path in removed:
                write.note("lock_removed", {"path": path}, run=run)


def _finish(project: Project, landing: Landing, run: str) -> tuple[int, list[str]]:
    """One intent: if the branch has it, finish the work trees and commit; else give the entries back."""
    from uet_git.plumbing.stalelocks import remove_stale_locks

    trees = project.worktrees.holding(landing.target)
    pid = landing.pid if landing.boot_id == files.boot_id() else 0
    removed = remove_stale_locks(
        project.git, landing.target, landing.new, _epoch(landing.created_at), trees=trees, pid=pid
    )
    tip = project.tip(landing.target)
    arrived = bool(refs.reachable(project.git, tip, [landing.new]))
    left: list[str] = []
    if arrived:
        left = _repair(project, landing, trees)
    with project.ledger.write() as write:
        for path in removed:
            write.note("lock_removed", {"path": path, "landing_id": landing.landing_id}, run=run)
        for path in left:
            write.note("path_left", {"path": path, "landing_id": landing.landing_id}, run=run)
        if arrived:
            from uet_git.queue import land

            states = {e: _state(project, e) for e, _ in landing.commits}
            land.committed(write, landing, states, run)
        else:
            _give_back(project, write, landing, run)
    return (len(landing.commits) if arrived else 0), left


def _repair(project: Project, landing: Landing, trees: list[WorkTree]) -> list[str]:
    from uet_git.plumbing import bringalong, difference

    old = Oid(landing.old) if landing.old != project.git.zero else None
    before, after = project.tip_tree(old), project.tree_of(Oid(landing.new))
    changes: list[TreeChange] = difference.diff_trees(project.objects, before, after)
    left: list[str] = []
    for tree in trees:
        if tree.path in landing.worktrees and not tree.away:
            found = bringalong.repair(tree, before, after, changes)
            left += [p.decode("utf-8", "backslashreplace") for p in found]
    return left


def _give_back(project: Project, write: Writer, landing: Landing, run: str) -> None:
    from uet_git.queue import land

    entries = [project.ledger.entries.get(entry_id) for entry_id, _ in landing.commits]
    mine = [(e, e.state) for e in entries if e is not None and e.state in ("applied", "verified")]
    land.requeue(write, mine, "queue.recovered", run)
    write.landings.close(landing, "abandoned", "the branch does not have it")


def _state(project: Project, entry_id: str) -> str:
    entry = project.ledger.entries.get(entry_id)
    return entry.state if entry is not None else ""


def _stranded(project: Project) -> list[Entry]:
    """Entries on their way that no open intent names."""
    known = {e for landing in project.ledger.open_landings() for e, _ in landing.commits}
    return [
        e
        for e in project.ledger.entries.in_states(("applied", "verified"))
        if e.entry_id not in known and not handmade.is_hook(e)
    ]


def _requeue_stranded(project: Project, run: str) -> int:
    entries = _stranded(project)
    if entries:
        from uet_git.queue import land

        with project.ledger.write() as write:
            land.requeue(write, [(e, e.state) for e in entries], "queue.recovered", run)
    return len(entries)


def dead_hooks(project: Project) -> list[str]:
    """Runs of hooks whose process is gone."""
    return [r for r in _dead_runs(project) if r not in _dead_runs(project, hooks=False)]


def _dead_runs(project: Project, *, hooks: bool = True) -> list[str]:
    """Runs whose process is gone; the first event of a run names it. Those of `hooks` move no branch."""
    dead = []
    for run in project.ledger.runs.unfinished():
        if run.kind == "hook" and not hooks:
            continue
        pid, boot = project.ledger.process_of(run.run_id)
        if not files.pid_alive(pid, boot):
            dead.append(run.run_id)
    return dead


def close_dead(project: Project, runs: Sequence[str], run: str = "") -> None:
    """Runs and gates of dead processes end as failed and canceled; `run` is the caller's own. Raises: StaleMove."""
    dead = [r for r in runs if r != run]
    if not dead:
        return
    for pid, boot in map(project.ledger.process_of, dead):
        if pid > 0 and boot == files.boot_id():
            process.end_leftovers(pid)
    with project.ledger.write() as write:
        for run_id in dead:
            for gate in project.ledger.gates_of(run=run_id):
                if gate.state == "running":
                    write.gates.move(gate.gate_id, "running", "canceled")
                elif gate.state in ("pending", "blocked"):
                    write.gates.move(gate.gate_id, gate.state, "skipped")
            write.runs.finish(run_id, "failed", "its process is gone")


def _drop_pins(project: Project) -> None:
    """Pins of candidates that are no candidates any more."""
    found = refs.read_all(project.git, "refs/uet/entries")
    stale = [
        ref
        for ref in found
        if _state(project, ref.rpartition("/")[2]) not in ("applied", "verified")
    ]
    project.refs.move([RefUpdate(ref, None, ANY) for ref in stale])


def _epoch(text: str) -> float:
    import datetime as dt  # takes as long to load as three of our modules

    return dt.datetime.fromisoformat(text).timestamp()
