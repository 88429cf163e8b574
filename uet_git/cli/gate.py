"""gate list, run, log, fix: what the gates of a branch are, what they say of a tree, and what they said."""

from collections.abc import Sequence
from typing import Any

import click

from uet_git.cli import arguments, gatelines, otherconfig, views
from uet_git.cli.options import output_options
from uet_git.cli.render import Output
from uet_git.errors import AmbiguousArgument, NotFound, UsageError
from uet_git.gates.run import order
from uet_git.ledger.gates import GateRow
from uet_git.model import display
from uet_git.model.named import NamedTuple
from uet_git.model.records import Gate, GateResult, Oid
from uet_git.project import Project
from uet_git.queue import gate_ask, gate_fix, trust
from uet_git.queue.gate_ask import Asked

_ERROR, _FAILED = 3, 1
_BAD = ("failed", "timeout", "blocked")
_HUNDRED = 100
_LOG_BYTES = 8 * 1024 * 1024


@click.group(name="gate")
def gate_() -> None:
    """The gates: commands that every patch must pass, declared in the branch's uet.toml."""


# -- list ------------------------------------------------------------------------------------------------------------


@gate_.command(name="list")
@click.option("--onto", metavar="BRANCH", help="The gates of this branch.")
@output_options
def list_(onto: str | None, as_json: bool, quiet: bool) -> int:
    """The gates of a branch in the order in which they run, and what each said last."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        target = project.target(onto, like_am=False)
        settings = project.settings_at(project.tip(target))
        accepted = trust.of_target(project, target).accepted
        gates = order(settings.gates)
        last = {g.name: _last(project, g.name) for g in gates}
        out.document([_listed(g, last[g.name], accepted) for g in gates])
        _note_other(out, project, target)
        if not gates:
            out.text(f"{_branch(target)} has no gates")
            return 0
        rows = [_row(g, last[g.name]) for g in gates]
        if not as_json:
            out.table(rows, ("gate", "kind", "on", "needs", "last", "runs"))
        if not accepted:
            out.text(f"not accepted on this machine: none of them runs on {_branch(target)}")
            gatelines.show_next(out, [trust.next_command(project, target)])
    return 0


def _last(project: Project, name: str) -> GateRow | None:
    rows = project.ledger.newest_gates(name, 1) if project.has_ledger() else []
    return rows[0] if rows else None


def _row(gate: Gate, last: GateRow | None) -> tuple[str, ...]:
    name = gate.name if gate.required else f"{gate.name} (may fail)"
    runs = gate.run[0] if gate.shell else display.command(gate.run)
    said = last.state if last is not None else "never ran"
    return (
        name,
        gate.kind,
        ", ".join(gate.on),
        ", ".join(gate.needs),
        said,
        display.line(runs, 80),
    )


def _listed(gate: Gate, last: GateRow | None, accepted: bool) -> dict[str, Any]:
    return {
        **{"name": gate.name, "kind": gate.kind, "run": list(gate.run), "shell": gate.shell},
        **{"on": list(gate.on), "paths": list(gate.paths), "needs": list(gate.needs)},
        **{"required": gate.required, "timeout": gate.timeout, "cache": gate.cache},
        **{"fixes": gate.fixes, "accepted": accepted},
        "last": None if last is None else views.gate(last),
    }


# -- run -------------------------------------------------------------------------------------------------------------


class _Wanted(NamedTuple):
    """What the arguments of `gate run` name."""

    names: tuple[str, ...]
    commit: Oid | None


@gate_.command(name="run")
@click.argument("what", nargs=-1, metavar="[NAME...] [COMMIT]")
@click.option("--staged", is_flag=True, help="Judge what is staged, not a commit.")
@click.option(
    "--config",
    type=click.Choice(["worktree"]),
    help="Try the gates of the uet.toml here, committed or not.",
)
@click.option("--onto", metavar="BRANCH", help="The gates of this branch.")
@click.option("--no-cache", is_flag=True, help="Run also where a verdict is known.")
@click.option(
    "--jobs", type=click.IntRange(1, 1_000), help="Run so many at once; default: one a processor."
)
@click.option(
    "--tail",
    type=click.IntRange(0, 10_000),
    default=20,
    show_default=True,
    help="Lines of a failed gate's output to show.",
)
@output_options
def run(
    what: tuple[str, ...],
    staged: bool,
    config: str | None,
    onto: str | None,
    no_cache: bool,
    jobs: int | None,
    tail: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run gates on a tree: the checked-out commit, another one, or what is staged. Nothing lands.

    The gates are those of the branch's tip. They see a scratch tree of exactly what is judged; your work tree is
    neither read nor written.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        target = project.target(onto, like_am=False)
        asked = _asked(project, target, what, staged=staged, uncommitted=config is not None)
        if not asked.uncommitted:
            _note_other(out, project, target)
        project.ensure_ledger()
        if not asked.gates and not as_json:
            out.text(f"{_branch(target)} has no gates")
        lines = gatelines.GateLines(out, tail=tail)
        run_id, results = gate_ask.ask(
            project, asked, lines, use_cache=not no_cache, jobs=jobs or 0
        )
        return _told(out, project, asked, run_id, results)


def _asked(
    project: Project, target: str, what: Sequence[str], *, staged: bool, uncommitted: bool
) -> Asked:
    """Reads the arguments. Raises: UsageError, AmbiguousArgument, NotFound."""
    tip = project.tip(target)
    settings = gate_ask.settings_here(project) if uncommitted else project.settings_at(tip)
    wanted = _wanted(project, what, [g.name for g in settings.gates])
    if staged and wanted.commit is not None:
        raise UsageError(
            "--staged and a commit exclude each other", next=("uet-git", "gate", "run", "--help")
        )
    gates = settings.gates
    if wanted.names:
        gates = tuple(g for g in gates if g.name in wanted.names)
    if staged:
        tree, paths = gate_ask.staged(project)
        return Asked(target, settings, gates, tree, None, paths, uncommitted)
    commit = wanted.commit or project.objects.resolve("HEAD^{commit}") or tip
    if commit is None:
        raise UsageError(
            "there is no commit yet; judge what is staged",
            next=("uet-git", "gate", "run", "--staged"),
        )
    return Asked(target, settings, gates, project.tree_of(commit), commit, None, uncommitted)


def _wanted(project: Project, what: Sequence[str], known: Sequence[str]) -> _Wanted:
    """Each argument is a gate or a commit; two readings are an error."""
    names, commits = [], []
    for text in what:
        commit = project.objects.resolve(f"{text}^{{commit}}") if not text.startswith("-") else None
        if text in known and commit is not None:
            raise AmbiguousArgument(
                f"{display.line(text)} is a gate and a commit; write refs/heads/... for a branch"
            )
        if text in known:
            names.append(text)
        elif commit is not None:
            commits.append(commit)
        else:
            raise NotFound(f"gate or commit {display.line(text)}", next=("uet-git", "gate", "list"))
    if len(commits) > 1:
        raise UsageError(
            "only one commit is judged at a time", next=("uet-git", "gate", "run", "--help")
        )
    return _Wanted(tuple(names), commits[0] if commits else None)


def _told(
    out: Output, project: Project, asked: Asked, run_id: str, results: dict[str, GateResult]
) -> int:
    required = {g.name for g in asked.gates if g.required}
    states = [r.state for name, r in results.items() if name in required]
    passed = not any(s in _BAD or s == "error" for s in states)
    rows = project.ledger.gates_of(run=run_id)
    fix = gatelines.next_fix(list(results.values()))
    out.document(
        {
            **{"v": 1, "run": run_id, "target": asked.target, "tree": asked.tree},
            **{"commit": asked.commit, "config": "worktree" if asked.uncommitted else "tip"},
            **{"passed": passed, "gates": [views.gate(r) for r in rows]},
            "next": [fix] if fix else [],
        }
    )
    if results:
        said = "passed" if passed else "did not pass"
        out.text(
            f"{said}: {asked.commit[:10] if asked.commit else 'what is staged'} (tree {asked.tree[:10]})"
        )
    gatelines.show_next(out, [fix] if fix else [])
    if "error" in states:
        return _ERROR
    return 0 if passed else _FAILED


# -- log -------------------------------------------------------------------------------------------------------------


@gate_.command(name="log")
@click.argument("which", metavar="N|ATTEMPT")
@click.argument("name", required=False)
@output_options
def log(which: str, name: str | None, as_json: bool, quiet: bool) -> int:
    """What gates printed: those of a change, or one attempt by the beginning of its id."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        rows = [r for r in _attempts(project, which) if name in (None, r.name)]
        if not rows:
            raise NotFound(
                f"no gate{f' {display.line(name)}' if name else ''} ran on {display.line(which)}"
            )
        out.document([{**views.gate(r), "text": _text(r)} for r in rows])
        for row in rows:
            _show_log(out, row)
    return 0


