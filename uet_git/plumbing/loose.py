"""Reads objects that are files of their own, without a process. Loads nothing: the hooks' shortcut uses it.

What is packed, large or odd is not read: ask git.
"""

import os
import zlib

_LARGEST = 1 << 20  # bytes, inflated


def read(common: str, oid: str, kind: bytes) -> bytes | None:
    """The content of an object of that kind; None if it is not found here."""
    path = os.path.join(common, "objects", oid[:2], oid[2:])
    try:
        with open(path, "rb", buffering=0) as file:
            raw = zlib.decompressobj().decompress(file.read(_LARGEST), _LARGEST)
    except (OSError, zlib.error):
        return None
    head, _, content = raw.partition(b"\0")
    return content if head == b"%b %d" % (kind, len(content)) else None


def tree_of(commit: bytes) -> str:
    """The tree that a commit names first; empty if it does not."""
    line, _, _ = commit.partition(b"\n")
    return line[5:].decode("ascii", "replace") if line.startswith(b"tree ") else ""


def blob_in(tree: bytes, name: bytes, oid_bytes: int) -> str:
    """The id of the regular file of that name in a tree; empty if there is none."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, found = tree[at:end].partition(b" ")
        if found == name:
            oid = tree[end + 1 : end + 1 + oid_bytes].hex()
            return oid if mode in (b"100644", b"100755") else ""
        at = end + 1 + oid_bytes
    return ""
