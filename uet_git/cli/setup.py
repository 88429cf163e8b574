"""init, doctor, completion: setting a repository up, and seeing whether all is well."""

import os
import stat
from typing import Any

import click

from uet_git.cli.options import output_options
from uet_git.cli.render import Output, command
from uet_git.errors import DetachedHead, UetError, UsageError
from uet_git.host import files, process
from uet_git.model import display
from uet_git.model.named import NamedTuple
from uet_git.project import CONFIG_FILE, LINK, Project
from uet_git.queue import anchor, hooks

_LARGEST = 1024 * 1024


class Touched(NamedTuple):
    """One thing of the repository that `init` is about. `did`: made, set, kept, put back or left out."""

    what: str
    did: str
    undo: tuple[str, ...] = ()


@click.command(name="init")
@click.option("--branch", metavar="B", help="The branch to land on; default: the checked-out one.")
@click.option("--no-config", is_flag=True, help="Write no starter uet.toml.")
@click.option("--no-hooks", is_flag=True, help="Install no hooks: plain commits then pass no gate.")
@click.option("--force", is_flag=True, help="Make the ledger even on a network file system.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@output_options
def init(
    branch: str | None,
    no_config: bool,
    no_hooks: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Set this repository up: the ledger, the branch to land on, a starter uet.toml, the hooks.

    Nothing is committed, and everything that it touched is listed with the command that undoes it. Running it again
    changes nothing, and puts a lost .ledger link back.
    """
    out = Output(as_json=as_json, quiet=quiet)
    with Project.open() as project:
        target = _wanted_branch(project, branch)
        touched = _ledger(project, force=force, dry_run=dry_run)
        touched.append(_remember_branch(project, target, dry_run=dry_run))
        if not dry_run:
            anchor.anchor_now(project)
            touched.append(_log(project, made=touched[0].did == "made"))
        (config, *trusted), gates = _starter(project, target, skip=no_config, dry_run=dry_run)
        touched += [config, *trusted]
        hooked, said = _hooks(project, skip=no_hooks, force=force, dry_run=dry_run)
        touched += hooked
        next_ = _next(config, project.config_path)
        document = {
            **{"v": 1, "dry_run": dry_run, "branch": target, "hooks": said},
            "ledger": project.ledger.ledger_id if project.has_ledger() else None,
            "touched": [{**t._asdict(), "undo": list(t.undo)} for t in touched],
            **{"gates": gates, "next": next_},
        }
        out.document(document)
        _print_init(out, document)
    return 0


def _wanted_branch(project: Project, asked: str | None) -> str:
    """The short name of the branch to land on. Raises: DetachedHead, UsageError."""
    if asked is None:
        known = project.config_value("uet.branch")
        if known is not None:
            return known.removeprefix("refs/heads/")
    try:
        full = project.target(asked, like_am=True)
    except DetachedHead as exc:
        raise DetachedHead(
            "name the branch with --branch", next=("git", "branch", "--list")
        ) from exc
    return full.removeprefix("refs/heads/")


def _ledger(project: Project, *, force: bool, dry_run: bool) -> list[Touched]:
    """Makes the ledger and its link; tells of each part whether it was there."""
    git = project.git
    there = project.has_ledger()
    linked = git.top is not None and os.path.lexists(os.path.join(git.top, LINK))
    hidden = not project.hide_link(look_only=True)
    known = project.config_value("uet.ledger") is not None
    if not dry_run:
        project.ensure_ledger(force=force)
    home = _short(str(project.home))
    found = [
        Touched(f"{home} (the ledger)", "kept" if there else "made", ("rm", "-r", home)),
        Touched(
            "git config uet.ledger",
            "kept" if known else "set",
            ("git", "config", "--unset", "uet.ledger"),
        ),
    ]
    if git.top is None:
        return [*found, Touched(LINK, "left out: a bare repository has no work tree")]
    return [*found, *_link(project, linked=linked, hidden=hidden, there=there, dry_run=dry_run)]


def _link(
    project: Project, *, linked: bool, hidden: bool, there: bool, dry_run: bool
) -> list[Touched]:
    assert project.git.top is not None
    path = _short(os.path.join(project.git.top, LINK))
    exclude = _short(os.path.join(project.git.common_dir, "info", "exclude"))
    try:
        if not dry_run:
            project.link()
    except UsageError as exc:
        return [Touched(path, f"left out: {exc.detail}")]
    did = "kept" if linked else "put back" if there else "made"
    return [
        Touched(f"{path} (a link to it)", did, ("rm", path)),
        Touched(
            f"{exclude} (the line /{LINK})",
            "kept" if hidden else "made",
            ("sed", "-i.bak", rf"/^\/{LINK.replace('.', chr(92) + '.')}$/d", exclude),
        ),
    ]


def _short(path: str) -> str:
    """A path as seen from here, if it lies below; it means the same to a shell."""
    here = os.path.relpath(path)
    return path if here.startswith("..") else here


def _log(project: Project, *, made: bool) -> Touched:
    ref = project.log_ref()
    undo = ("git", "update-ref", "-d", ref)
    return Touched(f"{ref} (the ledger's events, for git)", "made" if made else "kept", undo)


def _remember_branch(project: Project, target: str, *, dry_run: bool) -> Touched:
    same = project.config_value("uet.branch") == target
    if not same and not dry_run:
        project.git.run("config", "uet.branch", target)
        project.config["uet.branch"] = [target]
    undo = ("git", "config", "--unset", "uet.branch")
    return Touched(
        f"git config uet.branch = {display.line(target)}", "kept" if same else "set", undo
    )


def _starter(
    project: Project, target: str, *, skip: bool, dry_run: bool
) -> tuple[list[Touched], list[dict[str, Any]]]:
    """Writes a starter `uet.toml` unless there is one, and accepts its gates; also returns the gates that it names."""
    from uet_git.host import starter

    top = project.git.top
    if skip or top is None:
        why = "a bare repository has no work tree" if top is None else "--no-config"
        return [Touched(CONFIG_FILE, f"left out: {why}")], []
    path = _short(os.path.join(top, CONFIG_FILE))
    if os.path.lexists(path):
        return [Touched(path, "kept")], []
    if project.config_blob(project.tip(f"refs/heads/{target}")) is not None:
        return [Touched(path, f"left out: {display.line(target)} has one")], []
    found = starter.find_gates(os.listdir(top), lambda name: _read(top, name), process.find_program)
    text = starter.starter_toml(found, on_commit=not _has_foreign_hook(project)).encode()
    if not dry_run:
        files.write_atomic(path, text, 0o644)
    trusted = [] if dry_run else _trusted(project, target, text)
    gates = [{"name": g.name, "run": list(g.run), "doubt": g.doubt or None} for g in found]
    return [Touched(f"{path} (for you to commit)", "made", ("rm", path)), *trusted], gates


def _has_foreign_hook(project: Project) -> bool:
    """Whether somebody else's pre-commit hook runs here, or ran and is kept."""
    _, found = hooks.status(project)
    return any(h.name == "pre-commit" and (h.chained or h.state == "foreign") for h in found)


def _trusted(project: Project, target: str, text: bytes) -> list[Touched]:
    """Accepts the gates of the uet.toml that is being written, which are listed for the user to see."""
    from uet_git.host.config import parse_toml
    from uet_git.queue import trust

    settings = parse_toml(text)
    if not settings.gates:
        return []
    try:
        path = trust.accept(project, trust.of_settings(project, f"refs/heads/{target}", settings))
    except UetError as exc:
        return [Touched("acceptance of these gates", f"left out: {exc.message}")]
    return [Touched(f"{path} (accepts these gates on this machine)", "made", ("rm", path))]


def _hooks(
    project: Project, *, skip: bool, force: bool, dry_run: bool
) -> tuple[list[Touched], str]:
    """Installs the hooks; also one sentence about them. What cannot be installed is left out, and said."""
    if skip:
        return [], "none installed (--no-hooks): plain commits pass no gate"
    if project.git.top is None:
        return [], "none installed: nobody commits in a bare repository"
    try:
        changed = hooks.install(project, force=force, dry_run=dry_run)
    except UsageError as exc:
        return [], f"none installed: {exc.detail}"
    touched = []
    folder = _short(os.path.dirname(changed[0].path))
    for did, words in (("kept", ("kept",)), ("made", ("made", "renewed"))):
        names = [
            f"{c.name} (after yours)" if c.chained else c.name for c in changed if c.did in words
        ]
        if names:
            undo = ("uet-git", "hook", "uninstall")
            touched.append(Touched(f"hooks in {folder}: {', '.join(names)}", did, undo))
    return touched, 'plain commits pass the gates of `on = ["pre-commit"]` and are in the ledger'


def _read(top: str, name: str) -> bytes | None:
    """A file at the top of the work tree; None for what is no regular file or is huge."""
    path = os.path.join(top, name)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _next(config: Touched, path: str) -> list[list[str]]:
    if config.did == "made":
        return [
            ["git", "add", path],
            ["git", "commit", "-m", "Say what a patch must pass", path],
        ]
    return [["uet-git", "doctor"], ["uet-git", "submit", "--help"]]


def _print_init(out: Output, document: dict[str, Any]) -> None:
    would = "would be " if document["dry_run"] else ""
    for item in document["touched"]:
        changed = item["did"] in ("made", "set", "put back")
        out.text(f"{would + item['did'] if changed else item['did']}: {display.line(item['what'])}")
        if changed and not document["dry_run"]:
            out.text(f"    undo: {command(item['undo'])}")
    for gate in document["gates"]:
        doubt = f"  (only proposed: {display.line(gate['doubt'])})" if gate["doubt"] else ""
        out.text(f"gate {gate['name']}: {command(gate['run'])}{doubt}")
    out.text(f"hooks: {display.line(document['hooks'])}")
    for argv in document["next"]:
        out.text(f"  next: {command(argv)}")


# -- doctor ------------------------------------------------------------------------------------------------------

_COLOURS = {"ok": "32", "note": "36", "problem": "31", "fixed": "33"}


@click.command(name="doctor")
@click.option("--fix", is_flag=True, help="Mend what can be mended without loss.")
@output_options
def doctor(fix: bool, as_json: bool, quiet: bool) -> int:
    """Look at git, the repository, the ledger and the queue; exit 1 if something needs you.

    --fix puts back the .ledger link and its line in info/exclude, closes the ledger's modes, and sets uet.ledger.
    """
    from uet_git.cli import checkledger, checkup

    out = Output(as_json=as_json, quiet=quiet)
    documents = []
    for check in checkup.examine(os.getcwd(), (*checkup.LOOKS, *checkledger.LOOKS)):
        state = check.state
        if fix and check.mend is not None:
            check.mend()
            state = "fixed"
        next_ = [] if state == "fixed" else [list(argv) for argv in check.next]
        documents.append({"name": check.name, "state": state, "text": check.text, "next": next_})
        text = f"{check.name:11} {display.line(check.text)}"
        out.text(f"{out.paint(f'{state:8}', _COLOURS[state])} {text}")
        for argv in next_:
            out.text(f"{'':20} next: {command(argv)}")
    wrong = sum(d["state"] == "problem" for d in documents)
    out.document({"v": 1, "ok": not wrong, "checks": documents})
    out.text("all is well" if not wrong else f"problems: {wrong}")
    return 1 if wrong else 0


# -- completion --------------------------------------------------------------------------------------------------


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@output_options
def completion(shell: str, as_json: bool, quiet: bool) -> int:
    """Print a completion script; its last line says how to load it."""
    from click.shell_completion import get_completion_class

    out = Output(as_json=as_json, quiet=quiet)
    found = get_completion_class(shell)
    root = click.get_current_context().find_root()
    assert found is not None
    made = found(root.command, {}, "uet-git", "_UET_GIT_COMPLETE")
    script = (made.source_template % made.source_vars()).strip("\n") + "\n\n" + _HOW[shell]
    out.document({"v": 1, "shell": shell, "script": script})
    out.text(script.rstrip("\n"))
    return 0


_HOW = {
    "bash": '# in ~/.bashrc: eval "$(uet-git completion bash)"\n',
    "zsh": '# in ~/.zshrc, after compinit: eval "$(uet-git completion zsh)"\n',
    "fish": "# once: uet-git completion fish > ~/.config/fish/completions/uet-git.fish\n",
}
