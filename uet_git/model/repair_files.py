"""Rebuilds a typed diff file by file: the file each header means, where its hunks stand, the strict diff of it."""

from collections.abc import Callable, Sequence
from typing import Final

from uet_git.model import repair_name
from uet_git.model.mismatch import mismatch
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Finding, Hunk
from uet_git.model.repair_name import Meant
from uet_git.model.repair_place import Put, Text, put
from uet_git.model.repair_text import MARKER, Numbers, Typed, TypedDiff, TypedFile, TypedHunk
from uet_git.model.settings import MB
from uet_git.model.work import Work

Read = Callable[[bytes], bytes | None]
Known = Callable[[bytes], Sequence[bytes]]

_CONTEXT: Final = 3
_MOST_BASE: Final = 4 * MB
_MOST_LINES: Final = 200_000
_LEAST_LINES: Final = 3  # old lines by which a file is known when its name is not there
_MOST_LIKE: Final = 50  # files of a kind that are looked at for that
_MOST_LIKE_BYTES: Final = 256 * 1024
_TAIL: Final = late(rb"@@ [^@]* @@( [^\r\n]*)")


class Place(NamedTuple):
    """Where one hunk stands: its path, the 1-based line in the file, and the line that its header named (0: none)."""

    path: bytes
    line: int
    named: int


class Rebuilt:
    """The strict diff; what was repaired, in words; whether any of it was needed to read or place the diff;
    per file its operation, path, and contents before and after."""

    __slots__ = ("diff", "named", "needed", "places", "results")

    def __init__(self, named: list[str]) -> None:
        self.diff = b""
        self.named = named
        self.needed = bool(named)
        self.places: list[Place] = []
        self.results: list[tuple[str, bytes, bytes, bytes]] = []


def rebuild(typed: TypedDiff, base: Read, known: Known, work: Work) -> Rebuilt | Finding:
    """Puts every hunk of every file. Returns the first finding if one has no single place. Raises: OverBudget."""
    done = Rebuilt(list(typed.repairs))
    if not typed.ended:
        done.named.append("the final line feed of the diff was lost")
        done.needed = True
    pieces: list[bytes] = []
    room = 4 * _MOST_BASE
    for file in typed.files:
        meant = repair_name.meant(file, base, known)
        if isinstance(meant, Finding):
            meant = _by_content(file, meant, base, known, work)
        if isinstance(meant, Finding):
            return meant
        room -= len(meant.base)
        if len(meant.base) > _MOST_BASE or meant.base.count(b"\n") > _MOST_LINES or room < 0:
            return Finding(
                "apply.conflict",
                "the file is too large to look for the place",
                meant.path,
                file.line,
            )
        wrong = _File(file, meant, done, work).rebuild(pieces)
        if wrong is not None:
            return wrong._replace(path=meant.path)
    done.diff = b"".join(pieces)
    return done


def _by_content(
    file: TypedFile, missing: Finding, base: Read, known: Known, work: Work
) -> Meant | Finding:
    """The one file of the same kind in which every hunk has its one place, where the named file is not there."""
    name = missing.path or b""
    dot = name.rfind(b".") + 1
    old = [
        line
        for hunk in file.hunks
        for line in hunk.lines
        if line.sign != b"+" and line.text.strip()
    ]
    if missing.code != "apply.no_such_file" or missing.detail or not dot or len(old) < _LEAST_LINES:
        return missing
    paths = known(name[dot - 1 :])
    if len(paths) > _MOST_LIKE:
        return missing
    found: list[Meant] = []
    for path in paths:
        content = base(path)
        if content is None or len(content) > _MOST_LIKE_BYTES:
            continue
        text = Text(content)
        if text.lines and all(isinstance(put(hunk, text, work), Put) for hunk in file.hunks):
            found.append(repair_name.moved(path, content, name))
    return found[0] if len(found) == 1 else missing


