"""Runs git through host/process.py, and knows where a repository's parts lie.

Every call names the git directory, so no environment or current folder can send it elsewhere; hooks, fsmonitor and
other programs that a repository may configure are switched off (DESIGN 2 P9, 11).
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from uet_git.errors import GitFailed, GitLocked, GitMissing, NotARepository
from uet_git.host import process
from uet_git.host.process import Completed

MINIMUM = (2, 36)  # `update-ref --stdin` with several transactions, `ls-files --format` not needed
_QUIET = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.protectHFS=true"),
    *("-c", "core.protectNTFS=true"),
    *("-c", "core.fsync=committed,reference"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
)


@dataclass(frozen=True)
class Git:
    """One repository as seen from one folder.

    `git_dir` is this work tree's git directory, `common_dir` the repository's; `top` is the work tree's root, None in
    a bare repository. All are absolute. `object_format` is `sha1` or `sha256`.
    """

    program: str
    git_dir: str
    common_dir: str
    top: str | None
    object_format: str

    @property
    def hex_length(self) -> int:
        """Length of an object id in hex."""
        return 64 if self.object_format == "sha256" else 40

    @property
    def zero(self) -> str:
        """The id that stands for "no object"."""
        return "0" * self.hex_length

    @cached_property
    def empty_tree(self) -> str:
        """The id of the tree without entries."""
        return self.text("hash-object", "-t", "tree", "--stdin")

    def argv(self, *args: str | bytes, top: str | None = None) -> list[str | bytes]:
        """The whole command line for git on this repository; `top` names another work tree's root."""
        tree = self.top if top is None else top
        where = [f"--git-dir={self.git_dir}"] + ([f"--work-tree={tree}"] if tree else [])
        return [self.program, *where, *_QUIET, *args]

    def run(
        self,
        *args: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 300.0,
    ) -> Completed:
        """Runs git at the top of the work tree (`git apply` in a subfolder silently applies nothing).

        Raises: GitFailed or GitLocked with git's own words if it fails and `check` is set.
        """
        done = process.run(
            self.argv(*args),
            cwd=self.top or self.git_dir,
            env=process.environment(env),
            stdin=stdin,
            timeout=timeout,
        )
        if check and done.code != 0:
            raise failure(args, done)
        return done

    def text(self, *args: str | bytes, stdin: bytes = b"") -> str:
        """Runs git and returns its output without the final newline, undecodable bytes kept as surrogates."""
        return os.fsdecode(self.run(*args, stdin=stdin).out.removesuffix(b"\n"))

    def start(self, *args: str | bytes) -> subprocess.Popen[bytes]:
        """Starts a long-lived git child with pipes (`cat-file --batch`, `update-ref --stdin`)."""
        return process.start(self.argv(*args), cwd=self.git_dir, stderr=subprocess.DEVNULL)


def failure(args: tuple[str | bytes, ...], done: Completed) -> GitFailed | GitLocked:
    """The error that a failed call stands for, with git's last line as detail."""
    lines = [line for line in done.err.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    verb = next((os.fsdecode(a) for a in args if not os.fsdecode(a).startswith("-")), "")
    if ".lock': File exists" in said:
        return GitLocked(said.removeprefix("fatal: ").removeprefix("error: "))
    return GitFailed(f"git {verb}: {said or f'exit code {done.code}'}")


def discover(folder: str) -> Git:
    """Finds the repository that `folder` lies in. Raises: NotARepository, GitMissing."""
    program = process.find_program("git")
    if program is None:
        raise GitMissing("git is not on PATH", next=("uet-git", "--help"))
    asked = (
        *("--git-dir", "--git-common-dir", "--is-bare-repository", "--is-inside-work-tree"),
        *("--show-object-format", "--show-toplevel"),
    )
    done = process.run([program, "rev-parse", *asked], cwd=folder, env=process.environment())
    lines = os.fsdecode(done.out).split("\n")
    if len(lines) < 6:
        said = done.err.decode("utf-8", "backslashreplace").strip().removeprefix("fatal: ").splitlines()
        raise NotARepository(said[0] if said else folder)
    git_dir, common = (os.path.realpath(os.path.join(folder, p)) for p in lines[:2])
    top = lines[5] if lines[3] == "true" and len(lines) > 6 else None
    return Git(program, git_dir, common, top, lines[4])
