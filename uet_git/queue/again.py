"""again: what has lines of a change that is quarantined, or that a person dropped, waits for a person (DESIGN 4).

A next revision of a quarantined change is judged afresh. Where nothing is held, this is one look into an index.
"""

from collections.abc import Sequence

from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Finding
from uet_git.project import Project
from uet_git.queue import validate
from uet_git.queue.collect import Part
from uet_git.queue.foresee import foresee
from uet_git.queue.options import Options

BEFORE = ("queue.dropped_before", "queue.quarantined_before")
"""Reasons that only a person's release lifts."""
_NOT_ITS_DOING = ("apply", "parse", "size")


def look_ahead(project: Project, parts: Sequence[Part], options: Options) -> None:
    """Adds to each part's findings that it was held before, and then what the tip's tree gives."""
    if project.has_ledger():
        held = project.ledger.entries.held(options.target)
        if held:
            _hold(project, parts, options, [e for e in held if _counts(e, options)])
    foresee(project, parts, options)


def _counts(entry: Entry, options: Options) -> bool:
    """Whether what an entry was held for is in its lines; a quarantined change may be mended by its next revision."""
    if entry.state == "dropped":
        return True
    kind = (entry.reason or "").partition(".")[0]
    follows = entry.reason in ("queue.dependency_dropped", "queue.series_incomplete", *BEFORE)
    mended = entry.number == options.replaces or options.replaces_series is not None
    return kind not in _NOT_ITS_DOING and not follows and not mended


def _hold(project: Project, parts: Sequence[Part], options: Options, held: Sequence[Entry]) -> None:
    from uet_git.model import again

    entries = project.ledger.entries
    touched = entries.touched([e.patch_id for e in held])
    fresh = [p for p in parts if p.known is None and p.names_old is None and p.judged.patch.changes]
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
            if again.is_again(new, old, again.offending(old, _blamed(entry))):
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
