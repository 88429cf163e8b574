"""Writes docs/reference.md from the code: commands, uet.toml, states, reasons, errors, documents.

`make docs` runs it; a test fails when the file is not what this writes.
"""

import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from uet_git import errors
from uet_git.cli import main
from uet_git.host import contracts, shipped
from uet_git.model import states
from uet_git.model.reasons import REASONS, Gravity

FILE = Path(__file__).resolve().parent / "reference.md"
ENDS = {
    Gravity.DROPPED: "dropped",
    Gravity.QUARANTINED: "quarantined",
    Gravity.APPLY_FAILED: "apply_failed",
    Gravity.NOTE: "stays queued",
}
EXITS = (
    (
        "0",
        "Every entry that this call was about is in the wanted state: submitted or already there, landed, all well.",
    ),
    ("1", "It is not: a patch was set aside, a check found something. The outcome, not a fault."),
    ("2", "The command line cannot be carried out."),
    (
        "3",
        "The world is broken: git, the disk, the ledger, the configuration, a gate that cannot run.",
    ),
    ("4", "Busy: another process holds the queue or a lock; trying later helps."),
    ("70", "A bug in uet-git; a report is written and named."),
    ("130", "Interrupted with Ctrl-C; what was reported done is done."),
)
VARIABLES = (
    ("UET_ORIGIN", "The tool that acts, as `--origin` would name it: the actor is `agent:NAME`."),
    ("CI", "`true` or `1` without an origin: the actor is `ci:NAME`."),
    ("UET_SKIP", "Gates that a hook leaves out, with commas; recorded. Only hooks read it."),
    ("UET_PRESET", "Judge by this preset at least, as `--preset` does."),
    (
        "UET_LIMITS_KEY, UET_POLICY_KEY, UET_QUEUE_MAX_ATTEMPTS, UET_GATES_TIMEOUT",
        "Tighten a setting of `uet.toml`; lists with commas. One that loosens is refused.",
    ),
    (
        "UET_TRUST",
        "Accepts gates of exactly this hash for one call ([trust.md](trust.md)); not for agents.",
    ),
    (
        "XDG_STATE_HOME",
        "Where `uet-git/trust` lies, what you accepted; else `~/.local/state`.",
    ),
    (
        "XDG_CONFIG_HOME",
        "Where `uet-git/policy.toml`, your own policy, and `uet-git/config.toml` lie; else `~/.config`.",
    ),
    (
        "UET_SANDBOX, UET_REQUIRE_SANDBOX",
        "A stronger sandbox than `uet.toml` asks for; a weaker one is refused.",
    ),
    ("NO_COLOR, FORCE_COLOR", "No colours; colours also where the output is no terminal."),
    ("XDG_CACHE_HOME", "Where the scratch trees of gates lie; else `~/.cache`."),
)


UNMET = {
    "policy": "The presets, and what each rule means: [policy.md](policy.md).",
    "gates.NAME": "One table for each gate.",
}
IDLE = {
    ("gates.NAME", "cache"),
}
"""Keys that are read and have no effect yet."""
HEAD = """\
# Reference

Written from the code by `make docs`; edit the code, not this page. The guide is [user-guide.md](user-guide.md), the
design [design.md](design.md).
"""
RULES = """\
## uet.toml

Read from the tip of the branch that a patch lands on. Patterns are those of `.gitignore`. Unknown keys are errors.
"""
WHY = """\
## Reasons

Why an entry is where it is. `N` in a command stands for its number. A person may waive those marked so with
`uet-git release`.
"""


