"""hooks: installs the shims and takes them away, and records what was written (DESIGN 11)."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from uet_git.errors import ConfigError, UetError
from uet_git.plumbing import git as gits
from uet_git.plumbing import hookfiles
from uet_git.plumbing.hookfiles import Changed, Found, Place
from uet_git.project import Project
from uet_git.queue import anchor, guard

_WRITTEN: Final = "hook_files"


def install(
    project: Project,
    names: Iterable[str] = hookfiles.HOOKS,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> list[Changed]:
    """Installs shims, and has the ledger made if there is none. Raises: UsageError, DiskFull, IoFailed."""
    where = hookfiles.place(project.git)
    hookfiles.check(where, project.git, force=force)
    if dry_run:
        return hookfiles.install(project.git, where, names, dry_run=True)
    project.ensure_ledger()
    project.hook_home.make()
    refresh(project)
    changed = hookfiles.install(project.git, where, names)
    _note(project, where, "hooks_installed")
    return changed


def uninstall(project: Project, *, dry_run: bool = False) -> list[Changed]:
    """Takes every shim of ours away and puts back what was there."""
    where = hookfiles.place(project.git)
    known = _written(project)
    changed = hookfiles.remove(project.git, where, known, dry_run=dry_run)
    if not dry_run and any(c.did in ("removed", "restored") for c in changed):
        with suppress(UetError):
            _note(project, where, "hooks_removed")
    return changed


def status(project: Project) -> tuple[Place, list[Found]]:
    """Where hooks lie, and how each stands."""
    where = hookfiles.place(project.git)
    return where, hookfiles.look(project.git, where)


def refresh(project: Project) -> None:
    """Puts the flags that the shims read as the checked-out branch's tip has them."""
    branch = gits.branch(project.git)
    with suppress(ConfigError):
        settings = project.settings_at(None if branch is None else project.tip(branch))
        project.hook_home.set_flags(guard.flags(settings))


def _note(project: Project, where: Place, what: str) -> None:
    if not project.has_ledger():
        return
    found = hookfiles.look(project.git, where)
    ours = {f.name: f.digest for f in found if f.state == "ours"}
    kept = {f.name: hookfiles.digest(f.path + hookfiles.LEGACY) for f in found if f.chained}
    text = json.dumps(ours, sort_keys=True)
    if project.ledger.meta(_WRITTEN) == text:
        return
    with project.ledger.write() as write:
        note = {"what": what, "folder": where.folder, "hooks": ours, "kept": kept}
        write.note("note", {k: v for k, v in note.items() if k != "folder"})
        write.set_meta(_WRITTEN, text)
    anchor.anchor_now(project)


def _written(project: Project) -> dict[str, str]:
    """The digests of what was written; empty where the ledger cannot tell."""
    with suppress(UetError, ValueError):
        if project.has_ledger():
            return dict(json.loads(project.ledger.meta(_WRITTEN) or "{}"))
    return {}
