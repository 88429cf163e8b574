"""gate list, run, log, fix: a person asks what the gates say of a tree; nothing lands, nothing here is touched."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.e2e.proposals import at_a_terminal
from tests.product import COMMAND, entry, head, snapshot, tree, trust, uet

BASE = b"one\n"
GATES = b"""version = 1
[gates.lint]
kind = "lint"
shell = "echo looked at $UET_TREE; ! grep -q ugly a.txt"
on = ["pre-commit", "queue"]
[gates.unit]
shell = "seq 1 50; ! grep -q bad a.txt"
needs = ["lint"]
paths = ["*.txt"]
[gates.form]
shell = "sed -i s/ugly/pretty/ a.txt"
fixes = true
required = false
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "uet.toml": GATES, "sub/x": BASE})
    trust(repo)
    return repo


def states(document: Any) -> dict[str, str]:
    return {g["name"]: g["state"] for g in document["gates"]}


class TestRun:
    def test_the_checked_out_commit_is_judged_and_nothing_changes(self, repo: Path) -> None:
        (repo / "a.txt").write_bytes(b"ugly\n")
        before = snapshot(repo)
        found = uet(repo / "sub", "gate", "run", "--json").document
        assert states(found) == {"lint": "passed", "unit": "passed", "form": "passed"}
        assert (found["tree"], found["commit"], found["passed"]) == (tree(repo), head(repo), True)
        assert {g["purpose"] for g in found["gates"]} == {"asked"}
        assert snapshot(repo) == before
        uet(repo, "fsck")

    def test_what_is_staged_is_judged_and_not_what_lies_beside_it(self, repo: Path) -> None:
        (repo / "a.txt").write_bytes(b"ugly\n")
        git(repo, "add", "a.txt")
        (repo / "a.txt").write_bytes(b"fine again\n")
        before = snapshot(repo)
        ran = uet(repo, "gate", "run", "--staged", "--json", code=1).document
        assert states(ran) == {"lint": "failed", "unit": "skipped", "form": "failed"}
        assert (ran["commit"], ran["passed"]) == (None, False)
        assert snapshot(repo) == before
        assert ran["tree"] == git(repo, "write-tree").decode().strip()

    def test_staged_paths_decide_what_is_skipped(self, repo: Path) -> None:
        (repo / "sub" / "x").write_bytes(b"two\n")
        git(repo, "add", "sub/x")
        ran = uet(repo, "gate", "run", "--staged", "--json").document
        assert states(ran)["unit"] == "skipped"

    def test_another_commit_and_one_gate(self, repo: Path) -> None:
        commit_files(repo, {"a.txt": b"bad\n"}, "bad")
        uet(repo, "gate", "run", "unit", code=1)
        found = uet(repo, "gate", "run", "unit", "HEAD~1", "--json").document
        assert states(found) == {"unit": "passed"}
        assert found["tree"] == tree(repo, "main~1")

    def test_a_known_verdict_is_used_and_says_when_and_where_it_was_found(self, repo: Path) -> None:
        first = uet(repo, "gate", "run", "--json").document
        ran = uet(repo, "gate", "run").out.decode()
        assert re.search(rf"\(cached \d+ s ago, run {first['run']}\)", ran)
        again = uet(repo, "gate", "run", "--json").document
        assert {g["cached_from"] for g in again["gates"]} == {g["id"] for g in first["gates"]}
        fresh = uet(repo, "gate", "run", "--no-cache", "--json").document
        assert {g["cached_from"] for g in fresh["gates"]} == {None}

    def test_a_verdict_of_gate_run_serves_the_queue(self, repo: Path) -> None:
        (repo / "a.txt").write_bytes(b"two\n")
        git(repo, "add", "a.txt")
        uet(repo, "gate", "run", "--staged")
        git(repo, "reset", "-q", "--hard")
        patch = repo.parent / "p.patch"
        patch.write_bytes(mail("P", diff("a.txt", BASE, b"two\n")))
        said = uet(repo, "apply", patch).out
        assert said.count(b"(cached ") == 3
        assert {g["cached_from"] is None for g in entry(repo, 1)["gates"]} == {False}

    def test_a_failure_shows_the_end_of_its_output_and_where_the_rest_is(self, repo: Path) -> None:
        commit_files(repo, {"a.txt": b"bad\n"}, "bad")
        said = uet(repo, "gate", "run", "--tail", "3", code=1).out.decode()
        lines = said.splitlines()
        at = next(i for i, line in enumerate(lines) if "unit" in line)
        assert [line.strip() for line in lines[at + 1 : at + 4]] == ["| 48", "| 49", "| 50"]
        assert lines[at + 4].strip().startswith("the rest: ")
        assert Path(lines[at + 4].split("the rest: ")[1]).is_file()

    def test_uncommitted_gates_are_tried_and_nothing_is_kept(self, repo: Path) -> None:
        (repo / "uet.toml").write_bytes(b"version = 1\n[gates.new]\nrun = ['true']\n")
        assert b"uet.toml here differs from main's; main's is used" in uet(repo, "gate", "run").err
        refused = uet(repo, "gate", "run", "--config", "worktree", "--json", code=1).document
        assert refused["error"]["code"] == "gate.untrusted"
        variable = refused["error"]["next"][1].split("=", 1)
        env = dict([variable])
        for _ in range(2):
            found = uet(repo, "gate", "run", "--config", "worktree", "--json", env=env).document
            assert states(found) == {"new": "passed"}
            assert found["config"] == "worktree"
            assert [(g["cached_from"]) for g in found["gates"]] == [None]

    def test_nothing_runs_that_nobody_accepted(self, tmp_path: Path) -> None:
        repo = make_repo(tmp_path / "new", {"a.txt": BASE, "uet.toml": GATES})
        for how in ([], ["--staged"], ["--config", "worktree"], ["HEAD"]):
            found = uet(repo, "gate", "run", *how, "--json", code=1).document
            assert found["error"]["code"] == "gate.untrusted"
        assert b"not accepted on this machine" in uet(repo, "gate", "list").out

    def test_a_gate_that_could_not_run_is_no_failure(self, repo: Path) -> None:
        commit_files(
            repo, {"uet.toml": b"version = 1\n[gates.g]\nrun = ['no-such-program']\n"}, "g"
        )
        trust(repo)
        uet(repo, "gate", "run", code=3)
        assert uet(repo, "status", "--json").document["paused"] == []

    @pytest.mark.parametrize(
        "args", [["nonsense"], ["HEAD", "HEAD~0"], ["--staged", "HEAD"], ["--jobs", "0"]]
    )
    def test_what_cannot_be_meant_is_a_usage_error(self, repo: Path, args: list[str]) -> None:
        uet(repo, "gate", "run", *args, code=2)

    def test_a_name_with_two_readings_is_an_error(self, repo: Path) -> None:
        git(repo, "branch", "unit")
        assert b"is a gate and a commit" in uet(repo, "gate", "run", "unit", code=2).err

    def test_on_a_terminal_each_gate_has_a_live_line_and_one_that_stays(self, repo: Path) -> None:
        commit_files(repo, {"uet.toml": GATES + b"[gates.slow]\nrun = ['sleep', '0.4']\n"}, "slow")
        trust(repo)
        ran = at_a_terminal([*COMMAND, "gate", "run"], b"", repo)
        assert ran.code == 0, ran.text
        assert "slow                     running" in ran.text
        stays = [line for line in ran.text.splitlines() if "slow" in line and "passed" in line]
        assert len(stays) == 1

    def test_what_a_gate_prints_reaches_no_terminal_raw(self, repo: Path) -> None:
        evil = b"version = 1\n[gates.g]\nshell = \"printf '\\\\033]0;owned\\\\007\\\\342\\\\200\\\\256x'; exit 1\"\n"
        commit_files(repo, {"uet.toml": evil}, "evil")
        trust(repo)
        ran = at_a_terminal([*COMMAND, "gate", "run"], b"", repo)
        assert "\x1b]0" not in ran.text
        assert "\x07" not in ran.text
        assert "\u202e" not in ran.text
        (attempt,) = uet(repo, "gate", "list", "--json").document
        for how in ([], ["--json"]):
            out = uet(repo, "gate", "log", attempt["last"]["id"], *how).out
            assert b"\x1b" not in out
            assert b"owned" in out


