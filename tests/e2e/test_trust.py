"""A clone runs none of its gates before a person accepted what they would run, on this machine (DESIGN 2, P9)."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.e2e.proposals import at_a_terminal
from tests.product import COMMAND, entry, states, subjects, uet, wait_for_gate
from uet_git.host import contracts

BASE = b"one\n"


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What a gate makes when it runs."""
    return tmp_path / "canary"


@pytest.fixture
def repo(tmp_path: Path, canary: Path) -> Path:
    """A repository with a gate that leaves a trace, and one patch in its queue."""
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE, "uet.toml": rules(canary)})
    uet(repo, "submit", patch(repo, "A", "a.txt"))
    return repo


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's person keeps what they accept."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def rules(canary: Path, more: str = "") -> bytes:
    gate = f"[gates.check]\nshell = 'echo ran >> {canary}'\ncache = false\n"
    return f"version = 1\nsandbox = 'none'\n{gate}{more}".encode()


def patch(repo: Path, subject: str, path: str, new: bytes = b"two\n", old: bytes = BASE) -> Path:
    file = repo.parent / f"{subject}.patch"
    file.write_bytes(mail(subject, diff(path, old, new)))
    return file


def shown(repo: Path, *args: str) -> Any:
    document = uet(repo, "trust", "--show", "--json", *args).document
    assert list(contracts.iter_errors(document, "trust.v1")) == []
    return document


def kept(store: Path) -> list[Path]:
    return sorted(p for p in store.rglob("*") if p.is_file())


def refused(repo: Path, canary: Path, **how: Any) -> str:
    """An `apply` that must not run the gate; returns what it said."""
    ran = uet(repo, "apply", code=1, **how)
    assert not canary.exists()
    assert set(states(repo).values()) == {"queued"}
    assert git(repo, "for-each-ref", "refs/uet/entries") == b"", "nothing is pinned"
    assert entry(repo, 1)["gates"] == []
    return ran.said


class TestWithoutAcceptance:
    def test_nothing_of_a_fresh_clone_runs(self, repo: Path, canary: Path, tmp_path: Path) -> None:
        """The entry waits with the cause and the next command, and lands once the gates are accepted."""
        clone = tmp_path / "clone"
        git(tmp_path, "clone", "-q", str(repo), str(clone))
        uet(clone, "submit", patch(clone, "B", "b.txt"))
        said = refused(clone, canary)
        assert "gate.untrusted: the gates of main (check) are not accepted on this machine" in said
        assert "  next: uet-git trust\n" in said
        uet(clone, "trust", "--yes")
        uet(clone, "apply")
        assert states(clone) == {"1": "committed"}
        assert canary.read_text() == "ran\n"

    def test_the_document_of_the_apply_says_so(self, repo: Path, canary: Path) -> None:
        (found,) = uet(repo, "apply", "--json", code=1).document
        assert (found["state"], found["reason"]) == ("queued", "gate.untrusted")
        assert found["next"] == [["uet-git", "trust"]]
        assert not canary.exists()

    def test_list_show_status_and_doctor_say_so(self, repo: Path) -> None:
        """Also before anything was tried; afterwards none does."""
        for verb in ("list", "show"):
            document = uet(repo, verb, *(["1"] if verb == "show" else []), "--json").document
            found = document[0] if verb == "list" else document
            assert (found["reason"], found["next"]) == ("gate.untrusted", [["uet-git", "trust"]])
        assert b"(gate.untrusted)" in uet(repo, "list").out
        status = uet(repo, "status", "--json").document
        assert list(contracts.iter_errors(status, "status.v1")) == []
        assert [u["target"] for u in status["untrusted"]] == ["refs/heads/main"]
        assert status["next"][0] == ["uet-git", "trust"]
        assert b"waits for trust: the gates of main (check)" in uet(repo, "status").out
        assert _doctor(repo) == ["problem"]
        uet(repo, "trust", "--yes")
        assert uet(repo, "status", "--json").document["untrusted"] == []
        assert uet(repo, "list", "--json").document[0]["reason"] is None
        assert _doctor(repo) == ["ok"]

    def test_status_of_a_clone_without_a_ledger_says_so(self, tmp_path: Path, canary: Path) -> None:
        repo = make_repo(tmp_path / "new", {"uet.toml": rules(canary)})
        assert b"next: uet-git trust\n" in uet(repo, "status").out
        assert not (repo / ".git" / "uet").exists()

    def test_other_branches_go_on(self, repo: Path, canary: Path) -> None:
        """A branch without gates, and one whose gates are accepted, land meanwhile; the command names the branch."""
        git(repo, "branch", "plain")
        git(repo, "switch", "-q", "plain")
        git(repo, "rm", "-q", "uet.toml")
        git(repo, "commit", "-q", "-m", "no gates")
        git(repo, "switch", "-q", "main")
        git(repo, "config", "uet.branch", "plain")
        uet(repo, "submit", "--onto", "plain", patch(repo, "P", "b.txt"))
        said = uet(repo, "apply", code=1).said
        assert states(repo) == {"1": "queued", "2": "committed"}
        assert "next: uet-git trust --onto main\n" in said
        assert not canary.exists()
        uet(repo, "trust", "--yes", "--onto", "main")
        uet(repo, "apply")
        assert states(repo) == {"1": "committed", "2": "committed"}

    def test_without_gates_nothing_is_asked(self, tmp_path: Path, store: Path) -> None:
        repo = make_repo(tmp_path / "new", {"a.txt": BASE, "uet.toml": b"version = 1\n"})
        uet(repo, "apply", patch(repo, "A", "a.txt"))
        assert b"nothing to accept" in uet(repo, "trust").out
        assert not store.exists()

    def test_gates_that_the_queue_does_not_run_do_not_hold_it(
        self, tmp_path: Path, canary: Path
    ) -> None:
        text = rules(canary, "on = ['pre-commit']\n")
        repo = make_repo(tmp_path / "new", {"a.txt": BASE, "uet.toml": text})
        uet(repo, "apply", patch(repo, "A", "a.txt"))
        assert not shown(repo)["accepted"]
        assert not canary.exists()


