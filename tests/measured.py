"""Runs a command as its own child, so that its time and memory can be told from the tests' own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_LAUNCHER = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""
_KB = 1024 if sys.platform == "darwin" else 1


class Measured(NamedTuple):
    """A finished command. `seconds` are of the processor, its own and its children's; `peak` is the largest of
    them in megabytes."""

    code: int
    out: bytes
    err: bytes
    seconds: float
    peak: float


def measured(
    argv: Sequence[str | Path],
    folder: Path,
    scratch: Path,
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Measured:
    """Runs a command in a folder. A small process starts it: what a test holds in memory would else be counted."""
    notes = scratch / "measured.json"
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, str(notes), *map(str, argv)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, seconds, peak = json.loads(notes.read_text())
    return Measured(code, done.stdout, done.stderr, seconds, peak / _KB / 1024)
