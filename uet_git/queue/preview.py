"""preview: what submit would make of patches, without recording anything (`--dry-run`)."""

from collections.abc import Sequence

from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.project import Project
from uet_git.queue import submit
from uet_git.queue.again import look_ahead
from uet_git.queue.collect import Part, collect, identify, offer_repairs
from uet_git.queue.options import Options, Source
from uet_git.queue.validate import Judgement


class Previewed(NamedTuple):
    """One patch: its title, why it would not be queued (None: it would), and its entry if it was handed in before."""

    judged: Judgement
    title: str
    reason: str | None
    known: Entry | None


def preview(project: Project, sources: Sequence[Source], options: Options) -> list[Previewed]:
    """Judges without recording, in series order. Raises: as `submit.submit`."""
    parts, _ = collect(project, sources, options)
    identify(project, parts, options)
    entries = project.ledger.entries if project.has_ledger() else None
    submit.check_options(entries, parts, options)
    _refuse_twins(parts, options)
    offer_repairs(project, parts, options)
    look_ahead(project, parts, options)
    series = submit.is_series(parts, options)
    stopped = options.atomic and any(p.known is None and p.judged.reason for p in parts)
    found = []
    for part in parts:
        known = part.known
        if known is not None:
            found.append(Previewed(part.judged, known.title, known.reason, known))
            continue
        reason = part.judged.reason
        if reason is None and series and stopped:
            reason = "queue.series_incomplete" if options.atomic else "queue.dependency_dropped"
        stopped = stopped or reason is not None
        found.append(Previewed(part.judged, submit.words(part, options)[0], reason, None))
    return found


def _refuse_twins(parts: Sequence[Part], options: Options) -> None:
    """Raises: UsageError if a patch is in a series twice."""
    seen: set[str] = set()
    for part in parts:
        if part.known is None and part.identity in seen and not options.independent:
            raise submit.same_twice(part)
        seen.add(part.identity)