def _doctor(repo: Path) -> list[str]:
    checks = uet(repo, "doctor", "--json", code=None).document["checks"]
    return [c["state"] for c in checks if c["name"] == "trust"]


class TestChanges:
    def test_a_changed_definition_asks_again(self, repo: Path, canary: Path) -> None:
        """Back to the old one, which is still accepted; another comment is no change."""
        uet(repo, "trust", "--yes")
        old = rules(canary)
        commit_files(repo, {"uet.toml": rules(canary, "network = true\n")}, "more rights")
        assert "not the ones that were accepted" in refused(repo, canary)
        commit_files(repo, {"uet.toml": old + b"# a comment\n"}, "back")
        uet(repo, "apply")
        assert states(repo) == {"1": "committed"}

    def test_a_landed_change_of_the_gates_holds_what_comes_after_it(
        self, repo: Path, canary: Path
    ) -> None:
        """In the same apply: what follows is not judged by gates that nobody accepted, nor without them."""
        uet(repo, "trust", "--yes")
        new = rules(canary, "[gates.late]\nrun = ['touch', '" + str(canary) + ".late']\n")
        uet(repo, "submit", patch(repo, "G", "uet.toml", new, rules(canary)))
        uet(repo, "submit", patch(repo, "B", "b.txt"))
        said = uet(repo, "apply", code=1).said
        assert states(repo) == {"1": "committed", "2": "committed", "3": "queued"}
        assert "not the ones that were accepted" in said
        assert not canary.with_suffix(".late").exists()

    def test_an_atomic_series_that_brings_gates_does_not_slip_through(
        self, repo: Path, canary: Path
    ) -> None:
        uet(repo, "trust", "--yes")
        new = rules(canary, "[gates.late]\nrun = ['touch', '" + str(canary) + ".late']\n")
        first = patch(repo, "G", "uet.toml", new, rules(canary))
        uet(repo, "submit", first)
        uet(
            repo,
            "submit",
            "--atomic",
            patch(repo, "B", "b.txt"),
            patch(repo, "N", "n.txt", old=b""),
        )
        uet(repo, "apply", code=1)
        assert states(repo) == {"1": "committed", "2": "committed", "3": "queued", "4": "queued"}
        assert not canary.with_suffix(".late").exists()

    def test_a_tip_that_gets_other_gates_while_it_lands(self, repo: Path, canary: Path) -> None:
        """The branch moves meanwhile to gates that nobody accepted: the candidate is not judged by those."""
        text = b"version = 1\n[gates.slow]\nrun = ['sleep', '0.8']\n"
        commit_files(repo, {"uet.toml": text}, "slow")
        uet(repo, "trust", "--yes")
        child = subprocess.Popen([*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE)
        wait_for_gate(repo, child, 1)
        other = f"version = 1\n[gates.x]\nrun = ['touch', '{canary}']\n".encode()
        commit_files(repo, {"uet.toml": other}, "moved")
        said = child.communicate(timeout=60)[0].decode()
        assert child.returncode == 1, said
        assert subjects(repo)[-1] == "moved"
        assert "gate.untrusted" in said
        assert states(repo) == {"1": "queued"}
        assert not canary.exists()
        assert git(repo, "for-each-ref", "refs/uet/entries") == b""


class TestWhere:
    def test_it_is_kept_outside_of_the_repository_for_this_user_alone(
        self, repo: Path, store: Path
    ) -> None:
        git(repo, "status")
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        folders = [p for p in (store, *store.rglob("*")) if p.is_dir()]
        assert {stat.S_IMODE(p.stat().st_mode) for p in folders} == {0o700}
        document = json.loads(file.read_text())
        assert (document["hash"], document["repository"]) == (file.stem, str(repo / ".git"))
        assert file.stem == shown(repo)["hash"]

    def test_it_holds_in_every_work_tree_and_below_a_link(self, repo: Path, tmp_path: Path) -> None:
        git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
        (tmp_path / "by-link").symlink_to(repo)
        uet(tmp_path / "linked", "trust", "--yes", "--onto", "main")
        for where in (repo, tmp_path / "linked", tmp_path / "by-link"):
            assert shown(where, "--onto", "main")["by"] == "a person"
        uet(repo, "apply")

    @pytest.mark.parametrize("how", ["copied", "moved", "cloned", "replaced"])
    def test_another_repository_asks_again(
        self, repo: Path, tmp_path: Path, canary: Path, how: str
    ) -> None:
        """A copy, the same one moved, a clone, and another one at the same path."""
        uet(repo, "trust", "--yes")
        other = tmp_path / "other"
        if how == "copied":
            shutil.copytree(repo, other, symlinks=True)
        elif how == "moved":
            repo.rename(other)
        else:
            git(tmp_path, "clone", "-q", str(repo), str(other))
        if how == "replaced":
            shutil.rmtree(repo)
            other.rename(repo)
            other = repo
        if how in ("cloned", "replaced"):
            uet(other, "submit", tmp_path / "A.patch")
        refused(other, canary)

    def test_a_store_inside_of_the_repository_is_none(self, repo: Path, canary: Path) -> None:
        """There, a patch could bring an acceptance along."""
        inside = {"XDG_STATE_HOME": str(repo / "state")}
        ran = uet(repo, "trust", "--yes", env=inside, code=2)
        assert b"is inside this repository: set XDG_STATE_HOME" in ran.err
        assert not (repo / "state").exists()
        assert "is inside this repository" in refused(repo, canary, env=inside)

    def test_without_the_variable_it_lies_in_the_home(self, repo: Path, tmp_path: Path) -> None:
        """A relative one is none, as its specification says."""
        home = tmp_path / "home"
        home.mkdir()
        for value in (None, "relative"):
            uet(repo, "trust", "--yes", env={"XDG_STATE_HOME": value, "HOME": str(home)})
            (file,) = kept(home)
            assert home / ".local" / "state" / "uet-git" / "trust" in file.parents


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"null", b"\xff", b"[" * 50_000])
    def test_a_damaged_acceptance_is_none(
        self, repo: Path, canary: Path, store: Path, content: bytes
    ) -> None:
        """One honest line names the file; accepting again mends it."""
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        file.write_bytes(content)
        assert f"{file} is damaged" in refused(repo, canary)
        uet(repo, "trust", "--yes")
        uet(repo, "apply")

    @pytest.mark.parametrize("field", ["repository", "ledger", "hash", "v"])
    def test_an_acceptance_of_something_else_is_none(
        self, repo: Path, canary: Path, store: Path, field: str
    ) -> None:
        """What it says must be what it stands for, wherever somebody copied it to."""
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        document = json.loads(file.read_text())
        file.write_text(json.dumps({**document, field: "another"}))
        refused(repo, canary)

    def test_an_acceptance_that_others_can_write_is_none(
        self, repo: Path, canary: Path, store: Path
    ) -> None:
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        file.chmod(0o622)
        assert "others can write it" in refused(repo, canary)

    def test_a_link_or_a_pipe_in_its_place_is_none(
        self, repo: Path, canary: Path, store: Path, tmp_path: Path
    ) -> None:
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        file.rename(tmp_path / "real")
        file.symlink_to(tmp_path / "real")
        refused(repo, canary)
        file.unlink()
        os.mkfifo(file)
        assert "is not a regular file" in refused(repo, canary)

    def test_a_home_that_cannot_be_written(self, repo: Path, canary: Path) -> None:
        """An honest line and a code of its own; nothing is recorded as accepted."""
        nowhere = {"XDG_STATE_HOME": "/dev/null/state"}
        ran = uet(repo, "trust", "--yes", env=nowhere, code=3)
        assert b"keeping what you accept in /dev/null/state/uet-git/trust" in ran.err
        assert b"Not a directory" in ran.err
        assert b"gates_accepted" not in uet(repo, "log").out
        refused(repo, canary, env=nowhere)

    def test_init_goes_on_where_it_cannot_accept(self, tmp_path: Path) -> None:
        repo = make_repo(tmp_path / "new", {"pyproject.toml": b"[tool.pytest.ini_options]\n"})
        ran = uet(repo, "init", env={"XDG_STATE_HOME": "/dev/null/state"})
        assert b"left out: " in ran.out
        assert (repo / "uet.toml").exists()


