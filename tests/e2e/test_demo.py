"""The demo shows the product at work, checks itself, and touches nothing outside its folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import git
from uet_git.cli import demoplay, main
from uet_git.host import contracts


def demo(*args: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "uet_git", "demo", *args],
        env=dict(os.environ) if env is None else env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def everything(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_every_patch_ends_as_it_should_and_the_commands_are_shown(tmp_path: Path) -> None:
    """Exit 0; each uet-git command is echoed like in a shell, and what became of each patch is said."""
    home = tmp_path / "home"
    home.mkdir()
    before = everything(home)
    done = demo("--keep", str(tmp_path / "kept"), env={**os.environ, "HOME": str(home)})
    assert done.returncode == 0, done.stdout + done.stderr
    for command in ("init", "submit ../patches/series.mbox", "apply", "list", "show 5"):
        assert f"$ uet-git {command}" in done.stdout
    assert "all as it should be" in done.stdout
    assert f"cd {tmp_path / 'kept' / 'calc'}" in done.stdout
    assert everything(home) == before
    repo = tmp_path / "kept" / "calc"
    subjects = git(repo, "log", "--format=%s").decode().splitlines()
    assert subjects == ["Say what it does", "Subtract", "Say what add takes", "A calculator"]
    assert not (repo / ".git" / "hooks" / "pre-commit").exists()


def test_json_is_one_document(tmp_path: Path) -> None:
    """With --json stdout is one document with the outcome of each patch."""
    done = demo("--json", "--keep", str(tmp_path / "kept"))
    told = json.loads(done.stdout)
    assert done.returncode == 0
    contracts.check(told, "demo.v1")
    assert told["ok"] is True
    assert told["problems"] == []
    assert told["repository"] == str(tmp_path / "kept" / "calc")
    assert [(p["title"], p["state"], p["reason"]) for p in told["patches"]] == list(
        demoplay.EXPECTED
    )


def test_it_needs_no_home_and_heeds_no_variable_of_the_user(tmp_path: Path) -> None:
    """Neither HOME, an identity, a TERM nor UET_* and GIT_* variables change what happens."""
    env = {"PATH": os.environ["PATH"], "UET_LIMITS_FILES": "0", "GIT_DIR": "/nowhere"}
    env |= {k: v for k, v in os.environ.items() if k.startswith("PYENV")}
    env["TMPDIR"] = str(tmp_path)
    done = demo(env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("uet-git-demo-")
    assert str(kept) in done.stdout


def test_it_notices_when_a_patch_ends_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check of the demo can fail: exit 1, and what is not as it should be is named."""
    other = (*demoplay.EXPECTED[:-1], ("Helpful hook", "committed", None))
    monkeypatch.setattr(demoplay, "EXPECTED", other)
    assert main.run(["demo", "--keep", str(tmp_path / "kept")]) == 1
    said = capsys.readouterr().out
    assert "not as it should be: unexpected ('Helpful hook', 'dropped', 'path.dotgit')" in said
    assert "all as it should be" not in said


def test_it_builds_in_no_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--keep with a folder in use is a usage error, and the folder stays as it is."""
    (tmp_path / "mine").write_text("mine")
    assert main.run(["demo", "--keep", str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert everything(tmp_path) == ["mine"]
