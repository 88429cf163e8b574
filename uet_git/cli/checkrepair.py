"""What `fsck --repair` says and does beside the check itself."""

from typing import Any

from uet_git.cli.render import Output
from uet_git.model import display
from uet_git.project import Project
from uet_git.queue import repair as repairing
from uet_git.queue.problem import Problem


def plan(project: Project, out: Output, *, full: bool) -> tuple[list[Problem], dict[str, Any]]:
    """What fsck finds, and what a repair would do about it, as a document."""
    found = repairing.look(project, full=full)
    planned = repairing.steps(project, found)
    for step in planned or ["do nothing: there is nothing to repair"]:
        out.text(f"would {display.line(step, 600)}")
    problems = found.problems
    if found.fault is not None:
        text = found.fault.message
        problems = [Problem("database_lost", text, ("uet-git", "fsck", "--repair")), *problems]
    return problems, {"dry_run": True, "did": planned, "entries": [], "aside": None}


def repair(project: Project, out: Output, reason: str, *, full: bool) -> dict[str, Any]:
    """Repairs; returns what was done as a document. Raises: what `queue.repair` raises."""
    done = repairing.repair(project, repairing.look(project, full=full), reason)
    for step in done.did:
        out.text(display.line(step, 600))
    aside = None if done.rebuilt is None or done.rebuilt.aside is None else done.rebuilt.aside
    return {
        **{"dry_run": False, "did": done.did, "entries": [e.label for e in done.entries]},
        "aside": None if aside is None else str(aside),
    }
