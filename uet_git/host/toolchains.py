"""Which folders inside hidden ones hold a gate's tools: a home that is out of sight must not take Python with it.

Found from PATH and from the variables that name an installation. What is found is shown read-only,
never a folder that holds a hidden one, and never the whole of a folder where tools and secrets lie
side by side (`~/.local`, `~/.cargo`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final

_VARIABLES: Final = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GOROOT", "RUSTUP_HOME", "PYENV_ROOT"),
    *("NVM_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
_WHOLE: Final = (
    *(".pyenv", ".rbenv", ".nodenv", ".goenv", ".asdf", ".nvm", ".fnm", ".volta", ".sdkman"),
    *(".rustup", ".ghcup", ".bun", ".deno", ".nix-profile"),
    *(f".local/share/{name}" for name in ("mise", "fnm", "pnpm", "pipx", "uv/python", "uv/tools")),
    ".local/pipx",
)
"""Version managers, below a home: their parts point at each other, so they are shown whole."""
_MIXED: Final = ("", ".local", ".cargo", ".config", ".cache", ".npm")
"""Folders below a home that hold tools and secrets: only their folder of programs is shown."""
_INSTALLED: Final = ("lib", "lib64", "libexec", "share", "conda-meta")
_PROGRAMS: Final = ("bin", "sbin", "shims", "condabin")
_MOST: Final = 4_000  # entries of one folder that are looked at


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it; both absolute and normal."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def needed(env: Mapping[str, str], hidden: Sequence[str], homes: Sequence[str]) -> tuple[str, ...]:
    """The folders below `hidden` ones that the tools named by `env` need, as they are named and as they really are.

    `hidden` and `homes` are real paths. Links are left to the caller to follow. Looked up once a
    process: tools do not move while gates run.
    """
    named = [env[name] for name in _VARIABLES if name in env]
    named += env.get("PATH", "").split(os.pathsep)
    return _needed(tuple(p for p in named if os.path.isabs(p)), tuple(hidden), tuple(homes))


@cache
def _needed(
    named: tuple[str, ...], hidden: tuple[str, ...], homes: tuple[str, ...]
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = list(named)
    seen: set[str] = set()
    while waiting:
        path = os.path.normpath(waiting.pop(0))
        if path in seen:
            continue
        seen.add(path)
        real = os.path.realpath(path)
        if not any(within(p, h) for p in (path, real) for h in hidden):
            continue
        place = _installation(real, hidden, homes)
        if place is not None:
            found[path] = found[place] = None
            waiting += _pointed_at(real, place)
    return tuple(p for p in found if not _holds(os.path.realpath(p), hidden))


@cache
def _whole(homes: tuple[str, ...]) -> tuple[str, ...]:
    found = (os.path.join(home, name) for home in homes for name in _WHOLE)
    return tuple(os.path.realpath(p) for p in found if os.path.isdir(p))


@cache
def _mixed(homes: tuple[str, ...]) -> frozenset[str]:
    found = (os.path.join(home, name) for home in homes for name in _MIXED)
    return frozenset(os.path.realpath(p) for p in found if os.path.isdir(p))


def _installation(real: str, hidden: tuple[str, ...], homes: tuple[str, ...]) -> str | None:
    """The folder to show for one that holds programs (or for a named file); None if it cannot be shown."""
    if not os.path.exists(real):
        return None
    for whole in _whole(homes):
        if within(real, whole) and not _holds(whole, hidden):
            return whole
    packages, node, _ = f"{real}/".partition("/node_modules/")
    if node and not _holds(packages + node, hidden):
        return packages + node.rstrip("/")
    parent, name = os.path.split(real)
    own = name in _PROGRAMS and parent not in _mixed(homes) and not _holds(parent, hidden)
    if own and _is_installation(parent):
        return parent
    return None if real in _mixed(homes) or _holds(real, hidden) else real


def _is_installation(folder: str) -> bool:
    if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        return True
    if os.path.lexists(os.path.join(folder, ".git")):
        return False
    return any(os.path.isdir(os.path.join(folder, name)) for name in _INSTALLED)


def _holds(folder: str, hidden: Iterable[str]) -> bool:
    """Whether showing a folder would show a hidden one."""
    return any(within(h, folder) for h in hidden)


def _pointed_at(programs: str, place: str) -> Iterator[str]:
    """What the links among programs lead to outside `place`, and the Python that a virtual environment is of."""
    for folder in {programs, os.path.join(place, "bin")}:
        with suppress(OSError), os.scandir(folder) as entries:
            for _, entry in zip(range(_MOST), entries, strict=False):
                if entry.is_symlink():
                    target = os.path.normpath(os.path.join(folder, os.readlink(entry.path)))
                    if not within(target, place):
                        yield _place(target)
    with suppress(OSError), open(os.path.join(place, "pyvenv.cfg"), encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition("=")
            if key.strip() == "home" and os.path.isabs(value.strip()):
                yield value.strip()


def _place(program: str) -> str:
    """The folder of programs that one lies in, or the file alone: its folder may be anything."""
    folder = os.path.dirname(program)
    return folder if os.path.basename(folder) in _PROGRAMS else program
