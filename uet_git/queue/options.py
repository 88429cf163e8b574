"""What a person or an agent may say beside a patch (DESIGN 4)."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Source(NamedTuple):
    """One argument of a call: its name and bytes; the commit it was made from and a message, if known."""

    name: str
    data: bytes
    base: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How patches are taken in. `target` is a full ref name, `priority` 0 (low) to 3 (critical).

    `replaces` names a change's number, `replaces_series` the number of any member of a series.
    """

    target: str
    depends_on: tuple[int, ...] = ()
    priority: int = 1
    message: str | None = None
    author: tuple[str, str] | None = None
    origin: dict[str, Any] | None = None
    issue: str | None = None
    scope: tuple[str, ...] = ()
    independent: bool = False
    atomic: bool = False
    replaces: int | None = None
    replaces_series: int | None = None
    allow_behind: bool = False
    sign_off: bool = False
    ids: dict[str, str] = field(default_factory=dict)
