"""Queue order and waiting, as pure functions of the entries (DESIGN 5, 15)."""

from collections.abc import Iterable

from uet_git.model.entry import Entry

DONE_REASON = "queue.already_in_target"


def newest_revisions(entries: Iterable[Entry]) -> dict[int, Entry]:
    """The newest revision of every number."""
    newest: dict[int, Entry] = {}
    for entry in entries:
        held = newest.get(entry.number)
        if held is None or entry.revision > held.revision:
            newest[entry.number] = entry
    return newest


def is_done(entry: Entry) -> bool:
    """Whether those that wait for this entry may go: it landed, or the target already had it."""
    return entry.state in ("committed", "rolled_back") or (
        entry.state == "dropped" and entry.reason == DONE_REASON
    )


def is_lost(entry: Entry) -> bool:
    """Whether those that wait for this entry wait in vain."""
    return entry.state == "dropped" and entry.reason not in (DONE_REASON, "queue.superseded")


def in_line(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in queue order: higher priority first, then by place (the number; a new revision keeps it),
    members of one series in series order.
    """
    return sorted(entries, key=lambda e: (-e.priority, e.number, e.revision))


class Waiting:
    """Who waits for whom: series members for the earlier ones, entries for the numbers they depend on.

    Built from the newest revisions; `done` is told as entries land, so a whole line costs one walk.
    """

    def __init__(self, members: Iterable[Entry], depended: Iterable[Entry]) -> None:
        self._series: dict[str, list[tuple[int, int]]] = {}
        for entry in sorted(members, key=lambda e: -(e.series_index or 0)):
            if entry.series_id is not None and not is_done(entry):
                self._series.setdefault(entry.series_id, []).append(
                    (entry.series_index or 0, entry.number)
                )
        self._open = {e.number for e in depended if not is_done(e)}

    def done(self, entry: Entry) -> None:
        """Notes that an entry landed (or is about to, in the same landing)."""
        self._open.discard(entry.number)
        line = self._series.get(entry.series_id or "")
        if line:
            place = (entry.series_index or 0, entry.number)
            if line[-1] == place:
                line.pop()
            elif place in line:
                line.remove(place)

    def blockers(self, entry: Entry) -> list[int]:
        """Numbers that must land before this entry."""
        found = {n for n in entry.depends_on if n in self._open}
        line = self._series.get(entry.series_id or "")
        index = entry.series_index or 0
        if line and line[-1][0] < index:
            found |= {number for place, number in line if place < index}
        return sorted(found - {entry.number})
