"""Whether a patch makes tests weaker: deletes or empties them, skips them, takes assertions away (issue: agents do).

Judged by the lines that the patch adds and removes in files that look like tests, in the words of the usual test
libraries. What only moves from one test to another does not count: lines are compared, not places.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from uet_git.model.added import added_lines, removed_lines
from uet_git.model.policy_paths import is_source, is_test
from uet_git.model.records import FileChange, Finding, Patch, TreeChange

_COMMENT: Final = re.compile(rb"[ \t]*(?:#(?!\[)|//|\*|/\*|--|;|<!--)")
_TESTS: Final = re.compile(
    rb"^[ \t]*(?:(?:async[ ]+)?def[ ]+test\w*[ ]*\(|func[ ]+(?:Test|Benchmark|Fuzz)\w*[ ]*\(|#\[(?:\w+::)*test\b"
    rb"|@(?:Test|ParameterizedTest|RepeatedTest)\b|\[(?:Test|TestMethod|Fact|Theory|TestCase)\b"
    rb"|(?:it|test|specify|scenario)(?:\.each\b[^\n]*)?[ ]*\(?[ ]*[\"'`{]|(?:public[ ]+)?function[ ]+test\w*[ ]*\()",
    re.MULTILINE,
)
_ASSERTIONS: Final = re.compile(
    rb"(?:\bassert\w*[ ]*(?:[!( \"'~\[{-]|$)|\bAssert(?:ions)?\.\w+|\bexpect(?:_\w+)?[ ]*[({]"
    rb"|\b(?:pytest\.(?:raises|warns|fail)|self\.fail\w*)\b|\.should\b|\bshould\.|\brequire\.\w+\("
    rb"|\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\()",
    re.MULTILINE,
)
_HOLLOW: Final = re.compile(
    rb"\bassert[ ]+(?:not[ ]+(?:False|None|0)|True|1|\"[^\"]*\"|'[^']*')[ ]*(?:[,#;]|$)"
    rb"|\bassert(?:True|_true)?!?[ ]*\([ ]*(?:True|true|1)[ ]*[,)]"
    rb"|\bassert(?:False|_false)[ ]*\([ ]*(?:False|false)[ ]*[,)]"
    rb"|\bexpect\([ ]*(true|false|1|0|null)[ ]*\)\.to(?:Be|Equal|StrictEqual)\([ ]*\1[ ]*\)"
    rb"|Assert\.(?:IsTrue|True|That)\([ ]*true[ ]*[,)]"
)
_ASSERTION_WORDS: Final = re.compile(
    rb"assert|Assert|expect|raises|warns|fail|should|require\.|t\.[EF]"
)
_SKIP_WORDS: Final = re.compile(
    rb"skip|Skip|xfail|expectedF|Disabled|[iI]gnore|\.only|\.todo|\.fail|\.fixme|Explicit|Inconcl|Incompl|Pass\("
    rb"|pending|xit|xtest|xdesc|xcont|xspec|fit|fdesc"
)
_SKIPS: Final = re.compile(
    rb"(?:\bpytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b|\bunittest\.(?:skip\w*|expectedFailure)\b"
    rb"|@(?:skip\w*|expectedFailure|Disabled|Ignore)\b|\b(?:raise[ ]+)?(?:unittest\.)?SkipTest\b|\.skipTest\("
    rb"|\b(?:it|test|describe|context|suite|specify)\.(?:skip|only|todo|failing|fixme)\b"
    rb"|\bx(?:it|test|describe|context|specify)[ ]*\(|\b[ft](?:it|describe)\.skip\b|\bf(?:it|describe)[ ]*\("
    rb"|\b[tbf]\.Skip(?:f|Now)?\(|#\[ignore\b|\[(?:[^\]\n]*[,( ])?(?:Ignore|Explicit)\b|\bSkip[ ]*=[ ]*\""
    rb"|\bAssert\.(?:Ignore|Inconclusive|Pass)\(|\bmarkTest(?:Skipped|Incomplete)\b|^[ \t]*(?:skip|pending)[ ]+[\"'])",
    re.MULTILINE,
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


class _Kind(NamedTuple):
    """Lines of one kind: words that none of them is without, which are quickly looked for, and how they look."""

    words: re.Pattern[bytes]
    line: re.Pattern[bytes]


_SKIPPING: Final = _Kind(_SKIP_WORDS, _SKIPS)
_ASSERTING: Final = _Kind(_ASSERTION_WORDS, _ASSERTIONS)


class _Sides(NamedTuple):
    """One change of a test, as the lines that come and go."""

    change: FileChange
    added: bytes
    removed: bytes


def judge_tests(patch: Patch, changes: Sequence[TreeChange] | None = None) -> list[Finding]:
    """`policy.judge_edited` for each test file that is weaker after the patch, with how."""
    touched = [c for c in patch.changes if _was_test(c) or _is_test(c)]
    if not touched:
        return []
    sides = [_Sides(c, added_lines(c), removed_lines(c)) for c in touched]
    findings = [f for s in sides if (f := _judged_loss(s, patch, changes)) is not None]
    lost = {f.path for f in findings}
    rest = [
        s for s in sides if s.change.op in ("modify", "rename") and s.change.old_path not in lost
    ]
    gone = _names_gone(patch) if any(s.removed for s in rest) else set()
    for side in rest:
        found = (_more_skips(side, sides), _fewer_assertions(side, sides, gone))
        findings += [f for f in found if f is not None]
    return findings


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


def _judged_loss(
    sides: _Sides, patch: Patch, changes: Sequence[TreeChange] | None
) -> Finding | None:
    """A test file that goes, or is no test any more, or holds no test any more."""
    change = sides.change
    if not _was_test(change):
        return None
    assert change.old_path is not None
    if change.op == "delete":
        if not _holds_tests(sides.removed) or _came_back(sides, patch, changes):
            return None
        return _found("it is deleted", change, change.old_path)
    if change.op == "rename" and not _is_test(change) and is_source(change.old_path):
        return _found("its new name is none of a test", change, change.old_path)
    if _is_emptied(sides):
        return _found("all of its tests are removed", change, change.old_path)
    return None


def _found(what: str, change: FileChange, path: bytes | None = None) -> Finding:
    return Finding("policy.judge_edited", what, path or change.path, change.line)


def _holds_tests(text: bytes) -> bool:
    return _TESTS.search(text) is not None or _ASSERTIONS.search(text) is not None


def _came_back(sides: _Sides, patch: Patch, changes: Sequence[TreeChange] | None) -> bool:
    """Whether another test file of the patch is the deleted one: the same blob, or most of its lines."""
    gone = {c.old_oid for c in changes or () if c.path == sides.change.old_path}
    if any(c.new_oid in gone and not c.old_mode and is_test(c.path) for c in changes or ()):
        return True
    fresh = [c for c in patch.changes if c.op == "add" and is_test(c.path)]
    old = Counter(filter(None, map(bytes.strip, sides.removed.split(b"\n"))))
    new = Counter(bytes.strip(line) for c in fresh for line in added_lines(c).split(b"\n"))
    return bool(fresh) and (old & new).total() * 2 > old.total()


def _is_emptied(sides: _Sides) -> bool:
    """Whether one hunk replaces the whole file, and no test is left."""
    if _TESTS.search(sides.added) or not _TESTS.search(sides.removed):
        return False
    hunk, *more = sides.change.hunks
    return not more and hunk.old_start <= 1 and not hunk.leading and not hunk.trailing


def _gone_lines(kind: _Kind, sides: _Sides, every: Sequence[_Sides]) -> list[bytes]:
    """The lines of a kind that a file loses, without those that another test file of the patch takes over."""
    lost = _lines(kind, sides.removed)
    if not lost or len(every) == 1:
        return lost
    others = (line for s in every if s is not sides for line in _lines(kind, s.added))
    return list((Counter(lost) - Counter(others)).elements())


def _lines(kind: _Kind, text: bytes) -> list[bytes]:
    """The lines of a kind that are no comments, without their indentation."""
    found = []
    end = -1
    for word in kind.words.finditer(text):
        at = word.start()
        if at < end:
            continue
        start = text.rfind(b"\n", 0, at) + 1
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        if not _COMMENT.match(text, start) and kind.line.search(text, start, end):
            found.append(text[start:end].strip())
    return found


def _names_gone(patch: Patch) -> set[bytes]:
    """What the patch takes out of the code that is no test: names of functions and classes."""
    gone: set[bytes] = set()
    kept: set[bytes] = set()
    for change in patch.changes:
        if is_source(change.path) and not is_test(change.path):
            gone.update(_NAMED.findall(removed_lines(change)))
            kept.update(_NAMED.findall(added_lines(change)))
    return gone - kept


def _goes_with(sides: _Sides, gone: set[bytes]) -> bool:
    """Whether whole tests go, and they name what the patch takes out of the code: they could not stay."""
    if not gone or len(_TESTS.findall(sides.removed)) <= len(_TESTS.findall(sides.added)):
        return False
    return not gone.isdisjoint(_WORD.findall(sides.removed))


def _more_skips(sides: _Sides, every: Sequence[_Sides]) -> Finding | None:
    gained = _lines(_SKIPPING, sides.added)
    if not gained:
        return None
    lost = _gone_lines(_SKIPPING, sides, every)
    fresh = Counter(gained) - Counter(lost)
    if len(gained) <= len(lost) or not fresh:
        return None
    line = next(iter(fresh)).decode("utf-8", "backslashreplace")
    return _found(f"a test is skipped: {line[:80]}", sides.change)


def _fewer_assertions(sides: _Sides, every: Sequence[_Sides], gone: set[bytes]) -> Finding | None:
    lost = _gone_lines(_ASSERTING, sides, every)
    if not lost or sides.change.path.rpartition(b"/")[2] == b"conftest.py":
        return None
    had = sum(not _HOLLOW.search(line) for line in lost)
    kept = sum(not _HOLLOW.search(line) for line in _lines(_ASSERTING, sides.added))
    rewritten = had > 3 and kept >= had * _ENOUGH
    if kept >= had or rewritten or _ROWS.search(sides.added) or _goes_with(sides, gone):
        return None
    many = "one assertion" if had - kept == 1 else f"{had - kept} assertions"
    return _found(f"it has {many} fewer ({had} go, {kept} come)", sides.change)
