"""What decides how gates judge is told from the rest of the same file: configuration, named files, recipes."""

import time

import pytest

from tests.builders import diff
from uet_git.model import patchfile
from uet_git.model.gate_inputs import judge_gate_inputs
from uet_git.model.records import Gate, TreeChange
from uet_git.model.settings import Limits

PYTEST = Gate("unit", ("python", "-m", "pytest", "-q", "tests/unit"))
MAKE = Gate("check", ("make", "check"))
SHELL = Gate("sh", ("./scripts/test.sh --fast && ruff check . --config=ci/ruff.toml",), shell=True)
MAKEFILE = b"""\
VERSION = 1
FLAGS := -q \\
  -x
.PHONY: check

check: unit lint
\t@echo done

unit:
\tpytest $(FLAGS)

docs:
\tsphinx $(VERSION)
"""


def found(path: str, old: bytes | None, new: bytes | None, *gates: Gate) -> list[str]:
    blobs = {"1" * 40: old, "2" * 40: new}
    change = TreeChange(
        path.encode(),
        0o100644 if old is not None else 0,
        "1" * 40 if old is not None else "",
        0o100644 if new is not None else 0,
        "2" * 40 if new is not None else "",
    )
    findings = judge_gate_inputs([change.path], gates, [change], lambda oid: blobs[oid] or b"")
    assert {f.code for f in findings} <= {"policy.gate_input"}
    return [f.detail for f in findings]


@pytest.mark.parametrize(
    "path",
    ["conftest.py", "tests/conftest.py", "pytest.ini", "tox.ini", "noxfile.py", ".coveragerc", "jest.config.js",
     "web/vitest.config.ts", "phpunit.xml", "Pytest.ini", "CONFTEST.PY"],
)  # fmt: skip
def test_configuration_of_tests_always_counts(path: str) -> None:
    assert found(path, b"a\n", b"b\n") == ["it says how tests or checks run"]
    assert judge_gate_inputs([path.encode()], (), None, None) != []


@pytest.mark.parametrize(
    ("path", "gate"),
    [
        ("scripts/test.sh", SHELL), ("ci/ruff.toml", SHELL), ("run.py", Gate("a", ("python", "./run.py", "--x"))),
        ("tests/test_a.py", Gate("a", ("pytest", "tests/test_a.py::test_b"))),
        ("a b.sh", Gate("a", ("sh", "-c", "'./a b.sh' | tee log"))),
    ],
)  # fmt: skip
def test_files_that_a_gate_names_count(path: str, gate: Gate) -> None:
    assert found(path, b"a\n", b"b\n", gate) == ["a gate runs or reads it by name"]
    assert found(path, b"a\n", b"b\n") == []


def test_files_below_a_folder_that_a_gate_names_do_not() -> None:
    assert found("tests/unit/test_a.py", b"a\n", b"b\n", PYTEST) == []


MODULE = "a gate imports a module of that name"


@pytest.mark.parametrize(
    "command",
    [
        ("python3", "-m", "pytest", "-q"), ("python", "-W", "error", "-bm", "pytest"), ("py", "-mpytest"),
        ("uv", "run", ".venv/bin/python3.11", "-I", "-m", "pytest.x", "tests"), ("env", "A=1", "pypy3", "-m", "pytest"),
        ("sh", "-c", "cd . && python -m pytest | tee log"), ("coverage", "run", "-m", "pytest"),
        ("python", "-m", "coverage", "run", "--branch", "-m", "pytest"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "path",
    ["pytest.py", "pytest/__main__.py", "pytest/a/b.py", "pytest.so", "_pytest/__init__.py", "ast.py",
     "json/__init__.py", "sitecustomize.py"],
)  # fmt: skip
def test_a_module_at_the_top_stands_in_the_way_of_the_one_that_a_gate_runs(
    command: tuple[str, ...], path: str
) -> None:
    assert found(path, None, b"", Gate("unit", command)) == [MODULE]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("src/pytest.py", ("python", "-m", "pytest")), ("json/a.json", ("python", "-m", "pytest")),
        ("pytest.md", ("python", "-m", "pytest")), ("pytest.py", ("pytest", "-m", "pytest")),
        ("slow.py", ("python", "run.py", "-m", "slow")), ("ast.py", ("pytest",)), ("slow.py", ("python", "-c", "-m", "slow")),
        ("slow.py", ("python", "-m", "pytest", "-m", "slow")), ("test/__init__.py", ("python", "-m", "pytest")),
    ],
)  # fmt: skip
def test_other_modules_do_not(path: str, command: tuple[str, ...]) -> None:
    assert found(path, None, b"", Gate("unit", command)) == []


