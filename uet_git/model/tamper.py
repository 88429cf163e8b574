"""Whether a patch makes tests weaker: deletes or empties them, skips them, takes assertions away.

Judged by the lines that come and go in files that look like tests (model/test_sides), in the words of the usual test
libraries (model/test_words). What only moves from one test to another does not count: lines are compared, not places.
What all files of a patch share is made once, so that no patch takes long.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from uet_git.model import test_words
from uet_git.model.added import ReadBlob, added_lines, removed_lines
from uet_git.model.pattern import late
from uet_git.model.policy_paths import is_source, is_test, test_family
from uet_git.model.records import FileChange, Finding, Hunk, Patch, TreeChange
from uet_git.model.test_sides import Side, sides, was_test
from uet_git.model.test_words import ASSERTING, HOLLOW, ROWS, SKIPPING, TESTS, Kind

_NAMED: Final = late(
    rb"^[ \t]*+(?:(?:export|public|private|protected|internal|static|async|abstract|final|pub|default)[ ]+)*"
    rb"(?:def|class|func|fn|function|interface|struct|enum|trait|property)[ ]+(\w{4,})",
    re.MULTILINE,
)
_WORD: Final = late(rb"\w+")
_TOO_MUCH: Final = "it changes more lines than are looked at"
_ENOUGH: Final = 0.75
"""A rewrite that keeps so much of many assertions is one; a single one that goes is always told."""


def judge_tests(
    patch: Patch, changes: Sequence[TreeChange] | None = None, read: ReadBlob | None = None
) -> list[Finding]:
    """`policy.judge_edited` for each test file that is weaker after the patch, with how.

    `changes` is what would change in the tree, and `read` gives its blobs; without them what hunks show must do.
    """
    touched = sides(patch, changes, read)
    return _Tests(patch, changes or (), touched).judge() if touched else []


def judge_edits(patch: Patch) -> list[Finding]:
    """`policy.tests_edited` for each test that was there and changes together with the code."""
    code = any(is_source(p) and not is_test(p) for c in patch.changes for p in (c.path,))
    if not code:
        return []
    edited = [c for c in patch.changes if c.op != "add" and was_test(c) and _changes_content(c)]
    return [Finding("policy.tests_edited", "", c.path, c.line) for c in edited]


def _changes_content(change: FileChange) -> bool:
    return bool(change.hunks) or change.binary is not None or change.op == "delete"


class _Tests:
    """The changes of tests in one patch, and what judging each of them asks of all."""

    def __init__(self, patch: Patch, changes: Sequence[TreeChange], sides: Sequence[Side]) -> None:
        self.patch = patch
        self.changes = changes
        self.sides = sides
        self._came: dict[tuple[Kind, bool], Counter[bytes]] = {}
        self._fresh: dict[str, Counter[bytes]] = {}
        self._blobs: dict[str, set[str]] = {}

    def judge(self) -> list[Finding]:
        findings = [f for s in self.sides if (f := self._judged_loss(s)) is not None]
        lost = {f.path for f in findings}
        rest = [s for s in self.sides if s.change.op in ("modify", "rename") and s.path not in lost]
        text = b"".join(s.added for s in rest).lower()
        may_skip = any(word in text for word in SKIPPING.words)
        if rest and test_words.is_too_much([t for s in self.sides for t in (s.added, s.removed)]):
            findings.append(_found(_TOO_MUCH, rest[0].change))
            return findings
        for side in rest:
            skips = self._more_skips(side) if may_skip else None
            findings += [f for f in (skips or _hidden(side), self._fewer_assertions(side)) if f]
        return findings

    # -- a file that goes, or is no test any more, or holds no test any more

    def _judged_loss(self, side: Side) -> Finding | None:
        change, path = side.change, side.path
        if not was_test(change) and not side.inline:
            return None
        if change.op == "delete":
            code = test_family(path) and not test_words.is_hollow(side.removed)
            if not code and (side.cut or test_words.is_too_much([side.removed])):
                return _found(_TOO_MUCH, change, path)
            if not code and not test_words.holds_tests(side.removed, path):
                return None
            return None if self._came_back(side) else _found("it is deleted", change, path)
        if change.op == "rename" and not side.inline and not _is_found_as_before(path, change.path):
            return _found("its new name is none of a test", change, path)
        if _is_emptied(side) and not self._came_back(side):
            return _found("all of its tests are removed", change, path)
        return _found(_TOO_MUCH, change, path) if side.cut else None

    def _came_back(self, side: Side) -> bool:
        """Whether other test files of the patch, that run as it did, are what goes: the same blob, or most lines."""
        family = test_family(side.path)
        if family not in self._fresh:
            self._fresh[family] = self._made_fresh(side.path)
        if side.change.op == "delete" and self._old_blobs.get(side.path) in self._new_blobs(side):
            return True
        old = Counter(filter(None, map(bytes.strip, side.removed.split(b"\n"))))
        there = sum(min(many, self._fresh[family][line]) for line, many in old.items())
        return there * 2 > old.total()

    @cached_property
    def _old_blobs(self) -> dict[bytes, str]:
        return {c.path: c.old_oid for c in self.changes if c.old_oid}

    def _new_blobs(self, side: Side) -> set[str]:
        family = test_family(side.path)
        if family not in self._blobs:
            new = (c for c in self.changes if not c.old_mode and is_test(c.path))
            self._blobs[family] = {c.new_oid for c in new if _is_found_as_before(side.path, c.path)}
        return self._blobs[family]

    def _made_fresh(self, path: bytes) -> Counter[bytes]:
        """The lines of all test files that are new, and found as this one is."""
        new = [
            s
            for s in self.sides
            if s.change.op in ("add", "copy") and _is_found_as_before(path, s.change.path)
        ]
        return Counter(line for s in new for line in map(bytes.strip, s.added.split(b"\n")))

    # -- a file that stays

    def _gone_lines(self, kind: Kind, side: Side) -> list[bytes]:
        """The lines of a kind that a file loses, without those that another test file of the patch takes over."""
        lost = side.lines(kind, added=False)
        if not lost or len(self.sides) == 1:
            return lost
        code = bool(test_family(side.path))
        if (kind, code) not in self._came:
            others = [s for s in self.sides if not code or s.inline or test_family(s.change.path)]
            lines = (line for s in others for line in s.lines(kind, added=True))
            self._came[kind, code] = Counter(lines)
        came, own = self._came[kind, code], Counter(side.lines(kind, added=True))
        gone: list[bytes] = []
        for line, many in Counter(lost).items():
            gone += [line] * (many - (came[line] - own[line]))
        return gone

    def _more_skips(self, side: Side) -> Finding | None:
        gained = side.lines(SKIPPING, added=True)
        if not gained:
            return None
        lost = self._gone_lines(SKIPPING, side)
        fresh = Counter(gained) - Counter(lost)
        if len(gained) <= len(lost) or not fresh:
            return None
        line = next(iter(fresh)).decode("utf-8", "backslashreplace")
        return _found(f"a test is skipped: {line[:80]}", side.change)

    def _fewer_assertions(self, side: Side) -> Finding | None:
        lost = self._gone_lines(ASSERTING, side)
        if not lost or side.change.path.rpartition(b"/")[2] == b"conftest.py":
            return None
        had = sum(not HOLLOW.search(line) for line in lost)
        kept = sum(not HOLLOW.search(line) for line in side.lines(ASSERTING, added=True))
        rewritten = had > 3 and kept >= had * _ENOUGH
        rows = len(ROWS.findall(side.added)) > len(ROWS.findall(side.removed))
        if kept >= had or rewritten or rows or self._goes_with(side):
            return None
        many = "one assertion" if had - kept == 1 else f"{had - kept} assertions"
        return _found(f"it has {many} fewer ({had} go, {kept} come)", side.change)

    def _goes_with(self, side: Side) -> bool:
        """Whether whole tests go, and they name what the patch takes out of the code: they could not stay."""
        if len(TESTS.findall(side.removed)) <= len(TESTS.findall(side.added)):
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


def _found(what: str, change: FileChange, path: bytes | None = None) -> Finding:
    return Finding("policy.judge_edited", what, path or change.path, change.line)


def _is_found_as_before(old: bytes, new: bytes) -> bool:
    """Whether what runs a test under its old name runs it under the new one."""
    family = test_family(old)
    if family in ("", "folder"):
        return is_test(new) and (not family or bool(test_family(new)))
    return test_family(new) == family


def _hidden(side: Side) -> Finding | None:
    """A test that goes by a name now that no runner looks for."""
    name = test_words.hidden(side.removed, side.added, side.path)
    shown = name.decode("utf-8", "backslashreplace")
    return _found(f"a test is not run any more: {shown[:80]}", side.change) if name else None


def _is_emptied(side: Side) -> bool:
    """Whether tests go, none come and none is left; of other code of tests, whether any code is left."""
    known = TESTS.search(side.removed) is not None
    if known and TESTS.search(side.added):
        return False
    hunks = side.change.hunks
    if not known and (side.inline or test_words.is_hollow(side.removed) or not _is_whole(hunks)):
        return False
    left = side.result
    if left is None:
        if not _is_whole(hunks):
            return False
        left = b"".join(h.new for h in hunks)
    if known:
        return not TESTS.search(left)
    return bool(test_family(side.path)) and test_words.is_hollow(left)


def _is_whole(hunks: Sequence[Hunk]) -> bool:
    """Whether these hunks may be of a whole file."""
    return not hunks or (len(hunks) == 1 and hunks[0].old_start <= 1 and not hunks[0].trailing)
