"""standstill: why a whole target cannot be worked on right now (DESIGN 4, 5, 10)."""

from collections.abc import Sequence

from uet_git.model.entry import Entry
from uet_git.model.records import Oid
from uet_git.project import Project
from uet_git.queue import land


def reason(
    project: Project, target: str, tip: Oid | None, line: Sequence[Entry]
) -> tuple[str, str] | None:
    """The code and detail of what stops `target`; None if nothing does."""
    for pause in project.ledger.pauses():
        if pause.target in ("*", target):
            return pause.code, f"{pause.reason} (by {pause.actor}, {pause.since})"
    for worktree in project.worktrees.holding(target):
        busy = land.busy_with(worktree, project)
        if busy is not None:
            return busy.code, busy.detail
    if not all(e.allow_behind for e in line):
        return behind_upstream(project, target, tip)
    return None


def behind_upstream(project: Project, target: str, tip: Oid | None) -> tuple[str, str] | None:
    """Whether the target lacks commits of its upstream, as far as was fetched; nothing is fetched here."""
    upstream = upstream_of(project, target)
    if upstream is None or tip is None or project.tip(upstream) in (None, tip):
        return None
    done = project.git.run("rev-list", "--count", f"{tip}..{upstream}", "--", check=False)
    missing = int(done.out) if done.code == 0 else 0
    if missing == 0:
        return None
    commits = "1 commit" if missing == 1 else f"{missing} commits"
    return "queue.behind_upstream", f"{_short(target)} lacks {commits} of {_short(upstream)}"


def catch_up(project: Project, target: str) -> tuple[str, ...]:
    """The command that brings a target to its upstream, typed where we are; it never makes a merge."""
    here = project.git.top
    for worktree in project.worktrees.holding(target):
        where = () if worktree.path == here else ("-C", worktree.path)
        return ("git", *where, "pull", "--ff-only")
    name = target.removeprefix("refs/heads/")
    remote = project.config_value(f"branch.{name}.remote") or "."
    merge = project.config_value(f"branch.{name}.merge") or target
    return ("git", "fetch", remote, f"{merge}:{target}")


def upstream_of(project: Project, target: str) -> str | None:
    """The ref that a branch follows, None if it follows none."""
    name = target.removeprefix("refs/heads/")
    remote = project.config_value(f"branch.{name}.remote")
    merge = project.config_value(f"branch.{name}.merge")
    if remote is None or merge is None:
        return None
    if remote == ".":
        return merge
    return f"refs/remotes/{remote}/{merge.removeprefix('refs/heads/')}"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
