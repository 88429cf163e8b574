"""forecast: says at submit whether a patch would apply now, and if not, where and since what (DESIGN 7)."""

from collections.abc import Sequence

from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS
from uet_git.model.records import Oid
from uet_git.project import Project
from uet_git.queue.stage import NotStaged, Stager


class Forecast(NamedTuple):
    """A guess for today's tip. `changed_by` is the label of the landed entry that last changed the path, if known."""

    applies: bool
    reason: str | None
    detail: str
    changed_by: str | None


def of(project: Project, entries: Sequence[Entry]) -> dict[str, Forecast]:
    """A forecast for every queued entry, by id; members of a series stand on one another. Writes nothing."""
    found: dict[str, Forecast] = {}
    for target in dict.fromkeys(e.target for e in entries):
        tip = project.tip(target)
        stager = Stager(project, project.settings_at(tip))
        tree = project.tip_tree(tip)
        on_top: Oid = tree
        marks: list[int] = []
        for entry in entries:
            if entry.target != target or entry.state != "queued":
                continue
            staged = stager.stage(on_top if entry.series_id is not None else tree, entry)
            if isinstance(staged, NotStaged):
                found[entry.entry_id] = _conflict(project, staged)
                continue
            marks.append(staged.mark)
            found[entry.entry_id] = Forecast(True, None, "", None)
            if entry.series_id is not None:
                on_top = staged.composed.tree
        for mark in reversed(marks):
            project.objects.discard(mark)
    return found


def _conflict(project: Project, staged: NotStaged) -> Forecast:
    finding = next(f for f in staged.findings if f.code == staged.code)
    where = "" if finding.path is None else finding.path.decode("utf-8", "backslashreplace") + ": "
    return Forecast(
        False,
        finding.code,
        f"{where}{finding.detail or REASONS[finding.code].sentence}",
        _changed_by(project, finding.path),
    )


def _changed_by(project: Project, path: bytes | None) -> str | None:
    """The newest landed entry whose patch names the path."""
    if path is None:
        return None
    name = path.decode("utf-8", "backslashreplace")
    entry = project.ledger.entries.last_landed_on(name)
    return None if entry is None else entry.label
