"""A verdict that a hook has is used again only while it answers the same question, and a red one always counts (P13)."""

import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import git
from tests.hooking import commit, gate, hooked, kind, run, sound, tied
from tests.product import uet
from uet_git.host import gate_env, hook_facts, tighten
from uet_git.project import Project


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
    "change",
    [{"LC_ALL": "C"}, {"UET_QUEUE_MAX_ATTEMPTS": "1"}, {"XDG_CONFIG_HOME": "/nonexistent"}],
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


def test_sh_knows_every_setting_of_one_command() -> None:
    package = Path(tighten.__file__).parents[1]
    text = "".join(p.read_text() for p in package.rglob("*.py"))
    used = set(re.findall(r'"(UET_[A-Z_]*[A-Z])[="]', text)) | tighten.VARIABLES
    sh = (Path(__file__).parents[2] / "hooks/check.sh").read_text()
    assert set(re.findall(r"\$(UET_[A-Z_]+)", sh)) == used - {"UET_ACTIVE", "UET_GIT_PID"}


@pytest.mark.parametrize("name", ["repo", "line\nbreak"])
def test_a_marker_is_found_again(name: str, tmp_path: Path) -> None:
    repo = hooked(tmp_path / name, {"uet.toml": gate("true")})
    assert commit(repo, "two").code == 0
    assert again(repo)[0] == 0
    assert hits(repo) == 1
    assert kind(repo) == "hook"
    sound(repo)


SLOW_GIT = """#!/bin/sh
[ "$1" = write-tree ] || exec {real} "$@"
said=$({real} "$@") || exit
{before}
echo "$said"
{after}
"""


def slow_git(folder: Path, before: str = "", after: str = "") -> dict[str, str]:
    """An environment whose git does something before, or right after, it says the tree of the index."""
    made = folder / "core"  # git puts the folder of its own commands in front of PATH for hooks
    shutil.copytree(git(folder, "--exec-path").decode().strip(), made, symlinks=True)
    (made / "git").unlink()
    (made / "git").write_text(SLOW_GIT.format(real=shutil.which("git"), before=before, after=after))
    (made / "git").chmod(0o755)
    return {"GIT_EXEC_PATH": str(made)}


def test_what_is_staged_once_the_tree_was_asked_for_refuses(tmp_path: Path) -> None:
    repo, flag = tmp_path / "repo", tmp_path / "flag"
    evil = f"echo bad >a; {shutil.which('git')} add a; sleep 0.05"
    env = slow_git(tmp_path, before=f"[ ! -e {flag} ] || {{ rm {flag}; {evil}; }}")
    hooked(repo, {"a": b"one\n", "uet.toml": gate("! grep -q bad a")})
    for content in ("two", "three"):  # the second takes the short way
        assert commit(repo, content, **env).code == 0
    flag.touch()
    did = commit(repo, "four", **env)
    assert not flag.exists()
    assert did.code == 1, did
    assert b"bad" not in git(repo, "show", "HEAD:a")


def test_what_another_process_of_the_same_number_wrote_is_not_taken(tmp_path: Path) -> None:
    """The passed tree of another work tree stands in the file between asking and reading."""
    repo, flag = tmp_path / "repo", tmp_path / "flag"
    swap = f'printf "%s\\n%s\\n" /another/.git "$(cat {flag})" | tee {repo}/.git/uet/hooks/running/*.tree'
    env = slow_git(tmp_path, after=f"[ ! -e {flag} ] || {{ {swap} >/dev/null; rm {flag}; }}")
    hooked(repo, {"a": b"one\n", "uet.toml": gate("! grep -q bad a")})
    assert commit(repo, "two", **env).code == 0
    passed = git(repo, "rev-parse", "HEAD^{tree}")
    git(repo, "reset", "-q", "--soft", "HEAD^")
    flag.write_bytes(passed)
    did = commit(repo, "bad", **env)
    assert not flag.exists()
    assert did.code == 1, did
    assert hits(repo) == 0


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
    code, err = again(repo)
    assert code == 1
    assert "refuses this commit" in err


def test_a_pass_ends_with_a_red_verdict(tmp_path: Path) -> None:
    """Whoever asked the same question anew and heard no: the older pass counts nowhere any more."""
    flag = tmp_path / "flag"
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"! test -e {flag}")})
    assert commit(repo, "two").code == 0
    tied(repo)
    flag.touch()
    assert uet(repo, "gate", "run", "g", "--no-cache", "--json", code=1).document
    flag.unlink()
    found = uet(repo, "gate", "run", "g", "--json").document
    assert [g["cached_from"] for g in found["gates"]] == [None]
    flag.touch()
    uet(repo, "gate", "run", "g", "--no-cache", code=1)
    git(repo, "reset", "-q", "--soft", "HEAD^")
    run(repo, "commit", "-q", "--no-verify", "-m", "past the hook")
    assert kind(repo) == "unverified"


def pauses(repo: Path) -> list[str]:
    with Project.open(str(repo)) as project:
        return [p.code for p in project.ledger.pauses()]


