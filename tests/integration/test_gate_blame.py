"""Whom a red gate blames: the patch only if the target passes it; a gate that could not run, or a red target, sets no
patch aside; what fails and then passes is flaky (DESIGN 5, 9)."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, snapshot, states, subjects, trust, uet
from uet_git.model.records import Gate
from uet_git.model.settings import Settings
from uet_git.project import Project
from uet_git.queue.verify import holds_flaky

BASE = b"one\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE, "broken": b"yes\n"})


def gates(repo: Path, text: str, head: str = "") -> None:
    commit_files(repo, {"uet.toml": f"version = 1\n{head}\n{text}".encode()}, "gates")
    trust(repo)


def put(repo: Path, name: str, *diffs: bytes) -> Path:
    file = repo.parent / f"{name}.patch"
    file.write_bytes(mail(name, *diffs))
    return file


def change(
    repo: Path, name: str, path: str = "a.txt", new: bytes = b"two\n", old: bytes = BASE
) -> Path:
    return put(repo, name, diff(path, old, new))


def attempts(repo: Path, number: int) -> list[tuple[str, str]]:
    return [(g["name"], g["state"]) for g in entry(repo, number)["gates"]]


def paused(repo: Path) -> list[str]:
    return [p["code"] for p in uet(repo, "status", "--json").document["paused"]]


WHOLE = "[gates.whole]\nshell = 'test ! -e broken'\n"


def test_a_red_target_sets_no_patch_aside_and_pauses(repo: Path) -> None:
    gates(repo, WHOLE)
    before = snapshot(repo)
    uet(repo, "submit", change(repo, "A"))
    uet(repo, "submit", change(repo, "B", "b.txt"))
    ran = uet(repo, "apply", code=3)
    assert b"gate.base_broken" in ran.out
    assert b"next: uet-git resume" in ran.out
    assert states(repo) == {"1": "queued", "2": "queued"}
    assert paused(repo) == ["gate.base_broken"]
    assert snapshot(repo) == before
    assert entry(repo, 1)["attempts"] == 0


def test_the_patch_that_mends_the_target_lands_and_the_others_after_it(repo: Path) -> None:
    gates(repo, WHOLE)
    uet(repo, "submit", change(repo, "A"))
    uet(repo, "submit", put(repo, "Fix", diff("broken", b"yes\n", None)))
    uet(repo, "submit", change(repo, "B", "b.txt"))
    uet(repo, "apply")
    assert subjects(repo)[-3:] in (["Fix", "A", "B"], ["Fix", "B", "A"])
    assert paused(repo) == []


def test_the_target_is_judged_once_for_all_patches_that_fail(repo: Path) -> None:
    gates(repo, WHOLE)
    for number in range(3):
        uet(
            repo,
            "submit",
            change(repo, f"P{number}", "a.txt", f"{number}\n".encode()),
            "--independent",
        )
    uet(repo, "apply", code=3)
    run = uet(repo, "run", "list", "--json").document[0]["id"]
    with Project.open(str(repo)) as project:
        of_run = project.ledger.gates_of(run=run)
    assert sorted(g.purpose for g in of_run) == ["base", "candidate", "candidate", "candidate"]
    assert [g.entry_id for g in of_run if g.purpose == "base"] == [None]
    uet(repo, "fsck")
    uet(repo, "resume")
    uet(repo, "apply", code=3)
    run = uet(repo, "run", "list", "--json").document[0]["id"]
    with Project.open(str(repo)) as project:
        assert {g.purpose for g in project.ledger.gates_of(run=run)} == {"candidate"}, (
            "its verdict is kept"
        )


def test_a_patch_that_breaks_one_gate_more_than_the_target_is_to_blame(repo: Path) -> None:
    gates(repo, WHOLE + "[gates.more]\nshell = '! grep -q two a.txt'\n")
    uet(repo, "apply", change(repo, "A"), code=1)
    found = entry(repo, 1)
    assert (found["state"], found["reason"]) == ("quarantined", "gate.failed")
    assert found["detail"].startswith("more: ")


def test_a_gate_that_fails_on_the_target_by_its_paths_is_still_asked_there(repo: Path) -> None:
    """`paths` says what a change concerns; on the target itself the gate runs whatever they are."""
    gates(repo, WHOLE + "paths = ['a.txt']\n")
    uet(repo, "apply", change(repo, "A"), code=3)
    assert states(repo) == {"1": "queued"}


@pytest.mark.parametrize("again", [[], ["--json"]])
def test_what_could_not_run_pauses_and_the_next_apply_says_so_too(
    repo: Path, again: list[str]
) -> None:
    gates(repo, "[gates.g]\nrun = ['no-such-program']\n")
    first = uet(repo, "apply", change(repo, "A"), code=3)
    assert b"next: uet-git resume" in first.out
    second = uet(repo, "apply", *again, code=3)
    if again:
        (found,) = second.document
        assert (found["reason"], found["next"]) == ("gate.error", [["uet-git", "resume"]])
    else:
        assert b"next: uet-git resume" in second.out
    assert states(repo) == {"1": "queued"}


def test_a_persons_pause_is_no_fault(repo: Path) -> None:
    uet(repo, "submit", change(repo, "A"))
    uet(repo, "pause", "--reason", "lunch")
    uet(repo, "apply", code=1)


ONCE = "n=$(cat {count} 2>/dev/null || echo 0); echo $((n + 1)) > {count}; [ $n -ne {fails} ]"


def flaky(repo: Path, head: str = "", more: str = "") -> None:
    """A gate that fails the first time on anything."""
    script = ONCE.format(count=repo.parent / "count", fails=0)
    gates(repo, f"[gates.g]\nshell = '{script}'\nretries = 1\n{more}", f"sandbox = 'none'\n{head}")


def test_a_pass_on_the_retry_lands_and_is_recorded_as_flaky(repo: Path) -> None:
    flaky(repo)
    uet(repo, "apply", "--jobs", "1", change(repo, "A"))
    assert attempts(repo, 1) == [("g", "failed"), ("g", "passed")]
    assert entry(repo, 1)["gates"][1]["detail"].startswith(
        "flaky: g failed before and passed on try 2"
    )
    events = [e for e in entry(repo, 1)["events"] if e["kind"] == "gate_state_changed"]
    assert events[-1]["payload"]["flaky"] == ["g"]
    uet(repo, "fsck")


def test_a_first_try_that_failed_is_no_verdict_on_the_target(repo: Path) -> None:
    """It landed with a failure on record for exactly the tree that is the tip now; that must not excuse the next."""
    script = ONCE.format(count=repo.parent / "count", fails=0) + " && ! grep -q bad b.txt"
    gates(repo, f"[gates.g]\nshell = '{script}'\nretries = 1\n", "sandbox = 'none'")
    uet(repo, "apply", change(repo, "A"))
    assert attempts(repo, 1) == [("g", "failed"), ("g", "passed")]
    uet(repo, "apply", change(repo, "B", "b.txt", b"bad\n"), code=1)
    assert entry(repo, 2)["reason"] == "gate.failed"


def test_flaky_tests_are_named(repo: Path) -> None:
    case = '<testcase classname="t" name="{}">{}</testcase>'
    red = case.format("shaky", "<failure/>")
    report = "<testsuite>" + case.format("solid", "") + "{}</testsuite>"
    bad, good = report.format(red), report.format(case.format("shaky", ""))
    script = (
        f"n=$(cat {repo.parent}/count 2>/dev/null); echo x > {repo.parent}/count; "
        f'if [ -z "$n" ]; then cp {repo.parent}/bad.xml r.xml; exit 1; else cp {repo.parent}/good.xml r.xml; fi'
    )
    (repo.parent / "bad.xml").write_text(bad)
    (repo.parent / "good.xml").write_text(good)
    gates(
        repo,
        f"[gates.g]\nshell = '''{script}'''\nretries = 1\njunit = 'r.xml'\n",
        "sandbox = 'none'",
    )
    uet(repo, "apply", change(repo, "A"))
    events = [e for e in entry(repo, 1)["events"] if e["kind"] == "gate_state_changed"]
    assert events[-1]["payload"]["flaky"] == ["t::shaky"]


def test_a_flaky_pass_can_be_kept_for_a_person(repo: Path) -> None:
    flaky(repo, more="flaky = 'quarantine'\n")
    uet(repo, "apply", change(repo, "A"), code=1)
    found = entry(repo, 1)
    assert (found["state"], found["reason"]) == ("quarantined", "gate.flaky")


@pytest.mark.parametrize(
    ("preset", "flaky_key", "kept"),
    [("open", "", False), ("standard", "", False), ("strict", "", True), ("strict", "land", False)],
)
def test_strict_keeps_a_flaky_pass_unless_the_gate_says_otherwise(
    preset: str, flaky_key: str, kept: bool
) -> None:
    settings = Settings(preset=preset)
    assert holds_flaky(settings, Gate("g", ("x",), flaky=flaky_key)) is kept


TAMPERINGS = {
    "hook": "printf 'x' > {git}/hooks/post-commit",
    "config": "git --git-dir={git} config core.pager evil",
    "branch": "git --git-dir={git} update-ref refs/heads/main $(git --git-dir={git} commit-tree -m x HEAD^{{tree}})",
    "ledger": "printf '' > {git}/uet/ledger.db",
}


@pytest.mark.parametrize("what", ["hook", "config", "branch"])
def test_a_gate_that_changes_the_repository_stops_the_queue(repo: Path, what: str) -> None:
    script = TAMPERINGS[what].format(git=repo / ".git")
    who = "GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@y GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@y"
    gates(repo, f"[gates.g]\nshell = '''export {who}; {script}; true'''\n", "sandbox = 'none'")
    ran = uet(repo, "apply", change(repo, "A"), code=3)
    assert b"gate.tampered" in ran.out
    assert b"while g ran: " in ran.out
    assert states(repo) == {"1": "queued"}
    assert attempts(repo, 1) == [("g", "error")]
    assert paused(repo) == ["gate.tampered"]
    assert git(repo, "for-each-ref", "refs/uet/entries") == b""


ROW = (
    "import sqlite3; db = sqlite3.connect('{git}/uet/ledger.db', isolation_level=None);"
    ' kept = db.execute(\'SELECT name, sql FROM sqlite_master WHERE type = "trigger" AND tbl_name = "entries"\').fetchall();'
    " [db.execute('DROP TRIGGER ' + n) for n, _ in kept];"
    " db.execute('UPDATE entries SET state = \"verified\"'); [db.execute(s) for _, s in kept]"
)


@pytest.mark.parametrize("script", [TAMPERINGS["ledger"], "rm {git}/uet/ledger.db", "python"])
def test_a_gate_that_changes_the_ledger_stops_the_queue(repo: Path, script: str) -> None:
    """The gate is named, nothing lands, and what is left of the ledger has the queue stand still."""
    if script == "python":
        (repo.parent / "row.py").write_text(ROW.format(git=repo / ".git"))
        script = f"{sys.executable} {repo.parent}/row.py"
    gates(
        repo, f"[gates.g]\nshell = '''{script.format(git=repo / '.git')}'''\n", "sandbox = 'none'"
    )
    before = git(repo, "rev-parse", "HEAD")
    ran = uet(repo, "apply", change(repo, "A"), code=3)
    assert b"while g ran: " in ran.err
    assert b"bug" not in ran.err
    assert git(repo, "rev-parse", "HEAD") == before
    again = uet(repo, "apply", code=None)
    assert again.code in (1, 3), again.said
    assert git(repo, "rev-parse", "HEAD") == before
    uet(repo, "fsck", code=1 if "row.py" in script else None)


def test_other_refs_that_change_while_a_gate_runs_are_noted(repo: Path) -> None:
    """Anybody may have moved them: the change lands, and the ledger has a line."""
    script = f"git --git-dir={repo / '.git'} branch evil HEAD"
    gates(repo, f"[gates.g]\nshell = '''{script}'''\n", "sandbox = 'none'")
    uet(repo, "apply", change(repo, "A"))
    assert states(repo) == {"1": "committed"}
    (note,) = [
        e["payload"] for e in uet(repo, "log", "1", "--json").document if e["kind"] == "note"
    ]
    assert note == {"while_gates_ran": ["g"], "changed": ["refs/heads/evil was made"]}
    uet(repo, "fsck")


def test_a_pass_is_not_used_where_the_repository_was_changed(repo: Path) -> None:
    script = TAMPERINGS["hook"].format(git=repo / ".git")
    gates(repo, f"[gates.g]\nshell = '''{script}'''\n", "sandbox = 'none'")
    uet(repo, "apply", change(repo, "A"), code=3)
    uet(repo, "resume")
    uet(repo, "apply", code=None)
    found: list[dict[str, Any]] = entry(repo, 1)["gates"]
    assert "passed" not in [g["state"] for g in found[:1]]


def test_a_second_patch_with_the_same_tree_uses_the_verdict(repo: Path) -> None:
    gates(repo, "[gates.g]\nshell = 'true'\n")
    uet(repo, "apply", change(repo, "A"))
    git(repo, "reset", "-q", "--hard", "HEAD~1")
    uet(repo, "apply", change(repo, "Again"))
    (found,) = entry(repo, 2)["gates"]
    assert found["state"] == "passed"
    (source,) = entry(repo, 1)["gates"]
    assert (found["cached_from"], found["run"] == source["run"]) == (source["id"], False)
    uet(repo, "fsck")
