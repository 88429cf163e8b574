"""release: a person lets a quarantined change go on."""

import click

from uet_git.cli import arguments, trust, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue import release as releasing
from uet_git.queue import trust as trusting


@click.command(name="release")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@click.option(
    "--waive",
    multiple=True,
    metavar="CODE",
    help="A finding to waive; without it, every one that can be.",
)
@click.option("--repaired", is_flag=True, help="Take the repaired reading as the next revision.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def release(
    entries: tuple[str, ...],
    waive: tuple[str, ...],
    repaired: bool,
    reason: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Queue quarantined changes although something was found in them; the decision of a person.

    Safety findings and failed gates are never waived. The rest of the rules, and every gate, still judge the change.
    """
    out = Output(as_json=as_json, quiet=quiet)
    if not reason.strip():
        raise click.UsageError("--reason wants a reason")
    if repaired and waive:
        raise click.UsageError(
            "--repaired and --waive exclude each other: the new revision is judged afresh"
        )
    with Project.open() as project:
        chosen = arguments.chosen(project, entries)
        codes = tuple(dict.fromkeys(c.strip() for text in waive for c in text.split(",")))
        if repaired:
            releasing.check_repaired(project, chosen)
        waived = {} if repaired else releasing.waivers(project, chosen, codes)
        touched = chosen
        if not dry_run:
            project.require_writable()
            if repaired:
                touched = releasing.take_repaired(project, chosen, reason)
            else:
                touched = releasing.waive(project, chosen, codes, reason)
            anchor.anchor_now(project)
        viewer = views.Viewer(project)
        out.document([viewer.entry(e) for e in touched])
        for entry in touched:
            said = "would release" if dry_run else entry.state
            out.text(f"{entry.label:>6}  {out.state(said)}  {display.line(entry.title, 72)}")
            if entry.entry_id in waived:
                out.text(f"        waived: {', '.join(waived[entry.entry_id])}")
            elif entry.reason is not None:
                out.text(f"        {display.line(views.why(entry))}")
            if not dry_run:
                out.text(f"  next: {command(viewer.next(entry)[0])}")
        if not dry_run:
            trust.offer(out, project, trusting.resulting(project, touched))
    return 0 if dry_run or all(e.state == "queued" for e in touched) else 1
