"""Landed == submitted, in bytes, on every rung (DESIGN 8): an independent look at the two trees.

Nothing is taken from the composer but the two tree ids and where it says that it put the hunks: the trees are
compared, and each text file is undone, hunk by hunk, to the bytes of the base.
"""

from uet_git.model.compose import Placed, body_agrees, undo_text
from uet_git.model.records import GITLINK, REGULAR, Composed, FileChange, Finding, Oid, Patch
from uet_git.plumbing.contents import canonical, kind, named_mode, submodule_text
from uet_git.plumbing.difference import diff_trees
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import TreeEntry
from uet_git.plumbing.view import View

_MISMATCH = "content.mismatch"


def landed_matches(
    objects: Objects, base: View, base_tree: Oid, composed: Composed, patch: Patch
) -> Finding | None:
    """None if the two trees differ by exactly what the patch says, else the first disagreement (content.mismatch)."""
    return _Comparison(objects, base, base_tree, composed, patch).run(patch)


class _Comparison:
    """The base, the difference, and what the patch names."""

    def __init__(
        self, objects: Objects, base: View, base_tree: Oid, composed: Composed, patch: Patch
    ) -> None:
        self.objects = objects
        self.base = base
        self.found = diff_trees(objects, base_tree, composed.tree)
        self.differences = {change.path: change for change in self.found}
        self.recorded = composed.changes
        self.made = {c.new_path for c in patch.changes if c.op != "delete"}
        self.leaving = {c.old_path for c in patch.changes if c.op in ("delete", "rename")}
        self.places: dict[bytes, list[Placed]] = {}
        for place in composed.placements:
            self.places.setdefault(place.path, []).append(Placed(place.line, place.offset))

    def run(self, patch: Patch) -> Finding | None:
        if tuple(self.found) != self.recorded:
            return Finding(_MISMATCH, "the tree differs in other places than recorded")
        foreign = self.differences.keys() - self.made - self.leaving
        if foreign:
            return Finding(_MISMATCH, "it changes, and the patch does not name it", min(foreign))
        for change in patch.changes:
            wrong = self._goes(change) or self._comes(change)
            if wrong:
                return Finding(_MISMATCH, wrong, change.path, change.line)
        return None

    def _goes(self, change: FileChange) -> str:
        """What is wrong with the side that the change removes or starts from; empty if nothing is."""
        old = change.old_path
        if change.op == "add" or old is None:
            taken = self.base.file(change.path) is not None and change.path not in self.leaving
            return "it was there before" if taken else ""
        there = self.base.file(old)
        if there is None:
            return "it was not there before"
        if change.old_mode and kind(change.old_mode) != kind(there[0]):
            return "its type before is not the one that the patch names"
        if change.op in ("delete", "rename") and old not in self.made:
            now = self.differences.get(old)
            if now is None or now.new_mode:
                return "it should be gone"
        if change.op == "delete":
            return self._content(change, there, None)
        return ""

    def _comes(self, change: FileChange) -> str:
        """What is wrong with what the change leaves; empty if nothing is."""
        if change.op == "delete":
            return ""
        source = None
        if change.op != "add" and change.old_path is not None:
            source = self.base.file(change.old_path)
        difference = self.differences.get(change.path)
        if difference is not None:
            landed: TreeEntry | None = (difference.new_mode, difference.new_oid)
        else:
            landed = self.base.file(change.path)
        if landed is None or not landed[0]:
            return "it should be there"
        mode = named_mode(change) or (source[0] if source is not None else REGULAR)
        if landed[0] != canonical(mode):
            return f"its mode is {landed[0]:o}, not {canonical(mode):o}"
        return self._content(change, source, landed)

    def _content(
        self, change: FileChange, source: TreeEntry | None, landed: TreeEntry | None
    ) -> str:
        """Compares the two contents by the change's hunks, or by id."""
        if change.binary is not None:
            same = (source is None or source[1] == change.old_oid) and (
                landed is None or landed[1] == change.new_oid
            )
            return "" if same else "its content is not the one that the patch names"
        if not change.hunks and source is not None and landed is not None:
            return "" if source[1] == landed[1] else "its content should be the same"
        if not all(map(body_agrees, change.hunks)):
            return "its hunks disagree with their lines"
        here = self.places.get(change.path, [])
        places = here[: len(change.hunks)]
        del here[: len(change.hunks)]  # a type change has two changes of one path
        before, after = self._bytes(source), self._bytes(landed)
        undone = undo_text(change.hunks, places, after) if change.hunks else after
        return "" if undone == before else "undoing its hunks does not give what was there before"

    def _bytes(self, entry: TreeEntry | None) -> bytes:
        if entry is None:
            return b""
        return submodule_text(entry[1]) if entry[0] == GITLINK else self.objects.blob(entry[1])
