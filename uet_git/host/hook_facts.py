"""What a hook's marker stands on beside the tree, in words that a few lines of `sh` compare (hooks/check.sh).

Less than a verdict's key says: where the two could differ there is no marker, and the verdict cache is asked.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Final

COMPARED: Final = (
    *("PATH", "HOME", "XDG_CONFIG_HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GOROOT", "RUSTUP_HOME", "PYENV_ROOT"),
    *("PYENV_VERSION", "NVM_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT"),
    *("LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"),
)
"""The variables whose values sh compares, in its order."""
_OURS: Final = "UET_GIT_PID"
_SEPARATOR: Final = "|"


def lines(programs: Iterable[str]) -> list[str] | None:
    """The lines of a marker for gates that start these programs; None where sh could not tell what changes.

    First the values of COMPARED; then `+path` for what must be older than the marker, `-path` for what must not exist.
    """
    env = os.environ
    if any(k.startswith("UET_") and k != _OURS for k in env):
        return None
    if any(k.startswith("LC_") and k not in COMPARED for k in env):
        return None
    values = [env.get(name, "") for name in COMPARED]
    if any(_SEPARATOR in value for value in values):
        return None
    found = [_SEPARATOR.join(values)]
    for program in dict.fromkeys(programs):
        if os.path.dirname(program) and not os.path.isabs(program):
            continue  # a file of the tree
        places = list(_places(program))
        if not places:
            return None
        found += (p for p in places if p not in found)
    return None if any("\n" in line for line in found) else found


def _places(program: str) -> Iterator[str]:
    """Where the program is, and every folder in which another of its name would come first; nothing if nowhere."""
    from uet_git.host.gate_env import gate_environment
    from uet_git.host.gate_facts import packages

    path = gate_environment(home="", temporary="", ceiling="")["PATH"]
    before: list[str] = []
    for folder in ("",) if os.path.isabs(program) else path.split(os.pathsep):
        if not os.path.isabs(os.path.join(folder, program)):
            return
        file = os.path.join(folder, program)
        if not folder:
            folder = os.path.dirname(file)
        if not os.path.isfile(file) or not os.access(file, os.X_OK):
            before.append(f"+{folder}" if os.path.isdir(folder) else f"-{folder}")
            continue
        real = os.path.realpath(file)
        yield from before
        yield from (f"+{p}" for p in (folder, file, os.path.dirname(real)))
        yield from (f"+{p}" for p in packages(os.path.dirname(folder)))
        return
