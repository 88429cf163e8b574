"""Installs, recognises, chains and removes the hook shims (DESIGN 11).

A foreign hook moves to `<hook>.uet-legacy`, which our shim runs first; removing ours moves it back, so every byte, its
mode and its times are what they were.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from uet_git.errors import UsageError
from uet_git.host import files, process, shipped
from uet_git.model.named import NamedTuple
from uet_git.plumbing.git import Git, failure

BODIES: Final = {
    **dict.fromkeys(("pre-commit", "pre-merge-commit"), "check.sh"),
    **dict.fromkeys(("post-commit", "post-merge", "post-applypatch"), "report.sh"),
    "post-rewrite": "rewrite.sh",
    "pre-push": "push.sh",
}
OPTIONAL: Final = ("pre-push",)
HOOKS: Final = tuple(name for name in BODIES if name not in OPTIONAL)
LEGACY: Final = ".uet-legacy"
_MARK: Final = b"\n# uet-git hook "
_HEAD: Final = 512  # bytes in which our mark stands


class Place(NamedTuple):
    """Where git looks for hooks. `configured` is core.hooksPath as written, `scope` git's word for where it is."""

    folder: str
    configured: str | None
    scope: str
    inside: bool

    @property
    def ours(self) -> bool:
        """Whether hooks there are this repository's alone."""
        return self.inside and self.scope not in ("global", "system")


class Found(NamedTuple):
    """One hook file as it stands. `state` is none, ours, outdated (ours, but not as we would write it) or foreign.

    `chained` tells whether a foreign hook waits beside it, `runs` whether git would run the file. `digest` covers
    bytes and mode; empty without a file.
    """

    name: str
    path: str
    state: str
    chained: bool
    runs: bool
    digest: str


class Changed(NamedTuple):
    """What became of one hook file: `did` is made, renewed, kept, removed, restored, absent or left (see `why`)."""

    name: str
    path: str
    did: str
    chained: bool = False
    why: str = ""


def place(git: Git) -> Place:
    """Asks git where it would look. Raises: GitFailed."""
    cwd = git.top or git.git_dir
    where = [git.program, f"--git-dir={git.git_dir}"] + (
        [f"--work-tree={git.top}"] if git.top else []
    )
    argv = [*where, "rev-parse", "--git-path", "hooks"]
    done = process.run(argv, cwd=cwd, env=process.environment())
    if done.code != 0:
        raise failure(("rev-parse",), done)
    folder = os.path.join(cwd, os.fsdecode(done.out.removesuffix(b"\n")))
    argv = [*where, "config", "--show-scope", "-z", "--get", "core.hooksPath"]
    found = process.run(argv, cwd=cwd, env=process.environment())
    scope, _, value = os.fsdecode(found.out).removesuffix("\0").partition("\0")
    around = [git.common_dir, *([git.top] if git.top else [])]
    real = os.path.realpath(folder)
    inside = any(_below(real, os.path.realpath(base)) for base in around)
    return Place(os.path.normpath(folder), value if scope else None, scope, inside)


def _below(path: str, base: str) -> bool:
    return path == base or path.startswith(base.rstrip("/") + "/")


def check(where: Place, git: Git, *, force: bool = False) -> None:
    """Refuses a folder whose hooks run in other repositories too. Raises: UsageError."""
    if where.configured is None or where.ours or force:
        return
    how = f"core.hooksPath is {where.configured} ({where.scope})"
    raise UsageError(
        f"{how}: hooks there would run in other repositories too",
        next=("git", "config", "core.hooksPath", os.path.join(git.common_dir, "hooks")),
    )


def shim(name: str, where: Place, git: Git) -> bytes:
    """The file that we write for one hook."""
    folder = shipped.folder("hooks")
    home = "$(git rev-parse --git-common-dir)/uet"
    if where.inside:
        way = os.path.relpath(os.path.join(git.common_dir, "uet"), os.path.realpath(where.folder))
        home = "${0%/*}/" + _in_quotes(way)
    entry = os.path.join(os.path.dirname(os.path.dirname(__file__)), "hookentry.py")
    values = {
        "@NAME@": name,
        "@PYTHON@": _quoted(sys.executable),
        "@ENTRY@": _quoted(os.path.abspath(entry)),
        "@HOME@": f'"{home}"',
    }
    text = (folder / "prologue.sh").read_text("utf-8")
    for key, value in values.items():
        text = text.replace(key, value)
    return os.fsencode(text) + b"\n" + (folder / BODIES[name]).read_bytes()


def _quoted(text: str) -> str:
    """For between two single quotes of sh."""
    return text.replace("'", "'\\''")


def _in_quotes(text: str) -> str:
    """For between two double quotes of sh."""
    return "".join(f"\\{c}" if c in '"\\$`' else c for c in text)


