"""Odd mails, each with what must be read from it: shared by the unit tests and by the comparison with `git am`."""

import base64
import quopri
from typing import NamedTuple

DIFF = (
    b"diff --git a/new.txt b/new.txt\nnew file mode 100644\nindex 0000000..257cc56\n"
    b"--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+foo\n"
)
TAIL = b"---\n new.txt | 1 +\n 1 file changed, 1 insertion(+)\n\n" + DIFF + b"-- \n2.39.5\n"
SEPARATOR = b"From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n"
DATE = b"Mon, 1 Jan 2024 10:20:30 +0100"
RAW_DATE = b"1704100830 +0100"


class Case(NamedTuple):
    """A mail and its reading. `refused` is a reason code; `git` says whether `git am --keep-cr` does the same."""

    mail: bytes
    name: bytes = b"A U Thor"
    email: bytes = b"a@example.com"
    date: bytes | None = RAW_DATE
    message: bytes = b"title\n\nbody\n"
    refused: str = ""
    git: bool = True
    diff: bytes | None = None


def mail(
    sender: bytes = b"A U Thor <a@example.com>",
    subject: bytes = b"[PATCH] title",
    date: bytes = DATE,
    body: bytes = b"body\n",
    more: bytes = b"",
    tail: bytes = TAIL,
) -> bytes:
    """A mail as format-patch writes it; `more` holds further header lines."""
    headers = b"From: %b\nDate: %b\nSubject: %b\n%b" % (sender, date, subject, more)
    return b"%b%b\n%b%b" % (SEPARATOR, headers, body, tail)


def mime(charset: bytes, encoding: bytes = b"8bit") -> bytes:
    """The header lines of a single-part text mail."""
    return (
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=%b\nContent-Transfer-Encoding: %b\n"
        % (charset, encoding)
    )


def quoted(text: bytes) -> bytes:
    """Text as quoted-printable."""
    return quopri.encodestring(text)


def multipart(*parts: bytes, boundary: bytes = b"=-frontier") -> bytes:
    """A multipart/mixed mail of the given parts (their headers, a blank line, their text)."""
    head = mail(
        more=b'Content-Type: multipart/mixed; boundary="%b"\n' % boundary, body=b"", tail=b""
    )
    inner = b"".join(b"--%b\n%b" % (boundary, part) for part in parts)
    return b"%bpreamble\n%b--%b--\nepilogue\n" % (head, inner, boundary)


_CODED = b"title\n\nCaf\xc3\xa9\n"
_LATIN = "Café\n".encode("latin-1")