class TestLook:
    def test_list_names_gates_in_their_order_with_their_last_word(self, repo: Path) -> None:
        before = uet(repo, "gate", "list", "--json").document
        assert [(g["name"], g["last"]) for g in before] == [
            ("lint", None),
            ("unit", None),
            ("form", None),
        ]
        uet(repo, "gate", "run")
        assert [g["last"]["state"] for g in uet(repo, "gate", "list", "--json").document] == [
            "passed"
        ] * 3
        assert b"form (may fail)" in uet(repo, "gate", "list").out

    def test_list_makes_no_ledger(self, tmp_path: Path) -> None:
        repo = make_repo(tmp_path / "new", {"a": b"", "uet.toml": GATES})
        uet(repo, "gate", "list")
        assert not (repo / ".git" / "uet").exists()

    def test_log_shows_what_a_gate_said_of_a_change(self, repo: Path) -> None:
        patch = repo.parent / "p.patch"
        patch.write_bytes(mail("P", diff("a.txt", BASE, b"bad\n")))
        uet(repo, "apply", patch, code=1)
        said = uet(repo, "gate", "log", "1").out.decode()
        assert "  | 50" in said
        assert "looked at" in said
        only = uet(repo, "gate", "log", "1", "lint", "--json").document
        assert [(g["name"], g["text"]) for g in only] == [
            ("lint", f"looked at {only[0]['tree']}\n")
        ]
        assert uet(repo, "gate", "log", only[0]["id"], "--json").document == only
        uet(repo, "gate", "log", "1", "nonsense", code=2)
        uet(repo, "gate", "log", "9", code=2)


