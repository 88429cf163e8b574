"""doctor says which gates cannot judge what they should; the documented ways with other tools work as written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import git, make_repo
from tests.hooking import commit, gate, kind
from tests.product import trust, uet
from uet_git.host import config

ROOT = Path(__file__).resolve().parents[2]
GATES = """version = 1
[gates.unit]
run = ["{python}", "-c", "import pack"]
"""


def gates(repo: Path) -> list[dict[str, Any]]:
    """What doctor says of gates, but for the sandbox that they run in."""
    every = uet(repo, "doctor", "--json", code=None).document["checks"]
    return [c for c in every if c["name"] == "gates" and not c["text"].startswith("they run")]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment of its own, by its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.parametrize("layout", ["src/pack", "pack"])
def test_an_editable_install_does_not_get_in_the_way(
    tmp_path: Path, venv: Path, layout: str
) -> None:
    files = {
        f"{layout}/__init__.py": b"raise SystemExit('imported')\n",
        "setup.py": b"",
        "uet.toml": GATES.format(python=venv).encode(),
    }
    repo = make_repo(tmp_path / "repo", files)
    (site,) = venv.parents[1].glob("lib/python*/site-packages")
    (site / "editable.pth").write_text(f"{(repo / layout).parent}\n")
    (found,) = gates(repo)
    assert (found["state"], found["text"]) == ("ok", f"{venv} imports from the tree that is judged")


def test_an_import_hook_that_goes_first_is_named(tmp_path: Path, venv: Path) -> None:
    files = {
        "pack/__init__.py": b"",
        "setup.py": b"",
        "uet.toml": GATES.format(python=venv).encode(),
    }
    repo = make_repo(tmp_path / "repo", files)
    (site,) = venv.parents[1].glob("lib/python*/site-packages")
    (site / "first.pth").write_text(f"import sys; sys.path.insert(0, {str(repo)!r}); import pack\n")
    (found,) = gates(repo)
    assert found["state"] == "problem"
    assert (
        f"imports pack from {repo}/pack/__init__.py, not from the tree that is judged"
        in found["text"]
    )


def test_links_and_programs_that_are_not_here(tmp_path: Path) -> None:
    text = b"version = 1\n[gates.a]\nrun = ['no-such-program']\n[gates.b]\nrun = ['true']\nlink = ['node_modules']\n"
    repo = make_repo(tmp_path / "repo", {"uet.toml": text})
    assert [(c["state"], c["text"]) for c in gates(repo)] == [
        ("problem", "a: no-such-program is not on PATH"),
        ("problem", "b: node_modules, which it links, is not here"),
    ]


# -- the guide -------------------------------------------------------------------------------------------------------


def toml_blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "gates.md").read_text(), re.DOTALL)


def test_what_the_guide_declares_can_be_read() -> None:
    blocks = toml_blocks()
    assert len(blocks) == 2
    for text in blocks:
        assert config.parse_toml(b"version = 1\n" + text.encode()).gates


@pytest.mark.parametrize("tool", ["pre-commit", "prek"])
def test_the_gate_that_asks_pre_commit_sees_what_is_staged_and_changes_nothing(
    tmp_path: Path, tool: str
) -> None:
    """The guide's gate as it is written; where the tool is not installed, one that takes the same arguments stands in."""
    bin_dir = tmp_path / "bin"
    if shutil.which(tool) is None:
        bin_dir.mkdir()
        script = f'#!/bin/sh\n[ $1 = run ] || exit 9\ngit rev-parse --git-dir || exit 9\nwhile [ $1 != --files ]; do shift; done; shift\nsed -i s/ugly/pretty/ "$@"; echo {tool} saw "$@"\ngit diff --exit-code\n'
        (bin_dir / tool).parent.mkdir(exist_ok=True)
        (bin_dir / tool).write_text(script)
        (bin_dir / tool).chmod(0o755)
    hooks = b"repos:\n- repo: local\n  hooks:\n  - {id: u, name: u, language: system, entry: sed -i s/ugly/pretty/, files: '[.]txt$'}\n"
    gate = toml_blocks()[1].replace("pre-commit run --show-diff-on-failure", f"{tool} run")
    text = f"version = 1\nsandbox = 'none'\n{gate}"
    repo = make_repo(
        tmp_path / "repo",
        {
            "uet.toml": text.encode(),
            ".pre-commit-config.yaml": hooks,
            "a.txt": b"fine\n",
            "b.txt": b"ugly\n",
        },
    )
    trust(repo)
    (repo / "a.txt").write_bytes(b"ugly\n")
    git(repo, "add", "a.txt")
    (repo / "a.txt").write_bytes(b"not staged\n")
    env = {"PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}"}
    ran = uet(repo, "gate", "run", "--staged", "--json", env=env, code=1).document
    (found,) = ran["gates"]
    assert "it would change 1 file" in found["detail"], uet(
        repo, "gate", "log", found["id"], code=None
    ).said
    (offer,) = uet(repo, "gate", "fix", "--json").document
    assert "+pretty" in offer["patch"]
    assert "b.txt" not in offer["patch"]
    assert (repo / "a.txt").read_bytes() == b"not staged\n"
    assert git(repo, "show", ":a.txt") == b"ugly\n"


def test_the_hook_for_pre_commit_names_a_command_that_is_there(tmp_path: Path) -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (entry,) = re.findall(r"^  entry: uet-git (.+)$", text, re.MULTILINE)
    repo = make_repo(tmp_path / "repo", {"uet.toml": gate("true")})
    trust(repo)
    hook = repo / ".git" / "hooks" / "pre-commit"
    program = Path(sys.executable).parent / "uet-git"
    hook.write_text(f"#!/bin/sh\n{program} {entry}\n")
    hook.chmod(0o755)
    assert commit(repo, "two").code == 0
    assert kind(repo) == "hook"
