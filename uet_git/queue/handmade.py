"""handmade: the entries of ordinary commits, and how they move (DESIGN 5, 11). They never wait in the queue's line."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uet_git.errors import UsageError
from uet_git.host import files
from uet_git.ledger.entries import Move, identity_of
from uet_git.ledger.handmade import RUNG, HookEntry
from uet_git.ledger.ledger import Writer
from uet_git.ledger.runs import Attempt
from uet_git.model.entry import Entry, StoredPatch
from uet_git.model.named import NamedTuple
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import Finding, TreeChange
from uet_git.plumbing import hookhome
from uet_git.project import Project

if TYPE_CHECKING:
    from uet_git.model.commitobject import CommitFacts

ORIGIN = {"tool_id": "hook"}
_SOUND = {"format_ok": 1, "scope_ok": 1, "constraints_ok": 1}


class Staged(NamedTuple):
    """What is about to be committed: the index's tree on the branch's tree. `config` is a blob id or `none`."""

    target: str
    tree: str
    base: str
    config: str
    changes: Sequence[TreeChange]
    git_dir: str
    pid: int


def is_hook(entry: Entry) -> bool:
    """Whether an entry is of an ordinary commit."""
    return entry.rung == RUNG


def need_patch(entry: Entry) -> None:
    """Refuses to do with an ordinary commit what only a patch of the queue allows. Raises: UsageError."""
    if is_hook(entry):
        raise UsageError(
            f"change {entry.label} was staged for a commit by hand: mend it there and commit again",
            next=("git", "status"),
        )


def start_run(project: Project, write: Writer, ref: str) -> str:
    """A run of a hook; `ref` says what for."""
    process = {"pid": os.getpid(), "boot_id": files.boot_id()}
    return write.runs.start("hook", project.actor, process, "other", ref)


def same(project: Project, staged: Staged) -> HookEntry | None:
    """The open entry that an earlier attempt at the same made, in the same work tree or in one that gave it up."""
    wanted = staged.tree, staged.base, staged.config, staged.target
    for old in reversed(project.ledger.handmade.open_entries()):
        alike = (old.tree, old.base_tree, old.config, old.target) == wanted
        if alike and (old.git_dir == staged.git_dir or is_over(old)):
            return old
    return None


def is_over(entry: HookEntry) -> bool:
    """Whether the git process that would have made this entry's commit is gone."""
    seen = epoch(entry.entered_at)
    return not hookhome.is_same_process(entry.pid, entry.boot_id, seen)


def add(
    project: Project,
    write: Writer,
    staged: Staged,
    run: str,
    known: Mapping[str, Any] | None = None,
    submitter: str = "",
) -> str:
    """Adds the entry of a staged change, in state created; returns its id. `known` is what is otherwise of now."""
    from uet_git.model import treechange

    content = treechange.write(staged.base, staged.tree, staged.changes)
    sha256 = hashlib.sha256(content).hexdigest()
    names = [c.path.decode("utf-8", "backslashreplace") for c in staged.changes]
    clock = project.clock
    stored = StoredPatch(
        clock.ulid(), sha256, len(content), None, names, len(names), 0, 0, 0, None, clock.now()
    )
    write.entries.add_patches([(stored, project.objects.deflater.take(sha256, content))])
    about = {
        **{"tree": staged.tree, "base_tree": staged.base, "config": staged.config},
        **{"git_dir": staged.git_dir, "pid": staged.pid, "boot_id": files.boot_id()},
        **(known or {}),
    }
    short = staged.target.removeprefix("refs/heads/")
    title = f"Commit on {short.encode('utf-8', 'backslashreplace').decode()}"
    return _add(
        project, write, (stored.patch_id, sha256), staged.target, title, run, about, submitter
    )


def _add(
    project: Project,
    write: Writer,
    patch: tuple[str, str],
    target: str,
    title: str,
    run: str,
    about: Mapping[str, Any],
    submitter: str = "",
) -> str:
    entry_id = project.clock.ulid()
    row = {
        **{"entry_id": entry_id, "patch_id": patch[0], "sha256": patch[1]},
        **{"project_id": project.ledger.project_id, "target": target, "title": title},
        **{"number": project.ledger.entries.next_number(), "revision": 1, "message": ""},
        **{"identity": identity_of(patch[1], target, {"hook": True}), "origin": ORIGIN},
        **{"submitter": submitter or project.actor, "rung": RUNG},
    }
    write.entries.add([row], run)
    write.handmade.add({**about, "entry_id": entry_id})
    write.runs.count(run, {"patches_created": 1})
    return entry_id


