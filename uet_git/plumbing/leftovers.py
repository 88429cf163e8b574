"""Where a killed process of ours can leave a lock or a private index behind, outside of any landing.

Every `apply` looks first, so this imports nothing and runs no process; `stalelocks` does the removing.
"""

import os
from collections.abc import Iterator

MARK = b"uet-git "  # what our `index.lock` begins with
PRIVATE = "uet-index"  # the copy of an index that we work on; git locks it as uet-index.lock


def left_behind(common: str) -> bool:
    """Whether there is anything of ours to look at below the repository's git directory."""
    return any(True for _ in own_ref_locks(common)) or any(
        name.startswith(PRIVATE) or (name == "index.lock" and is_marked(os.path.join(folder, name)))
        for folder in index_folders(common)
        for name in os.listdir(folder)
    )


def index_folders(common: str) -> Iterator[str]:
    """The git directories that hold an index: the repository's and those of its linked work trees."""
    yield common
    linked = os.path.join(common, "worktrees")
    if os.path.isdir(linked):
        yield from (entry.path for entry in os.scandir(linked) if entry.is_dir())


def own_ref_locks(common: str) -> Iterator[str]:
    """Locks below refs/uet, where nobody but us writes."""
    for base, _, names in os.walk(os.path.join(common, "refs", "uet")):
        yield from (os.path.join(base, name) for name in names if name.endswith(".lock"))


def is_marked(path: str) -> bool:
    """Whether an `index.lock` is one of ours."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MARK)) == MARK
    except FileNotFoundError:
        return False
