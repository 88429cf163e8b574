"""push: what pre-push asks: has every commit that would leave a passed verdict (DESIGN 11)."""

import os
from collections.abc import Callable, Sequence

from uet_git.errors import UetError
from uet_git.host import process
from uet_git.host.clock import Clock
from uet_git.plumbing import git as gits
from uet_git.project import Project
from uet_git.queue import audit, guard

_SHOWN = 10


def check(args: Sequence[str], lines: bytes, say: Callable[[str], None]) -> int:
    """Judges `<local ref> <local id> <remote ref> <remote id>` lines. Returns guard.GO or guard.REFUSED."""
    remote = args[0] if args else "origin"
    try:
        with Project(gits.discover(os.getcwd(), process.inherited()), Clock()) as project:
            project.patience = guard.PATIENCE
            return _check(project, remote, lines, say)
    except UetError as exc:
        say(f"pre-push checked nothing: {exc.message}")
        return guard.GO


def _check(project: Project, remote: str, lines: bytes, say: Callable[[str], None]) -> int:
    zero = project.git.zero
    bad: list[audit.Audited] = []
    for line in lines.decode("utf-8", "surrogateescape").splitlines():
        words = line.split(" ")
        if len(words) != 4 or words[1] == zero or not words[0].startswith("refs/heads/"):
            continue
        known = [f"^{words[3]}"] if words[3] != zero else [f"--not --remotes={remote}"]
        asked = [words[1], *known[0].split(" ")]
        bad += [c for c in audit.audit(project, asked).commits if not c.accounted]
    for commit in bad[:_SHOWN]:
        say(f"{commit.commit[:12]} is {commit.kind}: it has no passed verdict ({commit.subject})")
    if bad:
        say("  next: uet-git audit")
        say("  or: git push --no-verify")
        return guard.REFUSED
    return guard.GO
