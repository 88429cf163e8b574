"""The looks of `doctor` at the ledger, the target branch, its `uet.toml` and the queue."""

import os
import stat
from collections.abc import Callable, Iterator

from uet_git.cli import checkgates
from uet_git.cli.checkup import Check, Look, note, ok, problem
from uet_git.errors import ConfigError, DetachedHead, LedgerMissing, LooserThanBase, UetError
from uet_git.host import config, files, sandbox_probe
from uet_git.host.sandbox import Tier
from uet_git.ledger import ledger as ledgers
from uet_git.model import display, policy
from uet_git.model.settings import Settings
from uet_git.plumbing import git as gits
from uet_git.plumbing import refs
from uet_git.project import CONFIG_FILE, LINK, Project
from uet_git.queue import judge, lock, recover, trust

_FIX = ("uet-git", "doctor", "--fix")


def ledger(project: Project) -> Iterator[Check]:
    """Whether the ledger is there and can be used."""
    try:
        there = project.has_ledger()
    except LedgerMissing as exc:
        text = f"{exc.message}; fsck --repair makes it again, restore puts a backup back"
        yield problem("ledger", text, ("uet-git", "fsck", "--repair"))
        return
    if not there:
        text = "there is none yet: init, submit and apply make it"
        yield note("ledger", text, ("uet-git", "init"))
        return
    about = project.ledger.about()
    size = sum(project.ledger.entries.counts().values())
    text = f"{project.ledger.ledger_id}, {size} open entries, schema {about.schema}, journal {about.journal}"
    yield ok("ledger", text)
    if about.schema < about.newest:
        text = f"its schema {about.schema} is older than {about.newest}, and it cannot be written"
        yield problem("ledger", text, ("ls", "-ld", str(project.home)))
    project.require_writable()
    kind = files.network_file_system(project.home)
    if kind is not None:
        yield problem("ledger", f"it lies on {kind}, where SQLite's locks are not safe")
    yield from _modes(project)
    yield from _configured(project)


def _modes(project: Project) -> Iterator[Check]:
    """Nobody else may read or write it."""
    wrong = []
    for name in ("", *sorted(os.listdir(project.home))):
        path = os.path.join(project.home, name) if name else str(project.home)
        found = os.lstat(path)
        mine = not name or name.startswith(ledgers.FILE_NAME) or name.endswith(".lock")
        if mine and not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o077:
            wrong.append((path, stat.S_IMODE(found.st_mode)))
    if not wrong:
        yield ok("modes", "the ledger is yours alone (0700, 0600)")
    for path, mode in wrong:
        text = f"{path} has mode {mode:04o}: others may reach it"
        yield problem("modes", text, _FIX, mend=_closer(path, mode))


def _closer(path: str, mode: int) -> Callable[[], object]:
    def close() -> None:
        with files.os_errors(f"changing the mode of {path}"):
            os.chmod(path, mode & 0o700)

    return close


def _configured(project: Project) -> Iterator[Check]:
    """`uet.ledger` is what makes a lost ledger an error instead of a new, empty one."""
    here, there = project.ledger.ledger_id, project.config_value("uet.ledger")
    if there == here:
        yield ok("config", f"uet.ledger names it; uet.branch is {_branch_setting(project)}")
        return

    def mend() -> None:
        project.git.run("config", "uet.ledger", here)
        project.config["uet.ledger"] = [here]

    if there is None or refs.read(project.git, refs.log_ref(there)) is None:
        what = "is not set" if there is None else f"is {display.line(there)}"
        yield problem("config", f"uet.ledger {what}; the ledger here is {here}", _FIX, mend=mend)
    else:
        text = f"uet.ledger is {display.line(there)}, whose log is here, but the ledger is {here}"
        yield problem(
            "config",
            text,
            ("git", "log", refs.log_ref(there)),
            ("git", "config", "uet.ledger", here),
        )


def _branch_setting(project: Project) -> str:
    return display.line(project.config_value("uet.branch") or "not set")


def link(project: Project) -> Iterator[Check]:
    """`.ledger` at the top of the work tree, for people; commands do not need it."""
    if project.git.top is None or not project.ledger_path.exists():
        return
    path = os.path.join(project.git.top, LINK)
    linked = project.git.git_dir != project.git.common_dir
    if os.path.lexists(path) and not os.path.islink(path):
        yield note("link", f"{path} is not our link; the ledger is in {project.home}")
    elif os.path.realpath(path) != os.path.realpath(project.home):
        make = note if linked else problem
        yield make("link", f"{path} does not lead to the ledger", _FIX, mend=project.link)
    elif project.hide_link(look_only=True):
        text = f"info/exclude lacks the line /{LINK}, so git shows the link as untracked"
        yield problem("link", text, _FIX, mend=project.hide_link)
    else:
        yield ok("link", f"{LINK} leads to the ledger, hidden from git")


