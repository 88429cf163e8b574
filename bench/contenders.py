"""The contenders: each lands a series in a fresh clone and returns its wall time in seconds."""

import subprocess
import sys
import time
from pathlib import Path

from bench.workloads import ENV, Corpus, git

UET = [str(Path(sys.executable).with_name("uet-git"))]


def timed(argv: list[str], cwd: Path, *, ok: tuple[int, ...] = (0,)) -> float:
    """Wall time of one whole process, its output thrown away."""
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=cwd, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    seconds = time.perf_counter() - began
    assert done.returncode in ok, (argv, done.returncode, done.stderr[-400:])
    return seconds


def first_screen(argv: list[str], cwd: Path) -> float:
    """Seconds from starting a program in a terminal of 80 x 24 until it has drawn its first whole screen."""
    import pexpect

    began = time.perf_counter()
    child = pexpect.spawn(
        argv[0], argv[1:], cwd=str(cwd), env={**ENV, "TERM": "xterm-256color"}, dimensions=(24, 80)
    )
    child.expect_exact(b"\x1b[J")
    seconds = time.perf_counter() - began
    child.send(b"q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1, child.before
    return seconds


def uet(repo: Path, mbox: Path, *flags: str, ok: tuple[int, ...] = (0,)) -> float:
    """`uet-git apply series.mbox`."""
    return timed([*UET, "apply", "-q", *flags, str(mbox)], repo, ok=ok)


def git_am(repo: Path, mbox: Path, *flags: str) -> float:
    """`git am series.mbox`, one process."""
    return timed(["git", "am", "-q", *flags, str(mbox)], repo)


def git_am_each(repo: Path, mails: list[Path]) -> float:
    """`git am` for each patch, `git am --abort` after one that does not apply."""
    began = time.perf_counter()
    for mail in mails:
        argv = ["git", "am", "-q", str(mail)]
        if subprocess.run(argv, cwd=repo, env=ENV, capture_output=True, check=False).returncode:
            subprocess.run(
                ["git", "am", "--abort"], cwd=repo, env=ENV, capture_output=True, check=True
            )
    return time.perf_counter() - began


def apply_and_commit(repo: Path, mails: list[Path]) -> float:
    """`git apply --index` and `git commit` for each patch; one that does not apply is left out."""
    began = time.perf_counter()
    for mail in mails:
        argv = ["git", "apply", "--index", "--whitespace=nowarn", str(mail)]
        if (
            subprocess.run(argv, cwd=repo, env=ENV, capture_output=True, check=False).returncode
            == 0
        ):
            argv = ["git", "commit", "-q", "-m", mail.name]
            subprocess.run(argv, cwd=repo, env=ENV, capture_output=True, check=True)
    return time.perf_counter() - began


def precomputed(repo: Path) -> bytes:
    """The landed history of a repository as a fast-import stream with every blob in full."""
    argv = ["git", "fast-export", "HEAD"]
    return subprocess.run(argv, cwd=repo, env=ENV, capture_output=True, check=True).stdout


def fast_import(repo: Path, stream: bytes) -> float:
    """The limit: `git fast-import` of precomputed objects, zlib 1, no deltas, no parsing, no ledger."""
    argv = [
        "git",
        "-c",
        "core.compression=1",
        "-c",
        "pack.compression=1",
        "fast-import",
        "--quiet",
        "--force",
        "--depth=0",
    ]
    began = time.perf_counter()
    subprocess.run(argv, cwd=repo, env=ENV, input=stream, capture_output=True, check=True)
    return time.perf_counter() - began


def split(corpus: Corpus, folder: Path, order: list[int] | None = None) -> list[Path]:
    """A corpus' mails as files, in order."""
    mails = corpus.mails()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, number in enumerate(order if order is not None else range(len(mails))):
        path = folder / f"{place:04d}.patch"
        path.write_bytes(mails[number])
        paths.append(path)
    return paths


__all__ = [
    "apply_and_commit",
    "fast_import",
    "git",
    "git_am",
    "git_am_each",
    "precomputed",
    "split",
    "timed",
    "uet",
]
