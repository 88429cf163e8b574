"""provenance: where a commit, or a line of a file, comes from. Writes nothing.

Which change, who handed it in, which run landed it, which gates on which tree, who approved, what was waived
(DESIGN 12, 14).
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from uet_git.errors import NotFound
from uet_git.ledger.gates import GateRow
from uet_git.model.entry import Entry, Event, Run
from uet_git.model.named import NamedTuple
from uet_git.plumbing import blame
from uet_git.plumbing.blame import Lines
from uet_git.project import Project
from uet_git.queue import audit
from uet_git.queue.audit import Audited


class Decision(NamedTuple):
    """What a person decided about an entry: `codes` that were waived (empty for a vote), who, when and why."""

    actor: str
    at: str
    why: str
    codes: tuple[str, ...]


class Origin(NamedTuple):
    """Where a commit comes from. Without `entry` it is none of the queue's or the hooks', and `audited` says all.

    `run` landed it; `gates` are the attempts on its own candidate; `overrides` what was laid over the settings for it.
    """

    audited: Audited
    entry: Entry | None
    run: Run | None
    gates: tuple[GateRow, ...]
    approvals: tuple[Decision, ...]
    waived: tuple[Decision, ...]
    overrides: dict[str, Any]
    landed_at: str | None


class Blamed(NamedTuple):
    """A file's lines in groups, top down, and where each of their commits comes from."""

    path: bytes
    revision: str
    lines: list[Lines]
    origins: dict[str, Origin]


def of_commit(project: Project, revision: str) -> Origin:
    """Where the commit that `revision` names comes from. Raises: NotFound."""
    commit = project.objects.resolve(f"{revision}^{{commit}}")
    if commit is None:
        raise NotFound(f"no such change or commit: {revision}", next=("git", "log", "--oneline"))
    return of_commits(project, [commit])[commit]


def of_commits(project: Project, commits: Iterable[str]) -> dict[str, Origin]:
    """Where each of these commits comes from, by id."""
    audited = audit.classified(project, list(dict.fromkeys(commits)))
    return {commit: _origin(project, found) for commit, found in audited.items()}


def of_file(
    project: Project, path: bytes, revision: str, span: tuple[int, int] | None = None
) -> Blamed:
    """Where each line of a file comes from, as it is in `revision`; `span` is first and last line, from 1.

    Raises: NotFound (no such revision, file or line), ObjectTooLarge, IoFailed (it takes too long).
    """
    commit = project.objects.resolve(f"{revision}^{{commit}}")
    if commit is None:
        raise NotFound(f"no such revision: {revision}", next=("git", "log", "--oneline"))
    lines = blame.of_file(project.git, project.objects, commit, path, span)
    return Blamed(path, commit, lines, of_commits(project, [each.commit for each in lines]))


def _origin(project: Project, found: Audited) -> Origin:
    ledger = project.ledger if project.has_ledger() else None
    entry = ledger.entries.by_commit(found.commit) if ledger is not None else None
    if ledger is None or entry is None:
        return Origin(found, None, None, (), (), (), {}, None)
    events = [(e, json.loads(e.payload)) for e in ledger.events_of(entry=entry.entry_id)]
    run = ledger.runs.get(entry.landed_by_run or "")
    return Origin(
        found,
        entry,
        run,
        tuple(g for g in ledger.gates_of(entry=entry.entry_id) if _is_of(g, entry)),
        _decisions(events, "patch_approved"),
        tuple(d for d in _decisions(events, "patch_released") if d.codes),
        _overrides(project, run),
        next((e.ts for e, _ in events if e.kind == "patch_committed"), None),
    )


def _is_of(gate: GateRow, entry: Entry) -> bool:
    """Whether a gate looked at the tree that landed, and not at one of an earlier attempt or at the target."""
    return gate.purpose == "candidate" and (
        gate.tree == entry.tree or gate.run_id == entry.landed_by_run
    )


def _decisions(events: Sequence[tuple[Event, dict[str, Any]]], kind: str) -> tuple[Decision, ...]:
    return tuple(
        Decision(e.actor, e.ts, str(payload.get("why", "")), tuple(payload.get("waived", ())))
        for e, payload in events
        if e.kind == kind
    )


def _overrides(project: Project, run: Run | None) -> dict[str, Any]:
    """What flags and variables laid over the settings of the run."""
    events = [] if run is None else project.ledger.events_of(run=run.run_id)[:1]
    return {} if not events else dict(json.loads(events[0].payload).get("overrides", {}))
