"""Types what the product proposes."""

import os
import pty
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.product import COMMAND

NOT_RUN = {("python3", "-m", "pip", "install")}  # would change this machine


class Said(NamedTuple):
    """How a program at a terminal ended, and everything that the terminal showed."""

    code: int
    text: str


def at_a_terminal(
    command: Sequence[str], typed: bytes, folder: Path, env: Mapping[str, str] | None = None
) -> Said:
    """Runs a program on a terminal of its own, on which `typed` is typed."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = b""
    with suppress(OSError):  # the terminal ends with its last program
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    return Said(child.wait(60), shown.decode("utf-8", "replace").replace("\r\n", "\n"))


def type_it(
    argv: Sequence[str],
    folder: Path,
    env: Mapping[str, str | None] | None = None,
    before: Sequence[str] = (),
) -> None:
    """Runs a proposed command. It may fail, as the world is still broken, but not because it was typed so."""
    assert argv, "nothing is proposed"
    if tuple(argv[:4]) in NOT_RUN:
        assert shutil.which(argv[0])
        return
    full = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
    ours = argv[0] == "uet-git"
    command = [*COMMAND, *argv[1:]] if ours else list(argv)
    if tuple(argv[:2]) == ("uet-git", "trust"):  # asks
        said = at_a_terminal([*before, *command], b"n\n", folder, full)
        assert said.code in (0, 1), said
        return
    done = subprocess.run(
        [*before, *command], cwd=folder, env=full, capture_output=True, check=False, timeout=60
    )
    said = f"{argv}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
    assert b"Traceback" not in done.stdout + done.stderr, said
    assert done.returncode not in (70, 127, 128, 129), said
    if ours:
        assert done.returncode != 2, said
