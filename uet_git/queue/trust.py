"""trust: no gate runs before a person accepted the definitions of a target's gates on this machine (DESIGN 2, 9, P9).

The queue, and whatever else runs a gate, asks `withheld` before it does; `UET_TRUST=HASH` accepts for one call.
"""

from collections.abc import Callable, Sequence

from uet_git.errors import ConfigError, DetachedHead, UsageError
from uet_git.host import process, trust_store
from uet_git.host.trust_store import Repository
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding, Oid, Patch
from uet_git.model.settings import Settings
from uet_git.model.trust import lines, trust_hash
from uet_git.project import CONFIG_FILE, TRUST_VARIABLE, Project
from uet_git.queue import anchor, person

CODE = "gate.untrusted"
NOTHING, PERSON = "nothing to accept", "a person"
LOOK = ("uet-git", "trust", "--show")


class Standing(NamedTuple):
    """Whether the gates of one `uet.toml` may run here. `settings` are as written, `target` a full ref name.

    `by` says what accepts them: NOTHING (there are none), PERSON (on this machine) or UET_TRUST; empty if nothing
    does, and `problem` then says so in one line, with what looks like an acceptance and is none.
    """

    target: str
    settings: Settings
    hash: str
    by: str
    problem: str

    @property
    def accepted(self) -> bool:
        """Whether they may run."""
        return bool(self.by)

    @property
    def finding(self) -> Finding | None:
        """Why they may not run; None if they may."""
        return None if self.accepted else Finding(CODE, self.problem)


def standing(project: Project, target: str, blob: Oid | None) -> Standing:
    """How the gates in a `uet.toml` (its blob; None: there is none) stand. Raises: ConfigError."""
    return of_settings(project, target, project.written(blob))


def of_settings(project: Project, target: str, settings: Settings) -> Standing:
    """How the gates of settings, as a `uet.toml` says them, stand."""
    digest = trust_hash(settings)
    if not settings.gates:
        return Standing(target, settings, digest, NOTHING, "")
    problem = ""
    if project.has_ledger():
        repository = _repository(project)
        kept = trust_store.look(repository, digest)
        if kept.accepted:
            return Standing(target, settings, digest, PERSON, "")
        problem = kept.problem
        if not problem and trust_store.has_any(repository):
            problem = "they are not the ones that were accepted"
    given = process.variable(TRUST_VARIABLE)
    if given == digest and not _is_agent(project):
        return Standing(target, settings, digest, TRUST_VARIABLE, "")
    if given == digest:
        problem = f"{TRUST_VARIABLE} does not count for {display.line(project.actor)}"
    elif given is not None:
        problem = f"{TRUST_VARIABLE} is {display.line(given, 16)}, their hash is {digest}"
    return Standing(target, settings, digest, "", _said(target, settings, problem))


def of_target(project: Project, target: str) -> Standing:
    """How the gates of a target's tip stand. Raises: ConfigError."""
    return standing(project, target, project.config_blob(project.tip(target)))


def withheld(
    project: Project, target: str, settings: Settings, moment: str = "queue"
) -> Finding | None:
    """Why the gates that run at a moment must not run; None if they may, or there are none of them."""
    if not any(moment in gate.on for gate in settings.gates):
        return None
    return standing(project, target, Oid(settings.source) or None).finding


def accept(project: Project, found: Standing) -> str:
    """Accepts definitions on this machine, and records it; returns the path of what it keeps.

    Raises: NeedsPerson, UsageError, and what the disk and the ledger raise.
    """
    person.need(project, "accept gates", LOOK)
    project.ensure_ledger()
    names = [gate.name for gate in found.settings.gates]
    about = {"gates": names, "accepted_by": project.actor, "accepted_at": project.clock.now()}
    with project.ledger.write() as write:
        write.note("gates_accepted", {"gates": names, "hash": found.hash, "target": found.target})
        path = trust_store.keep(_repository(project), found.hash, about)
    project.hook_home.forget()
    anchor.anchor_now(project)
    return path


def revoke(project: Project, found: Standing) -> bool:
    """Takes an acceptance back; tells whether there was one. Raises: as `accept`."""
    person.need(project, "take back what was accepted", LOOK)
    if not project.has_ledger():
        return False
    project.require_writable()
    gone = trust_store.forget(_repository(project), found.hash)
    if gone:
        project.hook_home.forget()
        with project.ledger.write() as write:
            write.note("gates_revoked", {"hash": found.hash, "target": found.target})
        anchor.anchor_now(project)
    return gone


def offer(project: Project, found: Standing, ask: Callable[[Sequence[str]], bool]) -> bool:
    """Accepts definitions if `ask` says yes to their lines; for whoever commits or releases a change of them.

    Tells whether they are accepted now. An agent is not asked. Raises: as `accept`.
    """
    if found.accepted:
        return True
    if _is_agent(project) or not ask(shown(found)):
        return False
    accept(project, found)
    return True


def shown(found: Standing) -> list[str]:
    """Definitions and their hash for people, safe to print and nothing cut."""
    return [*lines(found.settings), f"hash {found.hash}"]


def resulting(project: Project, entries: Sequence[Entry]) -> list[Standing]:
    """The gates that queued entries would put on their targets and that are not accepted yet, each once.

    Entries of one target stand on one another, as far as they fit. Writes nothing.
    """
    from uet_git.queue.stage import Staged, Stager

    found: dict[tuple[str, str], Standing] = {}
    for target in dict.fromkeys(e.target for e in entries):
        tip = project.tip(target)
        stager = Stager(project, project.settings_at(tip))
        tree, marks = project.tip_tree(tip), []
        queued = [e for e in entries if e.target == target and e.state == "queued"]
        if not any(_edits(stager.patch_of(entry)[0]) for entry in queued):
            continue
        for entry in queued:
            staged = stager.stage(tree, entry)
            if not isinstance(staged, Staged):
                continue
            tree = staged.composed.tree
            marks.append(staged.mark)
            after = _after(project, target, tree) if _edits(staged.patch) else None
            if after is not None and not after.accepted:
                found[target, after.hash] = after
        for mark in reversed(marks):
            project.objects.discard(mark)
    return list(found.values())


def next_command(project: Project, target: str) -> tuple[str, ...]:
    """The command that helps where the gates of `target` are not accepted, for whoever acts."""
    argv = LOOK if _is_agent(project) else LOOK[:2]
    try:
        by_itself = project.target(None, like_am=False) == target
    except (DetachedHead, UsageError):
        by_itself = False
    return argv if by_itself else (*argv, "--onto", target.removeprefix("refs/heads/"))


def _after(project: Project, target: str, tree: Oid) -> Standing | None:
    """How the gates of a tree stand; None where its `uet.toml` cannot be used."""
    try:
        return standing(project, target, project.config_blob_in(tree))
    except ConfigError:
        return None


def _edits(patch: Patch) -> bool:
    return CONFIG_FILE.encode() in patch.paths


def _is_agent(project: Project) -> bool:
    return project.actor.startswith("agent:")


def kept_at(project: Project, settings: Settings) -> str:
    """Where the acceptance of these gates lies, if there is one."""
    return trust_store.path(_repository(project), trust_hash(settings))


def _repository(project: Project) -> Repository:
    git = project.git
    return Repository.of(git.common_dir, git.top, project.ledger.ledger_id)


def _said(target: str, settings: Settings, problem: str) -> str:
    names = [gate.name for gate in settings.gates]
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    branch = display.line(target.removeprefix("refs/heads/"))
    text = f"the gates of {branch} ({shown}) are not accepted on this machine"
    return f"{text}: {problem}" if problem else text
