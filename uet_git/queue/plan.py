"""plan: works out, after a commit that was judged the long way, what the next one's shortcut stands on (DESIGN 11).

A plan holds for one configuration and one epoch of the markers, and only for what the shortcut can do as well as the
long way: see `_is_simple`. It is no evidence: what it leads to is recorded when it is tied up, where configuration and
gate are looked at again. Policy is not: a plan is left only where there are no rules.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from uet_git.host import files, gate_facts, hookplan, process, user_policy
from uet_git.host.gate_env import search_path
from uet_git.host.gate_limits import MB, GateLimits
from uet_git.host.sandbox import Box, Tier
from uet_git.host.sandbox_probe import DOUBTFUL, choose
from uet_git.model import plainpath
from uet_git.model.records import Gate, Oid
from uet_git.model.settings import Settings
from uet_git.model.verdict import question
from uet_git.plumbing import aside
from uet_git.project import Project
from uet_git.queue import guard, trust
from uet_git.queue.gate_slot import Slots

_FOLDERS: Final = ("plans", "gating", "judged")
_HEADER: Final = slice(
    60, 72
)  # of a database: user_version, application_id (sqlite.org/fileformat2)
_MOST: Final = 50  # plans
_MARK: Final = "@"


def keep(
    project: Project,
    settings: Settings,
    gates: Sequence[Gate],
    facts: Sequence[str],
    epoch: str,
    since: float,
) -> None:
    """Notes the plan for commits under these settings. `facts` are the marker's, `since` when they were looked at.

    What keeps it from being written keeps only the shortcut.
    """
    home = project.hook_home.path
    with suppress(OSError):
        for name in _FOLDERS:
            os.makedirs(os.path.join(home, name), mode=0o700, exist_ok=True)
        path = os.path.join(home, "plans", f"{settings.source}-{epoch}")
        if not settings.source or not epoch or not _is_simple(project, settings, gates):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        pairs = _pairs(project, settings, gates[0], facts, since)
        files.write_atomic(path, os.fsencode("".join(f"{k}\0{v}\0" for k, v in pairs)))
        os.utime(path, (since, since))
        _prune(os.path.dirname(path), epoch)


def _is_simple(project: Project, settings: Settings, gates: Sequence[Gate]) -> bool:
    """Whether the shortcut can do all that the long way would."""
    if len(gates) != 1 or settings.has_rules or project.user_policy is not None:
        return False
    gate, limits = gates[0], settings.limits
    asks_more = (
        *(gate.fixes, gate.git, gate.link, gate.inputs, gate.versions, gate.changed, gate.junit),
        *(gate.coverage, gate.criteria, gate.retries, gate.pass_env, gate.flaky, gate.needs),
    )
    roomy = (
        limits.path_bytes >= plainpath.LONGEST
        and limits.path_depth > plainpath.DEEPEST
        and limits.component_bytes >= plainpath.WIDEST
    )
    choice = choose(settings.sandbox, settings.require_sandbox)
    unboxed = choice.found.tier is Tier.NONE and not choice.refused
    caches = any(g.caches for g in settings.gates)
    usual = roomy and unboxed and gate.required and gate.cache and not caches
    return (
        usual
        and not any(asks_more)
        and _endings(gate) is not None
        and not _is_steered_elsewhere(project)
        and not os.path.exists(os.path.join(project.git.common_dir, "reftable"))
    )


def _is_steered_elsewhere(project: Project) -> bool:
    """Whether hooks lie in another folder, or git's configuration in files that are not looked at."""
    return any(
        key in ("core.hookspath", "extensions.worktreeconfig") or key.startswith("include")
        for key in project.config
    )


def _endings(gate: Gate) -> list[str] | None:
    """The endings of paths that concern a gate, empty for all; None if its patterns say something else."""
    found = [p.removeprefix("**/*") for p in gate.paths]
    plain = all(
        p.startswith("**/*") and not set(p[4:]) & set("*?[]\\/") and p[4:] for p in gate.paths
    )
    return found if plain else None


def _pairs(
    project: Project, settings: Settings, gate: Gate, facts: Sequence[str], since: float
) -> list[tuple[str, str]]:
    git = project.git
    env = gate_facts.variables(())
    name = "sh" if gate.shell else gate.run[0]
    blank = "0" * git.hex_length
    text = question(
        gate, blank, env=env, tier=str(Tier.NONE), facts=[gate_facts.program(name, env)]
    )
    head, _, tail = text.rpartition(blank)
    command = ["/bin/sh", "-c", gate.run[0]] if gate.shell else list(gate.run)
    box = Box(limits=GateLimits(memory_bytes=gate.memory * MB))
    shell = box.wrap([], env, timeout=gate.timeout, mark=_MARK)[:-1]
    with open(project.ledger_path, "rb") as file:
        header = file.read(100)[_HEADER].hex()
    one = {
        **{"gate": gate.name, "tier": str(Tier.NONE), "timeout": repr(float(gate.timeout))},
        **{"memory": str(gate.memory), "actor": project.actor, "key_head": head, "key_tail": tail},
        **{"ledger": str(project.ledger_path), "header": header, "program": git.program},
        "trees": os.path.realpath(os.path.join(Slots(project, settings).base, "trees")),
    }
    many = {
        "variable": hookplan.variables(),
        "fact": list(facts),
        "place": [
            *facts[1:],
            os.path.join(git.common_dir, "config"),
            trust.kept_at(project, project.written(Oid(settings.source))),
        ],
        "absent": [user_policy.path()],
        "maybe": _configurations(),
        "stamp": _stamps(name, env["PATH"]),
        "until": [] if settings.sandbox == Tier.NONE else [repr(since + DOUBTFUL)],
        "flag": sorted(guard.flags(settings), key=hookplan.FLAGS.index),
        "ending": _endings(gate) or [],
        "git": [git.program, *map(str, git.argv()[3 if git.top else 2 :]), *aside.OPTIONS],
        "git_env": [f"{k}={v}" for k, v in aside.environment(git).items()],
        "env": [f"{k}={v}" for k, v in env.items()],
        "shell": shell,
        "argv": command,
    }
    return [*one.items(), *((k, v) for k, values in many.items() for v in values)]


def _configurations() -> list[str]:
    """Where git's configuration may come from beside the repository."""
    home = process.variable("HOME") or "/"
    config = process.variable("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found = [os.path.join(home, ".gitconfig"), os.path.join(config, "git", "config")]
    named = (process.variable(f"GIT_CONFIG_{n}") for n in ("GLOBAL", "SYSTEM"))
    return [*found, "/etc/gitconfig", *(n for n in named if n is not None and n != os.devnull)]


def _stamps(name: str, path: str) -> list[str]:
    """Size and time of the program, where it is no file of the tree."""
    found = search_path(name, path)
    if found is None:
        return []
    st = os.stat(found)
    return [f"{st.st_size} {st.st_mtime_ns} {found}"]


def _prune(folder: str, epoch: str) -> None:
    names = os.listdir(folder)
    old = [n for n in names if not n.endswith(f"-{epoch}")]
    for name in names if len(names) - len(old) > _MOST else old:
        with suppress(OSError):
            os.unlink(os.path.join(folder, name))
