"""What a vote is for: a revision's composed diff, its target and the policy (DESIGN 12). A change of any is told.

The diff is compared, not the tree, so a branch that moves on changes nothing. Of a text hunk it has the lines of the
patch; where they fit more than one place, also which one was taken. Of what comes in whole (binary, copied, linked) it
has the blob.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from uet_git.model.added import ReadBlob
from uet_git.model.named import NamedTuple
from uet_git.model.policy import Policy
from uet_git.model.records import Composed, FileChange, Hunk, Patch, Placement, TreeChange

_SHOWN: Final = 12
_MOST: Final = 64
"""Places of one hunk that are told apart."""
_ABSENT: Final = "nothing"


class Pins(NamedTuple):
    """What a vote is for, beside the revision."""

    target: str
    policy: dict[str, Any]
    diff: dict[str, str]


def policy_pins(policy: Policy) -> dict[str, Any]:
    """The rules that are not those of preset open, as JSON has them."""
    usual = Policy()._asdict()
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in policy._asdict().items()
        if value != usual[key]
    }


def diff_pins(patch: Patch, composed: Composed, read: ReadBlob) -> dict[str, str]:
    """By path, what the patch did there, in a few words that change when it does."""
    after = {c.path: c for c in composed.changes}
    places: dict[bytes, list[Placement]] = {}
    for placement in composed.placements:
        places.setdefault(placement.path, []).append(placement)
    found = {}
    for change in patch.changes:
        said = _said(change, after.get(change.path))
        base = _base(change, after)
        if base:
            said += _places(change.hunks, places.get(change.path, ()), read(base))
        found[change.path.decode("utf-8", "backslashreplace")] = said
    return found


def _said(change: FileChange, became: TreeChange | None) -> str:
    """The operation, with a hash of everything that it brings."""
    digest = hashlib.sha256(repr((change.old_path, change.new_path, change.binary)).encode())
    for hunk in change.hunks:
        digest.update(hunk.body)
    if became is not None:
        mode = became.new_mode if became.new_mode != became.old_mode else 0
        whole = change.binary is not None or change.op == "copy"
        digest.update(repr((mode, became.new_oid if whole else "")).encode())
    return f"{change.op} {digest.hexdigest()[:_SHOWN]}"


def _base(change: FileChange, after: Mapping[bytes, TreeChange]) -> str:
    """The blob that hunks were put into; empty if there is none, or none of its own."""
    if change.op not in ("modify", "rename") or not change.hunks or change.old_path is None:
        return ""
    found = after.get(change.old_path)
    return "" if found is None else found.old_oid


def _places(hunks: Sequence[Hunk], placed: Sequence[Placement], base: bytes) -> str:
    """Of each hunk that fits more than one place, which one it was; of one inside a block, what that is below."""
    said, moved = "", 0
    for hunk, placement in zip(hunks, placed, strict=False):
        line = placement.line - moved
        moved += hunk.new_count - hunk.old_count
        starts = _starts(base, hunk.old)
        if len(starts) < 2:
            inside = starts and hunk.old.lstrip(b"\r\n")[:1] in (b" ", b"\t")
            below = _heading(base, starts[0]) if inside else ""
            said += f", hunk {placement.hunk}{below}" if below else ""
            continue
        lines = [base.count(b"\n", 0, at) + 1 for at in starts]
        index = min(range(len(lines)), key=lambda i: abs(lines[i] - line))
        below = _heading(base, starts[index])
        said += f", hunk {placement.hunk} at place {index + 1} of {len(starts)}{below}"
    return said


def _starts(base: bytes, old: bytes) -> list[int]:
    """Where a hunk's old lines stand in a file."""
    found: list[int] = []
    at = base.find(old) if old else -1
    while at >= 0 and len(found) < _MOST:
        if at == 0 or base[at - 1] == 10:
            found.append(at)
        at = base.find(old, at + 1)
    return found


def _heading(base: bytes, at: int) -> str:
    """The line that git would name a hunk after."""
    for line in reversed(base[max(0, at - 20_000) : at].split(b"\n")):
        if line[:1].isalpha() or line[:1] in (b"_", b"$"):
            return f" below {line[:60].decode('utf-8', 'backslashreplace')!r}"
    return ""


def differences(expected: Pins, actual: Pins) -> list[str]:
    """In what two are not the same, each with what was expected and what is there."""
    found = []
    if expected.target != actual.target:
        found.append(_differs("target", expected.target, actual.target))
    usual = Policy()._asdict()
    for key in sorted(expected.policy.keys() | actual.policy.keys()):
        old, new = (pins.policy.get(key, usual.get(key)) for pins in (expected, actual))
        if old != new:
            found.append(_differs(f"policy {key}", old, new))
    for path in sorted(expected.diff.keys() | actual.diff.keys()):
        before, now = (pins.diff.get(path, _ABSENT) for pins in (expected, actual))
        if before != now:
            found.append(_differs(f"diff of {path}", before, now))
    return found


def _differs(what: str, expected: Any, actual: Any) -> str:
    return f"{what}: expected {_text(expected)}, actual {_text(actual)}"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value)
