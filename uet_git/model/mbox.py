"""One input file -> its mails: what `git am` would detect and `git mailsplit` would cut."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from uet_git.model.pattern import late

MAX_HEADERS: Final = 64 * 1024
"""Bytes of header lines that are looked at; a mail with more is refused."""
SPACES: Final = b" \t\n\r"
"""What git calls white space; vertical tab and form feed are not."""

_BEGINNING: Final = 4096  # bytes, so that a long text is not copied to see that it is one


class Kind(StrEnum):
    """What an input is made of."""

    MBOX = "mbox"
    MAIL = "mail"
    HG = "hg"
    STGIT = "stgit"
    DIFF = "diff"


_YEAR: Final = late(rb"[ \t\r\v\f]*([+-]?[0-9]{1,18})")
_HEADERS: Final = late(
    rb"(?:From [^\n]*\n)?((?:[!-9;-~]++:[^\n]*+(?:\n[ \t][^\n]*+)*(?:\n|\Z))+)(?:\r?\n|\Z)"
)
_TELLING: Final = late(rb"(?mi)^(?:from|subject|date|message-id|received|return-path):")
_STGIT: Final = late(rb"[^\n]++\n\r?\n(?:From|Author|Date):")


def kind(data: bytes) -> Kind:
    """Says what an input is, by its first lines; text that is no mail is a bare diff, prose around it or not."""
    start = _first_text(data)
    if data.startswith(b"From ", start) and is_separator(data, start):
        return Kind.MBOX
    if data.startswith(b"# HG changeset patch", start):
        return Kind.HG
    if data.startswith(b"From: ", start):
        return Kind.MAIL
    if _STGIT.match(data, start) and not _TELLING.match(data, start):
        return Kind.STGIT
    found = _HEADERS.match(data, start, start + MAX_HEADERS)
    return Kind.MAIL if found and _TELLING.search(found[1]) else Kind.DIFF


def is_separator(data: bytes, at: int) -> bool:
    """Tells whether the `From ` line at offset `at` begins a mail: a time of day, then a year, end it."""
    end = data.find(b"\n", at) + 1 or len(data)
    if end - at < 20:
        return False
    colon = data.rfind(b":", at + 5, end - 2)
    if colon < 0:
        return False
    digits = (data[colon - 4], data[colon - 2], data[colon - 1], *data[colon + 1 : colon + 3])
    if not bytes(digits).isdigit():
        return False
    year = _YEAR.match(data, colon + 3, end)
    return year is not None and int(year[1]) > 90


def spans(data: bytes) -> list[tuple[int, int]]:
    """Gives the (start, end) offsets of an input's mails, in order; an input that is no mbox is one piece."""
    if not data[:_BEGINNING].strip(SPACES) and not data.strip(SPACES):
        return []
    if kind(data) is not Kind.MBOX:
        return [(0, len(data))]
    starts = [_first_text(data)]
    at = data.find(b"\nFrom ", starts[0])
    while at >= 0:
        if is_separator(data, at + 1):
            starts.append(at + 1)
        at = data.find(b"\nFrom ", at + 1)
    return list(zip(starts, [*starts[1:], len(data)], strict=True))


def split(data: bytes) -> Iterator[bytes]:
    """Yields an input's mails one at a time, each a copy, so that a large mbox is held once plus one mail."""
    for start, end in spans(data):
        yield data[start:end]


def _first_text(data: bytes) -> int:
    at = 0
    while data[at : at + 1] in (b" ", b"\t", b"\n", b"\r"):
        at += 1
    return at
