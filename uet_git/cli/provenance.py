"""blame, and `log COMMIT`: which change a commit or a line is of, and who and what let it in."""

import os
from collections.abc import Iterator
from typing import Any

import click

from uet_git.cli import views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import UsageError
from uet_git.model import display
from uet_git.model.audit import MEANING
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import provenance, tie
from uet_git.queue.provenance import Decision, Origin

LONGEST = 2_000
SHOWN = 5_000


@click.command(name="blame")
@click.argument("file", metavar="FILE")
@click.option("--rev", default="HEAD", show_default=True, metavar="REV", help="The file as of REV.")
@click.option(
    "-L", "span", metavar="FIRST,LAST", help="Only these lines; one of the two may be left out."
)
@output_options
def blame(file: str, rev: str, span: str | None, as_json: bool, quiet: bool) -> int:
    """Say of each line of a file which change it comes from, who handed that in, and what let it land."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        tie.quietly(project, look=False)
        found = provenance.of_file(project, _path(project, file), rev, _span(span))
        commits = {} if not as_json else {c: document(o) for c, o in found.origins.items()}
        groups = [
            {
                **{"first": g.first, "last": g.last, "commit": g.commit},
                "text": [display.shown(text, LONGEST) for text in g.text],
            }
            for g in found.lines
        ]
        path = display.line(found.path, 4_096)
        out.document(
            {"v": 1, "path": path, "revision": found.revision, "lines": groups, "commits": commits}
        )
        left = SHOWN
        for group in found.lines if not as_json else ():
            origin = found.origins[group.commit]
            out.text(out.paint(f"{_headline(origin)}{_let_in(origin)}", "36"))
            for number, text in enumerate(group.text[:left], group.first):
                out.text(f"{number:>6}  {display.shown(text, 300)}")
            left -= min(left, len(group.text))
            if not left:
                out.text(f"... only {SHOWN} lines are shown; name others with -L")
                break
    return 0


def _path(project: Project, file: str) -> bytes:
    """A file named from the current folder, as git names it. Raises: UsageError if it is outside."""
    top = project.git.top
    if top is None:
        return os.fsencode(file)
    folder, name = os.path.split(os.path.abspath(file))
    path = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(top))
    if path.split(os.sep)[0] == os.pardir:
        raise UsageError(f"{display.line(file)} is outside of {display.line(top)}")
    return os.fsencode(path)


def _span(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, comma, last = text.partition(",")
    numbers = [first or "1", last or (str(2**31 - 1) if comma else first)]
    if not all(n.isdecimal() and n.isascii() and 0 < int(n) < 2**31 for n in numbers):
        raise click.BadParameter("-L wants two line numbers: FIRST,LAST")
    return int(numbers[0]), int(numbers[1])


def commit(out: Output, project: Project, revision: str) -> None:
    """`log COMMIT`: one commit's provenance."""
    origin = provenance.of_commit(project, revision)
    out.document(document(origin))
    if out.as_json:
        return
    out.text(_headline(origin))
    for name, value in _facts(project, origin):
        out.text(f"  {name:10} {display.line(value, 400)}")
    label = None if origin.entry is None else origin.entry.label
    argv = ("git", "show", origin.audited.commit) if label is None else ("uet-git", "show", label)
    out.text(f"  next: {command(argv)}")


def _headline(origin: Origin) -> str:
    one = origin.audited
    what = one.kind if origin.entry is None else f"change {origin.entry.label}"
    by = "" if origin.entry is None else f"  by {display.line(origin.entry.submitter, 60)}"
    return f"{one.commit[:10]}  {what}{by}  {display.line(one.subject, 72)}"


def _let_in(origin: Origin) -> str:
    """What let a change land, in short."""
    passed = dict.fromkeys(g.name for g in origin.gates if g.state == "passed")
    parts = {
        "gates": list(passed),
        "approved by": list(dict.fromkeys(d.actor for d in origin.approvals)),
        "waived": list(dict.fromkeys(c for d in origin.waived for c in d.codes)),
    }
    said = [f"{word} {display.line(', '.join(v), 100)}" for word, v in parts.items() if v]
    return f"  ({'; '.join(said)})" if said else ""


def _facts(project: Project, origin: Origin) -> Iterator[tuple[str, str]]:
    one, entry, run = origin.audited, origin.entry, origin.run
    yield "class", f"{one.kind}: {MEANING[one.kind]}"
    if one.was is not None:
        yield "was", f"{one.was} before it was rewritten"
    if one.log is not None:
        yield "ledger", one.log
    if entry is None:
        return
    yield "handed in", f"by {entry.submitter} at {entry.created_at}"
    if entry.origin:
        yield "origin", ", ".join(f"{k}={v}" for k, v in entry.origin.items() if v is not None)
    author = views.author(entry)
    if author is not None:
        yield "author", author
    if run is not None:
        yield (
            "landed",
            f"at {origin.landed_at} by run {run.run_id} ({run.kind}, {run.requested_by})",
        )
    yield "tree", f"{entry.tree} ({entry.rung})"
    for gate in origin.gates:
        again = ", a pass used again" if gate.cached_from else ""
        yield (
            "gate",
            f"{gate.name}: {gate.state} on tree {gate.tree[:12]} (sandbox {gate.tier or '-'}{again})",
        )
    if not origin.gates:
        yield "gates", "none ran on it"
    for vote in origin.approvals:
        yield "approved", _decided(vote)
    for waiver in origin.waived:
        yield "waived", f"{', '.join(waiver.codes)} {_decided(waiver)}"
    for name, value in origin.overrides.items():
        yield "override", f"{name}={value}"
    yield from _rolled_back(project, entry)


def _rolled_back(project: Project, entry: Entry) -> Iterator[tuple[str, str]]:
    for word, other in (("rolls back", entry.rollback_of), ("undone by", entry.rolled_back_by)):
        found = project.ledger.entries.get(other) if other else None
        if found is not None:
            yield word, f"change {found.label} ({found.title})"


def _decided(decision: Decision) -> str:
    why = f": {decision.why}" if decision.why else ""
    return f"by {decision.actor} at {decision.at}{why}"


def document(origin: Origin) -> dict[str, Any]:
    """provenance.v1."""
    one, entry, run = origin.audited, origin.entry, origin.run
    return {
        **{"v": 1, "commit": one.commit, "class": one.kind},
        "subject": one.subject.encode("utf-8", "backslashreplace").decode(),
        **{"rewritten_from": one.was, "log": one.log},
        "change": None if entry is None else _change(entry, origin.landed_at),
        "run": None
        if run is None
        else {"id": run.run_id, "kind": run.kind, "requested_by": run.requested_by},
        "gates": [
            {
                **{"id": g.gate_id, "name": g.name, "state": g.state, "tree": g.tree},
                **{"required": bool(g.required), "tier": g.tier, "cached_from": g.cached_from},
            }
            for g in origin.gates
        ],
        "approvals": [{"actor": d.actor, "at": d.at, "why": d.why} for d in origin.approvals],
        "waived": [
            {"actor": d.actor, "at": d.at, "why": d.why, "codes": list(d.codes)}
            for d in origin.waived
        ],
        "overrides": origin.overrides,
    }


def _change(entry: Entry, landed_at: str | None) -> dict[str, Any]:
    same = (
        *("number", "revision", "title", "state", "target", "submitter", "origin", "issue"),
        *("tree", "rung", "proved", "rollback_of", "rolled_back_by"),
    )
    return {
        "id": entry.entry_id,
        **{name: getattr(entry, name) for name in same},
        **{"author": views.author(entry), "submitted_at": entry.created_at},
        "landed_at": landed_at,
    }
