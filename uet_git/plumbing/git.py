"""Runs git through host/process.py, and knows where a repository's parts lie.

Every call names the git directory, so no environment or current folder can send it elsewhere; hooks, fsmonitor and
other programs that a repository may configure are switched off (DESIGN 2 P9, 11).
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import IO, Any

from uet_git.errors import (
    DiskFull,
    DubiousOwnership,
    GitFailed,
    GitLocked,
    GitMissing,
    NotARepository,
    UetError,
    UsageError,
)
from uet_git.host import process
from uet_git.host.process import Completed
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.plumbing import ahead

MINIMUM = (2, 36)  # `core.fsync`, `worktree list -z`
_QUIET = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.protectHFS=true"),
    *("-c", "core.protectNTFS=true"),
    *("-c", "core.fsync=committed,reference"),
    *("-c", "core.filesRefLockTimeout=1000"),
    *("-c", "submodule.recurse=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
)
_IN_THE_WAY = late(r"Unable to create '(.+?)': File exists", re.DOTALL)
_DISK_FULL = ("No space left on device", "Out of diskspace", "Disk quota exceeded")
_PLAIN_HEAD = late(rb"ref: (refs/heads/[0-9A-Za-z_-]+(?:/[0-9A-Za-z_-]+)*)\n")
_LAYOUT = late(
    rb"(?P<git_dir>.+)\n(?P<bare>true|false)\n(?P<common>.+)\n(?P<inside>true|false)\n"
    rb"(?P<format>sha\d+)\n(?:(?P<top>.+)\n)?",
    re.DOTALL,
)
_BRANCH = "refs/heads/"


class Git:
    """One repository as seen from one folder.

    `git_dir` is this work tree's git directory, `common_dir` the repository's; `top` is the work tree's root, None in
    a bare repository. All are absolute. `object_format` is `sha1` or `sha256`.
    """

    def __init__(
        self, program: str, git_dir: str, common_dir: str, top: str | None, object_format: str
    ) -> None:
        self.program = program
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.top = top
        self.object_format = object_format
        self.listed: bytes | None = None  # its configuration, where that was asked ahead

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
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        """Runs git at the top of the work tree (`git apply` in a subfolder silently applies nothing).

        `env` is added to the clean environment; `pass_fds` stay open in the child.
        Raises: GitFailed, GitLocked or DiskFull with git's own words if it fails and `check` is set; GitMissing if
        this git is too old to know an option.
        """
        begun = self.begin(
            *args, stdin=stdin, env=env, check=check, timeout=timeout, pass_fds=pass_fds
        )
        return begun.end()

    def begin(
        self,
        *args: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 300.0,
        pass_fds: Sequence[int] = (),
    ) -> "Begun":
        """As `run`, but its end is waited for when it is asked for."""
        running = process.begin(
            self.argv(*args),
            cwd=self.top or self.git_dir,
            env=process.environment(env),
            stdin=stdin,
            timeout=timeout,
            pass_fds=pass_fds,
        )
        return Begun(self.program, args, running, check=check)

    def text(self, *args: str | bytes, stdin: bytes = b"") -> str:
        """Runs git and returns its output without the final newline, undecodable bytes kept as surrogates."""
        return os.fsdecode(self.run(*args, stdin=stdin).out.removesuffix(b"\n"))

    def start(self, *args: str | bytes, stderr: int | IO[bytes] = process.DEVNULL) -> process.Child:
        """Starts a long-lived git child with pipes (`cat-file --batch`, `update-ref --stdin`)."""
        return process.start(self.argv(*args), cwd=self.git_dir, stderr=stderr)


class Begun:
    """A git that works meanwhile. Ask for its end once, or close it."""

    def __init__(
        self,
        program: str,
        args: tuple[str | bytes, ...],
        running: process.Running,
        *,
        check: bool,
    ) -> None:
        self._program = program
        self._args = args
        self._running = running
        self._check = check

    def end(self) -> Completed:
        """Waits for it. Raises: as `Git.run`."""
        done = self._running.end()
        if done.code == 129:
            require_version(self._program)
        if self._check and done.code != 0:
            raise failure(self._args, done)
        return done

    def close(self) -> None:
        """Ends it, if nobody asked."""
        self._running.close()


def failure(args: tuple[str | bytes, ...], done: Completed) -> UetError:
    """The error that a failed call stands for, with git's last line as detail."""
    said = words(done.err)
    verb = next((os.fsdecode(a) for a in args if not os.fsdecode(a).startswith("-")), "")
    if held := _IN_THE_WAY.search(os.fsdecode(done.err)):
        return locked(held[1])
    if any(full in said for full in _DISK_FULL):
        return DiskFull(f"git {verb}: {said}")
    return GitFailed(f"git {verb}: {said or f'exit code {done.code}'}")


