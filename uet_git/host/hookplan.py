"""What a hook's shortcut stands on beside the tree, and how it looks whether that still holds.

A plan is a file of key, value, key, value, ... each ended by NUL, in `<ledger's folder>/hooks/plans`; queue/plan.py
writes it. Its time is when what it says was first looked at. Loads nothing.
"""

import fcntl
import os
import time

from uet_git.host import gitenv, spawn

COMPARED = (
    *("PATH", "HOME", "XDG_CONFIG_HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GOROOT", "RUSTUP_HOME", "PYENV_ROOT"),
    *("PYENV_VERSION", "NVM_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT", "CI"),
    *("XDG_CACHE_HOME", "XDG_STATE_HOME", "PYTHONPATH"),
)
FLAGS = ("enforce", "drain-post-commit", "drain-post-merge")
"""Files that tell the shims of settings; none of them is in a plan's way."""
_ALSO = ("LC_", "GIT_CONFIG")

Plan = dict[str, list[str]]


def variables() -> list[str]:
    """The variables that decide what gates see and how git is configured, as NAME=VALUE in order."""
    known = os.environ.items()
    return sorted(f"{k}={v}" for k, v in known if k in COMPARED or k.startswith(_ALSO))


def read(path: str) -> Plan | None:
    """The plan, if all that it stands on is as it was. Raises: OSError if there is none."""
    with open(path, "rb", buffering=0) as file:
        words = os.fsdecode(file.read()).split("\0")
        since = os.fstat(file.fileno()).st_mtime_ns
    plan: Plan = {}
    for key, value in zip(words[:-1:2], words[1::2], strict=True):
        plan.setdefault(key, []).append(value)
    if plan.get("variable", []) != variables():
        return None
    if any(time.time() > float(until) for until in plan.get("until", [])):
        return None
    if any(_changed(os.stat(place)) >= since for place in plan["place"]):
        return None
    if any(map(os.path.lexists, plan["absent"])):
        return None
    maybe = [*plan.get("maybe", []), *os.environ["PATH"].split(os.pathsep)]
    if any(_changed_if_there(place) >= since for place in maybe):
        return None
    for program in plan.get("stamp", []):
        size, mtime, name = program.split(" ", 2)
        st = os.stat(name)
        if (st.st_size, st.st_mtime_ns) != (int(size), int(mtime)):
            return None
    return plan


def _changed(st: os.stat_result) -> int:
    """When it was changed last; what is put there with an older time was changed all the same."""
    return max(st.st_mtime_ns, st.st_ctime_ns)


def _changed_if_there(place: str) -> int:
    try:
        return max(
            _changed(os.stat(place)), _changed(os.lstat(place))
        )  # a link may lead elsewhere now
    except OSError:
        return 0


def git_pid() -> int:
    """The git process that runs the hook."""
    return int(os.environ.get("UET_GIT_PID") or os.getppid())


def has_settings() -> bool:
    """Whether variables say something for this one command."""
    return any(name.startswith("UET_") and name != "UET_GIT_PID" for name in os.environ)


def may_have_moved(git_dir: str, entered: str) -> bool:
    """Whether the index may have been written since the file `entered` was: then git must be asked again.

    Whoever writes an index makes a new file of that name, whose time of change nobody can set back. Raises: OSError.
    """
    index = os.environ.get("GIT_INDEX_FILE") or os.path.join(git_dir, "index")
    st = os.stat(index)
    return max(st.st_ctime_ns, st.st_mtime_ns) >= os.stat(entered).st_mtime_ns


def staged_tree(program: str) -> str:
    """The tree that git is about to commit, with the environment that it gave the hook; empty if it has none."""
    return (spawn.output([program, "write-tree"]) or b"").decode().strip()


def git(program: str, git_dir: str, *args: str) -> bytes:
    """What git prints, asked about a repository by name. Raises: OSError if it fails."""
    found = spawn.output([program, f"--git-dir={git_dir}", *args], gitenv.environment())
    if found is None:
        raise OSError(f"git {args[0]}")
    return found


def is_free(lock: str) -> bool:
    """Whether nobody writes to the ledger right now. Raises: OSError."""
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
