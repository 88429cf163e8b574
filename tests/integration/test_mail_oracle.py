"""Rule: author, date and message are those that `git am --keep-cr` commits; what it refuses is refused here too."""

import gzip
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.builders import commit_files, git, make_repo
from tests.mails import CASES, DIFF, Case, mail
from uet_git.model import mail as mails
from uet_git.model.maildate import parse as parse_date


class Commit(NamedTuple):
    """What `git am` made of a mail."""

    author: bytes
    date: bytes
    message: bytes


def am(repo: Path, raw: bytes) -> Commit | None:
    """Feeds one mail to `git am --keep-cr` and takes the commit back again; None if it refuses."""
    (repo / "mail").write_bytes(raw)
    done = subprocess.run(
        ["git", "-C", str(repo), "am", "-q", "--keep-cr", "mail"], capture_output=True, check=False
    )
    if done.returncode:
        subprocess.run(["git", "-C", str(repo), "am", "--abort"], capture_output=True, check=False)
        return None
    content = git(repo, "cat-file", "commit", "HEAD")
    git(repo, "reset", "-q", "--hard", "HEAD~")
    head, _, message = content.partition(b"\n\n")
    line = next(line for line in head.split(b"\n") if line.startswith(b"author "))
    who, _, when = line.removeprefix(b"author ").rpartition(b"> ")
    return Commit(who + b">", when, message)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_repo(tmp_path_factory.mktemp("am") / "repo")
    git(folder, "config", "user.name", "C O Mitter")
    git(folder, "config", "user.email", "committer@example.com")
    commit_files(folder, {"base.txt": b"base\n"}, "base")
    return folder


def ours(raw: bytes) -> Commit | None:
    (piece,) = mails.split(raw)
    found = mails.read(piece)
    if found.refused or found.author is None:
        return None
    return Commit(b"%b <%b>" % found.author, found.date or b"", found.message)


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.git], ids=[n for n, c in CASES.items() if c.git]
)
def test_an_odd_mail_becomes_the_commit_that_git_makes(repo: Path, case: Case) -> None:
    assert ours(case.mail) == am(repo, case.mail)


def made_of(*pieces: bytes, most: int = 8) -> st.SearchStrategy[bytes]:
    """Texts strung together from pieces."""
    return st.lists(st.sampled_from(pieces), max_size=most).map(b"".join)


WORDS = (
    b"=?utf-8?q?J=C3=B6=5F_x?=",
    b"=?iso-8859-1?B?6Q==?=",
    b"=?UTF-8?Q?=5Bx=5D_?=",
    b"=?x?q?",
    b"=?",
    b"?=",
)
PLAIN = (b"A", b"b c", b" ", b"  ", b"\t", b"\n ", b".", b",", b":", b"\xc3\xa9", b"\xe9", b"\x0b")
SENDERS = made_of(
    *PLAIN, *WORDS, b"a@b.c", b"<a@b.c>", b"<x>", b"<", b">", b"@", b'"q, r"', b'"\\"@"', b"(c)", b"(c (d) e)", b")", b"\\",
    b"x" * 30,
)  # fmt: skip
SUBJECTS = made_of(*PLAIN, *WORDS, b"Re:", b"rE: ", b"[PATCH 1/2]", b"[", b"]", b"title", b"re")
LINES = made_of(
    b"\n", b"\n", b"text\n", b" folded\n", b"From: x <y@z>\n", b"subject: [x] s\n", b"Date: 2020-01-01 10:00 +0100\n",
    b"[PATCH] y\n", b">From x\n", b"--- a\n", b"---\n", b"--- \t\n", b"---a\n", b"--\n", b"diff -u\n", b"diff x\n",
    b"Index: \n", b"\xe9\n", b"\xc3\xa9 \t\n", b"-- >8 --\n", b"\r\n", b"a\r\n", b"\x0c\n", b"From: =?utf-8?q?=C3=A9?= <y@z>\n",
    b"\xf0\x9f\xbf\xbe\n", b"#c\n", b"Subject:\n", b"-- \n", b"\t\n",
    most=10,
)  # fmt: skip
DATES = made_of(
    b"Mon", b", ", b" ", b"1", b"31", b"Jan", b"December", b"2024", b"99", b"07", b"10:20:30", b"10:20", b"+0100",
    b"-0230", b"+01:00", b"CET", b"PDT", b"Z", b"T", b"PM", b"2024-02-03", b"2024/02/30", b"3.4.2021", b"3/14/2021",
    b"20240102", b"T102030", b".5", b"1700000000", b"@", b"(x)", b"-", b"5", b"Sept", b"1969", b"12", b"-0001",
    most=9,
)  # fmt: skip
WHOLE_DATES = st.tuples(
    st.sampled_from([b"", b"Tue,", b"(x)", b"Wednesday", b"UTC", b"3"]),
    st.sampled_from([b"2024-02-03", b"2024/03/02", b"3.4.2021", b"13.4.21", b"3/4/2021", b"14/3/2021", b"4 Jul 2031", b"Feb 30 99",
                     b"20240102", b"05 Sept 07", b"2024-25-12", b"1 jan 1970", b"Dec 31 2099", b"99-12-31", b"1. May 2020"]),
    st.sampled_from([b"10:20:30", b"1:2", b"23:59:60", b"24:00", b"T102030", b"102030", b"12:30:00 AM", b"12:05 pm", b"1:00:00.5",
                     b"00:00:00"]),
    st.sampled_from([b"+0100", b"-0230", b"+14:00", b"-0000", b"Z", b"CEST", b"PDT", b"+05", b"GMT+0200", b"", b"+0100 (CET)",
                     b"1200", b"nzdt", b"-2359"]),
).flatmap(st.permutations).map(b" ".join)  # fmt: skip
RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(sender=SENDERS, subject=SUBJECTS)
def test_any_headers_become_the_commit_that_git_makes(
    repo: Path, sender: bytes, subject: bytes
) -> None:
    raw = mail(sender=sender, subject=subject)
    assert ours(raw) == am(repo, raw)


