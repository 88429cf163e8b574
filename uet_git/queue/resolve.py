"""resolve: a patch merged three ways in a scratch work tree; what is made of it is the next revision (DESIGN 12).

Nothing is remembered but the folder and the note beside it, so a kill loses nothing: what was not begun is begun anew,
what was not handed in is still there. The user's work tree, index, stash and branches are not touched.
"""

import json
import os
from typing import Any

from uet_git.errors import UsageError
from uet_git.host import files, process
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.plumbing.merging import Merging, Unmerged
from uet_git.plumbing.removal import remove_tree
from uet_git.project import Project
from uet_git.queue import revise, threeway

_NOTE = "resolve.json"


class Resolution(NamedTuple):
    """An open scratch work tree: its folder, and the files in it that are still to be decided on."""

    folder: str
    files: list[Unmerged]


class _Place(NamedTuple):
    """Where the scratch work tree of a change is: `home` holds the folder and the note."""

    home: str

    @property
    def folder(self) -> str:
        return os.path.join(self.home, "tree")

    @property
    def note(self) -> str:
        return os.path.join(self.home, _NOTE)


def begin(project: Project, entry: Entry) -> Resolution:
    """Opens the scratch work tree with the patch merged into the target's tip.

    Raises: as `revise.check`; UsageError (one is open already, nothing to merge with), GitFailed, DiskFull, IoFailed.
    """
    revise.check(project, entry)
    place = _place(project, entry)
    with files.os_errors("making a scratch work tree"):
        os.makedirs(os.path.dirname(place.home), mode=0o700, exist_ok=True)
    with files.Flock(place.home + ".lock"):
        check_begin(project, entry)
        mark = project.objects.begin()
        try:
            left = _merge(project, entry, place)
        finally:
            project.objects.discard(mark)  # it is on disk there; the repository gets none of it
    return Resolution(place.folder, left)


def _merge(project: Project, entry: Entry, place: _Place) -> list[Unmerged]:
    """Makes the folder beside its place, and moves it there when it is whole; what a kill left half made goes."""
    found = threeway.sides(project, entry)
    tip = project.tip(entry.target)
    ours = project.tip_tree(tip)
    half = _Place(place.home + ".new")
    remove_tree(half.home)
    merging = Merging(half.folder, project.git)
    merging.begin(project.objects, found.base, ours, found.made, f"change-{entry.number}")
    left = merging.unmerged()
    note = {
        **{"entry": entry.entry_id, "base": tip, "tree": ours},
        "files": [[os.fsdecode(f.path), f.marked] for f in left],
    }
    files.write_atomic(half.note, json.dumps(note).encode())
    with files.os_errors(f"making {place.home}"):
        os.rename(half.home, place.home)
    return left


def check_begin(project: Project, entry: Entry) -> None:
    """Whether a scratch work tree can be opened. Raises: as `begin`."""
    revise.check(project, entry)
    note = _noted(_place(project, entry))
    if note is not None and note["entry"] != entry.entry_id:
        _open(project, entry)  # of an older revision: somebody's work, which only they give up
    if note is not None:
        raise UsageError(
            f"change {entry.label} is being resolved in {_place(project, entry).folder}",
            next=("uet-git", "resolve", entry.label, "--continue"),
        )


def state(project: Project, entry: Entry, *, any_revision: bool = False) -> Resolution:
    """The open scratch work tree of an entry, with what is still to be decided. Raises: UsageError."""
    place, note = _open(project, entry, any_revision=any_revision)
    merging = Merging(place.folder, project.git)
    unmerged = {f.path for f in merging.unmerged()}
    left = []
    for name, marked in note["files"]:
        path = os.fsencode(name)
        if merging.is_marked(path) or (not marked and path in unmerged):
            left.append(Unmerged(path, merging.is_marked(path)))
    return Resolution(place.folder, left)


def prepare(project: Project, entry: Entry, *, anyway: bool = False) -> revise.Revision:
    """What is in the scratch work tree, judged as the next revision; changes nothing. Raises: as `finish`."""
    revise.check(project, entry)
    place, note = _open(project, entry)
    left = state(project, entry).files
    if left and not anyway:
        names = ", ".join(display.name(f.path) for f in left[:5])
        raise UsageError(
            f"not resolved yet in {place.folder}: {names}",
            next=("git", "-C", place.folder, "status"),
        )
    data = Merging(place.folder, project.git).diff(note["tree"])
    if not data:
        raise UsageError(
            f"nothing is left of change {entry.label}: the branch has all of it",
            next=("uet-git", "drop", entry.label),
        )
    return revise.Revision(project, entry, data, revise.kept(entry), note["base"])


def finish(project: Project, entry: Entry, reason: str, *, anyway: bool = False) -> Entry:
    """Hands in what is in the scratch work tree as the next revision, author and message kept, and removes the tree.

    `anyway` takes files with conflict markers too. Raises: as `revise.check`; UsageError (none is open,
    conflicts are left, nothing is left of the patch), QueueBusy (it moved meanwhile).
    """
    place = _place(project, entry)
    with files.Flock(place.home + ".lock"):
        revision = prepare(project, entry, anyway=anyway)
        new, _ = revision.hand_in(lambda new, _: {"resolved": new.label, "why": reason})
        remove_tree(place.home)
    return new


def abort(project: Project, entry: Entry) -> None:
    """Removes the scratch work tree with all that was done in it. Raises: NeedsPerson, UsageError (none is open)."""
    revise.own(project, entry)
    place, _ = _open(project, entry, any_revision=True)
    with files.Flock(place.home + ".lock"):
        remove_tree(place.home)


def _place(project: Project, entry: Entry) -> _Place:
    settings = project.settings_at(project.tip(entry.target))
    cache = os.path.realpath(settings.scratch_dir or process.cache_folder())
    for tree in project.worktrees.all():
        if os.path.commonpath([cache, os.path.realpath(tree.path)]) == os.path.realpath(tree.path):
            raise UsageError(f"{cache} lies in a work tree; set XDG_CACHE_HOME to another folder")
    ledger = project.ledger.ledger_id
    return _Place(os.path.join(cache, "uet-git", ledger, "resolve", str(entry.number)))


def _noted(place: _Place) -> dict[str, Any] | None:
    try:
        with open(place.note, "rb") as file:
            note = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _open(
    project: Project, entry: Entry, *, any_revision: bool = False
) -> tuple[_Place, dict[str, Any]]:
    place = _place(project, entry)
    note = _noted(place)
    if note is None:
        raise UsageError(
            f"change {entry.label} is not being resolved", next=("uet-git", "resolve", entry.label)
        )
    if note["entry"] != entry.entry_id and not any_revision:
        raise UsageError(
            f"{place.folder} is of an older revision of change {entry.number}",
            next=("uet-git", "resolve", entry.label, "--abort"),
        )
    return place, note
