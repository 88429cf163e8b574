"""threeway: finds the trees between which a patch was made, so that it can be merged into the tip (DESIGN 8, 12)."""

from collections.abc import Iterator
from typing import Final

from uet_git.errors import UsageError
from uet_git.model import apart
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import REGULAR, Composed, Oid, Patch
from uet_git.plumbing import fallback
from uet_git.plumbing.assemble import assemble
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue import revise

_LOOKED_AT: Final = 50  # commits that touched the patch's files
_NAMED: Final = 200  # files that are asked about
_LARGEST: Final = 4 << 20  # bytes of a file that is taken apart


class Sides(NamedTuple):
    """Trees: what the patch was made on, and what it makes of that. Their objects may be pending."""

    base: Oid
    made: Oid


def sides(project: Project, entry: Entry) -> Sides:
    """The newest tree that the patch fits: the tip's, that of the commit it names, one before; else one made up for it.

    Raises: UsageError if there is none and the patch does not hold enough to make one up.
    """
    judged = revise.reading(project, entry)
    tip = project.tip(entry.target)
    composer = Composer(project.objects, project.settings_at(tip).limits)
    for tree in dict.fromkeys(_trees(project, entry, judged.patch, tip)):
        made = fallback.candidate(composer, tree, judged.patch, judged.mail.diff)
        if isinstance(made, Composed):
            return Sides(tree, made.tree)
    return _made_up(project, entry, judged.patch, composer, project.tip_tree(tip))


def _trees(project: Project, entry: Entry, patch: Patch, tip: Oid | None) -> Iterator[Oid]:
    yield project.tip_tree(tip)
    named = project.ledger.entries.patch(entry.patch_id).base_commit
    if named is not None and project.objects.has(named):
        yield project.tree_of(Oid(named))
    if tip is None:
        return
    asked = ("--literal-pathspecs", "rev-list", f"--max-count={_LOOKED_AT}", "--parents", tip)
    for row in project.git.run(*asked, "--", *patch.paths[:_NAMED]).out.decode().splitlines():
        for commit in row.split()[:2]:
            yield project.tree_of(Oid(commit))


def _made_up(project: Project, entry: Entry, patch: Patch, composer: Composer, tree: Oid) -> Sides:
    """The tip with each changed file as the hunks expect it, and as they make it."""
    objects, view = project.objects, composer.view(tree)
    before: dict[bytes, tuple[int, str] | None] = {}
    after: dict[bytes, tuple[int, str] | None] = {}
    for change in patch.changes:
        if change.binary is not None or change.op in ("rename", "copy") or not change.hunks:
            raise UsageError(
                f"change {entry.label} does not say what it was made on, so it cannot be merged",
                next=("uet-git", "edit", entry.label),
            )
        path = change.path
        there = view.file(path)
        if change.op == "add":
            new = objects.put("blob", b"".join(h.new for h in change.hunks))
            before[path] = None
            after[path] = (change.new_mode or REGULAR, new)
            continue
        content = b"" if there is None else objects.blob(there[1], _LARGEST)
        old_side, new_side = apart.around(content, change.hunks)
        mode = there[0] if there is not None else change.old_mode or REGULAR
        before[path] = (mode, objects.put("blob", old_side))
        gone = change.op == "delete"
        after[path] = None if gone else (change.new_mode or mode, objects.put("blob", new_side))
    found = [assemble(objects, view, edits) for edits in (before, after)]
    if any(isinstance(side, list) for side in found):
        raise UsageError(
            f"change {entry.label} cannot be merged: a file and a folder have one name",
            next=("uet-git", "edit", entry.label),
        )
    base, made = (Oid(str(side)) for side in found)
    return Sides(base, made)
