"""A stored row turned into its document, which satisfies schema/NAME.json (DESIGN 6).

Building loads nothing heavy; only `faults` does, which checks a document against its schema.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from uet_git.host import contracts
from uet_git.ledger.gates import GateRow
from uet_git.ledger.handmade import Branch, HookEntry, Rewrite, Unverified
from uet_git.ledger.landings import Pause
from uet_git.model import history, treechange
from uet_git.model.entry import (
    PRIORITIES,
    Approval,
    Entry,
    Event,
    Landing,
    Run,
    Series,
    Snooze,
    Step,
    StoredPatch,
    StoredRepair,
)
from uet_git.model.history import Recorded
from uet_git.model.named import NamedTuple

SUMMARY: Final = 512
_RAN: Final = ("passed", "failed", "timeout")
_GOOD: Final = ("passed", "skipped")
SCHEMAS: Final = {
    **{"patches": "patch_artifact.v1", "entries": "patch_ledger_entry.v1", "runs": "run_record.v1"},
    **{"step_attempts": "step_attempt.v1", "events": "run_event.v1", "gates": "test_gate.v1"},
    **{"repairs": "repair.v1", "approvals": "approval.v1", "snoozes": "snooze.v1"},
    **{"hook_entries": "hook_entry.v1", "branches": "branch.v1", "rewrites": "rewrite.v1"},
    **{"unverified_commits": "unverified_commit.v1", "unknown_fields": "unknown_fields.v1"},
    **{"series": "series.v1", "landings": "landing.v1", "pauses": "pause.v1"},
}
"""The schema that a row of each table satisfies as a document."""


class Document(NamedTuple):
    """One row's document: its table, what names the row there, and the document itself."""

    table: str
    key: str
    body: dict[str, Any]


def faults(document: Document) -> Iterator[str]:
    """Every way in which a document misses its table's schema."""
    return contracts.iter_errors(document.body, SCHEMAS[document.table])


def patch_document(patch: StoredPatch, entry: Entry) -> dict[str, Any]:
    """A stored patch (patch_artifact.v1) with the entry that carries it; its bytes as text, or base64 if not UTF-8."""
    text, encoded = _text(patch.content)
    return {
        "v": 1,
        **{"patch_id": patch.patch_id, "entry_id": entry.entry_id, "project_id": entry.project_id},
        **{
            "format": _format(patch.content),
            "base_ref": entry.target,
            "base_commit": patch.base_commit,
        },
        "origin": {
            **_ids(entry),
            **{"prompt_id": entry.prompt_id, "tool_run_id": entry.tool_run_id},
            **{"tool_id": _tool(entry), "submitter": entry.submitter},
            "created_at": patch.created_at,
        },
        "summary": entry.title[:SUMMARY],
        "scope": {
            **{"files_touched": patch.files_touched, "files": patch.files},
            **{"line_insertions": patch.insertions, "line_deletions": patch.deletions},
            "hunks": patch.hunks,
        },
        **{"size": patch.size, "sha256": patch.sha256, "redacted": patch.content is None},
        **{"diff_text": text, "diff_base64": encoded},
    }


def _format(content: bytes | None) -> str:
    listed = content is not None and treechange.is_listing(content)
    return "tree_change" if listed else "unified_diff"


def hook_entry_document(row: HookEntry) -> dict[str, Any]:
    """What pre-commit knew of an entry (hook_entry.v1)."""
    kept = {k: v for k, v in row._asdict().items() if k not in ("state", "number", "target")}
    return {"v": 1, **kept}


def branch_document(row: Branch) -> dict[str, Any]:
    """A branch as it was last seen (branch.v1)."""
    return {"v": 1, **row._asdict()}


def unverified_document(row: Unverified) -> dict[str, Any]:
    """A commit without a passed verdict (unverified_commit.v1)."""
    return {"v": 1, **row._asdict()}


def rewrite_document(row: Rewrite) -> dict[str, Any]:
    """A commit that became another (rewrite.v1)."""
    return {"v": 1, **row._asdict()}


def approval_document(row: Approval) -> dict[str, Any]:
    """A vote with what it was for (approval.v1)."""
    return {"v": 1, **row._asdict()}


def snooze_document(row: Snooze) -> dict[str, Any]:
    """Until when an entry is not shown (snooze.v1)."""
    return {"v": 1, **row._asdict()}


