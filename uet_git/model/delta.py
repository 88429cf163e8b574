"""git's binary delta: every bound checked, nothing copied beyond what it declares (format: gitformat-pack)."""

from collections.abc import Iterable, Sequence

from uet_git.model.binarypatch import varint
from uet_git.model.records import Hunk
from uet_git.model.seek import seek
from uet_git.model.work import STEP, Work

_SHORTEST = 4  # git takes a shorter one for damaged
_INSERT = 0x7F  # bytes that one instruction may bring
_COPY = 0xFFFFFF  # bytes that one instruction may take
_BYTES = tuple(bytes((n,)) for n in range(256))


def apply_delta(delta: bytes, base: bytes, work: Work) -> bytes | None:
    """Returns the result, or None if the delta is damaged or was made for another base. Raises: OverBudget."""
    base_size, place = varint(delta, 0)
    result_size, place = varint(delta, place) if place >= 0 else (0, -1)
    if place < 0 or base_size != len(base) or len(delta) < _SHORTEST:
        return None
    work.spend(len(delta) + result_size)
    pieces: list[bytes] = []
    left = result_size
    end = len(delta)
    while place < end:
        work.spend(2 * STEP)
        code = delta[place]
        place += 1
        if code & 0x80:
            offset, size, place = _copy(delta, place, code)
            if place < 0 or offset + size > base_size:
                return None
            pieces.append(base[offset : offset + size])
        else:
            size = code
            if not size or place + size > end:
                return None
            pieces.append(delta[place : place + size])
            place += size
        left -= size
        if left < 0:
            return None
    return b"".join(pieces) if not left else None


def _copy(delta: bytes, place: int, code: int) -> tuple[int, int, int]:
    """Reads a copy's offset and size; the offset behind them is -1 if the delta ends inside."""
    values = [0, 0]
    for bit in range(7):
        if code >> bit & 1:
            if place >= len(delta):
                return 0, 0, -1
            which, byte = divmod(bit, 4)
            values[which] |= delta[place] << 8 * byte
            place += 1
    return values[0], values[1] or 0x10000, place


def delta_of(hunks: Sequence[Hunk], base: bytes, result: bytes) -> bytes | None:
    """A delta that makes `result` of `base`, by the hunks that made it; None where that is not easily seen.

    What it makes is compared with `result`: where the hunks stand is found here, not taken from who placed them.
    """
    delta = [_size(len(base)), _size(len(result))]
    made: list[bytes] = []
    old = new = 0  # how far base and result are used up
    kept = 0  # from here on the base is to be copied: context of a hunk is, too
    for hunk in hunks:
        text = hunk.new
        at = seek(result, text, new)
        if at < 0:
            return None
        head, tail = _context(hunk)
        end = old + at - new + head
        added = text[head : len(text) - tail]
        made += (base[kept:end], added)
        delta += _copies(kept, end - kept)
        delta += _inserts(added)
        old += at - new + len(hunk.old)
        new = at + len(text)
        kept = old - tail
    made.append(base[kept:])
    delta += _copies(kept, len(base) - kept)
    found = b"".join(delta)
    return found if b"".join(made) == result and len(found) >= _SHORTEST else None


def delta_of_splices(
    splices: Iterable[tuple[int, int, bytes]], base: bytes, result: bytes
) -> bytes | None:
    """A delta that makes `result` of `base` by replacing stretches (first byte, end, new bytes) that are in order.

    None if it would not: what it makes is compared with `result`.
    """
    delta = [_size(len(base)), _size(len(result))]
    made: list[bytes] = []
    kept = 0
    for start, end, text in splices:
        made += (base[kept:start], text)
        delta += _copies(kept, start - kept)
        delta += _inserts(text)
        kept = end
    made.append(base[kept:])
    delta += _copies(kept, len(base) - kept)
    found = b"".join(delta)
    return found if b"".join(made) == result and len(found) >= _SHORTEST else None


def _context(hunk: Hunk) -> tuple[int, int]:
    """Bytes of the lines that a hunk leaves as they are at its beginning and at its end."""
    text = hunk.new
    head, end = 0, len(text)
    for _ in range(hunk.leading):
        head = text.find(b"\n", head) + 1 or len(text)
    for _ in range(hunk.trailing):
        end = text.rfind(b"\n", head, max(end - 1, head)) + 1 or head
    return head, len(text) - end


def _copies(offset: int, size: int) -> list[bytes]:
    """Instructions that take `size` bytes of the base from `offset` on."""
    done = []
    while size > 0:
        now = min(size, _COPY)
        code, values = 0x80, b""
        if offset:
            values = offset.to_bytes(2 if offset < 0x10000 else 4, "little")
            code |= 0b11 if offset < 0x10000 else 0b1111
        values += now.to_bytes(2 if now < 0x10000 else 3, "little")
        code |= 0b110000 if now < 0x10000 else 0b1110000
        done.append(_BYTES[code] + values)
        offset, size = offset + now, size - now
    return done


def _inserts(text: bytes) -> list[bytes]:
    """Instructions that bring bytes along."""
    pieces = [text[i : i + _INSERT] for i in range(0, len(text), _INSERT)]
    return [_BYTES[len(piece)] + piece for piece in pieces]


def _size(value: int) -> bytes:
    """A size of a delta's header: seven bits and then seven more, low bits first."""
    done = bytearray()
    while value > 0x7F:
        done.append(value & 0x7F | 0x80)
        value >>= 7
    done.append(value)
    return bytes(done)
