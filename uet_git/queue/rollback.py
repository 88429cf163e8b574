"""rollback: takes landed changes back by patches that land like any other: one all-or-nothing series, newest undone
first, through the safety rules and the gates (DESIGN 12). Never a reset."""

from collections.abc import Callable, Collection, Sequence

from uet_git.errors import UsageError
from uet_git.host.files import Holder
from uet_git.model import order
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding
from uet_git.plumbing import inverse
from uet_git.project import Project
from uet_git.queue import line, person, set_aside
from uet_git.queue import submit as intake
from uet_git.queue.invert import CODE, Chosen, Inverse, Inverter, chosen
from uet_git.queue.options import Options
from uet_git.queue.progress import Listener, Report


class Plan(NamedTuple):
    """What a rollback would hand in, newest change first, all on one branch."""

    target: str
    inverses: list[Inverse]

    @property
    def stuck(self) -> Inverse | None:
        """The patch that does not fit; None if all do."""
        return next((i for i in self.inverses if i.finding is not None), None)


def plan(project: Project, entries: Sequence[Entry], reason: str, *, squash: bool) -> Plan:
    """The inverse patches of landed entries as they would be handed in now. Writes nothing.

    Raises: NeedsPerson; UsageError (one has not landed, or is rolled back, or not on its branch any more; they are on
    several branches).
    """
    check(project, entries)
    inverter = Inverter(project, entries[0].target, _newest_first(project, entries), reason)
    return Plan(entries[0].target, inverter.squashed() if squash else inverter.each())


def check(project: Project, entries: Sequence[Entry]) -> None:
    """Whether these can be rolled back by this actor. Raises: as `plan`."""
    under_way = _under_way(project)
    for entry in entries:
        look = ("uet-git", "show", entry.label)
        person.need(project, f"roll back change {entry.label}", look)
        if entry.state == "rolled_back":
            by = _by(project, entry)
            raise UsageError(f"change {entry.label} is rolled back already{by}", next=look)
        if entry.state != "committed":
            text = f"change {entry.label} is {entry.state}; only what landed can be rolled back"
            raise UsageError(text, next=look)
        if entry.entry_id in under_way:
            by_label = under_way[entry.entry_id].label
            raise UsageError(
                f"change {entry.label} is being rolled back by change {by_label}",
                next=("uet-git", "show", by_label),
            )
    targets = list(dict.fromkeys(e.target.removeprefix("refs/heads/") for e in entries))
    if len(targets) > 1:
        raise UsageError(
            f"these changes landed on {' and '.join(targets)}; roll back those of one branch at a time",
            next=("uet-git", "list", "--state", "committed"),
        )


def _by(project: Project, entry: Entry) -> str:
    found = project.ledger.entries.get(entry.rolled_back_by or "")
    return "" if found is None else f", by change {found.label}; roll that back to have it again"


def _under_way(project: Project) -> dict[str, Entry]:
    """What open rollbacks take back, by id."""
    found = {}
    for entry in project.ledger.entries.rolling_back():
        found.update(dict.fromkeys(project.ledger.rolls_back(entry.entry_id), entry))
    return found


def _newest_first(project: Project, entries: Sequence[Entry]) -> list[Chosen]:
    """Each with the commit that its branch has of it now, the last one first. Raises: UsageError."""
    target, tip = entries[0].target, project.tip(entries[0].target)
    wanted = {e.entry_id: e.commit_id or "" for e in entries}
    places = inverse.places(project.git, tip, list(wanted.values())) if tip else {}
    for entry in entries:
        if wanted[entry.entry_id] in places:
            continue
        again = inverse.landed_again(project.git, tip, entry.entry_id) if tip else None
        if again is None:
            name = target.removeprefix("refs/heads/")
            raise UsageError(
                f"{name} does not have commit {wanted[entry.entry_id][:12]} of change {entry.label} any more",
                next=("uet-git", "show", entry.label),
            )
        wanted[entry.entry_id] = again
    if tip and any(commit not in places for commit in wanted.values()):
        places = inverse.places(project.git, tip, list(wanted.values()))
    by_place = sorted(entries, key=lambda e: places[wanted[e.entry_id]])
    return [chosen(project, e, wanted[e.entry_id]) for e in by_place]


def submit(project: Project, made: Plan, run: str) -> list[Entry]:
    """Hands the inverse patches in as one series; with one that does not fit, all of them are quarantined."""
    sources = [i.source for i in made.inverses]
    options = Options(target=made.target, atomic=len(sources) > 1)
    return [done.entry for done in intake.submit(project, sources, options, run=run)]


def land(
    project: Project,
    made: Plan,
    listener: Listener,
    handed_in: Callable[[list[Entry]], None],
    *,
    wait: bool = True,
    on_wait: Callable[[Holder | None], None] | None = None,
) -> Report:
    """One run of kind `rollback`. `handed_in` is told the entries. Raises: as `line.apply`."""

    def wanted(run: str) -> Collection[Entry]:
        entries = submit(project, made, run)
        handed_in(entries)
        return entries

    return line.apply(project, wanted, listener, wait=wait, on_wait=on_wait, kind="rollback")


def hold(project: Project, ids: Collection[str], run: str) -> list[Entry]:
    """Sets the rest of a rollback aside where a part of it was: people meet it as one item, and none of it lands.

    Returns what was moved.
    """
    ledger = project.ledger
    held: dict[str, Entry] = {}
    for entry in ledger.entries.by_ids(list(ids)):
        if entry.rollback_of is None or entry.state not in (
            "apply_failed",
            "quarantined",
            "dropped",
        ):
            continue
        members = [entry] if entry.series_id is None else ledger.entries.of_series(entry.series_id)
        for member in order.newest_revisions(members).values():
            if member.state in ("validated", "queued", "apply_failed"):
                held[member.entry_id] = member
    moves = [set_aside.quarantine(e, [_finding(e)]) for e in held.values()]
    if moves:
        with ledger.write() as write:
            write.entries.move(moves, run=run)
            write.runs.count(run, {"patches_set_aside": len(moves)})
    return list(held.values())


def _finding(entry: Entry) -> Finding:
    if entry.state == "apply_failed":
        said = f"{entry.reason}: {entry.detail}" if entry.detail else str(entry.reason)
        return Finding(CODE, f"what landed meanwhile stands in the way: {said}")
    return Finding(
        "queue.series_incomplete", "the rollback is all or nothing, and a part of it failed"
    )
