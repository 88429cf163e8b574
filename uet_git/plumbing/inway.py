"""What on disk would be lost if a work tree went from one tree to another, beyond what git itself asks.

`git read-tree -u` overwrites ignored files and brings back files that the user deleted; a landing must do neither
(DESIGN 2 P16, 10).
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator

from uet_git.model.records import GITLINK, TreeChange


class OnDisk:
    """What stands out. `blocked`: untracked things where a path must go; `standing`: paths to be added that exist
    already (in the way unless the user staged them); `missing`: changed files that are not on disk."""

    def __init__(self) -> None:
        self.blocked: list[bytes] = []
        self.standing: list[bytes] = []
        self.missing: list[bytes] = []


def look(top: str, changes: Collection[TreeChange]) -> OnDisk:
    """Looks at every path of `changes` in the work tree `top`."""
    root = os.fsencode(top)
    tracked = {c.path for c in changes if c.old_mode}
    going = {c.path for c in changes if not c.new_mode}
    found = OnDisk()
    found.blocked.extend(_parents_in_the_way(root, changes, tracked))
    for change in changes:
        if GITLINK in (change.old_mode, change.new_mode):
            continue
        mode = kind(os.path.join(root, change.path))
        if not change.old_mode:
            if stat.S_ISDIR(mode):
                found.blocked.extend(_kept_below(root, change.path, going))
            elif mode:
                found.standing.append(change.path)
        elif change.new_mode and not mode:
            found.missing.append(change.path)
    return found


def kind(path: bytes) -> int:
    """The mode of what stands at `path`, links not followed; 0 if there is nothing."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def parents(path: bytes) -> Iterator[bytes]:
    """The folders above `path`, the outermost first."""
    at = path.find(b"/")
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _parents_in_the_way(
    root: bytes, changes: Iterable[TreeChange], tracked: Collection[bytes]
) -> Iterator[bytes]:
    seen: set[bytes] = set()
    for change in changes:
        for folder in parents(change.path):
            if folder in seen:
                continue
            seen.add(folder)
            mode = kind(os.path.join(root, folder))
            if mode and not stat.S_ISDIR(mode) and folder not in tracked:
                yield folder


def _kept_below(root: bytes, folder: bytes, going: Collection[bytes]) -> Iterator[bytes]:
    """Files below a folder that must become a file, other than those which the change deletes."""
    for base, _, names in os.walk(os.path.join(root, folder)):
        for name in names:
            path = os.path.relpath(os.path.join(base, name), root)
            if path not in going:
                yield path
