"""Whether a patch makes tests weaker: deletes or empties them, skips them, takes assertions away.

Judged by the lines that the patch adds and removes in files that look like tests, in the words of the usual test
libraries. What only moves from one test to another does not count: lines are compared, not places. Each expression
reads its text once, and what all files of a patch share is made once, so that no patch takes long.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

from uet_git.model.added import added_lines, removed_lines
from uet_git.model.policy_paths import is_source, is_test
from uet_git.model.records import FileChange, Finding, Patch, TreeChange

_COMMENT: Final = re.compile(rb"[ \t]*(?:#(?!\[)|//|\*|/\*|--|;|<!--)")
_TESTS: Final = re.compile(
    rb"^[ \t]*(?:(?:async[ ]+)?def[ ]+test\w*[ ]*\(|func[ ]+(?:Test|Benchmark|Fuzz)\w*[ ]*\(|#\[(?:\w+::)*test\b"
    rb"|@(?:Test|ParameterizedTest|RepeatedTest)\b|\[(?:Test|TestMethod|Fact|Theory|TestCase)\b"
    rb"|(?:it|test|specify|scenario)(?:\.each\b|[ ]*+(?:\([ ]*+)?[\"'`{])|(?:public[ ]+)?function[ ]+test\w*[ ]*\()",
    re.MULTILINE,
)
_ASSERTIONS: Final = re.compile(
    rb"(?:\bassert\w*[ ]*(?:[!( \"'~\[{-]|$)|\bAssert(?:ions)?\.\w+|\bexpect(?:_\w+)?[ ]*[({]"
    rb"|\b(?:pytest\.(?:raises|warns|fail)|self\.fail\w*)\b|\.should\b|\bshould\.|\brequire\.\w+\("
    rb"|\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\()"
)
_HOLLOW: Final = re.compile(
    rb"\bassert[ ]+(?:not[ ]+(?:False|None|0)|True|1|\"[^\"]*\"|'[^']*')[ ]*(?:[,#;]|$)"
    rb"|\bassert(?:True|_true)?!?[ ]*\([ ]*(?:True|true|1)[ ]*[,)]"
    rb"|\bassert(?:False|_false)[ ]*\([ ]*(?:False|false)[ ]*[,)]"
    rb"|\bexpect\([ ]*(true|false|1|0|null)[ ]*\)\.to(?:Be|Equal|StrictEqual)\([ ]*\1[ ]*\)"
    rb"|Assert\.(?:IsTrue|True|That)\([ ]*true[ ]*[,)]"
)
_SKIPS: Final = re.compile(
    rb"(?:\bpytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b|\bunittest\.(?:skip\w*|expectedFailure)\b"
    rb"|@(?:skip\w*|expectedFailure|Disabled|Ignore)\b|\bSkipTest\b|\.skipTest\("
    rb"|\b(?:it|test|describe|context|suite|specify)\.(?:skip|only|todo|failing|fixme)\b"
    rb"|\bx(?:it|test|describe|context|specify)[ ]?\(|\b[ft](?:it|describe)\.skip\b|\bf(?:it|describe)[ ]?\("
    rb"|\b[tbf]\.Skip(?:f|Now)?\(|#\[ignore\b|[\[,][ ]?(?:\w+\.)?(?:Ignore|Explicit)(?:Attribute)?[\](,]"
    rb"|\bSkip[ ]?=[ ]?\"|\bAssert\.(?:Ignore|Inconclusive|Pass)\(|\bmarkTest(?:Skipped|Incomplete)\b"
    rb"|^[ \t]*(?:skip|pending)[ ]+[\"'])"
)
_ROWS: Final = re.compile(
    rb"\bparametrize\b|\.each\b|\[(?:TestCase|InlineData)\b|@CsvSource\b|\bsubTest\b"
)
_NAMED: Final = re.compile(
    rb"^[ \t]*(?:(?:export|public|private|protected|internal|static|async|abstract|final|pub|default)[ ]+)*"
    rb"(?:def|class|func|fn|function|interface|struct|enum|trait|property)[ ]+(\w{4,})",
    re.MULTILINE,
)
_WORD: Final = re.compile(rb"\w+")
_ENOUGH: Final = 0.75
"""A rewrite that keeps so much of many assertions is one; a single one that goes is always told."""
_LONGEST: Final = 2_000  # bytes of a line that are looked at
_MOST: Final = 100_000
"""So many places of one patch are looked at; more of them go to a person."""


class _Kind(NamedTuple):
    """Lines of one kind: words of which each has one, which are quickly looked for, and how they look."""

    words: tuple[bytes, ...]
    line: re.Pattern[bytes]


_ASSERTING: Final = _Kind(
    (b"ssert", b"xpect", b"raises", b"warns", b"fail", b"should", b"require.", b"t.Err", b"t.Fa"),
    _ASSERTIONS,
)
_SKIPPING: Final = _Kind(
    (
        *(b"skip", b"Skip", b"xfail", b"expectedF", b"Disabled", b"gnore", b"Explicit", b"Inconcl"),
        *(b".only", b".todo", b".fail", b".fixme", b"Incompl", b"Pass(", b"pending"),
        *(b"xit", b"xtest", b"xdesc", b"xcont", b"xspec", b"fit(", b"fit (", b"fdesc"),
    ),
    _SKIPS,
)


class _Side:
    """One change of a test, as the lines that come and go."""

    __slots__ = ("_lines", "added", "change", "removed")

    def __init__(self, change: FileChange) -> None:
        self.change = change
        self.added = added_lines(change)
        self.removed = removed_lines(change)
        self._lines: dict[tuple[_Kind, bool], list[bytes]] = {}

    def lines(self, kind: _Kind, *, added: bool) -> list[bytes]:
        """The lines of a kind that come, or that go."""
        found = self._lines.get((kind, added))
        if found is None:
            found = _lines(kind, self.added if added else self.removed)
            self._lines[kind, added] = found
        return found


def judge_tests(patch: Patch, changes: Sequence[TreeChange] | None = None) -> list[Finding]:
    """`policy.judge_edited` for each test file that is weaker after the patch, with how."""
    touched = [c for c in patch.changes if _was_test(c) or _is_test(c)]
    return _Tests(patch, changes or (), list(map(_Side, touched))).judge() if touched else []


def judge_edits(patch: Patch) -> list[Finding]:
    """`policy.tests_edited` for each test that was there and changes together with the code."""
    code = any(is_source(p) and not is_test(p) for c in patch.changes for p in (c.path,))
    if not code:
        return []
    edited = [c for c in patch.changes if c.op != "add" and _was_test(c) and _changes_content(c)]
    return [Finding("policy.tests_edited", "", c.path, c.line) for c in edited]


def _was_test(change: FileChange) -> bool:
    return change.op != "copy" and change.old_path is not None and is_test(change.old_path)


def _is_test(change: FileChange) -> bool:
    return change.op != "delete" and change.new_path is not None and is_test(change.new_path)


def _changes_content(change: FileChange) -> bool:
    return bool(change.hunks) or change.binary is not None or change.op == "delete"


class _Tests:
    """The changes of tests in one patch, and what judging each of them asks of all."""

    def __init__(self, patch: Patch, changes: Sequence[TreeChange], sides: Sequence[_Side]) -> None:
        self.patch = patch
        self.changes = changes
        self.sides = sides
        self._came: dict[_Kind, Counter[bytes]] = {}

    def judge(self) -> list[Finding]:
        findings = [f for s in self.sides if (f := self._judged_loss(s)) is not None]
        lost = {f.path for f in findings}
        rest = [
            s
            for s in self.sides
            if s.change.op in ("modify", "rename") and s.change.old_path not in lost
        ]
        text = b"".join(s.added for s in rest)
        may_skip = any(word in text for word in _SKIPPING.words)
        if rest and _is_too_much(rest):
            findings.append(_found("it changes more lines than are looked at", rest[0].change))
            return findings
        for side in rest:
            skips = self._more_skips(side) if may_skip else None
            findings += [f for f in (skips, self._fewer_assertions(side)) if f is not None]
        return findings

    # -- a file that goes, or is no test any more, or holds no test any more

    def _judged_loss(self, side: _Side) -> Finding | None:
        change = side.change
        if not _was_test(change):
            return None
        assert change.old_path is not None
        if change.op == "delete":
            if not _holds_tests(side.removed) or self._came_back(side):
                return None
            return _found("it is deleted", change, change.old_path)
        if change.op == "rename" and not _is_test(change) and is_source(change.old_path):
            return _found("its new name is none of a test", change, change.old_path)
        if _is_emptied(side):
            return _found("all of its tests are removed", change, change.old_path)
        return None

    def _came_back(self, side: _Side) -> bool:
        """Whether another test file of the patch is the deleted one: the same blob, or most of its lines."""
        if self._old_blobs.get(side.change.old_path or b"") in self._new_blobs:
            return True
        old = Counter(filter(None, map(bytes.strip, side.removed.split(b"\n"))))
        there = sum(min(many, self._fresh[line]) for line, many in old.items())
        return there * 2 > old.total()

    @cached_property
    def _old_blobs(self) -> dict[bytes, str]:
        return {c.path: c.old_oid for c in self.changes if c.old_oid}

    @cached_property
    def _new_blobs(self) -> set[str]:
        return {c.new_oid for c in self.changes if not c.old_mode and is_test(c.path)}

    @cached_property
    def _fresh(self) -> Counter[bytes]:
        """The lines of all test files that are new."""
        sides = [s for s in self.sides if s.change.op == "add"]
        return Counter(line for s in sides for line in map(bytes.strip, s.added.split(b"\n")))

    # -- a file that stays

    def _gone_lines(self, kind: _Kind, side: _Side) -> list[bytes]:
        """The lines of a kind that a file loses, without those that another test file of the patch takes over."""
        lost = side.lines(kind, added=False)
        if not lost or len(self.sides) == 1:
            return lost
        if kind not in self._came:
            lines = (line for s in self.sides for line in s.lines(kind, added=True))
            self._came[kind] = Counter(lines)
        came, own = self._came[kind], Counter(side.lines(kind, added=True))
        gone: list[bytes] = []
        for line, many in Counter(lost).items():
            gone += [line] * (many - (came[line] - own[line]))
        return gone

    def _more_skips(self, side: _Side) -> Finding | None:
        gained = side.lines(_SKIPPING, added=True)
        if not gained:
            return None
        lost = self._gone_lines(_SKIPPING, side)
        fresh = Counter(gained) - Counter(lost)
        if len(gained) <= len(lost) or not fresh:
            return None
        line = next(iter(fresh)).decode("utf-8", "backslashreplace")
        return _found(f"a test is skipped: {line[:80]}", side.change)

    def _fewer_assertions(self, side: _Side) -> Finding | None:
        lost = self._gone_lines(_ASSERTING, side)
        if not lost or side.change.path.rpartition(b"/")[2] == b"conftest.py":
            return None
        had = sum(not _HOLLOW.search(line) for line in lost)
        kept = sum(not _HOLLOW.search(line) for line in side.lines(_ASSERTING, added=True))
        rewritten = had > 3 and kept >= had * _ENOUGH
        if kept >= had or rewritten or _ROWS.search(side.added) or self._goes_with(side):
            return None
        many = "one assertion" if had - kept == 1 else f"{had - kept} assertions"
        return _found(f"it has {many} fewer ({had} go, {kept} come)", side.change)

    def _goes_with(self, side: _Side) -> bool:
        """Whether whole tests go, and they name what the patch takes out of the code: they could not stay."""
        if len(_TESTS.findall(side.removed)) <= len(_TESTS.findall(side.added)):
            return False
        return not self._names_gone.isdisjoint(_WORD.findall(side.removed))

    @cached_property
    def _names_gone(self) -> set[bytes]:
        """What the patch takes out of the code that is no test: names of functions and classes."""
        gone: set[bytes] = set()
        kept: set[bytes] = set()
        for change in self.patch.changes:
            if is_source(change.path) and not is_test(change.path):
                gone.update(_NAMED.findall(removed_lines(change)))
                kept.update(_NAMED.findall(added_lines(change)))
        return gone - kept


def _is_too_much(sides: Sequence[_Side]) -> bool:
    """Whether the lines to be compared are too many; few patches are large enough to be counted."""
    texts = [text for s in sides for text in (s.added, s.removed)]
    if sum(map(len, texts)) < _MOST * 2:
        return False
    words = (*_ASSERTING.words, *_SKIPPING.words)
    return sum(text.count(word) for text in texts for word in words) > _MOST


def _found(what: str, change: FileChange, path: bytes | None = None) -> Finding:
    return Finding("policy.judge_edited", what, path or change.path, change.line)


def _holds_tests(text: bytes) -> bool:
    return _TESTS.search(text) is not None or bool(_lines(_ASSERTING, text))


def _is_emptied(side: _Side) -> bool:
    """Whether one hunk replaces the whole file, and no test is left."""
    if len(side.change.hunks) != 1:
        return False
    (hunk,) = side.change.hunks
    if hunk.old_start > 1 or hunk.leading or hunk.trailing:
        return False
    return _TESTS.search(side.removed) is not None and not _TESTS.search(side.added)


def _lines(kind: _Kind, text: bytes) -> list[bytes]:
    """The lines of a kind that are no comments, without their indentation."""
    starts: set[int] = set()
    for word in kind.words:
        at = text.find(word)
        while at >= 0:
            starts.add(text.rfind(b"\n", 0, at) + 1)
            end = text.find(b"\n", at)
            at = text.find(word, end) if end >= 0 else -1
    found = []
    for start in sorted(starts):
        end = text.find(b"\n", start)
        line = text[start : min(len(text) if end < 0 else end, start + _LONGEST)]
        if not _COMMENT.match(line) and kind.line.search(line):
            found.append(line.strip())
    return found
