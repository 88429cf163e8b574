"""release: a person lets a quarantined change go on: what stands against it waived, or its repaired reading taken
(DESIGN 5, 12). What was waived, by whom and why is recorded; safety findings and gates are never waived."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uet_git.errors import NotWaivable, UsageError
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Writer
from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS
from uet_git.model.waivers import standing
from uet_git.project import Project
from uet_git.queue import content, decide, handmade, person, repaired

if TYPE_CHECKING:
    from uet_git.queue.submit import Submitted


def waivers(
    project: Project, entries: Sequence[Entry], codes: Sequence[str]
) -> dict[str, list[str]]:
    """What a release would waive, by entry id. `codes` empty: everything that can be waived.

    Raises: NeedsPerson, UsageError (not quarantined, an unknown code), NotWaivable.
    """
    _check(project, entries)
    for code in codes:
        _check_code(code, entries)
    found = {}
    for entry in entries:
        against = [c for c in standing(entry) if c not in decide.FOLLOWS or _waits(project, entry)]
        waived = [code for code in against if not codes or code in codes]
        left = [code for code in against if not REASONS[code].waivable] or [
            code for code in against if code not in waived
        ]
        if left:
            raise NotWaivable(_said(entry, left[0]), next=_next(entry, left[0]))
        found[entry.entry_id] = waived
    return found


def waive(
    project: Project, entries: Sequence[Entry], codes: Sequence[str], reason: str
) -> list[Entry]:
    """Queues quarantined entries with their findings waived. Raises: as `waivers`."""
    found = waivers(project, entries, codes)
    both = person.together(project, entries)
    moves: list[Move] = []
    for entry in entries:
        codes_now = found[entry.entry_id]
        payload = {"waived": codes_now, "why": reason, **both}
        columns = {
            "waived": list(dict.fromkeys((*(entry.waived or ()), *codes_now))),
            **{"reason": None, "detail": None, "tried_tip": None},
        }
        moves.append(
            Move(entry.entry_id, "quarantined", "validated", payload, columns, "patch_released")
        )
        moves.append(Move(entry.entry_id, "validated", "queued", {}, {}))
    with project.ledger.write() as write:
        write.entries.move(moves)
    return project.ledger.entries.by_ids([e.entry_id for e in entries])


def take_repaired(project: Project, entries: Sequence[Entry], reason: str) -> list[Entry]:
    """Hands the repaired readings in as the next revisions, which are judged like any other; returns those.

    Raises: NeedsPerson, UsageError (not quarantined, no reading is offered).
    """
    # the whole intake, which a look at what can be released does without
    from uet_git.queue.submit_each import submit_each

    check_repaired(project, entries)
    both = person.together(project, entries)

    def tell(write: Writer, taken: "list[Submitted]") -> None:
        for entry, done in zip(entries, taken, strict=True):
            payload = {"repaired": done.entry.label, "why": reason, **both}
            write.entries.amend(entry.entry_id, {}, payload, kind="patch_released")

    handed = [repaired.take(project, entry) for entry in entries]
    return [done.entry for done in submit_each(project, handed, tell)]


def check_repaired(project: Project, entries: Sequence[Entry]) -> None:
    """Whether each has a repaired reading to take. Raises: as `take_repaired`."""
    _check(project, entries)
    for entry in entries:
        repaired.take(project, entry)


def _check(project: Project, entries: Sequence[Entry]) -> None:
    for entry in entries:
        look = ("uet-git", "show", entry.label)
        person.need(project, f"release change {entry.label}", look)
        handmade.need_patch(entry)
        content.need(project, entry)
        if entry.state != "quarantined":
            raise UsageError(
                f"change {entry.label} is {entry.state}; only what is quarantined can be released",
                next=look,
            )


def _waits(project: Project, entry: Entry) -> bool:
    """Whether nothing but others stand in an entry's way, or those were dropped: then releasing it is no way on."""
    alone = all(code in decide.FOLLOWS for code in standing(entry))
    return alone or bool(decide.lost(project, entry))


def _check_code(code: str, entries: Sequence[Entry]) -> None:
    """A code that is asked for must be one of what was found, and one that can be waived at all."""
    look = ("uet-git", "show", entries[0].label)
    if code not in REASONS:
        import difflib

        near = difflib.get_close_matches(code, [c for c, r in REASONS.items() if r.waivable], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--waive {code}: there is no such reason{hint}", next=look)
    holders = [e for e in entries if any(code == f["code"] for f in e.findings)]
    if not holders:
        labels = ", ".join(e.label for e in entries)
        raise UsageError(f"--waive {code}: that was not found in change {labels}", next=look)
    if not REASONS[code].waivable:
        raise NotWaivable(_said(holders[0], code), next=_next(holders[0], code))


def _said(entry: Entry, code: str) -> str:
    """Why a finding stands in the way, and what can be done about it."""
    kind = code.split(".", 1)[0]
    if REASONS[code].waivable:
        return f"change {entry.label} also has {code}; name it with another --waive"
    if code == "parse.repairable":
        what = "it cannot be applied as it is; look at its repaired reading, and take that with --repaired"
    elif kind == "gate":
        what = "gates are never waived; mend the patch, or try again"
    elif kind == "apply":
        what = "it does not fit; try again, or hand in a new revision"
    else:
        what = REASONS[code].sentence.rstrip(".")
        what = f"{what[0].lower()}{what[1:]}; drop it, or hand in a new revision"
    return f"{code} of change {entry.label}: {what}"


def _next(entry: Entry, code: str) -> tuple[str, ...]:
    again = not REASONS[code].waivable and code.split(".", 1)[0] in ("gate", "apply")
    return ("uet-git", "retry" if again else "show", entry.label)
