"""What hooks wrote into the journal, line by line. A line that says nothing we know is left out."""

from collections.abc import Iterable
from typing import Final, NamedTuple

REPORTERS: Final = ("post-commit", "post-merge", "post-applypatch")
_HEX: Final = frozenset("0123456789abcdef")


class Report(NamedTuple):
    """A hook saw a commit; `commit` is None where sh could not read HEAD. `git_dir` is the work tree's."""

    via: str
    pid: int
    commit: str | None
    git_dir: str


class Hit(NamedTuple):
    """Pre-commit found a marker for the staged tree."""

    pid: int
    tree: str
    base: str
    config: str
    git_dir: str


class Rewritten(NamedTuple):
    """Post-rewrite named a commit and what it became."""

    command: str
    old: str
    new: str


Line = Report | Hit | Rewritten


def read(lines: Iterable[str]) -> list[Line]:
    """The lines that hold."""
    return [found for line in lines if (found := _line(line)) is not None]


def _line(line: str) -> Line | None:
    kind, _, rest = line.partition(" ")
    if kind in REPORTERS:
        pid, commit, git_dir = [*rest.split(" ", 2), "", ""][:3]
        if pid.isdigit() and (commit == "-" or _is_id(commit)):
            return Report(kind, int(pid), None if commit == "-" else commit, git_dir)
    elif kind == "hit":
        parts = rest.split(" ", 4)
        if len(parts) == 5 and parts[0].isdigit() and _is_id(parts[1]) and _is_id(parts[2]):
            return Hit(int(parts[0]), *parts[1:])
    elif kind == "rewrite":
        words = rest.split(" ")
        if len(words) == 3 and words[0] in ("amend", "rebase") and all(map(_is_id, words[1:])):
            return Rewritten(*words)
    return None


def _is_id(text: str) -> bool:
    return len(text) in (40, 64) and _HEX.issuperset(text)
