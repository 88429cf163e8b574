"""status, list, show, log, run: looking; writes nothing but what a hook left to be written."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from uet_git.cli import arguments, otherconfig, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import NotFound, UetError
from uet_git.model import display, states
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import anchor, content, lock, recover, tie

_LOOKED_AT = 1_000  # queued entries whose branches status looks at


@click.command(name="status")
@output_options
def status(as_json: bool, quiet: bool) -> int:
    """What is queued, what needs you, and whether the queue can move."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        document = _status(project)
        out.document(document)
        if not as_json:
            _print_status(out, document)
    return 0


def _status(project: Project) -> dict[str, Any]:
    document: dict[str, Any] = {
        **{"v": 1, "ledger": None, "target": None, "counts": {}, "needs_you": [], "snoozed": 0},
        **{"paused": [], "busy": None},
        **{"cut_short": False, "unanchored": 0, "config": None, "untrusted": [], "out_of_band": []},
        "next": [["uet-git", "submit", "--help"]],
    }
    try:
        document["target"] = project.target(None, like_am=False)
    except UetError as exc:
        document["target_problem"] = exc.message
    document["config"] = otherconfig.note(project, document["target"])
    if not project.has_ledger():
        document["untrusted"] = _untrusted(project, [document["target"]])
        return document
    ledger = project.ledger
    counts = ledger.entries.counts()
    needs, snoozed = _needs(project)
    document.update(
        ledger=ledger.ledger_id,
        counts=counts,
        needs_you=[_brief(e) for e in needs],
        snoozed=snoozed,
        paused=[p._asdict() for p in ledger.pauses()],
        cut_short=recover.needed(project),
        unanchored=max(0, ledger.last_seq() - anchor.newest(project).seq),
        out_of_band=[{"ref": _text(r), "commits": len(c)} for r, c in tie.unseen(project).items()],
        next=_next(counts, needs, paused=bool(ledger.pauses())),
    )
    queued = ledger.entries.pages(("queued",)) if counts.get("queued") else ()
    targets = [document["target"], *(e.target for e in islice(queued, _LOOKED_AT))]
    document["untrusted"] = _untrusted(project, targets)
    document["next"] = [n["next"] for n in document["untrusted"]] + document["next"]
    holder = lock.holder(project)
    document["busy"] = (
        None if holder is None else {"pid": holder.pid, "seconds": round(holder.waited(), 1)}
    )
    return document


def _needs(project: Project) -> tuple[list[Entry], int]:
    """What needs a person now, and how much more does that is snoozed."""
    every = project.ledger.entries.in_states(states.NEEDS_PERSON)
    hidden = project.ledger.decisions.snoozed(project.clock.now()) if every else {}
    shown = [e for e in every if e.entry_id not in hidden]
    return shown, len(every) - len(shown)


def _untrusted(project: Project, targets: Iterable[str | None]) -> list[dict[str, Any]]:
    """Branches whose gates would not run, as nobody accepted them here."""
    viewer = views.Viewer(project)
    found = []
    for target in dict.fromkeys(t for t in targets if t is not None):
        why = viewer.untrusted(target)
        if why is not None:
            from uet_git.queue import trust

            argv = list(trust.next_command(project, target))
            found.append({"target": target, "reason": why.code, "detail": why.detail, "next": argv})
    return found


def _text(ref: str) -> str:
    return os.fsencode(ref).decode("utf-8", "backslashreplace")


def _brief(entry: Entry) -> dict[str, Any]:
    names = ("number", "revision", "state", "reason", "title")
    return {name: getattr(entry, name) for name in names}


def _next(counts: dict[str, int], needs: list[Entry], *, paused: bool) -> list[list[str]]:
    found: list[list[str]] = [["uet-git", "resume"]] if paused else []
    if counts.get("queued"):
        found.append(["uet-git", "apply"])
    if needs:
        found.append(["uet-git", "review"])
    return found or [["uet-git", "list"]]


