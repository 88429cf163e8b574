"""The decisions that `review` offers, one key each; the same as the commands of their names (DESIGN 12)."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from uet_git.errors import NeedsPerson, NotWaivable, UsageError
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.waivers import standing
from uet_git.project import Project
from uet_git.queue import decide, release

REFUSALS: Final = (UsageError, NeedsPerson, NotWaivable)


class Verb(NamedTuple):
    """One decision. `fault` says why it cannot be made about an entry, empty if it can; `act` makes it.

    `act` gets the entries and a reason, and returns what it touched as it now is. `must` have a reason or `may`.
    """

    key: str
    name: str
    help: str
    must: bool
    fault: Callable[[Project, Entry], str]
    act: Callable[[Project, Sequence[Entry], str], list[Entry]]
    says: Callable[[Sequence[Entry]], str]


def _fault(check: Callable[[], object]) -> str:
    try:
        check()
    except REFUSALS as exc:
        return exc.detail or exc.message
    return ""


def _nothing(_: Sequence[Entry]) -> str:
    return ""


def _no_release(project: Project, entry: Entry) -> str:
    if entry.reason == "parse.repairable":
        return _fault(lambda: release.check_repaired(project, [entry]))
    return _fault(lambda: release.waivers(project, [entry], ()))


def _release(project: Project, entries: Sequence[Entry], reason: str) -> list[Entry]:
    mend = [e for e in entries if e.reason == "parse.repairable"]
    waive = [e for e in entries if e.reason != "parse.repairable"]
    done = release.waive(project, waive, (), reason) if waive else []
    return done + (release.take_repaired(project, mend, reason) if mend else [])


def _waives(entries: Sequence[Entry]) -> str:
    if any(e.reason == "parse.repairable" for e in entries):
        return "takes the repaired reading as the next revision"
    codes = dict.fromkeys(code for e in entries for code in standing(e))
    return f"waives {', '.join(codes)}"


def _no_retry(project: Project, entry: Entry) -> str:
    return _fault(lambda: decide.check_retry(project, [entry]))


def _retry(project: Project, entries: Sequence[Entry], _: str) -> list[Entry]:
    return decide.retry(project, entries)


def _no_drop(project: Project, entry: Entry) -> str:
    return _fault(lambda: decide.check_drop(project, [entry]))


VERBS: Final = (
    Verb("r", "release", "let it go on; what was found is waived and recorded", True,
         _no_release, _release, _waives),
    Verb("t", "retry", "judge and try it again, nothing waived", False, _no_retry, _retry, _nothing),
    Verb("d", "drop", "end it; what waits for it is quarantined", False, _no_drop, decide.drop,
         lambda _: "ends it for good"),
)  # fmt: skip
ASKS_NOTHING: Final = frozenset({"retry"})


def labels(entries: Sequence[Entry]) -> str:
    """`12, 13`."""
    return display.line(", ".join(e.label for e in entries), 60)