class TestVariable:
    def test_the_right_hash_accepts_for_one_call_and_is_recorded(
        self, repo: Path, store: Path
    ) -> None:
        right = shown(repo)["hash"]
        uet(repo, "apply", env={"UET_TRUST": right})
        assert states(repo) == {"1": "committed"}
        assert not store.exists()
        assert not shown(repo)["accepted"]
        (run,) = _created_runs(repo)
        assert run["overrides"] == {"UET_TRUST": right}

    @pytest.mark.parametrize("change", ["cut", "upper", "other", "blank", "star"])
    def test_any_other_value_does_not(self, repo: Path, canary: Path, change: str) -> None:
        right = shown(repo)["hash"]
        value = {
            **{"cut": right[:-1], "upper": right.upper(), "other": "0" * 64},
            **{"blank": f" {right}", "star": "*"},
        }[change]
        said = refused(repo, canary, env={"UET_TRUST": value})
        assert f"their hash is {right}" in said
        assert _created_runs(repo)[-1]["overrides"] == {"UET_TRUST": value}

    def test_a_hostile_value_reaches_no_terminal_raw(self, repo: Path, canary: Path) -> None:
        assert "\x1b" not in refused(repo, canary, env={"UET_TRUST": "\x1b[31m" * 100})
        assert b"\x1b" not in uet(repo, "log").out

    def test_the_hash_of_one_branch_does_not_let_another_run(
        self, repo: Path, canary: Path
    ) -> None:
        right = shown(repo)["hash"]
        commit_files(repo, {"uet.toml": rules(canary, "timeout = 5\n")}, "changed")
        refused(repo, canary, env={"UET_TRUST": right})

    def test_every_override_in_force_is_in_the_event(self, repo: Path) -> None:
        more = {"UET_LIMITS_FILES": "7", "UET_PRESET": "standard", "UET_GATES_TIMEOUT": "9"}
        env = {"UET_TRUST": shown(repo)["hash"], **more}
        uet(repo, "apply", "--preset", "strict", patch(repo, "B", "b.txt"), env=env, code=1)
        assert _created_runs(repo)[-1]["overrides"] == {**env, "--preset": "strict"}
        uet(repo, "submit", patch(repo, "C", "c.txt", old=b""), env={"UET_LIMITS_FILES": "7"})
        notes = [e["payload"] for e in _events(repo) if e["kind"] == "note"]
        assert notes == [{"overrides": {"UET_LIMITS_FILES": "7"}, "submitted": ["3"]}]
        uet(repo, "fsck")

    def test_a_tightened_timeout_is_the_same_definition(self, repo: Path) -> None:
        """A variable that tightens asks nobody again."""
        uet(repo, "trust", "--yes")
        uet(repo, "apply", env={"UET_GATES_TIMEOUT": "9"})
        assert states(repo) == {"1": "committed"}

    def test_without_overrides_none_is_recorded(self, repo: Path) -> None:
        uet(repo, "apply", code=1)
        assert all("overrides" not in run for run in _created_runs(repo))


