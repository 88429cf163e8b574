"""Rule: every mail is read into exactly its author, date, message and diff, or refused with a reason; nothing raises."""

import base64
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mails import CASES, DIFF, SEPARATOR, TAIL, Case, mail, mime, multipart
from uet_git.model import mail as mails
from uet_git.model import maildate
from uet_git.model.reasons import REASONS
from uet_git.model.records import Mail

BIG = 5_000_000


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_an_odd_mail_is_read_as_expected(case: Case) -> None:
    (piece,) = mails.split(case.mail)
    found = mails.read(piece)
    if case.refused:
        assert found.refused is not None
        assert found.refused.code == case.refused
        assert found.refused.code in REASONS
        return
    assert found.refused is None
    assert found.author == (case.name, case.email)
    assert found.date == case.date
    assert found.message == case.message
    if case.diff is not None:
        assert found.diff == case.diff
    else:
        assert b"@@ -0,0 +1 @@\n+foo\n" in found.diff


def test_the_diff_is_everything_from_the_dashes_on() -> None:
    assert mails.read(mail()).diff == TAIL


@pytest.mark.parametrize(
    ("subject", "part", "total", "is_cover"),
    [
        (b"[PATCH] x", 0, 0, False),
        (b"[PATCH 3/12] x", 3, 12, False),
        (b"Re: [RFC][PATCH v2 03/12] x", 3, 12, False),
        (b"[PATCH 0/2] x", 0, 2, True),
        (b"[PATCH] fix 1/2 of it", 0, 0, False),
        (b"[PATCH 99999999/1] x", 0, 0, False),
        (b"=?utf-8?q?=5BPATCH_1/2=5D?= x", 1, 2, False),
    ],
)
def test_numbers_of_a_series(subject: bytes, part: int, total: int, is_cover: bool) -> None:
    found = mails.read(mail(subject=subject))
    assert (found.part, found.total, found.is_cover) == (part, total, is_cover)


def test_a_cover_letter_has_no_diff_and_is_not_refused() -> None:
    found = mails.read(mail(subject=b"[PATCH 0/2] all", body=b"From: B <b@c>\n\nwords\n", tail=b""))
    assert found.refused is None
    assert (found.diff, found.message) == (b"", b"all\n\nwords\n")
    assert found.author == (b"A U Thor", b"a@example.com"), (
        "without a diff, headers in the body do not count"
    )


def test_subject_and_message_id() -> None:
    found = mails.read(mail(subject=b"[PATCH] a\n b", more=b"Message-ID: <1@x>\n"))
    assert (found.subject, found.message_id) == (b"a b", b"<1@x>")
    assert mails.read(mail(subject=b"", body=b"first\nline\n\nmore\n")).subject == b"first line"


BARE = [
    DIFF,
    b"\n\n" + DIFF,
    b"Here is the fix:\n\n" + DIFF,
    b"Note: it is short\n\n" + DIFF,
    b"```diff\n" + DIFF + b"```\n",
    b"Index: new.txt\n====\n" + DIFF,
    b"Only in a: x\n" + DIFF,
    b"From the docs team, with love\n\n" + DIFF,
    b"hello, this is not a patch\n",
    b"\0\xff",
]


@pytest.mark.parametrize("data", BARE)
def test_a_bare_diff_has_no_author_and_no_message(data: bytes) -> None:
    assert list(mails.split(data)) == [data]
    assert mails.read(data) == Mail(None, None, b"", b"", data, 0, 0, False, None)


@pytest.mark.parametrize("data", [b"", b"\n \r\n\t"])
def test_nothing_is_no_mail(data: bytes) -> None:
    assert list(mails.split(data)) == []


def test_an_mbox_is_split_at_its_separators_only() -> None:
    one = mail(body=b"body\nFrom here on: text\n>From 1 Mon Sep 17 00:00:00 2001\n")
    two = mail(subject=b"[PATCH 2/2] two").replace(
        SEPARATOR, b"From x@y  Tue Jul  4 23:59:59 2023 +0200\n"
    )
    assert list(mails.split(one + b"\n" + two)) == [one + b"\n", two]
    assert mails.spans(b"\n" + one + two) == [
        (1, len(one) + 1),
        (len(one) + 1, len(one) + len(two) + 1),
    ]


def test_a_mail_without_a_separator_is_one_piece() -> None:
    data = mail().removeprefix(SEPARATOR) + b"\n" + mail()
    assert list(mails.split(data)) == [data]


def test_a_coded_diff_is_decoded_byte_for_byte() -> None:
    diff = b"---\n" + DIFF.replace(b"+foo", b"+f\xe9=\r\r")
    coded = mail(
        more=mime(b"utf-8", b"base64"), body=base64.encodebytes(b"body\n" + diff), tail=b""
    )
    assert mails.read(coded).diff == diff
    wire = mail(
        more=mime(b"utf-8", b"quoted-printable"), body=b"body\n---\nf=C3=A9=\n =3D=0D\n", tail=b""
    )
    assert mails.read(wire).diff == b"---\nf\xc3\xa9 =\r\n"
    assert mails.read(wire.replace(b"\n", b"\r\n")).diff == b"---\nf\xc3\xa9 =\r\n"


