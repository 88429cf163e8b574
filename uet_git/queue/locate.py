"""locate: shows where a patch does not fit its target: what it expects, what stands there, who changed it (DESIGN 12).

Explains only: nothing here decides whether a patch applies. Text is decoded with undecodable bytes as escapes, and is
foreign: it must be escaped before a terminal or a page.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from uet_git.errors import ObjectTooLarge
from uet_git.model import compose, mismatch
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS
from uet_git.model.records import Conflict, FileChange, Finding, Hunk, Oid, Patch
from uet_git.model.settings import MB
from uet_git.model.work import OverBudget, Work
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue.repaired import Tip
from uet_git.queue.trace import Traced, Tracer

MOST: Final = 20  # hunks and files that are explained; the rest are counted
LINES: Final = 60  # of a hunk or a file, in one block
WIDEST: Final = 1_000  # characters of a line
TYPED: Final = 200  # lines of a hunk as it was typed
_ABOUT: Final = 3  # lines either side of a place
_WINDOW: Final = LINES - 2 * _ABOUT  # lines of a hunk
_BEFORE: Final = 20  # lines of a long hunk that are shown before the first that does not fit
_NAMES: Final = 5  # files of the same name
_LARGEST: Final = 4 * MB


class Missed(NamedTuple):
    """A hunk that does not fit. `old` are the lines that it expects, `start` the 1-based line that it names (0: none).

    `typed` is the hunk as it was handed in, `line` where it stands there; `new` are the lines that it leaves.
    """

    path: bytes
    number: int
    hunks: int
    line: int
    start: int
    old: list[bytes]
    new: list[bytes]
    typed: bytes


class Located(NamedTuple):
    """The places that do not fit as documents, how many more there are, and whether the patch fits as it stands."""

    places: list[dict[str, Any]]
    more: int
    fits: bool


class Locator:
    """Finds places in one repository; what it reads of a commit serves every patch that it is asked about."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[Oid | None, _Looking] = {}

    def located(self, patch: Patch, diff: bytes, tip: Oid | None, first_line: int = 1) -> Located:
        """Every place at which the patch does not fit the commit `tip`. Writes nothing.

        `diff` is what it was read from, for a patch without changes; `first_line` where that begins in what was handed
        in.
        """
        if tip not in self._known:
            tree = self._project.tip_tree(tip)
            files = Tip(self._project.objects, tree)
            self._known[tip] = _Looking(files, Tracer(self._project, tip))
        looking = self._known[tip]
        findings = _findings(self._project, patch, tip) if patch.changes else ()
        if patch.changes:
            every = [each for finding in findings for each in looking.of_finding(patch, finding)]
        else:
            every = list(looking.as_typed(diff, first_line))
        fits = bool(patch.changes) and not findings
        return Located([make() for make in every[:MOST]], max(0, len(every) - MOST), fits)


def _findings(project: Project, patch: Patch, tip: Oid | None) -> Sequence[Finding]:
    objects = project.objects
    mark = objects.mark()
    result = Composer(objects, project.settings_at(tip).limits).compose(
        project.tip_tree(tip), patch
    )
    if isinstance(result, Conflict):
        return result.findings
    objects.rewind(mark)
    return ()


