"""How `apply` shows its work: one live line per patch on a terminal, plain lines elsewhere, a summary at the end."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from uet_git.cli import views
from uet_git.cli.render import Output, command
from uet_git.model import display, order
from uet_git.model.entry import Entry
from uet_git.model.records import GateResult
from uet_git.project import Project
from uet_git.queue.progress import Listener, Report

LONG_LIST = 30
PAUSED = 3
MARKS = {
    "committed": "ok",
    "queued": "--",
    "apply_failed": "!!",
    "quarantined": "!!",
    "dropped": "xx",
}


class Live(Listener):
    """Prints as a drain goes along. `asked` are the entries that the call named, if it named any."""

    def __init__(self, out: Output, project: Project) -> None:
        self.out = out
        self.project = project
        self.asked: list[Entry] | None = None
        self.settled_count = 0
        self.targets: dict[str, None] = {}
        self.total = 0
        self._began = time.monotonic()
        self._entry_began = self._began
        self._gates: dict[str, float] = {}
        self._trying: Entry | None = None

    def starting(self, entries: list[Entry]) -> None:
        """Says what is about to land; a bare `apply` may meet patches that somebody else queued."""
        self.total += len(entries)
        self.targets.update(dict.fromkeys(_branch(e.target) for e in entries))
        if self.asked is None and not self.out.quiet:
            for target in dict.fromkeys(e.target for e in entries):
                labels = [e.label for e in entries if e.target == target]
                shown = ", ".join(labels[:LONG_LIST]) + (", ..." if len(labels) > LONG_LIST else "")
                self.out.text(f"trying {len(labels)} on {_branch(target)}: {shown}")

    def trying(self, entry: Entry) -> None:
        """The live line."""
        if self.out.live:
            self._entry_began = time.monotonic()
            self.out.again(
                f" .. {entry.label:>5}  composing  "
                f"{display.line(entry.title, 60)}{self._progress()}"
            )

    def gate_started(self, entry: Entry, gate: str) -> None:
        """The live line while gates run."""
        self._gates[gate] = time.monotonic()
        self._trying = entry
        self.tick()

    def tick(self) -> None:
        """The live line says how long each gate runs."""
        if self.out.live and self._trying is not None and self._gates:
            now = time.monotonic()
            running = ", ".join(
                f"{display.line(g, 20)} {now - t:.1f} s" for g, t in self._gates.items()
            )
            self.out.again(
                f" .. {self._trying.label:>5}  {running}  "
                f"{display.line(self._trying.title, 40)}{self._progress()}"
            )

    def gate_ended(self, entry: Entry, result: GateResult) -> None:
        """One line a gate; below a failure the end of its output."""
        from uet_git.cli import gatelines

        self._gates.pop(result.gate, None)
        self.out.clear()
        gatelines.tell(self.out, result, indent=f"    {entry.label:>5}  gate ")

    def settled(
        self, entry: Entry, state: str, reason: str | None, detail: str, commit: str | None
    ) -> None:
        """One line an entry, once it is where it stays."""
        self.settled_count += 1
        self.out.clear()
        mark = MARKS.get(state, "  ")
        shown = self.out.state("waits" if state == "queued" else state, 12)
        what = commit[:10] if commit else display.line(views.because(reason, detail))
        if commit:
            self.out.text(
                f" {mark} {entry.label:>5}  {shown}  {what}  {display.line(entry.title, 80)}"
            )
        else:
            self.out.text(f" {mark} {entry.label:>5}  {shown}  {display.line(entry.title, 60)}")
            self.out.text(f"           {what}")

    def notice(self, text: str) -> None:
        """On stderr."""
        self.out.clear()
        self.out.notice(text)

    def _progress(self) -> str:
        return f"  [{self.settled_count}/{self.total}, {time.monotonic() - self._began:.0f} s]"

    def finish(self, report: Report, *, named: bool, also: Sequence[str] = ()) -> int:
        """Prints the summary and the JSON document; returns the exit code.

        `also` are ids of entries that the call touched beside those it tried: the document has them too.
        """
        self.out.clear()
        ids = [e.entry_id for e in self.asked] if named and self.asked is not None else []
        every = list(dict.fromkeys([*ids, *report.tried, *report.waiting]))
        landed = set(report.landed)
        whole = self.out.as_json or (self.out.live and len(every) <= LONG_LIST)
        entries = self.project.ledger.entries.by_ids([i for i in every if whole or i not in landed])
        viewer = views.Viewer(self.project)
        if self.out.as_json:
            touched = [*entries, *self.project.ledger.entries.by_ids(also)]
            self.out.document([_document(viewer, e, report) for e in touched])
        else:
            self._summary(entries, 0 if whole else len(landed), report, viewer)
        if report.paused is not None or report.held is not None:
            return PAUSED
        wanted = [e for e in entries if e.entry_id in ids] if named else entries
        return 0 if all(order.is_done(e) for e in wanted) else 1

    def _summary(
        self, entries: list[Entry], landed: int, report: Report, viewer: views.Viewer
    ) -> None:
        """Who is not where they should be, the counts, and what to do next. `landed` more are not in `entries`."""
        if not entries and not landed:
            self.out.text("nothing to do: no patch is queued")
            return
        open_ones = [e for e in entries if not order.is_done(e)]
        if self.out.live and entries:
            shown = entries if len(entries) <= LONG_LIST else open_ones
            rows = [
                [e.label, e.state, (e.commit_id or "")[:10], e.reason or "", display.line(e.title)]
                for e in shown
            ]
            self.out.text()
            self.out.table(rows, ["change", "state", "commit", "reason", "title"])
        for entry in [e for e in open_ones if e.entry_id not in report.tried]:
            state = self.out.state(entry.state, 12)
            self.out.text(f"    {entry.label:>5}  {state}  {display.line(views.why(entry))}")
        counts = Counter("landed" if order.is_done(e) else e.state for e in entries)
        counts["landed"] += landed
        said = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
        seconds = time.monotonic() - self._began
        self.out.text(
            f"{said} ({', '.join(self.targets)}, {seconds:.1f} s)" if self.targets else said
        )
        for argv in list(dict.fromkeys(_next(viewer, e, report) for e in open_ones))[:3]:
            self.out.text(f"  next: {command(argv)}")


def _document(viewer: views.Viewer, entry: Entry, report: Report) -> dict[str, Any]:
    """The document of an entry, with why it waits where this drain knows better than the ledger."""
    document = viewer.entry(entry)
    if entry.state == "queued" and entry.entry_id in report.waiting:
        code, detail = report.waiting[entry.entry_id]
        document.update(reason=code, detail=detail, next=[list(_next(viewer, entry, report))])
    document["rework"] = viewer.rework(entry)
    return document


def _next(viewer: views.Viewer, entry: Entry, report: Report) -> tuple[str, ...]:
    """The command that helps with an entry that is not where it should be."""
    code, _ = report.waiting.get(entry.entry_id, ("", ""))
    helps = viewer.helps(entry, code) if code and entry.state == "queued" else []
    return tuple(helps or viewer.next(entry)[0])


def _branch(target: str) -> str:
    return display.line(target.removeprefix("refs/heads/"))
