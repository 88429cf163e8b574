"""line: the tick. Walks the queue until nothing moves: every eligible entry is tried once, in order (DESIGN 5, 14)."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from typing import Any

from uet_git.errors import QueueBusy, UetError
from uet_git.host import files
from uet_git.host.files import Holder
from uet_git.model import order
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor, lock, recover
from uet_git.queue.land import Lander
from uet_git.queue.lock import QueueHeld
from uet_git.queue.progress import Listener, Report
from uet_git.queue.walk import Walk


class Drain:
    """One drain of the queue under the queue lock. `wanted` limits it to these entry ids."""

    def __init__(
        self,
        project: Project,
        held: QueueHeld,
        run: str,
        listener: Listener | None = None,
        wanted: Collection[str] | None = None,
    ) -> None:
        self.project = project
        self.run = run
        self.listener = listener or Listener()
        self.wanted = wanted
        self.report = Report(run=run)
        self.lander = Lander(project, held, run)

    def drain(self) -> Report:
        """Tries what is queued, and what arrives meanwhile.

        Raises: TipMoving, and what git, the disk and the ledger raise.
        """
        told: set[str] = set()
        while self.report.paused is None:
            line = [e for e in self.entries() if e.entry_id not in self.report.tried]
            fresh = [e for e in line if e.state == "queued" and e.entry_id not in told]
            if fresh:
                self.listener.starting(fresh)
                told.update(e.entry_id for e in fresh)
            targets = dict.fromkeys(e.target for e in line)
            moved = [self._walk(t, [e for e in line if e.target == t]) for t in targets]
            if not any(moved):
                break
        self._hold_rollbacks()
        self._pause_broken()
        return self.report

    def _walk(self, target: str, line: Sequence[Entry]) -> bool:
        walk = Walk(self.project, self.lander, self.report, self.listener, target)
        with closing(walk):
            return walk.walk(line)

    def _hold_rollbacks(self) -> None:
        """A rollback that failed is set aside whole, not tried again by itself."""
        aside = self.project.ledger.entries.by_ids(self.report.aside)
        if any(e.rollback_of is not None for e in aside):
            from uet_git.queue import rollback

            held = rollback.hold(self.project, self.report.aside, self.run)
            for entry in held:
                self.report.waiting.pop(entry.entry_id, None)

    def _pause_broken(self) -> None:
        """Pauses the targets that fail their own gates, as nothing that was tried mended them (DESIGN 5)."""
        for target, waiting in self.report.broken.items():
            detail = f"{next(iter(waiting.values()))} ({len(waiting)} wait)"
            with self.project.ledger.write() as write:
                write.landings.pause(target, "gate.base_broken", detail, self.project.actor)
            self.report.paused = self.report.paused or "gate.base_broken"

    def entries(self) -> list[Entry]:
        """Entries that may be tried, in queue order."""
        found = self.project.ledger.entries.in_states(("queued", "apply_failed"))
        if self.wanted is not None:
            found = [e for e in found if e.entry_id in self.wanted]
        return order.in_line(found)


def with_needs(project: Project, entries: Collection[Entry]) -> set[str]:
    """Ids of these entries and of everything that they wait for; an all-or-nothing series comes whole."""
    ledger = project.ledger.entries
    found: dict[str, Entry] = {}
    reach: dict[str, int] = {}  # for each series, how far it is wanted
    line = list(entries)
    while line:
        entry = line.pop()
        if entry.entry_id in found:
            continue
        found[entry.entry_id] = entry
        line += [e for n in entry.depends_on if (e := ledger.revision(n)) is not None]
        if entry.series_id is not None:
            reach[entry.series_id] = max(reach.get(entry.series_id, 0), entry.series_index or 0)
        if line:
            continue
        for series_id, last in reach.items():
            whole = ledger.series(series_id)
            if (
                whole is not None
                and sum(e.series_id == series_id for e in found.values()) >= whole.total
            ):
                continue
            members = order.newest_revisions(ledger.of_series(series_id)).values()
            atomic = whole is not None and bool(whole.atomic)
            line += [m for m in members if atomic or (m.series_index or 0) <= last]
        line = [e for e in line if e.entry_id not in found]
    return set(found)


def apply(
    project: Project,
    wanted: Callable[[str], Collection[Entry] | None],
    listener: Listener,
    *,
    wait: bool = True,
    on_wait: Callable[[Holder | None], None] | None = None,
    kind: str = "apply",
) -> Report:
    """One `uet-git apply`, or rollback: a run of `kind` that drains the queue, or lands what `wanted` returns.

    `wanted` is given the run's id.

    Raises: QueueBusy (`wait` is off), TipMoving, and what git, the disk and the ledger raise; the run then failed.
    """
    process: dict[str, Any] = {"pid": os.getpid(), "boot_id": files.boot_id()}
    overrides = project.overrides()
    if overrides:
        process["overrides"] = overrides
    with project.ledger.write() as write:
        run = write.runs.start(kind, project.actor, process)
    try:
        entries = wanted(run)
        with lock.hold(project, wait=wait, on_wait=on_wait) as held:
            recover.recover(project, held, run, listener.notice)
            ids = None if entries is None else with_needs(project, entries)
            report = Drain(project, held, run, listener, ids).drain()
    except BaseException as exc:
        finish_run(
            project,
            run,
            "canceled" if isinstance(exc, QueueBusy | KeyboardInterrupt) else "failed",
            exc,
        )
        raise
    finish_run(project, run, "succeeded", None)
    anchor.anchor_now(project)
    return report


def finish_run(project: Project, run: str, state: str, exc: BaseException | None) -> None:
    """Ends the run; a world too broken for that must not hide why it broke."""
    reason = None if exc is None else getattr(exc, "code", type(exc).__name__)
    try:
        with project.ledger.write() as write:
            write.runs.finish(run, state, reason)
    except (UetError, OSError):
        if exc is None:
            raise
