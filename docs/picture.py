"""Draws docs/demo.svg and docs/review-*.svg: what the demo and `review` show on a terminal, from real runs.

`make picture` runs it; `python docs/picture.py review` draws only those of `review`.
"""

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

HERE = Path(__file__).resolve().parent
FILE = HERE / "demo.svg"
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


def drawn(said: str, title: str = "uet-git demo", width: int = COLUMNS) -> str:
    """The SVG, without the fonts that it would fetch."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(said))
    svg = console.export_svg(title=title, theme=THEME, unique_id=title.replace(" ", "-"))
    svg = svg.replace(
        "<svg ", '<svg xml:space="preserve" ', 1
    )  # else some viewers drop leading blanks
    return re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)


def reviewed() -> dict[str, str]:
    """Screens of `uet-git review` by name: a policy finding as it is released, a conflict, a failed gate."""
    sys.path.insert(0, str(HERE.parent))
    from tests import reviewing
    from tests.builders import git

    for name in [n for n in os.environ if n.startswith(("GIT_", "UET_"))]:
        del os.environ[name]
    who = "maintainer"
    os.environ |= {f"GIT_{role}_NAME": who for role in ("AUTHOR", "COMMITTER")}
    os.environ |= {f"GIT_{role}_EMAIL": f"{who}@example.com" for role in ("AUTHOR", "COMMITTER")}
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": "1"}
    os.environ |= {"GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": who}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = os.path.join(folder, "state")
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache")
        repo = reviewing.scene(Path(folder))
        git(repo, "config", "user.name", who)
        found = {}
        for name, number, keys in (
            ("release", "2", ["r", *"staging ran it for a week"]),
            ("conflict", "4", []),
            ("gate", "5", []),
        ):
            screen = reviewing.Screen(repo, number)
            screen.press(*keys)
            found[name] = re.sub(r"\x1b\[K|\r", "", screen.raw)
            screen.child.close(force=True)
    return found


def draw(file: Path, svg: str) -> None:
    """Writes one picture and says so."""
    file.write_text(svg, encoding="utf-8")
    sys.stdout.write(f"{file} ({file.stat().st_size // 1024} KB)\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["review"]:
        draw(FILE, drawn(excerpt(captured())))
    for name, said in reviewed().items():
        draw(HERE / f"review-{name}.svg", drawn(said, "uet-git review", 80))
