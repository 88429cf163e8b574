"""One tree object: its bytes, looked up and spliced without rebuilding what did not change.

A tree is a run of `<octal mode> SP <name> NUL <id>`, sorted by name as if directories ended in `/` (gitformat-pack,
fsck.c `treeNotSorted`). Replacing ids in place keeps every position, so the positions are shared between versions:
an edit costs one copy of the bytes, also in a directory of 50,000 files.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

from uet_git.errors import CorruptObject
from uet_git.model.named import NamedTuple
from uet_git.model.records import TREE

TreeEntry = tuple[int, str]
"""Mode and object id (hex)."""

_ENTRIES = {n: re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0.{%d}" % n, re.DOTALL) for n in (20, 32)}
_MODES = {b"%o" % mode: mode for mode in (0o100644, 0o100755, 0o120000, 0o160000, TREE)}
_SPLICED = (
    4096  # bytes; a smaller tree takes less time to store than to be told by what was replaced
)
_SPLICE = 256  # bytes of memory for each, about
_POSITIONS = 6  # a tree with its positions takes about six times the memory of its bytes
_FORBIDDEN = frozenset({b"", b".", b"..", b".git"})


Splice = tuple[int, int, bytes, bytes]
"""First and end byte of what is replaced, the name it is sorted by, and the new text; in order of these."""


class _Places(NamedTuple):
    """Where the entries of one tree lie: name -> number, each number's first byte (one more at the end) and name."""

    number: dict[bytes, int]
    starts: list[int]
    names: list[bytes]


class Tree:
    """The entries of one tree object. `width` is the length of an id in bytes.

    `splices` made it of the tree that was edited; empty where they are not worth keeping. Immutable.
    """

    __slots__ = ("_places", "_shares", "raw", "splices", "width")

    def __init__(
        self,
        raw: bytes,
        width: int = 20,
        places: _Places | None = None,
        splices: Sequence[Splice] = (),
    ) -> None:
        self.raw = raw
        self.width = width
        self.splices = splices
        self._places = places
        self._shares = places is not None

    def __len__(self) -> int:
        return len(self.places.number)

    @property
    def weight(self) -> int:
        """Memory in bytes, about; positions that it shares with the version before are counted there."""
        own = len(self.raw) * (1 if self._shares else _POSITIONS)
        return own + len(self.splices) * _SPLICE + 200

    @property
    def places(self) -> _Places:
        """Raises: CorruptObject if the bytes are not a tree."""
        if self._places is None:
            pairs = _ENTRIES[self.width].findall(self.raw)
            fixed = self.width + 2
            starts = list(
                accumulate((len(mode) + len(name) + fixed for mode, name in pairs), initial=0)
            )
            number = {name: k for k, (_, name) in enumerate(pairs)}
            if starts[-1] != len(self.raw) or len(number) != len(pairs):
                raise CorruptObject("a tree's entries cannot be read")
            self._places = _Places(number, starts, list(number))
        return self._places

    def find(self, name: bytes) -> TreeEntry | None:
        """Mode and id of one entry, None without one."""
        places = self.places
        k = places.number.get(name)
        if k is None:
            return None
        end = places.starts[k + 1]
        at = end - self.width
        mode = self.raw[places.starts[k] : at - len(name) - 2]
        return _MODES.get(mode) or int(mode, 8), self.raw[at:end].hex()

    def entries(self) -> dict[bytes, TreeEntry]:
        """Every entry by name, in the tree's order."""
        return read_entries(self.raw, self.width)

    def edit(self, edits: Mapping[bytes, TreeEntry | None]) -> "Tree":
        """The tree with entries set (mode, id) or removed (None); removing what is not there is nothing.

        Raises: ValueError for a name that no tree may hold.
        """
        places = self.places
        splices: list[Splice] = []
        moved = False
        for name, entry in edits.items():
            k = places.number.get(name)
            if entry is None:
                if k is not None:
                    splices.append((places.starts[k], places.starts[k + 1], name, b""))
                    moved = True
                continue
            text = _text(name, entry)
            if k is not None:
                start, end = places.starts[k], places.starts[k + 1]
                was_tree = self._is_tree(k, name)
                if was_tree == (entry[0] == TREE):
                    splices.append((start, end, name, text))
                    moved = moved or len(text) != end - start
                    continue
                splices.append((start, end, name, b""))
            sort_name = name + b"/" if entry[0] == TREE else name
            at = self._place_of(sort_name)
            splices.append((at, at, sort_name, text))
            moved = True
        splices.sort()
        raw = _spliced(self.raw, splices)
        is_worth = len(raw) >= max(_SPLICED, len(splices) * _SPLICE)
        return Tree(raw, self.width, None if moved else places, splices if is_worth else ())

    def _is_tree(self, k: int, name: bytes) -> bool:
        start, end = self.places.starts[k : k + 2]
        return int(self.raw[start : end - self.width - len(name) - 2], 8) == TREE

    def _place_of(self, sort_name: bytes) -> int:
        """The byte at which a new entry belongs; `sort_name` ends in `/` for a tree."""
        names = self.places.names

        def key(item: bytes) -> bytes:
            return item + b"/" if self._is_tree(self.places.number[item], item) else item

        return self.places.starts[bisect_left(names, sort_name, key=key)]


