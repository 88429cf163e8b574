"""fsck --from: proves an export in any folder; inside the repository that it is of, git's log vouches for it too."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from uet_git.cli import arguments
from uet_git.cli.render import Output
from uet_git.errors import NoInput, UetError
from uet_git.model import display
from uet_git.project import Project
from uet_git.queue import anchor
from uet_git.queue import fsck_from as checking
from uet_git.queue.fsck_from import Checked


def check(name: str, head: str | None) -> Checked:
    """Checks the export in a file, `-` for stdin. Raises: NoInput."""
    with _opened(name) as file:
        return checking.check(file, head, _anchors)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield arguments.standard_input()
        return
    try:
        file = open(name, "rb")  # noqa: SIM115 - closed below; only the opening is to be translated
    except OSError as exc:
        raise NoInput(f"{display.line(name)}: {exc.strerror}", next=("ls", "-l", ".")) from exc
    with file:
        yield file


def _anchors(ledger_id: str) -> Mapping[int, str]:
    with suppress(UetError), Project.open() as project:  # outside of one it proves itself alone
        return anchor.heads(project, ledger_id)
    return {}


def document(found: Checked, *, clean: bool) -> dict[str, Any]:
    """The document of a check (fsck.v1)."""
    return {
        **{"v": 1, "ledger": found.ledger_id, "clean": clean},
        **{"events": found.events, "head": found.head},
    }


def said(out: Output, found: Checked) -> None:
    """What a sound export holds."""
    out.text(f"the export is sound: {found.events} events of ledger {found.ledger_id} checked")
    out.text(f"  the last one has hash {found.head}")
