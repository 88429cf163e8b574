"""The decisions that `review` offers, one key each; the same as the commands of their names (DESIGN 12)."""

import os
from collections.abc import Callable, Sequence
from typing import Final

from uet_git.cli.render import Output
from uet_git.errors import NeedsPerson, NotWaivable, NotYours, UetError, UsageError
from uet_git.model import display, states
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.waivers import standing
from uet_git.project import Project
from uet_git.queue import content, decide, handmade, release

REFUSALS: Final = (UsageError, NeedsPerson, NotWaivable, NotYours)


class Hands(NamedTuple):
    """What a decision is made with."""

    project: Project
    out: Output


class Verb(NamedTuple):
    """One decision. `fault` says why it cannot be made about an entry, empty if it can; `act` makes it.

    `act` gets the entries and a reason, and returns what it touched as it now is, nothing if it was left. `says` is
    what the question says of it. A reason `must` be given, or may. `alone`: about one entry, on the ordinary screen.
    """

    key: str
    name: str
    help: str
    must: bool
    fault: Callable[[Project, Entry], str]
    act: Callable[[Hands, Sequence[Entry], str], list[Entry]]
    says: Callable[[Sequence[Entry]], str]
    alone: bool = False


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


def _release(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    project = hands.project
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


def _retry(hands: Hands, entries: Sequence[Entry], _: str) -> list[Entry]:
    return decide.retry(hands.project, entries)


def _no_drop(project: Project, entry: Entry) -> str:
    return _fault(lambda: decide.check_drop(project, [entry]))


def _drop(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    return decide.drop(hands.project, entries, reason)


def _no_revision(project: Project, entry: Entry) -> str:
    """What stands in the way of a next revision, as far as it can be told without the intake's code."""
    newest = project.ledger.entries.revision(entry.number)
    if (
        entry.state not in states.NEEDS_PERSON
        or newest is None
        or newest.revision != entry.revision
    ):
        return f"change {entry.label} is {entry.state}"
    return _fault(lambda: handmade.need_patch(entry)) or _fault(
        lambda: content.need(project, entry)
    )


def _edit(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    from uet_git.host import editor
    from uet_git.plumbing import git as gits
    from uet_git.queue import edit

    (entry,) = entries
    before = edit.draft(hands.project, entry)
    with editor.draft(f"{entry.label}.patch", before) as path:
        data = editor.edit(gits.editor(hands.project.git), path)
        if not data.strip() or data == before:
            return []
        try:
            return [edit.accept(hands.project, entry, data, reason)]
        except UetError:
            hands.out.notice(f"what you typed is kept in {path}")
            raise


def _pick(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    from uet_git.cli import revise
    from uet_git.queue import pick

    (entry,) = entries
    every = pick.hunks(hands.project, entry)
    if len(every) < 2:
        raise UsageError(f"change {entry.label} has one hunk: there is nothing to pick from")
    chosen = revise.asked(hands.out, every)
    if not chosen or len(chosen) == len(every):
        return []
    taken, rest = pick.pick(hands.project, entry, chosen, reason)
    return [taken] if rest is None else [taken, rest]


def _no_resolve(project: Project, entry: Entry) -> str:
    if not (entry.reason or "").startswith("apply."):
        return f"change {entry.label} is in no conflict"
    return _no_revision(project, entry)


def _resolve(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    """Opens the scratch work tree, or goes on in it: each conflict in the editor; then hands it in."""
    from uet_git.host import editor
    from uet_git.plumbing import git as gits
    from uet_git.queue import resolve

    (entry,) = entries
    try:
        found = resolve.state(hands.project, entry)
    except UsageError:  # none is open
        found = resolve.begin(hands.project, entry)
    program = gits.editor(hands.project.git)
    for file in found.files:
        if file.marked:
            editor.edit(program, os.path.join(found.folder, os.fsdecode(file.path)))
    return [resolve.finish(hands.project, entry, reason)]


def _no_approve(_: Project, entry: Entry) -> str:
    """As far as it can be told without composing the change, which is done when it is approved."""
    if "policy.reviewers" not in standing(entry):
        return f"change {entry.label} waits for nobody's approval"
    return ""


def _approve(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    from uet_git.queue import approve

    return approve.approve(hands.project, entries, reason)


def _no_snooze(_: Project, entry: Entry) -> str:
    if entry.state in states.NEEDS_PERSON:
        return ""
    return f"change {entry.label} is {entry.state}; only what needs a person can be snoozed"


def _snooze(hands: Hands, entries: Sequence[Entry], reason: str) -> list[Entry]:
    from uet_git.host import clock
    from uet_git.queue import snooze

    return snooze.snooze(hands.project, entries, clock.later(SNOOZED), reason)


VERBS: Final = (
    Verb("r", "release", "let it go on; what was found is waived and recorded", True,
         _no_release, _release, _waives),
    Verb("t", "retry", "judge and try it again, nothing waived", False, _no_retry, _retry, _nothing),
    Verb("a", "approve", "vote for what it would do now; enough votes let it go on", False,
         _no_approve, _approve, lambda _: "a vote for what it would do now"),
    Verb("e", "edit", "the patch in your editor; what you save is its next revision", False,
         _no_revision, _edit, lambda _: "opens your editor", alone=True),
    Verb("p", "pick", "some hunks are the next revision, the rest a change of its own", False,
         _no_revision, _pick, lambda _: "asks about each hunk", alone=True),
    Verb("m", "resolve", "merge it three ways, the conflicts in your editor", False,
         _no_resolve, _resolve, lambda _: "opens the conflicts in your editor", alone=True),
    Verb("d", "drop", "end it; what waits for it is quarantined", False, _no_drop, _drop,
         lambda _: "ends it for good"),
    Verb("z", "snooze", "do not show it for a day, or until it moves", False, _no_snooze, _snooze,
         lambda _: "hides it for a day"),
)  # fmt: skip
SNOOZED: Final = 86_400  # seconds
ASKS_NOTHING: Final = frozenset({"retry"})


def labels(entries: Sequence[Entry]) -> str:
    """`12, 13`."""
    return display.line(", ".join(e.label for e in entries), 60)
