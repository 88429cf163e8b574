"""demo: a scratch repository, a handful of patches, and the queue at work on them; it checks what came of each."""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final

import click

from uet_git.cli import demoplay
from uet_git.cli.options import output_options
from uet_git.cli.render import Output
from uet_git.errors import UsageError
from uet_git.host import process
from uet_git.host.process import Completed

_DIM, _BOLD, _GREEN, _RED = "2", "1", "32", "31"


@click.command(name="demo")
@click.option(
    "--keep", metavar="DIR", help="Build it in this folder, which must not exist or be empty."
)
@output_options
def demo(keep: str | None, as_json: bool, quiet: bool) -> int:
    """Watch the queue work on a scratch repository: seven patches, four of them trouble.

    Every command is printed before it runs. Nothing outside the folder is touched, and no network is used. Exit 0
    if every patch ended as it should.
    """
    out = Output(as_json=as_json, quiet=quiet)
    stage = Stage(out, _folder(keep))
    stage.say("A small program with its tests, and a uet.toml that makes them the gate.")
    stage.build()
    stage.say("A series of three, and four single patches: one that conflicts with the series,",
              "one that breaks a test, one cut off inside a hunk, one that writes a git hook.")  # fmt: skip
    for names in demoplay.SUBMITS:
        stage.uet("submit", *[f"../patches/{name}" for name in names])
    stage.say("No gate of a repository runs before you accepted what it would run.")
    stage.uet("trust", "--yes")
    stage.say(
        "Each is composed on the tip, tested on exactly the tree that would land, then landed."
    )
    stage.uet("apply")
    stage.say("What landed is ordinary history; what did not says why and waits for you.")
    stage.run("git", "log", "--oneline")
    stage.uet("list")
    stage.uet("show", "5")
    stage.say("The ledger is proved against the commits.")
    stage.uet("fsck")
    told, wrong = stage.judge()
    document = {"ok": not wrong, "repository": stage.repo, "patches": told, "problems": wrong}
    out.document({"v": 1, **document})
    _finish(out, stage, told, wrong)
    return 1 if wrong else 0


