"""Writes new objects as one pack with its index (gitformat-pack: pack v2, idx v2), or leaves nothing behind.

A file that a series changes again and again is kept as what its hunks make of the version before, a tenth of the bytes
to deflate, and a large folder as what was spliced. `git index-pack` would need a process for it, and reads all again.
"""

import contextlib
import errno
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NoReturn

from uet_git.errors import DiskFull, IoFailed
from uet_git.model.named import NamedTuple

SMALL = 1024  # bytes; the time to deflate less than that buys some hundred bytes
_STORABLE = 0xFFFF
_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_DELTA = 6
_LARGE = 0x7FFFFFFF
_LENGTHS = struct.Struct("<HH").pack
_SUM = struct.Struct(">I").pack
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Packed(NamedTuple):
    """One object ready for a pack: its id (hex), kind, size before and bytes after deflating.

    With `base`, the id of an object before it in the pack, size and bytes are those of a delta on that one.
    """

    oid: str
    kind: str
    size: int
    deflated: bytes
    base: str | None = None


def deflate(oid: str, kind: str, data: bytes) -> Packed:
    """Deflates one object at level 1. A tree is stored: ids do not shrink, and a fifth of the time went there."""
    return Packed(oid, kind, len(data), stored(data) if kind == "tree" else deflated(data))


def deflated(data: bytes) -> bytes:
    """A zlib stream of the data, at level 1 where that is worth its time."""
    return stored(data) if len(data) <= SMALL else zlib.compress(data, 1)


def stored(data: bytes) -> bytes:
    """A zlib stream of the data as it is (RFC 1950; RFC 1951 3.2.4): one block that is not compressed."""
    size = len(data)
    if size > _STORABLE:
        return zlib.compress(data, 0)
    return b"".join(
        (b"\x78\x01\x01", _LENGTHS(size, size ^ 0xFFFF), data, _SUM(zlib.adler32(data)))
    )


def write_pack(objects_dir: str, objects: Sequence[Packed], object_format: str = "sha1") -> str:
    """Writes a pack of these objects (each id once) and returns its name, `pack-<checksum>`.

    Durable when it returns: both files and their folder are synced. Pack first, index last: git sees a pack by its
    index. Raises: DiskFull, IoFailed; then no file of ours is left.
    """
    folder = os.path.join(objects_dir, "pack")
    body, checksum, places = _pack(objects, object_format)
    name = f"pack-{checksum.hex()}"
    final = (os.path.join(folder, f"{name}.pack"), os.path.join(folder, f"{name}.idx"))
    if os.path.exists(final[1]):
        return name
    # Git opens whatever ends in .idx, half written or not; it removes what begins with tmp_.
    temporary = tuple(
        os.path.join(folder, f"tmp_{kind}_{checksum.hex()}_{os.getpid()}")
        for kind in ("pack", "idx")
    )
    try:
        mode = _file_mode(folder)
        _write(temporary[0], body, mode)
        _write(temporary[1], (_index(places, checksum, object_format),), mode)
        os.rename(temporary[0], final[0])
        os.rename(temporary[1], final[1])
        _sync_folder(folder)
    except BaseException as exc:
        _remove((*temporary, *reversed(final)))
        if isinstance(exc, OSError):
            _fail(folder, exc)
        raise
    return name


def _pack(
    objects: Sequence[Packed], object_format: str
) -> tuple[list[bytes], bytes, list[tuple[bytes, int, int]]]:
    """The pack's pieces, its checksum, and (id, crc32, offset) of each object by id."""
    pieces = [struct.pack(">4sII", b"PACK", 2, len(objects))]
    offset = len(pieces[0])
    places = []
    offsets: dict[str, int] = {}
    for oid, kind, size, deflated, base in objects:
        if base is None:
            head = _object_head(_KINDS[kind], size)
        else:
            head = _object_head(_DELTA, size) + _back(offset - offsets[base])
        offsets[oid] = offset
        places.append((bytes.fromhex(oid), zlib.crc32(deflated, zlib.crc32(head)), offset))
        pieces += (head, deflated)
        offset += len(head) + len(deflated)
    checksum = hashlib.new(object_format, usedforsecurity=False)
    for piece in pieces:
        checksum.update(piece)
    pieces.append(checksum.digest())
    places.sort()
    return pieces, checksum.digest(), places


def _object_head(number: int, size: int) -> bytes:
    """Type and size, four bits and then seven at a time, low bits first."""
    byte = number << 4 | size & 15
    size >>= 4
    head = bytearray()
    while size:
        head.append(byte | 128)
        byte = size & 127
        size >>= 7
    head.append(byte)
    return bytes(head)


def _back(distance: int) -> bytes:
    """How far before a delta its base begins; seven bits and then seven more, high bits first, without gaps."""
    done = bytearray((distance & 127,))
    while distance := distance >> 7:
        distance -= 1
        done.append(distance & 127 | 128)
    done.reverse()
    return bytes(done)


def _index(places: list[tuple[bytes, int, int]], checksum: bytes, object_format: str) -> bytes:
    """Index version 2: fan-out, ids, checksums, offsets, offsets beyond 2 GB, the pack's and its own checksum."""
    fan = [0] * 256
    for oid, _, _ in places:
        fan[oid[0]] += 1
    count = len(places)
    offsets: list[int] = []
    large: list[int] = []
    for _, _, offset in places:
        if offset > _LARGE:
            offsets.append(0x80000000 | len(large))
            large.append(offset)
        else:
            offsets.append(offset)
    parts = (
        struct.pack(">4sI256I", b"\xfftOc", 2, *accumulate(fan)),
        b"".join(oid for oid, _, _ in places),
        struct.pack(f">{count}I", *(crc for _, crc, _ in places)),
        struct.pack(f">{count}I", *offsets),
        struct.pack(f">{len(large)}Q", *large),
        checksum,
    )
    body = b"".join(parts)
    return body + hashlib.new(object_format, body, usedforsecurity=False).digest()


def _file_mode(folder: str) -> int:
    """Read-only for whoever may read the folder: git sets folder modes by umask and core.sharedRepository."""
    try:
        mode = os.stat(folder).st_mode
    except FileNotFoundError:
        os.mkdir(folder)
        mode = os.stat(folder).st_mode
    return mode & 0o444 | 0o400


def _write(path: str, pieces: Iterable[bytes], mode: int) -> None:
    """Writes and syncs one new file."""
    _remove((path,))  # a killed process with our number may have left it
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb", buffering=1 << 18) as file:
        file.writelines(pieces)
        file.flush()
        os.fchmod(fd, mode)
        os.fsync(fd)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _fail(folder: str, exc: OSError) -> NoReturn:
    if exc.errno in _FULL:
        raise DiskFull(f"{folder}: {exc.strerror}") from exc
    raise IoFailed(f"{folder}: {exc.strerror}") from exc
