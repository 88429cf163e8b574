"""export: the chain of events and the documents of every row as JSON Lines, which prove themselves anywhere (DESIGN 6).

One line is `{"body":...,"hash":...,"line":...,"table":...}` in canonical JSON. `hash` is SHA-256 over the hash of the
line before it (the first: 64 zeros) and the line without it, so that lines cannot be changed, moved or taken out
unseen. The first line is an `export_head`, the last an `export_end`: without that one, the file was cut off. Between
them come all events, then the rows.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from uet_git import __version__
from uet_git.errors import LedgerCorrupt
from uet_git.ledger import copies, documents, events, inspect, unknown
from uet_git.ledger.handmade import Branch, HookEntry, Rewrite, Unverified
from uet_git.ledger.inspect import EntryRows, RunRows, Unreadable
from uet_git.ledger.ledger import Ledger
from uet_git.model import history
from uet_git.model.entry import Event
from uet_git.model.named import NamedTuple
from uet_git.project import Project

HEAD: Final = "export_head"
END: Final = "export_end"
Row = tuple[str, dict[str, Any]]
"""A table's name and the document of one of its rows."""
_Rows = TypeVar("_Rows", EntryRows, RunRows)


class Exported(NamedTuple):
    """What was written: the ledger, how many lines, how many events, and the hash of the last event."""

    ledger_id: str
    lines: int
    events: int
    head: str


def export(project: Project, file: BinaryIO, *, patches: bool) -> Exported:
    """Writes the ledger as it is at this moment; `patches`: the bytes of patches and repaired readings too.

    Raises: LedgerCorrupt (a row cannot be read), DiskFull, OSError (the file refuses).
    """
    with ExitStack() as stack:
        folder = project.home
        if not os.access(folder, os.W_OK):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uet-git-")))
        ledger = stack.enter_context(copies.moment(project.ledger, folder))
        lines = Lines(file)
        lines.add(HEAD, events.canonical(_head(ledger, patches=patches)))
        last, count = events.GENESIS, 0
        for event in ledger.events():
            lines.add("events", _event(event))
            last, count = event.hash, count + 1
        for table, body in _rows(ledger, patches=patches):
            lines.add(table, events.canonical(body))
        end = {"v": 1, "lines": lines.count + 1, "events": count, "head": last}
        lines.add(END, events.canonical(end))
        return Exported(ledger.ledger_id, lines.count, count, last)


class Lines:
    """Writes lines, each chained to the one before."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = events.GENESIS
        self.count = 0

    def add(self, table: str, body: str) -> None:
        """Adds a line; `body` is canonical JSON."""
        self.count += 1
        plain = plain_line(table, self.count, body)
        self._hash = hash_of(self._hash, plain)
        self._file.write(f'{{"body":{body},"hash":"{self._hash}",'.encode("ascii"))
        self._file.write(f'"line":{self.count},"table":"{table}"}}\n'.encode("ascii"))


def plain_line(table: str, number: int, body: str) -> str:
    """What a line's hash covers of the line itself."""
    return f'{{"body":{body},"line":{number},"table":"{table}"}}'


def hash_of(before: str, plain: str) -> str:
    """The hash of a line after the one with hash `before`."""
    return events.hash_of(before + plain)


def _event(event: Event) -> str:
    try:
        return events.canonical(documents.event_document(event))
    except (TypeError, ValueError) as exc:
        raise _unreadable("events", str(event.seq), str(exc)) from exc


def _unreadable(table: str, key: str, why: str) -> LedgerCorrupt:
    return LedgerCorrupt(f"a row of {table} ({key}): {why}", next=("uet-git", "fsck"))


def _head(ledger: Ledger, *, patches: bool) -> dict[str, Any]:
    return {
        **{"v": 1, "ledger": ledger.ledger_id, "project": ledger.project_id},
        **{"schema": ledger.about().schema, "patches": patches},
        **{"made_at": ledger.clock.now(), "made_by": f"uet-git {__version__}"},
    }


def _rows(ledger: Ledger, *, patches: bool) -> Iterator[Row]:
    for row in unknown.rows(ledger.db):  # first: what is told of the others must not be looked for
        yield "unknown_fields", documents.unknown_document(*row)
    for page in inspect.run_pages(ledger):
        for run in page:
            yield from _of_run(_sound(run))
    yield from (("series", documents.series_document(s)) for s in inspect.series(ledger))
    for entries in inspect.entry_pages(ledger):
        for entry in entries:
            yield from _of_entry(ledger, _sound(entry), patches=patches)
    for repair, fault in inspect.repairs(ledger):
        if isinstance(repair, Unreadable):
            raise _unreadable(repair.table, repair.key, repair.why)
        if fault:
            raise _unreadable("repairs", repair.entry_id, fault)
        yield "repairs", _bytes(documents.repair_document(repair), patches=patches)
    yield from (("pauses", documents.pause_document(p)) for p in ledger.pauses())
    for made in inspect.handmade(ledger):
        yield _of_handmade(made)


def _of_handmade(row: HookEntry | Branch | Rewrite | Unverified) -> Row:
    if isinstance(row, HookEntry):
        return "hook_entries", documents.hook_entry_document(row)
    if isinstance(row, Branch):
        return "branches", documents.branch_document(row)
    if isinstance(row, Rewrite):
        return "rewrites", documents.rewrite_document(row)
    return "unverified_commits", documents.unverified_document(row)


def _sound(row: _Rows | Unreadable) -> _Rows:
    if isinstance(row, Unreadable):
        raise _unreadable(row.table, row.key, row.why)
    return row


def _of_run(row: RunRows) -> Iterator[Row]:
    yield "runs", documents.run_document(row.run)
    yield from (("gates", documents.gate_document(g)) for g in row.gates)
    yield from (("step_attempts", documents.step_document(s)) for s in row.steps)
    yield from (("landings", documents.landing_document(x)) for x in row.landings)


def _of_entry(ledger: Ledger, row: EntryRows, *, patches: bool) -> Iterator[Row]:
    told = history.recorded("entry", row.events)
    yield "entries", documents.entry_document(row.entry, told, row.gates)
    stored = inspect.patch(ledger, row.entry.patch_id)
    if isinstance(stored, Unreadable) or stored[1]:
        why = stored.why if isinstance(stored, Unreadable) else stored[1]
        raise _unreadable("patches", row.entry.patch_id, why)
    body = documents.patch_document(stored[0], row.entry)
    yield "patches", _bytes(body, patches=patches)
    yield from (("gates", documents.gate_document(g)) for g in row.gates)
    yield from (("step_attempts", documents.step_document(s)) for s in row.steps)


def _bytes(body: dict[str, Any], *, patches: bool) -> dict[str, Any]:
    """A document with or without the bytes that it carries; its digest and size stay."""
    return body if patches else {**body, "diff_text": None, "diff_base64": None}
