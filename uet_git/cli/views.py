"""Turns entries, runs and events into the documents that `--json` prints (DESIGN 14; schema/entry.v1.json)."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from uet_git.errors import UetError
from uet_git.model import display, order
from uet_git.model.entry import PRIORITIES, Entry, Event, Run, Step, StoredPatch, StoredRepair
from uet_git.model.reasons import REASONS, next_command
from uet_git.model.records import Finding
from uet_git.model.waivers import can_waive
from uet_git.project import Project
from uet_git.queue import handmade

if TYPE_CHECKING:
    from uet_git.queue.locate import Locator

REWORKS: Final = 20
"""Entries of one call that say what is needed to mend them."""


class Viewer:
    """Makes entry documents; looks up series and dependencies once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._waiting: dict[str, order.Waiting] = {}
        self._untrusted: dict[str, Finding | None] = {}
        self._reworks = 0
        self._locator: Locator | None = None

    def entry(self, entry: Entry) -> dict[str, Any]:
        """The document of one entry."""
        files, insertions, deletions = self.project.ledger.entries.sizes(entry.patch_id)
        reason, detail = self.reason(entry)
        return {
            "v": 1,
            **{"id": entry.entry_id, "number": entry.number, "revision": entry.revision},
            **{"series": entry.series_id, "series_index": entry.series_index},
            **{
                "state": entry.state,
                "reason": reason,
                "detail": detail,
                "findings": entry.findings,
                "waived": entry.waived or [],
            },
            **{"title": entry.title, "message": entry.message, "author": author(entry)},
            **{"submitter": entry.submitter, "origin": entry.origin, "issue": entry.issue},
            **{"target": entry.target, "priority": PRIORITIES[entry.priority]},
            **{"files": files, "insertions": insertions, "deletions": deletions},
            **{"rung": entry.rung, "proved": entry.proved, "attempts": entry.attempts},
            **{"tree": entry.tree, "commit": entry.commit_id},
            **{"replaces": entry.replaces, "depends_on": entry.depends_on},
            **{"rollback_of": entry.rollback_of, "rolled_back_by": entry.rolled_back_by},
            "waiting_for": self.waiting_for(entry),
            **{"created_at": entry.created_at, "updated_at": entry.updated_at},
            "next": self.next(entry),
        }

    def whole(self, entry: Entry, stored: StoredPatch) -> dict[str, Any]:
        """The entry's document with its events, gates, patch and repaired reading, as `show --json` prints it."""
        from uet_git.queue import content

        ledger = self.project.ledger
        return {
            **self.entry(entry),
            "events": [event(e) for e in ledger.events_of(entry=entry.entry_id)],
            "gates": [gate(g) for g in ledger.gates_of(entry=entry.entry_id)],
            "patch": patch(stored),
            "repaired": repaired(ledger.repair_of(entry.entry_id)),
            "unknown": content.unknown(self.project, entry),
        }

    def rework(self, entry: Entry, *, fits: bool = True) -> dict[str, Any] | None:
        """What is needed to mend a patch that did not land, for the first ones that are asked about; else None.

        One that waits in the queue is asked about only if it does not fit.
        """
        waits = entry.state in ("created", "validated", "queued", "applied", "verified")
        if (waits and fits) or order.is_done(entry) or self._reworks == REWORKS:
            return None
        from uet_git.queue import locate, rework

        self._reworks += 1
        self._locator = self._locator or locate.Locator(self.project)
        with suppress(UetError):  # what cannot be explained was tried all the same
            return rework.packet(self.project, entry, self._locator)
        return None

    def reason(self, entry: Entry) -> tuple[str | None, str | None]:
        """Why an entry is where it is: as recorded; for one in the queue also that its gates are not accepted here."""
        untrusted = self.untrusted(entry.target) if entry.state == "queued" else None
        if untrusted is not None:
            return untrusted.code, untrusted.detail
        return entry.reason, entry.detail

    def untrusted(self, target: str) -> Finding | None:
        """Why the gates of a branch would not run now; None if they would, or its `uet.toml` cannot be read."""
        if target not in self._untrusted:
            from uet_git.queue import trust

            project = self.project
            self._untrusted[target] = None
            with suppress(UetError):
                settings = project.settings_at(project.tip(target))
                self._untrusted[target] = trust.withheld(project, target, settings)
        return self._untrusted[target]

    def waiting_for(self, entry: Entry) -> list[int]:
        """Numbers that must land before this entry; empty for one that is over."""
        if entry.state not in ("created", "validated", "queued", "apply_failed"):
            return []
        if entry.series_id is None and not entry.depends_on:
            return []
        key = entry.series_id or entry.entry_id
        if key not in self._waiting:
            self._waiting[key] = self._look(entry)
        return self._waiting[key].blockers(entry)

    def _look(self, entry: Entry) -> order.Waiting:
        entries = self.project.ledger.entries
        members = [] if entry.series_id is None else entries.of_series(entry.series_id)
        newest = list(order.newest_revisions(members).values())
        numbers = {n for e in (entry, *newest) for n in e.depends_on}
        depended = [found for n in sorted(numbers) if (found := entries.revision(n)) is not None]
        return order.Waiting(newest, depended)

    def next(self, entry: Entry) -> list[list[str]]:
        """Commands that help with this entry, as argv; they work as printed."""
        if entry.state == "committed" and entry.commit_id is not None:
            return [["git", "show", entry.commit_id]]
        if handmade.is_hook(entry):
            return [["uet-git", "show", entry.label], ["git", "status"]]
        if entry.state == "queued":
            reason, _ = self.reason(entry)
            first = self.helps(entry, reason)
            return [first] if first else [["uet-git", "apply", entry.label]]
        if entry.state == "quarantined" or entry.state == "apply_failed":
            again = [["uet-git", "retry", entry.label]] if can_retry(entry) else []
            look, drop = (["uet-git", verb, entry.label] for verb in ("show", "drop"))
            return [look, *again, *self._release(entry), drop]
        return [["uet-git", "show", entry.label]]

    def helps(self, entry: Entry, code: str | None) -> list[str]:
        """The command that helps with an entry that waits for this reason; empty if nothing is to be done."""
        if code == "gate.untrusted":
            from uet_git.queue import trust

            return list(trust.next_command(self.project, entry.target))
        if code == "queue.behind_upstream":
            from uet_git.queue import standstill

            return list(standstill.catch_up(self.project, entry.target))
        return next_command(code, entry.number)

    def _release(self, entry: Entry) -> list[list[str]]:
        """How a person lets a quarantined entry go on, if one may."""
        if entry.state != "quarantined" or self.project.actor.startswith("agent:"):
            return []
        repaired = entry.reason == "parse.repairable"
        if not repaired and not can_waive(entry):
            return []
        how = ["--repaired"] if repaired else []
        return [["uet-git", "release", entry.label, *how, "--reason", "why it may land"]]