@RELAXED
@given(body=LINES, charset=st.sampled_from([b"", b"utf-8", b"iso-8859-15", b"cp1252"]))
def test_any_body_becomes_the_message_that_git_makes(
    repo: Path, body: bytes, charset: bytes
) -> None:
    more = b"Content-Type: text/plain; charset=%b\n" % charset if charset else b""
    raw = mail(body=body, more=more, tail=b"---\n" + DIFF)
    assert ours(raw) == am(repo, raw)


@settings(RELAXED, max_examples=300)
@given(text=DATES | WHOLE_DATES)
@example(text=b"Mon, 1 Jan 2024 10:20:30 +0100")
def test_a_date_is_the_instant_that_git_reads_or_refused(repo: Path, text: bytes) -> None:
    found = parse_date(text.strip())
    if found is None:
        return
    line = git(repo, "var", "GIT_AUTHOR_IDENT", env={"GIT_AUTHOR_DATE": text.decode()})
    assert line.strip().rpartition(b"> ")[2] == found


SEPARATORS = st.sampled_from(
    [
        b"From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n",
        b"From a@b Tue Jul  4 23:59:59 2023\n",
        b"From a@b Tue Jul  4 23:59:59 +0200 2023\n",
        b"From a@b Tue Jul  4 23:59:59 2023 +0200\n",
        b"From a@b Tue Jul  4 3:59:59 91\n",
        b"From a@b Tue Jul  4 23:59:59 90\n",
        b"From a@b 23:59 2023\n",
        b"From 1:22:33 2001\n",
        b"From here: 12:34:56 2001 on\n",
        b">From a@b Tue Jul  4 23:59:59 2023\n",
        b"From a@b Tue Jul  4 23:59:5x 2023\n",
        b"From \n",
        b"text\n",
        b"\n",
        b"a\r\n",
        b" From a@b Tue Jul  4 23:59:59 2023\n",
    ]
)


@RELAXED
@given(
    lines=st.lists(SEPARATORS, max_size=8),
    end=st.sampled_from([b"", b"From a@b Tue Jul  4 23:59:59 2023", b"x"]),
)
def test_an_mbox_is_cut_where_mailsplit_cuts_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes
) -> None:
    folder = tmp_path_factory.mktemp("split")
    raw = b"\nFrom a@b Tue Jul  4 23:59:59 2023\n" + b"".join(lines) + end
    git(folder, "mailsplit", "--keep-cr", f"-o{folder}", stdin=raw)
    assert list(mails.split(raw)) == [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["httpx", "redis", "newtonsoft"])
def test_every_mail_of_a_real_series_becomes_the_commit_that_git_makes(
    corpora: Path, tmp_path: Path, name: str
) -> None:
    folder = corpora / name
    git(tmp_path, "clone", "-q", "-b", "base", str(folder / "base.bundle"), "repo")
    repo = tmp_path / "repo"
    raw = gzip.decompress((folder / "series.mbox.gz").read_bytes())
    git(repo, "-c", "gc.auto=0", "am", "-q", "--keep-cr", stdin=raw)
    log = git(
        repo,
        "log",
        "-z",
        "--reverse",
        "--date=raw",
        "--format=%an <%ae>%x01%ad%x01%B",
        "origin/base..HEAD",
        "--",
    )
    theirs = [Commit(*entry.split(b"\x01")) for entry in log.removesuffix(b"\0").split(b"\0")]
    found = [mails.read(piece) for piece in mails.split(raw)]
    assert len(found) == len(theirs)
    for one, commit in zip(found, theirs, strict=True):
        assert one.refused is None
        assert one.author is not None
        assert Commit(b"%b <%b>" % one.author, one.date or b"", one.message) == commit
        assert one.diff in raw
