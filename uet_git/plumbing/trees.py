"""Composes a candidate tree from any base tree and a patch, in memory (DESIGN 8).

The order of checks, and what several changes of one patch see of each other, are those of `git apply --cached`
(git's apply.c): renames and copies read the base, other changes read what an earlier change of the same patch left,
a path that is renamed away or deleted may be created again.
"""

import re
from typing import Final

from uet_git.model.compose import is_applied
from uet_git.model.pattern import late
from uet_git.model.records import (
    REGULAR,
    SYMLINK,
    Composed,
    Conflict,
    FileChange,
    Finding,
    Oid,
    Patch,
    TreeChange,
)
from uet_git.model.settings import Limits
from uet_git.plumbing.assemble import assemble
from uet_git.plumbing.contents import Contents, Left, canonical, kind, named_mode
from uet_git.plumbing.landed import landed_matches
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import TreeEntry
from uet_git.plumbing.view import View, parents

RUNG: Final = "memory"
_UNSAFE = late(rb"(?:^|/)(?:\.?\.?|\.git)(?:/|$)|\0", re.IGNORECASE)
_ODD_FIRST: Final = (b"", b"/", b".", b"\n")
_ODD_LAST: Final = (b"/", b"\n")
_MAKES: Final = ("add", "rename", "copy")
_LEAVES: Final = ("delete", "rename")


class Composer:
    """Makes candidate trees in one repository within the limits of one patch."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        self.objects = objects
        self.limits = limits
        self._seen: tuple[str, View] | None = None

    def view(self, tree: Oid) -> View:
        """Look-ups in a tree; the last one asked for is kept, as a base is judged from several sides."""
        if self._seen is None or self._seen[0] != tree:
            self._seen = (tree, View(self.objects, tree))
        return self._seen[1]

    def compose(
        self, base_tree: Oid, patch: Patch, *, is_read: bool = False
    ) -> Composed | Conflict:
        """The candidate tree; its new objects are pending. A conflict names every file and leaves nothing pending.

        `is_read`: most of what it starts from was read before, so it is not asked for in bulk.
        Raises: MissingObject, CorruptObject.
        """
        mark = self.objects.mark()
        attempt = _Attempt(self.objects, self.limits, self.view(base_tree))
        try:
            if not is_read:
                attempt.prefetch(patch)
            outcome = attempt.run(patch)
        except BaseException:
            self.objects.rewind(mark)
            raise
        if isinstance(outcome, Conflict):
            self.objects.rewind(mark)
        return outcome

    def landed_matches(self, base_tree: Oid, composed: Composed, patch: Patch) -> Finding | None:
        """None if the composed tree differs from the base by exactly what the patch says (landed.py)."""
        return landed_matches(self.objects, self.view(base_tree), base_tree, composed, patch)


class _Attempt:
    """One patch on one base."""

    def __init__(self, objects: Objects, limits: Limits, view: View) -> None:
        self.view = view
        self.contents = Contents(objects, limits)
        self.objects = objects
        self.left: dict[
            bytes, Left | None
        ] = {}  # what earlier changes left at a path; None: nothing
        self.leaving: set[bytes] = set()  # paths that a later change deletes or renames away
        self.links_gone: set[bytes] = set()
        self.links_made: set[bytes] = set()

    def prefetch(self, patch: Patch) -> None:
        """Reads what the patch starts from with few round trips."""
        self.view.prefetch([c.old_path for c in patch.changes if c.old_path is not None])

    def run(self, patch: Patch) -> Composed | Conflict:
        self._foresee(patch)
        findings: list[Finding] = []
        results: list[Left] = []
        for change in patch.changes:
            outcome = self._one(change)
            if isinstance(outcome, Finding):
                findings.append(_located(outcome, change))
                continue
            self._enter(change, outcome)
            results.append(outcome)
        if findings:
            return Conflict(self._explain(patch, findings))
        edits = _edits(patch, results)
        tree = assemble(self.objects, self.view, edits)
        if isinstance(tree, list):
            return Conflict(tuple(tree))
        changes = self._changes(edits)
        if not changes:
            return Conflict((_already(patch),))
        placements = tuple(place for left in results for place in left.placements)
        proved = sum(left.proved for left in results)
        return Composed(tree, changes, placements, proved, RUNG)

    def _foresee(self, patch: Patch) -> None:
        """Notes what the whole patch removes: a path that will go may be created, a link that goes may be passed."""
        for change in patch.changes:
            if change.op in _LEAVES and change.old_path is not None:
                self.leaving.add(change.old_path)
                if kind(change.old_mode or 0) == SYMLINK:
                    self.links_gone.add(change.old_path)
            if change.new_path is not None and kind(named_mode(change) or 0) == SYMLINK:
                self.links_made.add(change.new_path)

    def _one(self, change: FileChange) -> Left | Finding:
        source = _unsafe(change) or self._source(change)
        if isinstance(source, Finding):
            return source
        if change.op in _MAKES and self._occupied(change.path):
            return Finding("apply.exists")
        old_mode = change.old_mode or (source.mode if source is not None else 0)
        new_mode = named_mode(change) or (source.mode if source is not None else REGULAR)
        if change.op != "delete":
            if source is not None and kind(old_mode) != kind(new_mode):
                return Finding("apply.wrong_mode", f"mode {old_mode:o} cannot become {new_mode:o}")
            if self._beyond_link(change.path):
                return Finding("path.through_symlink")
        return self.contents.after(change, source, canonical(new_mode))

    def _source(self, change: FileChange) -> Left | Finding | None:
        """What the change starts from; None for a new file."""
        path = change.old_path
        if change.op == "add" or path is None:
            return None
        if change.op not in ("rename", "copy") and path in self.left:
            earlier = self.left[path]
            return earlier or Finding("apply.no_such_file", "the same patch removes it before")
        found = self.view.file(path)
        if found is None:
            return Finding("apply.no_such_file")
        mode = canonical(found[0])
        if change.old_mode and kind(change.old_mode) != kind(mode):
            return Finding(
                "apply.wrong_mode", f"it has mode {mode:o}, the patch expects {change.old_mode:o}"
            )
        return Left(mode, found[1])

    def _occupied(self, path: bytes) -> bool:
        """Tells whether a file lies where one is to be made, and stays there."""
        gone = self.left[path] is None if path in self.left else path in self.leaving
        return not gone and self.view.file(path) is not None

    def _beyond_link(self, path: bytes) -> bool:
        for above in parents(path):
            if above in self.links_made:
                return True
            if above in self.links_gone:
                continue
            there = self.view.entry(above)
            if there is not None and there[0] == SYMLINK:
                return True
        return False

    def _enter(self, change: FileChange, left: Left) -> None:
        if change.new_path is not None:
            self.left[change.new_path] = left
        if change.op in _LEAVES and change.old_path is not None:
            self.left[change.old_path] = None

    def _changes(self, edits: dict[bytes, TreeEntry | None]) -> tuple[TreeChange, ...]:
        changes = []
        for path in sorted(edits):
            before = self.view.file(path) or (0, "")
            after = edits[path] or (0, "")
            if before != after:
                changes.append(TreeChange(path, *before, *after))
        return tuple(changes)

    def _explain(self, patch: Patch, findings: list[Finding]) -> tuple[Finding, ...]:
        """The findings; a single one if the base already has every change of the patch."""
        if all(self._has(change) for change in patch.changes):
            return (_already(patch),)
        return tuple(findings)

    def _has(self, change: FileChange) -> bool:
        """Tells whether the base looks as if this change had been made."""
        if (
            change.op in _LEAVES
            and change.old_path is not None
            and self.view.file(change.old_path) is not None
        ):
            return False
        if change.new_path is None:
            return True
        there = self.view.file(change.new_path)
        if there is None or (named_mode(change) or there[0]) != there[0]:
            return False
        if not change.hunks and change.binary is None and change.op != "add":
            source = self.view.file(change.old_path or change.new_path)
            return change.op != "copy" or (source is not None and source[1] == there[1])
        content = self.contents.read(Left(*there))
        return not isinstance(content, Finding) and is_applied(change, content, self.contents.work)


def is_doubtful(outcome: Conflict) -> bool:
    """Whether the composer's answer contradicts itself, so that git may know better."""
    return any(f.code in ("apply.postimage", "content.mismatch") for f in outcome.findings)


