"""resolve: a scratch work tree in which a person finishes a merge."""

import os
from typing import Any

import click

from uet_git.cli import arguments, revise
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import UsageError
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue import resolve as resolving
from uet_git.queue import revise as revising


@click.command(name="resolve")
@click.argument("entry", metavar="NUMBER")
@click.option(
    "--continue", "go_on", is_flag=True, help="What is in the folder now is the next revision."
)
@click.option("--abort", is_flag=True, help="Remove the folder with all that was done in it.")
@click.option("--with-markers", is_flag=True, help="Continue although conflicts are left.")
@revise.reason_option
@revise.dry_run_option
@output_options
def resolve(
    entry: str,
    go_on: bool,
    abort: bool,
    with_markers: bool,
    reason: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Merge a patch into its branch in a folder of its own, and make what you make of it the next revision.

    Your work tree, index, stash and branches are left alone. Author and message are kept.
    """  # fmt: skip
    out = Output(as_json=as_json, quiet=quiet)
    if go_on and abort:
        raise click.UsageError("--continue and --abort exclude each other")
    if with_markers and not go_on:
        raise click.UsageError("--with-markers goes with --continue")
    with Project.open() as project:
        found = arguments.chosen(project, [entry])
        if len(found) != 1:
            raise UsageError("name one change")
        if not dry_run:
            project.require_writable()
        if go_on:
            return _go_on(out, project, found[0], reason, anyway=with_markers, dry_run=dry_run)
        return _begin_or_abort(out, project, found[0], abort=abort, dry_run=dry_run)


def _go_on(
    out: Output, project: Project, entry: Entry, reason: str, *, anyway: bool, dry_run: bool
) -> int:
    if dry_run:
        revision = resolving.prepare(project, entry, anyway=anyway)
        return revise.would(out, project, entry, "continue", revision.reason)
    new = resolving.finish(project, entry, reason, anyway=anyway)
    anchor.anchor_now(project)
    return revise.told(out, project, [new])


def _begin_or_abort(
    out: Output, project: Project, entry: Entry, *, abort: bool, dry_run: bool
) -> int:
    if abort:
        revising.own(project, entry)
        found = resolving.state(project, entry, any_revision=True)
        if not dry_run:
            resolving.abort(project, entry)
        out.document(_document(entry, found, "open" if dry_run else "aborted"))
        said = "would remove" if dry_run else "removed"
        out.text(f"{entry.label:>6}  {said} {display.name(os.fsencode(found.folder))}")
        return 0
    if dry_run:
        resolving.check_begin(project, entry)
        found = resolving.Resolution("", [])
    else:
        found = resolving.begin(project, entry)
    document = _document(entry, found, "none" if dry_run else "open")
    out.document(document)
    if dry_run:
        out.text(f"{entry.label:>6}  would open a scratch work tree")
        return 0
    out.text(f"{entry.label:>6}  merged in {display.name(os.fsencode(found.folder))}")
    for file in found.files:
        how = "conflict" if file.marked else "decide: git add it, or git rm it"
        out.text(f"        {how}: {display.name(file.path)}")
    for argv in document["next"]:
        out.text(f"  next: {command(argv)}")
    return 0


def _document(entry: Entry, found: resolving.Resolution, state: str) -> dict[str, Any]:
    look = ["git", "-C", found.folder, "status"]
    verbs = [["uet-git", "resolve", entry.label, how] for how in ("--continue", "--abort")]
    return {
        "number": entry.number,
        "revision": entry.revision,
        "state": state,
        "folder": found.folder or None,
        "files": [
            {"path": f.path.decode("utf-8", "backslashreplace"), "marked": f.marked}
            for f in found.files
        ],
        "next": [look, *verbs] if state == "open" else [["uet-git", "resolve", entry.label]],
    }
