"""A repository with one of each kind of what needs a person, and a terminal of 80 x 24 in which `review` is typed at."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pexpect
from rich.cells import cell_len

from tests.builders import diff, mail, make_repo
from tests.product import COMMAND, trust, uet

PROGRAM: Final = b'''def total(prices):
    """What all of it costs."""
    return sum(prices)


def discount(price, percent):
    """The price after a discount."""
    return price - price * percent / 100


def shown(price):
    """The price as text."""
    return f"{price:.2f}"
'''
GATE: Final = rb"""import pathlib
import sys

text = pathlib.Path("shop.py").read_text()
wrong = "percent / 10)" in text
case = '<testcase classname="test_shop" name="test_discount"'
print("collected 3 items")
if wrong:
    print("test_shop.py::test_discount FAILED")
    print("E   assert 90.0 == 99.0")
    case += '><failure message="assert 90.0 == 99.0">def test_discount():\n&gt;   assert discount(100, 1) == 99.0\nE   assert 90.0 == 99.0</failure></testcase>'
else:
    case += "/>"
print("1 failed, 2 passed" if wrong else "3 passed")
head = f'<testsuite tests="3" failures="{int(wrong)}"><testcase classname="test_shop" name="test_total"/>'
rest = '<testcase classname="test_shop" name="test_shown"/></testsuite>'
pathlib.Path("report.xml").write_text(head + case + rest)
sys.exit(wrong)
"""
RULES: Final = b"""version = 1

[policy]
protected = ["deploy/**"]