def _print_status(out: Output, found: dict[str, Any]) -> None:
    target = found["target"]
    shown = (
        found.get("target_problem")
        if target is None
        else display.line(target.removeprefix("refs/heads/"))
    )
    out.text(f"target: {shown}")
    if found["config"] is not None:
        out.text(f"note: {found['config']}")
    for each in found["untrusted"]:
        out.text(f"waits for trust: {each['detail']}")
    if found["ledger"] is None:
        out.text("no ledger yet: the first submit, apply or init makes it")
        for each in found["untrusted"]:
            out.text(f"  next: {command(each['next'])}")
        return
    counts = {k: v for k, v in found["counts"].items() if v}
    out.text("open: " + (", ".join(f"{v} {k}" for k, v in sorted(counts.items())) or "nothing"))
    for pause in found["paused"]:
        out.text(
            f"paused: {display.line(pause['code'])}: {display.line(pause['reason'])}"
            f" (by {display.line(pause['actor'])})"
        )
    if found["busy"] is not None:
        out.text(f"draining: pid {found['busy']['pid']} for {found['busy']['seconds']:.0f} s")
    if found["cut_short"] and found["busy"] is None:
        out.text("a landing was cut short: the next uet-git apply finishes it")
    for each in found["out_of_band"]:
        branch = each["ref"].removeprefix("refs/heads/")
        came = "1 commit" if each["commits"] == 1 else f"{each['commits']} commits"
        how = command(("uet-git", "audit", branch))
        out.text(f"{came} on {display.line(branch)} came past every hook: {how}")
    if found["needs_you"]:
        out.text("needs you:")
        for entry in found["needs_you"][:20]:
            out.text(
                f"  {entry['number']:>5}  {out.state(entry['state'], 12)} {entry['reason']}"
                f"  {display.line(entry['title'], 60)}"
            )
        if len(found["needs_you"]) > 20:
            out.text(f"  ... and {len(found['needs_you']) - 20} more: uet-git list --open")
    if found["snoozed"]:
        out.text(f"snoozed: {found['snoozed']}")
    for argv in found["next"]:
        out.text(f"  next: {command(argv)}")


@click.command(name="list")
@click.option("--open", "only_open", is_flag=True, help="Only entries that are not over.")
@click.option(
    "--state",
    "wanted",
    multiple=True,
    type=click.Choice(list(states.ENTRY)),
    help="Only this state.",
)
@output_options
def list_(only_open: bool, wanted: tuple[str, ...], as_json: bool, quiet: bool) -> int:
    """All entries of the ledger, oldest first."""
    out = Output(as_json=as_json, quiet=quiet)
    chosen = tuple(
        dict.fromkeys((*wanted, *((*states.OPEN_ENTRY, "quarantined") if only_open else ())))
    )
    with Project.open() as project:
        tie.quietly(project, look=False)
        if not project.has_ledger():
            out.document([])
            out.text("no ledger yet: the first submit, apply or init makes it")
            return 0
        entries = project.ledger.entries.pages(chosen or None)
        viewer = views.Viewer(project)
        if as_json:
            out.document([viewer.entry(e) for e in entries])
            return 0
        for row in _rows(out, viewer, entries):
            out.text(row)
    return 0


def _rows(out: Output, viewer: views.Viewer, entries: Iterable[Entry]) -> Iterator[str]:
    empty = True
    for entry in entries:
        if empty:
            yield f"{'change':>8}  {'state':12}  {'commit':10}  {'target':12}  title"
            empty = False
        target = display.line(entry.target.removeprefix("refs/heads/"), 60)
        waiting = viewer.waiting_for(entry)
        notes = [f"waits for {', '.join(map(str, waiting))}"] if waiting else []
        reason, _ = viewer.reason(entry)
        notes += [reason] if reason else []
        note = f"  ({'; '.join(notes)})" if notes else ""
        yield (
            f"{entry.label:>8}  {out.state(entry.state, 12)}  {(entry.commit_id or '')[:10]:10}  {target:12}  "
            f"{display.line(entry.title, 80)}{note}"
        )
    if empty:
        yield "nothing is in the ledger yet"


