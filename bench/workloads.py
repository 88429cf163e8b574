"""What is measured: repositories and patches, made afresh for every round and contender."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CORPORA = Path(
    os.environ.get(
        "UET_CORPORA", Path(__file__).resolve().parent.parent.parent / "shared" / "corpora"
    )
)
ENV = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "UET_", "PYTHON"))},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "Bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}


def git(repo: Path, *args: str, stdin: bytes = b"") -> str:
    """Runs git and returns its output without the final newline."""
    done = subprocess.run(
        ["git", "-C", str(repo), *args], input=stdin, capture_output=True, env=ENV, check=True
    )
    return done.stdout.decode().strip()


class Corpus:
    """One real patch series, unpacked into a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        source = CORPORA / name
        self.bundle = source / "base.bundle"
        self.expected: dict[str, Any] = json.loads((source / "expected.json").read_text())
        packed = next(source.glob("*.mbox.gz"))
        self.mbox = folder / f"{name}.mbox"
        self.mbox.write_bytes(gzip.decompress(packed.read_bytes()))

    def clone(self, into: Path) -> Path:
        """A fresh clone of the base."""
        shutil.rmtree(into, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", str(self.bundle), str(into)], env=ENV, check=True)
        git(into, "config", "gc.auto", "0")
        return into

    def mails(self) -> list[bytes]:
        """The series' mails, one by one."""
        data = self.mbox.read_bytes()
        starts = list(_starts(data))
        return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def _starts(data: bytes) -> list[int]:
    found, at = [], 0
    while at >= 0:
        if b" Mon Sep 17 00:00:00 2001\n" in data[at : at + 90]:
            found.append(at)
        at = data.find(b"\nFrom ", at)
        at = at + 1 if at >= 0 else -1
    return found


def tree_of(repo: Path) -> str:
    """The tree of HEAD."""
    return git(repo, "rev-parse", "HEAD^{tree}")


def many_files(folder: Path, files: int, patches: int) -> tuple[Path, Path]:
    """A repository of `files` small files in folders of a hundred, and a series that edits some of them.

    Both sizes get the same edits, so that only the repository's size differs.
    """
    repo = folder / f"many-{files}"
    shutil.rmtree(repo, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(repo)], env=ENV, check=True)
    stream = [
        b"commit refs/heads/main\nmark :1\ncommitter B <b@example.com> 1700000000 +0000\ndata 4\nbase\n"
    ]
    for n in range(files):
        text = b"".join(b"line %d of file %d\n" % (i, n) for i in range(40))
        stream.append(
            b"M 100644 inline d%03d/f%05d.txt\ndata %d\n%b\n" % (n // 100, n, len(text), text)
        )
    for k in range(patches):
        n = k % 200
        text = b"".join(
            b"line %d of file %d%s\n" % (i, n, b" edited %d" % k if i == k % 40 else b"")
            for i in range(40)
        )
        stream.append(
            b"commit refs/heads/topic\ncommitter B <b@example.com> %d +0000\ndata %d\n%b\n"
            % (1700000001 + k, len(b"Edit %d" % k), b"Edit %d" % k)
            + (b"from :1\n" if k == 0 else b"")
            + b"M 100644 inline d%03d/f%05d.txt\ndata %d\n%b\n" % (n // 100, n, len(text), text)
        )
    git(repo, "fast-import", "--quiet", stdin=b"".join(stream))
    git(repo, "reset", "-q", "--hard", "main")
    mbox = folder / f"many-{files}.mbox"
    mbox.write_bytes(
        subprocess.run(
            ["git", "-C", str(repo), "format-patch", "--stdout", "--binary", "--full-index", "main..topic"],
            capture_output=True, env=ENV, check=True,
        ).stdout
    )  # fmt: skip
    git(repo, "branch", "-q", "-D", "topic")
    return repo, mbox


def copy(repo: Path, into: Path) -> Path:
    """A byte-for-byte copy, index and all."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(repo, into, symlinks=True)
    git(into, "update-index", "-q", "--refresh")
    return into
