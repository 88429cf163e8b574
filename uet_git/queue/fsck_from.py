"""fsck --from: proves an export by itself, in any folder; what wrote it is queue/export.py (DESIGN 2 P10, 6).

Codes, all damage but those marked (i), which are information:
 the lines    line_damaged, line_edited, line_missing, line_moved, export_truncated, end_differs
 the chain    event_missing, event_edited, event_moved, event_replaced, head_differs, anchor_differs, not_anchored (i)
 the rows     row_missing, row_without_event, row_changed, state_mismatch, illegal_history, patch_damaged,
              redaction_undone, document_mismatch
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final

from uet_git.errors import NoInput
from uet_git.host import contracts
from uet_git.ledger import documents, events
from uet_git.ledger.documents import Document
from uet_git.model.entry import Event
from uet_git.model.named import NamedTuple
from uet_git.queue import export
from uet_git.queue.fsck_chain import Walk
from uet_git.queue.fsck_from_rows import Histories, Told
from uet_git.queue.problem import Problem, Problems, ranges

_LONGEST: Final = 128 * 1024 * 1024  # bytes; a line that is none of ours must not fill the memory
_PATIENCE: Final = 50  # lines without one that can be read, after which it is some other file
_KEYS: Final = {"body", "hash", "line", "table"}
Anchors = Callable[[str], Mapping[int, str]]
"""What a repository's log of a ledger (by id) says of events: seq to hash, one for each anchor."""


class Line(NamedTuple):
    """One line of an export. `body` is canonical JSON, `hash` what the line says of itself."""

    number: int
    table: str
    body: str
    hash: str
    document: dict[str, Any]


class Checked(NamedTuple):
    """What an export is of, how far it goes, and what is wrong with it. `ledger_id` None: its head is not there."""

    ledger_id: str | None
    events: int
    head: str
    problems: list[Problem]


def check(file: BinaryIO, head: str | None = None, anchors: Anchors | None = None) -> Checked:
    """Everything about an export that is not as it was written.

    `head`: the hash that its last event must have. Raises: NoInput (not an export at all).
    """
    problems = Problems()
    lines = _Lines(file, problems)
    chain = _Events(problems, anchors)
    told: Told | None = None
    first: dict[str, Any] | None = None
    end: Line | None = None
    for line in lines.read():
        end = line
        if not _fits(line, problems):
            continue
        if line.table == export.HEAD:
            first = line.document
            chain.begin(line.document)
        elif line.table == "events":
            chain.take(line.document)
        elif line.table != export.END:
            told = told or Told(chain.close(), problems)
            told.compare(line.table, line.document)
    if lines.good == 0:
        raise NoInput("that is not an export of uet-git", next=("uet-git", "export", "--help"))
    lines.report()
    (told or Told(chain.close(), problems)).finish()
    _check_end(end, lines, chain, problems)
    chain.finish(head)
    ledger_id = None if first is None else first.get("ledger")
    return Checked(ledger_id, chain.walk.last, chain.walk.hash, problems.found())


def _fits(line: Line, problems: Problems) -> bool:
    schema = {export.HEAD: "export_head.v1", export.END: "export_end.v1"}.get(line.table)
    if schema is not None:
        faults = contracts.iter_errors(line.document, schema)
    else:
        faults = documents.faults(Document(line.table, "", line.document))
    for fault in faults:
        problems.damage("document_mismatch", f"line {line.number}: {fault}")
        return False
    return True


def _check_end(end: Line | None, lines: "_Lines", chain: "_Events", problems: Problems) -> None:
    if end is None or end.table != export.END:
        text = f"it ends at line {lines.last} without the closing line: what came after is cut off"
        problems.damage("export_truncated", text)
        return
    said, found = (
        end.document,
        {"lines": lines.last, "events": chain.count, "head": chain.walk.hash},
    )
    for name, value in found.items():
        if said.get(name) != value:
            text = f"the closing line says {name} {said.get(name)}, there is {value}"
            problems.damage("end_differs", text)


