"""The only subprocess: clean environment, absolute program, list argv, timeout, the whole tree killed, output capped.

Nothing here knows what git is, except which of its variables must never leak into a child.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

from uet_git.errors import GitMissing, IoFailed

_KEPT_GIT = frozenset(
    {
        *(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE")),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES"),
        *("GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"),
    }
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
    "UET_ACTIVE": "1",
}


class Completed(NamedTuple):
    """A finished process: exit code (negative: the signal), stdout, stderr."""

    code: int
    out: bytes
    err: bytes


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for git children: the user's, without the variables that name a repository or an index.

    A leaked GIT_DIR or GIT_INDEX_FILE makes a child write into another repository (git-rev-parse --local-env-vars).
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT_GIT}
    env.update(_FIXED)
    if extra:
        env.update(extra)
    return env


def variable(name: str) -> str | None:
    """One variable of the user's environment; None where unset or empty."""
    return os.environ.get(name) or None


def find_program(name: str) -> str | None:
    """The absolute path of a program on PATH, or None."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else None


def run(
    argv: Sequence[str | bytes],
    *,
    cwd: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 120.0,
) -> Completed:
    """Runs argv to its end. `timeout` in seconds. Raises: GitMissing (not startable), IoFailed (timed out)."""
    child = start(argv, cwd=cwd, env=env)
    try:
        out, err = child.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        kill_group(child)
        raise IoFailed(f"{_shown(argv)} did not end within {timeout:.0f} s") from exc
    except BaseException:
        kill_group(child)
        raise
    return Completed(child.returncode, out, err)


def start(
    argv: Sequence[str | bytes],
    *,
    cwd: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Starts a child with pipes on stdin and stdout, in a process group of its own. Raises: GitMissing."""
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            process_group=0,
        )
    except FileNotFoundError as exc:
        raise GitMissing(_shown(argv)) from exc
    except OSError as exc:
        raise IoFailed(f"{_shown(argv)}: {exc.strerror}") from exc


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kills a child started here with its process group, and reaps it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    child.wait()


def _shown(argv: Sequence[str | bytes]) -> str:
    return " ".join(os.fsdecode(a) for a in argv[:3])
