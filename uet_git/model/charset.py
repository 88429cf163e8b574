"""Text of mails to UTF-8, as git reads it: declared charsets are converted, stray bytes are taken for Latin-1."""

import re
from typing import Final

from uet_git.model.pattern import late

_KNOWN: Final = late(
    r"(?:us-)?ascii|ansi_x3\.4-1968|iso[-_]?8859[-_]\d{1,2}|latin-?\d{1,2}"
    r"|(?:windows|cp|ibm)[-_]?(?:125\d|437|85[0258]|86[26]|874|932|936|949|950)|windows-31j"
    r"|koi8[-_][rtu]|gb2312|gbk|gb18030|big5(?:[-_]hkscs)?|euc[-_](?:jp|kr)|s(?:hift)?[-_]?jis"
    r"|iso[-_]2022[-_](?:jp(?:[-_]\d)?|kr)|tis[-_]?620|macintosh|mac[-_]?roman"
)
"""Charsets that are safe to convert: no byte below 0x80 of ASCII text means anything else in them."""

_UTF8: Final = rb"""(?:[\x00-\x7f]++|[\xc2-\xdf][\x80-\xbf]
    |(?!\xef\xb7[\x90-\xaf]|\xef\xbf[\xbe\xbf])
     (?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]
    |(?![\xf0-\xf4][\x8f\x9f\xaf\xbf]\xbf[\xbe\xbf])
     (?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2})"""
_GOOD_OR_BYTE: Final = late(rb"(" + _UTF8 + rb"+)|[\x80-\xff]", re.VERBOSE)
_NONCHARACTER: Final = late(
    rb"\xef\xb7[\x90-\xaf]|\xef\xbf[\xbe\xbf]|[\xf0-\xf4][\x8f\x9f\xaf\xbf]\xbf[\xbe\xbf]"
)


class UnreadableError(Exception):
    """A mail that cannot be taken: `code` is the reason, `detail` says what and where. Never leaves `mail.read`."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(code, detail)


def is_utf8_name(charset: bytes) -> bool:
    """Tells whether a charset name means UTF-8."""
    return charset.lower() in (b"utf-8", b"utf8")


def to_utf8(data: bytes, charset: bytes) -> bytes:
    """Converts text from a declared charset; without one, or for UTF-8, gives it back. Raises: UnreadableError."""
    if not charset or is_utf8_name(charset):
        return data
    name = charset.decode("ascii", "backslashreplace").lower()
    if not _KNOWN.fullmatch(name):
        raise UnreadableError("parse.charset", f"unknown character set {name[:60]}")
    try:
        return data.decode(name).encode()
    except LookupError as exc:
        raise UnreadableError("parse.charset", f"unknown character set {name[:60]}") from exc
    except UnicodeError as exc:
        raise UnreadableError("parse.charset", f"the text is not {name}") from exc


def valid_utf8(data: bytes) -> bytes:
    """Gives text that git takes for UTF-8; every byte that does not fit is read as Latin-1, as a commit does."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        if not _NONCHARACTER.search(data):
            return data
    return _GOOD_OR_BYTE.sub(
        lambda m: m[1] if m[1] is not None else m[0].decode("latin-1").encode(), data
    )