def can_retry(entry: Entry) -> bool:
    """Whether trying again, with nothing waived, can end differently."""
    kind = (entry.reason or "").split(".")[0]
    return entry.state == "apply_failed" or kind in ("apply", "gate")


def author(entry: Entry) -> str | None:
    """`Name <address>` as claimed by the patch."""
    return None if entry.author_name is None else f"{entry.author_name} <{entry.author_email}>"


def event(found: Event) -> dict[str, Any]:
    """The document of one event."""
    return {
        **{"seq": found.seq, "event_id": found.event_id, "ts": found.ts, "actor": found.actor},
        **{
            "run": found.run_id,
            "entry": found.entry_id,
            "kind": found.kind,
            "payload": json.loads(found.payload),
        },
        "hash": found.hash,
    }


def run(found: Run, steps: Sequence[Step] | None = None) -> dict[str, Any]:
    """The document of one run, with its steps where given."""
    document: dict[str, Any] = {
        **{
            "v": 1,
            "id": found.run_id,
            "kind": found.kind,
            "state": found.state,
            "reason": found.state_reason,
        },
        **{"requested_by": found.requested_by, "trigger": found.trigger_type},
        **{
            "created_at": found.created_at,
            "started_at": found.started_at,
            "ended_at": found.ended_at,
        },
        "counters": {
            **{"step_attempts": found.step_attempts, "patches_created": found.patches_created},
            **{
                "patches_applied": found.patches_applied,
                "patches_committed": found.patches_committed,
            },
            **{"patches_set_aside": found.patches_set_aside, "errors": found.errors},
        },
    }
    if steps is not None:
        document["steps"] = [
            {
                **{
                    "sequence": s.sequence,
                    "step": s.tool_id,
                    "entry": s.entry_id,
                    "state": s.state,
                },
                **{"reason": s.state_reason, "started_at": s.started_at, "ended_at": s.ended_at},
            }
            for s in steps
        ]
    return document


