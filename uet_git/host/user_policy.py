"""The user's own policy file, the outermost layer: `${XDG_CONFIG_HOME:-~/.config}/uet-git/policy.toml`."""

import os
from typing import Any

from uet_git.errors import ConfigError
from uet_git.model.named import NamedTuple

NAME = "policy.toml"


class UserPolicy(NamedTuple):
    """Where the file lies, and its rules by key of `[policy]`."""

    path: str
    rules: tuple[tuple[str, Any], ...]


def path() -> str:
    """Where the user's policy file would lie; empty where there is no home."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        home = os.path.expanduser("~")
        base = os.path.join(home, ".config") if home.startswith("/") else ""
    return os.path.join(base, "uet-git", NAME) if base else ""


def has_beside(name: str) -> bool:
    """Whether the user has a file of this name in the same folder; reads nothing."""
    where = path()
    return bool(where) and os.path.exists(os.path.join(os.path.dirname(where), name))


def read() -> UserPolicy | None:
    """The user's rules; None without a file. Raises: ConfigError."""
    where = path()
    if not where:
        return None
    try:
        with open(where, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigError(f"{where}: {exc.strerror}") from exc
    from uet_git.host import config

    return UserPolicy(where, config.parse_policy(data, where))