def test_configuration_of_the_tools_that_gates_run() -> None:
    assert found("ruff.toml", b"a\n", b"b\n", SHELL) == ["it says how tests or checks run"]
    assert found("ruff.toml", b"a\n", b"b\n", PYTEST) == []
    assert found("mypy.ini", b"a\n", b"b\n", Gate("t", ("/usr/bin/mypy", "."))) != []


PARTS = [
    ("pyproject.toml", b"[project]\nversion='1'\n", b"[project]\nversion='2'\n", (), False),
    ("pyproject.toml", b"", b"[tool.pytest.ini_options]\naddopts='-k x'\n", (), True),
    ("pyproject.toml", b"[tool.pytest.ini_options]\nx=1\n[project]\nversion='1'\n", b"[tool.pytest.ini_options]\nx = 1\n[project]\nversion='2'\n", (), False),
    ("pyproject.toml", b"[tool.ruff]\nx=1\n", b"[tool.ruff]\nx=2\n", (SHELL,), True),
    ("pyproject.toml", b"[tool.ruff]\nx=1\n", b"[tool.ruff]\nx=2\n", (PYTEST,), False),
    ("pyproject.toml", b"[tool.coverage.run]\nx=1\n", None, (), True),
    ("pyproject.toml", b"[project]\n", b"not toml [", (), True),
    ("setup.cfg", b"[metadata]\na=1\n[tool:pytest]\nx=1\n", b"[metadata]\na=2\n[tool:pytest]\nx=1\n", (), False),
    ("setup.cfg", b"[tool:pytest]\nx=1\n", b"[tool:pytest]\nx=2\n", (), True),
    ("setup.cfg", b"[mypy]\nx=1\n", b"[mypy]\nx=2\n", (Gate("t", ("mypy",)),), True),
    ("package.json", b'{"version": "1", "scripts": {"test": "jest"}}', b'{"version": "2", "scripts": {"test": "jest"}}', (), False),
    ("package.json", b'{"scripts": {"test": "jest"}}', b'{"scripts": {"test": "true"}}', (), True),
    ("package.json", b"{}", b"{", (), True),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b"pytest $", b"true $"), (MAKE,), True),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b"-x", b"-k none"), (MAKE,), True),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b": unit lint", b": lint"), (MAKE,), True),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b"sphinx", b"mkdocs"), (MAKE,), False),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b"VERSION = 1", b"VERSION = 2"), (MAKE,), False),
    ("Makefile", MAKEFILE, MAKEFILE.replace(b"pytest $", b"true $"), (PYTEST,), False),
    ("Makefile", b"include x.mk\n" + MAKEFILE, b"include y.mk\n" + MAKEFILE, (MAKE,), True),
    ("Makefile", MAKEFILE, None, (MAKE,), True),
    ("sub/Makefile", MAKEFILE, MAKEFILE.replace(b"pytest $", b"true $"), (MAKE,), False),
    ("src/a.py", b"a\n", b"b\n", (PYTEST, MAKE, SHELL), False),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "gates", "counts"), PARTS)
def test_only_the_part_that_matters_counts(
    path: str, old: bytes | None, new: bytes | None, gates: tuple[Gate, ...], counts: bool
) -> None:
    said = found(path, old, new, *gates)
    assert said == (["the part of it that gates or tests use changes"] if counts else [])


def test_before_it_is_composed_the_hunks_say_what_they_show() -> None:
    old = b"[metadata]\nname = x\n" + b"a = 1\n" * 9 + b"[tool:pytest]\naddopts = -q\n"
    for new, counts in (
        (old.replace(b"-q", b"-x"), True),
        (old.replace(b"name = x", b"name = y"), False),
    ):
        given = patchfile.read(diff("setup.cfg", old, new), Limits())
        found = judge_gate_inputs([b"setup.cfg"], (), None, None, given)
        assert [f.code for f in found] == (["policy.gate_input"] if counts else [])


@pytest.mark.parametrize("path", ["pyproject.toml", "setup.cfg", "package.json", "Makefile"])
def test_a_file_too_large_to_take_apart_counts_as_a_whole(path: str) -> None:
    old = b"# \n" * 90_000
    before = time.process_time()
    assert found(path, old, old + b"#\n", MAKE) != []
    assert time.process_time() - before < 2