def repair_document(repair: StoredRepair) -> dict[str, Any]:
    """A repaired reading (repair.v1)."""
    text, encoded = _text(repair.content)
    return {
        **{"v": 1, "entry_id": repair.entry_id, "sha256": repair.sha256, "size": repair.size},
        **{"redacted": repair.content is None, "diff_text": text, "diff_base64": encoded},
        "repairs": list(repair.repairs),
        "places": [{"path": p, "line": line, "named": named} for p, line, named in repair.places],
        "created_at": repair.created_at,
    }


def _text(content: bytes | None) -> tuple[str | None, str | None]:
    """Bytes as text, or as base64 where they are not UTF-8; neither without bytes."""
    if content is None:
        return None, None
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, base64.b64encode(content).decode("ascii")


def entry_document(
    entry: Entry, events: Sequence[Recorded], gates: Sequence[GateRow]
) -> dict[str, Any]:
    """An entry (patch_ledger_entry.v1) with the history that its own events tell and what its gates said."""
    same = (
        *("entry_id", "seq", "patch_id", "project_id", "prompt_id", "tool_run_id", "number"),
        *("revision", "identity", "state", "target", "depends_on", "title", "message"),
        *("message_id", "submitter", "origin", "issue", "scope", "reason", "detail"),
        *("created_at", "updated_at", "event_seq"),
    )
    return {
        "v": 1,
        **_ids(entry),
        **{name: getattr(entry, name) for name in same},
        "state_history": [
            {
                **{"state": e.to, "at": e.ts, "reason": e.payload.get("reason")},
                **{"actor": e.actor, "event_seq": e.seq},
            }
            for e in events
            if e.to is not None
        ],
        "priority": PRIORITIES[entry.priority],
        "author": _author(entry),
        **{"allow_behind": bool(entry.allow_behind), "sign_off": bool(entry.sign_off)},
        "validation": _validation(entry, gates),
        "apply": _apply(entry, events),
        "landing": _landed(entry, events),
        "quarantine": _quarantine(entry, events),
        "relations": {
            name: getattr(entry, name)
            for name in (
                *("replaces", "rollback_of", "rolled_back_by", "series_id", "series_index"),
                *("made_by_run", "landed_by_run"),
            )
        },
    }


def _ids(entry: Entry | Run) -> dict[str, Any]:
    names = ("phase_id", "workstream_id", "execution_request_id")
    return {name: getattr(entry, name) for name in names}


def _tool(entry: Entry) -> str | None:
    tool = (entry.origin or {}).get("tool_id")
    return tool if isinstance(tool, str) else None


def _author(entry: Entry) -> dict[str, Any] | None:
    if entry.author_name is None:
        return None
    return {"name": entry.author_name, "email": entry.author_email, "date": entry.author_date}


def _validation(entry: Entry, gates: Sequence[GateRow]) -> dict[str, Any]:
    newest = {gate.name: gate for gate in gates}
    ran = any(gate.state in _RAN for gate in gates)
    required = [gate for gate in newest.values() if gate.required]
    flags = ("format_ok", "scope_ok", "constraints_ok")
    return {
        **{name: bool(getattr(entry, name)) for name in flags},
        **{"waived": entry.waived, "tests_ran": ran},
        "tests_passed": all(gate.state in _GOOD for gate in required) if ran else None,
        "findings": entry.findings,
    }


def _apply(entry: Entry, events: Sequence[Recorded]) -> dict[str, Any]:
    tried = history.last(events, "applied", "apply_failed")
    failed = history.last(events, "apply_failed")
    return {
        "attempts": entry.attempts,
        "last_attempt_at": None if tried is None else tried.ts,
        "last_error_code": None if failed is None else failed.payload.get("reason"),
        "last_error_message": None if failed is None else failed.payload.get("detail"),
        **{"tried_tip": entry.tried_tip, "rung": entry.rung, "proved": entry.proved},
        "tree": entry.tree,
    }


def _landed(entry: Entry, events: Sequence[Recorded]) -> dict[str, Any] | None:
    if entry.commit_id is None:
        return None
    landed = history.last(events, "committed")
    return {
        **{"commit": entry.commit_id, "tree": entry.tree, "run_id": entry.landed_by_run},
        "landed_at": entry.updated_at if landed is None else landed.ts,
    }


def _quarantine(entry: Entry, events: Sequence[Recorded]) -> dict[str, Any] | None:
    if entry.state != "quarantined":
        return None
    moved = history.last(events, "quarantined")
    return {
        "quarantine_reason": entry.reason,
        "quarantined_at": entry.updated_at if moved is None else moved.ts,
        "quarantine_path": None,
    }


