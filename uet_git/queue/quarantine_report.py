"""What the quarantine folder says of one entry: the patch byte for byte, and a report that a person and a program can
read and that the entry can be rebuilt from (DESIGN 12).
"""

import json
from typing import Any, Final

from uet_git.ledger import documents
from uet_git.ledger.ledger import Ledger
from uet_git.model import history
from uet_git.model.entry import Entry, StoredPatch
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS, next_command
from uet_git.model.slug import slug

FOLDER: Final = "quarantine"
SCHEMA: Final = "quarantine_report.v1"


class Files(NamedTuple):
    """The two files of one entry by name; `patch` is None where the bytes were redacted."""

    report: bytes
    patch: bytes | None


def stem(label: str, title: str) -> str:
    """`12-fix-the-parser`, without an ending."""
    return f"{label}-{slug(title)}"


def made(ledger: Ledger, entry: Entry) -> Files:
    """What the files of a quarantined entry hold."""
    patch = ledger.entries.patch(entry.patch_id)
    return Files(written(report(ledger, entry, patch)), patch.content)


def written(document: dict[str, Any]) -> bytes:
    """A document as a file for people: in ASCII, with every control, direction and invisible character escaped."""
    return json.dumps(document, indent=1).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def report(ledger: Ledger, entry: Entry, patch: StoredPatch) -> dict[str, Any]:
    """The report of a quarantined entry (quarantine_report.v1)."""
    told = history.recorded("entry", ledger.events_of(entry=entry.entry_id))
    series = None if entry.series_id is None else ledger.entries.series(entry.series_id)
    repair = ledger.repair_of(entry.entry_id)
    reason = REASONS.get(entry.reason or "")
    return {
        **{"v": 1, "ledger": ledger.ledger_id, "label": entry.label, "title": entry.title},
        **{
            "reason": entry.reason,
            "why": reason.sentence if reason else "",
            "detail": entry.detail,
        },
        "next": _next(entry),
        "patch": _patch(entry, patch),
        "entry": documents.entry_document(entry, told, ledger.gates_of(entry=entry.entry_id)),
        "series": None if series is None else documents.series_document(series),
        "repair": None if repair is None else documents.repair_document(repair),
    }


def _next(entry: Entry) -> list[list[str]]:
    look = ["uet-git", "show", entry.label]
    helps = next_command(entry.reason, entry.number) if entry.reason in REASONS else look
    return [look] if helps == look else [look, helps]


def _patch(entry: Entry, patch: StoredPatch) -> dict[str, Any]:
    redacted = patch.content is None
    return {
        "file": None if redacted else f"{stem(entry.label, entry.title)}.patch",
        "redacted": redacted,
        **{k: v for k, v in patch._asdict().items() if k != "content"},
    }
