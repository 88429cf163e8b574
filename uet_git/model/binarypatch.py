"""`GIT binary patch`: base 85 and deflate, both directions, bounded by what the patch declares (git 2.39)."""

import zlib
from typing import Final

from uet_git.model.pattern import late
from uet_git.model.records import BinaryHunk
from uet_git.model.refusal import Refused

INTRO: Final = b"GIT binary patch\n"
_METHOD: Final = late(rb"(literal|delta) ([0-9]{1,19})\n")
_METHODS: Final = (
    b"literal ",
    b"delta ",
)  # so much and git takes it for a second hunk, which must then be whole
_ALPHABET: Final = (
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
)
_VALUES: Final = bytes(_ALPHABET.find(bytes((c,))) & 0xFF for c in range(256))
_STRIDE: Final = 67  # bytes of a full line: letter, 13 groups, line feed
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
    if data.startswith(_METHODS, end):
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
    # all lines but the last are full ones as git writes them: then they are cut out by stride
    count = len(text) // _STRIDE
    usual = count * _STRIDE
    full = bytearray(text[:usual])
    if (
        text.count(b"\n", 0, usual) == count
        and full[_STRIDE - 1 :: _STRIDE] == b"\n" * count
        and full[::_STRIDE] == b"z" * count
    ):
        del full[_STRIDE - 1 :: _STRIDE]
        del full[:: _STRIDE - 1]
    else:
        usual = 0
        full = bytearray()
    groups = [bytes(full)]
    pieces = [(len(full) // 5 * 4, len(full) // 5 * 4)]
    for line in text[usual:].split(b"\n") if usual < len(text) else ():
        length = _LENGTHS.get(line[0], 0) if line else 0
        whole = (len(line) - 1) // 5 * 4
        if len(line) % 5 != 1 or not length or not whole - 4 < length <= whole:
            raise Refused("parse.binary", "a line has the wrong length", at)
        groups.append(line[1:])
        pieces.append((length, whole))
    raw = _base85(b"".join(groups), at)
    out: list[bytes] = []
    place = 0
    for length, whole in pieces:
        out.append(raw[place : place + length])
        place += whole
    return b"".join(out)


def _base85(digits: bytes, at: int) -> bytes:
    """Decodes whole groups of five without a loop: one big number holds each group in a lane of five bytes."""
    values = digits.translate(_VALUES)
    if b"\xff" in values:
        raise Refused("parse.binary", "a character is not base 85", at)
    total = 0
    for column, power in enumerate(_POWERS):
        lanes = bytearray(len(values))
        lanes[0::5] = values[column::5]
        total += int.from_bytes(lanes, "little") * power
    wide = total.to_bytes(len(values), "little")
    if wide[4::5].strip(b"\0"):
        raise Refused("parse.binary", "a group of base 85 is out of range", at)
    out = bytearray(len(values) // 5 * 4)
    for byte in range(4):
        out[byte::4] = wide[3 - byte :: 5]
    return bytes(out)