def words(stderr: bytes) -> str:
    """The line of git's complaint that says most: its first `fatal:` or `error:`, else the last."""
    lines = [
        line for line in stderr.decode("utf-8", "backslashreplace").splitlines() if line.strip()
    ]
    found = (line for line in lines if line.startswith(("fatal:", "error:")))
    return next(found, lines[-1] if lines else "")


def locked(path: str) -> GitLocked:
    """The error for a lock that is in the way: its path and age."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        age = max(0.0, time.time() - os.lstat(path).st_mtime)
    except OSError:
        return GitLocked(f"{shown} (gone by now)")
    return GitLocked(f"{shown}, {age:.0f} s old")


def discover(folder: str, env: Mapping[str, str] | None = None) -> Git:
    """Finds the repository that `folder` lies in, or that `env` names, as git's own does for a hook.

    Raises: NotARepository, DubiousOwnership, GitMissing.
    """
    program = process.find_program("git")
    if program is None:
        raise GitMissing("git is not on PATH", next=("uet-git", "--help"))
    if not os.path.isdir(folder):
        raise NotARepository(f"{folder} is not a folder")
    known = ahead.answers(program, folder) if env is None else None
    if known is None:
        env = process.environment() if env is None else {**env, "LC_ALL": "C"}
        done = process.run([program, *ahead.LAYOUT], cwd=folder, env=env)
    else:
        done = Completed(0, known[0], b"")
    found = _LAYOUT.fullmatch(done.out)
    if found is None:
        require_version(program)
        raise _not_found(folder, done)
    git_dir, common = (
        os.path.realpath(os.path.join(folder, os.fsdecode(found[k]))) for k in ("git_dir", "common")
    )
    top = found["top"] if found["inside"] == b"true" else None
    shown = os.fsdecode(top) if top else None
    git = Git(program, git_dir, common, shown, found["format"].decode())
    git.listed = None if known is None else known[1]
    return git


def _not_found(folder: str, done: Completed) -> NotARepository:
    said = os.fsdecode(done.err).strip()
    if advice := re.search(r"git config --global --add safe\.directory (.+)", said):
        path = advice[1].strip().strip("'")
        command = ("git", "config", "--global", "--add", "safe.directory", path)
        return DubiousOwnership(path, next=command)
    return NotARepository(words(done.err).removeprefix("fatal: ") or folder)


def version(program: str) -> tuple[int, ...]:
    """This git's version, `(2, 39, 5)`. Raises: GitMissing."""
    done = process.run([program, "version"], env=process.environment())
    found = re.match(rb"git version (\d+(?:\.\d+)*)", done.out)
    if found is None:
        raise GitMissing(f"{program} does not say its version")
    return tuple(int(part) for part in found[1].split(b"."))


def require_version(program: str) -> tuple[int, ...]:
    """Returns the version. Raises: GitMissing if it is older than what the product needs."""
    have = version(program)
    if have < MINIMUM:
        shown, need = (".".join(map(str, v)) for v in (have, MINIMUM))
        raise GitMissing(f"git {shown} is too old, {need} or newer is needed")
    return have


class Head(NamedTuple):
    """Where HEAD stands: `branch` is its full ref name (None: detached), `oid` its commit (None: unborn)."""

    branch: str | None
    oid: str | None


