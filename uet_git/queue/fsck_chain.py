"""fsck, the events: whether the chain is whole, and whether it is what the log ref anchored (DESIGN 2 P10, 6)."""

from collections.abc import Iterator
from typing import Final

from uet_git.errors import CorruptObject, GitFailed, MissingObject
from uet_git.ledger import documents, events, inspect
from uet_git.ledger.documents import Document
from uet_git.ledger.ledger import Ledger
from uet_git.model.entry import Event
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue.problem import Problems, ranges, spell

_TRIED: Final = 200  # so many broken events are tried at one another's places
_LATE: Final = (
    3  # an anchor may lag behind by the landings of two processes and of one that was killed
)


class Chain(NamedTuple):
    """What is known of the events: the newest one's seq, whether none is missing, and those not to be believed."""

    last: int
    whole: bool
    wrong: frozenset[int]


def check(project: Project, ledger: Ledger, problems: Problems) -> Chain:
    """Follows the chain and compares it with its anchors."""
    log = _Log(project, refs.log_ref(ledger.ledger_id), problems)
    walk = Walk()
    for event in ledger.events():
        line = walk.take(event)
        log.compare(event.seq, line, event.hash)
    walk.wrong_columns(inspect.wrong_columns(ledger))
    wrong = walk.report(problems, log.next_)
    whole = not walk.gaps
    if log.tip is None:
        if inspect.landings_done(ledger, 1):
            message = f"changes have landed, but {log.ref} is gone: nothing outside the database vouches for it"
            problems.damage("anchor_missing", message, log.next_)
    elif log.finish(ledger, walk.last, wrong):
        whole = False
    if walk.last > log.last and whole:
        count = walk.last - log.last
        events_ = "1 event is" if count == 1 else f"{count} events are"
        problems.note("unanchored", f"{events_} not anchored yet", ("uet-git", "apply"))
    if whole and inspect.beyond(ledger):
        whole = False
        problems.damage(
            "ledger_truncated", f"rows refer to events after {walk.last}, the last one", log.next_
        )
    return Chain(walk.last, whole, frozenset(wrong))


def check_documents(ledger: Ledger, wrong: frozenset[int], problems: Problems) -> None:
    """Every event against its schema."""
    for event in ledger.events():
        if event.seq not in wrong:
            try:
                body = documents.event_document(event)
                fault = next(documents.faults(Document("events", str(event.seq), body)), None)
            except ValueError as exc:
                fault = str(exc)
            if fault is not None:
                problems.damage("document_mismatch", f"event {event.seq}: {fault}")


class Walk:
    """One walk along the events of the database."""

    def __init__(self) -> None:
        self.last = 0
        self.hash = events.GENESIS
        self.gaps: list[tuple[int, int]] = []
        self.broken: dict[int, Event] = {}
        self.unlinked: list[int] = []

    def take(self, event: Event) -> str:
        """Looks at the next event; returns the line that its hash covers, empty if it cannot be read."""
        follows = event.seq == self.last + 1
        if not follows:
            self.gaps.append((self.last + 1, event.seq - 1))
        elif event.prev_hash != self.hash:
            self.unlinked.append(event.seq)
        try:
            line = events.line_of(*event[:9])
            good = events.hash_of(line) == event.hash
        except (TypeError, ValueError):  # columns of other types, or not ASCII: no line of ours
            line, good = "", False
        if not good:
            self.broken[event.seq] = event
        self.last, self.hash = event.seq, event.hash
        return line

    def wrong_columns(self, seqs: list[int]) -> None:
        """Adds events whose guard columns were changed."""
        for seq in seqs:
            self.broken.setdefault(seq, Event(seq, "", "", "", None, None, "", "", "", ""))

    def report(self, problems: Problems, next_: tuple[str, ...]) -> set[int]:
        """Names what is wrong, each kind by itself; returns the events that are not to be believed."""
        for first, last in self.gaps:
            were = "is" if first == last else "are"
            problems.damage("event_missing", f"{spell(first, last)} {were} missing", next_)
        moved = self._moved()
        for seq, place in sorted(moved.items()):
            problems.damage("event_moved", f"event {place} stands at place {seq}", next_)
        for first, last in ranges(sorted(self.broken.keys() - moved.keys())):
            is_ = "is not what its hash says" if first == last else "are not what their hashes say"
            problems.damage("event_edited", f"{spell(first, last)} {is_}", next_)
        wrong = set(self.broken)
        for seq in self.unlinked:
            if not {seq, seq - 1} & self.broken.keys():
                text = f"event {seq} does not follow from event {seq - 1}: one of them was put there later"
                problems.damage("event_replaced", text, next_)
                wrong |= {seq - 1, seq}
        return wrong

    def _moved(self) -> dict[int, int]:
        """Broken events that are whole at another place, to that place."""
        found = {}
        others = set(self.broken) if len(self.broken) <= _TRIED else set()
        shift = 0
        for seq, event in self.broken.items():
            for place in (seq + shift, seq - 1, seq + 1, *others):
                if place != seq and event.hash and _fits(event, place):
                    found[seq], shift = place, place - seq
                    break
        return found