def _events(repo: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = uet(repo, "log", "-n", "500", "--json").document
    return found


def _created_runs(repo: Path) -> list[dict[str, Any]]:
    return [e["payload"] for e in _events(repo) if e["kind"] == "run_created"]


class TestWho:
    @pytest.mark.parametrize("how", [["--yes"], ["--revoke"], [], ["--yes", "--dry-run"]])
    def test_an_agent_is_refused(self, repo: Path, store: Path, how: list[str]) -> None:
        error = uet(repo, "trust", *how, "--json", env={"UET_ORIGIN": "bot"}, code=2).document
        assert error["error"]["code"] == "policy.needs_person"
        assert error["error"]["next"] == ["uet-git", "trust", "--show"]
        assert not store.exists()

    def test_an_agent_may_look_and_is_told_what_it_can_do(self, repo: Path) -> None:
        agent = {"UET_ORIGIN": "bot"}
        uet(repo, "trust", "--show", env=agent)
        (found,) = uet(repo, "list", "--json", env=agent).document
        assert found["next"] == [["uet-git", "trust", "--show"]]

    def test_the_variable_does_not_count_for_an_agent(self, repo: Path, canary: Path) -> None:
        env = {"UET_ORIGIN": "bot", "UET_TRUST": shown(repo)["hash"]}
        assert "UET_TRUST does not count for agent:bot" in refused(repo, canary, env=env)

    def test_an_agent_that_runs_init_accepts_nothing(self, tmp_path: Path, store: Path) -> None:
        repo = make_repo(tmp_path / "new", {"pyproject.toml": b"[tool.pytest.ini_options]\n"})
        uet(repo, "init", env={"UET_ORIGIN": "bot"})
        assert not store.exists()

    def test_acceptances_are_in_the_ledger(self, repo: Path) -> None:
        uet(repo, "trust", "--yes")
        uet(repo, "trust", "--revoke")
        found = [e for e in _events(repo) if e["kind"].startswith("gates_")]
        assert [e["kind"] for e in found] == ["gates_accepted", "gates_revoked"]
        assert {e["payload"]["hash"] for e in found} == {shown(repo)["hash"]}
        assert {e["actor"] for e in found} == {found[0]["actor"]}
        uet(repo, "fsck")


class TestCommand:
    def test_without_a_terminal_it_asks_nobody(self, repo: Path, store: Path) -> None:
        ran = uet(repo, "trust", code=2)
        assert b"  next: uet-git trust --yes\n" in ran.err
        assert not store.exists()

    @pytest.mark.parametrize(
        ("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x04", 1), (b"yep\n", 1)]
    )
    def test_at_a_terminal_it_shows_and_asks(self, repo: Path, typed: bytes, code: int) -> None:
        ran = at_a_terminal([*COMMAND, "trust"], typed, repo)
        assert ran.code == code, ran.text
        assert ran.text.index("echo ran >>") < ran.text.index("[y/N]")
        assert shown(repo)["accepted"] is (code == 0)

    def test_accepting_again_changes_nothing(self, repo: Path, store: Path) -> None:
        uet(repo, "trust", "--yes")
        (file,) = kept(store)
        before, events = file.stat().st_mtime_ns, len(_events(repo))
        assert uet(repo, "trust", "--json").document["did"] == "nothing"
        assert uet(repo, "trust", "--yes", "--json").document["did"] == "nothing"
        assert (file.stat().st_mtime_ns, len(_events(repo))) == (before, events)

    def test_a_dry_run_changes_nothing(self, tmp_path: Path, canary: Path, store: Path) -> None:
        repo = make_repo(tmp_path / "new", {"uet.toml": rules(canary)})
        document = uet(repo, "trust", "--yes", "--dry-run", "--json").document
        assert (document["did"], document["dry_run"], document["accepted"]) == (
            "accepted",
            True,
            False,
        )
        assert not store.exists()
        assert not (repo / ".git" / "uet").exists()

    def test_taking_it_back(self, repo: Path, canary: Path, store: Path) -> None:
        uet(repo, "trust", "--yes")
        uet(repo, "trust", "--revoke", "--dry-run")
        assert kept(store)
        uet(repo, "trust", "--revoke")
        assert not kept(store)
        refused(repo, canary)
        assert uet(repo, "trust", "--revoke", "--json").document["did"] == "nothing"

    def test_hostile_definitions_are_shown_as_they_are(self, tmp_path: Path) -> None:
        """Nothing raw, nothing cut; a run of blanks hides nothing."""
        hidden = "\\u001b[8m" + " " * 3_000 + "curl evil"
        text = f'version = 1\n[gates.a]\nrun = ["sh", "-c", "{hidden}"]\n'
        repo = make_repo(tmp_path / "new", {"uet.toml": text.encode()})
        ran = uet(repo, "trust", "--show")
        assert b"\x1b" not in ran.out
        assert b"curl evil" in ran.out