class _Looking:
    """Looks at one tree. What it gives are makers, so that only what is shown is looked up."""

    def __init__(self, tip: Tip, tracer: Tracer) -> None:
        self._tip = tip
        self._tracer = tracer

    def of_finding(self, patch: Patch, finding: Finding) -> "list[_Maker]":
        """The places that one finding of the composer stands for."""
        change = next((c for c in patch.changes if finding.path in (c.path, c.old_path)), None)
        if finding.code == "apply.conflict" and change is not None and change.hunks:
            base = self._content(change.old_path or change.path)
            missed = [] if base is None else _missed(change, base)
            if missed:
                assert base is not None
                return [_Maker(self, finding, m, base) for m in missed]
        return [_Maker(self, finding, None, b"")]

    def as_typed(self, diff: bytes, first_line: int) -> "Iterator[_Maker]":
        """The same for a diff that git cannot read, as far as it can be guessed what is meant."""
        from uet_git.model import repair, repair_name, repair_place, repair_text

        small = len(diff) <= repair.MOST_BYTES and diff.count(b"\n") <= repair.MOST_LINES
        typed = repair_text.read(diff) if small and b"\0" not in diff else None
        work = Work(3_000_000)
        try:
            for file in () if typed is None else typed.files:
                meant = repair_name.meant(file, self._tip.content, self._tip.ending)
                if isinstance(meant, Finding):
                    if meant.code.startswith("apply."):
                        line = meant.line and meant.line + first_line - 1
                        yield _Maker(self, meant._replace(line=line), None, b"")
                    continue
                text = repair_place.Text(meant.base)
                for number, hunk in enumerate(file.hunks, 1):
                    if meant.op == "add" or not hunk.lines:
                        continue
                    found = repair_place.put(hunk, text, work)
                    if isinstance(found, Finding):
                        old = [line.text for line in hunk.lines if line.sign != b"+"]
                        new = [line.text for line in hunk.lines if line.sign != b"-"]
                        body = b"".join(b"%b%b\n" % line for line in hunk.lines)
                        start = hunk.numbers.old_start if hunk.numbers else 0
                        line = hunk.line + first_line - 1
                        missed = Missed(
                            *(meant.path, number, len(file.hunks), line, start),
                            *(old, new, (hunk.header or b"@@") + b"\n" + body),
                        )
                        yield _Maker(self, found, missed, b"\n".join(text.lines))
        except OverBudget:
            return

    def _content(self, path: bytes) -> bytes | None:
        try:
            return self._tip.content(path)
        except (OverBudget, ObjectTooLarge):
            return None

    def hunk(self, finding: Finding, missed: Missed, base: bytes) -> dict[str, Any]:
        """The document of a hunk that does not fit."""
        lines = base.removesuffix(b"\n").split(b"\n") if base else []
        expected = max(missed.start - 1, 0)
        place, similar, fits, said = min(expected, len(lines)), None, 0, finding.detail
        if missed.old and lines:
            misfit = mismatch.explain(missed.old, lines, expected)
            place, similar, fits = misfit.place, misfit.similar, misfit.fits
            said = finding.detail if "more than one place" in finding.detail else misfit.said
        skip = max(0, fits - _BEFORE) if len(missed.old) > _WINDOW else 0
        old = missed.old[skip : skip + _WINDOW]
        first = max(0, place + skip - _ABOUT)
        there = lines[first : place + skip + max(len(old), 1) + _ABOUT]
        lost, new = _differing(old, there)
        gone, came = [old[n] for n in sorted(lost)], [there[n] for n in sorted(new)]
        has_it = bool(missed.new) and missed.new != missed.old and _stands(missed.new, lines)
        return {
            **self._file(missed.path),
            **{"code": finding.code, "hunk": missed.number, "hunks": missed.hunks},
            **{"line": missed.line, "words": said, "already_there": has_it},
            "typed": _text(b"\n".join(missed.typed.split(b"\n")[:TYPED]), WIDEST * LINES),
            "expected": _numbered(old, (missed.start or 1) + skip, lost),
            "found": _numbered(there, first + 1, new),
            "similar": (
                []
                if similar is None
                else _numbered(
                    lines[similar : similar + max(1, len(missed.old))], similar + 1, set()
                )
            ),
            "same_name": [],
            "changed_by": _traced(self._tracer.changed_by(missed.path, gone, came)),
        }

    def whole(self, finding: Finding) -> dict[str, Any]:
        """The document of a file that is missing, in the way, or of another kind than the patch expects."""
        path = finding.path or b""
        base = self._content(path)
        there = [] if base is None or b"\0" in base else base.removesuffix(b"\n").split(b"\n")
        same: list[bytes] = []
        if base is None and path:
            name = b"/" + path.rpartition(b"/")[2]
            same = [p for p in self._tip.ending(name) if p != path][:_NAMES]
        return {
            **self._file(path),
            **{"code": finding.code, "hunk": None, "hunks": None, "line": finding.line},
            "words": finding.detail or REASONS[finding.code].sentence,
            "already_there": finding.code == "apply.already_applied",
            **{"typed": "", "expected": [], "found": _numbered(there[:LINES], 1, set())},
            **{"similar": [], "same_name": [_text(p) for p in same]},
            "changed_by": _traced(self._tracer.changed_by(path)) if path else None,
        }

    @staticmethod
    def _file(path: bytes) -> dict[str, Any]:
        return {"path": _text(path)}


