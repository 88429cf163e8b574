"""Reads a malformed diff as a person would, and offers that reading as a strict git diff.

An offer exists only if every hunk stands at exactly one place in its file, in order and apart from the others. The
added and removed lines are the typed ones; only line ends may follow the file, and then that is named. It is for a
person to take or leave: nothing here is applied (DESIGN 4).
"""

from collections.abc import Callable, Sequence
from typing import Final

from uet_git.model import patchfile, repair_files, repair_text
from uet_git.model.compose import apply_text
from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding, Patch
from uet_git.model.repair_files import Place, Read
from uet_git.model.repair_text import TypedDiff, trailing_blanks
from uet_git.model.settings import MB, Limits
from uet_git.model.work import OverBudget, Work

__all__ = ["REPAIRABLE", "Place", "Repaired", "read"]

REPAIRABLE: Final = frozenset(
    {
        "parse.empty",
        "parse.header",
        "parse.hunk_body",
        "parse.hunk_header",
        "parse.path",
        "parse.truncated",
    }
)
"""The refusals of a strict reading after which a lenient one is tried."""

MOST_BYTES: Final = 1 * MB
MOST_LINES: Final = 20_000
_WORK: Final = 3_000_000
_NAMED: Final = 40


class Repaired(NamedTuple):
    """A strict git diff that says what was meant. `repairs` name in words what was changed about it; `places` say
    where each hunk stands in its file; `patch` is the diff as the strict reader reads it."""

    diff: bytes
    repairs: tuple[str, ...]
    places: tuple[Place, ...]
    patch: Patch


def read(
    diff: bytes,
    base: Read,
    limits: Limits,
    *,
    refusal: Finding | None = None,
    known_paths: Callable[[bytes], Sequence[bytes]] = lambda _: (),
    hex_length: int = 40,
) -> Repaired | Finding:
    """Reads a diff that `patchfile.read` refused with `refusal` (None: it was read, but does not fit the file).

    `base` gives the content of the regular file at a path, None if there is none; `known_paths` the paths that end in
    `/` and its argument. Without an offer, returns `refusal`, or `apply.conflict`, `apply.no_such_file`,
    `apply.exists` with what the patch expects and what the file has. Bounded by work, not by time.
    """
    kept = refusal or Finding("apply.conflict", "")
    if refusal is not None and refusal.code not in REPAIRABLE:
        return kept
    if len(diff) > MOST_BYTES or diff.count(b"\n") > MOST_LINES or b"\0" in diff:
        return kept
    typed = repair_text.read(diff)
    if typed is None or len(typed.files) > limits.files:
        return kept
    if _is_cut(typed):
        return _cut(typed, kept)
    hunks = [hunk for file in typed.files for hunk in file.hunks]
    if any(map(repair_text.out_of_range, hunks)) or len(hunks) > limits.hunks:
        return kept
    try:
        done = repair_files.rebuild(typed, base, known_paths, Work(_WORK))
    except OverBudget:
        return kept
    if isinstance(done, Finding):
        return done
    if not done.named or not done.needed:
        return kept
    patch = patchfile.read(done.diff, limits, hex_length=hex_length)
    if not _agrees(patch, done):
        return kept
    return Repaired(done.diff, _shortened(done.named), tuple(done.places), patch)


def _is_cut(typed: TypedDiff) -> bool:
    """The input ends inside its last hunk, as far as can be told: never repaired.

    A last line without its line feed says so if lines are missing or the header counts none; else fewer lines than
    counted do where other hunks are counted right, as a tool does it.
    """
    hunk = typed.files[-1].hunks[-1] if typed.files[-1].hunks else None
    if hunk is None or not hunk.last:
        return False
    if hunk.numbers is None:
        return not typed.ended
    left = hunk.numbers.old_count - hunk.old_count, hunk.numbers.new_count - hunk.new_count
    if not typed.ended:
        return left != (0, 0)
    return min(left) >= 0 and max(left) > 0 and _by_a_tool(typed)


def _by_a_tool(typed: TypedDiff) -> bool:
    """Every header is whole, and there are hunks before the last one, all counted right."""
    hunks = [hunk for file in typed.files for hunk in file.hunks]
    return (
        len(hunks) > 1
        and all(file.is_whole for file in typed.files)
        and all(
            hunk.numbers is not None
            and (hunk.numbers.old_count, hunk.numbers.new_count)
            == (hunk.old_count - trailing_blanks(hunk), hunk.new_count - trailing_blanks(hunk))
            for hunk in hunks[:-1]
        )
    )


def _cut(typed: TypedDiff, kept: Finding) -> Finding:
    hunk = typed.files[-1].hunks[-1]
    if kept.code == "parse.truncated" or not kept.code.startswith("parse."):
        return kept
    return Finding(
        "parse.truncated", "its last hunk has fewer lines than its header says", None, hunk.line
    )


def _agrees(patch: Patch, done: repair_files.Rebuilt) -> bool:
    """The strict reader reads the offer as it is meant, and the strict composer puts every hunk where it was found."""
    if len(patch.changes) != len(done.results):
        return False
    for change, (op, path, base, result) in zip(patch.changes, done.results, strict=True):
        if (change.op, change.path) != (op, path):
            return False
        if not change.hunks:
            continue
        outcome = apply_text(change.hunks, base, Work())
        if isinstance(outcome, Finding) or outcome[0] != result:
            return False
        if any(placed.offset for placed in outcome[1]):
            return False
    return True


def _shortened(named: Sequence[str]) -> tuple[str, ...]:
    if len(named) <= _NAMED:
        return tuple(named)
    return (*named[:_NAMED], f"and {len(named) - _NAMED} more of the kind")
