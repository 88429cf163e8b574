"""The paths of one tree: what lies at a path, and what stands in its way."""

from collections.abc import Collection, Sequence
from typing import Final

from uet_git.model.records import GITLINK, TREE
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import Tree, TreeEntry

_DEEP: Final = 100


class View:
    """Look-ups by path in one tree of the repository; each path and directory is looked up once."""

    __slots__ = ("_entries", "_folders", "_objects", "id")

    def __init__(self, objects: Objects, tree: str) -> None:
        self._objects = objects
        self.id = tree
        self._folders: dict[bytes, Tree | None] = {b"": objects.tree_object(tree)}
        self._entries: dict[bytes, TreeEntry | None] = {}

    def folder(self, path: bytes) -> Tree | None:
        """The directory at `path` (empty: the root), None if there is none."""
        if path in self._folders:
            return self._folders[path]
        if path.count(b"/") > _DEEP:
            return self._deep_folder(path)
        entry = self.entry(path)
        found = (
            self._objects.tree_object(entry[1]) if entry is not None and entry[0] == TREE else None
        )
        self._folders[path] = found
        return found

    def _deep_folder(self, path: bytes) -> Tree | None:
        """The same for a path of any depth, from the top and no further than there is something."""
        tree = self._folders[b""]
        for name in path.split(b"/"):
            entry = None if tree is None else tree.find(name)
            if entry is None or entry[0] != TREE:
                return None
            tree = self._objects.tree_object(entry[1])
        return tree

    def names(self, path: bytes) -> Collection[bytes]:
        """The names in the directory at `path`; none if there is no such directory."""
        tree = self.folder(path)
        return () if tree is None else tree.places.number.keys()

    def look_up(self, path: bytes) -> TreeEntry:
        """Mode and id of what lies at `path`; (0, "") if nothing does."""
        return self.entry(path) or (0, "")

    def entry(self, path: bytes) -> TreeEntry | None:
        """Mode and id of what lies at `path`, directories included."""
        if path in self._entries:
            return self._entries[path]
        above, _, name = path.rpartition(b"/")
        folder = self.folder(above)
        found = self._entries[path] = None if folder is None else folder.find(name)
        return found

    def file(self, path: bytes) -> TreeEntry | None:
        """Mode and id of the file, symbolic link or submodule at `path`."""
        found = self.entry(path)
        return None if found is None or found[0] == TREE else found

    def prefetch(self, paths: Sequence[bytes]) -> None:
        """Reads these files and the directories above them a level at a time instead of one by one."""
        if len(paths) < 2:
            return
        above = {path.rpartition(b"/")[0] for path in paths} - {b""}
        above.update(*map(parents, above))
        for depth in sorted({path.count(b"/") for path in above}):
            entries = [self.entry(path) for path in above if path.count(b"/") == depth]
            self._objects.prefetch(e[1] for e in entries if e is not None and e[0] == TREE)
        files = (self.file(path) for path in paths)
        self._objects.prefetch(e[1] for e in files if e is not None and e[0] != GITLINK)


def parents(path: bytes) -> list[bytes]:
    """The directories above a path, the nearest first, the root left out."""
    found = []
    path = path.rpartition(b"/")[0]
    while path:
        found.append(path)
        path = path.rpartition(b"/")[0]
    return found
