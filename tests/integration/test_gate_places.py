"""What a gate finds around it: its tree, a throw-away .git, the user's dependencies by a link, a HOME that no earlier
candidate wrote; and what becomes of what it writes (DESIGN 9)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from tests.integration.test_gate_judging import Bench, sh
from uet_git.model.records import Gate, GateResult
from uet_git.plumbing.git import discover
from uet_git.plumbing.scratch import ScratchPool

TIERS = ("none", "auto")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n", "d/b.py": b"b\n"})
    found = Bench(repo, tmp_path / "scratch")
    yield found
    found.project.close()


def judged(
    bench: Bench, gate: Gate, sandbox: str = "none", **more: object
) -> tuple[GateResult, str]:
    """A gate's result and output on HEAD."""
    judging = bench.judging(gate, sandbox=sandbox)
    result = judging.judge(bench.tree(), (gate,), **{"paths": None, **more})[gate.name]  # type: ignore[arg-type]
    return result, Path(result.output).read_text() if result.output else ""


# -- git = true ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", TIERS)
def test_a_throw_away_git_that_shows_the_tree_and_nothing_else(bench: Bench, sandbox: str) -> None:
    commit_files(bench.repo, {"n.txt": b"n\n"}, "second")
    script = (
        "git ls-files; git status --porcelain; git rev-parse HEAD^{tree}; git log --format=%s; "
        "git cat-file -p HEAD:a.txt; git remote; git branch; git for-each-ref"
    )
    result, said = judged(bench, sh("g", script, git=True), sandbox)
    assert result.state == "passed", said
    commit = said.splitlines()[-1].split()[0]
    assert said.splitlines() == [
        *("a.txt", "d/b.py", "n.txt", bench.tree(), "The tree that is judged", "a", "* uet"),
        f"{commit} commit\trefs/heads/uet",
    ]


def test_what_is_done_in_the_throw_away_git_stays_there(bench: Bench) -> None:
    before = git(bench.repo, "for-each-ref"), git(bench.repo, "count-objects", "-v")
    script = "echo x > new && git add new && git -c user.name=x -c user.email=x@y commit -qm x && git log --format=%s"
    result, said = judged(bench, sh("g", script, git=True))
    assert (result.state, said.splitlines()[0]) == ("passed", "x")
    after = git(bench.repo, "for-each-ref"), git(bench.repo, "count-objects", "-v")
    assert [b for b in before[0].splitlines() if b"refs/uet" not in b] == [
        b for b in after[0].splitlines() if b"refs/uet" not in b
    ]
    assert after[1] == before[1]
    _, said = judged(bench, sh("g", "git log --format=%s; ls -A", git=True))
    assert "new" not in said


def test_a_throw_away_git_in_a_repository_of_sha256(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "wide", {"a.txt": b"a\n"}, object_format="sha256")
    bench = Bench(repo, tmp_path / "scratch")
    result, said = judged(
        bench, sh("g", "git status --porcelain; git rev-parse HEAD^{tree}", git=True)
    )
    bench.project.close()
    assert (result.state, said.strip()) == ("passed", bench.tree())


def test_git_and_inputs_together_show_the_narrow_tree(bench: Bench) -> None:
    for sandbox in TIERS:
        result, said = judged(
            bench, sh("g", "git ls-files; git fsck", git=True, inputs=("*.py",)), sandbox
        )
        assert (result.state, said.splitlines()[0]) == ("passed", "d/b.py"), said


def test_a_gate_without_it_finds_no_repository(bench: Bench) -> None:
    judged(
        bench,
        sh(
            "first",
            "git init -q . && git -c user.name=x -c user.email=x@y commit -q --allow-empty -m x",
        ),
    )
    assert judged(bench, sh("g", "git rev-parse --git-dir"))[0].state == "failed"


# -- links, changed paths, HOME --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", TIERS)
def test_a_folder_of_dependencies_is_linked_and_its_programs_are_found(
    bench: Bench, sandbox: str
) -> None:
    tool = bench.repo / "node_modules" / ".bin" / "mytool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho from the user\n")
    tool.chmod(0o755)
    result, said = judged(
        bench, sh("g", "mytool; ls node_modules/.bin", link=("node_modules",)), sandbox
    )
    assert (result.state, said) == ("passed", "from the user\nmytool\n")


def test_a_linked_folder_is_kept_as_it_is_and_what_changes_in_it_is_another_question(
    bench: Bench,
) -> None:
    folder = bench.repo / "node_modules"
    (folder / "x").mkdir(parents=True)
    gate = sh("g", "true", link=("node_modules",))
    assert judged(bench, gate)[0].cached is None
    assert judged(bench, gate)[0].cached is not None
    (folder / ".package-lock.json").write_text("{}")
    assert judged(bench, gate)[0].cached is None
    judged(bench, sh("other", "test ! -e node_modules"))
    assert sorted(p.name for p in folder.iterdir()) == [".package-lock.json", "x"]


def test_a_link_to_nothing_is_an_error(bench: Bench) -> None:
    result, _ = judged(bench, sh("g", "true", link=("node_modules",)))
    assert result.state == "error"
    assert "link node_modules: it is not in" in result.detail


