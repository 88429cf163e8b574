"""Header fields of a mail as `git mailinfo` reads them: unfolded, RFC 2047 decoded, author and subject cleaned."""

from binascii import a2b_base64
from functools import lru_cache
from typing import Final

from uet_git.model.charset import UnreadableError, to_utf8
from uet_git.model.ident import without_crud
from uet_git.model.mbox import MAX_HEADERS, SPACES
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

Fields = dict[bytes, bytes]

_BLOCK: Final = late(
    rb"(?:(?:>?From |[!-9;-~]*+:)[^\n]*+(?:\n[ \t][^\n]*+)*(?:\n|\Z))*(?:[ \t\r]*+(?:\n|\Z))?"
)
_NEXT_FIELD: Final = late(rb"\n(?![ \t])")
_ENCODED_BYTE: Final = late(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_RUN: Final = late(rb"[ \t\n\r]+")
_QUOTING: Final = late(rb'["()\\]')
_EMAIL_END: Final = late(rb"[ \n\t\r\v\f>]")
_SUBJECT_NOISE: Final = late(rb"(?:[ \t:]|[rR][eE]:(?=[\s\S])|\[[^\]]*\])*")
_NUMBERS: Final = late(rb"\b([0-9]{1,6})/([0-9]{1,6})\b")
_MAX_SANE_NAME: Final = 60  # bytes; git takes a longer name for garbage and uses the address


class Numbers(NamedTuple):
    """The n and m of `[PATCH n/m]`; `total` is 0 where the subject has none."""

    part: int
    total: int


def read_fields(data: bytes, start: int) -> tuple[Fields, int]:
    """Reads header lines from offset `start`: values by lower-case name (the last wins) and the body's offset.

    Raises: UnreadableError (more than MAX_HEADERS bytes of them).
    """
    found = _BLOCK.match(data, start, start + MAX_HEADERS)
    assert found is not None
    if found.end() - start == MAX_HEADERS:
        raise UnreadableError("parse.mail", "its headers are longer than 64 KB")
    block = found[0]
    fields: Fields = {}
    folded = b"\n " in block or b"\n\t" in block
    for line in _NEXT_FIELD.split(block) if folded else block.split(b"\n"):
        name, _, value = line.partition(b":")
        fields[name.lower()] = _unfold(value) if b"\n" in value else value.strip(SPACES)
    return fields, found.end()


def _unfold(value: bytes) -> bytes:
    first, *rest = value.split(b"\n")
    lines = [first.rstrip(SPACES), *[(b" " + line[1:]).rstrip(SPACES) for line in rest]]
    return b"".join(lines).strip(SPACES)


def decode(value: bytes, field: str) -> bytes:
    """Decodes the RFC 2047 words of one header value to UTF-8. Raises: UnreadableError."""
    at = value.find(b"=?")
    if at < 0:
        return value
    out: list[bytes] = []
    done = 0
    while at >= 0:
        between = value[done:at]
        if done == 0 or between.strip(SPACES):
            out.append(between)
        mark = value.find(b"?", at + 2)
        end = value.find(b"?=", mark + 3) if mark >= 0 else -1
        how = value[mark + 1 : mark + 3].lower()
        if end < 0 or how not in (b"q?", b"b?"):
            raise UnreadableError("parse.mail", f"an encoded word in {field} is malformed")
        word = value[mark + 3 : end]
        plain = _from_q(word) if how == b"q?" else _from_b(word)
        out.append(to_utf8(plain, value[at + 2 : mark]))
        done = end + 2
        at = value.find(b"=?", done)
    out.append(value[done:])
    return b"".join(out)


def _from_q(word: bytes) -> bytes:
    word = word.replace(b"_", b" ")
    if b"=" not in word:
        return word
    word = word.partition(b"=\n")[0].removesuffix(b"=")
    return _ENCODED_BYTE.sub(lambda m: bytes((int(m[1], 16),)), word)


def _from_b(word: bytes) -> bytes:
    letters = word.translate(None, _NOT_BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return a2b_base64(letters + b"=" * (-len(letters) % 4))


@lru_cache(maxsize=256)
def author(value: bytes) -> tuple[bytes, bytes]:
    """Reads a decoded `From` value into (name, email) as a commit would hold them. Raises: UnreadableError."""
    value = _RUN.sub(b" ", value)
    name, email = _name_and_email(value)
    if not name or len(name) > _MAX_SANE_NAME or any(c in name for c in b"@<>"):
        name = email
    clean_name, clean_email = without_crud(name), without_crud(email)
    if not clean_name:
        raise UnreadableError("parse.mail_author", "the From header names nobody")
    return clean_name, clean_email


def _name_and_email(value: bytes) -> tuple[bytes, bytes]:
    """The forms `Name <a@b>`, `a@b (Name)`, `Name (x) <a@b> (y)`, bare `a@b`, and without any @ `Name <login>`."""
    text = _unquote(value)
    at = text.find(b"@")
    if at < 0:
        name, _, rest = value.partition(b"<")
        login, closed, _ = rest.partition(b">")
        return (name.strip(SPACES), login) if closed else (b"", b"")
    start = max(text.rfind(c, 0, at) for c in (b" ", b"\t", b"\n", b"\r", b"<")) + 1
    ended = _EMAIL_END.search(text, start)
    end = ended.start() if ended else len(text)
    before = text[:start]
    if before.endswith(b"<"):
        before = before[:-1] + b" "
    name = _RUN.sub(b" ", before + text[end + 1 :]).strip(SPACES)
    if name.startswith(b"(") and name.endswith(b")"):
        name = name[1:-1]
    return name, text[start:end]


def _unquote(value: bytes) -> bytes:
    """Takes quotes away and keeps comments with their parentheses; in both, a backslash makes the next byte literal."""
    if not _QUOTING.search(value):
        return value
    out = bytearray()
    depth = 0
    quoted = False
    at = 0
    for found in _QUOTING.finditer(value):
        if found.start() < at:
            continue
        out += value[at : found.start()]
        mark, at = found[0], found.end()
        if mark == b"\\" and (quoted or depth):
            out += value[at : at + 1]
            at += 1
        elif mark == b'"' and not depth:
            quoted = not quoted
        else:
            out += mark
            if not quoted:
                depth = max(0, depth + (mark == b"(") - (mark == b")"))
    return bytes(out + value[at:])


def subject(value: bytes) -> bytes:
    """Cleans a decoded `Subject` value: leading `Re:`, colons and `[...]` go, white space runs become one space."""
    noise = _SUBJECT_NOISE.match(value)
    assert noise is not None
    return _RUN.sub(b" ", value[noise.end() :].strip(SPACES))


def numbers(value: bytes) -> Numbers:
    """Reads n/m from the bracketed text that a decoded `Subject` value begins with."""
    noise = _SUBJECT_NOISE.match(value)
    found = _NUMBERS.search(noise[0]) if noise else None
    return Numbers(int(found[1]), int(found[2])) if found else Numbers(0, 0)
