"""A commit by hand is an entry: it walks the states, is judged by the policy of the tip, and its gates are recorded; the
queue and the user's git stay out of each other's way (DESIGN 5, 10, 11)."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail
from tests.hooking import NO_GATES, commit, edit, gate, hooked, kind, newest, run, sound, tied
from tests.product import entry, uet
from uet_git.host import contracts

STANDARD = b"version = 1\n[policy]\npreset = 'standard'\nprotected = ['deploy/**']\n"
FAILS = gate("! grep -q bad a")


def history(repo: Path, label: str) -> list[str]:
    return [
        e["payload"]["to"]
        for e in entry(repo, label)["events"]
        if "to" in e["payload"] and "gate" not in e["kind"]
    ]


def abandoned(repo: Path) -> dict[str, str | None]:
    return {str(e["number"]): e["reason"] for e in tied(repo) if e["state"] == "dropped"}


def test_it_walks_the_states(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("true")})
    assert commit(repo, "two").err == ""
    (found,) = uet(repo, "list", "--json").document
    assert history(repo, "1") == [
        "created",
        "validated",
        "queued",
        "applied",
        "verified",
        "committed",
    ]
    assert found["commit"] == git(repo, "rev-parse", "HEAD").decode().strip()
    assert (found["title"], found["author"].split(" <")[0], found["rung"]) == (
        "say two",
        "A U Thor",
        "hook",
    )
    assert found["tree"] == git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    (ran,) = entry(repo, "1")["gates"]
    assert (ran["name"], ran["state"]) == ("g", "passed")
    assert [r["kind"] for r in uet(repo, "run", "list", "--json").document] == ["hook"]
    contracts.check(uet(repo, "show", "1", "--json").document, "entry_detail.v1")
    assert b"git diff" in uet(repo, "show", "1").out
    assert b"Uet-Patch" not in git(repo, "log", "-1", "--format=%B")
    sound(repo)


def test_a_failing_gate_refuses(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("echo why; ! grep -q bad a")})
    did = commit(repo, "bad")
    assert did.code == 1
    assert "a gate of main refuses this commit: g: exit 1" in did.err
    assert "g| why" in did.err
    assert "uet-git show 1" in did.err
    (found,) = uet(repo, "list", "--json").document
    assert (found["state"], found["reason"]) == ("quarantined", "gate.failed")
    for verb in ("retry", "release"):
        more = ("--reason", "x") if verb == "release" else ()
        assert b"by hand" in uet(repo, verb, "1", *more, code=2).err
    uet(repo, "apply", code=None)
    assert git(repo, "log", "--format=%s").decode().split() == ["base"], "the queue never lands it"
    assert commit(repo, "good").code == 0
    assert abandoned(repo) == {"1": "queue.abandoned"}
    sound(repo)


def test_past_the_hook_it_is_unverified(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": FAILS})
    commit(repo, "bad")
    assert run(repo, "commit", "-qnm", "anyway").code == 0
    assert kind(repo) == "unverified"
    assert abandoned(repo) == {"1": "queue.unverified"}
    sound(repo)


POLICY = {
    "protected": ("deploy/x", b"x\n", "policy.protected_path"),
    "gates": ("uet.toml", NO_GATES, "policy."),
    "secret": ("s", b"key = 'AKIAIOSFODNN7EXAMPL2'\n", "content.secret"),
    "name": ("x\ny", b"x\n", "path.control_char"),
}


@pytest.mark.parametrize("what", POLICY)
def test_the_policy_of_the_tip_refuses(what: str, tmp_path: Path) -> None:
    name, content, code = POLICY[what]
    repo = hooked(tmp_path / "repo", {"uet.toml": STANDARD})
    edit(repo, name, content)
    git(repo, "add", "-f", name)
    did = run(repo, "commit", "-qm", "x")
    assert did.code == 1
    assert f"  {code}" in did.err
    assert "git commit --no-verify" in did.err
    found = newest(repo)
    assert found["state"] == ("dropped" if code == "path.control_char" else "quarantined")
    assert found["reason"].startswith(code)
    assert run(repo, "commit", "-qnm", "x").code == 0
    assert kind(repo) == "unverified"
    sound(repo)


def test_the_message_is_not_known_yet(tmp_path: Path) -> None:
    """A policy that asks for a message or an issue cannot be judged before git asks for it."""
    toml = b"version = 1\n[policy]\nrequire_message = true\nrequire_issue_ref = true\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": toml})
    assert commit(repo, "two").code == 0


def test_what_is_large_is_no_fault_of_a_commit(tmp_path: Path) -> None:
    """The caps on patches are for what strangers hand in."""
    repo = hooked(
        tmp_path / "repo", {"uet.toml": STANDARD + b"[limits]\nfiles = 2\npatch_bytes = 100\n"}
    )
    for number in range(5):
        edit(repo, f"f{number}", b"x" * 200 + b"\n")
    git(repo, "add", ".")
    assert run(repo, "commit", "-qm", "x").code == 0


def test_gates_that_nobody_accepted_do_not_run(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo")
    commit_files(repo, {"uet.toml": gate(f"touch {tmp_path}/ran")}, "gates")
    did = commit(repo, "two")
    assert did.code == 0
    assert len(did.ours) == 1
    assert "not accepted" in did.err
    assert not (tmp_path / "ran").exists()
    assert kind(repo) == "unverified"
    uet(repo, "trust", "--yes")
    assert commit(repo, "three").err == ""
    assert (tmp_path / "ran").exists()
    uet(repo, "trust", "--revoke")
    did = run(repo, "commit", "-q", "--amend", "-m", "x")
    assert "not accepted" in did.err, "what was accepted no more makes every marker void"


def test_a_skipped_gate_is_recorded(tmp_path: Path) -> None:
    two = gate("exit 1") + b"[gates.h]\nkind = 'lint'\nrun = ['true']\non = ['pre-commit']\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": two})
    assert commit(repo, "two").code == 1
    did = commit(repo, "two", UET_SKIP="g")
    assert did.code == 0
    assert "UET_SKIP" in did.err
    assert kind(repo) == "unverified"
    reasons = [r["reason"] for r in uet(repo, "run", "list", "--json").document]
    assert "UET_SKIP=g" in reasons


def test_given_up_and_taken_up(tmp_path: Path) -> None:
    """An empty message: no commit. The next command closes the entry; the same tree while it is open takes it up."""
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("true")})
    edit(repo, "a", b"two\n")
    assert run(repo, "commit", "-qam", "").code == 1
    (found,) = uet(repo, "list", "--json").document
    assert (found["state"], found["reason"]) == ("dropped", "queue.abandoned")
    slow = tmp_path / "editor"
    slow.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/editing\nwhile [ ! -e {tmp_path}/done ]; do sleep 0.02; done\necho x >$1\n"
    )
    slow.chmod(0o755)
    child = subprocess.Popen(
        ["git", "commit", "-qa"], cwd=repo, env={**os.environ, "GIT_EDITOR": str(slow)}
    )
    while not (tmp_path / "editing").exists():
        time.sleep(0.01)
    assert [e["state"] for e in uet(repo, "list", "--json").document] == ["dropped"], (
        "a hit makes its entry afterwards"
    )
    (tmp_path / "done").touch()
    assert child.wait(timeout=20) == 0
    assert [e["state"] for e in uet(repo, "list", "--json").document] == ["dropped", "committed"]
    sound(repo)


def test_the_same_tree_takes_the_same_entry_up(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate(f"test -e {tmp_path}/mended")})
    assert commit(repo, "two").code == 1
    (tmp_path / "mended").touch()
    assert run(repo, "commit", "-qm", "x").code == 0
    (found,) = tied(repo)
    assert found["state"] == "committed"
    assert history(repo, "1").count("quarantined") == 1
    sound(repo)


def test_a_merge_is_not_refused(tmp_path: Path) -> None:
    """Its gates run and are recorded; a red one is told, and shows."""
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("! test -e both"), "b": b"b\n"})
    git(repo, "checkout", "-q", "-b", "side")
    edit(repo, "both", b"x\n")
    git(repo, "add", "both")
    run(repo, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "beside")
    git(repo, "checkout", "-q", "main")
    commit(repo, "two")
    did = run(repo, "merge", "-q", "--no-edit", "side")
    assert did.code == 0
    assert "a gate of main would refuse" in did.err
    assert kind(repo) == "unverified"
    sound(repo)


def test_enforce_refuses_what_was_not_checked(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"uet.toml": gate("true", more="[hooks]\nenforce = true")})
    commit(repo, "two")
    (repo / ".git" / "uet" / "ledger.db").write_bytes(b"no database")
    did = commit(repo, "three")
    assert did.code == 1
    assert "enforce" in did.err


def slow_editor(folder: Path) -> dict[str, str]:
    """An editor that waits for a file `done`, and says by `editing` that it was started."""
    script = folder / "editor"
    script.write_text(
        f"#!/bin/sh\ntouch {folder}/editing\nwhile [ ! -e {folder}/done ]; do sleep 0.02; done\necho mine >$1\n"
    )
    script.chmod(0o755)
    return {**os.environ, "GIT_EDITOR": str(script)}


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_landing_waits_for_a_commit(tmp_path: Path) -> None:
    """Also while the message is edited, long after the hook ended."""
    repo = hooked(tmp_path / "repo", {"b": b"b\n"})
    edit(repo, "a", b"two\n")
    child = subprocess.Popen(["git", "commit", "-qa"], cwd=repo, env=slow_editor(tmp_path))
    wait_for(tmp_path / "editing")
    patch = mail("landed", diff("b", b"b\n", b"landed\n"))
    ran = uet(repo, "apply", "-", stdin=patch, code=1)
    assert b"a commit is under way" in ran.out + ran.err
    (tmp_path / "done").touch()
    assert child.wait(timeout=20) == 0
    uet(repo, "apply")
    assert git(repo, "log", "--format=%s").decode().split() == ["landed", "mine", "base"]
    assert git(repo, "status", "--porcelain") == b""
    sound(repo)


def test_a_landing_waits_for_a_rebase(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", {"b": b"b\n", "uet.toml": gate("true")})
    commit(repo, "two")
    assert run(repo, "rebase", "-q", "-x", "false", "HEAD^").code == 1
    uet(repo, "submit", "--onto", "main", "-", stdin=mail("landed", diff("b", b"b\n", b"landed\n")))
    assert b"rebase" in uet(repo, "apply", code=1).out
    edit(repo, "a", b"amended\n")
    assert run(repo, "commit", "-qa", "--amend", "--no-edit").code == 0
    assert run(repo, "rebase", "--continue").code == 0
    uet(repo, "apply")
    assert git(repo, "log", "-2", "--format=%s").decode().splitlines() == ["landed", "say two"]
    sound(repo)


def test_a_commit_waits_for_a_landing(tmp_path: Path) -> None:
    """Pre-commit that is entered while a branch is being moved goes on once it was."""
    repo = hooked(tmp_path / "repo")
    flag = repo / ".git" / "uet" / "hooks" / "landing"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    sleeper = subprocess.Popen(["sleep", "30"])
    flag.write_text(f"{sleeper.pid} {boot}\n")
    edit(repo, "a", b"two\n")
    child = subprocess.Popen(["git", "commit", "-qam", "x"], cwd=repo)
    time.sleep(0.6)
    assert child.poll() is None
    flag.unlink()
    assert child.wait(timeout=20) == 0
    assert kind(repo) == "hook"
    flag.write_text(f"{sleeper.pid} {boot}\n")
    sleeper.kill()
    sleeper.wait()
    assert commit(repo, "three").err == "", "a dead one is not waited for"


def test_many_commits_and_landings_at_once(tmp_path: Path) -> None:
    """Nobody's commit breaks, nothing is lost, the ledger is sound."""
    repo = hooked(tmp_path / "repo", {f"f{n}": b"0\n" for n in range(6)})
    for n in range(6):
        uet(repo, "submit", "-", stdin=mail(f"land {n}", diff(f"f{n}", b"0\n", b"1\n")))
    drain = subprocess.Popen(
        ["sh", "-c", 'for i in 1 2 3 4 5 6; do "$@" apply -q >/dev/null; done', "sh", *_command()],
        cwd=repo,
    )
    made = 0
    while drain.poll() is None or made < 4:
        edit(repo, "mine", f"n{made}\n".encode())
        if run(repo, "add", "mine").code != 0:
            continue  # a landing holds the index for a moment
        did = run(repo, "commit", "-qm", f"mine {made}")
        moved = "cannot lock ref" in did.err or "index.lock" in did.err
        assert did.code == 0 or moved, (
            did.err
        )  # git's own race, in the moment before it runs the hook
        made += did.code == 0
    uet(repo, "apply", code=None)
    uet(repo, "apply", code=None)
    subjects = git(repo, "log", "--format=%s").decode().split("\n")
    assert sorted(s for s in subjects if s.startswith("land")) == [f"land {n}" for n in range(6)]
    assert git(repo, "status", "--porcelain") == b""
    sound(repo)