def _attempts(project: Project, which: str) -> list[GateRow]:
    """The newest attempts of each gate on an entry, or the attempt itself. Raises: NotFound, AmbiguousArgument."""
    entries = arguments.entries_of(project, which)
    attempts = project.ledger.gate(which) if len(which) > 5 and which.isalnum() else []
    if entries and attempts:
        raise AmbiguousArgument(f"{which} begins the id of an entry and of a gate attempt")
    if len(attempts) > 1:
        raise AmbiguousArgument(f"several gate attempts begin with {which}")
    if attempts:
        return attempts
    if not entries:
        raise NotFound(f"change or gate attempt {display.line(which)}")
    newest = {r.name: r for e in entries for r in project.ledger.gates_of(entry=e.entry_id)}
    return list(newest.values())


def _text(row: GateRow) -> str | None:
    """A gate's whole output, None if it is gone or there never was one."""
    if not row.output_path:
        return None
    try:
        with open(row.output_path, "rb") as file:
            return file.read(_LOG_BYTES).decode("utf-8", "backslashreplace")
    except OSError:
        return None


def _show_log(out: Output, row: GateRow) -> None:
    out.text(
        f"{row.name}: {out.state(row.state)} on tree {row.tree[:10]}  {display.line(row.detail or '')}".rstrip()
    )
    if row.cached_from is not None:
        out.text(f"  used again from attempt {row.cached_from}")
    text = _text(row)
    if text is None:
        out.text("  (no output is kept)")
        return
    for line in text.splitlines():
        out.text(f"  | {display.shown(line, 2_000)}")
    if row.output_truncated:
        out.text("  (cut in the middle: it printed more than is kept)")


