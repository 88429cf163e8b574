"""backup, restore, export: the ledger outside of its repository."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.host import files
from uet_git.ledger.copies import facts
from uet_git.model import display
from uet_git.project import Project
from uet_git.queue import backup as keeping
from uet_git.queue import export as exporting
from uet_git.queue.backup import Restored

force_option = click.option("--force", is_flag=True, help="Replace the file if it is there.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would happen, and change nothing."
)


@click.command(name="backup")
@click.argument("file", metavar="FILE")
@force_option
@dry_run_option
@output_options
def backup(file: str, force: bool, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Copy the whole ledger, patches included, into FILE: one moment of it, however many write meanwhile.

    FILE is checked before it has its name. What it holds is as secret as what was handed in.
    """
    out = Output(as_json=as_json, quiet=quiet)
    path = Path(os.path.abspath(file))
    with Project.open() as project:
        if dry_run:
            keeping.check_free(project, path, ("uet-git", "backup"), force=force)
            copy, size = facts(project.ledger), 0
        else:
            copy, size = keeping.backup(project, path, force=force)
    out.document(
        {
            **{"v": 1, "file": _name(path), "dry_run": dry_run, "bytes": None if dry_run else size},
            **{"ledger": copy.ledger_id, "schema": copy.schema},
            **{"events": copy.last_seq, "head": copy.head},
        }
    )
    said = "would back up" if dry_run else "backed up"
    out.text(f"{said} ledger {copy.ledger_id} to {display.line(str(path))}")
    out.text(f"  {copy.last_seq} events, the last one with hash {copy.head}")
    return 0


@click.command(name="restore")
@click.argument("file", metavar="FILE")
@click.option("--reason", default="", help="Why; kept in the ledger.")
@dry_run_option
@output_options
def restore(file: str, reason: str, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Put a backup in the place of the ledger, all or nothing; the one that was there is kept beside it.

    A file that is damaged or of another repository is refused. A backup that is older than what git's own log of the
    ledger holds is put back too, and that is said at once.
    """
    out = Output(as_json=as_json, quiet=quiet)
    path = Path(os.path.abspath(file))
    with Project.open() as project:
        act = keeping.check if dry_run else partial(keeping.restore, reason=reason)
        done = act(project, path)
        next_ = ("uet-git", "status") if done.follows else ("uet-git", "fsck", "--repair")
        out.document(_restored(path, done, next_, dry_run=dry_run))
        copy = done.copy
        said = "would restore" if dry_run else "restored"
        out.text(
            f"{said} ledger {copy.ledger_id}: {copy.last_seq} events, the last one with hash {copy.head}"
        )
        if done.aside is not None:
            out.text(f"  the one that was here: {display.line(str(done.aside))}")
        if not done.follows:
            out.text(f"  {_rolled_back(done)}")
        out.text(f"  next: {command(next_)}")
    return 0


@click.command(name="export")
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--patches", is_flag=True, help="Also the bytes of patches and repaired readings.")
@force_option
@output_options
def export(file: str | None, patches: bool, force: bool, as_json: bool, quiet: bool) -> int:
    """Write the ledger as JSON Lines: the chain of events, then a document for every row. Without FILE, to stdout.

    `uet-git fsck --from FILE` proves it in any folder. The bytes of patches are left out unless asked for; their
    digests, titles and messages are in it.
    """
    out = Output(as_json=as_json, quiet=quiet)
    to_stdout = file in (None, "-")
    if to_stdout and (as_json or sys.stdout.isatty()):
        raise click.UsageError("name a FILE, or pipe it without --json")
    path = Path(os.path.abspath(file or "-"))
    with Project.open() as project:
        if to_stdout:
            done = exporting.export(project, sys.stdout.buffer, patches=patches)
            sys.stdout.buffer.flush()
        else:
            keeping.check_free(project, path, ("uet-git", "export"), force=force)
            with files.replacing(path) as target:
                done = exporting.export(project, target, patches=patches)
    said = f"{done.lines} lines, {done.events} events, the last one with hash {done.head}"
    if to_stdout:
        out.notice(f"exported {said}")
        return 0
    out.document(
        {
            **{"v": 1, "file": _name(path), "ledger": done.ledger_id, "patches": patches},
            **{"lines": done.lines, "events": done.events, "head": done.head},
        }
    )
    out.text(f"exported ledger {done.ledger_id} to {display.line(str(path))}")
    out.text(f"  {said}")
    out.text(f"  next: {command(('uet-git', 'fsck', '--from', str(path), '--head', done.head))}")
    return 0


def _rolled_back(done: Restored) -> str:
    later = done.anchored - done.copy.last_seq
    if later > 0:
        return f"it is rolled back: the log in git ends at event {done.anchored}, {later} later"
    return f"it is another ledger than the one in git's log: their events {done.anchored} differ"


def _restored(
    path: Path, done: Restored, next_: tuple[str, ...], *, dry_run: bool
) -> dict[str, Any]:
    return {
        **{"v": 1, "file": _name(path), "dry_run": dry_run, "ledger": done.copy.ledger_id},
        **{"schema": done.copy.schema, "events": done.copy.last_seq, "head": done.copy.head},
        **{"anchored": done.anchored, "rolled_back": not done.follows},
        "aside": None if done.aside is None else _name(done.aside),
        "next": list(next_),
    }


def _name(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
