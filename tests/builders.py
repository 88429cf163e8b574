"""How tests make repositories and patches: the only place that does."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def git(repo: Path | str, *args: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """Runs git in `repo` and returns its stdout. Raises: AssertionError with git's message."""
    done = subprocess.run(
        ["git", "-C", os.fsencode(str(repo)), *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, (args, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def make_repo(path: Path, files: Mapping[str, bytes] | None = None, *, object_format: str = "sha1", bare: bool = False) -> Path:
    """Makes a repository on branch `main`; with `files`, one commit that holds them."""
    flags = ["--bare"] if bare else []
    subprocess.run(
        ["git", "init", "-q", "-b", "main", f"--object-format={object_format}", *flags, str(path)],
        check=True,
        capture_output=True,
    )
    if files is not None:
        commit_files(path, files, "base")
    return path


def commit_files(repo: Path, files: Mapping[str, bytes], message: str) -> str:
    """Writes and commits files; returns the commit id."""
    for name, content in files.items():
        target = repo / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    git(repo, "add", "-A", "-f", *files)
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD").decode().strip()
