"""What a person or an agent may say beside a patch (DESIGN 4)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Finding

_MADE_UP: Final = late(r"Apply [^\n]*\n?\Z")


class Reverts(NamedTuple):
    """What a patch rolls back: ids of landed entries, newest first; the policy's codes that are waived for it; what
    keeps it from fitting; and why it is done."""

    originals: tuple[str, ...]
    waived: tuple[str, ...]
    findings: tuple[Finding, ...]
    why: str


class Source(NamedTuple):
    """One argument of a call: its name and bytes; the commit it was made from and a message, if known."""

    name: str
    data: bytes
    base: str | None = None
    message: str | None = None
    reverts: Reverts | None = None


class Options(NamedTuple):
    """How patches are taken in. `target` is a full ref name, `priority` 0 (low) to 3 (critical).

    `scope` and `create` are the paths that it may touch (empty: any) and make, `forbidden` those that it leaves alone.
    `replaces` names a change's number, `replaces_series` the number of any member of a series.
    `partial` tells that the next revision does only a part of what the one before did.
    """

    target: str
    depends_on: tuple[int, ...] = ()
    priority: int = 1
    message: str | None = None
    author: tuple[str, str] | None = None
    origin: dict[str, Any] | None = None
    issue: str | None = None
    scope: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    independent: bool = False
    atomic: bool = False
    replaces: int | None = None
    replaces_series: int | None = None
    allow_behind: bool = False
    sign_off: bool = False
    partial: bool = False
    ids: Mapping[str, str] = {}

    @property
    def whole_scope(self) -> dict[str, list[str]] | None:
        """The scope as the ledger keeps it; None where anything may be touched."""
        if not (self.scope or self.create or self.forbidden):
            return None
        lists = {"write": self.scope, "create": self.create, "forbidden": self.forbidden}
        return {"read": [], **{name: list(found) for name, found in lists.items()}}

    def given(self, own: bytes) -> "Given":
        """What comes with a patch whose mail has the message `own`."""
        return Given(
            message=self.message.encode("utf-8", "backslashreplace") if self.message else own,
            issue=self.issue,
            phase_id=self.ids.get("phase_id"),
            origin=self.origin,
            scope=self.whole_scope or {},
            target=self.target,
        )


class Given(NamedTuple):
    """What comes with a patch: its message (empty: none of its own), issue, phase, origin document and scope.

    `target` is where it is to land; `approvals` votes hold for it, `lost_votes` says why others do not.
    """

    message: bytes = b""
    issue: str | None = None
    phase_id: str | None = None
    origin: Mapping[str, Any] | None = None
    scope: Mapping[str, Sequence[str]] = {}
    approvals: int = 0
    target: str = ""
    lost_votes: tuple[str, ...] = ()


def own_message(entry: Entry) -> str:
    """An entry's message; empty if it is the one that is made up for a diff without one."""
    return "" if _MADE_UP.match(entry.message) else entry.message


def given_of(entry: Entry) -> Given:
    """What came with an entry."""
    return Given(
        own_message(entry).encode("utf-8", "backslashreplace"),
        entry.issue,
        entry.phase_id,
        entry.origin,
        entry.scope or {},
        target=entry.target,
    )
