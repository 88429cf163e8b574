"""rework: puts together what the author of a patch, or an agent, needs to mend it (DESIGN 12; schema/rework.v1.json).

Findings in words, the tests that failed, the end of the logs, each place that does not fit with what stands there now
and which landed change put it there, and the command that hands the mended patch in. Writes nothing; all is bounded.
"""

import os
from typing import Any, Final

from uet_git.ledger.gates import GateRow
from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS
from uet_git.model.records import Oid
from uet_git.project import Project
from uet_git.queue import handmade, locate, validate
from uet_git.queue.options import own_message

TESTS: Final = 20  # failed tests of one gate
LOG_LINES: Final = 60
_LOG_BYTES: Final = 64 * 1024
_STORY: Final = 4_000  # characters of a test's report
_WIDEST: Final = 1_000  # characters of a line of a log
_RED: Final = ("failed", "timeout", "error")
FILE: Final = "mended.patch"
_OVER: Final = ("committed", "rolled_back")
_UNSAFE: Final = (
    "size.",
    "path.",
    "mode.",
    "content.",
)  # over a cap, or not to be looked for in any tree


def packet(project: Project, entry: Entry, locator: locate.Locator | None = None) -> dict[str, Any]:
    """The rework document of an entry (rework.v1). Text in it is foreign and not escaped. Raises: ConfigError.

    One `locator` for several entries reads the target once.
    """
    tip = project.tip(entry.target)
    judged = _judged(project, entry, tip)
    found = _located(locator or locate.Locator(project), judged, tip)
    return {
        "v": 1,
        **{"id": entry.entry_id, "number": entry.number, "revision": entry.revision},
        **{"state": entry.state, "reason": entry.reason, "title": entry.title},
        **{"submitter": entry.submitter, "target": entry.target, "tip": tip},
        "words": "" if entry.reason is None else entry.detail or _sentence(entry.reason),
        "findings": [_finding(f) for f in entry.findings],
        "gates": [_gate(row) for row in _red(project, entry)],
        **{"fits": found.fits, "conflicts": found.places, "more_conflicts": found.more},
        "repaired": project.ledger.repair_of(entry.entry_id) is not None,
        "resubmit": _resubmit(entry, bare=judged is not None and judged.mail.author is None),
    }


def _judged(project: Project, entry: Entry, tip: Oid | None) -> validate.Judgement | None:
    """The patch read again; None for an entry that is over, a commit made by hand, or bytes that are gone."""
    content = project.ledger.entries.patch(entry.patch_id).content
    unsafe = entry.state == "dropped" and (entry.reason or "").startswith(_UNSAFE)
    if entry.state in _OVER or content is None or handmade.is_hook(entry) or unsafe:
        return None
    return validate.judge(content, project.settings_at(tip).limits, project.git.hex_length)


def _located(
    locator: locate.Locator, judged: validate.Judgement | None, tip: Oid | None
) -> locate.Located:
    """Where it does not fit; nothing for what cannot be read at all."""
    if judged is None or judged.mail.refused is not None:
        return locate.Located([], 0, False)
    return locator.located(judged.patch, judged.mail.diff, tip, judged.first_line)


def _finding(found: dict[str, Any]) -> dict[str, Any]:
    """A finding with its code in words, and whether a person may waive it."""
    reason = REASONS.get(found["code"])
    return {
        **{name: found[name] for name in ("code", "detail", "path", "line")},
        "words": _sentence(found["code"]),
        "waivable": reason is not None and reason.waivable,
    }


def _sentence(code: str) -> str:
    return REASONS[code].sentence if code in REASONS else code


def _red(project: Project, entry: Entry) -> list[GateRow]:
    """The newest attempt of each gate on the entry's own trees, of those that ended badly."""
    rows = project.ledger.gates_of(entry=entry.entry_id)
    newest = {row.name: row for row in rows if row.purpose == "candidate"}
    return [row for row in newest.values() if row.state in _RED]


def _gate(row: GateRow) -> dict[str, Any]:
    kept = row.results or {}
    failures = kept.get("failures", ())
    return {
        **{"name": row.name, "state": row.state, "exit_code": row.exit_code},
        **{"detail": row.detail or "", "tree": row.tree},
        "run": _argv(row.definition.get("run")),
        "failed": kept.get("failed"),
        "tests": [
            {
                "name": f["name"],
                "message": _cut(f["message"], _STORY),
                "details": _cut(f["details"], _STORY),
            }
            for f in failures[:TESTS]
        ],
        "log": _log(row.output_path),
    }


def _argv(run: Any) -> list[str]:
    return [run] if isinstance(run, str) else [str(part) for part in run or ()]


def _log(path: str | None) -> dict[str, Any] | None:
    """The end of a gate's output, whatever its size; None if it is not kept."""
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LOG_BYTES))
            data = file.read(_LOG_BYTES)
    except OSError:
        return None
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    kept = lines[-LOG_LINES:]
    whole = len(kept) == len(lines) and size <= _LOG_BYTES
    return {
        **{"path": path, "size": size, "whole": whole},
        "lines": [_cut(line.decode("utf-8", "backslashreplace"), _WIDEST) for line in kept],
    }


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _resubmit(entry: Entry, *, bare: bool) -> dict[str, Any] | None:
    """The commands that hand in the mended patch as the next revision; None where there cannot be one.

    `argv` reads the patch on standard input and works as it stands; in `file` it is a file of that name. What belongs
    to the change (target, place, what it waits for, priority) stays; what came beside the patch is said again.
    """
    if entry.state in _OVER or handmade.is_hook(entry):
        return None
    rest = ["--replaces", str(entry.number), *_beside(entry, bare=bare)]
    return {
        "argv": ["uet-git", "apply", "-", *rest],
        "file": ["uet-git", "apply", FILE, *rest],
        "submit": ["uet-git", "submit", "-", *rest],
    }


def _beside(entry: Entry, *, bare: bool) -> list[str]:
    """What was said beside the patch and is not taken over from the revision before."""
    found = [f"--scope={glob}" for glob in (entry.scope or {}).get("write", ())]
    message = own_message(entry)
    if bare and message:
        found.append(f"--message={message}")
    if bare and entry.author_name is not None:
        found.append(f"--author={entry.author_name} <{entry.author_email}>")
    if entry.issue is not None:
        found.append(f"--issue={entry.issue}")
    if entry.allow_behind:
        found.append("--allow-behind")
    if entry.sign_off:
        found.append("--signoff")
    return found
