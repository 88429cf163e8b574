"""The command line: a lazy group of commands, and the one boundary that turns errors into a line and an exit code."""

import gc
import importlib
import os
import signal
import sys
import threading
from typing import Any, Final

import click

from uet_git import __version__
from uet_git.cli.render import Output, failure
from uet_git.errors import DiskFull, IoFailed, UetError
from uet_git.host import heap

COMMANDS: Final[dict[str, str]] = {
    "submit": "intake:submit",
    "apply": "intake:apply",
    "wait": "intake:wait",
    "status": "look:status",
    "list": "look:list_",
    "show": "look:show",
    "log": "look:log",
    "run": "look:run",
    "review": "review:review",
    "drop": "decide:drop",
    "retry": "decide:retry",
    "release": "release:release",
    "rollback": "rollback:rollback",
    "edit": "revise:edit",
    "pick": "revise:pick",
    "resolve": "resolve:resolve",
    "approve": "decisions:approve",
    "snooze": "decisions:snooze",
    "priority": "decisions:priority",
    "undo": "decisions:undo",
    "pause": "decide:pause",
    "resume": "decide:resume",
    "init": "setup:init",
    "trust": "trust:trust",
    "doctor": "setup:doctor",
    "completion": "setup:completion",
    "demo": "demo:demo",
    "fsck": "check:fsck",
    "export": "copies:export",
    "backup": "copies:backup",
    "restore": "copies:restore",
    "redact": "redact:redact",
    "policy": "policy:policy_",
    "gate": "gate:gate_",
    "hook": "hook:hook",
    "audit": "audit:audit",
    "blame": "provenance:blame",
}
INTERRUPTED: Final = 130
BUG: Final = 70


class Lazy(click.Group):
    """Imports a command's file only when that command is used: start-up stays short."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports the one that is asked for."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        found: click.Command = getattr(importlib.import_module(f"uet_git.cli.{module}"), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command for a typing error."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if near:
                raise click.UsageError(f"{exc.message} Did you mean {near[0]}?", ctx) from exc
            raise


@click.group(
    cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="uet-git", message="%(prog)s %(version)s")
@click.option(
    "-C", "folder", metavar="DIR", help="Work in this repository instead of the current folder."
)
def uet_git(folder: str | None) -> None:
    """A local, audited merge queue for patches in any git repository.

    Hand patches in with submit, land them with apply, look with status, list and show.
    """
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as exc:
            raise click.UsageError(f"{folder}: {exc.strerror}") from exc


def run(argv: list[str]) -> int:
    """Runs one command line and returns its exit code (DESIGN 14)."""
    out = Output(as_json="--json" in argv, quiet=True)
    # Few cycles are made, and the default thresholds walk tens of thousands of parsed hunks over and over.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
    heap.keep_freed()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()
    try:
        code = uet_git.main(args=argv, prog_name="uet-git", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except UetError as exc:
        failure(out, exc.code, exc.message, exc.next)
        return exc.exit_code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt) as exc:
        failure(
            out, "interrupted", "interrupted; what was reported done is done", ("uet-git", "status")
        )
        # click turns the signal into its Abort, and keeps ours as the cause
        ended = next(
            (e for e in (exc, exc.__cause__, exc.__context__) if isinstance(e, Terminated)), None
        )
        return INTERRUPTED if ended is None else 128 + ended.number
    except click.ClickException as exc:
        failure(out, "usage", exc.format_message(), _help_for(exc))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as exc:
        error = _from_system(exc)
        failure(out, error.code, error.message, error.next)
        return error.exit_code
    except Exception as exc:  # noqa: BLE001 - the boundary: a bug is one line and a report, never a traceback
        if (broken := _of_ledger(exc)) is not None:
            failure(out, broken.code, broken.message, broken.next)
            return broken.exit_code
        where = _report(exc)
        failure(
            out,
            "bug",
            f"this is a bug in uet-git: {type(exc).__name__}: {exc} (report: {where})",
            ("uet-git", "doctor"),
        )
        return BUG


class Terminated(KeyboardInterrupt):
    """A signal that asks to end, taken as Ctrl-C is: gates are killed, the run is closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def _terminate(number: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
    raise Terminated(number)


def _help_for(exc: click.ClickException) -> tuple[str, ...]:
    ctx: Any = getattr(exc, "ctx", None)
    path = ctx.command_path.split() if ctx is not None else ["uet-git"]
    return (*path, "--help")


def _from_system(exc: OSError) -> UetError:
    from uet_git.host.files import translated

    if isinstance(exc, UetError):
        return exc
    found = translated(exc, str(exc.filename or "working"))
    return found if isinstance(found, DiskFull | IoFailed) else IoFailed(str(exc))


def _of_ledger(exc: Exception) -> UetError | None:
    """What a statement met in a ledger that was damaged while it was open."""
    from uet_git.ledger import connection

    return connection.ours(exc)


def _report(exc: BaseException) -> str:
    """Keeps the traceback where a person can find it; returns the path."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(exc))
    for folder in (os.path.join(".ledger", ""), tempfile.gettempdir()):
        path = os.path.join(folder, f"uet-git-bug-{os.getpid()}.txt")
        try:
            with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"uet-git {__version__}, Python {sys.version}\n{sys.argv}\n\n{text}")
        except OSError:
            continue
        return path
    return "not written"
