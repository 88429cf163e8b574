"""git's binary delta: every bound checked, nothing copied beyond what it declares (format: gitformat-pack)."""

from uet_git.model.binarypatch import varint
from uet_git.model.work import STEP, Work

_SHORTEST = 4  # git takes a shorter one for damaged


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