@click.command(name="show")
@click.argument("entry", metavar="NUMBER")
@click.option(
    "--patch",
    "only_patch",
    is_flag=True,
    help="Print the patch as it was handed in, byte for byte.",
)
@click.option(
    "--rework",
    is_flag=True,
    help="What is needed to mend it, as Markdown: failures, what does not fit, how to hand it in again.",
)
@click.option(
    "--since",
    metavar="REV",
    help="What differs from an older revision (1, or 12.1); a move to another base is left out.",
)
@click.option("--hunks", is_flag=True, help="Only the hunks, under the numbers that `pick` takes.")
@output_options
def show(
    entry: str,
    only_patch: bool,
    rework: bool,
    since: str | None,
    hunks: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """One entry: why it is where it is, its history, its gates and its diff."""
    out = Output(as_json=as_json, quiet=quiet)
    if only_patch + rework + hunks + (since is not None) > 1:
        raise click.UsageError("--patch, --rework, --since and --hunks exclude each other")
    with Project.open() as project:
        tie.quietly(project, look=False)
        found = arguments.chosen(project, [entry])[0]
        if rework:
            from uet_git.cli import reworkview

            return reworkview.show(out, project, found)
        if since is not None:
            from uet_git.cli import sinceview

            return sinceview.show(out, project, found, since)
        if hunks:
            from uet_git.cli import hunkview

            return hunkview.show(out, project, found)
        from uet_git.cli import patchview

        stored = project.ledger.entries.patch(found.patch_id)
        if only_patch and not as_json:
            patchview.raw(out, content.need(project, found).content or b"")
            return 0
        document = views.Viewer(project).whole(found, stored)
        out.document(document)
        if not as_json:
            patchview.entry(out, project, document, stored)
    return 0


@click.command(name="log")
@click.argument("entry", required=False, metavar="[NUMBER|COMMIT]")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="At most so many.",
)
@output_options
def log(entry: str | None, limit: int, as_json: bool, quiet: bool) -> int:
    """The ledger's events, newest last; those of one entry with its number.

    With a commit: which change it is, who handed it in, which run landed it, which gates passed on which tree, who
    approved it, and what was waived.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        if entry is not None and arguments.is_commit(project, entry):
            from uet_git.cli import provenance

            provenance.commit(out, project, entry)
            return 0
        if not project.has_ledger():
            out.document([])
            out.text("no ledger yet: the first submit, apply or init makes it")
            return 0
        ledger = project.ledger
        if entry is not None:
            found = ledger.events_of(entry=arguments.chosen(project, [entry])[0].entry_id)[-limit:]
        else:
            found = list(ledger.events(max(0, ledger.last_seq() - limit)))
        out.document([views.event(e) for e in found])
        labels: dict[str, str] = {}
        for event in () if as_json else found:
            if event.entry_id is not None and event.entry_id not in labels:
                known = ledger.entries.get(event.entry_id)
                labels[event.entry_id] = known.label if known is not None else "?"
            out.text(views.event_line(event, labels.get(event.entry_id or "", "")))
    return 0


@click.group(name="run")
def run() -> None:
    """The runs: one for every apply."""


@run.command(name="list")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many.",
)
@output_options
def run_list(limit: int, as_json: bool, quiet: bool) -> int:
    """Runs, newest first."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        found = project.ledger.runs.newest(limit) if project.has_ledger() else []
        out.document([views.run(r) for r in found])
        rows = [
            [
                r.run_id,
                r.kind,
                r.state,
                r.created_at,
                f"{r.patches_committed} landed, {r.patches_set_aside} set aside",
            ]
            for r in found
        ]
        if rows:
            out.table(rows, ["run", "kind", "state", "created", "outcome"])
        else:
            out.text("no run yet")
    return 0


@run.command(name="show")
@click.argument("run_id", metavar="RUN")
@output_options
def run_show(run_id: str, as_json: bool, quiet: bool) -> int:
    """One run with its steps; RUN is an id or the beginning of one."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        hits = project.ledger.runs.by_prefix(run_id) if project.has_ledger() else []
        if len(hits) != 1:
            what = "several runs begin" if hits else "no run begins"
            raise NotFound(f"{what} with {display.line(run_id)}", next=("uet-git", "run", "list"))
        found = hits[0]
        steps = project.ledger.runs.steps(found.run_id)
        out.document(views.run(found, steps))
        if as_json:
            return 0
        out.text(
            f"run {found.run_id}  {found.kind}  {out.state(found.state)}  by {display.line(found.requested_by)}"
        )
        out.text(
            f"created {found.created_at}, ended {found.ended_at or '-'}  {found.state_reason or ''}".rstrip()
        )
        for step in steps:
            known = project.ledger.entries.get(step.entry_id) if step.entry_id else None
            label = known.label if known else ""
            out.text(
                f"  {step.sequence:>5}  {label:>6}  {step.tool_id:9}"
                f" {out.state(step.state, 10)} {step.state_reason or ''}".rstrip()
            )
    return 0
