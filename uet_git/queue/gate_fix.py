"""gate_fix: what fixers would change, kept beside their logs and offered; never staged, never applied unasked."""

from collections.abc import Sequence
from typing import Final

from uet_git.errors import UsageError
from uet_git.ledger.gates import GateRow
from uet_git.model.named import NamedTuple
from uet_git.project import Project

_LOOKED_AT: Final = 500  # attempts back
_LARGEST: Final = 64 * 1024 * 1024  # bytes


class Offered(NamedTuple):
    """A patch that a gate would make: of `tree`, kept at `path`."""

    gate: str
    attempt: str
    tree: str
    path: str
    patch: bytes


def offered(project: Project, names: Sequence[str]) -> list[Offered]:
    """For each of these gates (none: all) what it last found to change; none where its last attempt found nothing."""
    newest: dict[str, GateRow] = {}
    for row in project.ledger.newest_gates(None, _LOOKED_AT) if project.has_ledger() else ():
        if row.state in ("passed", "failed") and row.definition.get("fixes"):
            newest.setdefault(row.name, row)
    found = []
    for row in newest.values():
        path = (row.results or {}).get("fix")
        if path and (not names or row.name in names):
            try:
                with open(path, "rb") as file:
                    found.append(
                        Offered(row.name, row.gate_id, row.tree, path, file.read(_LARGEST))
                    )
            except OSError:
                continue
    return found


def apply(project: Project, offer: Offered) -> str:
    """Changes the files of this work tree, all of them or none; returns why it cannot, empty if it did.

    Raises: UsageError in a bare repository.
    """
    git = project.git
    if git.top is None:
        raise UsageError("a bare repository has no work tree", next=("git", "worktree", "list"))
    done = git.run("apply", "--whitespace=nowarn", "-", stdin=offer.patch, check=False)
    if done.code == 0:
        return ""
    return (
        done.err.decode("utf-8", "backslashreplace").strip().splitlines()[-1:][0]
        if done.err
        else "git apply failed"
    )
