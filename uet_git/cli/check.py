"""fsck: proves the ledger against commits, refs, chain, anchor and schemas; it only reads."""

from typing import Any

import click

from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.project import Project
from uet_git.queue import fsck as checking
from uet_git.queue.problem import DAMAGE, Problem


@click.command(name="fsck")
@click.option("--quick", is_flag=True, help="Do not compare each landed commit with its patch.")
@output_options
def fsck(quick: bool, as_json: bool, quiet: bool) -> int:
    """Check the ledger: its file, its event chain and anchor, its rows, and the commits that it names.

    Exit 0 if nothing is damaged; what is only worth knowing is printed as a note.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        found = checking.check(project, full=not quick)
        damage = [p for p in found if p.severity == DAMAGE]
        out.document(_document(project, found, damage))
        for problem in found:
            _print(out, problem)
        if not damage:
            ledger = project.ledger
            out.text(f"the ledger is sound: {ledger.last_seq()} events checked")
    return 1 if damage else 0


def _document(project: Project, found: list[Problem], damage: list[Problem]) -> dict[str, Any]:
    return {
        "v": 1,
        "ledger": project.config_value("uet.ledger"),
        "clean": not damage,
        "problems": [
            {"code": p.code, "message": p.message, "severity": p.severity, "next": list(p.next)}
            for p in found
        ],
    }


def _print(out: Output, problem: Problem) -> None:
    word = out.paint("damage", "31") if problem.severity == DAMAGE else "note"
    out.text(f"{word}: {problem.code}: {display.line(problem.message, 600)}")
    if problem.next:
        out.text(f"  next: {command(problem.next)}")