class TestFix:
    def test_what_a_fixer_would_change_is_offered_and_never_staged(self, repo: Path) -> None:
        commit_files(repo, {"a.txt": b"ugly\n"}, "ugly")
        said = uet(repo, "gate", "run", "form").out.decode()
        assert "next: uet-git gate fix form" in said
        before = snapshot(repo)
        assert "+pretty" in uet(repo, "gate", "fix", "form").out.decode()
        assert snapshot(repo) == before
        uet(repo, "gate", "fix", "--apply")
        assert (repo / "a.txt").read_bytes() == b"pretty\n"
        assert git(repo, "diff", "--cached", "--name-only") == b""
        assert git(repo, "diff", "--name-only") == b"a.txt\n"

    def test_a_fix_that_does_not_fit_changes_nothing(self, repo: Path) -> None:
        commit_files(repo, {"a.txt": b"ugly\n"}, "ugly")
        uet(repo, "gate", "run", "form")
        (repo / "a.txt").write_bytes(b"mine\n")
        (found,) = uet(repo, "gate", "fix", "--apply", "--json", code=1).document
        assert found["applied"] is False
        assert found["problem"]
        assert (repo / "a.txt").read_bytes() == b"mine\n"

    def test_once_the_gate_passes_there_is_nothing_to_fix(self, repo: Path) -> None:
        commit_files(repo, {"a.txt": b"ugly\n"}, "ugly")
        uet(repo, "gate", "run", "form")
        commit_files(repo, {"a.txt": b"pretty\n"}, "pretty")
        uet(repo, "gate", "run", "form")
        assert uet(repo, "gate", "fix", "--json").document == []
