"""submit, apply, wait: patches in, patches landed."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from uet_git.cli import arguments, otherconfig, views
from uet_git.cli.live import Live
from uet_git.cli.options import options_of, output_options, patch_options
from uet_git.cli.render import Output, command
from uet_git.errors import DetachedHead, UsageError
from uet_git.host import heap
from uet_git.host.files import Holder
from uet_git.model import display, order
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor, line, lock
from uet_git.queue import submit as intake
from uet_git.queue.options import Options, Source

if TYPE_CHECKING:
    from uet_git.queue.forecast import Forecast

GATE_ERROR = 3
BUSY = 4


@click.command(name="submit")
@click.argument("patches", nargs=-1, metavar="[FILE|-|RANGE|BRANCH]...")
@patch_options
def submit(patches: tuple[str, ...], **given: Any) -> int:
    """Hand in patches: diffs, mails, an mbox, a commit range or a branch.

    Each becomes an entry of the ledger and waits in the queue until `uet-git apply`.
    """
    out = Output(as_json=given["as_json"], quiet=given["quiet"])
    if not patches and given["worktree"] is None:
        raise click.UsageError("name at least one patch, or --worktree")
    with Project.open(origin=given["origin"]) as project:
        project.override(policy__preset=given["preset"])
        options = options_of(project, given, like_am=False)
        read = arguments.read(
            project, patches, options.target, squash=given["squash"], worktree=given["worktree"]
        )
        if read.entries:
            raise UsageError(
                f"{read.entries[0].label} is in the ledger already",
                next=("uet-git", "apply", read.entries[0].label),
            )
        if given["dry_run"]:
            return _preview(out, project, read.sources, options)
        _ensure_ledger(out, project)
        from uet_git.queue import forecast

        done = intake.submit(project, read.sources, options)
        said = forecast.of(project, [d.entry for d in done])
        anchor.anchor_now(project)
        return _print_submitted(out, project, done, said)


@click.command(name="apply")
@click.argument("patches", nargs=-1, metavar="[FILE|-|RANGE|BRANCH|NUMBER]...")
@patch_options
@click.option("--no-wait", is_flag=True, help="Do not wait for another apply; exit with 4.")
@click.option("--watch", is_flag=True, help="Keep draining the queue until Ctrl-C.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1_000),
    help="Run so many gates at once; default: one a processor.",
)
def apply(
    patches: tuple[str, ...], no_wait: bool, watch: bool, jobs: int | None, **given: Any
) -> int:
    """Land patches: those named and what they depend on, or the whole queue.

    Each patch is composed on the branch's tip, tested by the gates of the tip's uet.toml on exactly the tree that
    would land, and committed. What fails is set aside.
    """
    out = Output(as_json=given["as_json"], quiet=given["quiet"])
    named = bool(patches) or given["worktree"] is not None
    with Project.open(origin=given["origin"]) as project:
        project.override(policy__preset=given["preset"])
        project.jobs = jobs or 0
        options = options_of(project, given, like_am=True) if named else None
        target = options.target if options is not None else _checked_target(project, given["onto"])
        read = arguments.Given([], [])
        if options is not None:
            read = arguments.read(
                project, patches, options.target, squash=given["squash"], worktree=given["worktree"]
            )
        if given["dry_run"]:
            return _preview_apply(out, project, read, options)
        other = otherconfig.note(project, target)
        if other is not None:
            out.notice(other)
        _ensure_ledger(out, project)
        heap.left(project, read)
        return _apply(out, project, read, options, named=named, wait=not no_wait, watch=watch)


def _checked_target(project: Project, onto: str | None) -> str | None:
    """The branch that patches would land on here, None on none. Also where nothing is queued, what loosens is refused.

    Raises: LooserThanBase, UsageError.
    """
    try:
        target = project.target(onto, like_am=True)
    except DetachedHead:
        return None
    project.settings_at(project.tip(target))
    return target


def _apply(
    out: Output,
    project: Project,
    read: arguments.Given,
    options: Options | None,
    *,
    named: bool,
    wait: bool,
    watch: bool,
) -> int:
    live = Live(out, project)

    def wanted(run: str) -> list[Entry] | None:
        if not named:
            return None
        entries = list(read.entries)
        if read.sources:
            assert options is not None
            entries += [d.entry for d in intake.submit(project, read.sources, options, run=run)]
        live.asked = list({e.entry_id: e for e in entries}.values())
        return live.asked

    def on_wait(holder: Holder | None) -> None:
        out.notice(f"waiting for {lock.said(holder)}")

    while True:
        report = line.apply(project, wanted, live, wait=wait, on_wait=on_wait)
        code = live.finish(report, named=named)
        if not watch or report.paused is not None:
            return code
        named = False
        _until_more(project)
        project.forget_config()
        live = Live(out, project)


def land(out: Output, project: Project, entries: Sequence[Entry]) -> int:
    """Lands entries and what they depend on, as `apply` with their numbers does; returns its exit code."""
    project.forget_config()
    read = arguments.Given([], list(entries))
    return _apply(out, project, read, None, named=True, wait=True, watch=False)


def _until_more(project: Project) -> None:
    """Sleeps until something is queued that was not there."""
    seen = project.ledger.last_seq()
    while project.ledger.last_seq() == seen or not project.ledger.entries.in_states(("queued",)):
        time.sleep(0.5)


def _number(value: float | None) -> float | None:
    """A number that can be compared. Raises: click.BadParameter for `nan`, which would wait for ever."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of seconds")
    return value