# -- fix -------------------------------------------------------------------------------------------------------------


@gate_.command(name="fix")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--apply",
    "do_apply",
    is_flag=True,
    help="Change the files of this work tree; nothing is staged.",
)
@output_options
def fix(names: tuple[str, ...], do_apply: bool, as_json: bool, quiet: bool) -> int:
    """What gates with `fixes = true` would change, as each found it last; with --apply, change it here."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        offered = gate_fix.offered(project, names)
        applied = [gate_fix.apply(project, o) if do_apply else None for o in offered]
        out.document(
            [
                {
                    **{"gate": o.gate, "attempt": o.attempt, "tree": o.tree, "path": o.path},
                    **{"patch": o.patch.decode("utf-8", "backslashreplace")},
                    **{"applied": a == "" if do_apply else None, "problem": a or None},
                }
                for o, a in zip(offered, applied, strict=True)
            ]
        )
        if not offered:
            out.text("no gate found anything to fix")
        for o, problem in zip(offered, applied, strict=True):
            _show_fix(out, o, problem)
        if offered and not do_apply:
            gatelines.show_next(out, [["uet-git", "gate", "fix", *names, "--apply"]])
        return 1 if any(applied) else 0


def _show_fix(out: Output, offered: gate_fix.Offered, problem: str | None) -> None:
    name = display.line(offered.gate)
    if problem is None:
        out.text(f"{name}, for tree {offered.tree[:10]} ({display.line(offered.path)}):")
        lines = offered.patch.splitlines()
        for line in lines[:_HUNDRED]:
            out.text(f"  {display.line(line)}")
        if len(lines) > _HUNDRED:
            out.text(f"  ... {len(lines) - _HUNDRED} more lines")
    elif problem:
        out.text(f"{name}: does not fit what is here: {display.line(problem)}")
    else:
        out.text(f"{name}: applied to the work tree; nothing is staged")


def _note_other(out: Output, project: Project, target: str) -> None:
    said = otherconfig.note(project, target)
    if said:
        out.notice(said)


def _branch(target: str) -> str:
    return display.line(target.removeprefix("refs/heads/"))
