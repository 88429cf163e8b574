"""policy show, policy check: the rules in force, and what they say of a patch. Neither changes anything."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import click

from uet_git.cli import arguments
from uet_git.cli.options import origin_of, output_options, preset_option, scope_of
from uet_git.cli.render import Output
from uet_git.host import policy_document
from uet_git.model import display, policy
from uet_git.model.policy import Effective
from uet_git.model.reasons import REASONS, Gravity
from uet_git.project import Project
from uet_git.queue import content, judge, precheck, validate
from uet_git.queue.options import Given, Options, Source
from uet_git.queue.precheck import Checked

MARKS = {Gravity.DROPPED: "31", Gravity.QUARANTINED: "35", Gravity.APPLY_FAILED: "33"}


@click.group(name="policy")
def policy_() -> None:
    """The rules that patches are judged by, beside those of safety, which always hold."""


@policy_.command(name="show")
@click.option("--onto", metavar="BRANCH", help="The rules for this branch.")
@click.option("--phase", metavar="ID", help="With the rules of [policy.phases.ID].")
@preset_option
@output_options
def show(
    onto: str | None, phase: str | None, preset: str | None, as_json: bool, quiet: bool
) -> int:
    """The rules in force for a branch, and where each value comes from."""
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        project.override(policy__preset=preset)
        target = project.target(onto, like_am=False)
        settings = project.settings_at(project.tip(target))
        found = judge.Judge(project, settings).effective(Given(phase_id=phase), strict=True)
        out.document(_document(project, found, phase))
        branch = display.line(target.removeprefix("refs/heads/"))
        out.text(f"policy for {branch}: preset {found.policy.preset}")
        rows = [_row(key, found) for key in policy.FIELDS if key != "preset"]
        if not as_json:
            out.table(rows, ("rule", "value", "from"))
    return 0


def _row(key: str, found: Effective) -> tuple[str, str, str]:
    value = policy.shown(getattr(found.policy, key))
    where = "; ".join(map(str, found.sources[key]))
    return (
        key,
        display.line(value if len(value) < 60 else f"{value[:56]} ...]"),
        display.line(where),
    )


def _document(project: Project, found: Effective, phase: str | None) -> dict[str, Any]:
    """A patch_policy document of the effective rules, with where each comes from."""
    constraints = policy.as_document(found.policy)
    digest = hashlib.sha256(json.dumps(constraints, sort_keys=True).encode()).hexdigest()
    used = {source.level for sources in found.sources.values() for source in sources}
    levels = [name for name in ("global", "project", "phase", "document") if name in used]
    project_id = project.ledger.project_id if project.has_ledger() else None
    return {
        "v": 1,
        "patch_policy_id": f"{found.policy.preset}-{digest[:16]}",
        "scope": {
            **{"level": levels[-1] if levels else "global", "project_id": project_id},
            **{"phase_id": phase, "doc_ulid": None},
        },
        "constraints": constraints,
        "sources": {
            policy.DOCUMENT.get(key, key): [s._asdict() for s in sources]
            for key, sources in found.sources.items()
        },
    }


@policy_.command(name="check")
@click.argument("patches", nargs=-1, required=True, metavar="[FILE|-|RANGE|BRANCH|NUMBER]...")
@click.option("--onto", metavar="BRANCH", help="Judge by the rules of this branch, on its tip.")
@click.option("-m", "--message", help="The commit message, instead of the patch's own.")
@click.option("--issue", metavar="REF", help="The issue that the patch belongs to.")
@click.option("--scope", multiple=True, metavar="GLOB", help="Files that the patch may touch.")
@click.option("--origin-json", metavar="JSON|@FILE", help="As for submit: policy and scope in it.")
@preset_option
@output_options
def check(patches: tuple[str, ...], as_json: bool, quiet: bool, **given: Any) -> int:
    """Judge patches without recording anything; exit 0 if a person need not look, 1 if one must.

    Several patches are judged one on top of the other, as far as they fit.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        project.override(policy__preset=given["preset"])
        options = _options(project, given)
        sources = _sources(project, patches, options)
        rules, found = precheck.check(project, sources, options)
        out.document(
            {
                **{"v": 1, "target": options.target, "preset": rules.policy.preset},
                "clean": all(c.reason is None for c in found),
                "patches": [_checked(c) for c in found],
            }
        )
        for one in () if as_json else found:
            _print(out, one)
    return 0 if all(c.reason is None for c in found) else 1


def _options(project: Project, given: dict[str, Any]) -> Options:
    origin, ids = origin_of(None, given["origin_json"])
    scope = policy_document.read(origin).scope
    return Options(
        project.target(given["onto"], like_am=False),
        message=given["message"],
        issue=given["issue"],
        origin=origin,
        scope=(*scope_of(given["scope"]), *scope.get("write", ())),
        create=tuple(scope.get("create", ())),
        forbidden=tuple(scope.get("forbidden", ())),
        ids=ids,
    )


def _sources(project: Project, patches: Sequence[str], options: Options) -> list[Source]:
    read = arguments.read(project, patches, options.target)
    stored = [(e.label, content.need(project, e)) for e in read.entries]
    return [*read.sources, *(Source(f"change {label}", s.content or b"") for label, s in stored)]


def _title(found: Checked) -> str:
    return found.mail.subject.decode("utf-8", "backslashreplace") or found.source


def _checked(found: Checked) -> dict[str, Any]:
    return {
        **{"source": display.line(found.source), "title": display.line(_title(found))},
        **{"applies": found.applies, "reason": found.reason},
        "paths": [p.decode("utf-8", "backslashreplace") for p in found.patch.paths],
        "findings": [
            {**f, "gravity": REASONS[f["code"]].gravity.name.lower()}
            for f in validate.as_json(found.findings)
        ],
    }


def _print(out: Output, found: Checked) -> None:
    said = "clean" if found.reason is None else found.reason
    note = "" if found.applies else "  (does not fit; judged by its words)"
    out.text(f"{said}: {display.line(_title(found), 72)}{note if found.applies is False else ''}")
    for finding in found.findings:
        reason = REASONS[finding.code]
        where = "" if finding.path is None else f"{display.name(finding.path)}: "
        line = f" (line {finding.line})" if finding.line else ""
        sentence = finding.detail or reason.sentence
        code = out.paint(finding.code, MARKS.get(reason.gravity, "0"))
        out.text(f"  {code}: {where}{display.line(sentence)}{line}")