def render() -> str:
    """The whole document."""
    parts = [
        HEAD,
        "## Commands\n\n" + "\n".join(commands()),
        "## Exit codes\n\n" + table(("code", "meaning"), EXITS),
        RULES,
        "\n".join(settings()),
        "## States of an entry\n\n" + table(("from", "to"), moves()),
        WHY,
        table(("code", "the entry", "meaning", "waivable", "next"), reasons()),
        "## Errors\n\nWhat `--json` prints as `error.code`, with the exit code.\n\n"
        + table(("code", "exit", "meaning"), sorted(set(faults(errors.UetError)))),
        "## Documents\n\nThe JSON Schemas in `schema/`, which the package ships.\n\n"
        + table(("schema", "describes"), documents()),
        "## Environment\n\n" + table(("variable", "meaning"), VARIABLES),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(c) for c in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text for a cell: what Markdown would take for its own is escaped, but for code."""
    pieces = text.replace("|", "\\|").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(pieces))


def commands() -> Iterator[str]:
    """A section for each command, in the order of the command table."""
    for name, place in main.COMMANDS.items():
        module, _, attribute = place.partition(":")
        found = getattr(importlib.import_module(f"uet_git.cli.{module}"), attribute)
        yield from _command(f"uet-git {name}", found)


def _command(path: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from _command(f"{path} {name}", sub)
        return
    with click.Context(command, info_name=path) as ctx:
        usage = " ".join(command.collect_usage_pieces(ctx))
        yield f"### {path}\n\n```\n{path} {usage}\n```\n\n{_text(command.help)}\n"
        options = [p.get_help_record(ctx) for p in command.params if isinstance(p, click.Option)]
    yield table(
        ("option", "meaning"), [(f"`{names}`", text) for names, text in filter(None, options)]
    )


def _text(text: str | None) -> str:
    paragraphs = (text or "").replace("\b", "").split("\n\n")
    return "\n\n".join(" ".join(p.split()) for p in paragraphs)


def settings() -> Iterator[str]:
    """A table for each table of `uet.toml`, from its schema."""
    schema = contracts.schema("uet_toml.v1")
    tables = {
        "(top)": schema,
        **{k: v for k, v in schema["properties"].items() if "properties" in v},
    }
    gate = schema["$defs"]["gate"]
    tables["gates.NAME"] = gate
    tables |= {f"gates.NAME.{k}": v for k, v in gate["properties"].items() if "properties" in v}
    for name, found in tables.items():
        keys = {
            k: v for k, v in found["properties"].items() if "properties" not in v and k != "gates"
        }
        said = " ".join(filter(None, (found.get("description"), UNMET.get(name))))
        heading = "" if name == "(top)" else f"### [{name}]\n\n{said}\n\n"
        rows = [(f"`{k}`", *_key(schema, v, idle=(name, k) in IDLE)) for k, v in keys.items()]
        yield heading + table(("key", "value", "default", "meaning"), rows)


def _key(schema: dict[str, Any], key: dict[str, Any], *, idle: bool) -> tuple[str, str, str]:
    if "$ref" in key:
        base = schema["$defs"][key["$ref"].rpartition("/")[2]]
        key = {**base, **{k: v for k, v in key.items() if k != "$ref"}}
    kind = key.get("type", "")
    if "enum" in key:
        kind = " or ".join(f"`{v}`" for v in key["enum"])
    elif "const" in key:
        kind = f"`{json.dumps(key['const'])}`"
    elif kind == "array":
        kind = "list"
    default = f"`{json.dumps(key['default'])}`" if "default" in key else ""
    return kind, default, key.get("description", "") + (" No effect yet." if idle else "")


def moves() -> Iterator[tuple[str, str]]:
    """The entry's transition table."""
    for state, then in states.ENTRY.items():
        yield state, ", ".join(then) or "none"


def reasons() -> Iterator[tuple[str, ...]]:
    """Every reason code."""
    for reason in REASONS.values():
        argv = " ".join(reason.next).replace("{n}", "N")
        yield (
            f"`{reason.code}`",
            ENDS[reason.gravity],
            reason.sentence,
            "yes" if reason.waivable else "",
            f"`{argv}`",
        )


def faults(kind: type[errors.UetError]) -> Iterator[tuple[str, str, str]]:
    """Every error below `kind`."""
    for sub in (k for k in kind.__subclasses__() if k.__module__ == errors.__name__):
        yield f"`{sub.code}`", str(sub.exit_code), (sub.__doc__ or "").splitlines()[0]
        yield from faults(sub)


def documents() -> Iterator[tuple[str, str]]:
    """Every schema that ships."""
    for path in sorted(shipped.folder("schema").glob("*.json")):
        found = contracts.schema(path.stem)
        yield f"`{path.name}`", found.get("description", found["title"])


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
