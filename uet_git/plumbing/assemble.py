"""Puts changed entries into a tree, touching only the directories above them."""

from collections.abc import Mapping

from uet_git.model.records import TREE, Finding, Oid
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.tree import Tree, TreeEntry
from uet_git.plumbing.view import View, parents

Edits = dict[bytes, TreeEntry | None]


def assemble(
    objects: Objects, view: View, edits: Mapping[bytes, TreeEntry | None]
) -> Oid | list[Finding]:
    """The tree of `view` with files set (mode, id) or removed (None); directories left empty go.

    Returns findings where a file and a directory would have the same name. New trees become pending objects.
    """
    levels = _levels(edits)
    findings: list[Finding] = []
    for path in sorted(levels, key=_depth, reverse=True):
        old = view.folder(path)
        for name, entry in levels[path].items():
            below = _join(path, name)
            if entry is not None and entry[0] != TREE and below not in levels and old is not None:
                there = old.find(name)
                if there is not None and there[0] == TREE:
                    findings.append(_clash(below, "is a directory in the target"))
        new = (old or Tree(b"", objects.width)).edit(levels[path])
        if not path:
            return findings or objects.put_tree(new, view.id)
        base = view.entry(path) if old is not None else None
        entry = (TREE, objects.put_tree(new, base[1] if base else "")) if new.raw else None
        clash = _place(levels, view, path, entry)
        if clash is not None:
            findings.append(clash)
    raise AssertionError("the root is always a level")


def _levels(edits: Mapping[bytes, TreeEntry | None]) -> dict[bytes, Edits]:
    """The edits by directory, with every directory above them."""
    levels: dict[bytes, Edits] = {b"": {}}
    for path, entry in edits.items():
        above, _, name = path.rpartition(b"/")
        if above not in levels:
            levels.update(
                (folder, {}) for folder in (above, *parents(above)) if folder not in levels
            )
        levels[above][name] = entry
    return levels


def _place(
    levels: dict[bytes, Edits], view: View, path: bytes, entry: TreeEntry | None
) -> Finding | None:
    """Enters a finished directory into the one above, unless a file has its name."""
    above, _, name = path.rpartition(b"/")
    edits = levels[above]
    wanted = edits.get(name)
    if wanted is not None:
        return _clash(path, "is both a file and a directory") if entry is not None else None
    if name not in edits and entry is not None:
        there = view.entry(path)
        if there is not None and there[0] != TREE:
            return _clash(path, "is a file in the target, so nothing can lie below it")
    if entry is not None or view.folder(path) is not None:
        edits[name] = entry
    return None


def _clash(path: bytes, detail: str) -> Finding:
    return Finding("apply.exists", detail, path)


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _depth(path: bytes) -> int:
    return path.count(b"/") + 1 if path else 0
