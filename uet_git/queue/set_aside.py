"""set aside: drops or quarantines an entry, and looks after those that wait for it (DESIGN 4, 5)."""

from collections.abc import Mapping, Sequence
from typing import Any

from uet_git.errors import QueueBusy, UsageError
from uet_git.ledger.entries import Entries, Move
from uet_git.ledger.ledger import Writer
from uet_git.model.entry import Entry
from uet_git.model.records import Finding
from uet_git.queue import validate

MOVABLE = ("created", "validated", "queued", "applied", "apply_failed", "verified", "quarantined")


def supersede(write: Writer, old: Entry, run: str | None) -> None:
    """Drops an entry whose newer revision takes its place; its followers wait for its number."""
    write.entries.move([_drop(old, "queue.superseded", "")], run=run)


def leave_out(write: Writer, entries: Entries, old: Entry, run: str | None) -> None:
    """Drops a member that the new version of its series does not have; what depends on it is quarantined."""
    write.entries.move([_drop(old, "queue.left_out", "")], run=run)
    hold_followers(write, entries, old, run)


def drop(
    write: Writer,
    entries: Entries,
    entry: Entry,
    detail: str,
    run: str | None = None,
    code: str = "queue.dropped_by_person",
    also: Mapping[str, Any] | None = None,
) -> list[Entry]:
    """Drops an entry on request; its followers are quarantined. Returns those followers. `also` goes into the event.

    Raises: UsageError if the entry is over, QueueBusy if it is landing.
    """
    if entry.state not in MOVABLE:
        raise UsageError(
            f"change {entry.label} is {entry.state}", next=("uet-git", "show", entry.label)
        )
    move = _drop(entry, code, detail)
    move.payload.update(also or {})
    write.entries.move([move], run=run)
    return hold_followers(write, entries, entry, run)


def hold_followers(write: Writer, entries: Entries, entry: Entry, run: str | None) -> list[Entry]:
    """Quarantines everything that waits for an entry which is gone for good, and what waits for that."""
    held: dict[str, Entry] = {}
    line = [entry]
    while line:
        gone = line.pop()
        followers = {e.entry_id: e for e in entries.followers(gone)}
        partners = {e.entry_id: e for e in _partners(entries, gone)}
        for follower in (followers | partners).values():
            if follower.entry_id in held or follower.state not in (
                "validated",
                "queued",
                "apply_failed",
            ):
                continue
            held[follower.entry_id] = follower
            code = "dependency_dropped" if follower.entry_id in followers else "series_incomplete"
            finding = Finding(f"queue.{code}", f"change {gone.label} will not land")
            write.entries.move([quarantine(follower, [finding])], run=run)
            line.append(follower)
    return list(held.values())


def _partners(entries: Entries, entry: Entry) -> list[Entry]:
    """The members of an all-or-nothing series: none of them can land without `entry`."""
    found = None if entry.series_id is None else entries.series(entry.series_id)
    return entries.of_series(found.series_id) if found is not None and found.atomic else []


def quarantine(
    entry: Entry, findings: Sequence[Finding], columns: dict[str, object] | None = None
) -> Move:
    """The move into quarantine for the gravest of `findings`, which are added to the entry's own."""
    return _with_findings(entry, "quarantined", findings, columns)


def fail(
    entry: Entry, findings: Sequence[Finding], columns: dict[str, object] | None = None
) -> Move:
    """The move to apply_failed for the gravest of `findings`."""
    return _with_findings(entry, "apply_failed", findings, columns)


def refuse(
    entry: Entry, findings: Sequence[Finding], columns: dict[str, object] | None = None
) -> Move:
    """The move to dropped for the gravest of `findings`."""
    return _with_findings(entry, "dropped", findings, columns)


def _with_findings(
    entry: Entry, to: str, findings: Sequence[Finding], columns: dict[str, object] | None
) -> Move:
    code = validate.blocking(findings)
    assert code is not None
    detail = next((f.detail for f in findings if f.code == code), "")
    every = {
        **{"reason": code, "detail": detail, "findings": with_added(entry, findings)},
        **_broken(findings),
        **(columns or {}),
    }
    return Move(entry.entry_id, entry.state, to, {"reason": code, "detail": detail}, every)


def _broken(findings: Sequence[Finding]) -> dict[str, int]:
    """The flags of the rules that the patch itself breaks; what happened around it is not its doing."""
    own = [f for f in findings if not f.code.startswith(("queue.", "apply.", "gate."))]
    return {name: ok for name, ok in validate.flags(own).items() if not ok}


def with_added(entry: Entry, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """An entry's findings as they are kept, with new ones; what an earlier attempt or gate found is over."""
    kept = [f for f in entry.findings if f["code"].split(".")[0] not in ("apply", "gate")]
    return kept + [f for f in validate.as_json(findings) if f not in kept]


def _drop(entry: Entry, code: str, detail: str) -> Move:
    if (
        entry.state == "verified"
    ):  # its intent is written in the same transaction: the branch may have it already
        why = f"change {entry.label} is landing right now"
        raise QueueBusy(why, next=("uet-git", "apply"))
    columns = {"reason": code, "detail": detail}
    return Move(entry.entry_id, entry.state, "dropped", {"reason": code, "detail": detail}, columns)


def in_state(entry: Entry, state: str, **columns: Any) -> Entry:
    """The entry as it will be after a move that is not written yet."""
    return entry._replace(state=state, **columns)