CASES: dict[str, Case] = {
    "plain": Case(mail()),
    # the author
    "quoted name": Case(mail(b'"U Thor, A." <a@example.com>'), name=b"U Thor, A"),
    "quoted with escapes": Case(mail(rb'"A \"Q\" U" <a@example.com>'), name=b'A "Q" U'),
    "comment after": Case(mail(b"A U Thor <a@example.com> (at work)"), name=b"A U Thor (at work)"),
    "comment inside": Case(mail(b"A (zzz) Thor <a@example.com>"), name=b"A (zzz) Thor"),
    "comment is the name": Case(mail(b"a@example.com (A U Thor)")),
    "nested comment": Case(mail(b"a@example.com (A (U) Thor)"), name=b"A (U) Thor"),
    "bare address": Case(mail(b"a@example.com"), name=b"a@example.com"),
    "only an address in brackets": Case(mail(b"<a@example.com>"), name=b"a@example.com"),
    "login without a host": Case(mail(b"A U Thor <athor>"), email=b"athor"),
    "name with an at sign": Case(mail(b'"A @ B" <a@example.com>'), name=b"@", email=b"@"),
    "very long name": Case(mail(b"x" * 61 + b" <a@example.com>"), name=b"a@example.com"),
    "crud around the name": Case(mail(b" .,A U Thor;: <a@example.com>")),
    "crud in the address": Case(mail(b"A U Thor <.a@example.com.>")),
    "spaces in the name": Case(mail(b"A  U \t Thor <a@example.com>")),
    "folded": Case(mail(b"A U\n Thor\n\t<a@example.com>")),
    "q word": Case(mail(b"=?UTF-8?q?A=20U_Th=C3=B6r?= <a@example.com>"), name="A U Thör".encode()),
    "b word": Case(
        mail(b"=?utf-8?B?" + base64.b64encode("Ä Ü".encode()) + b"?= <a@example.com>"),
        name="Ä Ü".encode(),
    ),
    "latin-1 word": Case(mail(b"=?iso-8859-1?Q?J=F6rg?= <a@example.com>"), name="Jörg".encode()),
    "koi8-r word": Case(mail(b"=?koi8-r?B?4MzJyg==?= <a@example.com>"), name="Юлий".encode()),
    "joined words": Case(
        mail(b"=?utf-8?q?J=C3=B6?= =?utf-8?q?rg?= x <a@example.com>"), name="Jörg x".encode()
    ),
    "word after text": Case(mail(b"Jo =?utf-8?q?=C3=B6?= <a@example.com>"), name="Jo ö".encode()),
    "quoted word": Case(mail(b'"=?utf-8?q?J=C3=B6rg?=" <a@example.com>'), name="Jörg".encode()),
    "raw utf-8": Case(mail("Jörg <a@example.com>".encode()), name="Jörg".encode()),
    "raw latin-1": Case(mail("Jörg <a@example.com>".encode("latin-1")), name="Jörg".encode()),
    "nobody": Case(mail(b""), refused="parse.mail_author"),
    "only crud": Case(mail(b'"..." <a@example.com>'), refused="parse.mail_author"),
    "no address, no name": Case(mail(b"somebody"), refused="parse.mail_author"),
    "no From": Case(
        SEPARATOR + b"Subject: x\nDate: " + DATE + b"\n\nbody\n" + TAIL, refused="parse.mail_author"
    ),
    "the last From counts": Case(
        mail(more=b"From: B <b@example.com>\n"), name=b"B", email=b"b@example.com"
    ),
    "other case": Case(mail().replace(b"\nFrom:", b"\nFROM:").replace(b"Subject", b"subject")),
    "malformed word": Case(mail(b"=?utf-8?q <a@example.com>"), refused="parse.mail"),
    "unknown word charset": Case(mail(b"=?no-such?q?x?= <a@example.com>"), refused="parse.charset"),
    # the subject
    "re": Case(mail(subject=b"Re: [PATCH v2 03/12] [RFC][x] re: title")),
    "prefix after text": Case(mail(subject=b"title [PATCH]"), message=b"title [PATCH]\n\nbody\n"),
    "brackets with a slash": Case(mail(subject=b"[PATCH] [foo/bar] title")),
    "unclosed bracket": Case(mail(subject=b"[PATCH title"), message=b"[PATCH title\n\nbody\n"),
    "colons": Case(mail(subject=b": :: title")),
    "just re": Case(mail(subject=b"Re:"), message=b"Re:\n\nbody\n"),
    "folded subject": Case(mail(subject=b"[PATCH] a\n long\n\tt"), message=b"a long t\n\nbody\n"),
    "spaces": Case(mail(subject=b"[PATCH]   a   b\t c  "), message=b"a b c\n\nbody\n"),
    "encoded brackets": Case(
        mail(subject=b"=?UTF-8?q?=5BPATCH=5D_t=C3=AFt?="), message="tït\n\nbody\n".encode()
    ),
    "split encoded word": Case(
        mail(subject=b"[PATCH] =?UTF-8?q?one=20?=\n =?UTF-8?q?two?="), message=b"one two\n\nbody\n"
    ),
    "no subject": Case(mail().replace(b"Subject: [PATCH] title\n", b""), message=b"body\n"),
    "empty subject, no body": Case(mail(subject=b"[PATCH 1/2]", body=b"\n"), message=b""),
    "nothing to say": Case(
        mail(body=b"\n").replace(b"Subject: [PATCH] title\n", b""),
        refused="parse.no_message",
        git=False,
    ),
    "stray word in subject": Case(mail(subject=b"[PATCH] why =? breaks"), refused="parse.mail"),
    "encoded NUL": Case(mail(subject=b"=?utf-8?q?a=00b?="), refused="parse.mail"),
    # the date
    "no weekday": Case(mail(date=b"1 Jan 2024 10:20:30 +0100")),
    "two-digit year": Case(mail(date=b"Mon, 1 Jan 24 10:20:30 +0100"), refused="parse.mail_date"),
    "old two-digit year": Case(mail(date=b"Fri, 1 Jan 99 10:20:30 +0100"), date=b"915182430 +0100"),
    "iso": Case(mail(date=b"2024-01-01 10:20:30 +0100")),
    "iso T": Case(mail(date=b"2024-01-01T10:20:30+01:00")),
    "iso Z": Case(mail(date=b"2024-01-01T09:20:30Z"), date=b"1704100830 +0000"),
    "fraction": Case(mail(date=b"2024-01-01T10:20:30.123456+01:00")),
    "compact": Case(mail(date=b"20240101T102030+0100")),
    "compact, minus zone": Case(mail(date=b"20240101T102030-0130"), date=b"1704109830 -0130"),
    "raw": Case(mail(date=b"@1704100830 +0100")),
    "epoch": Case(mail(date=b"1704100830 +0100")),
    "epoch and more": Case(mail(date=b"1704100830 Feb"), refused="parse.mail_date", git=False),
    "far away": Case(mail(date=b"312024202420240102"), refused="parse.mail_date"),
    "zone name": Case(mail(date=b"Mon, 1 Jan 2024 10:20:30 CET")),
    "zone name and offset": Case(mail(date=b"Mon, 1 Jan 2024 10:20:30 +0100 (CET)")),
    "summer time": Case(mail(date=b"1 Jul 2024 10:20:30 PDT"), date=b"1719854430 -0700"),
    "half-hour zone": Case(mail(date=b"Mon, 1 Jan 2024 10:20:30 +0530"), date=b"1704084630 +0530"),
    "no zone": Case(mail(date=b"Mon, 1 Jan 2024 10:20:30"), date=b"1704104430 +0000"),
    "pm": Case(mail(date=b"Jan 1 2024 10:20:30 PM +0100"), date=b"1704144030 +0100"),
    "ctime": Case(mail(date=b"Mon Jan  1 10:20:30 2024 +0100")),
    "dotted": Case(mail(date=b"1.2.2024 10:20:30 +0100"), date=b"1706779230 +0100"),
    "slashed": Case(mail(date=b"1/2/2024 10:20:30 +0100"), date=b"1704187230 +0100"),
    "leap second": Case(mail(date=b"Mon, 1 Jan 2024 10:20:60 +0100"), date=b"1704100860 +0100"),
    "beginning of time": Case(mail(date=b"Thu, 1 Jan 1970 00:00:00 +0000"), date=b"0 +0000"),
    "folded date": Case(mail(date=b"Mon, 1 Jan 2024\n 10:20:30 +0100")),
    "no date": Case(mail().replace(b"Date: " + DATE + b"\n", b""), date=None, git=False),
    "words": Case(mail(date=b"yesterday"), refused="parse.mail_date"),
    "no time": Case(mail(date=b"Mon, 1 Jan 2024"), refused="parse.mail_date"),
    "before time": Case(mail(date=b"Wed, 31 Dec 1969 10:00:00 +0000"), refused="parse.mail_date"),
    "after time": Case(mail(date=b"Fri, 1 Jan 2100 10:00:00 +0000"), refused="parse.mail_date"),
    "month 13": Case(mail(date=b"2024-13-32 10:00:00 +0000"), refused="parse.mail_date"),
    "hour 25": Case(
        mail(date=b"Mon, 1 Jan 2024 25:00:00 +0000"), refused="parse.mail_date", git=False
    ),
    "zone 2500": Case(
        mail(date=b"Mon, 1 Jan 2024 10:20:30 +2500"), refused="parse.mail_date", git=False
    ),
    # where the message ends
    "no dashes": Case(mail(tail=b"\n" + DIFF)),
    "dashes and spaces": Case(mail(tail=TAIL.replace(b"---\n", b"---  \t\n", 1))),
    "dashes and text": Case(
        mail(body=b"body\n\n---more\n----\n"), message=b"title\n\nbody\n\n---more\n----\n"
    ),
    "cvs index": Case(mail(tail=b"Index: new.txt\n=====\n" + DIFF)),
    "indented diff is text": Case(
        mail(body=b"body\n diff --git a b\n"), message=b"title\n\nbody\n diff --git a b\n"
    ),
    "first dashes count": Case(mail(body=b"body\n---\nnot in the message\n")),
    "white space": Case(
        mail(body=b"\n\n\nbody  \t\n\n\n\n more\n\n\n"), message=b"title\n\nbody\n\n more\n"
    ),
    "scissors stay": Case(
        mail(body=b"before\n-- >8 --\nafter\n"), message=b"title\n\nbefore\n-- >8 --\nafter\n"
    ),
    "no body": Case(mail(body=b""), message=b"title\n"),
    "quoted From line": Case(
        mail(body=b"body\n>From here\n"), message=b"title\n\nbody\n>From here\n"
    ),
    "NUL in the body": Case(mail(body=b"bo\0dy\n"), refused="parse.mail"),
    # headers in the body
    "in-body From": Case(
        mail(body=b"From: B <b@example.com>\n\nbody\n"), name=b"B", email=b"b@example.com"
    ),
    "in-body all": Case(
        mail(
            body=b"\nfrom: B <b@example.com>\nSUBJECT: [x] other\nDate: 2024-01-01 00:00 +0000\n\nbody\n"
        ),
        name=b"B",
        email=b"b@example.com",
        date=b"1704067200 +0000",
        message=b"other\n\nbody\n",
    ),
    "in-body folded": Case(mail(body=b"Subject: a\n  b\n c\n\nbody\n"), message=b"a b c\n\nbody\n"),
    "in-body word": Case(
        mail(body=b"From: =?utf-8?q?J=C3=B6?= <b@c>\n\nbody\n"), name="Jö".encode(), email=b"b@c"
    ),
    "in-body PATCH": Case(mail(body=b"[PATCH] other\n\nbody\n"), message=b"other\n\nbody\n"),
    "in-body separator": Case(
        mail(body=b">" + SEPARATOR + b"From: B <b@c>\n\nbody\n"), name=b"B", email=b"b@c"
    ),
    "in-body without blank": Case(mail(body=b"From: B <b@c>\nbody\n"), name=b"B", email=b"b@c"),
    "in-body twice": Case(
        mail(body=b"From: B <b@c>\nFrom: C <c@d>\n\nbody\n"),
        name=b"B",
        email=b"b@c",
        message=b"title\n\nFrom: C <c@d>\n\nbody\n",
    ),
    "in-body too late": Case(
        mail(body=b"x\n\nFrom: B <b@c>\n"), message=b"title\n\nx\n\nFrom: B <b@c>\n"
    ),
    "in-body second paragraph": Case(
        mail(body=b"From: B <b@c>\n\nDate: 2024-01-01\n"),
        name=b"B",
        email=b"b@c",
        message=b"title\n\nDate: 2024-01-01\n",
    ),
    "in-body other header": Case(mail(body=b"Cc: B <b@c>\n"), message=b"title\n\nCc: B <b@c>\n"),
    "in-body at the end": Case(
        mail(body=b"From: B <b@c>\n"), name=b"B", email=b"b@c", message=b"title\n"
    ),
    # charsets and transfer encodings
    "utf-8": Case(
        mail(body=_LATIN.decode("latin-1").encode(), more=mime(b"UTF-8")), message=_CODED
    ),
    "latin-1": Case(mail(body=_LATIN, more=mime(b"iso-8859-1")), message=_CODED),
    "undeclared utf-8": Case(mail(body="Café\n".encode()), message=_CODED),
    "undeclared latin-1": Case(mail(body=_LATIN), message=_CODED),
    "mixed": Case(
        mail(body=b"\xc3\xa9 \xe9 \xed\xa0\x80\n"), message="title\n\né é í\xa0\x80\n".encode()
    ),
    "noncharacter": Case(mail(body=b"\xef\xbf\xbf\n"), message="title\n\nï¿¿\n".encode()),
    "quoted charset": Case(mail(body=_LATIN, more=mime(b'"ISO-8859-1"')), message=_CODED),
    "windows": Case(
        mail(body=b"\x93x\x94\n", more=mime(b"windows-1252")), message="title\n\n“x”\n".encode()
    ),
    "koi8-r": Case(
        mail(body=b"\xe0\xcc\xc9\xca\n", more=mime(b"KOI8-R")), message="title\n\nЮлий\n".encode()
    ),
    "iso-2022-jp": Case(
        mail(body="日本\n".encode("iso2022_jp"), more=mime(b"iso-2022-jp", b"7bit")),
        message="title\n\n日本\n".encode(),
    ),
    "wrong charset": Case(mail(body=_LATIN, more=mime(b"us-ascii")), refused="parse.charset"),
    "unknown charset": Case(mail(more=mime(b"x-unknown")), refused="parse.charset"),
    "quoted-printable": Case(
        mail(
            more=mime(b"utf-8", b"quoted-printable"),
            body=quoted("Café\n".encode() + TAIL),
            tail=b"",
        ),
        message=_CODED,
    ),
    "soft line breaks": Case(
        mail(
            more=mime(b"utf-8", b"Quoted-Printable"),
            body=b"Caf=C3=\n=A9\n" + quoted(TAIL),
            tail=b"",
        ),
        message=_CODED,
    ),
    "base64": Case(
        mail(
            more=mime(b"iso-8859-1", b"base64"),
            body=base64.encodebytes(_LATIN + TAIL),
            tail=b"",
        ),
        message=_CODED,
    ),
    "damaged base64": Case(
        mail(
            more=mime(b"utf-8", b"base64"),
            body=base64.encodebytes(b"body\n" + TAIL) + b"*\n",
            tail=b"",
        ),
        refused="parse.mail",
        git=False,
    ),
    "html": Case(mail(more=b"Content-Type: text/html\n"), refused="parse.mail", git=False),
    "flowed": Case(
        mail(
            more=b"Content-Type: text/plain; format=flowed\n",
            body=b"body that \ngoes on\n  stuffed\n",
            tail=TAIL.replace(b"\n ", b"\n  "),
        ),
        message=b"title\n\nbody that goes on\n stuffed\n",
    ),
    "flowed, delsp": Case(
        mail(
            more=b"Content-Type: text/plain; delsp=yes; format=flowed\n",
            body=b"bo \ndy\n",
            tail=b"---\n" + DIFF,
        )
    ),
    "flowed diff": Case(
        mail(
            more=b"Content-Type: text/plain; format=flowed\n", tail=TAIL.replace(b"+foo", b"+foo ")
        ),
        refused="parse.mail",
        git=False,
    ),
    # multipart
    "patch attached": Case(
        multipart(
            b"Content-Type: text/plain\n\nbody\n",
            b"Content-Type: text/x-patch; name=x.patch\n\n" + DIFF,
        )
    ),
    "patch attached, coded": Case(
        multipart(
            b"Content-Type: text/plain; charset=iso-8859-1\n\n" + _LATIN,
            b"Content-Type: text/x-patch\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(TAIL),
        ),
        message=_CODED,
    ),
    "nested": Case(
        multipart(
            b'Content-Type: multipart/alternative; boundary="in"\n\n--in\nContent-Type: text/plain\n\nbody\n--in--\n\n',
            b"Content-Type: text/x-patch\n\n" + DIFF,
        ),
        git=False,
    ),
    "with HTML": Case(
        multipart(
            b"Content-Type: text/plain\n\nbody\n",
            b"Content-Type: text/html\n\n<p>body</p>\n",
            b"Content-Type: text/x-patch\n\n" + DIFF,
        ),
        git=False,
    ),
    "only HTML": Case(
        multipart(b"Content-Type: text/html\n\n<p>body</p>\n"), refused="parse.mail", git=False
    ),
    "no such boundary": Case(
        mail(more=b"Content-Type: multipart/mixed; boundary=gone\n"),
        refused="parse.mail",
        git=False,
    ),
    # the shape of the file
    "no separator": Case(mail().removeprefix(SEPARATOR)),
    "other headers first": Case(
        b"Received: from x\n\tby y\nMessage-Id: <1@x>\n" + mail().removeprefix(SEPARATOR)
    ),
    "blank lines first": Case(b"\n\n" + mail()),
    "real mailer's separator": Case(
        b"From a@example.com Mon Jan  1 10:20:30 2024\n" + mail().removeprefix(SEPARATOR)
    ),
    "wire line ends": Case(
        mail(tail=b"---\n").replace(b"\n", b"\r\n") + DIFF.replace(b"+foo\n", b"+foo\r\n"),
        diff=b"---\r\n" + DIFF.replace(b"+foo\n", b"+foo\r\n"),
    ),
    "CRs in the diff stay": Case(
        mail(tail=b"---\n" + DIFF.replace(b"+foo\n", b"+foo\r\n")),
        diff=b"---\n" + DIFF.replace(b"+foo\n", b"+foo\r\n"),
    ),
    "hg": Case(
        b"# HG changeset patch\n# User A U Thor <a@example.com>\n# Date 1704100830 -3600\n"
        b"#      Mon Jan 01 10:20:30 2024 +0100\n# Node ID 0123\n# Parent  4567\ntitle\n\nbody\n\n"
        + DIFF
    ),
    "stgit": Case(
        b"title\n\nFrom: A U Thor <a@example.com>\nDate: " + DATE + b"\n\nbody\n---\n" + DIFF
    ),
}