def _command() -> tuple[str, ...]:
    from tests.product import COMMAND

    return COMMAND


def test_queued_patches_land_after_a_commit(tmp_path: Path) -> None:
    repo = hooked(
        tmp_path / "repo",
        {"b": b"b\n", "uet.toml": b"version = 1\n[queue]\ndrain_on = ['post-commit']\n"},
    )
    uet(repo, "submit", "-", stdin=mail("landed", diff("b", b"b\n", b"landed\n")))
    commit(repo, "two")
    end = time.monotonic() + 30
    while time.monotonic() < end and git(repo, "log", "-1", "--format=%s") != b"landed\n":
        time.sleep(0.05)
    assert git(repo, "log", "--format=%s").decode().split("\n")[:2] == ["landed", "say two"]


def documents(repo: Path) -> Any:
    return uet(repo, "list", "--json").document


def test_what_a_hook_reads_of_a_marker_is_no_evidence(tmp_path: Path) -> None:
    """A marker that somebody wrote lets a commit through the hook; the ledger does not believe it."""
    repo = hooked(tmp_path / "repo", {"uet.toml": FAILS})
    home = repo / ".git" / "uet" / "hooks"
    commit(repo, "good")
    edit(repo, "a", b"bad\n")
    git(repo, "add", "a")
    tree = git(repo, "write-tree").decode().strip()
    epoch = (home / "epoch").read_text().strip()
    base = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    facts = next((home / "ok").iterdir()).read_text().split("\n", 1)[1]
    for name in ("HEAD", "HEAD:uet.toml"):
        key = git(repo, "rev-parse", name).decode().strip()
        (home / "ok" / f"{tree}-{key}-{epoch}").write_text(f"{base} {key}\n{facts}")
    assert run(repo, "commit", "-qm", "forged").code == 0
    assert kind(repo) == "unverified"
    sound(repo)
