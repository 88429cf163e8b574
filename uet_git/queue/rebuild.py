"""rebuild: makes the ledger's database again from the log ref, the commits and the quarantine folder (DESIGN 2 P15).

Events are taken as far as each follows from the one before it; rows are the fold of them. What events do not tell comes
from the reports of quarantined patches, from the damaged database as far as it can be read (its patches only with the
hash that their event names), and from the commits. What nobody knows keeps a default and is noted in `unknown_fields`.
"""

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from uet_git.errors import UsageError
from uet_git.host import files
from uet_git.ledger import connection, copies, unknown
from uet_git.ledger import replay as replaying
from uet_git.ledger.ledger import HIGHEST_NUMBER, Ledger
from uet_git.ledger.replay import Replay
from uet_git.ledger.salvage import Salvage
from uet_git.model.named import NamedTuple
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import rebuild_commits
from uet_git.queue.rebuild_sources import Reports, chain

_META: Final = ("hook_journal", "hook_files", "watching_since", "created_at")


class Rebuilt(NamedTuple):
    """What a rebuild made. `lost`: events of the damaged database that do not follow from the others.

    `unknown` counts rows with a field that nobody knows; `aside` is where the damaged database lies now.
    """

    events: int
    entries: int
    lost: int
    refused: int
    unknown: int
    aside: Path | None


def rebuild(project: Project, ledger_id: str) -> Rebuilt:
    """Makes the database again and puts it in place; the caller holds the queue lock.

    Raises: LedgerBusy (another process wrote to it meanwhile), DiskFull, LedgerReadOnly, and what git raises.
    """
    with files.os_errors(f"making {project.home}"):
        project.home.mkdir(mode=0o700, exist_ok=True)
    fresh = project.ledger_path.with_name(f"{project.ledger_path.name}.new-{os.getpid()}-made")
    old = fresh.with_name(f"{project.ledger_path.name}.new-{os.getpid()}-old")
    fresh.unlink(missing_ok=True)
    try:
        with Salvage(project.ledger_path, old) as salvage:
            reports = Reports(project, ledger_id)
            connection.create(fresh, project.clock, {})
            made = _fill(project, fresh, ledger_id, reports, salvage)
            aside = copies.put(fresh, project.ledger_path, project.clock, salvage.is_unchanged)
        project.ledger_path.chmod(0o600)
    finally:
        for leftover in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            leftover.unlink(missing_ok=True)
    with suppress(UsageError):  # somebody else's `.ledger`: doctor tells
        project.link()
    return made._replace(aside=aside)


def _fill(
    project: Project, fresh: Path, ledger_id: str, reports: Reports, salvage: Salvage
) -> Rebuilt:
    def extras(table: str, key: str) -> Mapping[str, Any]:
        told, kept = reports.row(table, key), salvage.row(table, key)
        first = table == "patches" and told.get("content") is not None  # its hash was looked at
        return {**kept, **told} if first else {**told, **kept}

    count = 0
    with replaying.into(fresh, extras) as replay:
        for event in chain(project, refs.log_ref(ledger_id), salvage):
            replay.take(event)
            count = event.seq
        replay.finish()
        rebuild_commits.fill(project, replay)
        replay.set_meta(*_meta(project, ledger_id, replay, reports, salvage).items())
    lost = sum(1 for _ in salvage.events(count))
    with closing(Ledger(fresh, project.clock, project.actor)) as ledger:
        return _told(ledger, replay, lost)


def _meta(
    project: Project, ledger_id: str, replay: Replay, reports: Reports, salvage: Salvage
) -> dict[str, str]:
    """The facts about the ledger itself: those of events, and of the old database where events do not tell."""
    kept = salvage.meta()
    project_id = replay.project_id or kept.get("project_id") or project.clock.ulid()
    numbers = [*reports.numbers(), *salvage.numbers(), 0]
    return {
        **{name: kept[name] for name in _META if name in kept},
        **{"ledger_id": ledger_id, "project_id": project_id},
        HIGHEST_NUMBER: str(max(numbers)),
    }


def _told(ledger: Ledger, replay: Replay, lost: int) -> Rebuilt:
    """The event of the rebuild, with what is unknown since."""
    events, entries = ledger.last_seq(), sum(1 for _ in ledger.entries.pages())
    rows = {k: names for k, names in replay.unknown.items() if names}
    with ledger.write() as write:
        if events == 0:
            ids = {"ledger_id": ledger.ledger_id, "project_id": ledger.project_id}
            write.note("ledger_created", ids)
        payload = {
            **{"events": events, "entries": entries, "lost": lost, "unknown": len(rows)},
            "refused": replay.refused[:100],
        }
        write.note("ledger_rebuilt", payload)
        seq = write.chain.links[-1].seq
        unknown.add(ledger.db, ((t, k, names) for (t, k), names in rows.items()), seq)
    return Rebuilt(events, entries, lost, len(replay.refused), len(rows), None)