class _Lines:
    """Reads lines and checks how they follow one another. `good` counts those that can be read at all."""

    def __init__(self, file: BinaryIO, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._seen: list[int] = []
        self.good = 0
        self.last = 0

    def read(self) -> Iterator[Line]:
        """Every line that can be read, in the order of the file."""
        before = events.GENESIS
        place = 0
        expected = 1
        while raw := self._file.readline(_LONGEST):
            place += 1
            line = _parsed(raw)
            if line is None:
                self._problems.damage("line_damaged", f"line {place} cannot be read")
                if not self.good and (place == _PATIENCE or len(raw) == _LONGEST):
                    return
                expected += 1
                before = ""
                continue
            self.good += 1
            plain = export.plain_line(line.table, line.number, line.body)
            if line.number == expected and before and export.hash_of(before, plain) != line.hash:
                text = (
                    f"line {line.number} is not what its hash says, or the one before it is another"
                )
                self._problems.damage("line_edited", text)
            before = line.hash if line.number >= expected else ""
            expected = line.number + 1
            self._seen.append(line.number)
            self.last = max(self.last, line.number)
            yield line

    def report(self) -> None:
        """Lines that are missing, and those that stand at another place."""
        highest = 0
        for number in self._seen:
            if number <= highest:
                text = f"line {number} stands after line {highest}"
                self._problems.damage("line_moved", text)
            highest = max(highest, number)
        for first, last in ranges(sorted(set(range(1, highest + 1)) - set(self._seen))):
            which = f"line {first} is" if first == last else f"lines {first} to {last} are"
            self._problems.damage("line_missing", f"{which} missing")


def _parsed(raw: bytes) -> Line | None:
    """A line, if it is one that an export has: canonical, and of a table that is known."""
    try:
        found = json.loads(raw.decode("ascii"))
        if set(found) != _KEYS or not isinstance(found["body"], dict):
            return None
        number, table, hash_ = found["line"], found["table"], found["hash"]
        known = table in documents.SCHEMAS or table in (export.HEAD, export.END)
        if not known or type(number) is not int or number < 1 or not isinstance(hash_, str):
            return None
        if events.canonical(found).encode("ascii") + b"\n" != raw:
            return None
        return Line(number, table, events.canonical(found["body"]), hash_, found["body"])
    except (ValueError, TypeError, RecursionError):
        return None


class _Events:
    """The events of an export: their chain, and what they say of every row."""

    def __init__(self, problems: Problems, anchors: Anchors | None) -> None:
        self.walk = Walk()
        self.count = 0
        self._problems = problems
        self._anchors = anchors
        self._anchored: Mapping[int, str] = {}
        self._vouched = 0
        self._history = Histories()
        self._closed = False
        self._sound = True

    def begin(self, head: dict[str, Any]) -> None:
        """The head names the ledger, and so the log that may know some of its events."""
        if self._anchors is not None:
            self._anchored = self._anchors(head["ledger"])

    def take(self, document: dict[str, Any]) -> None:
        """The next event."""
        event = _event(document)
        self.count += 1
        self.walk.take(event)
        known = self._anchored.get(event.seq)
        if known == event.hash:
            self._vouched = max(self._vouched, event.seq)
        elif known is not None:
            self._problems.damage(
                "anchor_differs", f"the log in git tells event {event.seq} otherwise"
            )
        self._history.take(event, document["payload"])

    def close(self) -> Histories | None:
        """What the events say of the rows; None if they are not to be believed."""
        if not self._closed:
            self._closed = True
            wrong = self.walk.report(self._problems, ())
            self._sound = not (wrong or self.walk.gaps or self._problems.has("line_damaged"))
        return self._history if self._sound else None

    def finish(self, head: str | None) -> None:
        """Compares the end of the chain with what is known of it from elsewhere."""
        if head is not None and head != self.walk.hash:
            text = f"its last event has hash {self.walk.hash}, not {head}"
            self._problems.damage("head_differs", text)
        elif head is None and self._vouched < self.walk.last:
            which = f"events {self._vouched + 1} to {self.walk.last}"
            text = f"nothing outside of this file vouches for {which}: compare the last hash with one kept elsewhere"
            self._problems.note("not_anchored", text)


def _event(document: dict[str, Any]) -> Event:
    """The event of a document that satisfies its schema."""
    first = (document[n] for n in ("seq", "event_id", "ts", "actor", "run", "entry", "kind"))
    payload = events.canonical(document["payload"])
    return Event._make((*first, payload, document["prev_hash"], document["hash"]))
