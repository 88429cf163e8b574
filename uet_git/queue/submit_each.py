"""submit each: takes in patches that have little in common, and what is written beside them, in one transaction."""

from collections.abc import Callable, Sequence

from uet_git.ledger.ledger import Writer
from uet_git.project import Project
from uet_git.queue import submit
from uet_git.queue.collect import collect, identify, offer_repairs
from uet_git.queue.foresee import foresee
from uet_git.queue.options import Options, Source
from uet_git.queue.submit import Submitted


def submit_each(
    project: Project,
    handed: Sequence[tuple[Source, Options]],
    also: Callable[[Writer, list[Submitted]], None],
) -> list[Submitted]:
    """Records one patch for each source with its own options, and what `also` writes beside them: all or none.

    Raises: as `submit.submit`, and what `also` raises.
    """
    ready = []
    for source, options in handed:
        parts, cover = collect(project, [source], options)
        identify(project, parts, options)
        offer_repairs(project, parts, options)
        foresee(project, parts, options)
        ready.append((parts, cover, options))
    with project.ledger.write() as write:
        taken = [t for each in ready for t in submit.record(project, write, *each, None)]
        also(write, taken)
    found = project.ledger.entries.by_ids([t.entry.entry_id for t in taken])
    by_id = {e.entry_id: e for e in found}
    return [t._replace(entry=by_id[t.entry.entry_id]) for t in taken]
