"""Paths that no safety rule has anything to say about, told without the rules (model/paths.py has those).

Narrower than they are on purpose: what is not plain here is judged there. Loads nothing.
"""

_USED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@=,/"
_RESERVED = frozenset(
    (
        b"con",
        b"prn",
        b"aux",
        b"nul",
        *(b"%b%d" % (n, i) for n in (b"com", b"lpt") for i in range(10)),
    )
)
LONGEST, DEEPEST, WIDEST = 250, 16, 100
"""Bytes of a path, folders above it, bytes of a name. Only of use where the limits allow as much."""


def is_plain(path: bytes) -> bool:
    """Whether a path of a tree is surely harmless. Two that differ only in case are for the caller to find."""
    if path.translate(None, _USED) or len(path) > LONGEST or path.count(b"/") > DEEPEST:
        return False
    return all(map(_is_plain_name, path.lower().split(b"/")))


def _is_plain_name(name: bytes) -> bool:
    return (
        0 < len(name) <= WIDEST
        and not name.startswith((b"..", b".git", b".ledger"))
        and not name.endswith(b".")
        and name.partition(b".")[0] not in _RESERVED
    )
