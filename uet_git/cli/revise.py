"""edit and pick: the next revision of a change, from an editor or from some of its hunks."""

from collections.abc import Sequence

import click

from uet_git.cli import arguments, hunkview, views
from uet_git.cli.options import author_of, output_options
from uet_git.cli.render import Output, command
from uet_git.errors import UetError, UsageError
from uet_git.model import display, pieces
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue import edit as editing
from uet_git.queue import pick as picking

reason_option = click.option(
    "--reason", default="", metavar="TEXT", help="Why; kept in the ledger."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would happen, and change nothing."
)


@click.command(name="edit")
@click.argument("entry", metavar="NUMBER")
@click.option(
    "--from", "source", metavar="FILE|-", help="Take the patch from there, without an editor."
)
@click.option("-m", "--message", help="Another commit message; without --from the patch stays.")
@click.option(
    "--author", metavar="'NAME <EMAIL>'", help="Another author; without --from the patch stays."
)
@reason_option
@dry_run_option
@output_options
def edit(
    entry: str,
    source: str | None,
    message: str | None,
    author: str | None,
    reason: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Edit a change's patch in your editor; what you save becomes its next revision, judged like any other.

    An empty or unchanged file changes nothing. Author and message are kept unless you edit those too.
    """  # fmt: skip
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        found = _one(project, entry)
        who = author_of(author)
        if not dry_run:
            project.require_writable()
        if source is not None or message is not None or who is not None:
            data = editing.draft(project, found) if source is None else _read(source)
            return _take(out, project, found, data, (message, who), reason, dry_run)
        return in_editor(out, project, found, reason, dry_run=dry_run)


def in_editor(
    out: Output, project: Project, found: Entry, reason: str, *, dry_run: bool = False
) -> int:
    """Opens the patch in the user's editor and hands in what comes of it; an exit code."""
    from uet_git.host import editor
    from uet_git.plumbing import git as gits

    before = editing.draft(project, found)
    program = gits.editor(project.git)
    with editor.draft(f"{found.label}.patch", before) as path:
        data = editor.edit(program, path)
        if not data.strip() or data == before:
            out.document([views.Viewer(project).entry(found)])
            out.text(f"{found.label:>6}  nothing was changed")
            return 0
        try:
            return _take(out, project, found, data, (None, None), reason, dry_run)
        except UetError:
            out.notice(f"what you typed is kept in {path}")
            raise


def _take(
    out: Output,
    project: Project,
    found: Entry,
    data: bytes,
    said: tuple[str | None, tuple[str, str] | None],
    reason: str,
    dry_run: bool,
) -> int:
    message, author = said
    if dry_run:
        revision = editing.prepare(project, found, data, message, author)
        return would(out, project, found, "edit", revision.reason)
    new = editing.accept(project, found, data, reason, message=message, author=author)
    anchor.anchor_now(project)
    return told(out, project, [new])


@click.command(name="pick")
@click.argument("entry", metavar="NUMBER")
@click.option(
    "--hunks",
    metavar="1,3-4",
    help="Those to pick, as `show --hunks` numbers them; else you are asked.",
)
@reason_option
@dry_run_option
@output_options
def pick(
    entry: str, hunks: str | None, reason: str, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Pick hunks: they become the change's next revision, the rest a change of its own that waits for it.

    The rest of what was set aside stays set aside until a person releases it.
    """  # fmt: skip
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        found = _one(project, entry)
        every = picking.hunks(project, found)
        if hunks is not None:
            try:
                chosen = pieces.numbers(hunks, len(every))
            except ValueError as exc:
                look = ("uet-git", "show", "--hunks", found.label)
                raise UsageError(f"--hunks: {exc}", next=look) from exc
        elif out.can_ask:
            chosen = asked(out, every)
            if not chosen or len(chosen) == len(every):
                out.text("nothing was changed: all or none were picked")
                return 0
        else:
            look = ("uet-git", "show", "--hunks", found.label)
            raise UsageError("name the hunks with --hunks", next=look)
        if dry_run:
            revision = picking.prepare(project, found, chosen)
            return would(out, project, found, "pick from", revision.reason)
        project.require_writable()
        taken, rest = picking.pick(project, found, chosen, reason)
        anchor.anchor_now(project)
        return told(out, project, [taken] if rest is None else [taken, rest])


def asked(out: Output, every: Sequence[pieces.Piece]) -> list[int]:
    """The numbers of the pieces that a person at the terminal says yes to."""
    chosen = []
    for piece in every:
        hunkview.piece(out, piece)
        if out.ask(f"Pick {piece.number} of {len(every)}?"):
            chosen.append(piece.number)
    return chosen


def _one(project: Project, text: str) -> Entry:
    found = arguments.chosen(project, [text])
    if len(found) != 1:
        raise UsageError(f"{display.line(text)} names {len(found)} changes; name one")
    return found[0]


def _read(source: str) -> bytes:
    return arguments.standard_input().read() if source == "-" else arguments.read_file(source)


def would(out: Output, project: Project, found: Entry, verb: str, reason: str | None) -> int:
    """Says what the next revision would be; 0."""
    out.document([views.Viewer(project).entry(found)])
    what = "queued" if reason is None else reason
    out.text(f"{found.label:>6}  would {verb}; the next revision: {what}")
    return 0


def told(out: Output, project: Project, entries: Sequence[Entry]) -> int:
    """Says what became of new revisions; 0 if the first of them is queued."""
    viewer = views.Viewer(project)
    out.document([viewer.entry(e) for e in entries])
    for entry in entries:
        out.text(f"{entry.label:>6}  {out.state(entry.state)}  {display.line(entry.title, 72)}")
        if entry.reason is not None:
            out.text(f"        {display.line(views.why(entry))}")
        out.text(f"  next: {command(viewer.next(entry)[0])}")
    return 0 if entries[0].state == "queued" else 1
