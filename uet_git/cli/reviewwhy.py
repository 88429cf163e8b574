"""What stands behind a failed gate or a conflict, for `review`: a few lines of each from the rework packet."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from uet_git.cli.reviewlines import BOLD, DIM, PLAIN, RED, YELLOW, Line, pieces
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import rework

_TESTS: Final = 10
_TEST_LINES: Final = 6
_LOG_LINES: Final = 20
_BESIDE: Final = 30  # columns that a side must have for text to stand beside text
_NUMBER: Final = 7  # columns of a line's number and mark


def behind(project: Project, entry: Entry, width: int) -> Iterator[Line]:
    """The failed gates' tests and logs; each place that does not fit beside what stands there now."""
    kind = (entry.reason or "").split(".")[0]
    if kind not in ("gate", "apply"):
        return
    found = rework.packet(project, entry)
    for gate in found["gates"] if kind == "gate" else ():
        yield from _gate(gate)
    if kind != "apply":
        return
    for place in found["conflicts"]:
        yield from _conflict(place, width)
    if found["more_conflicts"]:
        yield Line(f"{found['more_conflicts']} more places do not fit.", DIM)
    if found["fits"]:
        yield Line()
        yield Line("It fits the branch as it is now: try it again.", BOLD)


def _gate(gate: Mapping[str, Any]) -> Iterator[Line]:
    code = "" if gate["exit_code"] is None else f", exit {gate['exit_code']}"
    yield Line()
    yield Line(f"gate {display.line(gate['name'], 60)}: {gate['state']}{code}", BOLD)
    tests = gate["tests"]
    for test in tests[:_TESTS]:
        yield Line(f"  {display.line(test['name'], 200)}", RED)
        said = (test["details"] or test["message"]).splitlines()
        for text in said[-_TEST_LINES:]:
            yield Line(f"    {display.line(text, 200)}", words=False)
    more = max(len(tests), gate["failed"] or 0) - len(tests[:_TESTS])
    if tests and more > 0:
        yield Line(f"  ... and {more} more failed tests", DIM)
    log = gate["log"]
    if log is None:
        return
    for text in log["lines"][-_LOG_LINES:]:
        yield Line(f"  | {display.line(text, 400)}", DIM, words=False)
    if not log["whole"] or len(log["lines"]) > _LOG_LINES:
        yield Line(f"  (all of it: {display.line(log['path'])})", DIM)


def _conflict(place: Mapping[str, Any], width: int) -> Iterator[Line]:
    which = f", hunk {place['hunk']} of {place['hunks']}" if place["hunk"] else ""
    yield Line()
    yield Line(f"{display.name(place['path'])}{which}", BOLD)
    if place["already_there"]:
        yield Line("  The file already has what the patch would make of it.")
    yield from _changed(place["changed_by"])
    if place["expected"] and place["found"]:
        yield from _beside(place["expected"], place["found"], width)
    else:
        yield from _numbered("The file has now:", place["found"])
    yield from _numbered("Similar text is here:", place["similar"])
    for name in place["same_name"]:
        yield Line(f"  A file of that name: {display.name(name)}")


def _changed(found: Mapping[str, Any] | None) -> Iterator[Line]:
    if found is None:
        return
    did = "changed" if found["exact"] else "the file was last changed"
    label = f"{found['number']}" + (f".{found['revision']}" if (found["revision"] or 1) > 1 else "")
    who = "outside of the queue" if found["number"] is None else f"by change {label}"
    title, commit = display.line(found["title"], 80), found["commit"][:10]
    yield Line(f"  {did} {who}: {title} ({commit})", YELLOW)


def _beside(expected: Sequence[Any], found: Sequence[Any], width: int) -> Iterator[Line]:
    """What the patch expects on the left, what the file has on the right; above one another where it is narrow."""
    side = (width - 3) // 2
    if side < _BESIDE:
        yield from _numbered("The patch expects:", expected)
        yield from _numbered("The file has now:", found)
        return
    yield Line(f"{'the patch expects':{side}} | the file has now", DIM, words=False)
    for left, right in zip_longest(_aligned(expected, found), found):
        parts = zip_longest(_side(left, side), _side(right, side), fillvalue=_blank(side))
        colour = YELLOW if any(e and e["differs"] for e in (left, right)) else PLAIN
        for one, other in parts:
            yield Line(f"{one} | {other}".rstrip(), colour, words=False)


def _aligned(expected: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """The expected lines, moved down to stand beside the same text where the file's part begins earlier."""
    common = [e["text"] for e in expected if not e["differs"] and e["text"].strip()]
    texts = [e["text"] for e in found]
    for place, line in enumerate(expected):
        if common and line["text"] == common[0] and common[0] in texts:
            return [*[None] * max(0, texts.index(common[0]) - place), *expected]
    return list(expected)


def _side(line: Mapping[str, Any] | None, side: int) -> list[str]:
    """One line as its side's rows, padded."""
    if line is None:
        return [_blank(side)]
    mark = ">" if line["differs"] else " "
    text = display.line(line["text"].expandtabs(4), 300)
    rows = pieces(text, side - _NUMBER)
    heads = [f"{line['line']:>4} {mark} ", *[" " * _NUMBER] * (len(rows) - 1)]
    return [_padded(head + row, side) for head, row in zip(heads, rows, strict=True)]


def _padded(text: str, side: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, side)


def _blank(side: int) -> str:
    return " " * side


def _numbered(title: str, lines: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if not lines:
        return
    yield Line(f"  {title}", DIM)
    for each in lines:
        mark = ">" if each["differs"] else " "
        yield Line(f"{each['line']:>6} {mark} {display.line(each['text'], 300)}", words=False)