def _already(patch: Patch) -> Finding:
    return Finding("apply.already_applied", "", patch.changes[0].path, patch.changes[0].line)


def _edits(patch: Patch, results: list[Left]) -> dict[bytes, TreeEntry | None]:
    """What the changes leave at each path: first all removals, then what is made (as git does)."""
    edits: dict[bytes, TreeEntry | None] = {}
    for change in patch.changes:
        if change.op in _LEAVES and change.old_path is not None:
            edits[change.old_path] = None
    for change, left in zip(patch.changes, results, strict=True):
        if change.new_path is not None and change.op != "delete":
            edits[change.new_path] = (left.mode, left.oid)
    return edits


def _is_odd(path: bytes) -> bool:
    """Whether `_UNSAFE` may find something; a tenth of its time."""
    return (
        path[:1] in _ODD_FIRST
        or path[-1:] in _ODD_LAST
        or b"/." in path
        or b"//" in path
        or b"\0" in path
    )


def _unsafe(change: FileChange) -> Finding | None:
    """Paths are judged elsewhere; what would make a tree that git refuses does not get in here either."""
    old, new = change.old_path, change.new_path
    for path in (old,) if old == new else (old, new):
        if path is not None and _is_odd(path) and _UNSAFE.search(path):
            code = "path.dotgit" if b".git" in path.lower() else "path.traversal"
            return Finding(code, "", path)
    return None


def _located(finding: Finding, change: FileChange) -> Finding:
    """The finding with the path and the line of its change, where it has none of its own."""
    return finding._replace(path=finding.path or change.path, line=finding.line or change.line)
