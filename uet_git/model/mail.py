"""bytes -> author, date, message, diff: what `git am --keep-cr` would commit, or a refusal; never an exception."""

from typing import Final

from uet_git.model import mailheaders, message
from uet_git.model.charset import UnreadableError, to_utf8, valid_utf8
from uet_git.model.inbody import InBody
from uet_git.model.mailbody import BREAK, Part, parts
from uet_git.model.maildate import parse as parse_date
from uet_git.model.mailheaders import Fields
from uet_git.model.mbox import SPACES, Kind, kind, spans, split
from uet_git.model.records import Finding, Mail

__all__ = ["Kind", "kind", "read", "spans", "split"]

_MAX_MESSAGE: Final = 1024 * 1024  # bytes


def read(piece: bytes) -> Mail:
    """Reads one piece of `split`: a mail, or a bare diff (author None, empty message, all bytes its diff).

    What cannot be taken gives a Mail whose `refused` says why (parse.mail, parse.mail_date, parse.mail_author,
    parse.charset, parse.no_message). `date` is None where the mail has none: the caller's now, as in git.
    """
    what = kind(piece)
    if what is Kind.DIFF:
        return Mail(None, None, b"", b"", piece, 0, 0, False, None)
    try:
        return _read_mail(_plain(piece, what))
    except UnreadableError as exc:
        finding = Finding(exc.code, exc.detail)
        return Mail(None, None, b"", b"", b"", 0, 0, False, None, finding)


def _plain(piece: bytes, what: Kind) -> bytes:
    """A piece of another tool as a mail. Raises: UnreadableError."""
    if what not in (Kind.HG, Kind.STGIT):
        return piece
    from uet_git.model import foreign

    return foreign.from_hg(piece.lstrip(SPACES)) if what is Kind.HG else foreign.from_stgit(piece)


def _read_mail(piece: bytes) -> Mail:
    start = len(piece) - len(piece.lstrip(SPACES))
    fields, body = mailheaders.read_fields(piece, start)
    inner, text, diff = _cut(parts(piece, body, fields))
    chosen = {**fields, **inner.fields} if diff else fields
    who = mailheaders.author(_header(chosen, b"from"))
    raw_subject = _header(chosen, b"subject")
    subject = mailheaders.subject(raw_subject)
    whole = message.clean(subject + b"\n\n" + text)
    if b"\0" in whole:
        raise UnreadableError("parse.mail", "the message contains a NUL byte")
    if not whole and b"subject" not in chosen:
        raise UnreadableError("parse.no_message", "")
    part, total = mailheaders.numbers(_header(fields, b"subject") or raw_subject)
    message_id = fields.get(b"message-id")
    return Mail(
        (valid_utf8(who[0]), valid_utf8(who[1])),
        _date(_header(chosen, b"date")),
        valid_utf8(whole),
        valid_utf8(subject) or message.title(valid_utf8(whole)),
        diff,
        part,
        total,
        total > 0 and part == 0,
        message_id,
    )


def _header(fields: Fields, name: bytes) -> bytes:
    value = fields.get(name, b"")
    if b"=?" in value:
        value = mailheaders.decode(value, name.decode().title())
    if b"\0" in value:
        raise UnreadableError(
            "parse.mail", f"the {name.decode().title()} header contains a NUL byte"
        )
    return value


def _date(value: bytes) -> bytes | None:
    if not value:
        return None
    stamp = parse_date(value)
    if stamp is None:
        raise UnreadableError("parse.mail_date", value[:80].decode("utf-8", "backslashreplace"))
    return stamp


def _cut(found: list[Part]) -> tuple[InBody, bytes, bytes]:
    """Cuts the parts at the message's end; gives the headers from the body, the message in UTF-8 and the diff."""
    inner = InBody()
    texts: list[bytes] = []
    for number, part in enumerate(found):
        broken = BREAK.search(part.data, part.start - 1, part.end)
        end = broken.start() + 1 if broken else part.end
        if end - part.start > _MAX_MESSAGE:
            raise UnreadableError("parse.mail", "the message is longer than 1 MB")
        start = inner.skip(part.data, part.start, end)
        texts.append(to_utf8(part.data[start:end], part.charset))
        if broken:
            inner.end()
            rest = [
                part.data[end : part.end],
                *[p.data[p.start : p.end] for p in found[number + 1 :]],
            ]
            return inner, b"".join(texts), _joined(rest)
        if not texts[-1].endswith(b"\n"):
            texts.append(b"\n")
    inner.end()
    return inner, b"".join(texts), b""


def _joined(texts: list[bytes]) -> bytes:
    if len(texts) == 1:
        return texts[0]
    return b"".join([t if t.endswith(b"\n") or not t else t + b"\n" for t in texts])
