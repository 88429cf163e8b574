"""The hooks' shortcut: a usual commit is judged before the package is loaded, and is recorded as it would have been
the long way (DESIGN 11, 16)."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hooking import (
    Did,
    audited,
    commit,
    edit,
    gate,
    git,
    hooked,
    kind,
    newest,
    run,
    sound,
    tied,
)
from tests.product import entry, uet
from uet_git.plumbing import untouched
from uet_git.project import Project
from uet_git.queue import trust
from uet_git.queue.gate_question import Questions
from uet_git.queue.gate_slot import Slots

LOADED = frozenset(
    {
        *("uet_git", "uet_git.host", "uet_git.model", "uet_git.plumbing", "uet_git.queue"),
        *("uet_git.host.gitenv", "uet_git.host.hooknote", "uet_git.host.hookplan"),
        *("uet_git.host.spawn", "uet_git.model.plainpath", "uet_git.plumbing.indexnames"),
        *("uet_git.plumbing.loose", "uet_git.plumbing.tidy", "uet_git.plumbing.untouched"),
        *("uet_git.plumbing.warmslot", "uet_git.queue.shortcut"),
        *("_ctypes", "_json", "_sha2", "_sha256", "_signal", "fcntl", "select", "zlib"),
    }
)
"""All that a usual commit may load beside what Python has anyway; each more is a millisecond for every commit."""


def lines(repo: Path) -> list[dict[str, object]]:
    """What the shortcut judged and nobody has tied up yet, or has since the journal began."""
    path = repo / ".git" / "uet" / "hooks" / "journal"
    text = path.read_text() if path.exists() else ""
    return [json.loads(x[8:]) for x in text.splitlines() if x.startswith("checked ")]


def warm(folder: Path, shell: str, more: str = "", **files: bytes) -> Path:
    """A repository in which a commit went the long way, so that the next one needs not."""
    repo = hooked(folder, {"uet.toml": gate(shell, more=more), "b/c": b"c\n", **files})
    assert commit(repo, "first").code == 0
    return repo


def quick(repo: Path, content: str, **env: str) -> Did:
    """A commit that must have taken the shortcut."""
    before = len(lines(repo))
    did = commit(repo, content, **env)
    assert len(lines(repo)) == before + 1
    return did


def test_it_is_recorded_like_any_other(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "cat a")
    assert quick(repo, "two") == Did(0, "")
    (said,) = lines(repo)
    assert kind(repo) == "hook"
    found = newest(repo)
    assert (found["state"], found["title"], found["rung"]) == ("committed", "say two", "hook")
    first, second = (entry(repo, n) for n in ("1", "2"))
    assert (found["number"], found["submitter"]) == (2, first["submitter"])
    for name in ("state", "name", "tier", "exit_code", "type", "required", "detail"):
        assert first["gates"][0][name] == second["gates"][0][name]
    assert [e["kind"] for e in first["events"]] == [e["kind"] for e in second["events"]]
    assert second["gates"][0]["id"] == said["gate_id"]
    assert Path(str(said["output"])).read_bytes() == b"two"
    sound(repo)


def test_the_verdict_answers_the_same_question(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "true")
    quick(repo, "two")
    with Project.open(str(repo)) as project:
        settings = project.settings_at(project.tip("refs/heads/main"))
        slots = Slots(project, settings)
        tree = project.objects.resolve("HEAD^{tree}")
        assert tree is not None
        key = Questions(project, slots.base).key(settings.gates[0], tree, (), slots.tier)
    assert lines(repo)[0]["key"] == key


def test_it_sees_what_is_committed_and_nothing_else(tmp_path: Path) -> None:
    """Staged text of a file that goes on being edited, a new, a deleted and a moved file; no untracked one."""
    repo = warm(tmp_path / "repo", "cat a; find . -type f | sort")
    edit(repo, "a", b"staged\n")
    edit(repo, "b/new", b"n\n")
    git(repo, "add", "a", "b/new")
    git(repo, "mv", "b/c", "b/d")
    edit(repo, "a", b"not staged\n")
    edit(repo, "loose", b"x\n")
    assert run(repo, "commit", "-qm", "x") == Did(0, "")
    (said,) = lines(repo)
    assert Path(str(said["output"])).read_bytes() == b"staged\n./a\n./b/d\n./b/new\n./uet.toml\n"
    assert said["tree"] == git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    assert (repo / "a").read_bytes() == b"not staged\n"


def test_a_gate_that_says_no(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "cat a; ! grep -q bad a")
    did = quick(repo, "bad")
    assert did.code == 1
    assert "a gate of main refuses this commit: g: exit 1" in did.ours[0]
    assert "bad" in did.err
    assert "uet-git show 2" in did.err
    found = newest(repo)
    assert (found["state"], found["reason"]) == ("quarantined", "gate.failed")
    assert quick(repo, "good").code == 0
    assert kind(repo) == "hook"
    sound(repo)


@pytest.mark.parametrize(
    ("does", "named"),
    [
        ("git -C {repo} config core.fsmonitor /tmp/x", "config was changed"),
        ("echo x > {repo}/.git/hooks/pre-push", "pre-push was"),
        ("echo 1 > {repo}/.git/uet/hooks/epoch", "epoch was changed"),
        ("rm {repo}/.git/refs/heads/main", "refs/heads/main moved"),
        ("cp {repo}/.git/uet/ledger.db {repo}/x; mv {repo}/x {repo}/.git/uet/ledger.db", "ledger"),
        ("sleep 0.3; echo x > {repo}/.git/info/attributes", "attributes was made"),
    ],
)
def test_a_gate_that_changes_the_repository(does: str, named: str, tmp_path: Path) -> None:
    """It is noticed the first time, and told."""
    shell = f"! grep -q evil a || {{ {does.format(repo=tmp_path / 'repo')}; }}"
    repo = warm(tmp_path / "repo", shell)
    did = commit(repo, "evil")
    assert did.code == 1
    assert named in did.err
    with Project.open(str(repo)) as project:
        assert [p.code for p in project.ledger.pauses()] == ["gate.tampered"]


@pytest.mark.parametrize("end", ["exit 127", "exit 125"])
def test_one_that_changes_the_repository_and_says_nothing(end: str, tmp_path: Path) -> None:
    """The long way must not begin with what it left, and find nothing the second time."""
    once = tmp_path / "once"
    evil = f"touch {once}; rm -f .git/uet/hooks/gating/*; git config core.fsmonitor /x; {end}"
    shell = f"! grep -q evil a || test -e {once} || {{ cd {tmp_path / 'repo'}; {evil}; }}"
    repo = warm(tmp_path / "repo", shell)
    before = git(repo, "rev-parse", "HEAD")
    did = commit(repo, "evil")
    assert did.code == 1
    assert "config was changed" in did.err
    with Project.open(str(repo)) as project:
        assert [p.code for p in project.ledger.pauses()] == ["gate.tampered"]
    assert git(repo, "rev-parse", "HEAD") == before


@pytest.mark.parametrize("how", ["ledger.db", "../config"])
def test_one_that_leaves_nothing_to_look_at(how: str, tmp_path: Path) -> None:
    """A ledger or a configuration that cannot even be read any more refuses as well."""
    shell = f"! grep -q evil a || head -c 600000 /dev/urandom >{tmp_path}/repo/.git/uet/{how}"
    repo = warm(tmp_path / "repo", shell)
    assert commit(repo, "evil").code == 1
    log = (repo / ".git" / "logs" / "HEAD").read_text()
    assert "say evil" not in log


def test_one_that_takes_its_time_is_followed(tmp_path: Path) -> None:
    """And leaves nothing behind: what it started in sessions of their own is gone."""
    shell = f'setsid sleep 97 & setsid sh -c "sleep 98; touch {tmp_path}/late" & sleep 0.3; cat a'
    repo = warm(tmp_path / "repo", shell)
    assert quick(repo, "two") == Did(0, "")
    assert Path(str(lines(repo)[0]["output"])).read_bytes() == b"two"
    assert running(tmp_path) == []
    assert kind(repo) == "hook"


def test_a_short_one_leaves_nothing_either(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "setsid sleep 97 >/dev/null 2>&1 </dev/null & true")
    assert quick(repo, "two") == Did(0, "")
    assert running(tmp_path) == []


def test_it_ends_with_its_timeout(tmp_path: Path) -> None:
    text = gate("! grep -q slow a || sleep 60") + b"timeout = 1\n"
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "first").code == 0
    began = time.monotonic()
    did = quick(repo, "slow")
    assert time.monotonic() - began < 8
    assert did.code == 1
    assert "did not end within 1 s" in did.err
    assert newest(repo)["reason"] == "gate.timeout"


def running(folder: Path) -> list[str]:
    """Command lines of processes in a gate's scratch tree or with a gate's mark, but for those of other tests."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            environ = (proc / "environ").read_bytes()
            if b"UET_GATE=" in environ and str(folder).encode() in environ:
                found.append((proc / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_the_middle(number: int, tmp_path: Path) -> None:
    started = tmp_path / "started"
    shell = f"grep -q first a || test -e {started} || {{ touch {started}; exec sleep 60; }}"
    repo = warm(tmp_path / "repo", shell)
    edit(repo, "a", b"two")
    git(repo, "add", "a")
    child = subprocess.Popen(
        ["git", "commit", "-qm", "x"],
        cwd=repo,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not started.exists():
        time.sleep(0.01)
    os.killpg(child.pid, number)
    child.wait(timeout=20)
    time.sleep(0.1)
    (repo / ".git" / "index.lock").unlink(missing_ok=True)
    uet(repo, "status")
    assert running(tmp_path) == []
    assert quick(repo, "three").code == 0
    assert kind(repo) == "hook"
    assert list((repo / ".git" / "uet" / "hooks" / "gating").iterdir()) == []
    sound(repo)


def test_what_is_staged_meanwhile_refuses(tmp_path: Path) -> None:
    shell = f"! grep -q two a || {{ cd {tmp_path / 'repo'} && echo more >b/c && git add b/c; }}"
    repo = warm(tmp_path / "repo", shell)
    before = git(repo, "rev-parse", "HEAD")
    did = commit(repo, "two")
    assert did.code == 1
    assert "the index changed while the gates ran" in did.err
    assert git(repo, "rev-parse", "HEAD") == before


@pytest.mark.parametrize("name", ["a\u0301", "con.txt", "A", ".gitmodules", "x y", "d/.git-x"])
def test_an_odd_name_goes_the_long_way(name: str, tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "true")
    edit(repo, name, b"x\n")
    git(repo, "add", name)
    run(repo, "commit", "-qm", "odd")
    assert lines(repo) == []
    assert tied(repo)[-1]["number"] == 2


def test_other_gates_are_asked_the_long_way(tmp_path: Path) -> None:
    """Nothing of a plan outlives its configuration, what was accepted, or what gates see."""
    repo = warm(tmp_path / "repo", "true")
    quick(repo, "two")
    edit(repo, "uet.toml", gate("grep -q . a"))
    git(repo, "add", "uet.toml")
    run(repo, "commit", "-qm", "other gates")
    assert len(lines(repo)) == 1
    did = commit(repo, "three")
    assert len(lines(repo)) == 1
    assert "no gate ran" in did.err
    assert kind(repo) == "unverified"


@pytest.mark.parametrize(
    "change",
    [{"LANG": "eo"}, {"UET_SKIP": "g"}, {"LC_XX": "1"}, {"CI": "true"}, {"XDG_STATE_HOME": "/x"}],
)
def test_another_environment_goes_the_long_way(change: dict[str, str], tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "true")
    commit(repo, "two", **change)
    assert lines(repo) == []


def test_what_was_accepted_or_is_wanted_otherwise_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their files alone, whatever their times: an acceptance that is gone, a policy of the user's that came."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    repo = warm(tmp_path / "repo", "true")
    quick(repo, "two")
    policy = tmp_path / "config" / "uet-git" / "policy.toml"
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text("version = 1\n[policy]\nprotected = ['a']\n")
    os.utime(policy, (1, 1))
    assert commit(repo, "three").code == 1
    policy.unlink()
    with Project.open(str(repo)) as project:
        settings = project.settings_at(project.tip("refs/heads/main"))
        Path(trust.kept_at(project, settings)).unlink()
    assert "no gate ran" in commit(repo, "four").err


def test_a_commit_whose_report_is_missing_is_tied_by_its_tree(tmp_path: Path) -> None:
    """Git was killed after it had moved the branch, before post-commit."""
    repo = warm(tmp_path / "repo", "true")
    tied(repo)
    (repo / ".git" / "hooks" / "post-commit").chmod(0o644)
    quick(repo, "two")
    assert kind(repo) == "hook"
    assert newest(repo)["state"] == "committed"


def test_a_no_that_cannot_be_written_down_is_one(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "! grep -q bad a")
    tied(repo)
    journal = repo / ".git" / "uet" / "hooks" / "journal"
    journal.unlink()
    journal.mkdir()
    did = commit(repo, "bad")
    assert did.code == 1
    assert "could not be written down" in did.err


def test_half_a_line_costs_no_verdict(tmp_path: Path) -> None:
    """The disk was full, or the power went away."""
    repo = warm(tmp_path / "repo", "true")
    tied(repo)
    with (repo / ".git" / "uet" / "hooks" / "journal").open("a") as file:
        file.write('checked {"v":1,"pid":3')
    assert commit(repo, "two").code == 0
    assert kind(repo) == "hook"


def test_a_branch_whose_name_is_no_text_goes_the_long_way(tmp_path: Path) -> None:
    """The ledger cannot keep it: a line with it would be in the way of every command."""
    repo = warm(tmp_path / "repo", "true")
    subprocess.run([b"git", b"checkout", b"-qb", b"x\xff"], cwd=repo, check=True)
    assert commit(repo, "two").code == 0
    assert lines(repo) == []
    git(repo, "checkout", "-q", "main")
    quick(repo, "three")
    (said,) = lines(repo)
    for wrong in ({"target": "refs/heads/x\udcff"}, {"pid": 1 << 80}, {"exit_code": 1 << 80}):
        with (repo / ".git" / "uet" / "hooks" / "journal").open("a") as file:
            file.write(f"checked {json.dumps({**said, 'gate_id': '0' * 26, **wrong})}\n")
    assert kind(repo) == "hook"


@pytest.mark.parametrize("name", ["config", "plan"])
def test_what_came_with_an_older_time_is_new_all_the_same(name: str, tmp_path: Path) -> None:
    """A restored file; and a plan whose time is over."""
    repo = warm(tmp_path / "repo", "true")
    (plan,) = (repo / ".git" / "uet" / "hooks" / "plans").iterdir()
    path = plan if name == "plan" else repo / ".git" / "config"
    kept = path.stat().st_mtime_ns
    more = b"until\0001.0\0" if name == "plan" else b"[color]\n\tui = false\n"
    path.write_bytes(path.read_bytes() + more)
    os.utime(path, ns=(kept, kept))
    assert commit(repo, "two").code == 0
    assert lines(repo) == []


def test_a_folder_of_path_that_leads_elsewhere_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its time, another program may lie there."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    link = tmp_path / "bin"
    link.symlink_to(tmp_path / "old")
    monkeypatch.setenv("PATH", f"{link}:{os.environ['PATH']}")
    time.sleep(0.05)  # it is older than the plan
    repo = warm(tmp_path / "repo", "true")
    quick(repo, "two")
    link.unlink()
    link.symlink_to(tmp_path / "new")
    assert commit(repo, "three").code == 0
    assert len(lines(repo)) == 1


def test_a_sandbox_that_may_work_soon_is_tried_again(tmp_path: Path) -> None:
    """Where none works and any is wanted, a plan holds no longer than what was found out about that."""
    text = gate("true").replace(b"sandbox = 'none'\n", b"")
    repo = hooked(tmp_path / "repo", {"uet.toml": text})
    assert commit(repo, "first").code == 0
    for plan in (repo / ".git" / "uet" / "hooks" / "plans").iterdir():
        words = plan.read_bytes().split(b"\0")
        until = float(words[words.index(b"until") + 1])
        assert time.time() < until < time.time() + 601


def test_a_ledger_is_its_log_too(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    log = tmp_path / "ledger.db-wal"
    path.write_bytes(b"x")
    before = untouched.Before(str(tmp_path), str(tmp_path), str(path), "refs/heads/main")
    log.write_bytes(b"")
    assert before.is_same()
    log.write_bytes(b"more")
    assert not before.is_same()


def test_a_line_that_fits_nothing_is_no_verdict(tmp_path: Path) -> None:
    """What claims another configuration than the base tree has, or a gate that it has not."""
    repo = warm(tmp_path / "repo", "true")
    quick(repo, "two")
    (said,) = lines(repo)
    git(repo, "commit", "-q", "--no-verify", "--allow-empty", "-m", "past the hook")
    edit(repo, "a", b"forged\n")
    git(repo, "add", "a")
    tree = git(repo, "write-tree").decode().strip()
    base = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    journal = repo / ".git" / "uet" / "hooks" / "journal"
    for wrong in ({"config": "0" * 40}, {"gate": "other"}, {"base": "1" * 40}, {"pid": "x"}):
        forged = {**said, "gate_id": "0" * 26, "tree": tree, "base": base, **wrong}
        with journal.open("a") as file:
            file.write(f"checked {json.dumps(forged)}\n")
    run(repo, "commit", "-qm", "forged", "--no-verify")
    assert audited(repo)["forged"] == "unverified"
    sound(repo)


def test_it_loads_next_to_nothing(tmp_path: Path) -> None:
    repo = warm(tmp_path / "repo", "true")
    shim = repo / ".git" / "hooks" / "pre-commit"
    text = shim.read_text()
    python = re.search(r"^python='(.*)'$", text, re.MULTILINE)
    assert python is not None
    seen = tmp_path / "seen"
    tracer = tmp_path / "tracer"
    tracer.write_text(f'#!/bin/sh\nexec {python[1]} -X importtime "$@" 2>{seen}\n')
    tracer.chmod(0o755)
    shim.write_text(text.replace(python[0], f"python='{tracer}'"))
    assert commit(repo, "warm up").code == 0
    quick(repo, "two")
    names = [line.rsplit("|", 1)[1].strip() for line in seen.read_text().splitlines()[1:]]
    bare = subprocess.run(
        [python[1], "-IS", "-X", "importtime", "-c", "import os"], capture_output=True, check=True
    ).stderr.decode()
    usual = {line.rsplit("|", 1)[1].strip() for line in bare.splitlines()[1:]}
    assert set(names) - usual - LOADED == set()
