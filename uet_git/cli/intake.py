"""submit, apply, wait: patches in, patches landed."""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from uet_git.cli import arguments, otherconfig, views
from uet_git.cli.live import Live
from uet_git.cli.render import Output, command
from uet_git.errors import DetachedHead, UsageError
from uet_git.host import policy_document
from uet_git.host.files import Holder
from uet_git.model import display, order
from uet_git.model.entry import PRIORITIES, Entry
from uet_git.model.policy import PRESETS
from uet_git.project import Project
from uet_git.queue import anchor, line, lock
from uet_git.queue import submit as intake
from uet_git.queue.options import Options, Source

if TYPE_CHECKING:
    from uet_git.queue.forecast import Forecast

IDS = ("phase_id", "workstream_id", "execution_request_id", "prompt_id", "tool_run_id")
GATE_ERROR = 3
BUSY = 4


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json and --quiet, on every command."""
    function = click.option("-q", "--quiet", is_flag=True, help="No notices on stderr.")(function)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )(function)


preset_option = click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help="Judge by this preset at least; the target's own can only be tightened.",
)


def patch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What may be said beside a patch (submit and apply take the same)."""
    for option in reversed(
        (
            click.option("--onto", metavar="BRANCH", help="Land on this branch."),
            click.option("--worktree", metavar="[DIR]", is_flag=False, flag_value=".", default=None,
                         help="Take the uncommitted changes of a work tree, untracked files included."),
            click.option("--squash", is_flag=True, help="Take a range or branch as one patch."),
            click.option("-m", "--message", help="The commit message, instead of the patch's own."),
            click.option("--author", metavar="'NAME <EMAIL>'", help="The author, instead of the patch's own."),
            click.option("-s", "--signoff", is_flag=True, help="Add your Signed-off-by."),
            click.option("--depends-on", type=int, multiple=True, metavar="N", help="Land only after change N."),
            click.option("--priority", type=click.Choice(PRIORITIES), default="normal", show_default=True,
                         help="Higher goes first."),
            click.option("--independent", is_flag=True, help="Several patches are not one series."),
            click.option("--atomic", is_flag=True, help="All patches of the series land, or none."),
            click.option("--replaces", type=int, metavar="N", help="The next revision of change N."),
            click.option("--replaces-series", type=int, metavar="N", help="The next version of the series of N."),
            click.option("--scope", multiple=True, metavar="GLOB", help="Files that the patch may touch."),
            preset_option,
            click.option("--issue", metavar="REF", help="The issue that the patch belongs to."),
            click.option("--origin", metavar="TOOL", help="The tool that made the patch; you then act as agent:TOOL."),
            click.option("--origin-json", metavar="JSON|@FILE", help="More about where the patch comes from."),
            click.option("--allow-behind", is_flag=True, help="Land although the branch is behind its upstream."),
            click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing."),
        )
    ):  # fmt: skip
        function = option(function)
    return output_options(function)


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
        options = _options(project, given, like_am=False)
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
def apply(patches: tuple[str, ...], no_wait: bool, watch: bool, **given: Any) -> int:
    """Land patches: those named and what they depend on, or the whole queue.

    Each patch is composed on the branch's tip, tested by the gates of the tip's uet.toml on exactly the tree that
    would land, and committed. What fails is set aside.
    """
    out = Output(as_json=given["as_json"], quiet=given["quiet"])
    named = bool(patches) or given["worktree"] is not None
    with Project.open(origin=given["origin"]) as project:
        project.override(policy__preset=given["preset"])
        options = _options(project, given, like_am=True) if named else None
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
        live = Live(out, project)


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


# -- reading options ---------------------------------------------------------------------------------------------


def _options(project: Project, given: dict[str, Any], *, like_am: bool) -> Options:
    if given["replaces"] is not None and given["replaces_series"] is not None:
        raise click.UsageError("--replaces and --replaces-series exclude each other")
    origin, ids = origin_of(given["origin"], given["origin_json"])
    scope = policy_document.read(origin).scope
    if given["preset"] is not None:
        origin = {**(origin or {}), "policy": _with_preset(origin, given["preset"])}
    return Options(
        target=_target(project, given, like_am=like_am),
        depends_on=tuple(dict.fromkeys(given["depends_on"])),
        priority=PRIORITIES.index(given["priority"]),
        message=given["message"],
        author=_author(given["author"]),
        origin=origin,
        issue=given["issue"],
        scope=(*given["scope"], *scope.get("write", ())),
        create=tuple(scope.get("create", ())),
        forbidden=tuple(scope.get("forbidden", ())),
        independent=given["independent"],
        atomic=given["atomic"],
        replaces=given["replaces"],
        replaces_series=given["replaces_series"],
        allow_behind=given["allow_behind"],
        sign_off=given["signoff"],
        ids=ids,
    )


def _with_preset(origin: dict[str, Any] | None, preset: str) -> dict[str, Any]:
    """The submission's own rules with a preset, which is kept with the entry."""
    rules = (origin or {}).get("policy") or {}
    return {**rules.get("constraints", rules), "preset": preset}


def _target(project: Project, given: dict[str, Any], *, like_am: bool) -> str:
    """`--onto`; else, for a new revision, where the old one was to land; else as the repository says."""
    number = given["replaces"] if given["replaces"] is not None else given["replaces_series"]
    if given["onto"] is None and number is not None and project.has_ledger():
        old = project.ledger.entries.revision(number)
        if old is not None:
            return old.target
    return project.target(given["onto"], like_am=like_am)


def _author(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, found, rest = text.rpartition("<")
    email, closed, after = rest.partition(">")
    if (
        not found
        or not closed
        or after.strip()
        or not name.strip()
        or any(c in text for c in "\n\0")
    ):
        raise click.UsageError("--author wants 'Name <email>'")
    return name.strip(), email.strip()


def origin_of(tool: str | None, text: str | None) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The origin document, and the ids in it that have columns of their own."""
    document: dict[str, Any] = {}
    if text is not None:
        raw = (
            arguments.read_file(text[1:]).decode("utf-8", "replace")
            if text.startswith("@")
            else text
        )
        try:
            document = json.loads(raw)
        except ValueError as exc:
            raise click.UsageError(f"--origin-json is not JSON: {exc}") from exc
        if not isinstance(document, dict):
            raise click.UsageError("--origin-json wants an object")
    ids = {name: document[name] for name in IDS if isinstance(document.get(name), str)}
    if tool is not None:
        document["tool_id"] = tool
    return document or None, ids


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
