"""What differs between two trees, without a process: only differing directories are read."""

from uet_git.model.records import TREE, TreeChange
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import TreeEntry, changed_entries

_ABSENT: TreeEntry = (0, "")


def diff_trees(objects: Objects, old: str, new: str) -> list[TreeChange]:
    """The files, links and submodules in which two trees differ, by path. Raises: MissingObject, CorruptObject."""
    found: list[TreeChange] = []
    _compare(objects, old, new, b"", found)
    found.sort()
    return found


def _compare(objects: Objects, old: str, new: str, prefix: bytes, found: list[TreeChange]) -> None:
    if old == new:
        return
    for name, before, after in changed_entries(objects.tree_object(old), objects.tree_object(new)):
        path = prefix + name
        before, after = before or _ABSENT, after or _ABSENT
        if before[0] == TREE == after[0]:
            _compare(objects, before[1], after[1], path + b"/", found)
            continue
        if before[0] == TREE:
            found.extend(TreeChange(p, m, o, 0, "") for p, m, o in _files(objects, before[1], path))
            before = _ABSENT
        if after[0] == TREE:
            found.extend(TreeChange(p, 0, "", m, o) for p, m, o in _files(objects, after[1], path))
            after = _ABSENT
        if before != after:
            found.append(TreeChange(path, *before, *after))


def _files(objects: Objects, tree: str, path: bytes) -> list[tuple[bytes, int, str]]:
    """Every file below a directory: (path, mode, id)."""
    found: list[tuple[bytes, int, str]] = []
    waiting = [(path, tree)]
    while waiting:
        folder, oid = waiting.pop()
        for name, (mode, below) in objects.tree(oid).items():
            if mode == TREE:
                waiting.append((folder + b"/" + name, below))
            else:
                found.append((folder + b"/" + name, mode, below))
    return found
