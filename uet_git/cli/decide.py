"""drop, retry, pause, resume: a person's (or an agent's) decisions about the queue."""

from collections.abc import Callable, Sequence

import click

from uet_git.cli import arguments, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output
from uet_git.errors import UsageError
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import anchor, decide

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would happen, and change nothing."
)


reason_option = click.option("--reason", default="", help="Why; kept in the ledger.")


@click.command(name="drop")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@reason_option
@dry_run_option
@output_options
def drop(entries: tuple[str, ...], reason: str, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Drop changes for good; what waits for them is quarantined."""
    out = Output(as_json=as_json, quiet=quiet)
    verb = Verb("drop", decide.check_drop, lambda p, e: decide.drop(p, e, reason))
    return carry_out(out, entries, verb, dry_run=dry_run)


@click.command(name="retry")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@reason_option
@dry_run_option
@output_options
def retry(entries: tuple[str, ...], reason: str, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Queue changes again that failed to apply or were quarantined; nothing is waived."""
    out = Output(as_json=as_json, quiet=quiet)
    verb = Verb("retry", decide.check_retry, lambda p, e: decide.retry(p, e, reason), "queued")
    return carry_out(out, entries, verb, dry_run=dry_run)


class Verb(NamedTuple):
    """One decision: `check` says whether it can be made, `act` makes it and returns what it touched.

    `wanted` is the state that the named entries should have then, empty: any.
    """

    name: str
    check: Callable[[Project, Sequence[Entry]], object]
    act: Callable[[Project, Sequence[Entry]], list[Entry]]
    wanted: str = ""


def carry_out(out: Output, texts: Sequence[str], verb: Verb, *, dry_run: bool) -> int:
    """Makes one decision about all entries that the arguments name, or about none, and prints what became of them."""
    with Project.open() as project:
        chosen = arguments.chosen(project, texts)
        touched = chosen
        verb.check(project, chosen)
        if not dry_run:
            project.require_writable()
            touched = verb.act(project, chosen)
            anchor.anchor_now(project)
        shown(out, project, touched, f"would {verb.name}" if dry_run else "")
        named = {e.entry_id for e in chosen}
        stuck = [e for e in touched if e.entry_id in named and e.state != verb.wanted]
    return 1 if stuck and verb.wanted and not dry_run else 0


def shown(out: Output, project: Project, touched: Sequence[Entry], would: str) -> None:
    """Prints entries after a decision; `would` instead of their states, if nothing was done."""
    viewer = views.Viewer(project)
    out.document([viewer.entry(e) for e in touched])
    for entry in touched:
        said = would or entry.state
        out.text(f"{entry.label:>6}  {out.state(said)}  {display.line(entry.title, 72)}")
        if entry.reason is not None and not would:
            out.text(f"        {display.line(views.why(entry))}")


@click.command(name="pause")
@click.option("--reason", required=True, help="Why; shown to everybody who meets the pause.")
@click.option("--onto", metavar="BRANCH", help="Only this branch's queue.")
@dry_run_option
@output_options
def pause(reason: str, onto: str | None, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Let nothing land until `uet-git resume`; submitting goes on."""
    out = Output(as_json=as_json, quiet=quiet)
    if not reason.strip():
        raise click.UsageError("--reason wants some words")
    with Project.open() as project:
        target = "*" if onto is None else project.target(onto, like_am=False)
        if not dry_run:
            project.ensure_ledger()
            with project.ledger.write() as write:
                write.landings.pause(target, "queue.paused", reason, project.actor)
            anchor.anchor_now(project)
        out.document([] if dry_run else [p._asdict() for p in project.ledger.pauses()])
        what = "every branch" if target == "*" else display.line(target.removeprefix("refs/heads/"))
        out.text(f"{'would pause' if dry_run else 'paused'} {what}: {display.line(reason)}")
    return 0


@click.command(name="resume")
@click.option("--onto", metavar="BRANCH", help="Only this branch's queue.")
@dry_run_option
@output_options
def resume(onto: str | None, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Lift a pause."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        pauses = project.ledger.pauses()
        target = None if onto is None else project.target(onto, like_am=False)
        chosen = [p for p in pauses if target is None or p.target == target]
        if target is not None and not chosen and any(p.target == "*" for p in pauses):
            raise UsageError("the pause holds for every branch", next=("uet-git", "resume"))
        if not dry_run and chosen:
            project.require_writable()
            with project.ledger.write() as write:
                write.landings.resume(target)
            anchor.anchor_now(project)
        out.document([p._asdict() for p in chosen])
        out.text("nothing was paused" if not chosen else "would resume" if dry_run else "resumed")
    return 0
