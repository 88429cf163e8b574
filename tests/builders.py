"""How tests make repositories and patches: the only place that does."""

import difflib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def git(
    repo: Path | str, *args: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> bytes:
    """Runs git in `repo` and returns its stdout. Raises: AssertionError with git's message."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", os.fsencode(str(repo)), *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, (args, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def make_repo(
    path: Path,
    files: Mapping[str, bytes] | None = None,
    *,
    object_format: str = "sha1",
    bare: bool = False,
) -> Path:
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


def diff(path: str, old: bytes | None, new: bytes | None) -> bytes:
    """One file's change as `git diff` prints it (text, mode 100644); None for a file that is not there."""
    name = path.encode()
    head = b"diff --git a/%b b/%b\n" % (name, name)
    head += (
        b"new file mode 100644\n"
        if old is None
        else b"deleted file mode 100644\n"
        if new is None
        else b""
    )
    before = b"/dev/null" if old is None else b"a/" + name
    after = b"/dev/null" if new is None else b"b/" + name
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        (old or b"").splitlines(True),
        (new or b"").splitlines(True),
        before,
        after,
    )
    ended = (s if s.endswith(b"\n") else s + b"\n\\ No newline at end of file\n" for s in lines)
    return head + b"".join(ended)


def mail(
    subject: str, *diffs: bytes, author: str = "Pat Ch <pat@example.com>", body: str = ""
) -> bytes:
    """A mail as `git format-patch` writes it."""
    head = f"From {'0' * 39}1 Mon Sep 17 00:00:00 2001\nFrom: {author}\nDate: Fri, 5 Apr 2024 12:00:00 +0200\n"
    return (
        f"{head}Subject: [PATCH] {subject}\n\n{body}---\n\n".encode()
        + b"".join(diffs)
        + b"-- \n2.39.5\n\n"
    )
