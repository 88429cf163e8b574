"""review: a walk over what needs a person; without a terminal the list of it."""

from collections.abc import Sequence
from typing import Any

import click

from uet_git.cli import arguments, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import attention as orders
from uet_git.model import display
from uet_git.model.attention import Item
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import attention, person, tie


@click.command(name="review")
@click.argument("entries", nargs=-1, metavar="[NUMBER]...")
@click.option(
    "--by",
    type=click.Choice(orders.ORDERS),
    default="effort",
    show_default=True,
    help="What comes first: small and clear, oldest, most urgent, or by folder.",
)
@output_options
def review(entries: tuple[str, ...], by: str, as_json: bool, quiet: bool) -> int:
    """Walk through what needs a person and decide, a key each.

    Every decision is done when it is made. Without a terminal, or with --json, the list of what needs a person is
    printed instead; it is decided with release, retry, drop and the like. Exit 1 if something still needs a person.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        only = arguments.chosen(project, entries) if entries else None
        found = attention.items(project, by, only)
        if not (out.live and out.can_ask):
            return _listed(out, project, found, by)
        if not found:
            out.text("nothing needs you")
            return 0
        person.need(project, "review", ("uet-git", "review", "--json"))
        return _walked(out, project, found, by, only)


def _listed(out: Output, project: Project, found: Sequence[Item], by: str) -> int:
    """The list, for programs and pipes."""
    viewer = views.Viewer(project)
    out.document({"v": 1, "by": by, "items": [_document(viewer, i) for i in found]})
    if out.as_json:
        return 1 if found else 0
    if not found:
        out.text("nothing needs you")
        return 0
    reason = ""
    for item in found:
        if item.reason != reason:
            reason = item.reason
            out.text(f"{reason}: {views.sentence(reason)}")
        for entry in item.entries:
            title = display.line(entry.title, 80)
            note = "" if entry.reason == reason else f"  ({entry.reason})"
            out.text(f"{entry.label:>8}  {out.state(entry.state, 12)}  {title}{note}")
    out.text(
        "decide with release, retry, drop or a new revision; on a terminal this walks through them"
    )
    for argv in viewer.next(found[0].lead):
        out.text(f"  next: {command(argv)}")
    return 1


def _document(viewer: views.Viewer, item: Item) -> dict[str, Any]:
    """One item: what stands against it, and what can be typed about it."""
    lead = item.lead
    return {
        **{"reason": item.reason, "sentence": views.sentence(item.reason)},
        **{"effort": item.minutes, "series": lead.series_id, "target": lead.target},
        **{"paths": list(item.paths), "created_at": lead.created_at},
        **{"entries": [viewer.entry(e) for e in item.entries], "next": viewer.next(lead)},
    }


def _walked(
    out: Output, project: Project, found: Sequence[Item], by: str, only: Sequence[Entry] | None
) -> int:
    """The walk, what it came to, and landing what was let through."""
    from uet_git.cli import reviewend, reviewscreen, reviewwalk

    walk = reviewwalk.Walk(project, reviewscreen.Screen(out), found, by, only)
    try:
        walk.walk()
    except KeyboardInterrupt:
        reviewend.tell(out, walk.made)
        raise
    return reviewend.finish(out, project, walk, by, only)
