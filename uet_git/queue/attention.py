"""attention: finds what needs a person, in the order to look at it (DESIGN 12)."""

from collections.abc import Collection

from uet_git.model import attention, states
from uet_git.model.attention import Item
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import snooze


def items(
    project: Project, by: str = "effort", only: Collection[Entry] | None = None
) -> list[Item]:
    """Everything that was set aside and waits for a person's word; `only`: what of these does, with their series.

    What is snoozed is left out, unless `only` names it.
    """
    if not project.has_ledger():
        return []
    entries = project.ledger.entries
    found = entries.in_states(states.NEEDS_PERSON)
    if only is None:
        hidden = snooze.hidden(project)
        found = [e for e in found if e.entry_id not in hidden]
    else:
        numbers = {e.number for e in only}
        series = {e.series_id for e in only if e.series_id is not None}
        found = [e for e in found if e.number in numbers or e.series_id in series]
    touched = entries.touched([e.patch_id for e in found])
    sizes = {key: attention.Size(lines, paths) for key, (lines, paths) in touched.items()}
    return attention.in_order(attention.items(found, sizes), by)
