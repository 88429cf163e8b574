"""A verdict that a hook has is used again only while it answers the same question, and a red one always counts (P13)."""

import os
import re
from pathlib import Path

import pytest

from tests.builders import git
from tests.hooking import commit, gate, hooked, kind, run, sound, tied
from tests.product import uet
from uet_git.host import gate_env, hook_facts


def again(repo: Path, *args: str, **env: str) -> tuple[int, str]:
    """Takes the last commit back and commits the same tree once more."""
    git(repo, "reset", "--soft", "HEAD^")
    did = run(repo, "commit", "-qm", "again", *args, env=env)
    return did.code, did.err


def markers(repo: Path) -> list[str]:
    return os.listdir(repo / ".git/uet/hooks/ok")


def hits(repo: Path) -> int:
    path = repo / ".git/uet/hooks/journal"
    return path.read_text().count("hit ") if path.exists() else 0


def tool(folder: Path, content: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "mytool"
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)
    return path


def with_tool(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A repository whose gate is a program on PATH, which passed a commit."""
    tool(tmp_path / "bin", "exit 0")
    text = b"version = 1\nsandbox = 'none'\n[gates.g]\nrun = ['mytool']\non = ['pre-commit']\n"
    env = {"PATH": f"{tmp_path / 'first'}:{tmp_path / 'bin'}:{os.environ['PATH']}"}
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "two", **env).code == 0
    return repo, env


def test_the_same_question_is_not_asked_again(tmp_path: Path) -> None:
    repo, env = with_tool(tmp_path)
    assert again(repo, **env) == (0, "")
    assert hits(repo) == 1
    assert kind(repo) == "hook"
    sound(repo)


@pytest.mark.parametrize("how", ["another", "new", "replaced", "renamed", "gone"])
def test_a_program_that_changed_is_asked(how: str, tmp_path: Path) -> None:
    repo, env = with_tool(tmp_path)
    if how == "another":
        tool(tmp_path / "other", "exit 1")
        env["PATH"] = f"{tmp_path / 'other'}:{env['PATH']}"
    elif how == "new":
        tool(tmp_path / "first", "exit 1")
    elif how == "replaced":
        tool(tmp_path / "bin", "exit 1")
    elif how == "renamed":
        path = tool(tmp_path / "old", "exit 1")
        os.utime(path, (1, 1))
        path.rename(tmp_path / "bin/mytool")
    else:
        (tmp_path / "bin/mytool").unlink()
    code, said = again(repo, **env)
    assert hits(repo) == 0
    if how != "gone":
        assert code == 1, said


@pytest.mark.parametrize(
    "change", [{"LC_ALL": "C"}, {"UET_QUEUE_X": "1"}, {"XDG_CONFIG_HOME": "/nonexistent"}]
)
def test_a_variable_that_changed_is_asked(change: dict[str, str], tmp_path: Path) -> None:
    repo, env = with_tool(tmp_path)
    again(repo, **env, **change)
    assert hits(repo) == 0


def test_sh_compares_what_a_gate_sees() -> None:
    text = (Path(__file__).parents[2] / "hooks/check.sh").read_text()
    named = re.findall(r"\$([A-Z_]+)", "".join(re.findall(r'^now="(.*)"$', text, re.MULTILINE)))
    assert tuple(named) == hook_facts.COMPARED
    assert set(named) >= gate_env.PASSED


def test_declared_variables_are_part_of_the_question(tmp_path: Path) -> None:
    text = gate('test "$FOO" = good') + b"pass_env = ['FOO']\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "two", FOO="good").code == 0
    assert again(repo, FOO="bad")[0] == 1
    assert run(repo, "commit", "-qnm", "past it", env={"FOO": "bad"}).code == 0
    assert kind(repo) == "unverified"
    sound(repo)


def test_a_gate_without_cache_runs_each_time(tmp_path: Path) -> None:
    count = tmp_path / "count"
    text = gate(f"echo x >> {count}; test $(wc -l < {count}) = 1") + b"cache = false\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "two").code == 0
    assert again(repo)[0] == 1
    assert run(repo, "commit", "-qnm", "past it").code == 0
    assert kind(repo) == "unverified"
    sound(repo)


def test_a_flaky_pass_is_not_used_again(tmp_path: Path) -> None:
    count = tmp_path / "count"
    text = gate(f"echo x >> {count}; test $(wc -l < {count}) = 2") + b"retries = 1\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "two").code == 0
    assert markers(repo) == []
    assert again(repo)[0] == 1
    sound(repo)


def test_a_red_verdict_takes_the_marker(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"! test -e {flag}")})
    assert commit(repo, "two").code == 0
    assert markers(repo)
    tied(repo)
    flag.touch()
    uet(repo, "gate", "run", "g", "--no-cache", code=None)
    assert markers(repo) == []
