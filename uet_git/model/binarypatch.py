"""`GIT binary patch`: base 85 and deflate, both directions, bounded by what the patch declares (git 2.39)."""

import re
import zlib
from typing import Final

from uet_git.model.records import BinaryHunk
from uet_git.model.refusal import Refused

INTRO: Final = b"GIT binary patch\n"
_METHOD: Final = re.compile(rb"(literal|delta) ([0-9]{1,19})\n")
_ALPHABET: Final = (
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
)
_VALUES: Final = bytes(_ALPHABET.find(bytes((c,))) & 0xFF for c in range(256))
_POWERS: Final = (85**4, 85**3, 85**2, 85, 1)
_LENGTHS: Final = {
    c: n for n, c in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 1)
}


def read_binary(data: bytes, at: int, room: int) -> tuple[BinaryHunk, int, int]:
    """Reads the one or two hunks at `at`, just behind the intro line.

    `room` is how many bytes may still come out of the patch. Returns the forward hunk, the offset behind all, and
    the bytes that were declared. Raises: Refused.
    """
    forward, end, used = _hunk(data, at, room)
    if _METHOD.match(data, end):
        _, end, more = _hunk(data, end, room - used)
        used += more
    return forward, end, used


def _hunk(data: bytes, at: int, room: int) -> tuple[BinaryHunk, int, int]:
    found = _METHOD.match(data, at)
    if found is None:
        raise Refused("parse.binary", "neither `literal` nor `delta`", at)
    size = int(found[2])
    if size > room:
        raise Refused("size.inflated", f"{size} bytes declared", at)
    start = found.end()
    end = data.find(b"\n\n", start - 1)
    if end < 0:
        raise Refused("parse.truncated", "", at)
    packed = _decode(data[start:end], start) if end > start else b""
    inflated = _inflate(packed, size, at)
    method = found[1].decode()
    used = size
    if method == "delta":
        used += result_size(inflated, at)
        if used > room:
            raise Refused("size.inflated", f"{used} bytes declared", at)
    return BinaryHunk(method, size, inflated), end + 2, used


def result_size(delta: bytes, at: int = 0) -> int:
    """Returns the size that a delta declares for its result. Raises: Refused."""
    place = 0
    value = 0
    for _ in range(2):
        value, place = varint(delta, place)
        if place < 0:
            raise Refused("parse.binary", "the delta has no sizes", at)
    return value


def varint(delta: bytes, place: int) -> tuple[int, int]:
    """Reads one size of a delta's header: the value and the offset behind it, which is -1 if it is damaged."""
    value = shift = 0
    while place < len(delta) and shift < 63:
        byte = delta[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place
    return 0, -1


def _inflate(packed: bytes, size: int, at: int) -> bytes:
    machine = zlib.decompressobj()
    try:
        out = machine.decompress(packed, size + 1)
    except zlib.error as error:
        raise Refused("parse.binary", str(error), at) from None
    if not machine.eof or len(out) != size or machine.unused_data:
        raise Refused("parse.binary", "its data is not as long as it says", at)
    return out


def _decode(text: bytes, at: int) -> bytes:
    """Turns lines of a length letter and base-85 groups into bytes. Raises: Refused."""
    lines = text.split(b"\n")
    groups: list[bytes] = []
    pieces: list[tuple[int, int]] = []
    for line in lines:
        length = _LENGTHS.get(line[0], 0) if line else 0
        full = (len(line) - 1) // 5 * 4
        if len(line) % 5 != 1 or not full - 4 < length <= full:
            raise Refused("parse.binary", "a line has the wrong length", at)
        groups.append(line[1:])
        pieces.append((length, full))
    raw = _base85(b"".join(groups), at)
    if all(length == full for length, full in pieces[:-1]):
        length, full = pieces[-1]
        return raw[: len(raw) - (full - length)]
    out: list[bytes] = []
    place = 0
    for length, full in pieces:
        out.append(raw[place : place + length])
        place += full
    return b"".join(out)


def _base85(digits: bytes, at: int) -> bytes:
    """Decodes whole groups of five without a loop: one big number holds each group in a lane of 64 bits."""
    values = digits.translate(_VALUES)
    if b"\xff" in values:
        raise Refused("parse.binary", "a character is not base 85", at)
    count = len(values) // 5
    total = 0
    for column, power in enumerate(_POWERS):
        lanes = bytearray(8 * count)
        lanes[0::8] = values[column::5]
        total += int.from_bytes(lanes, "little") * power
    wide = total.to_bytes(8 * count, "little")
    if wide[4::8].strip(b"\0"):
        raise Refused("parse.binary", "a group of base 85 is out of range", at)
    out = bytearray(4 * count)
    for byte in range(4):
        out[byte::4] = wide[3 - byte :: 8]
    return bytes(out)
