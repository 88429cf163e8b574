"""gate_slot: gives a gate its folder, its variables and its sandbox (DESIGN 9)."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from uet_git.host import gate_facts, process, python_imports, sandbox_probe
from uet_git.host.files import os_errors
from uet_git.host.gate_limits import MB, GateLimits
from uet_git.host.sandbox import Box, Tier
from uet_git.model.records import Gate, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing import narrow
from uet_git.plumbing.scratch import Scratch, ScratchPool
from uet_git.project import Project

NARROWED: Final = "narrowed"
_PYTHON: Final = ("pyproject.toml", "setup.py", "setup.cfg")
_CHANGED: Final = ".uet-changed"
_UNUSED: Final = 7 * 86_400.0  # seconds after which narrowed trees are made anew
_EVERY: Final = 3600.0  # seconds between looks at how much disk is taken


class Slots:
    """The scratch trees of one repository, for the gates of one target's settings."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project = project
        where = settings.scratch_dir or process.cache_folder()
        self.base = os.path.join(where, "uet-git", project.ledger.ledger_id)
        self._choice = sandbox_probe.choose(settings.sandbox, settings.require_sandbox)
        self._pool = ScratchPool(os.path.join(self.base, "trees"), project.git)
        self._most = settings.scratch_mb * MB
        self._caches = tuple(dict.fromkeys(c for g in settings.gates for c in g.caches))

    @property
    def tier(self) -> Tier:
        """What gates run in."""
        return self._choice.found.tier

    def refused(self, gate: Gate) -> str:
        """Why a gate cannot run here at all; empty if it can."""
        return self._choice.refused or self._unlinked(gate)

    def _unlinked(self, gate: Gate) -> str:
        top = self._project.git.top
        for name in gate.link:
            if top is None:
                return f"link {name}: there is no work tree to take it from"
            if not os.path.isdir(os.path.join(top, name)):
                return f"link {name}: it is not in {top}"
        return ""

    def take(self, gate: Gate, tree: Oid, objects: str, paths: Sequence[bytes] | None) -> Scratch:
        """A slot that holds exactly `tree` and what else the gate asks for; what is declared as a cache is kept.

        Raises: GitFailed, DiskFull, IoFailed.
        """
        here = [c for c in self._caches if not c.startswith("~/")]
        home = [c[2:] for c in self._caches if c.startswith("~/")]
        slot = self._pool.checkout(tree, here, objects if gate.inputs else "")
        try:
            slot.empty_home(home)
            if gate.git:
                slot.give_git(tree)
            with os_errors(f"preparing {slot.path}"):
                self._link(gate, slot)
                if gate.changed:
                    self._write_changed(slot, tree, paths)
        except BaseException:
            slot.close()
            raise
        return slot

    def _link(self, gate: Gate, slot: Scratch) -> None:
        for name, target in self._links(gate):
            link = os.path.join(slot.path, name)
            if not os.path.lexists(link):
                os.makedirs(os.path.dirname(link), exist_ok=True)
                os.symlink(target, link)

    def _links(self, gate: Gate) -> list[tuple[str, str]]:
        """What a gate wants linked, and the folders of the user's that those are."""
        top = self._project.git.top or ""
        return [(name, os.path.realpath(os.path.join(top, name))) for name in gate.link]

    def _write_changed(self, slot: Scratch, tree: Oid, paths: Sequence[bytes] | None) -> None:
        if paths is None:
            paths = self._project.git.run("ls-tree", "-rz", "--name-only", tree).out.split(b"\0")
        root = os.fsencode(slot.path)
        there = [p for p in paths if p and os.path.lexists(os.path.join(root, p))]
        with open(os.path.join(slot.home, _CHANGED), "wb") as file:
            file.writelines(p + b"\0" for p in there)

    def variables(self, gate: Gate, slot: Scratch, tree: Oid) -> dict[str, str]:
        """What a gate is told about its tree; Python imports from there before it looks at what is installed."""
        env = {"UET_TREE": str(tree), "UET_ROOT": slot.path}
        if gate.changed:
            env["UET_CHANGED"] = os.path.join(slot.home, _CHANGED)
        programs = [os.path.join(t, d) for _, t in self._links(gate) for d in ("bin", ".bin")]
        found = [p for p in programs if os.path.isdir(p)]
        if found:
            usual = gate_facts.variables(gate.pass_env)["PATH"]
            env["PATH"] = os.pathsep.join([*found, usual])
        if any(os.path.isfile(os.path.join(slot.path, name)) for name in _PYTHON):
            env["PYTHONPATH"] = os.pathsep.join(self._python_path(gate, slot))
        return env

    def _python_path(self, gate: Gate, slot: Scratch) -> list[str]:
        found = python_imports.search_path(slot.path)
        given = process.variable("PYTHONPATH") if "PYTHONPATH" in gate.pass_env else None
        return [*found, given] if given else found

    def box(self, gate: Gate, slot: Scratch) -> Box:
        """What a gate runs in: it sees neither the repository nor the ledger nor the other slots."""
        git = self._project.git
        tops = [w.git.top for w in self._project.worktrees.all() if w.git.top]
        hidden = [git.common_dir, git.git_dir, str(self._project.home), self.base, *tops]
        readable = [target for _, target in self._links(gate)]
        if gate.git:
            readable += [os.path.join(git.common_dir, "objects"), os.path.join(self.base, NARROWED)]
        return self._choice.box(
            tree=slot.path,
            writable=(slot.home,),
            hidden=tuple(dict.fromkeys(hidden)),
            readable=tuple(readable),
            network=gate.network,
            limits=GateLimits(memory_bytes=gate.memory * MB),
        )

    def trim(self) -> None:
        """Bounds the disk that all slots take; looks once an hour, as it walks through them."""
        stamp = os.path.join(self.base, "trimmed")
        with suppress(OSError):
            if os.path.exists(stamp) and time.time() - os.stat(stamp).st_mtime < _EVERY:
                return
            with open(stamp, "wb"):
                pass
            self._pool.trim(self._most)
            narrow.forget(os.path.join(self.base, NARROWED), _UNUSED)
