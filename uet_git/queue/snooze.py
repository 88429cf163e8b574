"""snooze: a change that needs a person is not shown among those until a moment, or until it moves (DESIGN 12)."""

from collections.abc import Sequence

from uet_git.errors import UsageError
from uet_git.model import states
from uet_git.model.entry import Entry, Snooze
from uet_git.project import Project
from uet_git.queue import person


def snooze(project: Project, entries: Sequence[Entry], until: str, reason: str) -> list[Entry]:
    """Hides entries until `until` (UTC, as Clock.now writes it); they stay where they are, and in `list`.

    Raises: NeedsPerson, UsageError (nothing waits for a person, the moment is past).
    """
    check(project, entries, until)
    together = person.together(project, entries)
    with project.ledger.write() as write:
        for entry in entries:
            was = project.ledger.decisions.snooze_of(entry.entry_id)
            payload = {"until": until, "was": None if was is None else was.until, "why": reason}
            payload |= together
            seq = write.entries.amend(entry.entry_id, {}, payload, kind="patch_snoozed")
            write.decisions.snooze(entry.entry_id, until, seq)
    return project.ledger.entries.by_ids([e.entry_id for e in entries])


def check(project: Project, entries: Sequence[Entry], until: str) -> None:
    """Whether these can be hidden until then. Raises: as `snooze`."""
    for entry in entries:
        look = ("uet-git", "show", entry.label)
        person.need(project, f"snooze change {entry.label}", look)
        if entry.state not in states.NEEDS_PERSON:
            raise UsageError(
                f"change {entry.label} is {entry.state}; only what needs a person can be snoozed",
                next=look,
            )
    if until <= project.clock.now():
        raise UsageError(f"{until} is past", next=("uet-git", "snooze", "--help"))


def hidden(project: Project) -> dict[str, Snooze]:
    """What is snoozed right now, by entry id."""
    return project.ledger.decisions.snoozed(project.clock.now())