[gates.unit]
kind = "unit_tests"
run = ["python3", "gate.py"]
junit = "report.xml"
"""
DEPLOY: Final = b"#!/bin/sh\nset -e\nrsync -a build/ staging:/srv/shop\n"
NOTES: Final = b"".join(b"note %d\n" % n for n in range(1, 9))
_COLOURS: Final = re.compile(r"\x1b\[(?:0|1|2|3[0-9])m")
README: Final = b"# Shop\n\nPrices and discounts.\n"


def scene(folder: Path) -> Path:
    """Changes by number: 1 landed and is what 4 collides with; 2 protected path, 3 malformed, 4 conflict, 5 fails its
    gate, 6 dropped by a person before, 7 to 9 a series of which 7 and 8 are held, 10 wants an approval, 11 is large.
    """
    files = {"shop.py": PROGRAM, "gate.py": GATE, "deploy/run.sh": DEPLOY, "README.md": README}
    repo = make_repo(folder / "shop", {**files, "notes.txt": NOTES, "uet.toml": RULES})
    trust(repo)
    _hand_in(repo, "apply", mail("Round the total", diff("shop.py", PROGRAM, _rounded())))
    later = DEPLOY.replace(b"staging", b"production")
    _hand_in(
        repo, "submit", mail("Deploy to production", diff("deploy/run.sh", DEPLOY, later)), code=1
    )
    _hand_in(
        repo, "submit", mail("Say what it costs", _malformed()), code=1, env={"UET_ORIGIN": "codex"}
    )
    sums = PROGRAM.replace(b"sum(prices)", b"sum(p for p in prices if p > 0)")
    _hand_in(repo, "apply", mail("Leave refunds out", diff("shop.py", PROGRAM, sums)), code=1)
    now = _rounded()
    worse = now.replace(b"price * percent / 100", b"(price * percent / 10)")
    _hand_in(repo, "apply", mail("Simplify the discount", diff("shop.py", now, worse)), code=1)
    unwanted = mail("Add a banner", diff("README.md", README, README + b"\nBuy now!\n"))
    _hand_in(repo, "submit", unwanted)
    uet(repo, "drop", "6", "--reason", "no banners")
    _hand_in(repo, "submit", unwanted, code=1)
    _series(repo)
    rule = ("--origin-json", json.dumps({"policy": {"min_reviewers": 1}}))
    told = NOTES.replace(b"note 4", b"Note 4")
    _hand_in(repo, "submit", mail("Mend a note", diff("notes.txt", NOTES, told)), *rule, code=None)
    rule = ("--origin-json", json.dumps({"policy": {"max_files_changed": 2}}))
    many = [diff(f"pages/{n}.txt", None, b"page %d\n" % n) for n in range(1, 5)]
    _hand_in(repo, "submit", mail("Add four pages", *many), *rule, code=1)
    uet(repo, "apply", code=None)
    return repo


def _rounded() -> bytes:
    return PROGRAM.replace(b"sum(prices)", b"round(sum(prices), 2)")


def _malformed() -> bytes:
    """Its header counts more lines than it has."""
    return (
        b'--- a/shop.py\n+++ b/shop.py\n@@ -11,9 +11,9 @@\n def shown(price):\n     """The price as text."""\n'
        b'-    return f"{price:.2f}"\n+    return f"{price:.2f} EUR"\n'
    )


def _series(repo: Path) -> None:
    """Two members that are to be looked at, and one that waits for them."""
    first = DEPLOY + b"echo done\n"
    parts = [
        mail("Say when it is deployed", diff("deploy/run.sh", DEPLOY, first)),
        mail("Deploy by a timer", diff("deploy/timer", None, b"daily\n")),
        mail("Note the timer", diff("notes.txt", NOTES, NOTES + b"note 9: a timer\n")),
    ]
    for number, part in enumerate(parts, 1):
        (repo.parent / f"part{number}.patch").write_bytes(
            part.replace(b"[PATCH]", b"[PATCH %d/3]" % number)
        )
    uet(repo, "submit", *[f"../part{n}.patch" for n in (1, 2, 3)], code=1)


def _hand_in(
    repo: Path,
    verb: str,
    data: bytes,
    *flags: str,
    code: int | None = 0,
    env: Mapping[str, str | None] | None = None,
) -> None:
    (repo.parent / "new.patch").write_bytes(data)
    uet(repo, verb, *flags, "../new.patch", code=code, env=env)


class Screen:
    """`uet-git review` in a terminal; after each key the screen is read as it was drawn, and held to its size."""

    def __init__(
        self,
        repo: Path,
        *args: str,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.columns, self.rows = columns, rows
        full = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        argv = [*COMMAND[1:], "review", *args]
        self.child = pexpect.spawn(
            COMMAND[0],
            argv,
            cwd=str(repo),
            env=full,
            dimensions=(rows, columns),
            timeout=60,
            encoding="utf-8",
        )
        self.raw = ""
        self.lines: list[str] = []
        self.drawn()

    def drawn(self) -> None:
        """Waits until the screen was drawn once more."""
        self.child.expect_exact("\x1b[J")
        self.raw = str(self.child.before).rpartition("\x1b[H")[2]
        plain = _COLOURS.sub("", self.raw)
        self.lines = [line.removesuffix("\x1b[K") for line in re.split(r"\r+\n", plain)]
        assert len(self.lines) == self.rows, self.text
        assert all(cell_len(line) <= self.columns for line in self.lines), self.text
        assert all(c.isprintable() for line in self.lines for c in line), self.text

    def press(self, *keys: str) -> str:
        """Types keys one by one, each after the screen of the one before; returns the last screen."""
        for key in keys:
            self.child.send(key)
            self.drawn()
        return self.text

    def decide(self, key: str, reason: str) -> str:
        """A verb's key, and the reason that it asks for."""
        return self.press(key, *reason, "\r")

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.lines)

    def leave(self, answer: str | None = None, key: str = "q") -> tuple[int, str]:
        """Quits, answers `Land now?` if an answer is given; the exit code and what stands below the screen."""
        if key:
            self.child.send(key)
        if answer is not None:
            self.child.expect_exact("[Y/n] ")
            said = str(self.child.before)
            self.child.sendline(answer)
        else:
            said = ""
        self.child.expect(pexpect.EOF)
        self.child.close()
        said += str(self.child.before)
        said = _COLOURS.sub("", said.rpartition("\x1b[?1049l")[2])
        return self.child.exitstatus, said.replace("\r\n", "\n")
