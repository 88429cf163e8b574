"""What the guides tell to type works when it is typed, page by page, in an empty folder (DESIGN 2 P14)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("start", "agents")
LONG = ("maintainers", "quarantine")  # as many commands again
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"# exit (\d+)\Z")


def commands(page: str) -> list[str]:
    """Everything behind a `$ ` in the page's console blocks, with the lines of a here-document."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    found: list[str] = []
    for block in _BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            else:
                found[-1] += f"\n{line}"
    return found


@pytest.mark.parametrize(
    "page", [*PAGES, *(pytest.param(p, marks=pytest.mark.nightly) for p in LONG)]
)
def test_a_page_can_be_typed(page: str, tmp_path: Path) -> None:
    """In one shell from the top; a command fails only where the page says so, with that code."""
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "uet-git"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m uet_git "$@"\n')
    shim.chmod(0o755)
    (tmp_path / "home").mkdir()
    script = ["set -u"]
    typed = commands(page)
    assert len(typed) > 5
    for command in typed:
        told = _EXIT.search(command)
        script += [
            command,
            f'code=$?; [ $code -eq {told[1] if told else 0} ] || {{ echo "exit $code"; exit 99; }}',
        ]
    done = subprocess.run(
        ["bash", "-x", "-c", "\n".join(script)],
        cwd=tmp_path / "home",
        env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-3000:]
