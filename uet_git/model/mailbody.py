"""The body of a mail as text: MIME parts, transfer encodings and format=flowed undone; every other byte kept."""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from typing import Final

from uet_git.model.charset import UnreadableError
from uet_git.model.mailheaders import Fields, decode, read_fields
from uet_git.model.mbox import SPACES
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

BREAK: Final = late(rb"\n(?:diff -|Index: |---(?: (?:[^ \t\n\r]|\Z)|[ \t\r]*\n))")
"""The line end before which a message ends: a diff or a line of three dashes follows."""

_DIFF: Final = late(rb"\n(?:diff -|Index: |--- [^ \t\n\r])")
_LINE: Final = late(rb"[^\n]*\n|[^\n]+")
_MAX_DEPTH: Final = 5
_MAX_PARTS: Final = 100
_QP: Final = late(rb"=(\n|\Z|[0-9A-Fa-f]{2})")
_BASE64_LINE: Final = late(rb"[A-Za-z0-9+/]*={0,2}")
_SKIPPED: Final = late(
    rb"(?:text/html|image/|audio/|video/|application/(?:pgp|pkcs7|x-pkcs7)-signature)",
    re.IGNORECASE,
)
"""Parts of a multipart mail that are no text of its author: git would paste them into the message."""


class Part(NamedTuple):
    """One part's text: `data` from `start` (behind a newline) to `end`, and its charset (empty: not declared)."""

    data: bytes
    start: int
    end: int
    charset: bytes


class _Type(NamedTuple):
    media: bytes
    boundary: bytes
    charset: bytes
    flowed: bool
    delsp: bool  # the space before a soft line break is not part of the text


_PLAIN: Final = _Type(b"", b"", b"", flowed=False, delsp=False)


def parts(data: bytes, start: int, fields: Fields) -> list[Part]:
    """Gives the text parts of the mail whose body begins at `start`, in order. Raises: UnreadableError."""
    kind = _content_type(fields)
    if kind.boundary:
        return _multipart(data, start, kind)
    if kind.media.startswith(b"text/html"):
        raise UnreadableError("parse.mail", "the mail is HTML, not plain text")
    return [_part(data, start, len(data), fields, kind)]


def _content_type(fields: Fields) -> _Type:
    raw = fields.get(b"content-type")
    if raw is None:
        return _PLAIN
    value = decode(raw, "Content-Type")
    boundary = _attribute(value, b"boundary=")
    return _Type(
        value.lower(),
        b"--" + boundary if boundary else b"",
        _attribute(value, b"charset="),
        flowed=_attribute(value, b"format=").lower() == b"flowed",
        delsp=_attribute(value, b"delsp=").lower() == b"yes",
    )


def _attribute(value: bytes, name: bytes) -> bytes:
    at = value.lower().find(name)
    if at < 0:
        return b""
    rest = value[at + len(name) :]
    if rest.startswith(b'"'):
        return rest[1:].partition(b'"')[0]
    return re.split(rb"[; \t]", rest, maxsplit=1)[0]


def _part(data: bytes, start: int, end: int, fields: Fields, kind: _Type) -> Part:
    encoding = decode(
        fields.get(b"content-transfer-encoding", b""), "Content-Transfer-Encoding"
    ).lower()
    if b"base64" in encoding:
        text = b"\n" + _from_base64(data[start:end])
    elif b"quoted-printable" in encoding:
        text = b"\n" + _from_quoted_printable(
            data[start:end], wire=data.find(b"\r\n", 0, start) >= 0
        )
    else:
        if not kind.flowed:
            return Part(data, start, end, kind.charset)
        text = data[start - 1 : end]
    if kind.flowed:
        text = _unflowed(text, 1 if kind.delsp else 0)
    return Part(text, 1, len(text), kind.charset)


def _unflowed(text: bytes, drop: int) -> bytes:
    """Undoes format=flowed (RFC 3676): stuffed spaces go, soft-broken lines are joined. Raises: UnreadableError.

    A diff whose lines end in a space cannot be told from one that was broken on the way: it is refused.
    """
    out = bytearray(b"\n")
    last_soft = -1
    for found in _LINE.finditer(text, 1):
        raw = found[0]
        if raw.rstrip(b"\r\n") == b"-- ":
            out += raw
            continue
        line = raw.removeprefix(b" ")
        bare = line.rstrip(b"\r\n")
        if bare.endswith(b" "):
            last_soft = len(out)
            out += bare[: len(bare) - drop]
        else:
            out += line
    diff = _DIFF.search(out)
    if diff and diff.start() < last_soft:
        raise UnreadableError("parse.mail", "format=flowed joined lines of the diff")
    return bytes(out)


def _from_quoted_printable(text: bytes, *, wire: bool) -> bytes:
    """`wire`: the mail was saved with CRLF line ends, which belong to the transport; an encoded CR is `=0D`."""
    if wire:
        text = text.replace(b"\r\n", b"\n")
    if b"==" not in text and b"=\r" not in text:
        return a2b_qp(text)
    return _QP.sub(lambda m: bytes((int(m[1], 16),)) if len(m[1]) == 2 else b"", text)


def _from_base64(text: bytes) -> bytes:
    """Decodes lines as one stream; where a line is padded, each by itself. Raises: UnreadableError."""
    lines = [line for line in (raw.strip(SPACES) for raw in text.split(b"\n")) if line]
    if any(b"=" in line for line in lines[:-1]):
        return b"".join([_base64_run(line) for line in lines])
    return _base64_run(b"".join(lines))


def _base64_run(run: bytes) -> bytes:
    if len(run) % 4 or not _BASE64_LINE.fullmatch(run):
        raise UnreadableError("parse.mail", "the base64 of the body is damaged")
    try:
        return a2b_base64(run)
    except Base64Error as exc:
        raise UnreadableError("parse.mail", "the base64 of the body is damaged") from exc


def _multipart(data: bytes, start: int, kind: _Type) -> list[Part]:
    """Walks the lines that begin with the open boundary; nested multiparts open and close their own."""
    found: list[Part] = []
    boundaries = [kind.boundary]
    seen = 0
    at = _next_boundary(data, start, kind.boundary)
    while at < len(data) and boundaries:
        seen += 1
        if seen > _MAX_PARTS or len(boundaries) > _MAX_DEPTH:
            raise UnreadableError("parse.mail", "it has too many parts")
        body = data.find(b"\n", at) + 1 or len(data)
        if data.startswith(b"--", at + len(boundaries[-1])):
            boundaries.pop()
        else:
            fields, body = read_fields(data, body)
            inner = _content_type(fields)
            if inner.boundary:
                boundaries.append(inner.boundary)
            elif not _SKIPPED.match(inner.media):
                end = _next_boundary(data, body, boundaries[-1])
                found.append(_part(data, body, end, fields, inner))
        at = _next_boundary(data, body, boundaries[-1]) if boundaries else len(data)
    if not found:
        raise UnreadableError("parse.mail", "none of its parts is plain text")
    return found


def _next_boundary(data: bytes, at: int, boundary: bytes) -> int:
    """The offset of the next line that begins with `boundary`; the end of data if there is none."""
    if data.startswith(boundary, at):
        return at
    found = data.find(b"\n" + boundary, max(at - 1, 0))
    return found + 1 if found >= 0 else len(data)
