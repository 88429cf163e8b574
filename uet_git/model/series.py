"""What makes several mails one series: their order, and how a new version pairs with the old one (DESIGN 4)."""

from collections import Counter
from collections.abc import Sequence

from uet_git.model.named import NamedTuple
from uet_git.model.records import FileChange, Finding, Mail, Patch


class Part(NamedTuple):
    """One mail or diff of a call. `file` is the index of the argument it came from; `exact` tells that git's
    format-patch wrote the separator before it.
    """

    file: int
    mail: Mail
    patch: Patch
    exact: bool


def arrange(parts: Sequence[Part]) -> tuple[list[int], Finding | None]:
    """The order of the parts, as indices, and what is wrong with the series.

    Argument order, or n of `[PATCH n/m]` where every part has one of the same m. Parts that are missing or doubled
    refuse the series, but for one thing: format-patch counts commits without changes and writes no mail for them, so
    a gap inside one file that it wrote is taken if nothing after the gap contradicts what came before it.
    """
    order = list(range(len(parts)))
    numbered = [i for i in order if parts[i].mail.total > 0]
    if len(parts) < 2 or not numbered:
        return order, None
    totals = {parts[i].mail.total for i in numbered}
    if len(numbered) < len(parts) or len(totals) > 1:
        return order, None
    (total,) = totals
    order.sort(key=lambda i: parts[i].mail.part)
    numbers = [parts[i].mail.part for i in order]
    doubled = sorted(n for n, times in Counter(numbers).items() if times > 1)
    if doubled:
        return order, Finding(
            "parse.series", f"part {_listed(doubled)} of {total} is there more than once"
        )
    missing = sorted(set(range(1, total + 1)) - set(numbers))
    if not missing or (_is_one_stream(parts, order) and not _broken(parts, order, missing)):
        return order, None
    return order, Finding("parse.series", f"part {_listed(missing)} of {total} is missing")


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(n) for n in numbers[:8])
    return shown + (", ..." if len(numbers) > 8 else "")


def _is_one_stream(parts: Sequence[Part], order: Sequence[int]) -> bool:
    """One file by format-patch, in ascending order, its last part there."""
    return (
        all(p.exact for p in parts)
        and len({p.file for p in parts}) == 1
        and list(order) == list(range(len(parts)))
        and parts[order[-1]].mail.part == parts[order[-1]].mail.total
    )


def _broken(parts: Sequence[Part], order: Sequence[int], missing: Sequence[int]) -> bool:
    """Whether some file changed in a gap: its pre-image is not what the part before the gap left."""
    ids: dict[bytes, str] = {}
    first_gap = missing[0]
    for i in order:
        for change in parts[i].patch.changes:
            if parts[i].mail.part > first_gap and not _follows(change, ids):
                return True
            _leave(change, ids)
    return False


def _follows(change: FileChange, ids: dict[bytes, str]) -> bool:
    held = ids.get(change.old_path) if change.old_path is not None else None
    if held is None or change.old_oid is None:
        return True
    shorter = min(len(held), len(change.old_oid))
    return held[:shorter] == change.old_oid[:shorter]


def _leave(change: FileChange, ids: dict[bytes, str]) -> None:
    if change.op in ("rename", "delete") and change.old_path is not None:
        ids.pop(change.old_path, None)
    if change.new_path is not None:
        if change.new_oid is not None:
            ids[change.new_path] = change.new_oid
        else:
            ids.pop(change.new_path, None)


def changed_lines(patch: Patch) -> Counter[bytes]:
    """The patch's added and removed lines with their paths, counted; what pairing compares."""
    lines: Counter[bytes] = Counter()
    for change in patch.changes:
        head = change.path + b"\0"
        lines[head + (change.new_oid or "").encode() if change.binary else head] += 1
        for hunk in change.hunks:
            lines.update(head + line for line in hunk.body.split(b"\n") if line[:1] in (b"+", b"-"))
    return lines


def pair(old: Sequence[Counter[bytes]], new: Sequence[Counter[bytes]]) -> list[int | None]:
    """For every new patch the index of the old one that it is a version of, None for a new one.

    Greedy by likeness (shared lines over all lines, at least a third), equal likeness by place.
    """
    likeness = []
    for n, lines in enumerate(new):
        for o, before in enumerate(old):
            shared = sum((lines & before).values())
            total = sum((lines | before).values())
            if shared * 3 >= total > 0:
                likeness.append((-shared / total, abs(n - o), n, o))
    pairs: list[int | None] = [None] * len(new)
    taken: set[int] = set()
    for _, _, n, o in sorted(likeness):
        if pairs[n] is None and o not in taken:
            pairs[n] = o
            taken.add(o)
    return pairs
