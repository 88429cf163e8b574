"""How tests make repositories with our hooks, commit in them as a user does, and look at what the ledger says."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.builders import commit_files, git, make_repo
from tests.product import entries, trust
from uet_git.plumbing import hookfiles
from uet_git.project import Project
from uet_git.queue import audit as auditing
from uet_git.queue import hooks

NO_GATES = b"version = 1\n"


class Did(NamedTuple):
    """A finished git command."""

    code: int
    err: str

    @property
    def ours(self) -> list[str]:
        """The lines that we said."""
        return [line for line in self.err.splitlines() if line.startswith("uet-git: ")]


def gate(shell: str, name: str = "g", more: str = "") -> bytes:
    """A uet.toml with one gate on pre-commit. `shell` has no single quote."""
    text = (
        f"version = 1\nsandbox = 'none'\n{more}\n[gates.{name}]\nkind = 'lint'\nshell = '{shell}'\n"
    )
    return text.encode() + b"on = ['pre-commit']\n"


def hooked(
    folder: Path, files: Mapping[str, bytes] | None = None, names: Sequence[str] = hookfiles.HOOKS
) -> Path:
    """A repository with one commit, made before the ledger, and our hooks; its gates are accepted."""
    repo = make_repo(folder, {"a": b"one\n", **(files or {})})
    with Project.open(str(repo)) as project:
        hooks.install(project, names)
    if files and "uet.toml" in files:
        trust(repo)
    return repo


def run(
    folder: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 60,
) -> Did:
    """Runs git as a user does, hooks and all."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=timeout,
        check=False,
    )
    return Did(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def edit(repo: Path, name: str, content: bytes | None) -> Path:
    """Writes a file, or removes it."""
    path = repo / name
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def commit(repo: Path, content: str, *args: str, name: str = "a", **env: str) -> Did:
    """Changes one file and commits it."""
    edit(repo, name, content.encode())
    git(repo, "add", name)
    return run(repo, "commit", "-qm", f"say {content.strip()}", *args, env=env)


def audited(repo: Path, range_: str | None = None) -> dict[str, str]:
    """Subject to class, oldest first; of commits with one subject the newest counts."""
    with Project.open(str(repo)) as project:
        asked = None if range_ is None else auditing.revisions(range_)
        found = auditing.audit(project, asked)
        auditing.record(project)
        return {c.subject: c.kind for c in reversed(found.commits)}


def kind(repo: Path, revision: str = "HEAD") -> str:
    """The class of one commit."""
    with Project.open(str(repo)) as project:
        return auditing.audit(project, [revision, "--max-count=1"]).commits[0].kind


def tied(repo: Path) -> list[dict[str, Any]]:
    """Every entry, after what the hooks left was tied up."""
    from uet_git.queue import tie

    with Project.open(str(repo)) as project:
        tie.up(project)
    return entries(repo)


def newest(repo: Path) -> dict[str, Any]:
    """The newest entry."""
    return tied(repo)[-1]


def sound(repo: Path) -> None:
    """fsck finds no damage."""
    from uet_git.queue import fsck

    with Project.open(str(repo)) as project:
        assert [p for p in fsck.check(project) if p.severity == fsck.DAMAGE] == []


__all__ = ["commit_files", "git", "make_repo"]
