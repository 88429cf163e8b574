"""person: decisions that are a person's; a guard rail, as nothing proves who types (DESIGN 6)."""

from collections.abc import Sequence
from typing import Any

from uet_git.errors import NeedsPerson
from uet_git.model.entry import Entry
from uet_git.project import Project


def need(project: Project, what: str, next_: Sequence[str]) -> None:
    """Lets everybody but an agent decide `what`. Raises: NeedsPerson with the command that helps."""
    if project.actor.startswith("agent:"):
        raise NeedsPerson(f"{project.actor} cannot {what}", next=next_)


def together(project: Project, entries: Sequence[Entry]) -> dict[str, Any]:
    """What the events of one decision about several entries have in common, so that it can be undone as one."""
    return {"together": project.clock.ulid()} if len(entries) > 1 else {}
