"""anchor: puts the events since the last anchor into a commit on `refs/uet/log/<ledger id>` (DESIGN 6).

Each anchor's tree holds one file, `events.jsonl`: one canonical JSON line an event. Its message names the first and
last seq and the last hash, so that a later reader sees a truncated or replaced ledger.
"""

import os
from contextlib import suppress

from uet_git.errors import GitLocked
from uet_git.ledger import events
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.plumbing.refs import RefUpdate
from uet_git.project import Project

FILE_NAME = b"events.jsonl"
_WHO = b"uet-git <uet-git@localhost>"
_MESSAGE = late(rb"\n\nuet-git log (\d+)-(\d+) ([0-9a-f]{64})\n")


class Anchor(NamedTuple):
    """The newest anchor: its commit, the seq of the last event in it and that event's hash."""

    commit: Oid | None
    seq: int
    hash: str


def newest(project: Project) -> Anchor:
    """Reads the anchor that the log ref names; seq 0 without one, or if the commit is not ours."""
    tip = project.tip(project.log_ref())
    if tip is None:
        return Anchor(None, 0, events.GENESIS)
    return read(project, tip)


def read(project: Project, commit: Oid) -> Anchor:
    """Reads one anchor commit."""
    found = _MESSAGE.search(project.objects.commit(commit))
    if found is None:
        return Anchor(commit, 0, events.GENESIS)
    return Anchor(commit, int(found[2]), found[3].decode("ascii"))


def heads(project: Project, ledger_id: str) -> dict[int, str]:
    """The last event of every anchor of a ledger that is here, with its hash; empty without a log."""
    tip = project.tip(refs.log_ref(ledger_id))
    if tip is None:
        return {}
    out = project.git.run("log", "-z", "--first-parent", "--format=%n%n%B", tip).out
    return {int(found[2]): found[3].decode("ascii") for found in _MESSAGE.finditer(out)}


def prepare(project: Project, last: Anchor) -> tuple[RefUpdate, Anchor] | None:
    """Puts (does not write) a new anchor after `last`; None if there is no newer event."""
    new = project.ledger.links(last.seq)
    if not new:
        return None
    objects = project.objects
    lines = b"".join([link.line for link in new])
    blob = objects.put("blob", lines)
    tree = objects.put("tree", b"100644 " + FILE_NAME + b"\0" + bytes.fromhex(blob))
    stamp = b"%d +0000" % (project.clock.time_ns() // 1_000_000_000)
    parent = b"" if last.commit is None else b"parent " + last.commit.encode() + b"\n"
    body = b"tree %b\n%bauthor %b %b\ncommitter %b %b\n\nuet-git log %d-%d %b\n" % (
        *(tree.encode(), parent, _WHO, stamp, _WHO, stamp),
        *(new[0].seq, new[-1].seq, new[-1].hash.encode()),
    )
    commit = objects.put("commit", body)
    return RefUpdate(project.log_ref(), commit, last.commit), Anchor(
        commit, new[-1].seq, new[-1].hash
    )


def begin_anew(project: Project) -> str:
    """Sets a damaged log aside under `refs/uet/aside/`, so that the next anchor holds every event. Says so in words."""
    ref = project.log_ref()
    tip = project.tip(ref)
    stamp = "".join(c for c in project.clock.now() if c.isalnum())
    aside = ref.replace("refs/uet/log/", "refs/uet/aside/") + f"-{stamp}"
    if tip is not None:
        project.refs.move([RefUpdate(aside, tip, None), RefUpdate(ref, None, tip)])
    return f"the log as it was is {aside}; all events are anchored anew"


def anchor_now(project: Project) -> None:
    """Anchors what is not anchored yet, if it can: a busy ref leaves it to the next one, as the ledger has it all.

    It comes at the end of every command that changes something, so what hooks left is tied up first, and the
    quarantine folder is brought into step. Then the user's own program is told.
    """
    from uet_git.queue import tie

    tie.quietly(project)
    _keep_quarantine(project)
    _notify(project)
    with suppress(GitLocked):
        for _ in range(3):
            made = prepare(project, newest(project))
            if made is None:
                return
            project.objects.write()
            if project.refs.move([made[0]]) is None:
                return


def _notify(project: Project) -> None:
    """Costs one look at a file that most users do not have."""
    from uet_git.host import user_policy

    if user_policy.has_beside("config.toml"):
        from uet_git.queue import notify

        project.notified = notify.after(project, project.notified)


def _keep_quarantine(project: Project) -> None:
    """Costs one look into an index and one at a folder where nothing was ever quarantined."""
    if project.ledger.is_any_quarantined() or os.path.lexists(project.home / "quarantine"):
        from uet_git.errors import UetError
        from uet_git.queue import quarantine

        with suppress(
            UetError, OSError
        ):  # the ledger has it all: the next command tries again, `fsck` tells
            quarantine.keep(project)
