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

_CODE: Final = rb"^(?![ \t]*(?:#(?!\[)|//|\*|/\*|--|;|<!--))[ \t]*"
"""The beginning of a line that is no comment."""
_TESTS: Final = re.compile(
    _CODE
    + rb"(?:(?:async[ ]+)?def[ ]+test\w*[ ]*\(|func[ ]+(?:Test|Benchmark|Fuzz)\w*[ ]*\(|#\[(?:\w+::)*test\b"
    rb"|@(?:Test|ParameterizedTest|RepeatedTest)\b|\[(?:Test|TestMethod|Fact|Theory|TestCase)\b"
    rb"|(?:it|test|specify|scenario)(?:\.each\b[^\n]*)?[ ]*\(?[ ]*[\"'`{]|(?:public[ ]+)?function[ ]+test\w*[ ]*\()",
    re.MULTILINE,
)
_ASSERTIONS: Final = re.compile(
    _CODE
    + rb"[^\n]*?(?:\bassert\w*[ ]*(?:[!( \"'~\[{-]|$)|\bAssert(?:ions)?\.\w+|\bexpect(?:_\w+)?[ ]*[({]"
    rb"|\b(?:pytest\.(?:raises|warns|fail)|self\.fail\w*)\b|\.should\b|\bshould\.|\brequire\.\w+\("
    rb"|\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\()[^\n]*",
    re.MULTILINE,
)
_HOLLOW: Final = re.compile(
    rb"\bassert[ ]+(?:not[ ]+(?:False|None|0)|True|1|\"[^\"]*\"|'[^']*')[ ]*(?:[,#;]|$)"
    rb"|\bassert(?:True|_true)?!?[ ]*\([ ]*(?:True|true|1)[ ]*[,)]"
    rb"|\bassert(?:False|_false)[ ]*\([ ]*(?:False|false)[ ]*[,)]"
    rb"|\bexpect\([ ]*(true|false|1|0|null)[ ]*\)\.to(?:Be|Equal|StrictEqual)\([ ]*\1[ ]*\)"
    rb"|Assert\.(?:IsTrue|True|That)\([ ]*true[ ]*[,)]"
)
_SKIPS: Final = re.compile(
    _CODE
    + rb"[^\n]*?(?:\bpytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b|\bunittest\.(?:skip\w*|expectedFailure)\b"
    rb"|@(?:skip\w*|expectedFailure|Disabled|Ignore)\b|\b(?:raise[ ]+)?(?:unittest\.)?SkipTest\b|\.skipTest\("
    rb"|\b(?:it|test|describe|context|suite|specify)\.(?:skip|only|todo|failing|fixme)\b"
    rb"|\bx(?:it|test|describe|context|specify)[ ]*\(|\b[ft](?:it|describe)\.skip\b|\bf(?:it|describe)[ ]*\("
    rb"|\b[tbf]\.Skip(?:f|Now)?\(|#\[ignore\b|\[(?:[^\]\n]*[,( ])?(?:Ignore|Explicit)\b|\bSkip[ ]*=[ ]*\""
    rb"|\bAssert\.(?:Ignore|Inconclusive|Pass)\(|\bmarkTest(?:Skipped|Incomplete)\b|^[ \t]*(?:skip|pending)[ ]+[\"'])"
    rb"[^\n]*",
    re.MULTILINE,
)


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
    rest = [s for s in sides if s.change.old_path not in lost and s.change.op != "delete"]
    for pattern, wrong in ((_SKIPS, _more_skips), (_ASSERTIONS, _fewer_assertions)):
        findings += wrong([(s, *_moved_out(pattern, s, sides)) for s in rest])
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
    """Whether everything that a hunk shows of the file goes, and tests with it."""
    if not sides.removed or _TESTS.search(sides.added) or not _TESTS.search(sides.removed):
        return False
    kept = sum(h.new_count for h in sides.change.hunks)
    starts_at_top = sides.change.hunks[0].old_start <= 1
    return starts_at_top and len(sides.change.hunks) == 1 and not kept


def _moved_out(
    pattern: re.Pattern[bytes], sides: _Sides, every: Sequence[_Sides]
) -> tuple[list[bytes], list[bytes]]:
    """The lines of a kind that a file gains and loses, without those that another test file of the patch takes over."""
    gained, lost = _lines(pattern, sides.added), _lines(pattern, sides.removed)
    if not lost or len(every) == 1:
        return gained, lost
    elsewhere = Counter(line for s in every if s is not sides for line in _lines(pattern, s.added))
    return gained, list((Counter(lost) - elsewhere).elements())


def _lines(pattern: re.Pattern[bytes], text: bytes) -> list[bytes]:
    return [line.strip() for line in pattern.findall(text)] if text else []


def _more_skips(rows: Sequence[tuple[_Sides, list[bytes], list[bytes]]]) -> list[Finding]:
    found = []
    for sides, gained, lost in rows:
        fresh = Counter(gained) - Counter(lost)
        if sides.change.op in ("modify", "rename") and len(gained) > len(lost) and fresh:
            line = next(iter(fresh)).decode("utf-8", "backslashreplace")
            found.append(_found(f"a test is skipped: {line[:80]}", sides.change))
    return found


def _fewer_assertions(rows: Sequence[tuple[_Sides, list[bytes], list[bytes]]]) -> list[Finding]:
    found = []
    for sides, gained, lost in rows:
        if sides.change.op not in ("modify", "rename"):
            continue
        kept = sum(not _HOLLOW.search(line) for line in gained)
        had = sum(not _HOLLOW.search(line) for line in lost)
        if kept < had:
            found.append(_found(f"it has {had - kept} assertions fewer", sides.change))
    return found