class _File:
    """One file on its way into the strict diff."""

    def __init__(self, file: TypedFile, meant: Meant, done: Rebuilt, work: Work) -> None:
        self.file = file
        self.meant = meant
        self.done = done
        self.work = work
        self.text = Text(meant.base)
        self.name = meant.path.decode("utf-8", "backslashreplace")
        self.eol = b"\r\n" if self.text.carriage else b"\n"

    def rebuild(self, pieces: list[bytes]) -> Finding | None:
        """Adds the file's strict diff to `pieces`, or says which hunk does not fit."""
        for words in self.meant.repairs:
            self.note(words)
        self._line_ends()
        placed: list[tuple[TypedHunk, Put]] = []
        for number, hunk in enumerate(self.file.hunks, 1):
            found = self._put(hunk)
            if isinstance(found, Finding):
                return self._explained(found, hunk, number)
            self._name(hunk, found, number)
            placed.append((hunk, found))
        wrong = self._out_of_order(placed)
        if wrong is not None:
            return wrong
        pieces.append(self.meant.header)
        pieces += _Writer(self.text, self.eol).hunks(placed)
        start = self.meant.base
        result = self._result([p for _, p in placed])
        self.done.results.append((self.meant.op, self.meant.path, start, result))
        for hunk, found in placed:
            line = found.start + 1 if found.old_count or found.start else 0
            named = hunk.numbers.old_start if hunk.numbers else 0
            self.done.places.append(Place(self.meant.path, line, named))
        return None

    def note(self, words: str) -> None:
        """Names a repair without which the diff could not be read or placed."""
        self.done.named.append(f"{self.name}: {words}")
        self.done.needed = True

    def _line_ends(self) -> None:
        """Makes the typed lines' ends those of the file, if each has one kind only."""
        lines = [line for hunk in self.file.hunks for line in hunk.lines if line.text or line.sign]
        with_return = sum(line.text.endswith(b"\r") for line in lines)
        if self.meant.op == "add" or not lines or not self.text.lines:
            self.eol = b"\n"
            return
        if with_return not in (0, len(lines)) or not (self.text.carriage or self.text.plain):
            self._as_typed()
            return
        if with_return:
            for hunk in self.file.hunks:
                hunk.lines = [
                    Typed(line.sign, line.text.removesuffix(b"\r")) for line in hunk.lines
                ]
        has_feeds = b"\n" in self.meant.base
        if has_feeds and self.text.carriage != bool(with_return):
            ends = ("LF", "CR LF") if self.text.carriage else ("CR LF", "LF")
            self.note(
                f"its lines end in {ends[0]}, the file's in {ends[1]}; now all do as the file's"
            )

    def _as_typed(self) -> None:
        """Line ends differ among the lines: each carriage return is part of its line."""
        self.eol = b"\n"
        if self.text.carriage:
            self.text.carriage = False
            ends = len(self.text.lines) - (not self.text.ended)
            self.text.lines[:ends] = [line + b"\r" for line in self.text.lines[:ends]]

    def _put(self, hunk: TypedHunk) -> Put | Finding:
        if not any(line.sign in (b"+", b"-") for line in hunk.lines):
            return Finding("apply.conflict", "it changes nothing", None, hunk.line)
        if self.text.lines:
            return put(hunk, self.text, self.work)
        added = _added(hunk)
        if isinstance(added, Finding) or len(self.file.hunks) > 1:
            return Finding("apply.conflict", "the file is empty", None, hunk.line)
        return added

    def _name(self, hunk: TypedHunk, found: Put, number: int) -> None:
        """Names what was repaired in a hunk."""
        where = f"hunk {number}"
        if not hunk.header:
            self.note(f"{where} has no `@@` line")
        elif hunk.numbers is None or not hunk.standard:
            self.note(f"{where} has no line numbers that can be read")
        elif (hunk.numbers.old_count, hunk.numbers.new_count) != (found.old_count, found.new_count):
            said = f"{hunk.numbers.old_count} old and {hunk.numbers.new_count} new"
            words = f"{where} says {said} lines, it has {found.old_count} and {found.new_count}"
            cut = hunk.last and _promises_more(hunk.numbers, found)
            self.note(f"{words}; the diff may have been cut off" if cut else words)
        if "blank" in found.kinds:
            self.note(f"{where} has context lines that lost their leading blank")
        if "marker" in found.kinds:
            self.note(f"{where} does not say that the file's last line has no line feed")

    def _out_of_order(self, placed: Sequence[tuple[TypedHunk, Put]]) -> Finding | None:
        behind = 0
        for number, (hunk, found) in enumerate(placed, 1):
            if found.start < behind:
                detail = f"hunk {number} stands at line {found.start + 1}, before or in the hunk before it"
                return Finding("apply.conflict", detail, None, hunk.line)
            behind = found.start + found.old_count
        if self.meant.op == "delete" and behind != len(self.text.lines):
            return Finding(
                "apply.delete_leftover", "the deleted file has more lines", None, self.file.line
            )
        return None

    def _explained(self, finding: Finding, hunk: TypedHunk, number: int) -> Finding:
        """Says which line differs: what the patch expects, what the file has, and where similar text is."""
        detail = finding.detail
        if not detail:
            old = b"".join(line.text + self.eol for line in hunk.lines if line.sign != b"+")
            start = hunk.numbers.old_start if hunk.numbers else 1
            detail = mismatch(
                Hunk(start, 0, start, 0, old, b"", 0, 0, b"", hunk.line), self.meant.base
            )
        return finding._replace(detail=f"hunk {number} of {len(self.file.hunks)}: {detail}")

    def _result(self, placed: Sequence[Put]) -> bytes:
        """The file with the added lines in and the removed ones out."""
        lines: list[bytes] = []
        at = 0
        ended = self.text.ended
        for found in placed:
            lines += self.text.lines[at : found.start]
            lines += [line.text for line in found.lines if line.sign != b"-"]
            at = found.start + found.old_count
            if at == len(self.text.lines):
                ended = not found.unended_new
        lines += self.text.lines[at:]
        return self.eol.join(lines) + (self.eol if ended and lines else b"")


