"""The house of DESIGN 3: imports only go down, every power has one room, and importing does no work."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

import uet_git

PACKAGE: Final = Path(uet_git.__file__).resolve().parent
LEVELS: Final = {
    "errors": 0,
    "model": 1,
    "host": 2,
    **{"ledger": 3, "plumbing": 3, "gates": 3},
    "project": 4,
    "queue": 5,
    **{"engine": 6, "bootstrap": 6, "hookentry": 6},
    "cli": 7,
    "__main__": 8,
}
POWERS: Final = {
    "subprocess": ("host/process.py",),
    "sqlite3": ("ledger/", "hookentry.py"),
    "git": ("plumbing/git.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "jsonschema": ("host/contracts.py",),
    "referencing": ("host/contracts.py",),
    "unidiff": ("cli/",),
    "detect_secrets": ("host/secrets.py",),
    "junitparser": ("gates/junit.py",),
}
VAGUE: Final = frozenset(
    f"{name}{s}" for name in ("util", "common", "helper", "manager", "misc") for s in ("", "s")
)
HEAVY: Final = (
    *("detect_secrets", "git", "jsonschema", "junitparser", "referencing", "rich", "unidiff"),
)
LONGEST_FILE, LONGEST_FUNCTION = 400, 50


class Import(NamedTuple):
    """One absolute module name that a file imports, wherever in it."""

    file: str
    line: int
    module: str


def sources(package: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), ast.parse(path.read_bytes())


def imports(name: str, tree: ast.Module) -> Iterator[Import]:
    """Every import, also inside functions and behind TYPE_CHECKING; `from a import b` counts as `a` and `a.b`."""
    here = ["uet_git", *name.removesuffix(".py").split("/")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(name, node.lineno, a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [] if not node.level else here[: -node.level]
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield Import(name, node.lineno, module)
            yield from (Import(name, node.lineno, f"{module}.{a.name}") for a in node.names)
        elif isinstance(node, ast.Call) and _imports_by_name(node) and node.args:
            text = node.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield Import(name, node.lineno, text.value)


def _imports_by_name(node: ast.Call) -> bool:
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("import_module", "__import__")


def room(module: str) -> str:
    """`uet_git.queue.land` is in room `queue`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def climbing(package: Path) -> list[str]:
    """Imports that do not go down."""
    wrong = []
    for name, tree in sources(package):
        own = room("uet_git." + name.removesuffix(".py").replace("/", "."))
        if own == "__init__":
            wrong += [f"{name}:{i.line} {i.module}" for i in imports(name, tree)]
            continue
        if own not in LEVELS:
            wrong.append(f"{name}: room {own} is not in the design")
            continue
        for found in imports(name, tree):
            other = room(found.module)
            if not found.module.startswith("uet_git.") or other == own or other.startswith("__"):
                continue
            if LEVELS.get(other, 99) >= LEVELS[own]:
                wrong.append(f"{name}:{found.line} {found.module}")
    return wrong


