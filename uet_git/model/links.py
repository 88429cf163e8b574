"""Where a symbolic link leads, judged without a work tree.

A tree holds no file below a link, so `..` at the head of a target climbs real folders. After a name
it climbs from wherever that name leads: those are followed through the tree, step by step.
"""

from collections.abc import Callable

from uet_git.model.records import SYMLINK
from uet_git.model.spelling import is_dotgit, is_ledger

Mode = Callable[[bytes], int]
Target = Callable[[bytes], bytes]
_HOPS = 40


def escapes(path: bytes, target: bytes) -> bool:
    """Tells whether the link at `path` leads out by its own words: absolute, too many `..`, .git, .ledger."""
    return escapes_tree(path, target, lambda _: 0, lambda _: b"")


def escapes_tree(path: bytes, target: bytes, mode: Mode, read: Target) -> bool:
    """The same in a tree, followed through its other links. `mode` is 0 where a path is absent.

    Links that go round in a circle lead nowhere; more than 40 in a row count as an escape.
    """
    here = path.split(b"/")[:-1]
    rest = list(reversed(target.split(b"/")))
    hops = 0
    if not target or target.startswith((b"/", b"\\")) or b"\0" in target or target[1:2] == b":":
        return True
    while rest:
        name = rest.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            if not here:
                return True
            here.pop()
            continue
        if _forbidden(name, top=not here):
            return True
        here.append(name)
        found = b"/".join(here)
        if mode(found) == SYMLINK and found != path:
            hops += 1
            further = read(found)
            if hops > _HOPS or further.startswith(b"/"):
                return True
            here.pop()
            rest.extend(reversed(further.split(b"/")))
    return False


def _forbidden(name: bytes, *, top: bool) -> bool:
    parts = name.split(b"\\")
    return b".." in parts or any(map(is_dotgit, parts)) or (top and is_ledger(parts[0]))
