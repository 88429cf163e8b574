"""Gates in the line, seen from outside: the tip's gates judge exactly the tree that lands (DESIGN 9, P5, P6)."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import COMMAND, entry, head, states, subjects, tree, trust, uet, wait_for_gate

BASE = b"one\ntwo\nthree\n"
needs_a_wall = pytest.mark.skipif(
    os.environ.get("UET_TEST_NO_BWRAP") == "1",
    reason="UET_TEST_NO_BWRAP: without bubblewrap a gate could have moved the tip itself, and is accused",
)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE})


def gate(repo: Path, script: str, more: str = "", name: str = "check") -> None:
    """Commits a `uet.toml` with one gate that runs a shell script, and accepts it."""
    text = f"version = 1\n[gates.{name}]\nkind = 'custom'\nshell = {_toml(script)}\n{more}"
    commit_files(repo, {"uet.toml": text.encode()}, "gates")
    trust(repo)


JUDGE = "! grep -q ^1 a.txt"
"""Passes on what is there, fails on the patch that `one` makes by default."""


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def one(
    repo: Path, subject: str = "A", path: str = "a.txt", new: bytes = b"1\ntwo\nthree\n"
) -> Path:
    file = repo.parent / f"{subject}.patch"
    file.write_bytes(mail(subject, diff(path, BASE, new)))
    return file


def test_a_pass_lands_and_the_tree_that_was_judged_is_the_tree_that_lands(repo: Path) -> None:
    # The gate hashes what it really has before it, file by file, and says which tree it was told.
    script = (
        "git init -q . && git add -A -f . ':!.git' && echo has $(git write-tree); rm -rf .git; echo told $UET_TREE; "
        "test ! -e .git && cat a.txt"
    )
    gate(repo, script)
    uet(repo, "apply", one(repo))
    (ran,) = entry(repo, 1)["gates"]
    output = Path(ran["output"]).read_text()
    assert ran["state"] == "passed"
    assert ran["tree"] == tree(repo)
    assert f"has {tree(repo)}\n" in output
    assert f"told {tree(repo)}\n" in output


def test_a_gate_that_writes_into_the_tree_does_not_change_what_the_next_one_judges(
    repo: Path,
) -> None:
    more = f"""
