"""The `uet.toml` that `init` proposes: gates found by looking at a project's own files."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from uet_git.model.named import NamedTuple

_LEFTHOOK: Final = ("lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json")
Read = Callable[[str], bytes | None]
Which = Callable[[str], str | None]


class FoundGate(NamedTuple):
    """A gate that a project seems to have. `doubt` says why it is only proposed; empty if it is sure.

    `more` are further lines of its table.
    """

    name: str
    kind: str
    run: tuple[str, ...]
    paths: tuple[str, ...] = ()
    timeout: int = 600
    junit: str = ""
    doubt: str = ""
    more: tuple[str, ...] = ()


def find_gates(names: Collection[str], read: Read, which: Which) -> tuple[FoundGate, ...]:
    """The gates of a project, cheapest first.

    `names` are the names at its top, `read` gives a file's bytes (None if it is not there), `which`
    the path of an installed program: what is not installed here is only proposed.
    """
    found = [
        *_python(names, read),
        *_node(names, read),
        *_rust(names, read),
        *_go(names, read),
        *_managers(names),
    ]
    found += _make(names, read, sure=not any(g.kind != "lint" and not g.doubt for g in found))
    return tuple(
        g._replace(doubt=f"{g.run[0]} is not installed here")
        if not g.doubt and which(g.run[0]) is None
        else g
        for g in found
    )


def _toml(data: bytes | None) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads((data or b"").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _has(read: Read, name: str, text: bytes) -> bool:
    return text in (read(name) or b"")


def _python(names: Collection[str], read: Read) -> list[FoundGate]:
    tools = _toml(read("pyproject.toml") if "pyproject.toml" in names else None).get("tool", {})
    tools = tools if isinstance(tools, dict) else {}
    found = []
    if "ruff" in tools or {"ruff.toml", ".ruff.toml"} & set(names):
        found.append(FoundGate("lint", "lint", ("ruff", "check", "."), ("*.py", "*.toml"), 120))
    if "mypy" in tools or "mypy.ini" in names:
        doubt = "it needs the project's dependencies in this environment"
        more = ('caches = [".mypy_cache/"]',)
        found.append(
            FoundGate("types", "lint", ("mypy", "."), ("*.py",), 300, doubt=doubt, more=more)
        )
    sure = (
        "pytest" in tools
        or bool({"pytest.ini", "conftest.py"} & set(names))
        or ("setup.cfg" in names and _has(read, "setup.cfg", b"[tool:pytest]"))
        or ("tox.ini" in names and _has(read, "tox.ini", b"[pytest]"))
    )
    is_python = bool({"pyproject.toml", "setup.py", "setup.cfg"} & set(names))
    if sure or (is_python and {"tests", "test"} & set(names)):
        run = ("python3", "-m", "pytest", "-q", "--junitxml=report.xml")
        doubt = "" if sure else "no pytest configuration was found, only a folder of tests"
        found.append(FoundGate("tests", "unit_tests", run, junit="report.xml", doubt=doubt))
    return found


def _node(names: Collection[str], read: Read) -> list[FoundGate]:
    if "package.json" not in names:
        return []
    try:
        scripts = json.loads(read("package.json") or b"{}").get("scripts", {})
        test = scripts.get("test", "")
    except (ValueError, AttributeError, RecursionError):
        return []
    if not isinstance(test, str) or not test or "no test specified" in test:
        return []
    if "node_modules" in names:
        more = ('link = ["node_modules"]   # as they are installed here',)
        return [FoundGate("npm-test", "unit_tests", ("npm", "test"), more=more)]
    doubt = "there is no node_modules here yet, which it would see by a link"
    more = ('link = ["node_modules"]',)
    return [FoundGate("npm-test", "unit_tests", ("npm", "test"), doubt=doubt, more=more)]


def _rust(names: Collection[str], read: Read) -> list[FoundGate]:
    if "Cargo.toml" not in names:
        return []
    parsed = _toml(read("Cargo.toml"))
    wanted = any(parsed.get(k) for k in ("dependencies", "dev-dependencies", "workspace"))
    doubt = "it would fetch its crates from the network" if wanted else ""
    more = ('caches = ["target/", "~/.cargo/"]',) + (("network = true",) if wanted else ())
    run = ("cargo", "test")
    return [FoundGate("cargo-test", "unit_tests", run, timeout=1200, doubt=doubt, more=more)]


def _go(names: Collection[str], read: Read) -> list[FoundGate]:
    if "go.mod" not in names:
        return []
    wanted = re.search(rb"(?m)^\s*require\b", read("go.mod") or b"") and "vendor" not in names
    doubt = "it would fetch its modules from the network" if wanted else ""
    more = ('caches = ["~/.cache/go-build/", "~/go/pkg/"]',) + (
        ("network = true",) if wanted else ()
    )
    run = ("go", "test", "./...")
    return [FoundGate("go-test", "unit_tests", run, doubt=doubt, more=more)]


def _managers(names: Collection[str]) -> list[FoundGate]:
    """Hook managers, as a gate that asks them: they need a repository and, the first time, the network."""
    found = []
    doubt = "it would fetch the tools that it names from the network"
    more = ("git = true", "network = true")
    if {".pre-commit-config.yaml", ".pre-commit-config.yml"} & set(names):
        run = ("pre-commit", "run", "--all-files", "--show-diff-on-failure")
        kept = (*more, 'caches = ["~/.cache/pre-commit/"]')
        found.append(FoundGate("pre-commit", "lint", run, doubt=doubt, more=kept))
    if any(n.removeprefix(".") in _LEFTHOOK for n in names):
        run = ("lefthook", "run", "pre-commit", "--all-files")
        doubt = "its commands must be there in the gate's environment"
        found.append(FoundGate("lefthook", "lint", run, doubt=doubt, more=("git = true",)))
    return found


def _make(names: Collection[str], read: Read, *, sure: bool) -> list[FoundGate]:
    for file in ("GNUmakefile", "makefile", "Makefile"):
        if file not in names:
            continue
        targets = re.findall(rb"(?m)^(check|test)[ \t]*:(?!=)", read(file) or b"")
        for target in (b"check", b"test"):
            if target in targets:
                name = target.decode()
                doubt = "" if sure else "it may repeat what the gates above do"
                return [FoundGate(f"make-{name}", "custom", ("make", name), doubt=doubt)]
    return []


_HEAD = """\
# uet-git: what a patch must pass before it lands on this branch.
# It is read from the branch's tip, never from a patch, so it counts once it is committed.
version = 1

