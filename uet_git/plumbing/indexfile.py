"""Reads git's index where that saves a process (gitformat-index(5), versions 2 and 3). It never writes one.

Whatever is unusual here (version 4, split or sparse index, flags, an entry that is not found) means "ask git": the
answers are only ever used to skip a question whose answer is known.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Collection
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.records import GITLINK, SYMLINK, TreeChange
from uet_git.plumbing import indexnames
from uet_git.plumbing.inway import parents

_HEADER: Final = 12
_STAT: Final = struct.Struct(">10I")  # ctime s, ns; mtime s, ns; dev; ino; mode; uid; gid; size
_LONG_NAME: Final = 0xFFF
_WHOLE: Final = 0xFFFFFFFF
_MOST_READ: Final = (
    64 << 20
)  # bytes of index searched, and of content hashed, before git does it faster


_DIFFERS: Final = -(1 << 62)


class Names(NamedTuple):
    """What an index lists: files, submodule links, and the id of the tree that it is (None: git did not note it)."""

    files: list[bytes]
    links: list[bytes]
    tree: str | None


def names(data: bytes, oid_bytes: int) -> Names | None:
    """Every path of an index, None if it is not of the plain kind."""
    found = indexnames.names(data, oid_bytes)
    return None if found is None else Names(*found)


def is_untouched(
    data: bytes, mtime_ns: int, oid_bytes: int, top: str, changes: Collection[TreeChange]
) -> bool:
    """Whether index and disk surely have the old side of every change, so that git need not be asked.

    `data` is an index last written at `mtime_ns`. False means "not known".
    """
    # Old sides take one pass, in order; a new path is looked for with each folder above it.
    looks = 1 + sum(2 + c.path.count(b"/") for c in changes if not c.old_mode)
    if not indexnames.is_plain(data) or len(data) * looks > _MOST_READ:
        return False
    root = os.fsencode(top)
    at, hashed = _HEADER, 0
    for change in sorted(changes):
        if GITLINK in (change.old_mode, change.new_mode):
            return False
        if not change.old_mode:
            if _is_near(data, change.path):
                return False
            continue
        at = _entry(data, at, change, oid_bytes)
        if at < 0:
            return False
        path = os.path.join(root, change.path)
        hashed += _compared(data, at, mtime_ns, path, change.old_oid)
        if not 0 <= hashed <= _MOST_READ:
            return False
    return True


def _entry(data: bytes, start: int, change: TreeChange, oid_bytes: int) -> int:
    """Where the plain entry of the old side begins; -1 if there is none from `start` on."""
    if len(change.path) >= _LONG_NAME:
        return -1
    named = data.find(struct.pack(">H", len(change.path)) + change.path + b"\0", start)
    at = named - oid_bytes - _STAT.size
    if named < 0 or at < _HEADER or data[at + _STAT.size : named].hex() != change.old_oid:
        return -1
    return at if int.from_bytes(data[at + 24 : at + 28]) == change.old_mode else -1


def _is_near(data: bytes, path: bytes) -> bool:
    """Whether the index may know a path to be added, something below it, or a file in place of its folder."""
    whole = [name + b"\0" for name in (path, *parents(path))]
    return any(_begins(data, start) for start in (*whole, path + b"/"))


def _begins(data: bytes, start: bytes) -> bool:
    """Whether a name of the index may begin with `start` (its end included, if that is NUL)."""
    if data[7] != 2:  # other versions may have more between the length and the name
        return start in data
    at = data.find(start)
    while at >= 0:
        length = int.from_bytes(data[at - 2 : at]) & _LONG_NAME
        if data.find(b"\0", at) == at + length or length == _LONG_NAME:
            return True
        at = data.find(start, at + 1)
    return False


def _compared(data: bytes, at: int, mtime_ns: int, path: bytes, oid: str) -> int:
    """Compares the file's status with what is noted, and its content where its time proves nothing.

    Returns how many bytes of content it took; a number below all that is read if the two differ.
    """
    noted = _STAT.unpack_from(data, at)
    try:
        st = os.lstat(path)
    except OSError:
        return _DIFFERS
    ctime, mtime = divmod(st.st_ctime_ns, 10**9), divmod(st.st_mtime_ns, 10**9)
    now = (
        *ctime,
        *mtime,
        st.st_dev,
        st.st_ino,
        _mode(st.st_mode),
        st.st_uid,
        st.st_gid,
        st.st_size,
    )
    if noted != tuple(field & _WHOLE for field in now):
        return _DIFFERS
    if mtime[0] < mtime_ns // 10**9:
        return 0
    return st.st_size if _has_content(path, st, oid) else _DIFFERS


def _mode(mode: int) -> int:
    if stat.S_ISLNK(mode):
        return SYMLINK
    return stat.S_IFMT(mode) | (0o755 if mode & stat.S_IXUSR else 0o644)


def _has_content(path: bytes, st: os.stat_result, oid: str) -> bool:
    if st.st_size > _MOST_READ or not stat.S_ISREG(st.st_mode):
        return False
    with open(path, "rb") as file:
        content = file.read()
    make = hashlib.sha256 if len(oid) == 64 else hashlib.sha1
    return make(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == oid
