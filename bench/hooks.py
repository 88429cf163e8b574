"""The rows about hooks: the same commit in clones of one repository, each with another manager of hooks or none.

Peers are looked for in the folder UET_PEERS (a virtual environment's bin), else on PATH; those not there are left out.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.workloads import ENV

GATE = "version = 1\nsandbox = 'none'\n[gates.noop]\nkind = 'lint'\nrun = ['true']\non = ['pre-commit']\n"
PEER = "repos:\n- repo: local\n  hooks:\n  - {id: noop, name: noop, entry: 'true', language: system, always_run: true, pass_filenames: false}\n"


def peer(name: str) -> str | None:
    """A peer's program."""
    where = os.environ.get("UET_PEERS")
    return shutil.which(name, path=where) if where else shutil.which(name)


class Repository:
    """A repository with `files` files; each commit changes `staged` of them, and `unstaged` others lie about changed."""

    def __init__(self, folder: Path, files: int, staged: int, unstaged: int = 0) -> None:
        self.path = folder
        self.staged = [f"d{n % 50}/f{n}" for n in range(staged)]
        self.turn = 0
        folder.mkdir(parents=True)
        self._git("init", "-q", "-b", "main")
        for n in range(files):
            path = folder / f"d{n % 50}" / f"f{n}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{n}\n" * 20)
        (folder / "uet.toml").write_text(GATE)
        (folder / ".pre-commit-config.yaml").write_text(PEER)
        self._git("add", ".")
        self._git("commit", "-qm", "base")
        for n in range(staged, staged + unstaged):
            (folder / f"d{n % 50}" / f"f{n}").write_text("not staged\n")

    def _git(self, *args: str) -> None:
        subprocess.run(["git", *args], cwd=self.path, env=ENV, check=True, capture_output=True)

    def install(self, *argv: str) -> None:
        """Installs a manager's hooks."""
        subprocess.run(argv, cwd=self.path, env=ENV, check=True, capture_output=True)

    def commit(self) -> float:
        """Seconds of a commit whose tree is new."""
        self.turn += 1
        for name in self.staged:
            (self.path / name).write_text(f"turn {self.turn}\n")
        self._git("add", *self.staged)
        return self._timed("commit", "-qm", "x")

    def again(self) -> float:
        """Seconds of the same commit made once more: its tree is known."""
        self.commit()
        self._git("reset", "-q", "--soft", "HEAD^")
        return self._timed("commit", "-qm", "y")

    def _timed(self, *args: str) -> float:
        began = time.perf_counter()
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=ENV, capture_output=True, check=False
        )
        seconds = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        return seconds


def contenders(
    folder: Path, uet: list[str], files: int, staged: int, unstaged: int = 0
) -> dict[str, Repository]:
    """One repository for each manager."""
    found = {"none": Repository(folder / "none", files, staged, unstaged)}
    ours = found["uet"] = Repository(folder / "uet", files, staged, unstaged)
    ours.install(*uet, "hook", "install")
    ours.install(*uet, "trust", "--yes")
    for name in ("prek", "pre-commit"):
        program = peer(name)
        if program is not None:
            found[name] = Repository(folder / name, files, staged, unstaged)
            found[name].install(program, "install")
    return found


def makers(
    repositories: dict[str, Repository], *, again: bool = False
) -> dict[str, Callable[[], float]]:
    """What is timed, by name."""
    return {
        n: partial(Repository.again if again else Repository.commit, r)
        for n, r in repositories.items()
    }
