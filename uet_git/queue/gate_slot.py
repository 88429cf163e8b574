"""gate_slot: gives a gate its folder, its variables and its sandbox (DESIGN 9)."""

import os

from uet_git.host import process, sandbox_probe
from uet_git.host.gate_limits import MB, GateLimits
from uet_git.host.sandbox import Box, Tier
from uet_git.model.records import Gate, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing.scratch import Scratch, ScratchPool
from uet_git.project import Project

_PYTHON: tuple[str, ...] = ("pyproject.toml", "setup.py", "setup.cfg")


class Slots:
    """The scratch trees of one repository, for the gates of one target's settings."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project = project
        where = settings.scratch_dir or process.cache_folder()
        self.base = os.path.join(where, "uet-git", project.ledger.ledger_id)
        self._choice = sandbox_probe.choose(settings.sandbox, settings.require_sandbox)
        self._pool = ScratchPool(os.path.join(self.base, "trees"), project.git)
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

    def take(self, gate: Gate, tree: Oid, objects: str) -> Scratch:
        """A slot that holds exactly `tree`, with an empty HOME; declared caches of any gate are kept.

        Raises: GitFailed, DiskFull, IoFailed.
        """
        here = [c for c in self._caches if not c.startswith("~/")]
        home = [c[2:] for c in self._caches if c.startswith("~/")]
        slot = self._pool.checkout(tree, here, objects if gate.inputs else "")
        try:
            slot.empty_home(home)
        except BaseException:
            slot.close()
            raise
        return slot

    def variables(self, gate: Gate, slot: Scratch, tree: Oid) -> dict[str, str]:
        """What a gate is told about its tree; Python imports from there before it looks at what is installed."""
        env = {"UET_TREE": str(tree), "UET_ROOT": slot.path}
        if any(os.path.isfile(os.path.join(slot.path, name)) for name in _PYTHON):
            src = os.path.join(slot.path, "src")
            found = [src, slot.path] if os.path.isdir(src) else [slot.path]
            if "PYTHONPATH" in gate.pass_env and (given := process.variable("PYTHONPATH")):
                found.append(given)
            env["PYTHONPATH"] = os.pathsep.join(found)
        return env

    def box(self, gate: Gate, slot: Scratch) -> Box:
        """What a gate runs in: it sees neither the repository nor the ledger nor the other slots."""
        git = self._project.git
        tops = [w.git.top for w in self._project.worktrees.all() if w.git.top]
        hidden = [git.common_dir, git.git_dir, str(self._project.home), self.base, *tops]
        return self._choice.box(
            tree=slot.path,
            writable=(slot.home,),
            hidden=tuple(dict.fromkeys(hidden)),
            network=gate.network,
            limits=GateLimits(memory_bytes=gate.memory * MB),
        )
