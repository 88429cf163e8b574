"""Whether recent patches and this one turn the same lines back and forth (DESIGN 7.5; two agents that disagree do).

A line is a path and its text without the blanks around it. One that a patch both adds and removes only moves, and one
with hardly a letter in it (a brace) says nothing. A patch of very many lines is taken for no turn: it has a purpose.
"""

import re
from collections.abc import Iterable
from typing import Final

from uet_git.model.added import added_lines, removed_lines
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Finding, Patch

_TELLING: Final = late(rb"\w.*\w.*\w", re.DOTALL)

Line = tuple[bytes, bytes]


MOST: Final = 20_000
"""Added and removed lines of a patch whose lines are compared with those of others."""


class Turn(NamedTuple):
    """What one patch adds and removes; `label` is how people name it."""

    label: str
    added: frozenset[Line]
    removed: frozenset[Line]


def turn(label: str, patch: Patch) -> Turn:
    """The lines of a patch; none of one that is too large."""
    added: set[Line] = set()
    removed: set[Line] = set()
    if patch.insertions + patch.deletions > MOST:
        return Turn(label, frozenset(), frozenset())
    for change in patch.changes:
        if change.new_path is not None:
            added |= _lines(change.new_path, added_lines(change))
        if change.old_path is not None:
            removed |= _lines(change.old_path, removed_lines(change))
    return Turn(label, frozenset(added - removed), frozenset(removed - added))


def _lines(path: bytes, text: bytes) -> set[Line]:
    lines = set(map(bytes.strip, text.split(b"\n")))
    return {(path, line) for line in lines if _TELLING.search(line)}


def judge(now: Turn, before: Iterable[Turn], threshold: int) -> list[Finding]:
    """`policy.oscillation` for the line that was turned most often, if that is at least `threshold` times.

    `before` are the landed patches, newest first. This patch is one turn; each earlier one counts that did the
    opposite of the one after it.
    """
    undone_by = {**dict.fromkeys(now.added, 1), **dict.fromkeys(now.removed, 1)}
    came, went = set(now.added), set(now.removed)  # what the earlier patch must have removed, added
    labels: dict[Line, list[str]] = {}
    for earlier in before:
        back, forth = came & earlier.removed, went & earlier.added
        if not back and not forth:
            continue
        came, went = (came - back) | forth, (went - forth) | back
        for line in back | forth:
            undone_by[line] += 1
            labels.setdefault(line, []).append(earlier.label)
    if not labels:
        return []
    line = max(labels, key=lambda one: (undone_by[one], one))
    if undone_by[line] < threshold:
        return []
    text = line[1].decode("utf-8", "backslashreplace")
    said = f"{', '.join(reversed(labels[line]))} and this one turn it back and forth: {text[:80]}"
    return [Finding("policy.oscillation", said, line[0])]
