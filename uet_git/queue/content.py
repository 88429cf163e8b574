"""content: an entry's bytes, which a redaction may have taken out (DESIGN 6)."""

from uet_git.errors import Redacted
from uet_git.model.entry import Entry, StoredPatch
from uet_git.project import Project


def need(project: Project, entry: Entry) -> StoredPatch:
    """The entry's patch with its bytes. Raises: Redacted."""
    stored = project.ledger.entries.patch(entry.patch_id)
    if stored.content is None:
        raise Redacted(f"change {entry.label}", next=("uet-git", "log", entry.label))
    return stored
