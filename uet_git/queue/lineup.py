"""lineup: who of a line waits for whom, asked of the ledger as seldom as can be."""

from collections.abc import Collection, Sequence

from uet_git.ledger.entries import Entries
from uet_git.model import order
from uet_git.model.entry import Entry, Series


class Lineup:
    """The series and dependencies of one line of entries."""

    def __init__(self, entries: Entries, line: Sequence[Entry]) -> None:
        self._entries = entries
        self._line = line
        self._series: dict[str, Series | None] = {}

    def waiting(self, *, unmoved: bool) -> order.Waiting:
        """Who waits for whom right now; `unmoved` tells that nothing of the line has landed yet."""
        ids = dict.fromkeys(e.series_id for e in self._line if e.series_id is not None)
        members = [m for i in ids for m in self._members(i, unmoved=unmoved)]
        numbers = sorted({n for e in self._line for n in e.depends_on})
        depended = [self._entries.revision(n) for n in numbers]
        return order.Waiting(members, [e for e in depended if e is not None])

    def all_or_none(self, entry: Entry) -> list[Entry] | None:
        """The members of an all-or-nothing series that are not done, in order; None for any other entry."""
        found = None if entry.series_id is None else self._known(entry.series_id)
        if found is None or not found.atomic:
            return None
        newest = order.newest_revisions(self._entries.of_series(found.series_id)).values()
        return sorted(
            (e for e in newest if not order.is_done(e)), key=lambda e: e.series_index or 0
        )

    def _known(self, series_id: str) -> Series | None:
        """A series as it was handed in; that does not change, so it is asked for once."""
        if series_id not in self._series:
            self._series[series_id] = self._entries.series(series_id)
        return self._series[series_id]

    def _members(self, series_id: str, *, unmoved: bool) -> Collection[Entry]:
        """A series' newest revisions; asked of the ledger unless the line holds them all and nothing has moved."""
        found = self._known(series_id)
        here = [e for e in self._line if e.series_id == series_id]
        if found is not None and len(here) == found.total and unmoved:
            return here
        return order.newest_revisions(self._entries.of_series(series_id)).values()
