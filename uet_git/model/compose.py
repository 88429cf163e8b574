"""Base bytes and hunks to new bytes: placed exactly as `git apply` (2.39) places them, or not at all.

A hunk is looked for at its expected line, then alternately one line later and earlier, two, and so on. Its old lines
must stand there byte for byte; at the first line if its header says line 0 or 1, at the end if it has no context behind
its changes. No line that a hunk has written or kept can be matched by another. Hunks may come in any order.

Refused here although git 2.39 takes it, because what git writes is not what the patch says:
- old lines without a final line feed never match a longer line that begins the same;
- a hunk without any old line goes to the end of the file only if its header says so (git: always), and not behind a
  last line that lacks its line feed;
- a hunk without any context goes only to the very line that its header says (git: to the end, wherever that is).
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from uet_git.model.delta import apply_delta
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.placing import Image
from uet_git.model.records import FileChange, Finding, Hunk
from uet_git.model.seek import seek
from uet_git.model.work import STEP, OverBudget, Work

__all__ = [
    "Placed",
    "Work",
    "apply_binary",
    "apply_text",
    "body_agrees",
    "is_applied",
    "misfits",
    "undo_text",
]

_NEAR: Final = 64  # lines that a hunk may stand too early before the full search is asked
_LINE_FEED: Final = 10
_HASHES: Final = {40: "sha1", 64: "sha256"}


class Placed(NamedTuple):
    """Where a hunk was put: the 1-based line in the image it was applied to, and how far from the expected one."""

    line: int
    offset: int


def apply_text(
    hunks: Sequence[Hunk], base: bytes, budget: Work
) -> tuple[bytes, list[Placed]] | Finding:
    """Applies the hunks to the base. Returns the new bytes and where each hunk went.

    Returns a finding (`apply.conflict`, `size.work`; its line is the hunk's) if one does not fit or costs too much.
    """
    try:
        done = _in_order(hunks, base, budget)
        return done if done is not None else _anywhere(hunks, base, budget)
    except OverBudget:
        return Finding("size.work", "", None, hunks[0].line)


def _expected(hunk: Hunk) -> int:
    """Returns the 0-based line that the header names; a hunk that leaves nothing names the line before it."""
    return hunk.new_start if not hunk.new_count else max(hunk.new_start - 1, 0)


def _in_order(
    hunks: Sequence[Hunk], base: bytes, budget: Work
) -> tuple[bytes, list[Placed]] | None:
    """Tries each hunk behind the one before, where the first search finds it; None if that may not be the answer."""
    pieces: list[bytes] = []
    placed: list[Placed] = []
    cursor = line = 0  # how far the base is used up; that line in the image
    size = len(base)
    for hunk in hunks:
        old = hunk.old
        if hunk.old_start <= 1 or not hunk.trailing or old[-1:] != b"\n":
            at = _bound(hunk, base, cursor, first=not placed)
        elif base.startswith(old, cursor):
            at = cursor
        else:
            at = seek(base, b"\n" + old, cursor) + 1 or -1
        budget.spend_search((at if at >= 0 else size) - cursor, len(old), size - cursor)
        if at < 0:
            return None
        found = line + base.count(b"\n", cursor, at)
        offset = found - _expected(hunk)
        if offset:
            near = found - line if cursor else size
            if not _is_nearest(hunk, base, at, offset, near, budget):
                return None
        pieces.append(base[cursor:at])
        pieces.append(hunk.new)
        placed.append(Placed(found + 1, offset))
        cursor = at + len(old)
        line = found + hunk.new_count
    pieces.append(base[cursor:])
    return b"".join(pieces), placed


def _bound(hunk: Hunk, base: bytes, cursor: int, *, first: bool) -> int:
    """Returns the one place for a hunk that is bound to the start or the end; -1 to have it looked at closely."""
    old = hunk.old
    if first and old == base:
        return 0
    if not old:
        return -1
    if hunk.old_start <= 1:
        plain = first and hunk.trailing and old[-1:] == b"\n"
        return 0 if plain and base.startswith(old) else -1
    at = len(base) - len(old)
    if at < cursor or not base.endswith(old) or (at > cursor and base[at - 1] != _LINE_FEED):
        return -1
    return at


def _is_nearest(hunk: Hunk, base: bytes, at: int, offset: int, near: int, budget: Work) -> bool:
    """Tells whether the first place found behind the last hunk is surely the one that git would take.

    `near` is how many lines behind the last hunk it is.
    """
    if hunk.old_start <= 1 or not hunk.trailing:
        return bool(hunk.leading or hunk.trailing)
    if hunk.old[-1:] != b"\n":
        # bound to the end, but git would also take a line that only begins like the last one
        budget.spend_search(at, len(hunk.old), len(base))
        return not at or not (base.startswith(hunk.old) or base.find(b"\n" + hunk.old) != at - 1)
    if offset > 0:
        return 2 * offset <= near
    if offset < -_NEAR:
        return False
    end = at
    budget.spend(STEP * (hunk.old_count - 2 * offset))
    for _ in range(hunk.old_count - 2 * offset):
        end = base.find(b"\n", end) + 1
        if not end:
            end = len(base)
            break
    budget.spend_search(end - at, len(hunk.old), end - at)
    return base.find(b"\n" + hunk.old, at, end) < 0


def _anywhere(
    hunks: Sequence[Hunk], base: bytes, budget: Work
) -> tuple[bytes, list[Placed]] | Finding:
    image = Image(base, budget)
    placed: list[Placed] = []
    for number, hunk in enumerate(hunks, 1):
        found = _put(image, hunk)
        if found is None:
            detail = f"hunk {number} of {len(hunks)}, at line {hunk.old_start}"
            return Finding("apply.conflict", detail, None, hunk.line)
        placed.append(found)
    return image.content(), placed


def _put(image: Image, hunk: Hunk) -> Placed | None:
    """Puts a hunk where git would; None if it fits nowhere. Raises: OverBudget."""
    image.work.spend(STEP)
    expected = _expected(hunk)
    found = image.place(hunk, expected)
    offset = found - expected
    bare = not hunk.leading and not hunk.trailing
    if found < 0 or (bare and offset and hunk.old_start > 1):
        return None
    return Placed(found + 1, offset)


def misfits(hunks: Sequence[Hunk], base: bytes, budget: Work) -> list[int]:
    """The 0-based numbers of the hunks that do not fit while the others are put in. Raises: OverBudget."""
    image = Image(base, budget)
    return [number for number, hunk in enumerate(hunks) if _put(image, hunk) is None]


def apply_binary(change: FileChange, base: bytes, budget: Work | None = None) -> bytes | Finding:
    """Applies a binary change to the base. Returns the new bytes, or `apply.preimage`, `size.work`.

    A `literal` fits any base: that the base is the one the patch names (`old_oid`), and the result the one it
    promises (`new_oid`), is for the caller to compare, who has the ids.
    """
    assert change.binary is not None
    if change.op == "delete":
        return b""
    if change.binary.method == "literal":
        return change.binary.data
    try:
        result = apply_delta(change.binary.data, base, budget or Work())
    except OverBudget:
        return Finding("size.work", "", change.path, change.line)
    if result is None:
        return Finding("apply.preimage", "the delta does not fit", change.path, change.line)
    return result


def undo_text(hunks: Sequence[Hunk], placements: Sequence[Placed], result: bytes) -> bytes | None:
    """Takes the hunks out of the result at their recorded places. Returns the base, None if one is not there.

    Shares no code with `apply_text`: what both agree on is what the patch says.
    """
    behind = 1
    for hunk, placed in zip(hunks, placements, strict=True):
        if placed.line < behind:
            return _undo_backwards(hunks, placements, result)
        behind = placed.line + hunk.new_count
    pieces: list[bytes] = []
    cursor, line = 0, 1
    for hunk, placed in zip(hunks, placements, strict=True):
        skip = placed.line - line
        at = result.find(hunk.new, cursor)
        if at < 0 or result.count(b"\n", cursor, at) != skip or not _stands(hunk.new, result, at):
            at = _skip_lines(result, cursor, skip)
            if at < 0 or not _stands(hunk.new, result, at):
                return None
        pieces.append(result[cursor:at])
        pieces.append(hunk.old)
        cursor = at + len(hunk.new)
        line = placed.line + hunk.new_count
    pieces.append(result[cursor:])
    return b"".join(pieces)


def _undo_backwards(
    hunks: Sequence[Hunk], placements: Sequence[Placed], image: bytes
) -> bytes | None:
    for hunk, placed in zip(reversed(hunks), reversed(placements), strict=True):
        at = _skip_lines(image, 0, placed.line - 1)
        if at < 0 or not _stands(hunk.new, image, at):
            return None
        image = image[:at] + hunk.old + image[at + len(hunk.new) :]
    return image


def _stands(lines: bytes, text: bytes, at: int) -> bool:
    """Tells whether these are whole lines at `at`; without a final line feed they are only at the end."""
    if not text.startswith(lines, at) or (at and text[at - 1] != _LINE_FEED):
        return False
    return not lines or lines.endswith(b"\n") or at + len(lines) == len(text)


def _skip_lines(text: bytes, at: int, count: int) -> int:
    """Returns the offset `count` lines behind `at`, or -1 if there are not so many; large steps, no line table."""
    step = 64 * count
    while count > 4:
        within = text.count(b"\n", at, at + step)
        if within < count:
            if at + step >= len(text):
                return -1
            at += step
            count -= within
            step = 64 * count
        elif step <= 256:
            break
        else:
            step >>= 1
    for _ in range(count):
        at = text.find(b"\n", at) + 1
        if not at:
            return -1
    return at


_OLD: Final = late(rb"\n(?:[ -]([^\n]*)|(?=\n))")
_NEW: Final = late(rb"\n(?:[ +]([^\n]*)|(?=\n))")


def body_agrees(hunk: Hunk) -> bool:
    """Tells whether both images hold exactly the lines of the body, which is read another way than the parser does."""
    body = b"\n" + hunk.body
    if b"\n\\" in body:
        return _marked_agrees(hunk)
    old = [*_OLD.findall(body), b""]
    new = [*_NEW.findall(body), b""]
    return b"\n".join(old) == hunk.old and b"\n".join(new) == hunk.new


def _marked_agrees(hunk: Hunk) -> bool:
    """The same for a body with `\\ No newline at end of file` in it."""
    old: list[bytes] = []
    new: list[bytes] = []
    sign = b""
    for line in hunk.body.removesuffix(b"\n").split(b"\n"):
        if line[:1] == b"\\":
            for side in (old, new):
                if side and (sign == b" " or side is (old if sign == b"-" else new)):
                    side[-1] = side[-1].removesuffix(b"\n")
            continue
        sign = line[:1] or b" "
        if sign != b"+":
            old.append(line[1:] + b"\n")
        if sign != b"-":
            new.append(line[1:] + b"\n")
    return b"".join(old) == hunk.old and b"".join(new) == hunk.new


def is_applied(change: FileChange, base: bytes | None, budget: Work | None = None) -> bool:
    """Tells whether the base already holds this change of content: the patch, turned round, fits at its very lines.

    `base` is what stands at the change's path, None if nothing does.
    """
    if base is None or change.op == "delete":
        return base is None and change.op == "delete"
    algorithm = _HASHES.get(len(change.new_oid or ""))
    if algorithm:
        blob = hashlib.new(algorithm, b"blob %d\0" % len(base), usedforsecurity=False)
        blob.update(base)
        if blob.hexdigest() == change.new_oid:
            return True
    if change.binary is not None:
        return change.binary.method == "literal" and change.binary.data == base
    if change.op == "add":
        return base == b"".join(hunk.new for hunk in change.hunks)
    if not change.hunks:
        return False
    turned = [_turned(hunk) for hunk in change.hunks]
    done = apply_text(turned, base, budget or Work())
    return not isinstance(done, Finding) and not any(placed.offset for placed in done[1])


def _turned(hunk: Hunk) -> Hunk:
    """Returns the hunk that undoes this one; its body stays as typed."""
    return hunk._replace(
        old_start=hunk.new_start,
        old_count=hunk.new_count,
        new_start=hunk.old_start,
        new_count=hunk.old_count,
        old=hunk.new,
        new=hunk.old,
    )
