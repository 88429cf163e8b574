"""The examples run as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from tests.product import trust
from uet_git.host.config import parse_toml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GATE = b'version = 1\n[gates.small]\nkind = "custom"\nshell = "test $(wc -l < file) -lt 3 || { echo too long; exit 1; }"\n'
COMMAND = 'if grep -q "too long" "$FEEDBACK" || grep -q gate.failed "$FEEDBACK"; then echo two > file; else seq 9 > file; fi'


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which uet-git is this one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "uet-git"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uet_git "$@"\n')
    program.chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


@pytest.mark.parametrize(("tries", "code", "content"), [("3", 0, b"two\n"), ("1", 1, b"one\n")])
def test_the_agents_loop(tmp_path: Path, path: str, tries: str, code: int, content: bytes) -> None:
    """A change that a gate refuses is mended from the feedback and lands as the next revision, or does not land."""
    repo = make_repo(tmp_path / "repo", {"file": b"one\n", "uet.toml": GATE})
    trust(repo)
    done = subprocess.run(
        [EXAMPLES / "agent.sh", "Count", COMMAND, tries],
        cwd=repo,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert git(repo, "show", "main:file") == content
    assert (repo / "file").read_bytes() == content
    assert git(repo, "worktree", "list").count(b"\n") == 1


def test_the_uet_toml_is_one(tmp_path: Path) -> None:
    """The example configuration is valid, and lands a patch where its gates have nothing to do."""
    data = (EXAMPLES / "uet.toml").read_bytes()
    assert [g.name for g in parse_toml(data).gates] == ["lint", "tests", "docs"]
    repo = make_repo(tmp_path / "repo", {"file": b"one\n"})
    commit_files(repo, {"uet.toml": data}, "rules")
    done = subprocess.run(
        [sys.executable, "-m", "uet_git", "doctor"], cwd=repo, capture_output=True, check=False
    )
    assert b"gates: lint, tests, docs" in done.stdout