def head(git: Git) -> Head:
    """Reads HEAD. Raises: GitFailed."""
    named = git.run("symbolic-ref", "-q", "HEAD", check=False)
    if named.code not in (0, 1):
        raise failure(("symbolic-ref",), named)
    at = git.run("rev-parse", "-q", "--verify", "HEAD^{commit}", check=False)
    branch = os.fsdecode(named.out.removesuffix(b"\n")) if named.code == 0 else None
    return Head(branch, at.out.decode().strip() if at.code == 0 else None)


def branch(git: Git) -> str | None:
    """The full name of the branch that HEAD names, also while it is unborn; None if HEAD is detached."""
    named = named_plainly(git)
    if named is not None:
        return named
    done = git.run("symbolic-ref", "-q", "HEAD", check=False)
    if done.code not in (0, 1):
        raise failure(("symbolic-ref",), done)
    return os.fsdecode(done.out.removesuffix(b"\n")) if done.code == 0 else None


def named_plainly(git: Git) -> str | None:
    """What HEAD names if it is a usual file (gitrepository-layout), and a plain name that stands for no other.

    None: git has to be asked.
    """
    try:
        with open(os.path.join(git.git_dir, "HEAD"), "rb") as file:
            found = _PLAIN_HEAD.fullmatch(file.read(300))
    except OSError:
        return None
    name = "" if found is None else found[1].decode("ascii")
    return name if name and not _may_be_symbolic(os.path.join(git.common_dir, name)) else None


def _may_be_symbolic(path: str) -> bool:
    """Whether a ref's file names another ref; one that is packed, or not there, does not."""
    try:
        with open(path, "rb") as file:
            return os.path.islink(path) or file.read(4) == b"ref:"
    except FileNotFoundError:
        return os.path.islink(path)
    except OSError:
        return True


def config(git: Git) -> dict[str, list[str]]:
    """The user's whole git configuration as seen here: key (section and name in lower case) to values, last one wins.

    A key without a value reads `true`, as git reads it.
    """
    said, git.listed = git.listed, None
    if said is None:
        argv = [git.program, f"--git-dir={git.git_dir}", *ahead.CONFIG]
        done = process.run(argv, cwd=git.git_dir, env=process.environment())
        if done.code != 0:
            raise failure(("config",), done)
        said = done.out
    found: dict[str, list[str]] = {}
    for item in os.fsdecode(said).split("\0")[:-1]:
        key, has_value, value = item.partition("\n")
        found.setdefault(key, []).append(value if has_value else "true")
    return found


def editor(git: Git) -> str:
    """The user's editor as git finds it, a command line for the shell. Raises: UsageError if there is none."""
    done = process.run(
        git.argv("var", "GIT_EDITOR"), cwd=git.top or git.git_dir, env=process.inherited()
    )
    if done.code != 0:
        raise UsageError(words(done.err) or "no editor is set", next=("git", "var", "GIT_EDITOR"))
    return os.fsdecode(done.out).rstrip("\n")


def facts(git: Git) -> dict[str, Any]:
    """What `doctor` and `init` show of a repository; slow, so for those alone.

    Keys: `remotes` (name to URL), `branches` (short names), `dirty` (uncommitted or untracked files), `bare`,
    `hooks_path` (as configured, or None).
    """
    from git import Repo

    # Only what git is told by the environment keeps a repository's own programs from running here (DESIGN 2 P9).
    off = {"core.fsmonitor": "false", "core.hooksPath": "/dev/null"}
    told = {"GIT_CONFIG_COUNT": str(len(off)), "GIT_OPTIONAL_LOCKS": "0"}
    for i, (key, value) in enumerate(off.items()):
        told |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    with Repo(git.top or git.git_dir) as repo:
        repo.git.update_environment(**told)
        names = repo.git.for_each_ref("--format=%(refname)", _BRANCH)
        with repo.config_reader() as reader:
            hooks_path = reader.get_value("core", "hooksPath", "") or None
        return {
            "remotes": {remote.name: next(remote.urls, "") for remote in repo.remotes},
            "branches": [name.removeprefix(_BRANCH) for name in names.splitlines()],
            "dirty": not repo.bare and bool(repo.git.status("--porcelain")),
            "bare": bool(repo.bare),
            "hooks_path": hooks_path,
        }
