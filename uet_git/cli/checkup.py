"""What `doctor` looks at, as a list of small looks: each yields checks, and none of them changes anything.

A check that can be mended without loss carries how; only `doctor --fix` calls it.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from uet_git import __version__
from uet_git.errors import GitMissing, UetError
from uet_git.host import openfiles, process, sandbox_probe
from uet_git.host.sandbox import Tier
from uet_git.ledger import connection
from uet_git.model import display
from uet_git.plumbing import git as gits
from uet_git.plumbing import hookfiles, identity, indexlock
from uet_git.project import Project

MB = 1024 * 1024
_LOW, _VERY_LOW = 1024 * MB, 100 * MB
_FRESH = 60.0  # seconds: git holds a lock for milliseconds, a person in an editor for minutes

_INSTALL: Final = ("uet-git", "hook", "install")

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. `state` is ok, note or problem; `next` are commands as argv.

    `mend` puts it right and loses nothing; None if a person must.
    """

    name: str
    state: str
    text: str
    next: tuple[Argv, ...] = ()
    mend: Callable[[], object] | None = None


Look = Callable[[Project], Iterator[Check]]


def ok(name: str, text: str) -> Check:
    """Nothing to do."""
    return Check(name, "ok", text)


def note(name: str, text: str, *next_: Argv, mend: Callable[[], object] | None = None) -> Check:
    """Good to know; no fault."""
    return Check(name, "note", text, next_, mend)


def problem(name: str, text: str, *next_: Argv, mend: Callable[[], object] | None = None) -> Check:
    """Something that stops a command, or will."""
    return Check(name, "problem", text, next_, mend)


def guarded(name: str, look: Look, project: Project) -> Iterator[Check]:
    """The checks of one look; what it runs into is a problem too, not the end of the others."""
    try:
        yield from look(project)
    except UetError as exc:
        next_ = () if exc.next == ("uet-git", "doctor") else (exc.next,)
        yield problem(name, exc.message, *next_)
    except OSError as exc:
        yield problem(name, f"{exc.filename or 'the system'}: {exc.strerror}")


def programs() -> Iterator[Check]:
    """git, Python and SQLite: what needs no repository."""
    program = process.find_program("git")
    if program is None:
        yield problem("git", "git is not on PATH")
    else:
        try:
            found = ".".join(map(str, gits.require_version(program)))
            yield ok("git", f"{found} ({program})")
        except GitMissing as exc:
            yield problem("git", exc.message)
    about = connection.about()
    python = f"{platform.python_version()} ({sys.executable})"
    yield ok("python", f"{python}, SQLite {about.sqlite}, uet-git {__version__}")


def sandboxes() -> Iterator[Check]:
    """What gates can run in on this machine, and why not in something stronger."""
    best, second = sandbox_probe.look(Tier.BUBBLEWRAP), sandbox_probe.look(Tier.UNSHARE)
    if best.works:
        held = "gates see no network, and neither your home nor the repository"
        yield ok("sandbox", f"bubblewrap {best.version} ({best.program}): {held}")
        return
    found = "none works: gates run with your rights"
    if second.works:
        found = "unshare: gates have no network, but can read and write your files"
    next_ = [best.fix] if best.fix else []
    yield note("sandbox", f"{found}; {display.line(best.cause)} (docs/sandbox.md)", *next_)


def repository(project: Project) -> Iterator[Check]:
    """What kind of repository it is."""
    git = project.git
    kind = "bare repository" if git.top is None else "work tree"
    if git.top is not None and git.git_dir != git.common_dir:
        kind = "linked work tree"
    yield ok("repository", f"{kind} {git.top or git.git_dir}, {git.object_format}")
    if os.path.exists(os.path.join(git.common_dir, "shallow")):
        yield note("repository", "it is shallow: older commits are not here, and are not asked for")
    if project.config_value("extensions.partialclone") is not None:
        yield note("repository", "it is a partial clone: objects that are not here are not fetched")


def committer(project: Project) -> Iterator[Check]:
    """Who commits."""
    name, email = identity.find(project.git)
    yield ok("identity", f"{display.line(name)} <{display.line(email)}>")