def _added(hunk: TypedHunk) -> Put | Finding:
    """A hunk for a file without lines: all of it is added."""
    lines = list(hunk.lines)
    while lines and lines[-1] == Typed(b"", b""):
        lines.pop()
    if not lines or any(line.sign != b"+" for line in lines):
        return Finding("apply.conflict", "the file is empty", None, hunk.line)
    return Put(0, tuple(lines), False, len(lines) - 1 in hunk.unended, frozenset())


class _Writer:
    """Writes hunks as git does: true numbers, and context from the file where a hunk has none on one side."""

    def __init__(self, text: Text, eol: bytes) -> None:
        self.text = text
        self.eol = eol
        self.shift = 0

    def hunks(self, placed: Sequence[tuple[TypedHunk, Put]]) -> list[bytes]:
        """The hunks in order; two that touch without context between them become one."""
        written: list[bytes] = []
        behind = 0
        run: list[Typed] = []
        start = 0
        tail = b""
        for index, (hunk, found) in enumerate(placed):
            limit = placed[index + 1][1].start if index + 1 < len(placed) else len(self.text.lines)
            if not run:
                lead = self._lead(found, behind)
                start, run = found.start - len(lead), lead
                shown = _TAIL.match(hunk.header) if hunk.standard else None
                tail = shown[1] if shown else b""
            run += found.lines
            behind = found.start + found.old_count
            if found.lines[-1].sign != b" ":
                more = self.text.lines[behind : min(behind + _CONTEXT, limit)]
                run += [Typed(b" ", line) for line in more]
                behind += len(more)
                if behind == limit and index + 1 < len(placed) and not more:
                    continue
            written.append(self._hunk(start, run, found, tail))
            run = []
        return written

    def _lead(self, found: Put, behind: int) -> list[Typed]:
        if found.lines[0].sign == b" ":
            return []
        return [
            Typed(b" ", line)
            for line in self.text.lines[max(behind, found.start - _CONTEXT) : found.start]
        ]

    def _hunk(self, start: int, run: Sequence[Typed], last: Put, tail: bytes) -> bytes:
        old = sum(line.sign != b"+" for line in run)
        new = sum(line.sign != b"-" for line in run)
        first_old = start + 1 if old else start
        first_new = start + self.shift + (1 if new else 0)
        self.shift += new - old
        pieces = [b"@@ -%d,%d +%d,%d @@%b\n" % (first_old, old, first_new, new, tail)]
        open_old = start + old == len(self.text.lines) and not self.text.ended
        ends = self._ends(run, open_old=open_old, open_new=self._open_new(last, start + old))
        for index, line in enumerate(run):
            end = b"\n" + MARKER if index in ends else self.eol
            pieces.append(line.sign + line.text + end)
        return b"".join(pieces)

    def _open_new(self, last: Put, behind: int) -> bool:
        """Whether the new side's last line has no line feed: as typed, or as the file's last line that is context."""
        if behind < len(self.text.lines):
            return False
        return last.unended_new if last.start + last.old_count == behind else not self.text.ended

    @staticmethod
    def _ends(run: Sequence[Typed], *, open_old: bool, open_new: bool) -> set[int]:
        """Which lines have no line feed."""
        found = set()
        for is_open, other in ((open_old, b"+"), (open_new, b"-")):
            last = next((i for i in range(len(run) - 1, -1, -1) if run[i].sign != other), None)
            if is_open and last is not None:
                found.add(last)
        return found


def _promises_more(said: Numbers, found: Put) -> bool:
    """Whether a header names more lines than there are on each side, an empty side apart."""
    sides = ((said.old_count, found.old_count), (said.new_count, found.new_count))
    return all(s > f or s == f == 0 for s, f in sides) and any(s > f for s, f in sides)
