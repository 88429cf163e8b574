"""audit: how every commit of a branch came there."""

import click

from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.model import display
from uet_git.model.audit import MEANING
from uet_git.project import Project
from uet_git.queue import audit as auditing
from uet_git.queue.audit import Audit, Audited

_COLOURS = {"unverified": "33", "out_of_band": "31"}


@click.command(name="audit")
@click.argument("range_", metavar="[RANGE]", required=False)
@output_options
def audit(range_: str | None, as_json: bool, quiet: bool) -> int:
    """Say of each commit how it came here: by the queue, by hand with a passed verdict, or past both.

    RANGE is a revision or range as `git log` takes it; by default the checked-out branch since the ledger began. Exit 1
    unless every commit is queue, hook, elsewhere or before.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        asked = None if range_ is None else auditing.revisions(range_)
        found = auditing.audit(project, asked)
        auditing.record(project)
        ledger = project.ledger.ledger_id if project.has_ledger() else None
    out.document(
        {
            **{"v": 1, "range": range_, "ledger": ledger, "ok": found.ok},
            "commits": [_commit(c) for c in found.commits],
            "totals": found.totals,
            "broken_logs": found.broken,
        }
    )
    _print(out, found)
    return 0 if found.ok else 1


def _commit(commit: Audited) -> dict[str, object]:
    subject = commit.subject.encode("utf-8", "backslashreplace").decode()
    return {
        **{"commit": commit.commit, "class": commit.kind, "subject": subject},
        **{"entry": commit.entry, "rewritten_from": commit.was, "log": commit.log},
    }


def _print(out: Output, found: Audit) -> None:
    for commit in found.commits:
        kind = out.paint(f"{commit.kind:11}", _COLOURS.get(commit.kind, "32"))
        entry = "" if commit.entry is None else f"  (change {commit.entry})"
        was = "" if commit.was is None else f"  (was {commit.was[:10]})"
        out.text(f"{commit.commit[:10]}  {kind}  {display.line(commit.subject, 72)}{entry}{was}")
    counts = {kind: n for kind, n in found.totals.items() if n}
    for kind, count in counts.items():
        out.text(f"{count:>6} {kind:11}  {MEANING[kind]}")
    if not counts:
        out.text("no commit since the ledger began")
    for line in found.broken:
        out.notice(f"not believed from there on: {line}")
    bad = next((c for c in found.commits if not c.accounted), None)
    if bad is not None:
        out.text(f"  next: {command(('git', 'show', bad.commit[:10]))}")