def _fits(event: Event, seq: int) -> bool:
    try:
        return events.hash_of(events.line_of(seq, *event[1:9])) == event.hash
    except (TypeError, ValueError):
        return False


class _Log:
    """The anchors, oldest first, beside the walk. `last` is the newest anchored event's seq."""

    def __init__(self, project: Project, ref: str, problems: Problems) -> None:
        self.project = project
        self.ref = ref
        self.next_ = ("git", "log", ref)
        self.problems = problems
        self.tip = project.tip(ref)
        self.last = 0
        self.differ: list[int] = []
        self.other_chain: list[int] = []
        self._lines = self._anchored() if self.tip is not None else iter(())
        self._ahead: tuple[int, bytes] | None = next(self._lines, None)

    def compare(self, seq: int, line: str, hash_: str) -> None:
        """Compares one event of the database with its anchored line, if it has one."""
        while self._ahead is not None and self._ahead[0] < seq:
            self._ahead = next(self._lines, None)
        if self._ahead is None or self._ahead[0] != seq:
            return
        if self._ahead[1] != events.with_hash(line, hash_).encode("utf-8", "surrogatepass"):
            self.differ.append(seq)
            if not self._ahead[1].endswith(f'"hash":"{hash_}"}}'.encode()):
                self.other_chain.append(seq)
        self._ahead = next(self._lines, None)

    def finish(self, ledger: Ledger, last: int, wrong: set[int]) -> bool:
        """Reports what the anchors know better; tells whether the database is not the one that was anchored."""
        beyond = self._ahead is not None
        for _ in self._lines:
            pass
        fork = next((seq for seq in self.other_chain if seq not in wrong), None)
        if fork is not None:
            where = f"from event {fork} on, the events are not those that were anchored"
            self._say("ledger_forked", f"{where}: an older copy was used, or they were rewritten")
        elif beyond and inspect.beyond(ledger):
            self._say("ledger_truncated", self._cut(last))
        elif beyond:
            older = f"{self._cut(last)}: an older copy of it was put back"
            self._say("ledger_rolled_back", older)
        else:
            for seq in sorted(set(self.differ) - wrong):
                self._say("anchor_differs", f"the anchor tells event {seq} otherwise")
            if not self.problems.has("anchor_damaged"):
                self._not_too_old(ledger)
            return False
        return True

    def _cut(self, last: int) -> str:
        return f"the database ends at event {last}, its anchor at event {self.last}"

    def _not_too_old(self, ledger: Ledger) -> None:
        done = inspect.landings_done(ledger, _LATE)
        if len(done) == _LATE and self.last < done[-1]:
            text = f"the newest anchor ends at event {self.last}, but each landing makes one: {self.ref} was put back"
            self._say("anchor_rolled_back", text)

    def _say(self, code: str, message: str) -> None:
        self.problems.damage(code, message, self.next_)

    def _anchored(self) -> Iterator[tuple[int, bytes]]:
        """(seq, line) of every anchored event. An anchor that cannot be read is reported and left out."""
        assert self.tip is not None
        try:
            out = self.project.git.run("rev-list", "--reverse", "--first-parent", self.tip).out
        except GitFailed as exc:
            self._say("anchor_damaged", f"{self.ref} cannot be walked: {exc.detail}")
            return
        for commit in out.decode("ascii").split():
            found = self._read(Oid(commit))
            if isinstance(found, str):
                self._say("anchor_damaged", f"anchor {commit[:12]}: {found}")
                continue
            first, lines = found
            self.last = max(self.last, first + len(lines) - 1)
            yield from enumerate(lines, first)

    def _read(self, commit: Oid) -> tuple[int, list[bytes]] | str:
        """The first seq and the lines of one anchor, or what is wrong with it."""
        objects = self.project.objects
        try:
            found = anchor.read(self.project, commit)
            files = objects.tree(self.project.tree_of(commit))
            if found.seq == 0 or list(files) != [anchor.FILE_NAME]:
                return "it is not one of ours"
            lines = objects.blob(files[anchor.FILE_NAME][1]).splitlines()
        except (MissingObject, CorruptObject) as exc:
            return str(exc)
        first = found.seq - len(lines) + 1
        if first != self.last + 1 or not lines or found.hash.encode() not in lines[-1]:
            return f"it does not follow from the anchor before it, which ends at event {self.last}"
        return first, lines
