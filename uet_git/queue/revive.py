"""revive: a revision that is over comes back as the next one of its change, as it was before that (DESIGN 12)."""

from typing import Any

from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Writer
from uet_git.model import history
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import content, set_aside
from uet_git.queue.decide import FOLLOWS

_KEPT = (
    *("patch_id", "project_id", "phase_id", "workstream_id", "execution_request_id", "prompt_id"),
    *("tool_run_id", "number", "series_id", "series_index", "identity", "target", "priority"),
    *("findings", "title", "message", "author_name", "author_email", "author_date", "message_id"),
    *("submitter", "origin", "issue", "scope", "depends_on", "allow_behind", "sign_off"),
    "rollback_of",
)
_FLAGS = ("format_ok", "scope_ok", "constraints_ok")


def revive(
    project: Project,
    write: Writer,
    old: Entry,
    newest: Entry | None,
    seq: int,
    said: dict[str, Any],
) -> list[str]:
    """Makes `old`, as it was before event `seq`, the newest revision, in place of `newest`; returns what it touched.

    Followers that were set aside for the want of it wait for it again. Raises: Redacted.
    """
    entries = project.ledger.entries
    stored = content.need(project, old)
    told = history.recorded("entry", project.ledger.events_of(entry=old.entry_id))
    # What made a newer revision is told after the older one was dropped for it.
    before = [e for e in told if e.seq < seq and e.to != "dropped"]
    state = history.fold("entry", before).state
    last = history.last(before, state or "")
    revision = (newest or old).revision + 1
    entry_id = project.clock.ulid()
    row = {name: getattr(old, name) for name in _KEPT}
    row.update(entry_id=entry_id, revision=revision, replaces=(newest or old).entry_id)
    row["sha256"] = stored.sha256
    write.entries.add([row], None)
    waived = history.waived(before)
    marks = {name: getattr(old, name) for name in _FLAGS}
    payload = {} if last is None else {k: last.payload.get(k) for k in ("reason", "detail")}
    if state == "quarantined":
        _set_aside(project, write, (old.entry_id, entry_id), waived, marks, payload, said)
    else:
        write.entries.move(_released(entry_id, waived, marks, said))
        write.entries.move([Move(entry_id, "validated", "queued", {}, {})])
    if newest is not None and newest.state in set_aside.MOVABLE:
        set_aside.supersede(write, newest, None)
    fresh = entries.get(entry_id)
    assert fresh is not None
    return [entry_id, *_followers(project, write, fresh, seq, said)]


def _released(
    entry_id: str, waived: list[str] | None, marks: dict[str, int], said: dict[str, Any]
) -> list[Move]:
    """created -> validated, with what a person had waived."""
    if waived is None:
        return [Move(entry_id, "created", "validated", said, marks)]
    told, columns = {"waived": waived, **said}, {**marks, "waived": waived}
    return [Move(entry_id, "created", "validated", told, columns, "patch_released")]


def _set_aside(
    project: Project,
    write: Writer,
    ids: tuple[str, str],
    waived: list[str] | None,
    marks: dict[str, int],
    why: dict[str, Any],
    said: dict[str, Any],
) -> None:
    """Into quarantine, for the reason that it was there for, its repaired reading offered again."""
    old, entry_id = ids
    state = "created"
    if waived is not None:
        write.entries.move(_released(entry_id, waived, marks, said))
        state = "validated"
    reading = project.ledger.repair_of(old)
    offered = {} if reading is None else {"repaired": reading.sha256}
    payload = {**why, **offered, **({} if waived is not None else said)}
    write.entries.move([Move(entry_id, state, "quarantined", payload, {**marks, **why})])
    if reading is not None:
        write.decisions.copy_reading(old, entry_id)


def _followers(
    project: Project, write: Writer, entry: Entry, seq: int, said: dict[str, Any]
) -> list[str]:
    """Queues again what was quarantined, by this actor and after event `seq`, because the change was gone."""
    entries = project.ledger.entries
    found: dict[str, None] = {}
    line = [entry]
    while line:
        one = line.pop()
        members = entries.of_series(one.series_id) if one.series_id is not None else []
        for follower in (*entries.followers(one), *members):
            if follower.entry_id in found or not _waits(project, follower, seq):
                continue
            found[follower.entry_id] = None
            clear = {"reason": None, "detail": None}
            left = [f for f in follower.findings if f["code"] not in FOLLOWS]
            columns = {**clear, "findings": left}
            write.entries.move(
                [
                    Move(follower.entry_id, "quarantined", "validated", said, columns),
                    Move(follower.entry_id, "validated", "queued", {}, {}),
                ]
            )
            line.append(follower)
    return list(found)


def _waits(project: Project, entry: Entry, seq: int) -> bool:
    if entry.state != "quarantined" or entry.reason not in FOLLOWS:
        return False
    last = project.ledger.events_of(entry=entry.entry_id)[-1]
    return last.actor == project.actor and last.seq > seq
