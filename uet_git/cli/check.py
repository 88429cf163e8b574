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
@click.option(
    "--from", "export", metavar="FILE", help="Check an export instead, anywhere; - is stdin."
)
@click.option("--head", metavar="HASH", help="With --from: the hash that its last event must have.")
@click.option(
    "--repair", is_flag=True, help="Put right what can be; a lost or damaged ledger is made again."
)
@click.option("--reason", default="", help="With --repair: why; kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="With --repair: say what would be done.")
@output_options
def fsck(
    quick: bool,
    export: str | None,
    head: str | None,
    repair: bool,
    reason: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check the ledger: its file, its event chain and anchor, its rows, and the commits that it names.

    Exit 0 if nothing is damaged; what is only worth knowing is printed as a note. --repair sets a damaged database
    aside, never deletes it, and makes a new one from the log ref, the commits and the quarantine folder.
    """
    out = Output(as_json=as_json, quiet=quiet)
    if export is not None:
        if quick or repair:
            raise click.UsageError("--from excludes --quick and --repair")
        return _check_export(out, export, head)
    if head is not None:
        raise click.UsageError("--head goes with --from")
    if (dry_run or reason) and not repair:
        raise click.UsageError("--dry-run and --reason go with --repair")
    with Project.open() as project:
        done = None
        if repair:
            from uet_git.cli import checkrepair

            if dry_run:
                found, done = checkrepair.plan(project, out, full=not quick)
                out.document(
                    _document(project, found, [p for p in found if p.severity == DAMAGE], done)
                )
                return 0
            done = checkrepair.repair(project, out, reason, full=not quick)
        found = checking.check(project, full=not quick)
        damage = [p for p in found if p.severity == DAMAGE]
        out.document(_document(project, found, damage, done))
        for problem in found:
            _print(out, problem)
        if not damage:
            ledger = project.ledger
            out.text(f"the ledger is sound: {ledger.last_seq()} events checked")
    return 1 if damage else 0


def _check_export(out: Output, name: str, head: str | None) -> int:
    from uet_git.cli import checkfrom

    found = checkfrom.check(name, head)
    damage = [p for p in found.problems if p.severity == DAMAGE]
    body = checkfrom.document(found, clean=not damage)
    out.document({**body, "problems": _listed(found.problems)})
    for problem in found.problems:
        _print(out, problem)
    if not damage:
        checkfrom.said(out, found)
    return 1 if damage else 0


def _document(
    project: Project,
    found: list[Problem],
    damage: list[Problem],
    repair: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "v": 1,
        "ledger": project.config_value("uet.ledger"),
        "clean": not damage,
        "problems": _listed(found),
        **({} if repair is None else {"repair": repair}),
    }


def _listed(found: list[Problem]) -> list[dict[str, Any]]:
    return [
        {"code": p.code, "message": p.message, "severity": p.severity, "next": list(p.next)}
        for p in found
    ]


def _print(out: Output, problem: Problem) -> None:
    word = out.paint("damage", "31") if problem.severity == DAMAGE else "note"
    out.text(f"{word}: {problem.code}: {display.line(problem.message, 600)}")
    if problem.next:
        out.text(f"  next: {command(problem.next)}")
