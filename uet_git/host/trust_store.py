"""What a person has accepted on this machine: `${XDG_STATE_HOME:-~/.local/state}/uet-git/trust/REPOSITORY/HASH.json`.

One file for each accepted hash of each repository, outside of it, so that nothing which comes with a clone or a patch
is there. REPOSITORY stands for the path of the git directory together with the ledger's id: a copy, a moved repository,
and another one at the same path are others.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from uet_git.errors import UsageError
from uet_git.host.files import os_errors, write_atomic
from uet_git.model.named import NamedTuple

_LARGEST: Final = 64 * 1024  # bytes


class Repository(NamedTuple):
    """Which repository: the real path of its git directory, its ledger's id, and the folders that are part of it."""

    path: str
    ledger_id: str
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, common_dir: str, top: str | None, ledger_id: str) -> "Repository":
        """The repository of a git directory and a work tree (None: bare)."""
        parts = [os.path.realpath(p) for p in (common_dir, top) if p is not None]
        return cls(parts[0], ledger_id, tuple(parts))


class Found(NamedTuple):
    """What the store says of one hash. `problem` is why a file that is there does not count."""

    accepted: bool
    problem: str = ""


def path(repository: Repository, digest: str) -> str:
    """Where an acceptance lies. Raises: UsageError if it would lie in the repository, or there is no home."""
    return os.path.join(_folder(repository), f"{digest}.json")


def look(repository: Repository, digest: str) -> Found:
    """Whether a hash is accepted. What cannot be read, or is not as this program writes it, does not count."""
    try:
        file = path(repository, digest)
        document = json.loads(_read(file))
    except FileNotFoundError:
        return Found(False)
    except UsageError as exc:
        return Found(False, exc.detail)
    except OSError as exc:
        return Found(False, f"{exc.filename or file}: {exc.strerror}")
    except (ValueError, RecursionError):
        return Found(False, f"{file} is damaged")
    wanted = _identity(repository, digest)
    if isinstance(document, dict) and all(document.get(k) == v for k, v in wanted.items()):
        return Found(True)
    return Found(False, f"{file} is damaged")


def has_any(repository: Repository) -> bool:
    """Whether anything was ever accepted for this repository."""
    try:
        return any(name.endswith(".json") for name in os.listdir(_folder(repository)))
    except (OSError, UsageError):
        return False


def keep(repository: Repository, digest: str, about: Mapping[str, Any]) -> str:
    """Accepts a hash, durably; returns the file's path. `about` is for people.

    Raises: UsageError, DiskFull, IoFailed.
    """
    file = path(repository, digest)
    folder = os.path.dirname(file)
    with os_errors(f"keeping what you accept in {folder}"):
        _make(folder)
    document = {**about, **_identity(repository, digest)}
    write_atomic(file, json.dumps(document, indent=2).encode("ascii") + b"\n", 0o600)
    return file


def forget(repository: Repository, digest: str) -> bool:
    """Takes an acceptance back; tells whether there was one. Raises: UsageError, IoFailed."""
    file = path(repository, digest)
    with os_errors(f"removing {file}"):
        try:
            os.unlink(file)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _identity(repository: Repository, digest: str) -> dict[str, Any]:
    return {"v": 1, "repository": repository.path, "ledger": repository.ledger_id, "hash": digest}


def _folder(repository: Repository) -> str:
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        home = os.path.expanduser("~")
        base = os.path.join(home, ".local", "state") if home.startswith("/") else ""
    if not base:
        raise UsageError("there is no home folder to keep what you accept: set XDG_STATE_HOME")
    folder = os.path.join(base, "uet-git", "trust")
    real = os.path.realpath(folder)
    for part in repository.parts:
        if os.path.commonpath([part, real]) == part:
            text = f"{folder} is inside this repository: set XDG_STATE_HOME to a folder outside"
            raise UsageError(text)
    key = hashlib.sha256(
        f"{repository.path}\0{repository.ledger_id}".encode(errors="surrogateescape")
    )
    return os.path.join(folder, key.hexdigest()[:32])


def _make(folder: str) -> None:
    """Makes a folder and what is missing above it, for this user alone."""
    if os.path.isdir(folder):
        return
    _make(os.path.dirname(folder))
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _read(file: str) -> bytes:
    """The bytes of an acceptance. Raises: OSError, also for a file that somebody else could have written."""
    fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as opened:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", file)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise OSError(errno.EPERM, "others can write it", file)
        return opened.read(_LARGEST)
