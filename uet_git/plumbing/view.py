"""The paths of one tree: what lies at a path, and what stands in its way."""

from uet_git.model.records import TREE
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import Tree, TreeEntry


class View:
    """Look-ups by path in one tree of the repository; directories are read once."""

    __slots__ = ("_folders", "_objects")

    def __init__(self, objects: Objects, tree: str) -> None:
        self._objects = objects
        self._folders: dict[bytes, Tree | None] = {b"": objects.tree_object(tree)}

    def folder(self, path: bytes) -> Tree | None:
        """The directory at `path` (empty: the root), None if there is none."""
        if path in self._folders:
            return self._folders[path]
        entry = self.entry(path)
        found = (
            self._objects.tree_object(entry[1]) if entry is not None and entry[0] == TREE else None
        )
        self._folders[path] = found
        return found

    def entry(self, path: bytes) -> TreeEntry | None:
        """Mode and id of what lies at `path`, directories included."""
        above, _, name = path.rpartition(b"/")
        folder = self.folder(above)
        return None if folder is None else folder.find(name)

    def file(self, path: bytes) -> TreeEntry | None:
        """Mode and id of the file, symbolic link or submodule at `path`."""
        found = self.entry(path)
        return None if found is None or found[0] == TREE else found


def parents(path: bytes) -> list[bytes]:
    """The directories above a path, the nearest first, the root left out."""
    found = []
    path = path.rpartition(b"/")[0]
    while path:
        found.append(path)
        path = path.rpartition(b"/")[0]
    return found
