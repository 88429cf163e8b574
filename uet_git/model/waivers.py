"""What stands against a quarantined entry, and whether a person may wave it through (DESIGN 5, 12)."""

from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS, Gravity


def standing(entry: Entry) -> list[str]:
    """Codes of what stands against an entry and nobody has waived, gravest first."""
    waived = entry.waived or ()
    codes = dict.fromkeys(
        [*([entry.reason] if entry.reason else []), *(f["code"] for f in entry.findings)]
    )
    found = [c for c in codes if REASONS[c].gravity != Gravity.NOTE and c not in waived]
    return sorted(found, key=lambda c: -REASONS[c].gravity)


def can_waive(entry: Entry) -> bool:
    """Whether everything that stands against an entry is a person's to wave through."""
    against = standing(entry)
    return bool(against) and all(REASONS[code].waivable for code in against)