class Stage:
    """The scratch folder, and the commands that are run and shown in it."""

    def __init__(self, out: Output, folder: str) -> None:
        self.out = out
        self.folder = folder
        self.repo = os.path.join(folder, "calc")
        env = process.environment({
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "XDG_CACHE_HOME": os.path.join(folder, "cache"),
            "XDG_STATE_HOME": os.path.join(folder, "state"),
            **({"FORCE_COLOR": "1"} if out.colour else {}),
        })  # fmt: skip
        self._env = {k: v for k, v in env.items() if not k.startswith("UET_")}

    def say(self, *lines: str) -> None:
        """What comes next, in words."""
        self.out.text()
        for line in lines:
            self.out.text(self.out.paint(f"# {line}", _DIM))

    def run(self, *argv: str, echo: bool = True) -> Completed:
        """Runs a program in the repository; shows the command line and what it said, unless `echo` is off."""
        if echo:
            self.out.text(self.out.paint(f"$ {shlex.join(argv)}", _BOLD))
        real = (sys.executable, "-m", "uet_git") if argv[0] == "uet-git" else argv[:1]
        done = process.run([*real, *argv[1:]], cwd=self.repo, env=self._env)
        if echo:
            for line in (done.err + done.out).decode("utf-8", "backslashreplace").splitlines():
                self.out.text(line)
        return done

    def uet(self, *args: str) -> Completed:
        """Runs uet-git."""
        return self.run("uet-git", *args)

    def quietly(self, *argv: str) -> bytes:
        """Runs a program of which nothing is shown. Raises: UsageError if it fails."""
        done = self.run(*argv, echo=False)
        if done.code != 0:
            said = (done.err or done.out).decode("utf-8", "backslashreplace").strip()
            raise UsageError(f"the demo could not run {shlex.join(argv)}: {said}")
        return done.out

    def build(self) -> None:
        """Makes the repository and the patches."""
        os.makedirs(self.repo)
        patches = os.path.join(self.folder, "patches")
        os.makedirs(patches)
        self.quietly("git", "init", "-q", "-b", "main")
        self.quietly("git", "config", "user.name", "Ada Demo")
        self.quietly("git", "config", "user.email", "ada@example.com")
        self._commit(demoplay.PROGRAM, "A calculator")
        for name, changes in demoplay.WORK.items():
            self.quietly("git", "checkout", "-q", "-b", "work", "main")
            for message, files in changes:
                self._commit(files, message)
            mails = self.quietly("git", "format-patch", "--stdout", "main..work")
            self.quietly("git", "checkout", "-q", "main")
            self.quietly("git", "branch", "-q", "-D", "work")
            _write(os.path.join(patches, name), mails)
        for name, data in demoplay.HOSTILE.items():
            _write(os.path.join(patches, name), data)
        self.run("git", "log", "--oneline")
        self.run("cat", "uet.toml")
        self.uet("init", "--no-hooks")

    def _commit(self, files: dict[str, str], message: str) -> None:
        for name, text in files.items():
            _write(os.path.join(self.repo, name), text.encode())
        self.quietly("git", "add", "-A")
        self.quietly("git", "commit", "-q", "-m", message)

    def judge(self) -> tuple[list[dict[str, Any]], list[str]]:
        """What became of each patch, and everything that is not as it should be."""
        entries = json.loads(self.quietly("uet-git", "list", "--json"))
        told = [{k: e[k] for k in ("number", "state", "reason", "title")} for e in entries]
        found = [(e["title"], e["state"], e["reason"]) for e in entries]
        wrong = [f"expected {want}" for want in demoplay.EXPECTED if want not in found]
        wrong += [f"unexpected {have}" for have in found if have not in demoplay.EXPECTED]
        landed = self.quietly("git", "rev-list", "--count", "main").decode().strip()
        wrong += [f"main has {landed} commits, not 4"] if landed != "4" else []
        dirty = self.quietly("git", "status", "--porcelain").decode()
        wrong += [f"the work tree is not as committed: {dirty}"] if dirty else []
        if os.path.lexists(os.path.join(self.repo, ".git", "hooks", "pre-commit")):
            wrong.append("a hook was written")
        if self.run("uet-git", "fsck", echo=False).code != 0:
            wrong.append("the ledger does not agree with the commits")
        if self.run(*demoplay.GATE, echo=False).code != 0:
            wrong.append("the tests fail on main")
        return told, wrong


_MEANING: Final = {
    "committed": "landed",
    "apply_failed": "did not fit; it is tried again when the files that it touches change",
    "quarantined": "set aside for you",
    "dropped": "refused for good",
}


def _finish(
    out: Output, stage: Stage, told: Sequence[dict[str, Any]], wrong: Sequence[str]
) -> None:
    stage.say("In short:")
    for entry in told:
        why = f" ({entry['reason']})" if entry["reason"] else ""
        out.text(
            f"  {entry['number']}  {entry['title']}: {_MEANING.get(entry['state'], entry['state'])}{why}"
        )
    for line in wrong:
        out.text(out.paint(f"not as it should be: {line}", _RED))
    if not wrong:
        out.text(out.paint("all as it should be", _GREEN))
    stage.say("Look further (the folder is yours; delete it when you are done):")
    out.text(f"cd {shlex.quote(stage.repo)}")
    if process.find_program("uet-git") is None:
        out.text(f"alias uet-git={shlex.quote(os.path.abspath(sys.argv[0]))}")
    for command in demoplay.LOOK:
        out.text(command)


def _folder(keep: str | None) -> str:
    if keep is None:
        return os.path.realpath(tempfile.mkdtemp(prefix="uet-git-demo-"))
    folder = os.path.realpath(keep)
    if os.path.lexists(folder) and not (os.path.isdir(folder) and not os.listdir(folder)):
        raise UsageError(f"{keep} is there and not an empty folder", next=("uet-git", "demo"))
    os.makedirs(folder, exist_ok=True)
    return folder


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