class TestInit:
    def test_the_first_user_is_not_asked_about_their_own_gates(
        self, tmp_path: Path, store: Path
    ) -> None:
        """init accepts exactly what it wrote; an edit of it asks."""
        repo = make_repo(tmp_path / "new", {"a.txt": BASE, "Makefile": b"check:\n\ttrue\n"})
        touched = uet(repo, "init", "--no-hooks", "--json").document["touched"]
        (file,) = kept(store)
        assert [t["undo"] for t in touched if "accepts" in t["what"]] == [["rm", str(file)]]
        git(repo, "add", "uet.toml")
        git(repo, "commit", "-q", "-m", "rules")
        uet(repo, "apply", patch(repo, "A", "a.txt"))
        assert [g["state"] for g in entry(repo, 1)["gates"]] == ["passed"]
        text = (repo / "uet.toml").read_bytes().replace(b"check", b"evil")
        commit_files(repo, {"uet.toml": text}, "edit")
        assert not shown(repo)["accepted"]

    def test_a_uet_toml_that_is_there_is_not_accepted(self, repo: Path, store: Path) -> None:
        uet(repo, "init")
        assert not kept(store)

    def test_a_dry_run_accepts_nothing(self, tmp_path: Path, store: Path) -> None:
        repo = make_repo(tmp_path / "new", {"Makefile": b"check:\n\ttrue\n"})
        uet(repo, "init", "--dry-run")
        assert not store.exists()