@given(
    st.lists(st.sampled_from([b"=", b"\n", b"4", b"F", b"f", b"\r", b"x", b" "]), max_size=12).map(
        b"".join
    )
)
def test_quoted_printable_is_decoded_as_mailinfo_does(text: bytes) -> None:
    body = b"---\n" + text + b"\n.\n"
    lines = [line + b"\n" for line in body.split(b"\n")[:-1]]
    expected = bytearray()
    for line in lines:
        at = 0
        while at < len(line):
            pair = line[at + 1 : at + 3]
            if line[at] != 0x3D:
                expected.append(line[at])
            elif pair[:1] in (b"\n", b""):
                break
            elif len(pair) == 2 and not set(pair) - set(b"0123456789abcdefABCDEF"):
                expected.append(int(pair, 16))
                at += 2
            else:
                expected.append(line[at])
            at += 1
    found = mails.read(mail(more=mime(b"utf-8", b"quoted-printable"), body=body, tail=b""))
    assert found.diff == bytes(expected)


def test_parts_of_a_multipart_mail_end_with_their_lines() -> None:
    part = (
        b"Content-Type: text/x-patch\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(TAIL.rstrip(b"\n"))
    )
    found = mails.read(multipart(b"\nbody\n", part, b"\n____\nlist footer\n"))
    assert found.message == b"title\n\nbody\n"
    assert found.diff == TAIL + b"____\nlist footer\n"


def test_a_date_without_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert maildate.parse(b"Mon, 1 Jan 2024 10:20:30") == b"1704083730 +0545"
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


def test_every_day_of_the_calendar_is_counted_right() -> None:
    for stamp in range(0, 4_102_444_800, 86_400 * 17 + 3_661):
        text = time.strftime("%a, %d %b %Y %H:%M:%S", time.gmtime(stamp)).encode()
        assert maildate.parse(text + b" +0000") == b"%d +0000" % stamp
        assert maildate.parse(text + b" UTC") == b"%d +0000" % stamp


PIECES = [case.mail for case in CASES.values()]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_bytes_make_it_raise(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(PIECES) | st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=4)
            | st.sampled_from(
                [b"\n", b"=?", b"?=", b"\n--=-frontier", b"\0", b"\nFrom: x", b"=", b'"']
            )
        )
    for piece in mails.split(bytes(raw)):
        found = mails.read(piece)
        assert (found.refused is not None) or found.author is not None or found.diff == piece
        found.message.decode()
        assert b"\0" not in found.message


def _long(unit: bytes) -> bytes:
    return unit * (BIG // len(unit))


HOSTILE = {
    "words": mail(subject=_long(b"=?utf-8?q?a?= ")),
    "brackets": mail(subject=_long(b"[]")),
    "comments": mail(sender=_long(b"(") + b"a@b"),
    "fields": mail(more=_long(b"X: y\n")),
    "no end of fields": _long(b"a:\n b\n") + b"zzz",
    "folded": mail(body=b"Subject: " + _long(b"a\n ")),
    "date": mail(date=_long(b"Jan ")),
    "spaces": mail(body=b"x" + _long(b" ") + b"x\n"),
    "blank lines": mail(body=_long(b" \n")),
    "not utf-8": mail(body=_long(b"\xef\xbf\xbf")),
    "parts": mail(
        more=b"Content-Type: multipart/x; boundary=b\n", body=_long(b"--b\n\nx\n"), tail=b""
    ),
    "pictures": mail(
        more=b"Content-Type: x; boundary=b\n",
        body=_long(b"--b\nContent-Type: image/x\n\n"),
        tail=b"",
    ),
    "quoted": mail(more=mime(b"utf-8", b"quoted-printable"), body=_long(b"=41"), tail=b""),
    "padded": mail(more=mime(b"utf-8", b"base64"), body=_long(b"YQ==\n"), tail=b""),
    "flowed": mail(
        more=b"Content-Type: text/plain; format=flowed\n", body=_long(b"a \n"), tail=b""
    ),
    "long line": b"x" * BIG + b"\n\n",
    "many mails": _long(b"From a Mon Sep 17 00:00:00 2001\n"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_input_takes_bounded_work(data: bytes) -> None:
    began = time.process_time()
    for piece in mails.split(data):
        mails.read(piece)
    assert time.process_time() - began < 8, "seconds of CPU for 5 MB; all of it is linear"


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, uet_git.model.mail; print(*{'email', 'subprocess', 'datetime', 'calendar'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, check=True, cwd="."
    )
    assert done.stdout.split() == []
