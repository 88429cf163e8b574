"""Types what the product proposes."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.product import COMMAND

NOT_RUN = {("python3", "-m", "pip", "install")}  # would change this machine


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
    done = subprocess.run(
        [*before, *command], cwd=folder, env=full, capture_output=True, check=False, timeout=60
    )
    said = f"{argv}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
    assert b"Traceback" not in done.stdout + done.stderr, said
    assert done.returncode not in (70, 127, 129), said
    if ours:
        assert done.returncode != 2, said