def stolen_powers(package: Path) -> list[str]:
    """Imports, and reads of the environment, outside the room that has that power."""
    wrong = []
    for name, tree in sources(package):
        for found in imports(name, tree):
            rooms = POWERS.get(found.module.split(".")[0])
            if rooms is not None and not name.startswith(rooms):
                wrong.append(f"{name}:{found.line} {found.module}")
            if found.module in ("os.environ", "os.environb", "os.getenv") and "host/" not in name:
                wrong.append(f"{name}:{found.line} {found.module}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
                allowed = _room_of_os(node.attr)
                if not name.startswith(allowed):
                    wrong.append(f"{name}:{node.lineno} os.{node.attr}")
    return wrong


def _room_of_os(name: str) -> str | tuple[str, ...]:
    """Where a name of module os may be used; empty for anywhere."""
    if name in ("environ", "environb", "getenv", "putenv", "unsetenv"):
        return "host/"
    if name == "fork":
        return "host/beside.py", "host/spawn.py"
    starts = ("system", "popen", "posix_spawn", "forkpty", "exec", "spawn")
    return ("host/process.py", "host/spawn.py") if name.startswith(starts) else ""


def pure_model(package: Path) -> list[str]:
    """What model/ must not touch: I/O, the clock, chance."""
    banned = {"os", "io", "random", "secrets", "socket", "pathlib", "tempfile", "shutil"}
    wrong = []
    for name, tree in sources(package):
        if name.startswith("model/"):
            wrong += [
                f"{name}:{i.line} {i.module}"
                for i in imports(name, tree)
                if i.module.split(".")[0] in banned
            ]
            wrong += [
                f"{name}:{node.lineno} open"
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and ast.unparse(node.func)
                in ("open", "print", "input", "time.time", "time.localtime")
            ]
    return wrong


def too_long(package: Path) -> list[str]:
    """Files and functions that should be split."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        text = path.read_text()
        if (lines := len(text.splitlines())) > LONGEST_FILE:
            wrong.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    wrong.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    return wrong


def vague_names(package: Path) -> list[str]:
    """Modules and folders whose name says nothing."""
    return [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*"))
        if path.name.removesuffix(".py") in VAGUE
    ]


RULES: Final = (climbing, stolen_powers, pure_model, too_long, vague_names)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_stands(rule) -> None:
    assert rule(PACKAGE) == []


PLANTED: Final = [
    (climbing, "ledger/x.py", "from uet_git.plumbing import refs\n"),
    (climbing, "plumbing/x.py", "def f():\n    import uet_git.gates.run\n"),
    (climbing, "gates/x.py", "from uet_git import ledger\n"),
    (climbing, "host/x.py", "from uet_git.project import Project\n"),
    (
        climbing,
        "model/x.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..host import clock\n",
    ),
    (climbing, "queue/x.py", "import importlib\nimportlib.import_module('uet_git.cli.main')\n"),
    (climbing, "errors.py", "from uet_git.model import states\n"),
    (climbing, "__init__.py", "import json\n"),
    (climbing, "attic/x.py", ""),
    (stolen_powers, "plumbing/x.py", "import subprocess\n"),
    (stolen_powers, "host/x.py", "from subprocess import run\n"),
    (stolen_powers, "queue/x.py", "def f():\n    import sqlite3\n"),
    (stolen_powers, "plumbing/x.py", "from git import Repo\n"),
    (stolen_powers, "queue/x.py", "import rich.console\n"),
    (stolen_powers, "project.py", "import click\n"),
    (stolen_powers, "ledger/x.py", "from jsonschema import validate\n"),
    (stolen_powers, "plumbing/x.py", "import unidiff\n"),
    (stolen_powers, "queue/x.py", "import os\nos.environ['A'] = ''\n"),
    (stolen_powers, "cli/x.py", "from os import environ\n"),
    (stolen_powers, "gates/x.py", "import os\nos.execv('/bin/sh', ['sh'])\n"),
    (pure_model, "model/x.py", "import random\n"),
    (pure_model, "model/x.py", "import time\nnow = time.time()\n"),
    (pure_model, "model/x.py", "print('x')\n"),
    (too_long, "queue/x.py", "x = 1\n" * 401),
    (too_long, "queue/x.py", "def f():\n" + "    x = 1\n" * 50),
    (vague_names, "queue/helpers.py", ""),
    (vague_names, "utils/__init__.py", ""),
]


@pytest.mark.parametrize(("rule", "place", "text"), PLANTED)
def test_each_rule_sees_what_it_forbids(rule, place: str, text: str, tmp_path: Path) -> None:
    target = tmp_path / place
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    found = rule(tmp_path)
    assert found
    assert all(line.startswith(place.split("/__init__")[0]) for line in found), found


def test_a_violation_is_seen_in_the_whole_package(tmp_path: Path) -> None:
    copy = tmp_path / "uet_git"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "ledger" / "events.py").open("a") as file:
        file.write("\n\ndef late():\n    from uet_git.plumbing import refs\n")
    assert {line.split(":")[0] for line in climbing(copy)} == {"ledger/events.py"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`, which may not print."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_loads_nothing_else() -> None:
    bare = loaded_by("pass")
    assert loaded_by("import uet_git") - bare == {"uet_git"}


@pytest.mark.parametrize(
    "module",
    ["queue.line", "queue.submit", "queue.recover", "queue.anchor", "queue.decide", "project"],
)
def test_the_queue_loads_nothing_heavy(module: str) -> None:
    loaded = loaded_by(f"import uet_git.{module}")
    assert not loaded & {*HEAVY, "click"}


@pytest.mark.parametrize("module", ["main", "intake", "look", "decide"])
def test_the_command_line_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import uet_git.cli.{module}") & set(HEAVY)


def test_the_version_needs_no_library(tmp_path: Path) -> None:
    """`--version` answers with every library made to fail on import, and writes nothing."""
    for name in (*HEAVY, "click", "sqlite3"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    before = sorted(tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-B", "-m", "uet_git", "--version"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{PACKAGE.parent}", "PATH": "/nonexistent"},
    )
    assert done.stdout.decode() == f"uet-git {uet_git.__version__}\n"
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(tmp_path.iterdir()) == before
