"""Shows what differs between two revisions of a change (show N --since REV)."""

import re
from typing import Any, Final

from uet_git.cli.render import Output
from uet_git.errors import NotFound, UsageError
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import interdiff
from uet_git.queue.interdiff import Interdiff

LINES: Final = 400
_LARGEST: Final = 256 * 1024  # characters of one file's hunks in the document
_REVISION: Final = re.compile(r"(?:(\d{1,9})\.)?(\d{1,6})")
_COLOURS: Final = {"+": "32", "-": "31", "@": "36"}
_HOW: Final = {
    "effects": "what each makes of",
    "lines": "the lines that each adds and removes, without context and place",
    "typed": "the bytes, as one of them is no strict diff",
}


def show(out: Output, project: Project, newer: Entry, since: str) -> int:
    """The difference from an older revision (interdiff.v1). Raises: NotFound, UsageError."""
    found = interdiff.between(project, _older(project, newer, since), newer)
    out.document(_document(found))
    if not out.as_json:
        _print(out, found)
    return 0


def _older(project: Project, newer: Entry, since: str) -> Entry:
    """`1` or `12.1`: a revision of the same change before this one."""
    look = ("uet-git", "show", newer.label)
    wanted = _REVISION.fullmatch(since)
    if wanted is None:
        raise UsageError(
            f"--since {display.line(since)!r} is no revision, like 1 or 12.1", next=look
        )
    if wanted[1] is not None and int(wanted[1]) != newer.number:
        raise UsageError(f"{since} is not a revision of change {newer.number}", next=look)
    older = project.ledger.entries.revision(newer.number, int(wanted[2]))
    if older is None:
        raise NotFound(f"revision {newer.number}.{int(wanted[2])}", next=look)
    if older.revision >= newer.revision:
        raise UsageError(f"{newer.number}.{newer.revision} is not newer than {since}", next=look)
    return older


def _print(out: Output, found: Interdiff) -> None:
    older, newer = (f"{e.number}.{e.revision}" for e in (found.older, found.newer))
    on = "" if found.base is None else f" {found.base[:12]}"
    if found.same:
        out.text(f"nothing differs between {older} and {newer} ({_HOW[found.how]}{on})")
        return
    out.text(f"{older} -> {newer}: {_HOW[found.how]}{on}")
    for name, before, after in found.fields:
        out.text(f"  {name}: {display.line(before) or '-'} -> {display.line(after) or '-'}")
    if found.message:
        out.text("  message")
        _hunks(out, found.message)
    for file in found.files:
        modes = [f"{mode:06o}" if mode else "-" for mode in (file.older_mode, file.newer_mode)]
        changed = "" if modes[0] == modes[1] else f"  (mode {modes[0]} -> {modes[1]})"
        out.text(out.paint(f"  {display.name(file.path) or 'as typed'}{changed}", "1"))
        if file.diff is None:
            out.text("  their contents differ; they are no text")
        else:
            _hunks(out, file.diff)
    if found.more:
        out.text(f"  ... and {found.more} more files")


def _hunks(out: Output, hunks: bytes) -> None:
    lines = hunks.removesuffix(b"\n").split(b"\n") if hunks else []
    for line in lines[:LINES]:
        text = display.shown(line, 300)
        out.text("  " + out.paint(text, _COLOURS.get(text[:1], "0")))
    if len(lines) > LINES:
        out.text(f"  ... {len(lines) - LINES} more lines: --json holds more")


def _document(found: Interdiff) -> dict[str, Any]:
    return {
        **{"v": 1, "number": found.newer.number},
        **{"older": _revision(found.older), "newer": _revision(found.newer)},
        **{"same": found.same, "how": found.how, "base": found.base},
        "fields": [{"name": n, "older": a, "newer": b} for n, a, b in found.fields],
        "message": _text(found.message)[:_LARGEST],
        "files": [
            {
                "path": _text(file.path) if file.path else None,
                **{"older_mode": _mode(file.older_mode), "newer_mode": _mode(file.newer_mode)},
                "diff": None if file.diff is None else _text(file.diff)[:_LARGEST],
                "cut": file.diff is not None and len(_text(file.diff)) > _LARGEST,
            }
            for file in found.files
        ],
        "more_files": found.more,
    }


def _revision(entry: Entry) -> dict[str, Any]:
    return {
        **{"revision": entry.revision, "id": entry.entry_id},
        **{"state": entry.state, "title": entry.title},
    }


def _mode(mode: int) -> str | None:
    return f"{mode:06o}" if mode else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
