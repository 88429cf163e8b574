"""edit: what a person makes of a patch in an editor, or says of its message, becomes the next revision (DESIGN 12)."""

from typing import Any

from uet_git.errors import UsageError
from uet_git.model import mail
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import content, revise

Author = tuple[str, str]


def draft(project: Project, entry: Entry) -> bytes:
    """The patch as it is to be edited: the bytes that were handed in. Raises: as `revise.check`."""
    revise.check(project, entry)
    return content.need(project, entry).content or b""


def prepare(
    project: Project,
    entry: Entry,
    data: bytes,
    message: str | None = None,
    author: Author | None = None,
) -> revise.Revision:
    """The edited bytes, judged as the next revision; changes nothing. Raises: as `accept`, but QueueBusy."""
    before = draft(project, entry)
    if not data.strip():
        raise UsageError(
            f"nothing is left of change {entry.label}; to give it up, drop it",
            next=("uet-git", "drop", entry.label),
        )
    if data == before and message is None and author is None:
        raise UsageError(
            f"change {entry.label} is as it was", next=("uet-git", "show", entry.label)
        )
    return revise.Revision(
        project, entry, data, revise.kept(entry, **_said(entry, before, data, message, author))
    )


def accept(
    project: Project,
    entry: Entry,
    data: bytes,
    reason: str,
    *,
    message: str | None = None,
    author: Author | None = None,
) -> Entry:
    """Hands edited bytes in as the next revision, which is judged like any other, and returns it.

    Author, date and message stay unless they were edited in the mail's own header, or are given.

    Raises: as `revise.check`; UsageError (empty, unchanged, several patches), QueueBusy (it moved meanwhile).
    """
    revision = prepare(project, entry, data, message, author)
    new, _ = revision.hand_in(lambda new, _: {"edited": new.label, "why": reason})
    return new


def _said(
    entry: Entry, before: bytes, data: bytes, message: str | None, author: Author | None
) -> dict[str, Any]:
    """Message, author and date where they are others than the entry's."""
    old, new = mail.read(before), mail.read(data)
    other: dict[str, Any] = {}
    ids = dict(revise.kept(entry).ids)
    if message is not None or (new.message and new.message != old.message):
        other["message"] = message if message is not None else _text(new.message)
        ids.pop("message", None)
        ids.pop("title", None)
    if author is not None or (new.author is not None and new.author != old.author):
        given = new.author or (b"", b"")
        other["author"] = author or (_text(given[0]), _text(given[1]))
    if new.date is not None and new.date != old.date:
        ids["author_date"] = _text(new.date)
    return {**other, "ids": ids}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
