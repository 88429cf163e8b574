"""What a verdict depends on beside the tree: the gate's variables, its program, the versions that it names, its links.

Facts are compared, never read: a text that stays the same while what it stands for stays the same.
"""

import glob
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Final

from uet_git.host import process
from uet_git.host.gate_env import gate_environment, search_path

_OWN: Final = ("HOME", "TMPDIR", "GIT_CEILING_DIRECTORIES")
_INSIDE: Final = ("", ".package-lock.json", ".yarn-integrity", "pyvenv.cfg", "bin")
"""What changes in a folder of dependencies when something is installed there."""
_VERSION_SECONDS: Final = 30.0
_VERSION_BYTES: Final = 64 * 1024


def variables(pass_env: Sequence[str]) -> dict[str, str]:
    """The variables that a gate gets from this machine, without those that name its own folders."""
    env = gate_environment(pass_env, home="", temporary="", ceiling="")
    return {k: v for k, v in env.items() if k not in _OWN}


def program(name: str, env: Mapping[str, str]) -> str:
    """Which program a name stands for, by its file, and what is installed beside it in a virtual environment."""
    found = search_path(name, env.get("PATH", ""))
    if found is None:
        return f"program {name} none"
    return f"program {name} {_stamp(found)} {_packages(os.path.dirname(os.path.dirname(found)))}"


def linked(top: str, names: Sequence[str]) -> list[str]:
    """The state of folders of dependencies in a work tree, as far as their files of administration tell."""
    facts = []
    for name in names:
        path = os.path.join(top, name)
        inside = " ".join(_stamp(os.path.join(path, i)) for i in _INSIDE) + _packages(path)
        facts.append(f"link {name} {os.path.realpath(path)} {inside}")
    return facts


def version(argv: Sequence[str], env: Mapping[str, str]) -> str | None:
    """What a command says of its version; None if it cannot say, and then no verdict holds for long."""
    with tempfile.TemporaryDirectory(prefix="uet-git-") as folder:
        log = os.path.join(folder, "log")
        full = {**env, "HOME": folder, "TMPDIR": folder}
        ended = process.run_gate(
            list(argv), cwd=folder, env=full, timeout=_VERSION_SECONDS, log_path=log
        )
        if ended.code != 0 or ended.truncated:
            return None
        with open(log, "rb") as file:
            said = file.read(_VERSION_BYTES).decode("utf-8", "backslashreplace")
    return f"version {list(argv)} {said}"


def packages(environment: str) -> list[str]:
    """The folders that a virtual environment's packages are installed into; none if it is no such environment."""
    if not os.path.isfile(os.path.join(environment, "pyvenv.cfg")):
        return []
    found = glob.glob(os.path.join(glob.escape(environment), "lib", "python*", "site-packages"))
    return sorted(found)


def _packages(environment: str) -> str:
    """When something was last installed into a virtual environment; empty if it is none."""
    return " ".join(map(_stamp, packages(environment)))


def _stamp(path: str) -> str:
    """A file's real place, its size and when it was changed."""
    try:
        found = os.stat(path)
    except OSError:
        return "-"
    return f"{os.path.realpath(path)}:{found.st_size if os.path.isfile(path) else ''}:{found.st_mtime_ns}"
