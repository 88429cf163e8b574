"""gate_ask: a person asks what gates say of a tree; a run of its own in the ledger, nothing lands (DESIGN 14)."""

import os
import shutil
import tempfile
from dataclasses import dataclass

from uet_git.errors import ConfigError, NotTrusted, RepositoryTampered, UsageError
from uet_git.host import config, files
from uet_git.model.records import Gate, GateResult, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing import difference
from uet_git.project import CONFIG_FILE, TRUST_VARIABLE, Project
from uet_git.queue import tampering, trust
from uet_git.queue.gate_run import TreeGates
from uet_git.queue.line import finish_run
from uet_git.queue.progress import GateListener

KIND, TRIGGER = "hook", "gate run"  # as kinds of runs are few: it asks what a hook asks


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged: `tree`, of `commit` (None: staged), by these `gates` of `settings`.

    `paths` are those that it changes, None for all. `uncommitted`: the gates are those of the work tree's file.
    """

    target: str
    settings: Settings
    gates: tuple[Gate, ...]
    tree: Oid
    commit: Oid | None
    paths: tuple[bytes, ...] | None
    uncommitted: bool = False


def staged(project: Project) -> tuple[Oid, tuple[bytes, ...]]:
    """The tree of the index of this work tree, and the paths in which it differs from HEAD.

    Raises: UsageError (bare repository, unmerged entries), GitFailed.
    """
    if project.git.top is None:
        raise UsageError("a bare repository has nothing staged", next=("git", "worktree", "list"))
    if project.git.run("ls-files", "--unmerged").out:
        raise UsageError("a merge is not resolved: it has no tree yet", next=("git", "status"))
    tree = _written_tree(project)
    head = project.objects.resolve("HEAD^{tree}") or Oid(project.git.empty_tree)
    return tree, tuple(c.path for c in difference.diff_trees(project.objects, head, tree))


def _written_tree(project: Project) -> Oid:
    """The index as a tree; git notes trees in the index that it reads, so it gets a copy of the user's."""
    git = project.git
    index = os.path.join(git.git_dir, "index")
    if not os.path.exists(index):
        return Oid(git.empty_tree)
    with (
        files.os_errors(f"copying {index}"),
        tempfile.TemporaryDirectory(prefix="staged-", dir=git.git_dir) as folder,
    ):
        copy = shutil.copy2(index, os.path.join(folder, "index"))
        done = git.run("write-tree", env={"GIT_INDEX_FILE": copy})
    return Oid(done.out.decode("ascii").strip())


def settings_here(project: Project) -> Settings:
    """The settings of the `uet.toml` in this work tree, committed or not. Raises: ConfigError, UsageError."""
    if project.git.top is None:
        raise UsageError("a bare repository has no work tree", next=("git", "worktree", "list"))
    path = os.path.join(project.git.top, CONFIG_FILE)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}", next=("uet-git", "init")) from exc
    return config.parse_toml(data)


def check_trust(project: Project, target: str, settings: Settings) -> None:
    """No gate of a clone runs before a person accepted it, nor one of its work tree. Raises: NotTrusted."""
    if settings.source:
        found = trust.standing(project, target, Oid(settings.source))
    else:
        found = trust.of_settings(project, target, settings)
    if not found.accepted:
        next_ = trust.next_command(project, target)
        if not settings.source and not project.actor.startswith("agent:"):
            next_ = (
                "env",
                f"{TRUST_VARIABLE}={found.hash}",
                "uet-git",
                "gate",
                "run",
                "--config",
                "worktree",
            )
        raise NotTrusted(found.problem, next=next_)


def ask(
    project: Project,
    asked: Asked,
    listener: GateListener,
    *,
    use_cache: bool = True,
    jobs: int = 0,
) -> tuple[str, dict[str, GateResult]]:
    """Judges; returns the run's id and every gate's result by name.

    Raises: NotTrusted, RepositoryTampered, and what git, the disk and the ledger raise.
    """
    check_trust(project, asked.target, asked.settings)
    gates = asked.gates
    if asked.uncommitted:  # tried, not taken for a verdict
        gates = tuple(g._replace(cache=False) for g in gates)
    process = {"pid": os.getpid(), "boot_id": files.boot_id()}
    with project.ledger.write() as write:
        run = write.runs.start(KIND, project.actor, process, trigger_ref=TRIGGER)
    try:
        judging = TreeGates(project, asked.settings, run, listener, target=asked.target)
        results = judging.judge(
            asked.tree, gates, paths=asked.paths, use_cache=use_cache, jobs=jobs, purpose="asked"
        )
    except BaseException as exc:
        if isinstance(exc, RepositoryTampered):
            tampering.pause(project, asked.target, exc)
        finish_run(
            project, run, "canceled" if isinstance(exc, KeyboardInterrupt) else "failed", exc
        )
        raise
    finish_run(project, run, "succeeded", None)
    return run, results