def to_applied(write: Writer, entry_id: str, state: str, staged: Staged, run: str) -> None:
    """Walks an entry that is created or quarantined to applied."""
    marks = _SOUND
    composed = {"tree": staged.tree, "rung": RUNG, "attempts": 1}
    clear = {"reason": None, "detail": None}
    moves = [
        Move(entry_id, state, "validated", {}, {**marks, **clear}),
        Move(entry_id, "validated", "queued", {}, {}),
        Move(entry_id, "queued", "applied", composed, composed),
    ]
    write.entries.move(moves, run=run)
    write.runs.count(run, {"patches_applied": 1})


def refuse(write: Writer, entry_id: str, state: str, findings: Sequence[Finding], run: str) -> str:
    """Moves an entry to where its gravest finding says; returns that finding's code."""
    from uet_git.queue import validate

    code = (
        validate.blocking(findings) or findings[0].code
    )  # a gate that could not run is no pass either
    to = "dropped" if REASONS[code].gravity == Gravity.DROPPED else "quarantined"
    detail = next((f.detail for f in findings if f.code == code), "")
    own = [f for f in findings if not f.code.startswith("gate.")]
    columns = {
        **{"reason": code, "detail": detail, "findings": validate.as_json(findings)},
        **({} if not own else validate.flags(own)),
    }
    if state != to:
        move = Move(entry_id, state, to, {"reason": code, "detail": detail}, columns)
        write.entries.move([move], run=run)
    write.runs.count(run, {"patches_set_aside": 1})
    return code


def verified(write: Writer, entry_id: str, tree: str, run: str, since: str) -> None:
    """applied -> verified: the verdict of this tree."""
    write.entries.move([Move(entry_id, "applied", "verified", {"tree": tree}, {})], run=run)
    write.handmade.passed(entry_id)
    now = write.clock.now()
    steps = [Attempt(entry_id, t, "succeeded", None, since, now) for t in ("validate", "verify")]
    write.runs.add_steps(run, steps)


def commit(write: Writer, entry_id: str, commit_id: str, facts: "CommitFacts") -> None:
    """verified -> committed, with what the commit says of itself."""
    from uet_git.model import commitobject

    title = facts.message.split(b"\n", 1)[0].decode("utf-8", "backslashreplace")
    name, email = (
        part.decode("utf-8", "backslashreplace") for part in commitobject.who(facts.author)
    )
    said = {"title": title or "(no message)", "author_name": name, "author_email": email}
    write.entries.amend(entry_id, said, said)
    run = write.run_of(entry_id)
    columns = {"commit_id": commit_id, "landed_by_run": run}
    move = Move(entry_id, "verified", "committed", {"commit": commit_id}, columns)
    write.entries.move([move], run=run)
    if run is not None:
        write.runs.count(run, {"patches_committed": 1})


def commit_again(
    project: Project, write: Writer, before: HookEntry, commit_id: str, facts: "CommitFacts"
) -> str:
    """The entry of a commit whose tree had passed as `before`: no gate ran again."""
    old = project.ledger.entries.get(before.entry_id)
    assert old is not None
    sha256 = project.ledger.entries.patch(old.patch_id).sha256
    since = project.clock.now()
    run = start_run(project, write, f"verdict of change {before.number}")
    about = {
        **{"tree": before.tree, "base_tree": before.base_tree, "config": before.config},
        **{"git_dir": before.git_dir, "pid": 0, "boot_id": ""},
    }
    patch = (old.patch_id, sha256)
    entry_id = _add(project, write, patch, old.target, old.title, run, about)
    staged = Staged(old.target, before.tree, before.base_tree, before.config, (), "", 0)
    to_applied(write, entry_id, "created", staged, run)
    verified(write, entry_id, before.tree, run, since)
    commit(write, entry_id, commit_id, facts)
    write.runs.finish(run, "succeeded")
    return entry_id


def drop(write: Writer, entry: HookEntry, code: str, detail: str) -> None:
    """Closes an entry that no commit will come for, or whose commit came without a verdict."""
    said = {"reason": code, "detail": detail}
    write.entries.move([Move(entry.entry_id, entry.state, "dropped", said, {**said})])


def epoch(text: str) -> float:
    """A time of the ledger as seconds since the epoch."""
    import datetime as dt  # takes as long to load as three of our modules

    return dt.datetime.fromisoformat(text).timestamp()
