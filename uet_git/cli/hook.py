"""hook: the shims that bring ordinary commits through the gates and into the ledger."""

import os
import sys
from typing import Any

import click

from uet_git import hookentry
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.plumbing import hookfiles
from uet_git.plumbing.hookfiles import Changed, Found, Place
from uet_git.project import Project
from uet_git.queue import hooks

UNINSTALL = ("uet-git", "hook", "uninstall")
_UNDONE = ("made", "renewed")


@click.group(name="hook")
def hook() -> None:
    """Bring ordinary commits through the same gates and into the same ledger, by git hooks."""


@hook.command(name="install")
@click.option(
    "--pre-push", is_flag=True, help="Also refuse to push commits without a passed verdict."
)
@click.option(
    "--force", is_flag=True, help="Install even where other repositories share the folder."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def install(pre_push: bool, force: bool, dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Install the hooks. One that is there already is kept, and runs first."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        names = (*hookfiles.HOOKS, *(hookfiles.OPTIONAL if pre_push else ()))
        changed = hooks.install(project, names, force=force, dry_run=dry_run)
        place = hookfiles.place(project.git)
    _print_changed(out, place, changed, dry_run=dry_run, undo=UNINSTALL)
    return 0


@hook.command(name="uninstall")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def uninstall(dry_run: bool, as_json: bool, quiet: bool) -> int:
    """Take the hooks away, and put back byte for byte what was there before."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        changed = hooks.uninstall(project, dry_run=dry_run)
        place = hookfiles.place(project.git)
    _print_changed(out, place, changed, dry_run=dry_run, undo=("uet-git", "hook", "install"))
    return 1 if any(c.did == "left" and c.chained for c in changed) else 0


@hook.command(name="status")
@output_options
def status(as_json: bool, quiet: bool) -> int:
    """Show each hook: whether git would run it, and what runs before it. Exit 1 if one is missing."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        place, found = hooks.status(project)
    wrong = missing(found)
    document = {
        **{"v": 1, "ok": not wrong, **_place(place)},
        "hooks": [_found(f) for f in found],
        "next": [["uet-git", "hook", "install"]] if wrong else [],
    }
    out.document(document)
    out.text(f"hooks in {display.line(place.folder)}{said(place)}")
    for each in found:
        first = f", after {each.name}{hookfiles.LEGACY}" if each.chained else ""
        out.text(f"  {each.name:16} {state_of(each)}{first}")
    for argv in document["next"]:
        out.text(f"  next: {command(argv)}")
    return 1 if wrong else 0


@hook.command(name="run", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("args", nargs=-1)
def run(name: str, args: tuple[str, ...]) -> int:
    """What a shim asks where the Python that it was made with is gone."""
    return hookentry.main([name, *args])


def missing(found: list[Found]) -> list[Found]:
    """The hooks that should be ours and run, and do not."""
    return [f for f in found if f.name in hookfiles.HOOKS and not (f.state == "ours" and f.runs)]


def said(place: Place) -> str:
    """What to know about where git looks for hooks; empty for the usual place."""
    if place.configured is None:
        return ""
    shared = "" if place.ours else ", shared with other repositories"
    return f" (core.hooksPath, {display.line(place.scope)}{shared})"


def state_of(found: Found) -> str:
    """A hook's state in words."""
    words = {
        "none": "not installed",
        "ours": "installed",
        "outdated": "of another version of uet-git, or edited",
        "foreign": "not ours",
    }
    runs = "" if found.runs or found.state == "none" else ", and git cannot run it"
    return words[found.state] + runs


def _place(place: Place) -> dict[str, Any]:
    return {"folder": _text(place.folder), "hooks_path": place.configured, "scope": place.scope}


def _text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _found(found: Found) -> dict[str, Any]:
    return {
        **{"name": found.name, "path": _text(found.path), "state": found.state},
        **{"chained": found.chained, "runs": found.runs, "python": sys.executable},
    }


def _print_changed(
    out: Output, place: Place, changed: list[Changed], *, dry_run: bool, undo: tuple[str, ...]
) -> None:
    did = [c for c in changed if c.did not in ("kept", "absent", "left")]
    out.document(
        {
            **{"v": 1, "dry_run": dry_run, **_place(place)},
            "hooks": [
                {**c._asdict(), "path": _text(c.path), "why": c.why or None} for c in changed
            ],
            "undo": list(undo) if did and not dry_run else [],
        }
    )
    would = "would be " if dry_run else ""
    for each in changed:
        if each.did == "absent":
            continue
        first = f", after {each.name}{hookfiles.LEGACY}" if each.chained and not each.why else ""
        why = f": {each.why}" if each.why else ""
        would_be = would if each.did not in ("kept", "left") else ""
        out.text(f"{would_be}{each.did}: {display.line(each.path)}{first}{why}")
    if not any(c.did != "absent" for c in changed):
        out.text("no hook of ours is installed")
    if did and not dry_run:
        out.text(f"    undo: {command(undo)}")
