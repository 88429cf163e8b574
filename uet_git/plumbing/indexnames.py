"""What an index lists (gitformat-index(5), versions 2 and 3). Loads nothing: the hooks' shortcut uses it."""

_HEADER = 12
_STAT = 40  # bytes
_LONG_NAME = 0xFFF
_EXTENDED = 0x4000


def is_plain(data: bytes) -> bool:
    """Whether an index is of a kind that is read here: version 2 or 3, neither split nor sparse.

    A checked-out path may end like the name of an extension; then git is asked once more than needed.
    """
    return (
        data[:4] == b"DIRC"
        and int.from_bytes(data[4:8], "big") in (2, 3)
        and b"link\0\0" not in data
        and b"sdir\0\0" not in data
    )


def names(data: bytes, oid_bytes: int) -> tuple[list[bytes], list[bytes], str | None] | None:
    """Files, submodule links, and the id of the tree that it is (None: git noted none); None if it is not plain."""
    if not is_plain(data):
        return None
    files: list[bytes] = []
    links: list[bytes] = []
    at, fixed = _HEADER, _STAT + oid_bytes + 2
    for _ in range(int.from_bytes(data[8:12], "big")):
        flags = int.from_bytes(data[at + fixed - 2 : at + fixed], "big")
        start = at + fixed + (2 if flags & _EXTENDED else 0)
        length = flags & _LONG_NAME
        if length == _LONG_NAME:
            length = data.index(b"\0", start) - start
        is_link = data[at + 24 : at + 28] == b"\0\0\xe0\0"
        (links if is_link else files).append(data[start : start + length])
        at += (start - at + length + 8) & ~7
    return files, links, _root_tree(data, at, oid_bytes)


def entries(data: bytes, oid_bytes: int) -> dict[bytes, bytes]:
    """What a plain index has at each path: mode and id, as bytes that are the same where those are."""
    found: dict[bytes, bytes] = {}
    at, fixed = _HEADER, _STAT + oid_bytes + 2
    for _ in range(int.from_bytes(data[8:12], "big")):
        flags = int.from_bytes(data[at + fixed - 2 : at + fixed], "big")
        start = at + fixed + (2 if flags & _EXTENDED else 0)
        length = flags & _LONG_NAME
        if length == _LONG_NAME:
            length = data.index(b"\0", start) - start
        found[data[start : start + length]] = (
            data[at + 24 : at + 28] + data[at + 40 : at + fixed - 2]
        )
        at += (start - at + length + 8) & ~7
    return found


def _root_tree(data: bytes, at: int, oid_bytes: int) -> str | None:
    """The root of the `TREE` extension: NUL, entries, space, subtrees, newline, id; -1 entries mean "not known"."""
    end = len(data) - oid_bytes
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"TREE":
            head, _, rest = data[at + 8 : at + 8 + size].partition(b"\n")
            return None if head.startswith(b"\0-") else rest[:oid_bytes].hex()
        at += 8 + size
    return None