[gates.tests]
kind = "custom"
needs = ["format"]
shell = {_toml("cat a.txt; ls; grep -q ugly a.txt && test ! -e made")}
"""
    gate(repo, "echo pretty > a.txt; touch made", more, name="format")
    uet(repo, "apply", one(repo, new=b"ugly\ntwo\nthree\n"))
    assert [g["state"] for g in entry(repo, 1)["gates"]] == ["passed", "passed"]
    assert git(repo, "show", "main:a.txt").startswith(b"ugly")


def test_each_of_several_patches_is_judged_on_its_own_tree(repo: Path) -> None:
    gate(repo, "echo told $UET_TREE")
    uet(repo, "submit", one(repo, "A"))
    uet(repo, "submit", one(repo, "B", "b.txt"))
    uet(repo, "apply")
    assert entry(repo, 1)["gates"][0]["tree"] == tree(repo, "main~1")
    assert entry(repo, 2)["gates"][0]["tree"] == tree(repo, "main")


def test_a_failure_needs_a_person_and_the_next_patch_does_not_carry_it(repo: Path) -> None:
    gate(repo, "! grep -q bad a.txt")
    uet(repo, "submit", one(repo, "bad", new=b"bad\ntwo\nthree\n"))
    uet(repo, "submit", one(repo, "good", "b.txt"))
    uet(repo, "apply", code=1)
    assert states(repo) == {"1": "quarantined", "2": "committed"}
    found = entry(repo, 1)
    assert (found["reason"], found["gates"][0]["state"], found["gates"][0]["exit_code"]) == (
        "gate.failed",
        "failed",
        1,
    )
    assert subjects(repo) == ["base", "gates", "good"]
    assert git(repo, "for-each-ref", "refs/uet/entries") == b""


def test_a_gate_that_takes_too_long_is_stopped(repo: Path) -> None:
    gate(repo, "grep -q ^1 a.txt || exit 0; sleep 60", "timeout = 0.5\n")
    began = time.monotonic()
    uet(repo, "apply", one(repo), code=1)
    assert time.monotonic() - began < 6
    assert entry(repo, 1)["reason"] == "gate.timeout"
    assert subjects(repo)[-1] == "gates"


@pytest.mark.parametrize("script", ["no-such-program-here", "exit 127", "exit 126"])
def test_a_gate_that_cannot_run_pauses_the_queue_and_blames_nobody(repo: Path, script: str) -> None:
    gate(repo, script)
    stopped = uet(repo, "apply", one(repo), code=3)
    assert b"gate.error" in stopped.out
    assert states(repo) == {"1": "queued"}
    assert uet(repo, "status", "--json").document["paused"][0]["code"] == "gate.error"
    uet(repo, "apply", code=None)
    assert states(repo) == {"1": "queued"}
    gate(repo, "true")
    uet(repo, "resume")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_program_that_is_not_there_pauses_too(repo: Path) -> None:
    text = "version = 1\n[gates.check]\nkind = 'custom'\nrun = ['no-such-program-here', '-x']\n"
    commit_files(repo, {"uet.toml": text.encode()}, "gates")
    trust(repo)
    uet(repo, "apply", one(repo), code=3)
    assert states(repo) == {"1": "queued"}


def test_exit_125_is_a_skip(repo: Path) -> None:
    gate(repo, "exit 125")
    uet(repo, "apply", one(repo))
    assert entry(repo, 1)["gates"][0]["state"] == "skipped"


def test_a_gate_whose_paths_do_not_match_is_skipped(repo: Path) -> None:
    gate(repo, "false", "paths = ['*.py']\n")
    uet(repo, "apply", one(repo))
    assert entry(repo, 1)["gates"][0]["state"] == "skipped"


def test_a_gate_that_is_not_required_does_not_stop_a_patch(repo: Path) -> None:
    gate(repo, "false", "required = false\n")
    uet(repo, "apply", one(repo))
    assert entry(repo, 1)["gates"][0]["state"] == "failed"
    assert subjects(repo)[-1] == "A"


def test_a_gate_after_a_failed_one_is_not_run(repo: Path) -> None:
    gate(repo, JUDGE, "[gates.later]\nkind = 'custom'\nrun = ['true']\nneeds = ['check']\n")
    uet(repo, "apply", one(repo), code=1)
    assert [(g["name"], g["state"]) for g in entry(repo, 1)["gates"]] == [
        ("check", "failed"),
        ("later", "skipped"),
    ]


def test_only_the_tips_gates_count(repo: Path) -> None:
    gate(repo, JUDGE)
    (repo / "uet.toml").write_bytes(b"version = 1\n")
    uet(repo, "apply", one(repo), code=1)
    assert entry(repo, 1)["reason"] == "gate.failed"
    assert "differs" in uet(repo, "status", "--json").document["config"]


def test_an_uncommitted_gate_does_not_judge(repo: Path) -> None:
    (repo / "uet.toml").write_bytes(
        b"version = 1\n[gates.check]\nkind = 'custom'\nrun = ['false']\n"
    )
    uet(repo, "apply", one(repo))
    assert subjects(repo)[-1] == "A"


def test_a_patch_cannot_pick_its_own_judge(repo: Path) -> None:
    gate(repo, JUDGE)
    old = (repo / "uet.toml").read_bytes()
    patch = repo.parent / "P.patch"
    patch.write_bytes(
        mail("P", diff("a.txt", BASE, b"1\n"), diff("uet.toml", old, b"version = 1\n"))
    )
    before = head(repo)
    uet(repo, "apply", patch, code=1)
    assert head(repo) == before


def test_a_landed_change_of_the_gates_judges_what_comes_after_it(repo: Path) -> None:
    gate(repo, "true")
    old = (repo / "uet.toml").read_bytes()
    patch = repo.parent / "strict.patch"
    new = old.replace(b'"true"', b'"! grep -q ^1 a.txt"')
    patch.write_bytes(mail("strict", diff("uet.toml", old, new)))
    trust(repo, new)
    uet(repo, "submit", patch)
    uet(repo, "submit", one(repo, "later"))
    uet(repo, "apply", code=1)
    assert states(repo) == {"1": "committed", "2": "quarantined"}


def test_nothing_that_a_gate_starts_outlives_it(repo: Path) -> None:
    marker = f"{os.getpid()}.{time.monotonic_ns()}"
    script = f"(setsid sh -c 'exec -a uet-{marker} sleep 600' >/dev/null 2>&1 &) ; sleep 0.1; sleep 601.{marker} & echo started"
    gate(repo, f"bash -c {shlex.quote(script)}")
    uet(repo, "apply", one(repo))
    assert subjects(repo)[-1] == "A"
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout.decode()
    assert marker not in running


def test_a_gate_sees_neither_the_repository_nor_the_users_variables(repo: Path) -> None:
    gate(repo, "env; git rev-parse --git-dir; git log; pwd; true")
    uet(repo, "apply", one(repo), env={"SECRET_TOKEN": "hunter2", "GIT_DIR": None})
    output = Path(entry(repo, 1)["gates"][0]["output"]).read_text()
    assert "hunter2" not in output
    assert "gates\n" not in output
    assert str(repo) not in output.split("PWD=")[1].splitlines()[0]


def test_a_hostile_gate_output_reaches_no_terminal_raw(repo: Path) -> None:
    gate(repo, "printf '\\033]0;owned\\007\\033[31mred'; ! grep -q ^1 a.txt")
    ran = uet(repo, "apply", one(repo), code=1)
    shown = uet(repo, "show", "1")
    for out in (ran.out, ran.err, shown.out):
        assert b"\x1b" not in out
        assert b"\x07" not in out


@needs_a_wall
def test_a_tip_that_moves_while_gates_run_is_judged_again(repo: Path) -> None:
    gate(repo, "sleep 0.8; cat b.txt", "paths = ['*.txt']\n")
    uet(repo, "submit", one(repo))
    child = subprocess.Popen(
        [*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for_gate(repo, child, 1)
    moved = commit_files(repo, {"b.txt": b"moved\n"}, "user")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, (out, err)
    assert head(repo, "main~1") == moved
    assert subjects(repo)[-2:] == ["user", "A"]
    gates = entry(repo, 1)["gates"]
    assert gates[-1]["tree"] == tree(repo)
    assert Path(gates[-1]["output"]).read_bytes() == b"moved\n"
    assert entry(repo, 1)["attempts"] == 1
    assert git(repo, "status", "--porcelain") == b""


@needs_a_wall
def test_a_tip_that_never_stands_still_gives_up_with_exit_4(repo: Path) -> None:
    gate(repo, "sleep 0.8", "paths = ['a.txt']\n")
    uet(repo, "submit", one(repo))
    child = subprocess.Popen(
        [*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for number in (1, 2, 3):
        wait_for_gate(repo, child, number)
        commit_files(repo, {"n.txt": str(number).encode()}, "user")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 4, (out, err)
    assert b"next: uet-git apply" in err
    assert states(repo) == {"1": "queued"}
    assert subjects(repo).count("user") == 3