def why(entry: Entry) -> str:
    """One sentence on an entry's reason, with its detail; empty without one."""
    return because(entry.reason, entry.detail)


def because(reason: str | None, detail: str | None) -> str:
    """A reason code with its detail, or with its sentence where it has none."""
    return "" if reason is None else f"{reason}: {detail or sentence(reason)}"


def sentence(code: str) -> str:
    """What a reason code says; the code itself where it is not known."""
    return REASONS[code].sentence if code in REASONS else code


def size(document: dict[str, Any]) -> str:
    """`1 file, +3 -1`."""
    files = document["files"]
    return f"{files} file{'' if files == 1 else 's'}, +{document['insertions']} -{document['deletions']}"


def gate(found: Any) -> dict[str, Any]:
    """The document of one gate attempt."""
    return {
        **{"id": found.gate_id, "run": found.run_id, "name": found.name, "type": found.gate_type},
        **{"state": found.state, "required": bool(found.required), "tree": found.tree},
        **{"exit_code": found.exit_code, "seconds": found.duration_seconds, "detail": found.detail},
        **{"output": found.output_path, "truncated": bool(found.output_truncated)},
        **{"started_at": found.started_at, "ended_at": found.ended_at},
        **{"purpose": found.purpose, "tier": found.tier, "cached_from": found.cached_from},
        "results": _gate_results(found),
    }


def _gate_results(found: Any) -> dict[str, Any] | None:
    if found.results is None:
        return None
    from uet_git.ledger import documents

    return documents.gate_results(found)


def repaired(stored: StoredRepair | None) -> dict[str, Any] | None:
    """The document of a repaired reading, None without one."""
    if stored is None:
        return None
    from uet_git.ledger import documents

    return documents.repair_document(stored)


def patch(stored: StoredPatch) -> dict[str, Any]:
    """The document of a stored patch; `text` is null where the bytes are not UTF-8 or were redacted."""
    text = None
    if stored.content is not None:
        with suppress(UnicodeDecodeError):
            text = stored.content.decode("utf-8")
    return {
        **{
            "id": stored.patch_id,
            "sha256": stored.sha256,
            "size": stored.size,
            "files": stored.files_touched,
        },
        **{"insertions": stored.insertions, "deletions": stored.deletions, "hunks": stored.hunks},
        **{"base_commit": stored.base_commit, "text": text},
    }


_HIDDEN = (
    "from",
    "to",
    "identity",
    "patch_id",
    "sha256",
    "step_attempt_id",
    "gate_id",
    "landing_id",
    "tree",
    "commits",
)


def event_line(found: Event, label: str) -> str:
    """One event in one line, for people."""
    payload = json.loads(found.payload)
    moved = f"{payload['from']} -> {payload['to']}  " if "from" in payload else ""
    rest = "  ".join(
        f"{k}={display.line(str(v), 80)}"
        for k, v in payload.items()
        if k not in _HIDDEN and v not in (None, "")
    )
    return f"{found.seq:>6}  {found.ts}  {label:>6}  {found.kind:22} {moved}{rest}".rstrip()
