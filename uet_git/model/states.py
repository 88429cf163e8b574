"""All state machines as data: enums and transition tables side by side (DESIGN 5).

The same tables stand as rows in SQL behind guard triggers; a test compares the two.
"""

from enum import StrEnum
from typing import Final

from uet_git.errors import IllegalMove


class EntryState(StrEnum):
    """Where a patch is on its way to the branch."""

    CREATED = "created"
    VALIDATED = "validated"
    QUEUED = "queued"
    APPLIED = "applied"
    APPLY_FAILED = "apply_failed"
    VERIFIED = "verified"
    COMMITTED = "committed"
    QUARANTINED = "quarantined"
    DROPPED = "dropped"
    ROLLED_BACK = "rolled_back"


class RunState(StrEnum):
    """The life of one `uet-git apply` (or rollback, hook, agent)."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELED = "canceled"


class StepState(StrEnum):
    """The life of one attempt at validate, stage, verify or land."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class GateState(StrEnum):
    """The life of one gate on one candidate tree."""

    PENDING = "pending"
    RUNNING = "running"
    BLOCKED = "blocked"
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    SKIPPED = "skipped"


Table = dict[str, tuple[str, ...]]

ENTRY: Final[Table] = {
    "created": ("validated", "dropped", "quarantined"),
    "validated": ("queued", "quarantined", "dropped"),
    "queued": ("applied", "apply_failed", "quarantined", "dropped"),
    "applied": ("verified", "quarantined", "queued", "dropped"),
    "apply_failed": ("queued", "quarantined", "dropped"),
    "verified": ("committed", "queued", "quarantined", "dropped"),
    "quarantined": ("validated", "dropped"),
    "committed": ("rolled_back",),
    "dropped": (),
    "rolled_back": (),
}
RUN: Final[Table] = {
    "pending": ("running", "canceled"),
    "running": ("succeeded", "failed", "quarantined", "canceled"),
    "failed": ("quarantined",),
    "succeeded": (),
    "quarantined": (),
    "canceled": (),
}
STEP: Final[Table] = {
    "pending": ("running",),
    "running": ("succeeded", "failed", "canceled"),
    "succeeded": (),
    "failed": (),
    "canceled": (),
}
GATE: Final[Table] = {
    "pending": ("running", "skipped", "blocked"),
    "running": ("passed", "failed", "error", "timeout", "canceled", "skipped"),
    "blocked": ("pending", "skipped"),
    "passed": (),
    "failed": (),
    "error": (),
    "timeout": (),
    "canceled": (),
    "skipped": (),
}
MACHINES: Final[dict[str, Table]] = {"entry": ENTRY, "run": RUN, "step": STEP, "gate": GATE}
INITIAL: Final[dict[str, str]] = {
    "entry": "created",
    "run": "pending",
    "step": "pending",
    "gate": "pending",
}
OPEN_ENTRY: Final = ("created", "validated", "queued", "applied", "apply_failed", "verified")
"""States of an entry that may still move without a person."""
NEEDS_PERSON: Final = ("apply_failed", "quarantined")


def advance(machine: str, state: str, to: str) -> str:
    """Returns `to` if the machine may move there from `state`. Raises: IllegalMove."""
    if to not in MACHINES[machine].get(state, ()):
        raise IllegalMove(f"{machine}: {state} -> {to}")
    return to


def is_terminal(machine: str, state: str) -> bool:
    """Tells whether nothing can follow `state`."""
    return not MACHINES[machine][state]
