"""The `uet-git` command. `--version` answers before anything heavy is imported."""

import gc
import os
import sys
from typing import NoReturn

_ASKING = frozenset(
    {
        *("submit", "apply", "wait", "status", "list", "show", "log", "run", "review"),
        *("drop", "retry", "release", "rollback", "pick", "resolve", "approve"),
        *("pause", "resume", "audit", "fsck"),
    }
)
"""Commands that open the repository they stand in, whatever else is on their line."""
_TAKING_IN = frozenset({"submit", "apply"})
"""Commands that patch files are handed to."""


def main() -> int:
    """Runs the command line; returns the exit code of DESIGN section 14."""
    if sys.argv[1:] == ["--version"]:
        from uet_git import __version__

        sys.stdout.write(f"uet-git {__version__}\n")
        return 0
    if sys.argv[1:2] and sys.argv[1] in _ASKING:
        from uet_git.plumbing import ahead

        ahead.ask()
    gc.disable()  # loading modules makes no cycles that are worth a look; `run` sets it to what it needs
    if sys.argv[1:2] and sys.argv[1] in _TAKING_IN:
        from uet_git.queue import readahead

        readahead.begin(sys.argv[2:])
    from uet_git.cli.loading import load_click

    load_click()
    from uet_git.cli.main import run
    from uet_git.host import heap

    heap.leave_to_system()
    try:
        return run(sys.argv[1:])
    finally:
        if early := sys.modules.get("uet_git.queue.readahead"):
            early.end()


def command() -> NoReturn:
    """Runs the command line and ends the process, without taking down what the system takes down faster."""
    try:
        code = main()
    except KeyboardInterrupt:
        os._exit(130)  # while modules load, and nothing is done yet; later `run` tells of it
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        threads = sys.modules["threading"]
        if any(not t.daemon for t in threads.enumerate() if t is not threads.main_thread()):
            sys.exit(code)
    except OSError:
        os._exit(120)  # as Python ends where its last output cannot be written
    except (ValueError, AttributeError, KeyError):
        sys.exit(code)
    if atexit := sys.modules.get("atexit"):
        atexit._run_exitfuncs()  # noqa: SLF001 - what ending would call first
    os._exit(code)


if __name__ == "__main__":
    command()
