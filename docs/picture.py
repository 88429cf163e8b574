"""Draws docs/demo.svg: what `uet-git demo` prints on a terminal, from a real run. `make picture` runs it."""

import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pexpect
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

FILE = Path(__file__).resolve().parent / "demo.svg"
FIRST, LAST = "$ uet-git submit ../patches/series.mbox", "$ uet-git show 5"
COLUMNS = 116
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65),
     (121, 192, 255), (210, 168, 255), (86, 212, 221), (201, 209, 217)],
)  # fmt: skip


def captured() -> str:
    """What the demo writes to a terminal of COLUMNS columns, colours included."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "TERM": "xterm-256color"}
        env.pop("NO_COLOR", None)
        argv = ["-m", "uet_git", "demo", "--keep", os.path.join(folder, "demo")]
        child = pexpect.spawn(
            sys.executable, argv, env=env, dimensions=(50, COLUMNS), timeout=120, encoding="utf-8"
        )
        said = str(child.read())
        child.close()
        if child.exitstatus != 0:
            raise SystemExit(f"the demo failed:\n{said}")
    return said.replace("\r\n", "\n")


def excerpt(said: str) -> str:
    """The part from handing in to the list; the whole is too long for a picture."""
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in said.split("\n")]
    return "\n".join(said.split("\n")[plain.index(FIRST) : plain.index(LAST)])


def drawn(said: str) -> str:
    """The SVG, without the fonts that it would fetch."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(said))
    svg = console.export_svg(title="uet-git demo", theme=THEME, unique_id="demo")
    svg = svg.replace(
        "<svg ", '<svg xml:space="preserve" ', 1
    )  # else some viewers drop leading blanks
    return re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)


if __name__ == "__main__":
    FILE.write_text(drawn(excerpt(captured())), encoding="utf-8")
    sys.stdout.write(f"{FILE} ({FILE.stat().st_size // 1024} KB)\n")
