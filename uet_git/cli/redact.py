"""redact: a person takes a secret out of the ledger."""

from collections.abc import Sequence
from typing import Any

import click

from uet_git.cli import arguments, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue import redact as redacting
from uet_git.queue.redact import Redaction


@click.command(name="redact")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def redact(entries: tuple[str, ...], reason: str, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Take the content of changes out of the ledger for good; the decision of a person.

    12 means every revision of change 12, 12.1 that one; changes with the same bytes go with them. Patch, repaired
    reading, message, details of findings, and what gates printed and reported are removed; digests, title, paths and
    events stay. What has not landed is dropped. Commits, the log in git, backups and exports cannot be changed: what
    is left is told.
    """
    out = Output(as_json=as_json, quiet=quiet)
    if not reason.strip():
        raise click.UsageError("--reason wants a reason")
    with Project.open() as project:
        chosen = _revisions(project, entries)
        if dry_run:
            done = redacting.plan(project, chosen)
        else:
            project.require_writable()
            done = redacting.redact(project, chosen, reason)
            anchor.anchor_now(project)
        viewer = views.Viewer(project)
        out.document(_document(viewer, done, dry_run=dry_run))
        for entry in done.entries:
            said = _said(done, entry, dry_run=dry_run)
            out.text(f"{entry.label:>6}  {said}  {display.line(entry.title, 72)}")
        for left in done.left:
            out.text(f"  still there: {display.line(left.what)}")
            out.text(f"    next: {command(left.next)}")
        if not dry_run:
            out.text(
                "backups, exports and clones made before still have it; a secret must be changed"
            )
    return 0


def _revisions(project: Project, texts: Sequence[str]) -> list[Entry]:
    """Every revision of the changes that are named by number alone, and the very revisions that are named."""
    chosen: dict[str, Entry] = {}
    for text in texts:
        for entry in arguments.chosen(project, [text]):
            named = "." not in text and str(entry.number) in text.split("-")
            every = "-" in text or named
            found = project.ledger.entries.revisions(entry.number) if every else [entry]
            chosen.update((e.entry_id, e) for e in found)
    return list(chosen.values())


def _said(done: Redaction, entry: Entry, *, dry_run: bool) -> str:
    if entry.entry_id not in done.kept:
        return entry.state
    return "would be redacted" if dry_run else "redacted"


def _document(viewer: views.Viewer, done: Redaction, *, dry_run: bool) -> dict[str, Any]:
    return {
        **{"v": 1, "dry_run": dry_run},
        "entries": [viewer.entry(e) for e in done.entries],
        "removed": [
            {
                **{"entry": entry_id, "patch": kept.patch, "repaired": kept.repaired},
                **{"gate_results": kept.results, "files": len(kept.files)},
            }
            for entry_id, kept in done.kept.items()
        ],
        "left": [{"what": left.what, "next": list(left.next)} for left in done.left],
    }
