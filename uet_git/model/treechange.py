"""A staged change as the ledger keeps it: two trees and, for each path between them, modes and blobs (DESIGN 11).

The bytes stay in git. The first line names the trees; then, each ended by NUL, as `git diff-tree -r -z --full-index`
has them without its letter: `:<old mode> <new mode> <old blob> <new blob>` and the path.
"""

from collections.abc import Iterable
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import FileChange, Patch, TreeChange

_HEAD: Final = b"tree change "


class Listing(NamedTuple):
    """What a listing says."""

    base: str
    tree: str
    changes: list[TreeChange]


def write(base: str, tree: str, changes: Iterable[TreeChange]) -> bytes:
    """The listing of a change."""
    zero = "0" * len(tree)
    rows = [
        b":%06o %06o %b %b\0%b\0"
        % (old, new, (a or zero).encode("ascii"), (b or zero).encode("ascii"), path)
        for path, old, a, new, b in changes
    ]
    return _HEAD + f"{base} {tree}\n".encode("ascii") + b"".join(rows)


def is_listing(data: bytes) -> bool:
    """Whether these bytes are a listing; no diff begins so."""
    return data.startswith(_HEAD)


def read(data: bytes) -> Listing:
    """Reads a listing. Raises: ValueError if it is none, or damaged."""
    head, _, rest = data.partition(b"\n")
    words = head.decode("ascii").split(" ")
    parts = rest.split(b"\0")
    if not is_listing(data) or len(words) != 4 or parts.pop() or len(parts) % 2:
        raise ValueError("not a listing of a tree change")
    changes = []
    for facts, path in zip(parts[::2], parts[1::2], strict=True):
        old, new, before, after = facts.removeprefix(b":").decode("ascii").split(" ")
        modes = int(old, 8), int(new, 8)
        ids = (before if modes[0] else "", after if modes[1] else "")
        changes.append(TreeChange(path, modes[0], ids[0], modes[1], ids[1]))
    return Listing(words[2], words[3], changes)


def as_patch(changes: Iterable[TreeChange]) -> Patch:
    """The same as a patch without content, for rules that ask for names and modes."""
    return Patch(tuple(map(_file, changes)))


def _file(change: TreeChange) -> FileChange:
    path, old, before, new, after = change
    op = "add" if not old else "delete" if not new else "modify"
    return FileChange(
        op, path if old else None, path if new else None, old or None, new or None,
        before or None, after or None, (), None, 0, 0, 0,
    )  # fmt: skip
