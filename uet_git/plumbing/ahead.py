"""What every command asks git first, asked while Python still loads the modules that will want to know.

A fifth of what a short command takes is loading, on one core; the two answers are there when it is over. Who stands
elsewhere by then, or has another environment, asks anew.
"""

import os
from contextlib import suppress
from typing import Final

from uet_git.host import gitenv, programs, spawn

LAYOUT: Final = (
    *("rev-parse", "--git-dir", "--is-bare-repository", "--git-common-dir"),
    *("--is-inside-work-tree", "--show-object-format", "--show-toplevel"),
)
"""Asks where the repository lies; one line each."""
CONFIG: Final = ("config", "--list", "-z")
"""Asks for the configuration."""


class _Asked:
    def __init__(self, program: str, folder: str, env: dict[str, str]) -> None:
        self.of = program, folder, env
        self.layout = spawn.Begun([program, *LAYOUT], env)
        self.config = spawn.Begun([program, *CONFIG], env)


_asked: list[_Asked] = []


def ask() -> None:
    """Asks of the current folder."""
    program = programs.find("git")
    if program is not None:
        with suppress(OSError):
            _asked.append(_Asked(program, os.getcwd(), gitenv.environment()))


def answers(program: str, folder: str) -> tuple[bytes, bytes] | None:
    """What git said of `folder`: its layout and its configuration; None where it was not asked, or failed. Once."""
    if not _asked:
        return None
    asked = _asked.pop()
    layout, config = asked.layout.end(), asked.config.end()
    if asked.of != (program, folder, gitenv.environment()) or layout is None or config is None:
        return None
    return layout, config