def run_document(run: Run) -> dict[str, Any]:
    """A run (run_record.v1)."""
    return {
        **{"v": 1, "run_id": run.run_id, "project_id": run.project_id, **_ids(run)},
        **{"kind": run.kind, "state": run.state, "state_reason": run.state_reason},
        "origin": {
            **{"trigger_type": run.trigger_type, "trigger_ref": run.trigger_ref},
            "requested_by": run.requested_by,
        },
        **{"created_at": run.created_at, "started_at": run.started_at, "ended_at": run.ended_at},
        "counters": {
            **{"step_attempts": run.step_attempts, "patches_created": run.patches_created},
            "patches_applied": run.patches_applied,
            "patches_committed": run.patches_committed,
            **{"patches_set_aside": run.patches_set_aside, "errors": run.errors},
        },
        "event_seq": run.event_seq,
    }


def step_document(step: Step) -> dict[str, Any]:
    """A step attempt (step_attempt.v1)."""
    return {"v": 1, **step._asdict()}


def event_document(event: Event) -> dict[str, Any]:
    """An event (run_event.v1): what one line of the log ref holds."""
    return {
        **{"seq": event.seq, "event_id": event.event_id, "ts": event.ts, "actor": event.actor},
        **{"run": event.run_id, "entry": event.entry_id, "kind": event.kind},
        "payload": json.loads(event.payload),
        **{"prev_hash": event.prev_hash, "hash": event.hash},
    }


def gate_document(gate: GateRow) -> dict[str, Any]:
    """A gate attempt (test_gate.v1)."""
    definition = gate.definition
    given = dict(definition.get("criteria") or ())
    decided = gate.state in (*_GOOD, "failed", "timeout")
    ran = gate.started_at is not None
    return {
        **{"v": 1, "gate_id": gate.gate_id, "run_id": gate.run_id, "entry_id": gate.entry_id},
        **{"project_id": gate.project_id, "name": gate.name, "gate_type": gate.gate_type},
        **{"state": gate.state, "required": bool(gate.required), "tree": gate.tree},
        "definition": definition,
        "criteria": {**given, "timeout_seconds": definition.get("timeout")},
        "execution": _execution(gate) if ran else None,
        "results": gate_results(gate),
        "decision": {
            **{"passed": gate.state in _GOOD, "reason": gate.detail or ""},
            "criteria_met": (gate.results or {}).get("criteria_met", {}),
        }
        if decided
        else None,
        **{"purpose": gate.purpose, "verdict_key": gate.verdict_key, "tier": gate.tier},
        "cached_from": gate.cached_from,
        **{"created_at": gate.created_at, "event_seq": gate.event_seq},
    }


def gate_results(gate: GateRow) -> dict[str, Any] | None:
    """What a gate's reports say, and what became of its tries; None if there is nothing."""
    kept = gate.results
    if kept is None:
        return None
    total, failed, skipped = (kept.get(n) for n in ("total", "failed", "skipped"))
    passed = None if total is None else total - failed - skipped
    failures = [
        {"test_name": f["name"], "error_message": f["message"], "stack_trace": f["details"]}
        for f in kept.get("failures", ())
    ]
    return {
        **{"total_tests": total, "passed_tests": passed, "failed_tests": failed},
        **{"skipped_tests": skipped, "coverage_percent": kept.get("coverage")},
        **{"failures": failures, "flaky_tests": kept.get("flaky", []), "fix": kept.get("fix")},
    }


def _execution(gate: GateRow) -> dict[str, Any]:
    cut = gate.output_truncated
    return {
        **{"started_at": gate.started_at, "ended_at": gate.ended_at},
        **{"duration_seconds": gate.duration_seconds, "exit_code": gate.exit_code},
        "command": list(gate.definition.get("run") or ()),
        **{"output_path": gate.output_path, "output_truncated": None if cut is None else bool(cut)},
    }


def series_document(series: Series) -> dict[str, Any]:
    """A series (series.v1)."""
    return {"v": 1, **series._asdict(), "atomic": bool(series.atomic)}


def landing_document(landing: Landing) -> dict[str, Any]:
    """A landing (landing.v1)."""
    return {"v": 1, **landing._asdict()}


def unknown_document(table: str, key: str, fields: Iterable[str], seq: int) -> dict[str, Any]:
    """What a rebuild could not restore of one row (unknown_fields.v1)."""
    return {"v": 1, "row_table": table, "row_key": key, "fields": sorted(fields), "event_seq": seq}


def pause_document(pause: Pause) -> dict[str, Any]:
    """A pause in force (pause.v1)."""
    return pause._asdict()