[policy]
preset = "standard"   # open: safety only; standard: also protected paths and secrets; strict
# protected = ["deploy/**"]   # paths whose change needs a person, as patterns of .gitignore
"""
_NONE = """
# No checks were found in this project. A gate is a command; exit 0 passes:
# [gates.tests]
# kind = "unit_tests"
# run = ["make", "test"]
# timeout = 600   # seconds
"""


def starter_toml(found: Sequence[FoundGate], *, on_commit: bool = True) -> str:
    """The text of a starter `uet.toml` (preset standard). Doubtful gates are comments with the doubt.

    Linters run on each commit too with `on_commit`: not where another tool's hook does that already.
    """
    return _HEAD + ("".join(_gate_text(gate, on_commit=on_commit) for gate in found) or _NONE)


def _gate_text(gate: FoundGate, *, on_commit: bool) -> str:
    lines = [f"[gates.{gate.name}]", f"kind = {json.dumps(gate.kind)}", f"run = {_list(gate.run)}"]
    if gate.paths:
        lines.append(f"paths = {_list(gate.paths)}   # skipped where none of these changed")
    if gate.junit:
        lines.append(f"junit = {json.dumps(gate.junit)}")
    lines.append(f"timeout = {gate.timeout}   # seconds")
    lines += gate.more
    if on_commit and gate.kind == "lint" and not gate.doubt:
        lines.append('on = ["pre-commit", "queue"]')
    if gate.doubt:
        lines = [f"# Only proposed, as {gate.doubt}:", *(f"# {line}" for line in lines)]
    return "\n" + "\n".join(lines) + "\n"


def _list(items: Sequence[str]) -> str:
    return "[" + ", ".join(map(json.dumps, items)) + "]"
