"""trust: shows what the gates of a branch would run, and lets a person accept it on this machine."""

from collections.abc import Sequence

import click

from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import UsageError
from uet_git.model import display
from uet_git.model.trust import definitions
from uet_git.project import Project
from uet_git.queue import person
from uet_git.queue import trust as trusting
from uet_git.queue.trust import NOTHING, PERSON, Standing


@click.command(name="trust")
@click.option("--onto", metavar="BRANCH", help="The gates of this branch.")
@click.option("--show", is_flag=True, help="Only show them, and whether they are accepted.")
@click.option("--yes", is_flag=True, help="Accept them without being asked.")
@click.option("--revoke", is_flag=True, help="Take the acceptance back.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def trust(
    onto: str | None,
    show: bool,
    yes: bool,
    revoke: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Accept the gates of a branch: until then, and after each change of them, none of them runs here.

    What is accepted is the hash of their definitions in the branch's uet.toml, kept for this repository outside of
    it. In CI, UET_TRUST=HASH accepts exactly that hash for one call.
    """
    out = Output(as_json=as_json, quiet=quiet)
    if show + yes + revoke > 1:
        raise click.UsageError("--show, --yes and --revoke exclude each other")
    with Project.open() as project:
        target = project.target(onto, like_am=False)
        found = trusting.of_target(project, target)
        if show:
            return _told(out, project, found)
        verb = "take back what was accepted" if revoke else "accept gates"
        person.need(project, verb, trusting.next_command(project, target))
        if revoke:
            changed = found.by == PERSON if dry_run else trusting.revoke(project, found)
        else:
            changed = found.by not in (PERSON, NOTHING)
            if changed and not (yes or out.can_ask):
                raise UsageError(
                    "there is no terminal to ask on; look with --show, then accept with --yes",
                    next=_yes(project, target),
                )
            if changed and not dry_run and not _accepted(out, project, found, yes=yes):
                return 1
        now = found if dry_run else trusting.of_target(project, target)
        did = ("taken back" if revoke else "accepted") if changed else "nothing"
        return _told(out, project, now, did=did, dry_run=dry_run)


def _accepted(out: Output, project: Project, found: Standing, *, yes: bool) -> bool:
    """Shows the definitions, asks unless told to accept, and accepts."""
    if yes:
        _show(out, found)
    elif not _ask(out, _branch(found.target), trusting.shown(found)):
        out.text("not accepted: nothing of it runs")
        return False
    trusting.accept(project, found)
    return True


def offer(out: Output, project: Project, found: Sequence[Standing]) -> None:
    """Asks about the gates that released changes bring; without a terminal, says what to do once they landed."""
    for each in found:
        branch = _branch(each.target)

        def ask(shown: Sequence[str], branch: str = branch) -> bool:
            return _ask(out, branch, [f"it changes the gates of {branch} to:", *shown])

        if out.can_ask and trusting.offer(project, each, ask):
            out.text("accepted")
        else:
            argv = trusting.next_command(project, each.target)
            out.notice(f"once it has landed, the gates of {branch} wait for: {command(argv)}")


def _ask(out: Output, branch: str, shown: Sequence[str]) -> bool:
    for line in shown:
        out.text(line)
    return out.ask(f"Let these run on patches to {branch}?")


def _yes(project: Project, target: str) -> tuple[str, ...]:
    verb, *rest = trusting.next_command(project, target)[1:]
    return ("uet-git", verb, "--yes", *rest)


def _show(out: Output, found: Standing) -> None:
    for line in trusting.shown(found):
        out.text(line)


def _told(
    out: Output, project: Project, found: Standing, *, did: str = "", dry_run: bool = False
) -> int:
    """Prints how the gates stand; `did` is what the call did about it, empty for a look."""
    next_ = [] if found.accepted else [list(trusting.next_command(project, found.target))]
    out.document(
        {
            **{"v": 1, "target": found.target, "hash": found.hash, "accepted": found.accepted},
            **{"by": found.by or None, "problem": found.problem or None},
            **{"did": did or None, "dry_run": dry_run},
            **{"definitions": definitions(found.settings), "next": next_},
        }
    )
    branch = _branch(found.target)
    if not did and found.settings.gates:
        _show(out, found)
    if dry_run and did != "nothing":
        out.text(f"would be {did}: the gates of {branch}, hash {found.hash}")
        return 0
    if did == "taken back":
        out.text("taken back")
    if found.by == NOTHING:
        out.text(f"{branch} has no gates: there is nothing to accept")
    elif found.accepted:
        how = "for this call, by UET_TRUST" if found.by != PERSON else "on this machine"
        out.text(f"the gates of {branch} are accepted {how}")
    else:
        out.text(found.problem)
        out.text(f"  next: {command(next_[0])}")
    return 0


def _branch(target: str) -> str:
    return display.line(target.removeprefix("refs/heads/"))
