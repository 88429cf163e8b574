"""Cuts a patch into the pieces that a person can pick, and writes the picked ones and the rest as two exact patches.

A piece is one hunk of a file that only changes, its new mode, or everything that a patch does to a file at once (made,
removed, renamed, copied, binary, another kind of file). Changes that name one path together are one piece.
"""

import re
from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise
from typing import Final

from uet_git.model import fileheader
from uet_git.model.binarypatch import INTRO, read_binary
from uet_git.model.named import NamedTuple
from uet_git.model.records import EXECUTABLE, REGULAR, FileChange, Hunk, Patch

_HEAD: Final = re.compile(rb"@@ -[0-9,]+ \+[0-9,]+ @@([^\n]*\n)")
_PLAIN: Final = (None, REGULAR, EXECUTABLE)
_WANTED: Final = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


class Piece(NamedTuple):
    """One thing to pick, numbered from 1. `kind` is hunk, mode or file; `data` is the piece as a patch of its own."""

    number: int
    path: bytes
    kind: str
    insertions: int
    deletions: int
    data: bytes


class _Part(NamedTuple):
    """Where a piece is in the patch: its changes, and the hunk of the only one (None: all, -1: the mode)."""

    changes: tuple[int, ...]
    hunk: int | None


class Cut:
    """A diff with its reading, ready to be cut. `first_line` is the line that the diff begins with."""

    def __init__(self, diff: bytes, patch: Patch, first_line: int) -> None:
        self._diff = diff
        self._changes = patch.changes
        self._lines = [0, *(m.end() for m in re.finditer(rb"\n", diff))]
        self._first = first_line
        self._parts = list(self._found())

    def pieces(self) -> list[Piece]:
        """Every piece, in the order of the patch."""
        return [self._piece(n, part) for n, part in enumerate(self._parts, 1)]

    def split(self, chosen: Collection[int]) -> tuple[bytes, bytes]:
        """The pieces with these numbers as one patch, and the others as another, which fits on top of the first."""
        taken: dict[int, set[int | None]] = {}
        for number in chosen:
            part = self._parts[number - 1]
            for index in part.changes:
                taken.setdefault(index, set()).add(part.hunk)
        first: list[bytes] = []
        rest: list[bytes] = []
        for index, change in enumerate(self._changes):
            mine = taken.get(index, set())
            every = {p.hunk for p in self._parts if index in p.changes}
            if not mine or mine == every:
                (first if mine else rest).append(self._whole(change))
                continue
            first.append(self._some(change, mine, set()))
            rest.append(self._some(change, every - mine, mine))
        return b"".join(first), b"".join(rest)

    def _found(self) -> list[_Part]:
        groups = _grouped(self._changes)
        found = []
        for group in groups:
            change = self._changes[group[0]]
            if len(group) > 1 or not _is_cuttable(change):
                found.append(_Part(group, None))
                continue
            if change.old_mode != change.new_mode:
                found.append(_Part(group, -1))
            found += [_Part(group, n) for n in range(len(change.hunks))]
        return found

    def _piece(self, number: int, part: _Part) -> Piece:
        changes = [self._changes[i] for i in part.changes]
        path = changes[0].path
        if part.hunk is None:
            data = b"".join(self._whole(c) for c in changes)
            plus, minus = sum(c.insertions for c in changes), sum(c.deletions for c in changes)
            return Piece(number, path, "file", plus, minus, data)
        data = self._some(changes[0], {part.hunk}, set())
        if part.hunk < 0:
            return Piece(number, path, "mode", 0, 0, data)
        lines = changes[0].hunks[part.hunk].body.split(b"\n")
        plus, minus = (sum(text[:1] == sign for text in lines) for sign in (b"+", b"-"))
        return Piece(number, path, "hunk", plus, minus, data)

    # -- bytes -------------------------------------------------------------------------------------------------

    def _offset(self, line: int) -> int:
        return self._lines[line - self._first]

    def _header_end(self, change: FileChange) -> int:
        if change.hunks:
            return self._offset(change.hunks[0].line)
        start = self._offset(change.line)
        is_git = self._diff.startswith(b"diff --git ", start)
        read = fileheader.read_git if is_git else fileheader.read_traditional
        return read(self._diff, start).end

    def _whole(self, change: FileChange) -> bytes:
        """The change as it was typed."""
        end = self._header_end(change)
        if change.binary is not None:
            end = read_binary(self._diff, end + len(INTRO), 1 << 62)[1]
        elif change.hunks:
            last = change.hunks[-1]
            end = self._lines[last.line - self._first + 1] + len(last.body)
        data = self._diff[self._offset(change.line) : end]
        return data if data.endswith(b"\n") else data + b"\n"

    def _some(
        self, change: FileChange, wanted: Collection[int | None], before: Collection[int | None]
    ) -> bytes:
        """Some hunks of a change, for a file that the hunks `before` have changed already.

        The ids of its `index` line are those of the whole change, so it goes; so does a mode that is not wanted.
        """
        start, end = self._offset(change.line), self._header_end(change)
        header = self._diff[start:end].splitlines(keepends=True)
        has_hunks = any(n is not None and n >= 0 for n in wanted)
        dropped = [b"index "]
        dropped += [] if -1 in wanted else [b"old mode ", b"new mode "]
        dropped += [] if has_hunks else [b"--- ", b"+++ "]
        lines = [line for line in header if not line.startswith(tuple(dropped))]
        grown = [0, *accumulate(h.new_count - h.old_count for h in change.hunks)]
        steps = [after - at for at, after in pairwise(grown)]
        for number, hunk in enumerate(change.hunks):
            if number in wanted:
                there = sum(steps[n] for n in range(number) if n in before)
                mine = sum(steps[n] for n in range(number) if n in wanted)
                lines += [self._moved(hunk, there, there + mine), hunk.body]
        data = b"".join(lines)
        return data if data.endswith(b"\n") else data + b"\n"

    def _moved(self, hunk: Hunk, old: int, new: int) -> bytes:
        """The hunk's `@@` line where so many lines were added before it on either side."""
        before = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        head = _HEAD.match(self._diff, self._offset(hunk.line))
        tail = head[1] if head is not None else b"\n"
        first = (before + old + (hunk.old_count > 0), hunk.old_count)
        second = (before + new + (hunk.new_count > 0), hunk.new_count)
        return b"@@ -%d,%d +%d,%d @@%b" % (*first, *second, tail)