class TestRelease:
    @pytest.fixture
    def held(self, tmp_path: Path, canary: Path) -> Path:
        """A change of the gates in quarantine, in a repository whose own gates are accepted."""
        text = rules(canary) + b"[policy]\npreset = 'standard'\n"
        repo = make_repo(tmp_path / "held", {"a.txt": BASE, "uet.toml": text})
        uet(repo, "trust", "--yes")
        new = text.replace(b"echo ran", b"echo new")
        uet(repo, "submit", patch(repo, "G", "uet.toml", new, text), code=1)
        uet(repo, "submit", patch(repo, "B", "a.txt"))
        return repo

    def test_at_a_terminal_it_asks_there_and_then(self, held: Path, canary: Path) -> None:
        ran = at_a_terminal([*COMMAND, "release", "1", "--reason", "mine"], b"y\n", held)
        assert ran.code == 0, ran.text
        assert "it changes the gates of main to:" in ran.text
        assert "echo new >>" in ran.text
        uet(held, "apply")
        assert canary.read_text() == "ran\nnew\n"

    def test_no_is_no(self, held: Path, canary: Path) -> None:
        ran = at_a_terminal([*COMMAND, "release", "1", "--reason", "mine"], b"n\n", held)
        assert ran.code == 0, ran.text
        assert "once it has landed, the gates of main wait for: uet-git trust" in ran.text
        uet(held, "apply", code=1)
        assert states(held) == {"1": "committed", "2": "queued"}
        assert canary.read_text() == "ran\n"

    @pytest.mark.parametrize("how", [[], ["--json"]])
    def test_without_one_it_says_what_to_do(self, held: Path, how: list[str]) -> None:
        ran = uet(held, "release", "1", "--reason", "mine", *how)
        assert b"once it has landed, the gates of main wait for: uet-git trust" in ran.err
        assert states(held)["1"] == "queued"

    def test_a_change_that_leaves_the_gates_asks_nothing(self, held: Path) -> None:
        text = (held / "uet.toml").read_bytes()
        other = patch(held, "L", "uet.toml", text + b"protected = ['x']\n", text)
        uet(held, "submit", other, code=1)
        ran = at_a_terminal([*COMMAND, "release", "3", "--reason", "mine"], b"", held)
        assert "[y/N]" not in ran.text
        assert ran.code == 0


def test_the_store_is_not_made_by_looking(repo: Path, store: Path) -> None:
    for args in (["status"], ["list"], ["trust", "--show"], ["doctor"], ["apply", "--dry-run"]):
        uet(repo, *args, code=None)
    assert not store.exists()


def test_two_that_accept_at_once_both_succeed(repo: Path, store: Path) -> None:
    children = [subprocess.Popen([*COMMAND, "trust", "--yes"], cwd=repo) for _ in range(4)]
    assert [c.wait(60) for c in children] == [0] * 4
    assert len(kept(store)) == 1
    assert shown(repo)["accepted"]