class _Maker(NamedTuple):
    """Makes one document when it is called."""

    looking: _Looking
    finding: Finding
    missed: Missed | None
    base: bytes

    def __call__(self) -> dict[str, Any]:
        if self.missed is None:
            return self.looking.whole(self.finding)
        return self.looking.hunk(self.finding, self.missed, self.base)


def _missed(change: FileChange, base: bytes) -> list[Missed]:
    try:
        numbers = compose.misfits(change.hunks, base, Work())
    except OverBudget:
        return []
    return [
        Missed(
            *(change.old_path or change.path, n + 1, len(change.hunks), change.hunks[n].line),
            change.hunks[n].old_start,
            mismatch.old_lines(change.hunks[n]) if change.hunks[n].old else [],
            _split(change.hunks[n].new),
            _header(change.hunks[n]) + change.hunks[n].body,
        )
        for n in numbers
    ]


def _header(hunk: Hunk) -> bytes:
    numbers = hunk.old_start, hunk.old_count, hunk.new_start, hunk.new_count
    return b"@@ -%d,%d +%d,%d @@\n" % numbers


def _split(text: bytes) -> list[bytes]:
    return text.removesuffix(b"\n").split(b"\n") if text else []


def _stands(wanted: Sequence[bytes], lines: Sequence[bytes]) -> bool:
    """Whether these lines stand together somewhere."""
    text = b"\n" + b"\n".join(lines) + b"\n"
    return b"\n" + b"\n".join(wanted) + b"\n" in text


def _differing(old: Sequence[bytes], there: Sequence[bytes]) -> tuple[set[int], set[int]]:
    """Which expected lines are not there, and which lines there, between those that fit, are not expected."""
    if len(old) > LINES * 4 or max(map(len, [*old, *there]), default=0) > WIDEST * 10:
        return set(), set()
    found = SequenceMatcher(None, list(old), list(there), autojunk=False).get_opcodes()
    lost: set[int] = set()
    new: set[int] = set()
    for tag, a, b, c, d in found:
        if tag == "equal":
            continue
        lost.update(range(a, b))
        if a == 0:
            c = max(c, d - (b - a)) if b else d  # what stands before it is only shown around it
        if b == len(old):
            d = min(d, c + (b - a)) if a < b else c
        new.update(range(c, d))
    return lost, new


def _numbered(lines: Sequence[bytes], first: int, differing: set[int]) -> list[dict[str, Any]]:
    """Lines with their numbers; `differs` marks those that the other side lacks."""
    return [
        {"line": first + n, "text": _text(line), "differs": n in differing}
        for n, line in enumerate(lines[:LINES])
    ]


def _traced(found: Traced | None) -> dict[str, Any] | None:
    if found is None:
        return None
    entry = found.entry
    return {
        **{"commit": found.commit, "title": _text(found.subject), "author": _text(found.author)},
        "number": None if entry is None else entry.number,
        "revision": None if entry is None else entry.revision,
        "exact": found.exact,
    }


def _text(data: bytes, longest: int = WIDEST) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return text if len(text) <= longest else f"{text[:longest]}..."
