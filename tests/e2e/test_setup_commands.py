"""init sets up, tells how to undo it, and changes nothing the second time; doctor tells what is wrong, and mends only
what loses nothing; completion prints scripts that shells accept."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, git, make_repo
from tests.e2e.proposals import type_it
from tests.product import uet as product
from uet_git.cli import main
from uet_git.cli.setup import init
from uet_git.host import contracts

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and the current folder."""
    made = make_repo(tmp_path / "repo", {"file": b"one\n"})
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def uet(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process: exit code, stdout, stderr."""

    def call(*args: str) -> tuple[int, str, str]:
        code = main.run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def document(uet: Run, *args: str) -> Any:
    code, out, _ = uet(*args, "--json")
    told = json.loads(out)
    contracts.check(told, f"{args[0]}.v1")
    return {**told, "code": code}


def checks(uet: Run, *args: str) -> dict[str, list[tuple[str, str]]]:
    """State and text of each check of the doctor, by name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for check in document(uet, "doctor", *args)["checks"]:
        found.setdefault(check["name"], []).append((check["state"], check["text"]))
    return found


def states(uet: Run, name: str, *args: str) -> list[str]:
    return [state for state, _ in checks(uet, *args).get(name, [])]


def snapshot(folder: Path) -> dict[str, bytes | str]:
    return {
        str(p.relative_to(folder)): str(p.readlink()) if p.is_symlink() else p.read_bytes()
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }


class TestInit:
    def test_makes_everything_and_hides_it_from_git(self, repo: Path, uet: Run) -> None:
        """Ledger, link, exclude line, branch and a starter uet.toml that parses; nothing is committed."""
        head = git(repo, "rev-parse", "HEAD")
        code, out, _ = uet("init")
        assert code == 0
        assert (repo / ".ledger" / "ledger.db").samefile(repo / ".git" / "uet" / "ledger.db")
        assert git(repo, "config", "uet.branch") == b"main\n"
        assert git(repo, "status", "--porcelain") == b"?? uet.toml\n"
        assert git(repo, "rev-parse", "HEAD") == head
        assert "hooks: plain commits pass the gates" in out
        assert (repo / ".git" / "hooks" / "pre-commit").exists()
        assert "next: git add uet.toml" in out
        assert 'preset = "standard"' in (repo / "uet.toml").read_text()
        assert states(uet, "uet.toml") == ["note", "note"]

    def test_what_it_proposes_can_be_typed_in_a_subfolder(self, repo: Path) -> None:
        (repo / "sub").mkdir()
        proposed = product(repo / "sub", "init", "--json").document["next"]
        assert proposed[0] == ["git", "add", "../uet.toml"]
        for argv in proposed:
            type_it(argv, repo / "sub")
        assert git(repo, "status", "--porcelain") == b""

    def test_the_second_time_changes_nothing(self, repo: Path, uet: Run) -> None:
        """Idempotent: every file and ref is as before."""
        uet("init")
        before = snapshot(repo)
        code, out, _ = uet("init")
        assert code == 0
        assert snapshot(repo) == before
        assert "undo:" not in out

    def test_dry_run_writes_nothing(self, repo: Path, uet: Run) -> None:
        """--dry-run tells the same and leaves every byte alone."""
        before = snapshot(repo)
        code, out, _ = uet("init", "--dry-run")
        assert code == 0
        assert "would be made" in out
        assert snapshot(repo) == before

    def test_every_undo_works_and_together_they_undo_it(self, repo: Path, uet: Run) -> None:
        """The printed commands, run as they are, give the repository back as it was."""
        commit_files(repo, {"pyproject.toml": b"[tool.pytest.ini_options]\n"}, "a project")
        before = snapshot(repo)
        for item in document(uet, "init")["touched"]:
            assert item["did"] in ("made", "set"), item
            if item["undo"][0] == "uet-git":
                assert uet(*item["undo"][1:])[0] == 0
                continue
            subprocess.run(item["undo"], cwd=repo, check=True, capture_output=True)
        (repo / ".git" / "info" / "exclude.bak").unlink()
        after = snapshot(repo)
        config = after.pop(".git/config")
        assert b"branch =" not in config
        assert b"ledger =" not in config
        del before[".git/config"]
        assert {k: v for k, v in after.items() if not k.startswith(".git/objects/")} == {
            k: v for k, v in before.items() if not k.startswith(".git/objects/")
        }

    def test_puts_a_lost_link_back(self, repo: Path, uet: Run) -> None:
        """After `git clean -ffdx` the link is put back, and the ledger was never gone."""
        uet("init")
        git(repo, "clean", "-ffdxq")
        assert not (repo / ".ledger").exists()
        code, out, _ = uet("init", "--no-config")
        assert code == 0
        assert "put back: .ledger" in out
        assert (repo / ".ledger" / "ledger.db").exists()

    def test_a_ledger_of_somebody_else_at_the_link_is_left_alone(
        self, repo: Path, uet: Run
    ) -> None:
        """A tracked file called .ledger is not touched; the rest is set up."""
        commit_files(repo, {".ledger": b"mine\n"}, "a file of that name")
        code, out, _ = uet("init", "--no-config")
        assert code == 0
        assert "left out: " in out
        assert (repo / ".ledger").read_bytes() == b"mine\n"
        assert git(repo, "status", "--porcelain") == b""
        assert states(uet, "link") == ["note"]

    def test_finds_gates(self, repo: Path, uet: Run) -> None:
        """Gates come from the project's own files; a FIFO or a huge file in their place does not matter."""
        commit_files(repo, {"pyproject.toml": b"[tool.pytest.ini_options]\n"}, "a project")
        os.mkfifo(repo / "Makefile")
        assert [g["name"] for g in document(uet, "init")["gates"]] == ["tests"]
        assert "[gates.tests]" in (repo / "uet.toml").read_text()

    def test_an_existing_config_is_kept(self, repo: Path, uet: Run) -> None:
        """Neither an uncommitted uet.toml is overwritten, nor one put beside a committed one that was deleted."""
        (repo / "uet.toml").write_bytes(b"version = 1\n")
        uet("init")
        assert (repo / "uet.toml").read_bytes() == b"version = 1\n"
        git(repo, "add", "uet.toml")
        git(repo, "commit", "-qm", "rules")
        (repo / "uet.toml").unlink()
        uet("init")
        assert not (repo / "uet.toml").exists()

    def test_branch(self, repo: Path, uet: Run) -> None:
        """--branch is remembered and kept; one that is not there, or a detached HEAD, is a usage error."""
        git(repo, "branch", "stable")
        assert uet("init", "--branch", "stable")[0] == 0
        assert document(uet, "init")["branch"] == "stable"
        code, _, err = uet("init", "--branch", "nowhere")
        assert (code, "no branch nowhere" in err) == (2, True)
        git(repo, "config", "--unset", "uet.branch")
        git(repo, "checkout", "-q", "--detach")
        code, _, err = uet("init")
        assert (code, "--branch" in err) == (2, True)

    @pytest.mark.parametrize("kind", ["bare", "unborn", "sha256", "linked", "subfolder"])
    def test_in_every_kind_of_repository(
        self, tmp_path: Path, uet: Run, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """init and then doctor are content in bare, unborn, SHA-256 and linked ones, and in subfolders."""
        place = tmp_path / "r"
        make_repo(
            place,
            None if kind in ("bare", "unborn") else {"sub/file": b"one\n"},
            object_format="sha256" if kind == "sha256" else "sha1",
            bare=kind == "bare",
        )
        if kind == "linked":
            git(place, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
            place = tmp_path / "tree"
        monkeypatch.chdir(place / "sub" if kind == "subfolder" else place)
        assert uet("init")[0] == 0
        assert (place / "uet.toml").exists() is (kind != "bare")
        found = checks(uet)
        assert not [c for many in found.values() for c in many if c[0] == "problem"]
        assert found["repository"][0][0] == "ok"
        assert uet("init")[0] == 0

    def test_outside_a_repository(
        self, tmp_path: Path, uet: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit 3 with `git init` as the next command."""
        monkeypatch.chdir(tmp_path)
        code, _, err = uet("init")
        assert (code, "next: git init" in err) == (3, True)

    def test_a_lost_ledger_is_never_replaced_silently(self, repo: Path, uet: Run) -> None:
        """uet.ledger names a ledger that is gone: an error, and no new one."""
        uet("init")
        shutil.rmtree(repo / ".git" / "uet")
        code, _, err = uet("init")
        assert (code, "ledger" in err) == (3, True)
        assert not (repo / ".git" / "uet").exists()
        (check,) = [c for c in document(uet, "doctor")["checks"] if c["name"] == "ledger"]
        assert check["state"] == "problem"
        assert check["next"][0] == ["uet-git", "fsck", "--repair"]
        assert uet("fsck", "--repair")[0] == 0
        assert uet("init")[0] == 0

    def test_the_help_names_every_option(self) -> None:
        """What the command takes is what its help says."""
        assert {p.name for p in init.params} == {
            *("branch", "no_config", "no_hooks", "force", "dry_run", "as_json", "quiet")
        }


class TestDoctor:
    def test_all_is_well(self, repo: Path, uet: Run) -> None:
        """Exit 0 without a ledger and with one, and looking writes nothing."""
        before = snapshot(repo)
        assert uet("doctor")[0] == 0
        assert snapshot(repo) == before
        uet("init", "--no-config")
        before = snapshot(repo)
        code, out, _ = uet("doctor")
        assert (code, "all is well" in out) == (0, True)
        assert snapshot(repo) == before

    def test_mends_what_loses_nothing(self, repo: Path, uet: Run) -> None:
        """Link, exclude line, modes and config id: found, mended by --fix, found well after it."""
        uet("init", "--no-config")
        home = repo / ".git" / "uet"
        exclude = repo / ".git" / "info" / "exclude"
        (repo / ".ledger").unlink()
        home.chmod(0o755)
        (home / "ledger.db").chmod(0o644)
        git(repo, "config", "--unset", "uet.ledger")
        broken = checks(uet)
        assert [len(broken[n]) for n in ("link", "modes", "config")] == [1, 2, 1]
        assert {s for n in ("link", "modes", "config") for s, _ in broken[n]} == {"problem"}
        assert uet("doctor")[0] == 1
        assert not (repo / ".ledger").is_symlink()
        assert uet("doctor", "--fix")[0] == 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "ledger.db").stat().st_mode) == 0o600
        assert (repo / ".ledger" / "ledger.db").exists()
        exclude.write_bytes(b"# mine\n*.o")
        assert states(uet, "link") == ["problem"]
        assert uet("doctor", "--fix")[0] == 0
        assert exclude.read_bytes() == b"# mine\n*.o\n/.ledger\n"
        assert uet("doctor")[0] == 0

    def test_another_ledgers_id_is_for_a_person(self, repo: Path, uet: Run) -> None:
        """If the log of the configured ledger is here, --fix does not hide that another one took its place."""
        uet("init", "--no-config")
        first = git(repo, "config", "uet.ledger").decode().strip()
        shutil.rmtree(repo / ".git" / "uet")
        git(repo, "config", "--unset", "uet.ledger")
        uet("init", "--no-config")
        git(repo, "config", "uet.ledger", first)
        assert states(uet, "config", "--fix") == ["problem"]
        assert git(repo, "config", "uet.ledger").decode().strip() == first

    def test_a_stale_lock_is_named_with_its_age(self, repo: Path, uet: Run) -> None:
        """An old lock is a problem, a fresh one a note; neither is removed."""
        lock = repo / ".git" / "index.lock"
        ref = repo / ".git" / "refs" / "heads" / "main.lock"
        lock.write_bytes(b"")
        assert states(uet, "locks") == ["note"]
        ref.write_bytes(b"")
        for path in (lock, ref):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        found = checks(uet, "--fix")["locks"]
        assert [s for s, _ in found] == ["problem", "problem"]
        assert str(lock) in found[0][1]
        assert " s old" in found[0][1]
        assert lock.exists()
        assert ref.exists()

    def test_identity(self, repo: Path, uet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a name git cannot commit, and the next command sets it."""
        git(repo, "config", "user.useConfigOnly", "true")
        for name in ("GIT_COMMITTER_EMAIL", "GIT_COMMITTER_NAME"):
            monkeypatch.delenv(name)
        code, out, _ = uet("doctor")
        assert code == 1
        assert "next: git config user." in out

    def test_a_broken_config(self, repo: Path, uet: Run) -> None:
        """A uet.toml that cannot be used is named with its line: on the branch, and in the work tree."""
        commit_files(repo, {"uet.toml": b"version = 1\ngatez = 2\n"}, "broken")
        assert checks(uet)["uet.toml"] == [
            ("problem", "on main: uet.toml:2: unknown key `gatez`; did you mean `gates`?")
        ]
        (repo / "uet.toml").write_bytes(b"version = 2\n")
        assert states(uet, "uet.toml") == ["problem", "problem"]

    def test_a_gate_that_cannot_start(self, repo: Path, uet: Run) -> None:
        """A gate's program that is not installed is found before a patch meets it."""
        toml = b'version = 1\n[gates.x]\nkind = "lint"\nrun = ["no-such-program-here"]\n'
        commit_files(repo, {"uet.toml": toml}, "a gate")
        assert "problem" in states(uet, "gates")

    def test_paused_and_unknown_branch(self, repo: Path, uet: Run) -> None:
        """A person's pause is a note; a configured branch that is not there is a problem."""
        uet("init", "--no-config")
        uet("pause", "--reason", "release day")
        assert [s for s, text in checks(uet)["queue"] if "release day" in text] == ["note"]
        git(repo, "config", "uet.branch", "gone")
        assert states(uet, "target") == ["problem"]

    def test_in_the_middle_of_a_merge(self, repo: Path, uet: Run) -> None:
        """Patches wait while the work tree is in a merge, and doctor says so."""
        git(repo, "checkout", "-qb", "side")
        commit_files(repo, {"other": b"x\n"}, "side")
        git(repo, "checkout", "-q", "main")
        git(repo, "merge", "-q", "--no-ff", "--no-commit", "side")
        assert any("merge" in text for _, text in checks(uet)["target"])

    def test_a_damaged_ledger(self, repo: Path, uet: Run) -> None:
        """A ledger that is no database is one problem; the other checks go on."""
        uet("init", "--no-config")
        (repo / ".git" / "uet" / "ledger.db").write_bytes(b"not a database, not at all\n" * 10)
        found = checks(uet)
        assert found["ledger"][0][0] == "problem"
        assert found["target"][0][0] == "ok"

    def test_outside_a_repository(
        self, tmp_path: Path, uet: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit 1: git, Python and the sandbox are told, then that there is no repository."""
        monkeypatch.chdir(tmp_path)
        found = document(uet, "doctor")
        assert found["code"] == 1
        assert [c["name"] for c in found["checks"]] == ["git", "python", "sandbox", "repository"]

    def test_nothing_of_the_repository_reaches_the_terminal_raw(self, repo: Path, uet: Run) -> None:
        """An escape sequence in a remote's name or a pause's reason is shown, not sent."""
        uet("init", "--no-config")
        uet("pause", "--reason", "a\x1b[31mb")
        assert "\x1b" not in uet("doctor")[1]


class TestCompletion:
    def test_bash_completes_commands(self, repo: Path, tmp_path: Path) -> None:
        """The printed script, loaded by bash, completes `uet-git sub` to submit."""
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("no bash on this machine")
        programs = tmp_path / "bin"
        programs.mkdir()
        program = programs / "uet-git"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uet_git "$@"\n')
        program.chmod(0o755)
        script = (
            'eval "$(uet-git completion bash)"; COMP_WORDS=(uet-git sub); COMP_CWORD=1; '
            '_uet_git_completion uet-git; echo "${COMPREPLY[@]}"; complete -p uet-git'
        )
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            [bash, "--norc", "-c", script], env=env, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines()[0] == "submit", done.stderr
        assert "-F _uet_git_completion uet-git" in done.stdout

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_shell_can_read_it(self, uet: Run, shell: str, tmp_path: Path) -> None:
        """The script says how to load it, and the shell's own check accepts it where it is installed."""
        code, out, _ = uet("completion", shell)
        assert code == 0
        assert f"uet-git completion {shell}" in out.splitlines()[-1]
        assert document(uet, "completion", shell)["script"].strip() == out.strip()
        program = shutil.which(shell)
        if program is not None:
            file = tmp_path / "script"
            file.write_text(out)
            subprocess.run([program, "-n", str(file)], check=True, capture_output=True)

    def test_an_unknown_shell(self, uet: Run) -> None:
        """Exit 2 and the known ones."""
        code, _, err = uet("completion", "cmd")
        assert (code, "bash" in err) == (2, True)
