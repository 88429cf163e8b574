"""What a rebuild reads: the events that the log ref holds, the files of the quarantine folder, a damaged database."""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from uet_git.errors import CorruptObject, GitFailed, MissingObject, UetError
from uet_git.host import contracts
from uet_git.ledger import events
from uet_git.ledger.events import canonical
from uet_git.ledger.salvage import Salvage
from uet_git.model.entry import PRIORITIES, Event
from uet_git.model.records import Oid
from uet_git.project import Project
from uet_git.queue import anchor, quarantine
from uet_git.queue import quarantine_report as reports

_LARGEST: Final = 64 * 1024 * 1024  # bytes of one file
_SAME: Final = (
    *("phase_id", "workstream_id", "execution_request_id", "prompt_id", "tool_run_id", "message"),
    *("message_id", "submitter", "issue", "created_at", "updated_at"),
)


def chain(project: Project, ref: str, salvage: Salvage) -> Iterator[Event]:
    """Every event that follows from the one before it by its hash: anchored ones first, then those of the database."""
    last, hash_ = 0, events.GENESIS
    moved = True
    while moved:
        moved = False
        for source in (_anchored(project, ref, last), salvage.events(last)):
            for event in source:
                if (event.seq, event.prev_hash) != (last + 1, hash_) or not events.is_sound(event):
                    break
                yield event
                last, hash_, moved = event.seq, event.hash, True


def _anchored(project: Project, ref: str, after: int) -> Iterator[Event]:
    """The events of the log ref after one of them; ends at the first line that is not whole."""
    tip = project.tip(ref)
    if tip is None:
        return
    try:
        out = project.git.run("rev-list", "--reverse", "--first-parent", tip).out
    except GitFailed:
        return
    for commit in out.decode("ascii").split():
        for line in _lines(project, Oid(commit), after):
            event = events.of_line(line)
            if event is None:
                return
            if event.seq > after:
                yield event


def _lines(project: Project, commit: Oid, after: int) -> list[bytes]:
    objects = project.objects
    with suppress(MissingObject, CorruptObject):
        found = anchor.read(project, commit)
        if found.seq > after:
            files = objects.tree(project.tree_of(commit))
            return (
                objects.blob(files[anchor.FILE_NAME][1]).splitlines()
                if files.keys() == {anchor.FILE_NAME}
                else []
            )
    return []


class Reports:
    """The quarantine folder, read with the same distrust as any input: what misses its schema is not there."""

    def __init__(self, project: Project, ledger_id: str) -> None:
        self.by_entry: dict[str, dict[str, Any]] = {}
        self._by_patch: dict[str, dict[str, Any]] = {}
        self._by_series: dict[str, dict[str, Any]] = {}
        self.folder = quarantine.folder(project)
        for path in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else ():
            report = _report(path)
            if report is not None and report["ledger"] == ledger_id:
                self.by_entry[report["entry"]["entry_id"]] = report
                self._by_patch[report["patch"]["patch_id"]] = report
                if report["series"] is not None:
                    self._by_series[report["series"]["series_id"]] = report["series"]

    def numbers(self) -> list[int]:
        """Every number of a change that a file names."""
        found = (name.name.partition("-")[0].partition(".")[0] for name in self._files())
        return [int(n) for n in found if n.isdigit() and len(n) < 18]

    def _files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def row(self, table: str, key: str) -> Mapping[str, Any]:
        """The columns of a row that a report tells, as they are stored."""
        if table == "entries" and key in self.by_entry:
            return _entry_columns(self.by_entry[key]["entry"])
        if table == "patches" and key in self._by_patch:
            return self._patch(self._by_patch[key]["patch"])
        if table == "series" and key in self._by_series:
            series = self._by_series[key]
            return {k: int(v) if k == "atomic" else v for k, v in series.items() if k != "v"}
        if table == "repairs" and key in self.by_entry:
            return _repair_columns(self.by_entry[key]["repair"])
        return {}

    def content(self, patch: Mapping[str, Any]) -> bytes | None:
        """The bytes of a patch, if its file has them still."""
        with suppress(OSError, TypeError):
            name = str(patch["file"])
            if patch["file"] and "/" not in name and not (self.folder / name).is_symlink():
                with (self.folder / name).open("rb") as file:
                    content = file.read(_LARGEST)
                if hashlib.sha256(content).hexdigest() == patch["sha256"]:
                    return content
        return None

    def _patch(self, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        content = self.content(patch)
        kept = {k: v for k, v in patch.items() if k not in ("file", "files_touched")}
        columns = {**kept, "files_touched": canonical(patch["files_touched"])}
        return columns if content is None else {**columns, "content": zlib.compress(content)}


def _report(path: Path) -> dict[str, Any] | None:
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            return None
        found = json.loads(path.read_bytes())
        contracts.check(found, reports.SCHEMA)
    except (OSError, ValueError, UetError, RecursionError):
        return None
    assert isinstance(found, dict)
    return found


def _entry_columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    judged, author = entry["validation"], entry["author"] or {}
    return {
        **{name: entry[name] for name in _SAME},
        **{n: int(judged[n]) for n in ("format_ok", "scope_ok", "constraints_ok")},
        **{
            "findings": canonical(judged["findings"]),
            "priority": PRIORITIES.index(entry["priority"]),
        },
        **{f"author_{name}": author.get(name) for name in ("name", "email", "date")},
        **{n: None if entry[n] is None else canonical(entry[n]) for n in ("origin", "scope")},
        "depends_on": canonical(entry["depends_on"]),
        **{name: int(entry[name]) for name in ("allow_behind", "sign_off")},
        **{name: entry["apply"][name] for name in ("attempts", "tried_tip")},
    }


def _repair_columns(repair: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if repair is None or repair["redacted"]:
        return {}
    text = repair["diff_text"]
    content = (
        base64.b64decode(repair["diff_base64"] or "") if text is None else text.encode("utf-8")
    )
    return {
        **{name: repair[name] for name in ("entry_id", "sha256", "size", "created_at")},
        **{"content": zlib.compress(content), "repairs": canonical(repair["repairs"])},
        "places": canonical([[p["path"], p["line"], p["named"]] for p in repair["places"]]),
    }
