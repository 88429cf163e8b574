"""From outside: a sandbox that is asked for is had or nothing runs, nobody talks it down, and what a gate does is noticed."""

import os
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, trust, uet
from uet_git.host import process, sandbox_probe
from uet_git.host.sandbox import Tier

EXCUSED = os.environ.get("UET_TEST_NO_BWRAP") == "1"
EVIL = 'echo evil >"{hooks}/pre-commit"; true'


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": b"one\n"})


def ready(repo: Path, script: str, top: str = "") -> Path:
    """A repository with one trusted gate, and a patch to land."""
    text = f"version = 1\n{top}\n[gates.check]\nkind = 'custom'\nshell = '''{script}'''\n"
    commit_files(repo, {"uet.toml": text.encode()}, "gates")
    uet(repo, "init", "--no-config", "--no-hooks")
    trust(repo)
    patch = repo.parent / "a.patch"
    patch.write_bytes(mail("A", diff("a.txt", b"one\n", b"two\n")))
    return patch


def has(tier: Tier) -> None:
    found = sandbox_probe.look(tier)
    if not found.works and EXCUSED:
        pytest.skip(found.cause)
    assert found.works, found.cause


def without_sandboxes(folder: Path) -> dict[str, str | None]:
    """A machine that has git, and neither bwrap nor unshare."""
    folder.mkdir()
    for name in ("git", "sh", "env"):
        found = process.find_program(name)
        assert found
        (folder / name).symlink_to(found)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("top", ["require_sandbox = true", "sandbox = 'bubblewrap'"])
def test_without_the_sandbox_that_it_must_have_no_gate_runs(
    repo: Path, tmp_path: Path, top: str
) -> None:
    patch = ready(repo, f"touch {tmp_path}/ran", top)
    tip = git(repo, "rev-parse", "main")
    ran = uet(repo, "apply", patch, env=without_sandboxes(tmp_path / "bin"), code=3)
    assert b"gate.error" in ran.out
    assert b"bwrap is not installed" in ran.out
    assert not (tmp_path / "ran").exists()
    assert entry(repo, 1)["state"] == "queued"
    assert git(repo, "rev-parse", "main") == tip


def test_required_by_a_variable(repo: Path, tmp_path: Path) -> None:
    patch = ready(repo, "true")
    bare = without_sandboxes(tmp_path / "bin")
    uet(repo, "apply", patch, env={**bare, "UET_REQUIRE_SANDBOX": "1"}, code=3)
    uet(repo, "resume")
    uet(repo, "apply", env=bare)
    assert entry(repo, 1)["state"] == "committed"


@pytest.mark.parametrize(
    ("top", "variable", "value"),
    [
        ("", "UET_SANDBOX", "none"),
        ("", "UET_SANDBOX", "unshare"),
        ("sandbox = 'bubblewrap'", "UET_SANDBOX", "auto"),
        ("require_sandbox = true", "UET_REQUIRE_SANDBOX", "0"),
    ],
)
def test_a_weaker_one_is_refused(repo: Path, top: str, variable: str, value: str) -> None:
    patch = ready(repo, "true", top)
    tip = git(repo, "rev-parse", "main")
    ran = uet(repo, "apply", patch, env={variable: value}, code=2)
    assert f"{variable} = " in ran.said
    assert "is looser than" in ran.said
    assert git(repo, "rev-parse", "main") == tip


def test_in_bubblewrap_a_hook_cannot_be_planted(repo: Path) -> None:
    has(Tier.BUBBLEWRAP)
    hooks = repo / ".git" / "hooks"
    patch = ready(repo, EVIL.format(hooks=hooks))
    uet(repo, "apply", patch)
    assert not (hooks / "pre-commit").exists()
    assert entry(repo, 1)["state"] == "committed"


@pytest.mark.parametrize("tier", ["unshare", "none"])
def test_in_weaker_ones_it_is_noticed_and_nothing_lands(repo: Path, tier: str) -> None:
    has(Tier(tier))
    hooks = repo / ".git" / "hooks"
    patch = ready(repo, EVIL.format(hooks=hooks), f"sandbox = '{tier}'")
    tip = git(repo, "rev-parse", "main")
    ran = uet(repo, "apply", patch, code=3)
    assert b"gate.tampered" in ran.out
    assert b"hooks/pre-commit was made" in ran.out
    assert git(repo, "rev-parse", "main") == tip
    assert entry(repo, 1)["state"] == "queued"
    assert uet(repo, "status", "--json").document["paused"][0]["code"] == "gate.tampered"
