"""What hooks wrote into the journal, line by line. A line that says nothing we know is left out."""

import json
from collections.abc import Iterable
from typing import Final

from uet_git.model.named import NamedTuple

REPORTERS: Final = ("post-commit", "post-merge", "post-applypatch")
_HEX: Final = frozenset("0123456789abcdef")
_FAR: Final = 253_402_300_799.0  # the year 9999
_ULID, _SHA256 = 26, 64
_MOST: Final = 1 << 31


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


class Checked(NamedTuple):
    """What pre-commit's shortcut judged. Times in seconds since the epoch, `since` when it was entered."""

    gate_id: str
    state: str
    exit_code: int | None
    detail: str
    output: str
    truncated: int
    began: float
    ended: float
    since: float
    pid: int
    boot_id: str
    git_dir: str
    target: str
    tree: str
    base: str
    config: str
    gate: str
    tier: str
    actor: str
    key: str


Line = Report | Hit | Rewritten | Checked
_ENDS: Final = ("passed", "failed", "timeout", "error")


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
    elif kind == "checked":
        return _checked(rest)
    elif kind == "rewrite":
        words = rest.split(" ")
        if len(words) == 3 and words[0] in ("amend", "rebase") and all(map(_is_id, words[1:])):
            return Rewritten(*words)
    return None


def _checked(text: str) -> Checked | None:
    """One that holds: every value of its kind, the ids being ids."""
    try:
        given = json.loads(text)
    except ValueError:
        return None
    if not isinstance(given, dict) or given.pop("v", None) != 1:
        return None
    given.setdefault("exit_code", None)
    if set(given) != set(Checked._fields):
        return None
    found = Checked(**given)
    numbers = found.began, found.ended, found.since
    texts = (
        *(found.gate_id, found.detail, found.output, found.boot_id, found.git_dir, found.target),
        *(found.gate, found.tier, found.actor, found.key, found.tree, found.base, found.config),
    )
    sound = (
        all(isinstance(n, float) and 0 < n < _FAR for n in numbers)
        and all(isinstance(t, str) and _is_text(t) for t in texts)
        and isinstance(found.pid, int)
        and 0 < found.pid < _MOST
        and found.truncated in (0, 1)
        and (found.exit_code is None or _is_code(found.exit_code))
    )
    ids = sound and _is_id(found.tree) and _is_id(found.base) and _is_id(found.config)
    named = ids and found.gate_id.isalnum() and len(found.gate_id) == _ULID
    return found if named and found.state in _ENDS and len(found.key) == _SHA256 else None


def _is_text(text: str) -> bool:
    """Whether the ledger can keep it: it has no half characters, which stand for bytes that are no text."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _is_code(code: object) -> bool:
    return isinstance(code, int) and -_MOST < code < _MOST


def _is_id(text: str) -> bool:
    return len(text) in (40, 64) and _HEX.issuperset(text)
