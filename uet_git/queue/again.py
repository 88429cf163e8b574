"""again: what has lines of a change that is quarantined, or that a person dropped, waits for a person (DESIGN 4).

A next revision of a quarantined change is judged afresh, but for what only a release lifts. Where nothing is held, this
is one look into an index.
"""

from collections.abc import Collection, Sequence

from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Finding
from uet_git.project import Project
from uet_git.queue import validate
from uet_git.queue.collect import BY_PERSON, Part
from uet_git.queue.foresee import foresee
from uet_git.queue.options import Options

BEFORE = ("queue.dropped_before", "queue.quarantined_before")
_ONLY_RELEASED = {*BEFORE, "queue.rest_of_pick"}
"""Reasons that only a person's release lifts."""
_NOT_ITS_DOING = ("apply", "parse", "size")


def look_ahead(project: Project, parts: Sequence[Part], options: Options) -> None:
    """Adds to each part's findings that it was held before, and then what the tip's tree gives."""
    if project.has_ledger():
        held = project.ledger.entries.held(options.target)
        if held:
            mended = _replaced(project, options)
            _hold(project, parts, options, [e for e in held if _counts(e, mended)])
    foresee(project, parts, options)


def _replaced(project: Project, options: Options) -> set[int]:
    """Numbers of the changes that get a next revision."""
    if options.replaces is not None:
        return {options.replaces}
    entries = project.ledger.entries
    first = entries.revision(options.replaces_series or 0)
    if first is None or first.series_id is None:
        return set() if first is None else {first.number}
    return {e.number for e in entries.of_series(first.series_id)}


def _counts(entry: Entry, mended: Collection[int]) -> bool:
    """Whether what an entry was held for is in its lines; a quarantined change may be mended by its next revision."""
    if entry.state == "dropped":
        return True
    if entry.number in mended:
        codes = {f["code"] for f in entry.findings} - {*(entry.waived or ())}
        return not codes.isdisjoint(_ONLY_RELEASED)
    kind = (entry.reason or "").partition(".")[0]
    follows = entry.reason in ("queue.dependency_dropped", "queue.series_incomplete")
    return kind not in _NOT_ITS_DOING and not follows


def _told(part: Part) -> bool:
    """Whether its bytes alone say that a person dropped it."""
    return part.names_old is not None and part.names_old.reason in BY_PERSON


def _hold(project: Project, parts: Sequence[Part], options: Options, held: Sequence[Entry]) -> None:
    from uet_git.model import again

    entries = project.ledger.entries
    touched = entries.touched([e.patch_id for e in held])
    fresh = [p for p in parts if p.known is None and not _told(p) and p.judged.patch.changes]
    fresh = [
        p for p in fresh if p.source.reverts is None
    ]  # a rollback is a person's decision itself
    limits = project.settings_at(project.tip(options.target)).limits
    known: dict[str, frozenset[again.Line]] = {}
    for part in fresh:
        paths = {p.decode("utf-8", "backslashreplace") for p in part.judged.patch.paths}
        new = again.lines_of(part.judged.patch)
        for entry in held:
            if entry.patch_id not in touched or paths.isdisjoint(touched[entry.patch_id][1]):
                continue
            if entry.patch_id not in known:
                content = entries.patch(entry.patch_id).content or b""
                found = validate.judge(content, limits, project.git.hex_length)
                known[entry.patch_id] = again.lines_of(found.patch)
            old = known[entry.patch_id]
            bad = again.offending(old, _blamed(entry))
            # what is held as another is may have good lines of its own; the other one stands for the bad ones
            whole = entry.reason in BEFORE
            if bool(old) and old <= new if whole else again.is_again(new, old, bad):
                code = BEFORE[entry.state == "quarantined"]
                finding = Finding(code, f"as change {entry.label}")
                part.judged = part.judged._replace(findings=(*part.judged.findings, finding))
                break


def _blamed(entry: Entry) -> list[dict[str, object]]:
    """The findings that an entry was held for; none of what a person dropped, whose lines all count."""
    if entry.state == "dropped":
        return []
    held = [f for f in entry.findings if REASONS[f["code"]].gravity == Gravity.QUARANTINED]
    return [f for f in held if f["code"] not in (entry.waived or ())]
