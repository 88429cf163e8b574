"""Whoever commits a change of the gates at a terminal is asked there and then; elsewhere one line says what helps."""

import os
from pathlib import Path

import pexpect
import pytest

from tests.builders import git
from tests.hooking import NO_GATES, gate, hooked, run
from tests.product import uet


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A branch without gates, and a gate that is staged."""
    repo = hooked(tmp_path / "repo", {"uet.toml": NO_GATES})
    (repo / "uet.toml").write_bytes(gate("true"))
    git(repo, "add", "uet.toml")
    return repo


def accepted(repo: Path) -> bool:
    found = uet(repo, "trust", "--show", "--json").document
    return bool(found["accepted"])


def at_a_terminal(repo: Path, answer: str) -> str:
    """Commits at a terminal, answers, and returns what was shown."""
    env = {k: v for k, v in os.environ.items() if k != "TERM"} | {"TERM": "xterm"}
    child = pexpect.spawn("git", ["commit", "-qm", "gates"], cwd=repo, env=env, timeout=60)
    child.expect_exact("[y/N] ")
    shown = child.before.decode()
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return str(shown + child.before.decode())


@pytest.mark.parametrize(("answer", "is_yes"), [("y", True), ("n", False), ("", False)])
def test_the_terminal_is_asked(repo: Path, answer: str, is_yes: bool) -> None:
    shown = at_a_terminal(repo, answer)
    assert "may they run on this machine?" in shown or "hash " in shown
    assert ("uet-git trust" in shown) is not is_yes
    assert accepted(repo) is is_yes
    assert git(repo, "log", "-1", "--format=%s") == b"gates\n"


def test_a_line_lives_on_the_terminal_while_a_gate_runs(tmp_path: Path) -> None:
    """The long way, and by the shortcut, which loads what draws it while the gate runs."""
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("sleep $(cat a)")})
    env = {**os.environ, "TERM": "xterm"}
    for content in (b"0.5\n", b"2\n"):
        (repo / "a").write_bytes(content)
        git(repo, "add", "a")
        child = pexpect.spawn("git", ["commit", "-qm", "x"], cwd=repo, env=env, timeout=60)
        child.expect(pexpect.EOF)
        child.close()
        assert " s\x1b[K\r\x1b[Kuet-git: g: passed (" in child.before.decode()


def test_without_a_terminal_one_line_says_what_helps(repo: Path) -> None:
    did = run(repo, "commit", "-qm", "gates")
    assert did.code == 0
    assert [line for line in did.ours if "wait for a person" in line and "uet-git trust" in line]
    assert not accepted(repo)


def test_an_agent_is_not_asked(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UET_ORIGIN", "some-agent")
    child = pexpect.spawn("git", ["commit", "-qm", "gates"], cwd=repo, timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert b"[y/N]" not in child.before
    monkeypatch.delenv("UET_ORIGIN")
    assert not accepted(repo)


def test_a_configuration_that_cannot_be_used_is_named(repo: Path) -> None:
    (repo / "uet.toml").write_bytes(b"version = 1\nnonsense = 2\n")
    git(repo, "add", "uet.toml")
    did = run(repo, "commit", "-qm", "gates")
    assert did.code == 0
    assert [line for line in did.ours if "uet.toml cannot be used" in line]