@click.command(name="wait")
@click.argument("entries", nargs=-1, required=True, metavar="NUMBER...")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    callback=lambda _context, _option, value: _number(value),
    metavar="S",
    help="Give up after S seconds (exit 4).",
)
@output_options
def wait(entries: tuple[str, ...], timeout: float | None, as_json: bool, quiet: bool) -> int:
    """Wait until changes have landed or were set aside; exit 0 if all landed, 1 if not."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        ids = [e.entry_id for e in arguments.chosen(project, entries)]
        deadline = None if timeout is None else project.clock.monotonic() + timeout
        while True:
            found = [e for i in ids if (e := project.ledger.entries.get(i)) is not None]
            unsettled = [
                e
                for e in found
                if e.state in ("created", "validated", "queued", "applied", "verified")
            ]
            late = deadline is not None and project.clock.monotonic() >= deadline
            if not unsettled or late:
                break
            time.sleep(0.1)
        viewer = views.Viewer(project)
        out.document([viewer.entry(e) for e in found])
        for entry in found:
            out.text(f"{entry.label:>6}  {out.state(entry.state)}  {display.line(entry.title)}")
        if unsettled:
            out.notice(f"still waiting for {', '.join(e.label for e in unsettled)}")
            return BUSY
        return 0 if all(order.is_done(e) for e in found) else 1


def _ensure_ledger(out: Output, project: Project) -> None:
    if project.ensure_ledger():
        out.notice(f"made a ledger in {project.home} (once per repository)")


# -- printing ----------------------------------------------------------------------------------------------------


def _print_submitted(
    out: Output,
    project: Project,
    done: Sequence[intake.Submitted],
    said: dict[str, "Forecast"],
) -> int:
    viewer = views.Viewer(project)
    documents = []
    for entry, existing in done:
        document = viewer.entry(entry)
        guess = said.get(entry.entry_id)
        document["existing"] = existing
        document["forecast"] = None if guess is None else guess._asdict()
        if out.as_json:
            document["rework"] = viewer.rework(entry, fits=guess is None or guess.applies)
        documents.append(document)
        size = views.size(document)
        note = "already here, " if existing else ""
        out.text(
            f"{entry.label:>6}  {out.state(entry.state, 11)}  {display.line(entry.title, 72)}  ({note}{size})"
        )
        if entry.reason is not None:
            out.text(f"        {display.line(views.why(entry))}")
        elif guess is not None and not guess.applies:
            out.text(f"        would not apply now: {display.line(guess.detail)}")
    out.document(documents)
    good = [
        d.entry
        for d in done
        if d.entry.state not in ("dropped", "quarantined", "rolled_back") or order.is_done(d.entry)
    ]
    if any(e.state == "queued" for e in good):
        target = display.line(done[0].entry.target.removeprefix("refs/heads/"))
        out.text(f"queued for {target}; land with: uet-git apply")
    for entry in (d.entry for d in done if d.entry not in good):
        out.text(f"  next: {command(viewer.next(entry)[0])}")
    return 0 if len(good) == len(done) else 1


def _preview(out: Output, project: Project, sources: Sequence[Source], options: Options) -> int:
    """What a submit would do, without doing it."""
    from uet_git.queue.preview import preview

    target = display.line(options.target.removeprefix("refs/heads/"))
    documents = []
    for found in preview(project, sources, options):
        known = found.known
        documents.append(
            {
                "title": found.title,
                "target": options.target,
                "reason": found.reason,
                "existing": None if known is None else known.label,
                "paths": [display.line(p) for p in found.judged.patch.paths],
            }
        )
        state = "would be queued" if found.reason is None else "would be refused"
        if known is not None:
            state = f"is here as {known.label}, {known.state},"
        why = f"  ({found.reason})" if found.reason else ""
        out.text(f"{state} for {target}: {display.line(found.title)}{why}")
    out.document({"dry_run": True, "patches": documents})
    return 0 if all(one["reason"] is None for one in documents) else 1


def _preview_apply(
    out: Output, project: Project, read: arguments.Given, options: Options | None
) -> int:
    if read.sources and options is not None:
        return _preview(out, project, read.sources, options)
    entries = read.entries
    if options is None and project.has_ledger():
        entries = order.in_line(project.ledger.entries.in_states(("queued", "apply_failed")))
    viewer = views.Viewer(project) if entries else None
    for entry in entries:
        out.text(f"would try {entry.label}: {display.line(entry.title)}")
    out.document({"dry_run": True, "entries": [viewer.entry(e) for e in entries] if viewer else []})
    if not entries:
        out.text("nothing is queued")
    return 0
