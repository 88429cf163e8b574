"""Shows the pieces of a patch that can be picked; unidiff reads their lines (patchview)."""

from typing import Any

from uet_git.cli import patchview
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.pieces import Piece
from uet_git.project import Project
from uet_git.queue import pick


def show(out: Output, project: Project, entry: Entry) -> int:
    """All pieces under their numbers, and how to pick."""
    every = pick.hunks(project, entry)
    out.document([document(found) for found in every])
    for found in () if out.as_json else every:
        piece(out, found)
    if len(every) > 1:
        out.text(f"  next: {command(('uet-git', 'pick', entry.label, '--hunks', '1'))}")
    return 0


def piece(out: Output, found: Piece) -> None:
    """One piece under its number."""
    size = f"+{found.insertions} -{found.deletions}"
    title = f"{found.number}. {found.kind} {display.name(found.path)}  {size}"
    patchview.diff(out, title, found.data, "uet-git show --patch prints the whole patch")


def document(found: Piece) -> dict[str, Any]:
    """A piece as `show --hunks --json` prints it."""
    path, data = (b.decode("utf-8", "backslashreplace") for b in (found.path, found.data))
    sizes = {"insertions": found.insertions, "deletions": found.deletions}
    return {"number": found.number, "path": path, "kind": found.kind, **sizes, "patch": data}
