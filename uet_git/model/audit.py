"""The classes of commits, and which of them account for one (DESIGN 1, 11)."""

from enum import StrEnum
from typing import Final


class CommitClass(StrEnum):
    """How a commit came to be on its branch, as far as it is proved."""

    QUEUE = "queue"
    HOOK = "hook"
    UNVERIFIED = "unverified"
    OUT_OF_BAND = "out_of_band"
    BEFORE = "before"
    ELSEWHERE = "elsewhere"


MEANING: Final[dict[str, str]] = {
    "queue": "the queue landed it",
    "hook": "committed by hand, with a passed verdict",
    "unverified": "committed by hand without a passed verdict (--no-verify, cherry-pick, revert, rebase, am)",
    "out_of_band": "no hook and no queue saw it",
    "before": "older than the ledger",
    "elsewhere": "another ledger accounts for it, by a log that was fetched",
}
ACCOUNTED: Final = frozenset({"queue", "hook", "before", "elsewhere"})
"""What needs nobody's attention."""