def target(project: Project) -> Iterator[Check]:
    """Where patches land by default."""
    try:
        name = project.target(None, like_am=False)
    except DetachedHead:
        text = "HEAD is detached and uet.branch is not set: name the branch with --onto"
        yield problem("target", text, ("git", "branch", "--list"))
        return
    shown = display.line(name.removeprefix("refs/heads/"))
    tip = project.tip(name)
    if tip is None and name != gits.head(project.git).branch:
        text = f"uet.branch is {shown}, and there is no such branch"
        yield problem(
            "target", text, ("git", "branch", "--list"), ("uet-git", "init", "--branch", "NAME")
        )
        return
    yield ok("target", shown) if tip else note("target", f"{shown}, which has no commit yet")
    for tree in project.worktrees.holding(name):
        doing = tree.in_progress()
        if doing is not None:
            text = f"{tree.path} is in the middle of: {doing}; patches wait until it is over"
            yield note("target", text, ("git", "-C", tree.path, "status"))
    yield from _rules(project, name, shown)


def _rules(project: Project, name: str, shown: str) -> Iterator[Check]:
    """The `uet.toml` of the tip, and the one that lies here."""
    tip = project.tip(name)
    blob = project.config_blob(tip)
    try:
        settings = project.settings_at(tip)
    except ConfigError as exc:
        yield problem(
            CONFIG_FILE, f"on {shown}: {exc.detail}", ("git", "show", f"{shown}:{CONFIG_FILE}")
        )
        settings = Settings()
    else:
        yield from _judging(project, settings, project.tip_tree(tip), shown)
        yield from _trusted(project, name, settings)
    here = _here(project)
    if here is None or (blob is not None and project.objects.blob(blob) == here):
        return
    try:
        config.parse_toml(here)
        said = "differs from" if blob is not None else "is not committed on"
        yield note(CONFIG_FILE, f"the one here {said} {shown}; what {shown} has counts")
    except ConfigError as exc:
        yield problem(CONFIG_FILE, f"the one here cannot be used: {exc.detail}")


def _judging(project: Project, settings: Settings, tree: str, shown: str) -> Iterator[Check]:
    if not settings.source:
        add = ("git", "add", project.config_path)
        next_ = ("uet-git", "init") if _here(project) is None else add
        yield note(CONFIG_FILE, f"{shown} has none: patches land without gates", next_)
        return
    names = ", ".join(g.name for g in settings.gates) or "none"
    yield ok(CONFIG_FILE, f"on {shown}: preset {settings.preset}, gates: {names}")
    yield from _ruled(project, settings)
    yield from checkgates.checks(project, settings, tree)
    if settings.gates:
        yield from _held(settings)


def _ruled(project: Project, settings: Settings) -> Iterator[Check]:
    """Whether the layers of the policy agree, and whether any of them has a rule."""
    try:
        rules = policy.effective(judge.base_layers(project, settings)).policy
    except (ConfigError, LooserThanBase) as exc:
        yield problem("policy", exc.detail)
        return
    if not rules.is_idle:
        yield ok("policy", f"preset {rules.preset}; every rule: uet-git policy show")


def _held(settings: Settings) -> Iterator[Check]:
    """What the target's gates run in on this machine."""
    choice = sandbox_probe.choose(settings.sandbox, settings.require_sandbox)
    if choice.refused:
        fix = [choice.found.fix] if choice.found.fix else []
        yield problem("gates", f"they cannot run: {choice.refused}", *fix)
    elif choice.found.tier is Tier.NONE:
        yield note("gates", "they run with your rights and without a sandbox: docs/sandbox.md")
    else:
        yield ok("gates", f"they run in {choice.found.tier}")


def _trusted(project: Project, name: str, settings: Settings) -> Iterator[Check]:
    """Whether the gates may run on this machine."""
    if not settings.gates:
        return
    found = trust.of_target(project, name)
    if found.accepted:
        how = "by UET_TRUST" if found.by != trust.PERSON else "on this machine"
        yield ok("trust", f"the gates are accepted {how} (hash {found.hash[:16]})")
    else:
        yield problem("trust", found.problem, trust.next_command(project, name))


def _here(project: Project) -> bytes | None:
    if project.git.top is None:
        return None
    try:
        with open(os.path.join(project.git.top, CONFIG_FILE), "rb") as file:
            return file.read()
    except OSError:
        return None


def queue(project: Project) -> Iterator[Check]:
    """Whether the queue can move."""
    try:
        if not project.has_ledger():
            return
        pauses = project.ledger.pauses()
    except UetError:
        return  # told by the look at the ledger
    holder = lock.holder(project)
    if holder is not None:
        yield note("queue", f"pid {holder.pid} has been draining it for {holder.waited():.0f} s")
    elif recover.needed(project):
        text = "a landing was cut short; the next apply finishes it or gives it back"
        yield problem("queue", text, ("uet-git", "apply"))
    for pause in pauses:
        make = note if pause.code == "queue.paused" else problem
        what = f"paused by {display.line(pause.actor)}: {display.line(pause.reason)} ({pause.code})"
        yield make("queue", what, ("uet-git", "resume"))
    if holder is None and not pauses and not recover.needed(project):
        yield ok("queue", "nothing is in its way")


LOOKS: tuple[tuple[str, Look], ...] = (
    ("ledger", ledger),
    ("link", link),
    ("target", target),
    ("queue", queue),
)
