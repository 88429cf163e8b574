"""pick: some hunks of a patch become its next revision, the rest a change that waits for it (DESIGN 12)."""

from collections.abc import Collection

from uet_git.errors import UsageError
from uet_git.model import patchfile
from uet_git.model.entry import Entry
from uet_git.model.pieces import Cut, Piece
from uet_git.model.records import Conflict, Finding, Oid, Patch
from uet_git.model.settings import Limits
from uet_git.plumbing import fallback
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue import revise

HELD = "queue.rest_of_pick"


def hunks(project: Project, entry: Entry) -> list[Piece]:
    """The pieces of an entry's patch that can be picked. Raises: UsageError (it cannot be read), Redacted."""
    return _cut(project, entry).pieces()


def prepare(project: Project, entry: Entry, chosen: Collection[int]) -> revise.Revision:
    """The picked pieces as the next revision and the rest, judged; changes nothing. Raises: as `pick`."""
    revise.check(project, entry)
    cut = _cut(project, entry)
    count = len(cut.pieces())
    if not chosen or not all(1 <= n <= count for n in chosen):
        _refuse(entry, f"there are hunks 1 to {count} to pick from")
    if len(set(chosen)) == count:
        _refuse(entry, f"that is the whole of change {entry.label}; nothing would be left out")
    first, rest = cut.split(set(chosen))
    _prove(project, entry, first, rest)
    revision = revise.Revision(project, entry, first, revise.kept(entry, partial=True))
    depends = tuple(sorted({*entry.depends_on, entry.number}))
    options = revise.kept(entry, replaces=None, depends_on=depends, priority=entry.priority)
    held = entry.state in ("quarantined", "apply_failed") and HELD not in revision.carried
    why = f"change {entry.label} was {entry.state}: {entry.reason}"
    revision.leave(rest, options, [Finding(HELD, why)] if held else [])
    return revision


def pick(
    project: Project, entry: Entry, chosen: Collection[int], reason: str
) -> tuple[Entry, Entry | None]:
    """Makes the pieces with these numbers the next revision and the rest a new change; returns both.

    The rest depends on the picked ones. It is set aside where the whole was; then only `release` lets it go on.

    Raises: as `revise.check`; UsageError (a number that is not there, all or none, pieces that do not make the same
    together as the whole), QueueBusy (it moved meanwhile).
    """
    numbers = sorted(set(chosen))
    return prepare(project, entry, numbers).hand_in(
        lambda new, rest: {
            "picked": new.label,
            "left": None if rest is None else rest.label,
            "hunks": numbers,
            "why": reason,
        }
    )


def _cut(project: Project, entry: Entry) -> Cut:
    judged = revise.reading(project, entry)
    if not judged.patch.changes:
        _refuse(entry, f"change {entry.label} cannot be read, so it has no hunks to pick from")
    return Cut(judged.mail.diff, judged.patch, judged.first_line)


def _prove(project: Project, entry: Entry, first: bytes, rest: bytes) -> None:
    """Both must be read again, and one after the other make what the whole makes, wherever the whole fits."""
    tip = project.tip(entry.target)
    limits = project.settings_at(tip).limits
    whole = revise.reading(project, entry)
    pieces = [(_read(project, entry, data, limits), data) for data in (first, rest)]
    base = project.ledger.entries.patch(entry.patch_id).base_commit
    trees = [project.tip_tree(tip)]
    if base is not None and project.objects.has(base):
        trees.append(project.tree_of(Oid(base)))
    for tree in trees:
        wanted = _made(project, tree, [(whole.patch, whole.mail.diff)], limits)
        if wanted is not None and _made(project, tree, pieces, limits) != wanted:
            _refuse(entry, "these hunks do not stand alone: with the rest they make something else")


def _read(project: Project, entry: Entry, data: bytes, limits: Limits) -> Patch:
    patch = patchfile.read(data, limits, hex_length=project.git.hex_length)
    if not patch.changes:
        _refuse(entry, "these hunks do not stand alone")
    return patch


def _made(
    project: Project, tree: Oid, patches: list[tuple[Patch, bytes]], limits: Limits
) -> Oid | None:
    """The tree after these patches; None if one does not fit. Leaves nothing pending."""
    composer = Composer(project.objects, limits)
    marks = []
    try:
        for patch, diff in patches:
            marks.append(project.objects.begin())
            made = fallback.candidate(composer, tree, patch, diff)
            if isinstance(made, Conflict):
                return None
            tree = made.tree
        return tree
    finally:
        for mark in reversed(marks):
            project.objects.discard(mark)


def _refuse(entry: Entry, why: str) -> None:
    raise UsageError(why, next=("uet-git", "show", "--hunks", entry.label))
