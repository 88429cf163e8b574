"""revise: hands a changed patch in as the next revision of a change, with who and why (DESIGN 4, 12).

The new revision is judged like any other; what a person waived for the old one was waived for that one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from uet_git.errors import NeedsPerson, QueueBusy, UsageError
from uet_git.ledger.ledger import Writer
from uet_git.model.entry import Entry
from uet_git.model.records import Finding
from uet_git.project import Project
from uet_git.queue import content, handmade, validate
from uet_git.queue.collect import Part, collect, identify, offer_repairs
from uet_git.queue.foresee import foresee
from uet_git.queue.options import Options, Source
from uet_git.queue.submit import Intake

STATES: Final = ("created", "validated", "queued", "applied", "apply_failed", "quarantined")
# only `release` lifts these, not other bytes
_CARRIED: Final = ("queue.dropped_before", "queue.quarantined_before", "queue.rest_of_pick")
_IDS: Final = (
    *("message", "title", "author_date", "message_id", "phase_id", "workstream_id", "prompt_id"),
    *("execution_request_id", "tool_run_id"),
)


def check(project: Project, entry: Entry) -> None:
    """Whether this actor can make the next revision of an entry.

    Raises: NeedsPerson (an agent, of what another handed in), UsageError (it is over, is landing, is not the newest
    revision, or is no patch), Redacted.
    """
    own(project, entry)
    handmade.need_patch(entry)
    newest = project.ledger.entries.revision(entry.number)
    if newest is not None and newest.entry_id != entry.entry_id:
        raise UsageError(
            f"change {entry.label} has a newer revision, {newest.label}",
            next=("uet-git", "show", newest.label),
        )
    if entry.state not in STATES:
        raise UsageError(
            f"change {entry.label} is {entry.state}", next=("uet-git", "show", entry.label)
        )
    content.need(project, entry)


def own(project: Project, entry: Entry) -> None:
    """Lets an agent at its own entries only. Raises: NeedsPerson."""
    if project.actor.startswith("agent:") and entry.submitter != project.actor:
        raise NeedsPerson(f"change {entry.label} was handed in by {entry.submitter}")


def kept(entry: Entry, **other: Any) -> Options:
    """How the next revision is handed in: all that came with the entry is kept, but for `other`."""
    who = None if entry.author_name is None else (entry.author_name, entry.author_email or "")
    scope = entry.scope or {}
    ids = {name: getattr(entry, name) for name in _IDS}
    given: dict[str, Any] = {
        "target": entry.target,
        "message": entry.message or None,
        "author": who,
        "origin": entry.origin,
        "issue": entry.issue,
        "scope": tuple(scope.get("write", ())),
        "create": tuple(scope.get("create", ())),
        "forbidden": tuple(scope.get("forbidden", ())),
        "replaces": entry.number,
        "allow_behind": bool(entry.allow_behind),
        "sign_off": bool(entry.sign_off),
        "ids": {name: value for name, value in ids.items() if value is not None},
        **other,
    }
    return Options(**given)


class Revision:
    """A patch that is about to take the place of an entry, judged already; `rest` may be an entry of its own."""

    def __init__(
        self, project: Project, old: Entry, data: bytes, options: Options, base: str | None = None
    ) -> None:
        self._project = project
        self._old = old
        self._options = options
        base = base or project.ledger.entries.patch(old.patch_id).base_commit
        self._source = Source(f"{old.label}.patch", data, base)
        self._carried = [
            Finding(f["code"], f["detail"])
            for f in old.findings
            if old.state == "quarantined" and f["code"] in {*_CARRIED} - {*(old.waived or ())}
        ]
        self.parts = self._judged(self._source, options, self._carried)
        if len(self.parts) != 1:
            raise UsageError(
                f"{len(self.parts)} patches cannot be one revision",
                next=("uet-git", "show", old.label),
            )
        self._rest: tuple[list[Part], Options] | None = None

    @property
    def reason(self) -> str | None:
        """The gravest finding of the new revision; None if it will be queued."""
        return self.parts[0].judged.reason

    @property
    def carried(self) -> list[str]:
        """Codes that it and what is left have from the old revision."""
        return [f.code for f in self._carried]

    def leave(self, data: bytes, options: Options, held: Sequence[Finding]) -> None:
        """Hands `data` in beside it, as a change of its own that `held` sets aside."""
        source = self._source._replace(data=data)
        self._rest = self._judged(source, options, [*self._carried, *held]), options

    def hand_in(
        self, note: Callable[[Entry, Entry | None], dict[str, Any]]
    ) -> tuple[Entry, Entry | None]:
        """Records it; returns the new revision and what was left. `note` gives what the event says.

        Raises: QueueBusy (another process moved the old one meanwhile), UsageError (the ledger has these bytes).
        """
        project = self._project
        with project.ledger.write() as write:
            now = project.ledger.entries.revision(self._old.number)
            if now is None or (now.entry_id, now.state) != (self._old.entry_id, self._old.state):
                look = ("uet-git", "show", str(self._old.number))
                raise QueueBusy(f"change {self._old.label} moved meanwhile", next=look)
            new = self._taken(write, self.parts, self._options)
            rest = None if self._rest is None else self._taken(write, *self._rest)
            self._tell(write, new, rest, note(new, rest))
        found = project.ledger.entries
        last = None if rest is None else found.get(rest.entry_id)
        return found.get(new.entry_id) or new, last

    def _tell(self, write: Writer, new: Entry, rest: Entry | None, payload: dict[str, Any]) -> None:
        """One event on each entry, so that the link is found from either end."""
        write.entries.amend(self._old.entry_id, {}, payload)
        back = {**payload, "made_from": self._old.label}
        for entry in (new, rest):
            if entry is not None:
                write.entries.amend(entry.entry_id, {}, back)

    def _taken(self, write: Writer, parts: Sequence[Part], options: Options) -> Entry:
        (done,) = Intake(self._project, write, options, None).take(parts, None)
        if done.existing:
            raise UsageError(
                f"change {done.entry.label} holds exactly this patch already",
                next=("uet-git", "show", done.entry.label),
            )
        return done.entry

    def _judged(self, source: Source, options: Options, more: Sequence[Finding]) -> list[Part]:
        project = self._project
        parts, _ = collect(project, [source], options)
        identify(project, parts, options)
        for part in parts:
            part.judged = part.judged._replace(findings=(*part.judged.findings, *more))
        offer_repairs(project, parts, options)
        foresee(project, parts, options)
        return parts


def reading(project: Project, entry: Entry) -> validate.Judgement:
    """The entry's patch as it is read. Raises: Redacted."""
    stored = content.need(project, entry)
    limits = project.settings_at(project.tip(entry.target)).limits
    return validate.judge(stored.content or b"", limits, project.git.hex_length)
