"""Over the real hooks of the tools that people have: both run, and uninstalling gives every byte back.

Nightly; the tools are looked for in the folder UET_PEERS, else on PATH (`pip install pre-commit prek lefthook`,
`npm install husky`; husky's index.js in UET_HUSKY). One that is not there is skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import make_repo
from tests.e2e.test_hooks_install import everything
from tests.hooking import commit, git, kind
from tests.product import uet

pytestmark = pytest.mark.nightly
PEERS = os.environ.get("UET_PEERS")
HUSKY = os.environ.get("UET_HUSKY")
OF_PRE_COMMIT = (
    b"repos:\n- repo: local\n  hooks:\n  - {id: n, name: n, entry: sh -c 'echo ran >>ran', language: system,"
    b" always_run: true, pass_filenames: false}\n"
)
OF_LEFTHOOK = b"pre-commit:\n  commands:\n    n:\n      run: echo ran >>ran\n"
TOOLS = {
    "pre-commit": (".pre-commit-config.yaml", OF_PRE_COMMIT, ("install",)),
    "prek": (".pre-commit-config.yaml", OF_PRE_COMMIT, ("install",)),
    "lefthook": ("lefthook.yml", OF_LEFTHOOK, ("install",)),
}


def both_run(repo: Path, hooks: Path) -> None:
    before = {k: v[::2] for k, v in everything(hooks).items()}
    uet(repo, "hook", "install")
    did = commit(repo, "two")
    assert did.code == 0, did.err
    assert (repo / "ran").read_text() == "ran\n"
    assert kind(repo) == "hook"
    uet(repo, "hook", "uninstall")
    assert {k: v[::2] for k, v in everything(hooks).items()} == before
    assert commit(repo, "three").code == 0
    assert (repo / "ran").read_text() == "ran\nran\n"


@pytest.mark.parametrize("tool", TOOLS)
def test_over_a_real_tool(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which(tool, path=PEERS)
    if program is None:
        pytest.skip(f"{tool} is not here")
    monkeypatch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
    name, text, install = TOOLS[tool]
    repo = make_repo(tmp_path / "repo", {"a": b"a\n", name: text})
    subprocess.run([program, *install], cwd=repo, check=True, capture_output=True)
    both_run(repo, repo / ".git" / "hooks")


def test_over_husky(tmp_path: Path) -> None:
    if HUSKY is None:
        pytest.skip("husky is not here")
    repo = make_repo(tmp_path / "repo", {"a": b"a\n", ".husky/pre-commit": b"echo ran >>ran\n"})
    subprocess.run(
        ["node", "-e", f"import('{HUSKY}').then(m => m.default())"], cwd=repo, check=True
    )
    assert git(repo, "config", "core.hooksPath") == b".husky/_\n"
    both_run(repo, repo / ".husky")
