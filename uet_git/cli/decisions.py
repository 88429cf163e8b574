"""approve, snooze, priority, undo: more decisions about changes that wait."""

import calendar
import re
import time
from datetime import datetime

import click

from uet_git.cli import arguments
from uet_git.cli.decide import Verb, carry_out, dry_run_option, reason_option, shown
from uet_git.cli.options import output_options
from uet_git.cli.render import Output
from uet_git.model.entry import PRIORITIES
from uet_git.project import Project
from uet_git.queue import anchor, decide
from uet_git.queue import approve as approving
from uet_git.queue import snooze as snoozing
from uet_git.queue import undo as undoing

_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@click.command(name="approve")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@reason_option
@dry_run_option
@output_options
def approve(
    entries: tuple[str, ...], reason: str, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Vote for changes, as a person; one that lacked only votes is queued once it has enough.

    A vote is for the revision, for what it would change now, its target and the policy: if one of these changes, the
    vote does not hold any more, and `show` says what was expected and what is. A branch that only moves on changes
    nothing. Nobody approves their own where the policy asks for reviewers.
    """
    out = Output(as_json=as_json, quiet=quiet)
    verb = Verb("approve", approving.check, lambda p, e: approving.approve(p, e, reason))
    return carry_out(out, entries, verb, dry_run=dry_run)


@click.command(name="snooze")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@click.option(
    "--until",
    required=True,
    metavar="WHEN",
    help="A time from now (30m, 4h, 2d, 1w), a date, or a date and time (UTC without a zone).",
)
@reason_option
@dry_run_option
@output_options
def snooze(
    entries: tuple[str, ...], until: str, reason: str, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Do not show changes among what needs you until then, or until they move; `list` still has them."""
    out = Output(as_json=as_json, quiet=quiet)
    moment = _moment(until)
    verb = Verb(
        "snooze",
        lambda p, e: snoozing.check(p, e, moment),
        lambda p, e: snoozing.snooze(p, e, moment, reason),
    )
    code = carry_out(out, entries, verb, dry_run=dry_run)
    out.text(f"  until {moment}")
    return code


def _moment(text: str) -> str:
    """A moment as the ledger writes it. Raises: click.UsageError."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if found is not None:
        seconds = time.time() + int(found[1]) * _SECONDS[found[2]]
    else:
        try:
            when = datetime.fromisoformat(text.strip())
        except ValueError as exc:
            wanted = "30m, 4h, 2d, 1w, 2030-01-31 or 2030-01-31T12:00"
            raise click.UsageError(f"--until wants a moment like {wanted}") from exc
        seconds = calendar.timegm(when.utctimetuple())
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError) as exc:
        raise click.UsageError("--until is too far away") from exc


@click.command(name="priority")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@click.argument("level", type=click.Choice(PRIORITIES))
@reason_option
@dry_run_option
@output_options
def priority(
    entries: tuple[str, ...], level: str, reason: str, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Let changes go before or after others: low, normal, high or critical."""
    out = Output(as_json=as_json, quiet=quiet)
    number = PRIORITIES.index(level)
    verb = Verb(
        "put elsewhere",
        decide.check_prioritize,
        lambda p, e: decide.prioritize(p, e, number, reason),
    )
    return carry_out(out, entries, verb, dry_run=dry_run)


@click.command(name="undo")
@click.argument("entry", required=False, metavar="[NUMBER]")
@reason_option
@dry_run_option
@output_options
def undo(entry: str | None, reason: str, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Take back your own last decision about the queue, or the last one about a change.

    That is a drop, release, approve, snooze, priority, retry or edit. It is done by a new move or a new revision,
    never by changing history. What has landed is taken back by a rollback.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        chosen = None if entry is None else arguments.chosen(project, [entry])[0]
        found = undoing.check(project, chosen)
        touched = [decision.entry for decision in found]
        if not dry_run:
            project.require_writable()
            touched = undoing.undo(project, chosen, reason)
            anchor.anchor_now(project)
        shown(out, project, touched, f"would undo {found[0].verb} of" if dry_run else "")
        if not dry_run:
            out.text(f"  taken back: {found[0].verb} of {', '.join(d.entry.label for d in found)}")
    return 0
