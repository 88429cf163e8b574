"""The user's own configuration: `${XDG_CONFIG_HOME:-~/.config}/uet-git/config.toml`, never a repository's.

`notify = ["program", "argument"]` is run when something needs a person (queue/notify.py).
"""

import os
from typing import Any, Final

from uet_git.errors import ConfigError
from uet_git.host import user_policy
from uet_git.model.named import NamedTuple

NAME: Final = "config.toml"
_LARGEST: Final = 64 * 1024
_KEYS: Final = ("version", "notify")


class UserConfig(NamedTuple):
    """`notify` is the argv to run, empty for none."""

    notify: tuple[str, ...] = ()


def path() -> str:
    """Where the file would lie; empty where there is no home."""
    beside = user_policy.path()
    return os.path.join(os.path.dirname(beside), NAME) if beside else ""


def read() -> UserConfig:
    """The user's configuration; the default without a file. Raises: ConfigError."""
    where = path()
    if not where:
        return UserConfig()
    try:
        with open(where, "rb") as file:
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return UserConfig()
    except OSError as exc:
        raise ConfigError(f"{where}: {exc.strerror}") from exc
    return UserConfig(_notify(_tree(data, where), where))


def _tree(data: bytes, where: str) -> dict[str, Any]:
    import tomllib

    if len(data) > _LARGEST:
        raise ConfigError(f"{where}: is larger than {_LARGEST} bytes")
    try:
        tree = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigError(f"{where}: {exc}") from None
    for key in tree:
        if key not in _KEYS:
            raise ConfigError(f"{where}: unknown key `{key}`; known are {', '.join(_KEYS)}")
    if tree.get("version", 1) != 1:
        raise ConfigError(f"{where}: `version` must be 1")
    return tree


def _notify(tree: dict[str, Any], where: str) -> tuple[str, ...]:
    argv = tree.get("notify", [])
    good = isinstance(argv, list) and all(isinstance(a, str) and "\0" not in a for a in argv)
    if not good or (argv and not argv[0]):
        raise ConfigError(
            f"{where}: `notify` must be a list of strings, a program and its arguments"
        )
    return tuple(argv)
