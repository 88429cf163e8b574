"""The options that many commands take, and what `submit` and `apply` make of theirs."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from uet_git.cli import arguments
from uet_git.model import display
from uet_git.model.entry import PRIORITIES
from uet_git.model.settings import PRESETS
from uet_git.project import Project
from uet_git.queue.options import Options

IDS = ("phase_id", "workstream_id", "execution_request_id", "prompt_id", "tool_run_id")


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


def options_of(project: Project, given: dict[str, Any], *, like_am: bool) -> Options:
    """How `submit` or `apply` takes patches in. Raises: click.UsageError, NotFound, DetachedHead."""
    if given["replaces"] is not None and given["replaces_series"] is not None:
        raise click.UsageError("--replaces and --replaces-series exclude each other")
    origin, ids = origin_of(given["origin"], given["origin_json"])
    scope: dict[str, list[str]] = {}
    if origin:
        from uet_git.host import policy_document

        scope = policy_document.read(origin).scope
    if given["preset"] is not None:
        origin = {**(origin or {}), "policy": _with_preset(origin, given["preset"])}
    return Options(
        target=_target(project, given, like_am=like_am),
        depends_on=tuple(dict.fromkeys(given["depends_on"])),
        priority=PRIORITIES.index(given["priority"]),
        message=given["message"],
        author=author_of(given["author"]),
        origin=origin,
        issue=given["issue"],
        scope=(*scope_of(given["scope"]), *scope.get("write", ())),
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


def author_of(text: str | None) -> tuple[str, str] | None:
    """The name and address of --author. Raises: click.UsageError."""
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


def scope_of(patterns: Sequence[str]) -> Sequence[str]:
    """The values of --scope. Raises: click.UsageError if one is no pattern."""
    from uet_git.model import globs

    for pattern in patterns:
        wrong = globs.fault(pattern)
        if wrong is not None:
            raise click.UsageError(f"--scope {display.line(pattern)!r} {wrong}")
    return patterns


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
        except (ValueError, RecursionError) as exc:
            raise click.UsageError(f"--origin-json is not JSON: {exc}") from exc
        if not isinstance(document, dict):
            raise click.UsageError("--origin-json wants an object")
    ids = {name: document[name] for name in IDS if isinstance(document.get(name), str)}
    if tool is not None:
        document["tool_id"] = tool
    return document or None, ids
