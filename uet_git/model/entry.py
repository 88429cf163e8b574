"""What the ledger keeps, as frozen records: entries, runs, steps, events, series, landings."""

from typing import Any

from uet_git.model.named import NamedTuple

PRIORITIES = ("low", "normal", "high", "critical")


class Entry(NamedTuple):
    """One revision of a change. Times are UTC, ISO 8601; `findings`, `origin` and the like are parsed JSON.

    `identity` is SHA-256 over bytes, target and overrides; `tried_tip` the commit on which it last failed to apply.
    """

    seq: int
    entry_id: str
    patch_id: str
    project_id: str
    phase_id: str | None
    workstream_id: str | None
    execution_request_id: str | None
    prompt_id: str | None
    tool_run_id: str | None
    number: int
    revision: int
    series_id: str | None
    series_index: int | None
    identity: str
    target: str
    priority: int
    state: str
    reason: str | None
    detail: str | None
    findings: list[dict[str, Any]]
    format_ok: int
    scope_ok: int
    constraints_ok: int
    waived: list[str] | None
    title: str
    message: str
    author_name: str | None
    author_email: str | None
    author_date: str | None
    message_id: str | None
    submitter: str
    origin: dict[str, Any] | None
    issue: str | None
    scope: dict[str, Any] | None
    depends_on: list[int]
    allow_behind: int
    sign_off: int
    attempts: int
    tried_tip: str | None
    rung: str | None
    proved: int | None
    tree: str | None
    commit_id: str | None
    replaces: str | None
    rollback_of: str | None
    rolled_back_by: str | None
    made_by_run: str | None
    landed_by_run: str | None
    created_at: str
    updated_at: str
    event_seq: int

    @property
    def label(self) -> str:
        """`12`, or `12.2` for a revision after the first."""
        return str(self.number) if self.revision == 1 else f"{self.number}.{self.revision}"


class StoredPatch(NamedTuple):
    """A patch as the ledger keeps it; `content` is inflated, None once redacted."""

    patch_id: str
    sha256: str
    size: int
    content: bytes | None
    files_touched: list[str]
    files: int
    insertions: int
    deletions: int
    hunks: int
    base_commit: str | None
    created_at: str


class StoredRepair(NamedTuple):
    """A repaired reading as the ledger keeps it; `content` is a strict git diff, None once redacted.

    `places` are (path as text, line, line that the hunk named), one for each hunk as typed.
    """

    entry_id: str
    sha256: str
    size: int
    content: bytes | None
    repairs: tuple[str, ...]
    places: tuple[tuple[str, int, int], ...]
    created_at: str


class Approval(NamedTuple):
    """One person's vote for one revision, with what it was for (model/approval.py)."""

    entry_id: str
    approver: str
    target: str
    policy: dict[str, Any]
    diff: dict[str, str]
    approved_at: str
    event_seq: int


class Snooze(NamedTuple):
    """Until when an entry is not shown among what needs a person; `until` is UTC, ISO 8601."""

    entry_id: str
    until: str
    actor: str
    event_seq: int


class Run(NamedTuple):
    """One run, column by column."""

    run_id: str
    project_id: str
    phase_id: str | None
    workstream_id: str | None
    execution_request_id: str | None
    kind: str
    state: str
    state_reason: str | None
    trigger_type: str
    trigger_ref: str | None
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    step_attempts: int
    patches_created: int
    patches_applied: int
    patches_committed: int
    patches_set_aside: int
    errors: int
    event_seq: int


class Step(NamedTuple):
    """One attempt at a step."""

    step_attempt_id: str
    run_id: str
    sequence: int
    entry_id: str | None
    tool_id: str
    tool_run_id: str | None
    execution_request_id: str | None
    prompt_id: str | None
    state: str
    state_reason: str | None
    started_at: str
    ended_at: str | None


class Event(NamedTuple):
    """One link of the chain. `payload` is the canonical JSON text as stored."""

    seq: int
    event_id: str
    ts: str
    actor: str
    run_id: str | None
    entry_id: str | None
    kind: str
    payload: str
    prev_hash: str
    hash: str


class Series(NamedTuple):
    """Entries that were handed in as one."""

    series_id: str
    total: int
    atomic: int
    cover: str | None
    created_at: str


class Landing(NamedTuple):
    """An intent to move a branch. `commits` is [[entry id, commit id], ...] in order; `worktrees` their roots."""

    landing_id: str
    run_id: str
    target: str
    old: str
    new: str
    state: str
    worktrees: list[str]
    commits: list[list[str]]
    boot_id: str
    pid: int
    created_at: str
    ended_at: str | None
