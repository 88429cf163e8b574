"""rollback: landed changes taken back, by patches that land like any other."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from uet_git.cli import arguments
from uet_git.cli.live import Live
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import AmbiguousArgument, NotFound, UsageError
from uet_git.host.files import Holder
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import lock
from uet_git.queue import rollback as rolling
from uet_git.queue.invert import Inverse
from uet_git.queue.rollback import Plan

SHOWN = 400
_IS_ID = 6


@click.command(name="rollback")
@click.argument("changes", nargs=-1, required=True, metavar="NUMBER...|RUN|SERIES")
@click.option("--reason", required=True, metavar="TEXT", help="Why; in the ledger and the message.")
@click.option("--squash", is_flag=True, help="Take all of them back in one commit.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--no-wait", is_flag=True, help="Do not wait for another apply; exit with 4.")
@output_options
def rollback(
    changes: tuple[str, ...],
    reason: str,
    squash: bool,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Take landed changes back: those with these numbers, of one run, or of one series.

    Makes the inverse patches and lands them like any other, newest undone first, all or none. Nothing is reset: history
    is kept, and a rollback can be rolled back. Policy is waived, and that is recorded; safety rules and gates are not.
    """
    out = Output(as_json=as_json, quiet=quiet)
    if not reason.strip():
        raise click.UsageError("--reason wants a reason")
    with Project.open() as project:
        made = rolling.plan(project, _chosen(out, project, changes), reason, squash=squash)
        if dry_run:
            return _preview(out, made)
        project.require_writable()
        return _land(out, project, made, wait=not no_wait)


def _land(out: Output, project: Project, made: Plan, *, wait: bool) -> int:
    live = Live(out, project)

    def handed_in(entries: list[Entry]) -> None:
        live.asked = entries

    def on_wait(holder: Holder | None) -> None:
        out.notice(f"waiting for {lock.said(holder)}")

    report = rolling.land(project, made, live, handed_in, wait=wait, on_wait=on_wait)
    undone = [one.entry.entry_id for i in made.inverses for one in i.undoes]
    code = live.finish(report, named=True, also=undone)
    for entry in project.ledger.entries.by_ids(undone):
        if entry.state == "rolled_back":
            out.text(f"{entry.label:>6}  {out.state(entry.state)}  {display.line(entry.title, 72)}")
    return code


def _chosen(out: Output, project: Project, texts: Sequence[str]) -> list[Entry]:
    """The entries that arguments name, once each; of a run or a series those that are landed still.

    Raises: NotFound, AmbiguousArgument, UsageError (nothing of a run or series is landed).
    """
    picked: dict[str, Entry] = {}
    for text in texts:
        found = arguments.entries_of(project, text)
        whole = _whole(project, text) if found is None or len(text) >= _IS_ID else None
        if found and whole:
            raise AmbiguousArgument(
                f"{display.line(text)} begins an entry's id and another's", next=("uet-git", "list")
            )
        if whole is not None:
            landed = [e for e in whole if e.state == "committed"]
            left = len({e.number for e in whole}) - len(landed)
            if not landed:
                raise UsageError(
                    f"nothing of {display.line(text)} is landed now", next=("uet-git", "list")
                )
            if left:
                out.notice(f"{left} of {display.line(text)} never landed, or are rolled back")
            found = landed
        if not found:
            raise NotFound(display.line(text))
        picked.update({e.entry_id: e for e in found})
    return list(picked.values())


def _whole(project: Project, text: str) -> list[Entry] | None:
    """The entries that a run landed, or of a series, by the beginning of its id; None if it begins neither."""
    if len(text) < _IS_ID or not text.isalnum() or not text.isascii():
        return None
    ledger = project.ledger
    runs = [r.run_id for r in ledger.runs.by_prefix(text)]
    series = ledger.entries.series_by_prefix(text)
    if len(runs) + len(series) > 1:
        raise AmbiguousArgument(
            f"several runs or series begin with {text}", next=("uet-git", "run", "list")
        )
    if series:
        return ledger.entries.of_series(series[0])
    return ledger.entries.landed_by(runs[0]) if runs else None


def _preview(out: Output, made: Plan) -> int:
    """What would be handed in: each patch with its files, or what stands in its way."""
    out.document(
        {"dry_run": True, "target": made.target, "patches": [_document(i) for i in made.inverses]}
    )
    target = display.line(made.target.removeprefix("refs/heads/"))
    for inverse in made.inverses:
        text = inverse.source.message or ""
        out.text(f"would land on {target}: {display.line(text.partition(chr(10))[0], 100)}")
        if inverse.waived:
            out.text(f"    waived: {', '.join(inverse.waived)}")
        for change in inverse.patch.changes:
            size = f"+{change.insertions} -{change.deletions}" if change.hunks else change.op
            out.text(f"    {display.name(change.path)}  {size}")
        if inverse.finding is not None:
            for finding in inverse.source.reverts.findings if inverse.source.reverts else ():
                out.text(f"    does not fit: {display.line(finding.detail, 300)}")
            way = inverse.in_the_way
            if way is not None:
                out.text(f"  next: {command(_look(way.commit, way.entry))}")
    if made.stuck is not None:
        out.text("nothing of it would land")
        return 1
    _diff(out, made)
    return 0


def _diff(out: Output, made: Plan) -> None:
    left = SHOWN
    for inverse in made.inverses:
        lines = inverse.source.data.removesuffix(b"\n").split(b"\n")
        for text in lines[:left]:
            colour = {b"+": "32", b"-": "31", b"@": "36"}.get(text[:1], "0")
            out.text("  " + out.paint(display.shown(text, 300), colour))
        left -= min(left, len(lines))
        if not left:
            out.text("  ... and more; --json holds all of it")
            return


def _look(commit: str, entry: Entry | None) -> tuple[str, ...]:
    return ("git", "show", commit) if entry is None else ("uet-git", "show", entry.label)


def _document(inverse: Inverse) -> dict[str, Any]:
    way = inverse.in_the_way
    text = None
    with suppress(UnicodeDecodeError):
        text = inverse.source.data.decode("utf-8")
    return {
        "message": inverse.source.message,
        "undoes": [
            {"number": one.entry.number, "id": one.entry.entry_id, "commit": one.commit}
            for one in inverse.undoes
        ],
        "files": [
            {
                "path": display.line(c.path, 4_096),
                **{"operation": c.op, "insertions": c.insertions, "deletions": c.deletions},
            }
            for c in inverse.patch.changes
        ],
        "waived": list(inverse.waived),
        "reason": None if inverse.finding is None else inverse.finding.code,
        "in_the_way": None
        if way is None
        else {
            **{"commit": way.commit, "title": display.line(way.title, 1_000)},
            **{"number": None if way.entry is None else way.entry.number},
        },
        "patch": text,
    }
