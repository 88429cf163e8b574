"""Shows foreign bytes safely: nothing from a patch or a gate reaches a terminal raw (DESIGN 2, P11).

Shown as visible escapes: control characters (ESC among them), what turns the direction of text, and what shows nothing
(Unicode's Default_Ignorable_Code_Point, but for the selectors of text or emoji style behind a visible character).
"""

import re
from typing import Final

from uet_git.model.pattern import late

_CONTROL: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE: Final = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSAFE: Final = f"[{_CONTROL}{_DIRECTION}{_INVISIBLE}]"
_UNSAFE_ONE: Final = late(_UNSAFE)
_UNSAFE_OR_BLANK: Final = late(f"{_UNSAFE}|[\n\t]")
_UNSAFE_BUT_COLOURS: Final = late(rf"(\x1b\[(?:0|1|2|3[0-9])m)|{_UNSAFE}")
_LONGEST: Final = 2_000


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_or_colour(match: re.Match[str]) -> str:
    return match[1] or _escaped(match)


def shown(text: str | bytes, longest: int = _LONGEST) -> str:
    """`text` with control, escape, bidi and invisible characters as visible escapes; tabs and newlines stay.

    Longer text is cut, with a note that says so.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if len(text) > longest:
        text = f"{text[:longest]}... ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE_ONE.sub(_escaped, text)


def line(text: str | bytes, longest: int = 300) -> str:
    """The same in one line: newlines and tabs are shown as blanks."""
    return shown(text, longest).replace("\n", " ").replace("\t", " ")


def name(text: str | bytes, longest: int = 300) -> str:
    """A path: as `line`, but newlines and tabs are escapes too, or one name could pass for another."""
    return shown(text, longest).replace("\n", "\\n").replace("\t", "\\t")


def harmless(text: str, *, colours: bool = False) -> str:
    """Text as it may be written to a terminal, whoever made it: nothing is cut, `colours` keeps our colour codes."""
    if text.isascii() and text.isprintable():
        return text
    if colours:
        return _UNSAFE_BUT_COLOURS.sub(_escaped_or_colour, text)
    return _UNSAFE_ONE.sub(_escaped, text)


def command(argv: list[str] | tuple[str, ...]) -> str:
    """A command line that can be typed into a shell as it stands, whole, and still shows what is in it."""
    return " ".join(map(_argument, argv))


def _argument(text: str) -> str:
    """One argument, quoted; what cannot be shown goes byte by byte into `$'...'` (bash, zsh, ksh)."""
    if text.isascii() and text.replace("-", "").isalnum():
        return text
    if (text.isascii() and text.isprintable()) or not _UNSAFE_OR_BLANK.search(text):
        import shlex  # a start pays for what it loads, and few lines have a command

        return shlex.quote(text)
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair, as JSON may hold; no argument of a process can
        raw = text.encode("utf-8", "surrogatepass")
    plain = [chr(b) if 0x20 <= b < 0x7F and b not in b"\\'" else f"\\{b:03o}" for b in raw]
    return f"$'{''.join(plain)}'"