def numbers(text: str, most: int) -> list[int]:
    """The numbers that `1,3-4` names, sorted. Raises: ValueError in words, for what is not one of 1 to `most`."""
    found: set[int] = set()
    for word in text.split(","):
        match = _WANTED.fullmatch(word.strip())
        if match is None:
            raise ValueError(f"{word.strip()!r} is not a number or a range of numbers")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise ValueError(f"{word.strip()} is not among 1 to {most}")
        found.update(range(first, last + 1))
    return sorted(found)


def _is_cuttable(change: FileChange) -> bool:
    return (
        change.op == "modify"
        and bool(change.hunks)
        and change.old_mode in _PLAIN
        and change.new_mode in _PLAIN
    )


def _grouped(changes: Sequence[FileChange]) -> list[tuple[int, ...]]:
    """Indexes of the changes that name a path together, in order of their first."""
    group: dict[int, int] = {}
    holder: dict[bytes, int] = {}
    for index, change in enumerate(changes):
        met = {group[holder[p]] for p in (change.old_path, change.new_path) if p in holder}
        group[index] = min(met, default=index)
        for other, its in group.items():
            if its in met:
                group[other] = group[index]
        holder.update({p: index for p in (change.old_path, change.new_path) if p is not None})
    firsts = dict.fromkeys(group.values())
    return [tuple(i for i in group if group[i] == first) for first in firsts]