def read_entries(raw: bytes, width: int) -> dict[bytes, TreeEntry]:
    """Reads a run of whole entries. Raises: CorruptObject."""
    found: dict[bytes, TreeEntry] = {}
    at = 0
    for match in _ENTRIES[width].finditer(raw):
        if match.start() != at:
            break
        at = match.end()
        mode, name = match.groups()
        found[name] = (_MODES.get(mode) or int(mode, 8), raw[at - width : at].hex())
    if at != len(raw):
        raise CorruptObject("a tree's entries cannot be read")
    return found


def changed_entries(old: Tree, new: Tree) -> list[tuple[bytes, TreeEntry | None, TreeEntry | None]]:
    """The entries in which two trees differ: (name, before, after), by name.

    Only the positions of `old` are trusted: what differs is read afresh from the bytes, so the answer does not rest on
    how `new` came about. Raises: CorruptObject.
    """
    a, b = old.raw, new.raw
    if a == b:
        return []
    starts = old.places.starts
    if len(a) == len(b):
        replaced = _replaced(a, b, starts, old.width)
        if replaced is not None:
            return replaced
    head = _common_head(a, b, starts)
    first = starts[head]
    stop = starts[len(starts) - 1 - _common_tail(a, b, starts, head)]
    try:
        after = read_entries(b[first : len(b) - (len(a) - stop)], old.width)
        before = read_entries(a[first:stop], old.width)
    except CorruptObject:  # a name of `new` may end like an entry of `old`
        before, after = old.entries(), new.entries()
    names = sorted(before.keys() | after.keys())
    return [(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]


def _replaced(
    a: bytes, b: bytes, starts: list[int], width: int
) -> list[tuple[bytes, TreeEntry | None, TreeEntry | None]] | None:
    """The differences if `b` is `a` with some entries replaced in place by ones of the same name; None if it is not."""
    found: list[tuple[bytes, TreeEntry | None, TreeEntry | None]] = []
    waiting = [(0, len(starts) - 1)]
    while waiting:
        low, high = waiting.pop()
        start, end = starts[low], starts[high]
        if a[start:end] == b[start:end]:
            continue
        if high - low > 1:
            middle = (low + high) // 2
            waiting += ((middle, high), (low, middle))
            continue
        try:
            before, after = read_entries(a[start:end], width), read_entries(b[start:end], width)
        except CorruptObject:
            return None
        if len(after) != 1 or before.keys() != after.keys():
            return None
        ((name, entry),) = before.items()
        found.append((name, entry, after[name]))
    return sorted(found)


def _common_head(a: bytes, b: bytes, starts: list[int]) -> int:
    """How many whole entries of `a` begin both."""
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if a[starts[low] : starts[middle]] == b[starts[low] : starts[middle]]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_tail(a: bytes, b: bytes, starts: list[int], head: int) -> int:
    """How many whole entries of `a` end both, the first `head` aside."""
    last = len(starts) - 1
    shift = len(b) - len(a)
    low, high = 0, last - head
    while low < high:
        middle = (low + high + 1) // 2
        start, end = starts[last - middle], starts[last - low]
        if start + shift >= starts[head] and a[start:end] == b[start + shift : end + shift]:
            low = middle
        else:
            high = middle - 1
    return low


def _text(name: bytes, entry: TreeEntry) -> bytes:
    if name.lower() in _FORBIDDEN or b"/" in name or b"\0" in name:
        raise ValueError(f"no tree may hold the name {name!r}")
    return b"%o %b\0%b" % (entry[0], name, bytes.fromhex(entry[1]))


def _spliced(raw: bytes, splices: list[Splice]) -> bytes:
    """Replaces stretches of `raw`; what is put at one place comes in name order, before what is replaced there."""
    parts: list[bytes] = []
    at = 0
    for start, end, _, text in splices:
        parts += (raw[at:start], text)
        at = end
    parts.append(raw[at:])
    return b"".join(parts)
