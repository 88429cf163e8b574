"""What a hook's marker stands on beside the tree, in words that a few lines of `sh` compare (hooks/check.sh).

Less than a verdict's key says: where the two could differ there is no marker, and the verdict cache is asked.
"""

import os
from collections.abc import Iterable
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

    First the values of COMPARED, then paths that must be older than the marker. So must every folder of PATH, be it
    that a program of the same name comes to lie in it; sh looks at them without being told.
    """
    env = os.environ
    if any(k.startswith("UET_") and k != _OURS for k in env):
        return None
    if any(k.startswith("LC_") and k not in COMPARED for k in env):
        return None
    values = [env.get(name, "") for name in COMPARED]
    if any(_SEPARATOR in value for value in values):
        return None
    from uet_git.host.gate_env import gate_environment

    path = gate_environment(home="", temporary="", ceiling="")["PATH"]
    if not all(map(os.path.isabs, path.split(os.pathsep))):
        return None
    found = [_SEPARATOR.join(values)]
    for program in dict.fromkeys(programs):
        if not os.path.dirname(program) or os.path.isabs(program):  # else it is a file of the tree
            places = _places(program, path)
            if not places:
                return None
            found += (p for p in places if p not in found)
    return None if any("\n" in line for line in found) else found


def _places(program: str, path: str) -> list[str]:
    """What is replaced together with a program; empty if it is nowhere."""
    from uet_git.host.gate_env import search_path
    from uet_git.host.gate_facts import packages

    file = search_path(program, path)
    if file is None or not os.path.isfile(file):
        return []
    folder = os.path.dirname(file)
    return [
        folder,
        file,
        os.path.dirname(os.path.realpath(file)),
        *packages(os.path.dirname(folder)),
    ]
