"""What the commits of landed entries tell of them: message and author, and for ordinary commits what was staged."""

import hashlib
import zlib
from typing import Any

from uet_git.errors import MissingObject, UetError
from uet_git.ledger.replay import Replay
from uet_git.model import commitobject, treechange
from uet_git.model.commitobject import CommitFacts
from uet_git.model.entry import Entry
from uet_git.model.records import Oid
from uet_git.model.settings import CommitSettings
from uet_git.plumbing import difference
from uet_git.project import Project
from uet_git.queue import handmade
from uet_git.queue.commit import TRAILER, landed_message

_SAID = {"message", "author_name", "author_email", "author_date"}


def fill(project: Project, replay: Replay) -> None:
    """Adds to every landed entry what its commit tells and nothing else did."""
    for entry in replay.reader.pages(("committed", "rolled_back")):
        missing = replay.unknown.get(("entries", entry.entry_id), set())
        lacks_bytes = "content" in replay.unknown.get(("patches", entry.patch_id), ())
        if entry.commit_id is None or not (missing & _SAID or lacks_bytes):
            continue
        try:
            facts = commitobject.read(project.objects.commit(Oid(entry.commit_id)))
        except (MissingObject, UetError):
            continue
        if handmade.is_hook(entry):
            _staged(project, replay, entry, facts)
        elif missing & _SAID:
            found = said(entry, facts)
            if found:
                replay.entries.fill(entry.entry_id, found)
                missing -= found.keys()


def said(entry: Entry, facts: CommitFacts) -> dict[str, Any]:
    """Message and author as the entry's columns; empty if the commit's message is not one that these would give."""
    message = without_trailer(facts.message, entry.entry_id)
    name, email = commitobject.who(facts.author)
    columns: dict[str, Any] = {
        "message": message.decode("utf-8", "backslashreplace"),
        "author_name": name.decode("utf-8", "backslashreplace"),
        "author_email": email.decode("utf-8", "backslashreplace"),
        "author_date": facts.author.rpartition(b"> ")[2].decode("ascii", "replace"),
    }
    again = entry._replace(**columns)
    made = {landed_message(again, CommitSettings(trailer=trailer)) for trailer in (True, False)}
    return columns if facts.message in made and not facts.encoding else {}


def without_trailer(message: bytes, entry_id: str) -> bytes:
    """A commit's message without the last line that names the entry."""
    line = b"%b: %b\n" % (TRAILER, entry_id.encode())
    head, found, tail = message.rpartition(line)
    return (head + tail).rstrip(b"\n") + b"\n" if found else message


def _staged(project: Project, replay: Replay, entry: Entry, facts: CommitFacts) -> None:
    """What was staged for an ordinary commit, if it has the hash of what pre-commit saw."""
    try:
        base = project.tip_tree(Oid(facts.parents[0]) if facts.parents else None)
        changes = difference.diff_trees(project.objects, base, Oid(facts.tree))
    except (MissingObject, UetError):
        return
    content = treechange.write(base, facts.tree, changes)
    patch = replay.reader.patch(entry.patch_id)
    if hashlib.sha256(content).hexdigest() == patch.sha256:
        names = [c.path.decode("utf-8", "backslashreplace") for c in changes]
        replay.entries.fill_patch(entry.patch_id, zlib.compress(content), len(content), names)
        replay.unknown.pop(("patches", entry.patch_id), None)
