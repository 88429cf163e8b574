"""Shows foreign bytes safely: nothing from a patch or a gate reaches a terminal raw (DESIGN 2, P11)."""

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_LONGEST = 2_000


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(text: str | bytes, longest: int = _LONGEST) -> str:
    """`text` with control, escape, bidi and invisible characters as visible escapes; tabs and newlines stay.

    Longer text is cut, with a note that says so.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if len(text) > longest:
        text = f"{text[:longest]}... ({len(text)} characters)"
    return _UNSAFE.sub(_escaped, text)


def line(text: str | bytes, longest: int = 300) -> str:
    """The same in one line: newlines and tabs are shown as blanks."""
    return shown(text, longest).replace("\n", " ").replace("\t", " ")