def facts(project: Project) -> Iterator[Check]:
    """Remotes, branches, uncommitted changes."""
    found = gits.facts(project.git)
    remotes = [display.line(name) for name in found["remotes"]]
    state = "" if found["bare"] else ", uncommitted changes" if found["dirty"] else ", clean"
    yield ok(
        "git facts",
        f"branches: {len(found['branches'])}, remotes: {', '.join(remotes) or 'none'}{state}",
    )


def disk(project: Project) -> Iterator[Check]:
    """Room for the ledger and for scratch trees."""
    for what, folder in (("ledger", project.git.common_dir), ("cache", process.cache_folder())):
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder) or "/"
        found = os.statvfs(folder)
        free = found.f_bavail * found.f_frsize
        text = f"{free // MB:,} MB free for the {what} ({folder})"
        make = problem if free < _VERY_LOW else note
        yield ok("disk", text) if free >= _LOW else make("disk", text, ("df", "-h", folder))


def locks(project: Project) -> Iterator[Check]:
    """Lock files of git that are in the way."""
    found = sorted(set(_locks(project)))
    if not found:
        yield ok("locks", "no lock of git is held")
    for path in found:
        yield from _lock(path)


def _locks(project: Project) -> Iterator[str]:
    common = project.git.common_dir
    folders = {common, project.git.git_dir, *(t.git.git_dir for t in project.worktrees.all())}
    for folder in folders:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        yield from (os.path.join(folder, n) for n in names if n.endswith(".lock"))
    for base, _, names in os.walk(os.path.join(common, "refs")):
        yield from (os.path.join(base, n) for n in names if n.endswith(".lock"))


def _lock(path: str) -> Iterator[Check]:
    message = gits.locked(path).detail
    if message.endswith("(gone by now)"):
        return
    if os.path.basename(path) == "index.lock" and indexlock.abandoned(path):
        text = f"{message}: left by a landing that was cut short"
        yield problem("locks", text, ("uet-git", "apply"))
        return
    held = openfiles.is_open(path)
    if held or os.lstat(path).st_mtime > _now() - _FRESH:
        yield note("locks", f"{message}: a git command is at work", ("ls", "-l", path))
    else:
        text = f"{message}; if no git command is at work, remove it"
        yield problem("locks", text, ("rm", path))


def _now() -> float:
    from uet_git.host.clock import Clock

    return Clock().time_ns() / 1e9


def examine(folder: str, looks: Sequence[tuple[str, Look]]) -> Iterator[Check]:
    """Every check of the repository that `folder` lies in, in order."""
    yield from programs()
    yield from sandboxes()
    try:
        project = Project.open(folder)
    except UetError as exc:
        yield problem("repository", exc.message, exc.next)
        return
    with project:
        for name, look in looks:
            yield from guarded(name, look, project)


def hooks(project: Project) -> Iterator[Check]:
    """Whether git would run our hooks, from here and from every linked work tree."""
    if project.git.top is None:
        return
    place = hookfiles.place(project.git)
    found = [f for f in hookfiles.look(project.git, place) if f.name in hookfiles.HOOKS]
    ours = [f for f in found if f.state == "ours" and f.runs]
    where = "" if place.configured is None else f" (core.hooksPath {display.line(place.folder)})"
    if len(ours) == len(found):
        yield ok("hooks", f"git runs ours{where}")
    elif not any(f.state in ("ours", "outdated") or f.chained for f in found):
        yield note("hooks", f"none of ours: plain commits pass no gate{where}", _INSTALL)
    else:
        names = ", ".join(f.name for f in found if f not in ours)
        yield problem("hooks", f"git does not run ours as they should be: {names}{where}", _INSTALL)
    for tree in project.worktrees.all() if ours else ():
        there = hookfiles.place(tree.git)
        if not tree.away and not os.path.lexists(os.path.join(there.folder, "pre-commit")):
            yield note(
                "hooks",
                f"{display.line(tree.path)} looks for hooks in {there.folder}: none is there",
            )


LOOKS: tuple[tuple[str, Look], ...] = (
    ("repository", repository),
    ("identity", committer),
    ("locks", locks),
    ("disk", disk),
    ("git facts", facts),
    ("hooks", hooks),
)
