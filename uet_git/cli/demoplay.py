"""The story that `demo` plays: a program, patches to it, and how each of them must end. Data only."""

from typing import Final

GATE: Final = ("python3", "-m", "unittest", "-q")

PROGRAM: Final = {
    "calc.py": '''\
"""A small calculator."""


def add(a, b):
    return a + b


def mean(numbers):
    return sum(numbers) / len(numbers)


def largest(numbers):
    return max(numbers)
''',
    "tests/__init__.py": "",
    "tests/test_calc.py": """\
import unittest

import calc


class Calc(unittest.TestCase):
    def test_add(self):
        self.assertEqual(calc.add(2, 3), 5)

    def test_mean(self):
        self.assertEqual(calc.mean([1, 2, 6]), 3)
""",
    ".gitignore": "__pycache__/\n",
    "uet.toml": """\
version = 1

[gates.tests]
kind = "unit_tests"
run = ["python3", "-m", "unittest", "-q"]
timeout = 60   # seconds
""",
}

_TYPED: Final = PROGRAM["calc.py"].replace(
    "def add(a, b):", "def add(a: float, b: float) -> float:"
)
_SUB: Final = _TYPED + "\n\ndef sub(a: float, b: float) -> float:\n    return a - b\n"
_SUB_TEST: Final = (
    PROGRAM["tests/test_calc.py"]
    + """
    def test_sub(self):
        self.assertEqual(calc.sub(5, 3), 2)
"""
)
_README: Final = "# calc\n\nAdds, subtracts, and finds means.\n"

WORK: Final[dict[str, list[tuple[str, dict[str, str]]]]] = {
    "series.mbox": [
        ("Say what add takes", {"calc.py": _TYPED}),
        ("Subtract", {"calc.py": _SUB, "tests/test_calc.py": _SUB_TEST}),
        ("Say what it does", {"README.md": _README}),
    ],
    "conflict.patch": [
        (
            "Add any number of numbers",
            {
                "calc.py": PROGRAM["calc.py"].replace(
                    "def add(a, b):\n    return a + b",
                    "def add(*numbers):\n    return sum(numbers)",
                )
            },
        )
    ],
    "red.patch": [
        (
            "Round the mean down",
            {
                "calc.py": PROGRAM["calc.py"].replace(
                    "sum(numbers) / len(numbers)", "sum(numbers) // (len(numbers) + 1)"
                )
            },
        )
    ],
}
"""Mailbox to its commits (message, files), each made on the first commit."""

_MAIL: Final = """\
From: A Stranger <stranger@example.com>
Date: Sat, 31 Jan 2026 12:00:00 +0000
Subject: [PATCH] {subject}

---
"""
_CUT: Final = """\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -8,2 +8,5 @@
 def mean(numbers):
+    if not numb"""
_HOOK: Final = """\
diff --git a/.git/hooks/pre-commit b/.git/hooks/pre-commit
new file mode 100755
--- /dev/null
+++ b/.git/hooks/pre-commit
@@ -0,0 +1,2 @@
+#!/bin/sh
+echo this would run at your next commit
"""

HOSTILE: Final = {
    "cut.patch": (_MAIL.format(subject="Guard the mean") + _CUT).encode(),
    "hook.patch": (_MAIL.format(subject="Helpful hook") + _HOOK).encode(),
}

SUBMITS: Final = (
    ("series.mbox",),
    ("conflict.patch",),
    ("red.patch",),
    ("cut.patch",),
    ("hook.patch",),
)

EXPECTED: Final = (
    ("Say what add takes", "committed", None),
    ("Subtract", "committed", None),
    ("Say what it does", "committed", None),
    ("Add any number of numbers", "apply_failed", "apply.conflict"),
    ("Round the mean down", "quarantined", "gate.failed"),
    ("Guard the mean", "dropped", "parse.truncated"),
    ("Helpful hook", "dropped", "path.dotgit"),
)
"""Title, state and reason at the end."""

LOOK: Final = (
    "uet-git status",
    "uet-git show 4      # what does not fit, and where",
    "uet-git show 5      # which gate failed, and what it said",
    "uet-git log         # everything that happened, in order",
    "git log --stat      # the landed commits, with their Uet-Patch lines",
)
