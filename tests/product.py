"""Runs the product from outside, as a user does, and takes snapshots of what it must not change."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.builders import git
from uet_git.cli import arguments, views
from uet_git.host.config import parse_toml
from uet_git.project import Project
from uet_git.queue import trust as trusting

COMMAND = (sys.executable, "-P", "-m", "uet_git")


class Ran(NamedTuple):
    """A finished call of the command line."""

    code: int
    out: bytes
    err: bytes

    @property
    def document(self) -> Any:
        """stdout as the one JSON document that it must be."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Both streams, for a failing test's message."""
        return f"exit {self.code}\n{self.out.decode(errors='replace')}\n{self.err.decode(errors='replace')}"


def uet(
    folder: Path | str,
    *args: str | bytes | Path,
    stdin: bytes = b"",
    env: Mapping[str, str | None] | None = None,
    code: int | None = 0,
    timeout: float = 120,
    before: Sequence[str] = (),
) -> Ran:
    """Runs `uet-git ARGS` in `folder` and checks its exit code (None: any). `env` None values unset; `before` is a
    command that the call is put behind (`setpriv ...`)."""
    full = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
    done = subprocess.run(
        [*before, *COMMAND, *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env=full,
        timeout=timeout,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in ran.out + ran.err, ran.said
    assert code is None or ran.code == code, (args, ran.said)
    return ran


def trust(repo: Path, text: bytes | None = None) -> None:
    """Accepts the gates of the default target, as `uet-git trust --yes` does, or of a uet.toml; in this process."""
    with Project.open(str(repo)) as project:
        target = project.target(None, like_am=False)
        found = trusting.of_target(project, target)
        if text is not None:
            found = trusting.of_settings(project, target, parse_toml(text))
        trusting.accept(project, found)


def entries(repo: Path) -> list[dict[str, Any]]:
    """Every entry of the ledger, oldest first, as `list --json` prints them; read in this process, as it is asked often."""
    with Project.open(str(repo)) as project:
        if not project.has_ledger():
            return []
        viewer = views.Viewer(project)
        return [viewer.entry(e) for e in project.ledger.entries.pages(None)]


def entry(repo: Path, label: int | str) -> dict[str, Any]:
    """One entry, as `show --json` prints it; read in this process."""
    with Project.open(str(repo)) as project:
        (found,) = arguments.chosen(project, [str(label)])
        stored = project.ledger.entries.patch(found.patch_id)
        return views.Viewer(project).whole(found, stored)


def states(repo: Path) -> dict[str, str]:
    """`{"1": "committed", "2.1": ...}`: every newest revision by number; older ones as `number.revision`."""
    found: dict[str, str] = {}
    newest: dict[int, int] = {}
    every = entries(repo)
    for e in every:
        newest[e["number"]] = max(newest.get(e["number"], 0), e["revision"])
    for e in every:
        name = (
            str(e["number"])
            if e["revision"] == newest[e["number"]]
            else f"{e['number']}.{e['revision']}"
        )
        found[name] = e["state"]
    return found


def tree(repo: Path, revision: str = "main") -> str:
    """The tree id of a revision."""
    return git(repo, "rev-parse", f"{revision}^{{tree}}").decode().strip()


def head(repo: Path, revision: str = "main") -> str:
    """The commit id of a revision."""
    return git(repo, "rev-parse", revision).decode().strip()


def subjects(repo: Path, revision: str = "main") -> list[str]:
    """Subjects of all commits, oldest first."""
    return git(repo, "log", "--reverse", "--format=%s", revision).decode().splitlines()


def wait_for_gate(repo: Path, child: "subprocess.Popen[bytes]", number: int) -> None:
    """Until the ledger says that gates began so many times."""
    path = repo / ".git" / "uet" / "ledger.db"
    began = 0
    while began < number:
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            (began,) = db.execute("SELECT count(started_at) FROM gates").fetchone()


def snapshot(repo: Path) -> dict[str, Any]:
    """All that a command which lands nothing must leave alone (P2): refs outside `refs/uet/`, HEAD, index bytes,
    work tree, hooks, and configuration apart from `uet.ledger`. Works for any work tree of a repository, and bare."""
    git_dir = Path(os.fsdecode(git(repo, "rev-parse", "--absolute-git-dir").strip()))
    common = (repo / os.fsdecode(git(repo, "rev-parse", "--git-common-dir").strip())).resolve()
    refs = git(repo, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    config = git(repo, "config", "--local", "--list").splitlines()
    index = git_dir / "index"
    bare = git(repo, "rev-parse", "--is-bare-repository").strip() == b"true"
    return {
        "refs": [r for r in refs if b" refs/uet/" not in r],
        "HEAD": (git_dir / "HEAD").read_bytes(),
        "index": index.read_bytes() if index.exists() else None,
        "locks": sorted(p.name for p in git_dir.glob("*.lock")),
        "config": [c for c in config if not c.startswith(b"uet.ledger=")],
        "hooks": _files(common / "hooks"),
        "work tree": None if bare else _files(repo, leave=(".git", ".ledger")),
    }


def _files(folder: Path, leave: Sequence[str] = ()) -> dict[str, tuple[int, str]]:
    """Mode and content (a link: where it points) of everything below a folder."""
    found: dict[str, tuple[int, str]] = {}
    for base, names, files in os.walk(folder):
        if Path(base) == folder:
            names[:] = [n for n in names if n not in leave]
            files = [n for n in files if n not in leave]
        for name in (*names, *files):
            path = Path(base) / name
            mode = path.lstat().st_mode
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ""
            found[str(path.relative_to(folder))] = (mode, content)
    return found
