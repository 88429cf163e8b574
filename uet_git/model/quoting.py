"""The names in patch headers: git's C-style quotes, the stripped first component, timestamps (git 2.39, `-p1`)."""

import re
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

_QUOTED: Final = late(rb'"((?:[^"\\\n]|\\[abfnrtv"\\]|\\[0-3][0-7][0-7])*+)"')
_ESCAPE: Final = late(rb"\\([0-3][0-7][0-7]|.)", re.DOTALL)
_SLASHES: Final = late(rb"//+")
_END_OF_NAME: Final = late(rb"[\t\r\n]")
_STAMP: Final = late(
    rb"(?:[0-9]{2})?[0-9]{2}-[0-9]{2}-[0-9]{2}"
    rb"(?: [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)?"
    rb"(?: [+-](?:[0-9]{4}|[0-9]{2}:[0-9]{2}))?\Z"
)
_EPOCH: Final = late(
    rb"(1969-12-31|1970-01-01) ([0-2][0-9]):([0-5][0-9]):00(?:\.0+)? ([-+])([0-2][0-9]):?([0-5][0-9])\Z"
)
_LETTERS: Final = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b'"': b'"',
    b"\\": b"\\",
}


class Name(NamedTuple):
    """A name as a header gives it: `path` is None where nothing is left of it after stripping."""

    path: bytes | None
    absolute: bool


def unquote(text: bytes, at: int = 0) -> tuple[bytes, int] | None:
    """Reads the quoted name that begins at `at`: its bytes and the offset behind it; None if it is damaged."""
    found = _QUOTED.match(text, at)
    if found is None:
        return None
    return _ESCAPE.sub(_unescape, found[1]), found.end()


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return _LETTERS[code] if len(code) == 1 else bytes((int(code, 8),))


def strip_first(name: bytes) -> bytes | None:
    """Returns the name without its first component and with runs of slashes squashed; None if nothing is left."""
    _, slash, rest = name.partition(b"/")
    if not slash or not rest:
        return None
    return _SLASHES.sub(b"/", rest) if b"//" in rest else rest


def header_name(text: bytes, *, strip: bool, tab_ends: bool) -> Name | None:
    """Reads the name of a git header line (what follows `--- `, `rename from `...); None if its quotes are damaged.

    A carriage return ends the name, so does a tab on `---` and `+++` lines.
    """
    if text[:1] == b'"':
        quoted = unquote(text)
        if quoted is None:
            return None
        raw = quoted[0]
    elif tab_ends:
        raw = _END_OF_NAME.split(text, maxsplit=1)[0]
    else:
        raw = text.partition(b"\r")[0]
    path = strip_first(raw) if strip else _SLASHES.sub(b"/", raw) or None
    return Name(path, raw.startswith(b"/"))


def traditional_name(text: bytes) -> Name | None:
    """Reads the name of a `---` or `+++` line without `diff --git`: a date at its end is not part of it."""
    if text[:1] == b'"':
        return header_name(text, strip=True, tab_ends=True)
    stamp = _STAMP.search(text)
    if stamp is not None:
        before = text[: stamp.start()]
        if before.endswith(b"\t"):
            raw = before[:-1]
            return Name(strip_first(raw), raw.startswith(b"/"))
        if before.endswith(b" "):
            raw = before.rstrip(b" ")
            return Name(strip_first(raw), raw.startswith(b"/"))
    return header_name(text, strip=True, tab_ends=True)


def is_dev_null(text: bytes) -> bool:
    """Tells whether a `---` or `+++` line names no file. `text` is without its line feed."""
    return text.startswith(b"/dev/null") and text[9:10] in (b"", b"\t", b"\r", b" ")


def is_epoch(text: bytes) -> bool:
    """Tells whether a header's timestamp is the epoch, which GNU diff writes for a file that is not there."""
    _, tab, stamp = text.rpartition(b"\t")
    found = _EPOCH.match(stamp) if tab else None
    if found is None:
        return False
    zone = int(found[5]) * 60 + int(found[6])
    minutes = int(found[2]) * 60 + int(found[3]) - (zone if found[4] == b"+" else -zone)
    return minutes == (24 * 60 if found[1] == b"1969-12-31" else 0)


def name_of_git_line(rest: bytes) -> bytes | None:
    """Returns the one name of a `diff --git` line (`rest` follows it), if both its halves are the same name; else None.

    Only files without `---`/`+++` lines need it. The halves are told apart exactly as git does it.
    """
    if rest[:1] == b'"':
        return _both_quoted(rest)
    begin = rest.find(b"/") + 1
    if begin < 2:  # no first component to strip, or an absolute name
        return None
    quote = rest.find(b'"', begin)
    if quote >= 0:
        return _second_quoted(rest, begin, quote)
    return _both_plain(rest, begin)


def _stripped(name: bytes) -> bytes | None:
    slash = name.find(b"/")
    return name[slash + 1 :] if slash > 0 else None


def _both_quoted(rest: bytes) -> bytes | None:
    first = unquote(rest)
    if first is None:
        return None
    name = _stripped(first[0])
    second = rest[first[1] :].lstrip(b" \t\r\n")
    if second[:1] == b'"':
        quoted = unquote(second)
        if quoted is None:
            return None
        second = quoted[0]
    other = _stripped(second)
    return name if name is not None and name == other else None


def _second_quoted(rest: bytes, begin: int, quote: int) -> bytes | None:
    quoted = unquote(rest, quote)
    name = _stripped(quoted[0]) if quoted else None
    if name is None:
        return None
    gap = begin + len(name)
    same = (
        gap < quote and rest.startswith(name, begin) and rest[gap : gap + 1] in (b" ", b"\t", b"\r")
    )
    return name if same else None


_BREAK_AT_SLASH: Final = late(rb"[ \t]/")


def _both_plain(rest: bytes, begin: int) -> bytes | None:
    """The break is the blank for which the name before it equals what follows the next slash; there is one at most."""
    slash = rest.find(b"/", begin)
    previous = begin
    while slash >= 0:
        length = len(rest) - (slash + 1)
        at = begin + length
        if at < previous or not length:
            return None
        if at < slash and rest[at : at + 1] in (b" ", b"\t"):
            if rest.endswith(rest[begin:at]) and not _BREAK_AT_SLASH.search(rest, begin, at + 2):
                return rest[begin:at]
            return None
        previous = slash
        slash = rest.find(b"/", slash + 1)
    return None


def git_line_fits(rest: bytes, old: bytes, new: bytes) -> bool:
    """Tells whether a `diff --git` line (`rest` follows it) can name these two files, each in some first folder."""
    rest = rest.removesuffix(b"\r")
    if b'"' not in rest:
        return rest.endswith(b"/" + new) and b"/" + old + b" " in rest
    if rest[:1] == b'"':
        quoted = unquote(rest)
        if quoted is None:
            return False
        first, second = quoted[0], rest[quoted[1] + 1 :]
    else:
        first, _, second = rest.partition(b' "')
        second = b'"' + second
    if second[:1] == b'"':
        quoted = unquote(second)
        if quoted is None or quoted[1] != len(second):
            return False
        second = quoted[0]
    return _stripped(first) == old and _stripped(second) == new
