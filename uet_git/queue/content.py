"""content: an entry's bytes, which a redaction may have taken out, and what a rebuild could not restore (DESIGN 6)."""

from uet_git.errors import Redacted
from uet_git.ledger import unknown as _unknown
from uet_git.model.entry import Entry, StoredPatch
from uet_git.project import Project


def need(project: Project, entry: Entry) -> StoredPatch:
    """The entry's patch with its bytes. Raises: Redacted."""
    stored = project.ledger.entries.patch(entry.patch_id)
    if stored.content is None:
        raise Redacted(f"change {entry.label}", next=("uet-git", "log", entry.label))
    return stored


def unknown(project: Project, entry: Entry) -> list[str]:
    """The fields of an entry, and as `patch.NAME` those of its patch, that hold a default since a rebuild."""
    db = project.ledger.db
    own = _unknown.of_row(db, "entries", entry.entry_id)
    return sorted(own | {f"patch.{n}" for n in _unknown.of_row(db, "patches", entry.patch_id)})