@pytest.mark.parametrize(
    ("does", "named"),
    [
        ("git -C {repo} config core.fsmonitor /tmp/x", "config was changed"),
        ("echo x > {repo}/.git/hooks/pre-push", "pre-push was"),
        ("touch {repo}/.git/uet/hooks/enforce", "enforce was made"),
        ("echo 1 > {repo}/.git/uet/hooks/epoch", "epoch was changed"),
        ("touch {repo}/.git/uet/hooks/drain-post-commit", "drain-post-commit was made"),
    ],
)
def test_a_gate_that_changes_the_repository(does: str, named: str, tmp_path: Path) -> None:
    text = gate(does.format(repo=tmp_path / "repo"))
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    did = commit(repo, "two")
    assert did.code == 1
    assert named in did.err
    assert pauses(repo) == ["gate.tampered"]
    sound(repo)


def test_gate_run_pauses_too(tmp_path: Path) -> None:
    text = gate(f"git -C {tmp_path / 'repo'} config core.fsmonitor /tmp/x")
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert b"the queue stops" in uet(repo, "gate", "run", "g", code=None).err
    assert pauses(repo) == ["gate.tampered"]


def test_what_git_and_others_do_is_no_tampering(tmp_path: Path) -> None:
    """Packing, a branch, a fetch, a stash, a file of the index: people and git do that while gates run."""
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("sleep 1")})
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")
    (repo / "a").write_text("two")
    with subprocess.Popen(["git", "commit", "-qam", "x"], cwd=repo) as process:
        time.sleep(0.5)
        git(repo, "branch", "new")
        git(repo, "pack-refs", "--all")
        git(repo, "status")
        (tmp_path / "other/a").write_text("three")
        assert run(tmp_path / "other", "commit", "-qam", "y").code == 0
    assert process.returncode == 0
    assert pauses(repo) == []
    assert kind(repo) == "hook"
    sound(repo)


@pytest.mark.parametrize(("shell", "code"), [("exit 1", 1), ("exit 0", 0)])
def test_a_verdict_counts_though_the_ledger_is_busy(shell: str, code: int, tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"touch {tmp_path}/ran; sleep 1; {shell}")})
    (repo / "a").write_text("two")
    with (
        open(repo / ".git/uet/write.lock", "a") as lock,
        subprocess.Popen(
            ["git", "commit", "-qam", "x"], cwd=repo, stderr=subprocess.PIPE
        ) as process,
    ):
        while not (tmp_path / "ran").exists():
            time.sleep(0.02)
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = process.communicate()[1]
    assert process.returncode == code, said
    assert b"checked, not recorded" in said
    assert kind(repo) == ("before" if code else "unverified")
    sound(repo)


def test_a_short_wait_loses_nothing(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"touch {tmp_path}/ran; sleep 0.5")})
    (repo / "a").write_text("two")
    with (
        open(repo / ".git/uet/write.lock", "a") as lock,
        subprocess.Popen(
            ["git", "commit", "-qam", "x"], cwd=repo, stderr=subprocess.PIPE
        ) as process,
    ):
        while not (tmp_path / "ran").exists():
            time.sleep(0.02)
        fcntl.flock(lock, fcntl.LOCK_EX)
        time.sleep(1.5)
        fcntl.flock(lock, fcntl.LOCK_UN)
        said = process.communicate()[1]
    assert (process.returncode, said) == (0, b"")
    assert kind(repo) == "hook"


ABSENT = b"version = 1\nsandbox = 'none'\n%s[gates.g]\nrun = ['not-there']\non = ['pre-commit']\n"


@pytest.mark.parametrize("enforce", [False, True])
def test_a_gate_that_cannot_run_refuses_only_where_that_is_wanted(
    enforce: bool, tmp_path: Path
) -> None:
    """The gates are those of the tip: else the commit that mends them could not be made (P13)."""
    hooks = b"[hooks]\nenforce = true\n" if enforce else b""
    repo = hooked(tmp_path / "repo", {"uet.toml": ABSENT % hooks})
    did = commit(repo, "two")
    assert "g could not run: " in did.err
    assert did.code == int(enforce)
    assert kind(repo) == ("before" if enforce else "unverified")
    sound(repo)


def test_gate_run_names_what_to_do_about_an_open_merge(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("true")})
    git(repo, "checkout", "-qb", "side")
    commit(repo, "side")
    git(repo, "checkout", "-q", "main")
    commit(repo, "main")
    assert run(repo, "merge", "-q", "side").code != 0
    assert b"git status" in uet(repo, "gate", "run", "--staged", code=2).err


@pytest.mark.parametrize(("origin", "named"), [("some-agent", False), (None, True)])
def test_only_a_person_is_told_how_to_accept_gates(
    origin: str | None, named: bool, tmp_path: Path
) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("true")})
    (repo / "uet.toml").write_bytes(gate("exit 0"))
    argv = ("gate", "run", "--config", "worktree")
    assert (b"UET_TRUST" in uet(repo, *argv, env={"UET_ORIGIN": origin}, code=None).err) is named
