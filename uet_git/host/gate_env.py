"""The environment of a gate: a short list of what passes, everything else and every secret stays out."""

import os
from collections.abc import Iterable, Mapping
from typing import Final

from uet_git.host import programs

PASSED: Final = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "VIRTUAL_ENV"),
        *("CONDA_PREFIX", "JAVA_HOME", "GOROOT", "RUSTUP_HOME", "PYENV_ROOT", "PYENV_VERSION"),
        *("NVM_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT"),
    }
)
"""Where tools and their languages are; none of it is a secret."""
_TOOLCHAINS: Final = {"RUSTUP_HOME": ".rustup", "PYENV_ROOT": ".pyenv"}


def gate_environment(
    pass_env: Iterable[str] = (),
    *,
    home: str,
    temporary: str,
    ceiling: str,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables of a gate. `pass_env` names more of the user's; names of git itself never pass.

    `home` and `temporary` are folders of the gate's own. No git in the gate finds a repository
    from `ceiling` (an absolute folder around the gate's tree) upwards.
    """
    names = PASSED.union(n for n in pass_env if not n.startswith("GIT_"))
    env = {k: v for k, v in os.environ.items() if k in names or k.startswith("LC_")}
    env["PATH"] = _own_path(env.get("PATH", os.defpath))
    real_home = os.environ.get("HOME", "")
    for name, folder in _TOOLCHAINS.items():
        there = os.path.join(real_home, folder)
        if real_home and name not in env and os.path.isdir(there):
            env[name] = there
    env |= {
        "HOME": home,
        "TMPDIR": temporary,
        "CI": "1",
        "TERM": "dumb",
        # A stale .pyc of the last candidate would be judged in place of this one's source.
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CEILING_DIRECTORIES": ceiling,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return env | (dict(extra) if extra else {})


def search_path(name: str, path: str) -> str | None:
    """The program that a name stands for on a PATH; a name with a slash only where it is absolute."""
    if os.path.dirname(name):
        return name if os.path.isabs(name) else None
    return programs.which(name, path)


def _own_path(path: str) -> str:
    """PATH as the user has it: git puts the folder of its own commands in front for hooks, and so would each verdict
    of a hook be another question."""
    kept = [p for p in path.split(os.pathsep) if os.path.basename(p.rstrip("/")) != "git-core"]
    return os.pathsep.join(kept)