def look(git: Git, where: Place, names: Iterable[str] = tuple(BODIES)) -> list[Found]:
    """How each hook stands."""
    return [_look(name, where, git) for name in names]


def _look(name: str, where: Place, git: Git) -> Found:
    path = os.path.join(where.folder, name)
    chained = os.path.lexists(path + LEGACY)
    if not os.path.lexists(path):
        return Found(name, path, "none", chained, False, "")
    data = _bytes(path)
    state = "foreign"
    if is_ours(data) and not os.path.islink(path):
        same = data == shim(name, where, git) and _mode(path) & 0o111 == 0o111
        state = "ours" if same else "outdated"
    return Found(name, path, state, chained, os.access(path, os.X_OK), digest(path))


def is_ours(data: bytes) -> bool:
    """Whether these are the bytes of a shim of ours, of whatever version."""
    return data.startswith(b"#!/bin/sh\n") and _MARK in data[:_HEAD]


def digest(path: str) -> str:
    """SHA-256 over a hook's mode and bytes, or over where a link points; empty if there is nothing."""
    if os.path.islink(path):
        return hashlib.sha256(b"link\0" + os.fsencode(os.readlink(path))).hexdigest()
    if not os.path.lexists(path):
        return ""
    return hashlib.sha256(b"%o\0" % _mode(path) + _bytes(path)).hexdigest()


def _mode(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def install(
    git: Git, where: Place, names: Iterable[str] = HOOKS, *, dry_run: bool = False
) -> list[Changed]:
    """Writes our shims, each in one step: git finds the old hook or ours at any moment. Again: changes nothing.

    Raises: UsageError (two foreign hooks stand where one can be kept), DiskFull, IoFailed.
    """
    found = look(git, where, names)
    for each in found:
        if each.state == "foreign" and each.chained and not _same(each.path):
            raise UsageError(
                f"{each.path} is a foreign hook, and {each.path + LEGACY} is one that was kept before",
                next=("diff", each.path + LEGACY, each.path),
            )
    if dry_run:
        return [
            Changed(e.name, e.path, _would(e), e.chained or e.state == "foreign") for e in found
        ]
    with files.os_errors(f"making {where.folder}"):
        os.makedirs(where.folder, exist_ok=True)
    return [_install(each, where, git) for each in found]


def _would(found: Found) -> str:
    return {"ours": "kept", "outdated": "renewed"}.get(found.state, "made")


def _install(found: Found, where: Place, git: Git) -> Changed:
    path, did = found.path, _would(found)
    if found.state == "foreign" and not found.chained:
        with files.os_errors(f"keeping {path}"):
            _keep(path)
    if did != "kept":
        files.write_atomic(path, shim(found.name, where, git), 0o755)
    return Changed(found.name, path, did, os.path.lexists(path + LEGACY))


def _keep(path: str) -> None:
    """A second name first: a crash in between leaves the hook that was there, under both names."""
    try:
        os.link(path, path + LEGACY, follow_symlinks=False)
    except OSError:  # a file system without hard links
        os.rename(path, path + LEGACY)


def _same(path: str) -> bool:
    """Whether the foreign hook is the one that was kept: written again by its tool, or an install cut short."""
    return digest(path) == digest(path + LEGACY)


def remove(
    git: Git,
    where: Place,
    known: Mapping[str, str],
    names: Iterable[str] = tuple(BODIES),
    *,
    dry_run: bool = False,
) -> list[Changed]:
    """Takes our shims away and puts back what was there. What is not ours, or was edited since, stays and is named.

    `known` maps a hook to the digest of what we wrote; without it the shim's mark decides.
    Raises: DiskFull, IoFailed.
    """
    return [_remove(each, known.get(each.name), dry_run) for each in look(git, where, names)]


def _remove(found: Found, known: str | None, dry_run: bool) -> Changed:
    path = found.path
    why = _stays(found, known)
    if why:
        return Changed(found.name, path, "left", found.chained, why)
    if found.chained:
        if not dry_run:
            with files.os_errors(f"putting back {path}"):
                os.rename(path + LEGACY, path)
        return Changed(found.name, path, "restored")
    if found.state == "none":
        return Changed(found.name, path, "absent")
    if not dry_run:
        with files.os_errors(f"removing {path}"):
            os.unlink(path)
    return Changed(found.name, path, "removed")


def _stays(found: Found, known: str | None) -> str:
    if found.state == "foreign":
        if found.chained:
            return f"it is not ours; what we kept is in {found.name}{LEGACY}"
        return "it is not ours"
    if found.state == "outdated" and known is not None and found.digest != known:
        return "it was edited after it was installed"
    return ""


def prune(where: Place) -> None:
    """Removes the folder of hooks if nothing is in it; git does not need it."""
    with suppress(OSError):
        os.rmdir(where.folder)
