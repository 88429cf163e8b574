"""In which spellings file systems take a name for another: case, normal form, HFS+, NTFS.

After git's path.c (is_ntfs_dotgit, is_ntfs_dot_generic) and utf8.c (is_hfs_dot_generic); the short
names of NTFS are taken with any number, not only the first.
"""

import re
from functools import lru_cache
from typing import Final

from uet_git.model.pattern import late

_IGNORED: Final = dict.fromkeys(  # code points that HFS+ leaves out when it compares names
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_TAIL: Final = r"[ .]*(?:\Z|:)"
_DOTGIT = late(r"(?:\.git|git~[0-9]+)" + _TAIL)
_LEDGER = late(r"(?:\.ledger|ledger~[0-9]+)" + _TAIL)
_GITMODULES = late(r"(?:\.gitmodules|gitmod~[0-9]+|g[i7eba]{0,5}~[1-9][0-9]*)" + _TAIL)


def is_dotgit(name: bytes) -> bool:
    """Tells whether some file system takes one name of a path for `.git`."""
    return _is(_DOTGIT, name)


def is_ledger(name: bytes) -> bool:
    """Tells whether some file system takes one name of a path for `.ledger`."""
    return _is(_LEDGER, name)


def is_gitmodules(name: bytes) -> bool:
    """Tells whether some file system takes one name of a path for `.gitmodules`."""
    return _is(_GITMODULES, name)


def _is(rule: re.Pattern[str], name: bytes) -> bool:
    return bool(rule.match(_seen(name)))


@lru_cache(maxsize=1024)
def _seen(name: bytes) -> str:
    """The name without what file systems do not see in it."""
    if name.isascii():
        return name.decode("ascii").lower()
    import unicodedata

    text = name.decode("utf-8", "surrogateescape").translate(_IGNORED)
    return unicodedata.normalize("NFKC", text).casefold()


def folded(name: bytes) -> bytes:
    """A name or path as a file system compares it that ignores case and normal form."""
    if name.isascii():
        return name.lower()
    import unicodedata

    text = unicodedata.normalize("NFD", name.decode("utf-8", "surrogateescape")).casefold()
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")