@pytest.mark.parametrize("sandbox", TIERS)
def test_a_gate_that_asks_is_told_the_changed_paths(bench: Bench, sandbox: str) -> None:
    gate = sh("g", 'tr "\\0" "\\n" < "$UET_CHANGED"', changed=True)
    assert judged(bench, gate, sandbox, paths=[b"d/b.py", b"gone"])[1] == "d/b.py\n"
    result, said = judged(bench, gate, sandbox, paths=[b"a.txt"])
    assert (result.cached, said) == (None, "a.txt\n"), "another list is another question"
    assert judged(bench, gate, sandbox)[1] == "a.txt\nd/b.py\n"
    assert judged(bench, sh("h", 'echo "[$UET_CHANGED]"'))[1] == "[]\n"


def test_what_one_gate_leaves_in_its_home_does_not_judge_the_next(bench: Bench) -> None:
    judged(
        bench,
        sh(
            "g",
            'mkdir -p "$HOME/.config/pip" && echo evil > "$HOME/.config/pip/pip.conf"; : > "$TMPDIR/x"',
        ),
    )
    assert judged(bench, sh("h", 'find "$HOME" -type f'))[1] == ""


def test_declared_caches_stay_also_in_the_home(bench: Bench) -> None:
    first = sh(
        "g",
        'mkdir -p .cache "$HOME/.cache/go/deep"; : > .cache/x; : > "$HOME/.cache/go/deep/y"; : > "$HOME/.cache/z"; : > junk',
    )
    second = sh("h", 'find . "$HOME" -name "[xyz]" -o -name junk | sed "s,.*/,,"', cache=False)
    gates = [
        Gate(g.name, g.run, shell=True, cache=False, caches=(".cache/", "~/.cache/go/"))
        for g in (first, second)
    ]
    judged(bench, gates[0])
    assert sorted(judged(bench, gates[1])[1].split()) == ["x", "y"]


# -- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["src/pack", "pack"])
def test_python_imports_the_judged_tree_and_not_the_users(bench: Bench, layout: str) -> None:
    """An editable install of the user's work tree is in the way of the wrong answer: what is judged comes first."""
    files = {
        f"{layout}/__init__.py": b"WHO = 'judged'\n",
        "pyproject.toml": b"[project]\nname='pack'\nversion='1'\n",
    }
    commit_files(bench.repo, files, "pack")
    (bench.repo / layout / "__init__.py").write_text("WHO = 'the user'\n")
    (bench.repo / "pyproject.toml").write_text("broken = [")
    venv = bench.repo.parent / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", venv], check=True
    )
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "editable.pth").write_text(f"{(bench.repo / layout).parent}\n")
    python = venv / "bin" / "python"
    users = subprocess.run(
        [python, "-c", "import pack; print(pack.WHO)"], capture_output=True, check=True, cwd="/"
    )
    assert users.stdout == b"the user\n"
    script = f"{python} -c 'import pack, sys; print(pack.WHO)'; cd /; {python} -c 'import pack; print(pack.WHO)'; cat \"$UET_ROOT/pyproject.toml\""
    result, said = judged(bench, sh("g", script))
    assert said.splitlines()[:3] == ["judged", "judged", "[project]"], said
    assert result.state == "passed"


def test_a_tree_that_is_no_python_project_gets_no_python_path(bench: Bench) -> None:
    assert judged(bench, sh("g", 'echo "[$PYTHONPATH]"'))[1] == "[]\n"


# -- fixers ----------------------------------------------------------------------------------------------------------


def test_what_a_fixer_changes_fails_it_and_is_kept_as_a_patch(bench: Bench) -> None:
    before = git(bench.repo, "status", "--porcelain"), (bench.repo / "a.txt").read_bytes()
    result, _ = judged(
        bench, sh("fmt", "echo pretty > a.txt; rm d/b.py; echo new > report", fixes=True)
    )
    assert result.state == "failed"
    assert result.detail == "it would change 2 files: uet-git gate fix fmt"
    patch = Path(result.fix).read_bytes()
    assert b"+pretty" in patch
    assert b"deleted file mode" in patch
    assert b"report" not in patch
    assert (git(bench.repo, "status", "--porcelain"), (bench.repo / "a.txt").read_bytes()) == before
    git(bench.repo, "apply", "--check", "-", stdin=patch)
    (row,) = bench.project.ledger.gates_of(run=bench.run)
    assert row.results == {"fix": result.fix}


def test_a_fixer_that_finds_nothing_passes(bench: Bench) -> None:
    result, _ = judged(bench, sh("fmt", "touch a.txt", fixes=True))
    assert (result.state, result.fix) == ("passed", "")


def test_without_the_key_what_a_gate_writes_is_nobodys_business(bench: Bench) -> None:
    assert judged(bench, sh("g", "echo x > a.txt"))[0].state == "passed"


# -- disk ------------------------------------------------------------------------------------------------------------


def test_the_disk_that_slots_take_is_bounded_and_the_last_used_stays(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a": b"x" * 100_000})
    tree = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    pool = ScratchPool(str(tmp_path / "slots"), discover(str(repo)))
    slots = [pool.checkout(tree) for _ in range(3)]
    for number, slot in enumerate(slots):
        os.utime(slot.lock_fd, (time.time() - 100 * (number == 1) - 50 * (number == 2),) * 2)
    slots[1].close()
    slots[2].close()
    assert pool.trim(1 << 40) == 0
    assert pool.trim(300_000) == 1
    assert sorted(p.name for p in (tmp_path / "slots").iterdir() if p.is_dir()) == ["0", "2"]
    assert pool.trim(0) == 1, "one is in use"
    assert (Path(slots[0].path) / "a").exists()
    slots[0].close()
