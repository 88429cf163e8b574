"""The end of `review`: what was decided, and landing what was let through."""

from collections.abc import Sequence

from uet_git.cli import intake, trust
from uet_git.cli.render import Output
from uet_git.cli.reviewwalk import Decision, Walk
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import attention
from uet_git.queue import trust as trusting


def tell(out: Output, made: Sequence[Decision]) -> None:
    """One line for each entry that something was decided about."""
    if not made:
        out.text("nothing was decided")
    for decision in made:
        why = f"  ({display.line(decision.reason, 60)})" if decision.reason else ""
        for entry in decision.entries:
            title = display.line(entry.title, 40)
            state = out.state(entry.state, 12)
            out.text(f"{decision.verb.name:>8}  {entry.label:>6}  {state}  {title}{why}")


def finish(out: Output, project: Project, walk: Walk, by: str, only: Sequence[Entry] | None) -> int:
    """Tells what was decided, offers to land it; 0 if all of that landed and nothing is left."""
    tell(out, walk.made)
    left = attention.items(project, by, only)
    if left:
        count = sum(len(item.entries) for item in left)
        out.text(f"{count} still need{'s' if count == 1 else ''} you")
    ready = _ready(project, walk.made)
    code = 0
    if ready:
        trust.offer(out, project, trusting.resulting(project, ready))
        named = ", ".join(e.label for e in ready)
        if out.ask(f"Land {display.line(named, 60)} now?", default=True):
            code = intake.land(out, project, ready)
    return 1 if left else code


def _ready(project: Project, made: Sequence[Decision]) -> list[Entry]:
    """What was decided about and is queued now, in its newest revision."""
    numbers = dict.fromkeys(e.number for decision in made for e in decision.entries)
    newest = [project.ledger.entries.revision(n) for n in sorted(numbers)]
    return [e for e in newest if e is not None and e.state == "queued"]
