"""Builds patches byte by byte, also such as no tool writes, and the repository that they are made against."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.builders import git, make_repo

LINES: Final = b"".join(b"line%d\n" % i for i in range(1, 11))
AWS: Final = b"AKIA" + b"IOSFODNN7EXAMPLQ"
KEY: Final = b"-----BEGIN RSA " + b"PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n"
UET: Final = b'version = 1\n[policy]\npreset = "standard"\n'
SOURCES: Final = b"def total(items):\n    return sum(items)\n"
TESTS: Final = b"from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n    assert total([]) == 0\n"
ACCENTS: Final = ("\u00e9" * 60 + "\n").encode() * 20_000
FILES: Final[Mapping[str, bytes]] = {
    "a.txt": LINES,
    "dir/b.txt": b"bee\n",
    "README.md": b"readme\n",
    "keys/deploy.pem": KEY,
    "crlf.txt": b"one\r\ntwo\r\nthree\r\n",
    "zeros.bin": bytes(64 * 1024),
    "same.txt": b"same\n" * 200_000,
    "accents.txt": ACCENTS,
    "shop.py": SOURCES,
    "tests/test_shop.py": TESTS,
    ".github/workflows/ci.yml": b"on: push\n",
    ".gitmodules": b'[submodule "lib"]\n\tpath = lib\n\turl = https://example.com/lib.git\n',
    "uet.toml": UET,
}


def base(folder: Path) -> Path:
    """The repository that the patches are made against, with links in it and a neighbour outside."""
    outside = folder / "outside"
    outside.mkdir(parents=True)
    (outside / "keep").write_bytes(b"keep\n")
    repo = make_repo(folder / "repo")
    for name, content in FILES.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (repo / "link").symlink_to("dir")
    (repo / "linkout").symlink_to("../outside")
    git(repo, "add", "-A", "-f")
    git(repo, "commit", "-q", "-m", "base")
    return repo


# -- pieces ------------------------------------------------------------------------------------------------------


def quoted(path: bytes) -> bytes:
    """A name in git's quotes, every byte in octal that could mean something."""
    plain = all(0x21 <= c < 0x7F and c not in b'"\\' for c in path)
    if plain:
        return path
    return (
        b'"'
        + b"".join(
            b"%c" % c if (chr(c).isalnum() and c < 128) or c in b"/._-" else b"\\%03o" % c
            for c in path
        )
        + b'"'
    )


def head(old: bytes, new: bytes) -> bytes:
    return b"diff --git %b %b\n" % (quoted(b"a/" + old), quoted(b"b/" + new))


def add(path: bytes, content: bytes = b"x\n", mode: bytes = b"100644") -> bytes:
    """A new file; content without a line feed at its end has the note on that."""
    lines = content.split(b"\n")
    last = lines.pop()
    body = b"".join(b"+%b\n" % line for line in lines)
    count = len(lines)
    if last:
        body += b"+%b\n\\ No newline at end of file\n" % last
        count += 1
    start = b"new file mode %b\n" % mode
    if not count:
        return (
            head(path, path)
            + start
            + b"index %b..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n" % (b"0" * 40)
        )
    return (
        head(path, path)
        + start
        + b"--- /dev/null\n+++ %b\n@@ -0,0 +1,%d @@\n" % (quoted(b"b/" + path), count)
        + body
    )


def delete(path: bytes, content: bytes, mode: bytes = b"100644") -> bytes:
    lines = content.removesuffix(b"\n").split(b"\n")
    note = b"" if content.endswith(b"\n") else b"\\ No newline at end of file\n"
    return (
        head(path, path)
        + b"deleted file mode %b\n--- %b\n+++ /dev/null\n@@ -1,%d +0,0 @@\n"
        % (mode, quoted(b"a/" + path), len(lines))
        + b"".join(b"-%b\n" % line for line in lines)
        + note
    )


def change(path: bytes, hunk: bytes) -> bytes:
    return (
        head(path, path) + b"--- %b\n+++ %b\n" % (quoted(b"a/" + path), quoted(b"b/" + path)) + hunk
    )


def edit(path: bytes, old: bytes, new: bytes) -> bytes:
    """Replaces a whole file by one hunk."""
    before, after = old.split(b"\n")[:-1], new.split(b"\n")[:-1]
    body = b"".join(b"-%b\n" % line for line in before) + b"".join(
        b"+%b\n" % line for line in after
    )
    return change(path, b"@@ -1,%d +1,%d @@\n" % (len(before), len(after)) + body)


def moved(kind: bytes, old: bytes, new: bytes) -> bytes:
    """A rename or copy without a hunk."""
    return head(old, new) + b"similarity index 100%%\n%b from %b\n%b to %b\n" % (
        kind,
        quoted(old),
        kind,
        quoted(new),
    )


def link(path: bytes, target: bytes) -> bytes:
    return add(path, target, b"120000")


def gitlink(path: bytes, commit: bytes = b"1" * 40) -> bytes:
    return add(path, b"Subproject commit %b\n" % commit, b"160000")


def blob_id(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest().encode()


def binary(
    path: bytes,
    method: bytes,
    size: int,
    data: bytes,
    ids: tuple[bytes, bytes],
    *,
    new: bool = True,
) -> bytes:
    """A binary change whose deflated `data` declares `size`."""
    packed = zlib.compress(data, 9)
    rows = []
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        letter = bytes((piece_length(len(piece)),))
        rows.append(letter + base64.b85encode(piece + bytes(-len(piece) % 4)))
    start = b"new file mode 100644\n" if new else b""
    index = b"index %b..%b%b\n" % (*ids, b"" if new else b" 100644")
    return (
        head(path, path)
        + start
        + index
        + b"GIT binary patch\n%b %d\n" % (method, size)
        + b"\n".join(rows)
        + b"\n\n"
        b"literal 0\nHcmV?d00001\n\n"
    )


def piece_length(count: int) -> int:
    return count + 64 if count <= 26 else count + 70


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))


def mail(
    subject: bytes, body: bytes, *headers: bytes, author: bytes = b"Pat Ch <pat@example.com>"
) -> bytes:
    """A mail with bytes as they are."""
    more = b"".join(h + b"\n" for h in headers)
    return (
        b"From %b Mon Sep 17 00:00:00 2001\nFrom: %b\nDate: Fri, 5 Apr 2024 12:00:00 +0200\nSubject: [PATCH] %b\n%b\n"
        % (b"1" * 40, author, subject, more)
        + body
    )


def part(subject: bytes, *diffs: bytes) -> bytes:
    return mail(subject, b"---\n\n" + b"".join(diffs) + b"-- \n2.39.5\n\n")


def series(*diffs: bytes) -> bytes:
    return b"".join(
        part(b"p%d" % i, d).replace(b"[PATCH]", b"[PATCH %d/%d]" % (i, len(diffs)))
        for i, d in enumerate(diffs, 1)
    )


ONE: Final = b"@@ -1,3 +1,3 @@\n-line1\n+LINE1\n line2\n line3\n"
GOOD: Final = change(b"a.txt", ONE)
ZERO: Final = b"0" * 40
FULL: Final = b"1" * 40
ZEROS_ID: Final = blob_id(bytes(64 * 1024))


# -- patches that take a function --------------------------------------------------------------------------------


def bomb(copies: int) -> bytes:
    """A delta of a few bytes that copies zeros over and over."""
    size = 64 * 1024
    delta = (
        varint(size) + varint(size * copies) + b"\x80" * copies
    )  # a copy without fields is 64 KB from offset 0
    return binary(b"zeros.bin", b"delta", len(delta), delta, (ZEROS_ID, FULL), new=False)


def quadratic_hunks() -> bytes:
    """Each hunk almost fits everywhere in a file of equal lines, and fits nowhere."""
    body = b" same\n" * 200 + b"-other\n+new\n"
    hunks = b"".join(
        b"@@ -%d,201 +%d,201 @@\n" % (1 + i * 300, 1 + i * 300) + body for i in range(600)
    )
    return change(b"same.txt", hunks)


def far_hunks() -> bytes:
    """Hunks named at the wrong end of a file of equal lines: each is searched for."""
    hunks = b"".join(
        b"@@ -%d,3 +%d,3 @@\n same\n-same\n+new\n same\n" % (190_000 - i * 4, 190_000 - i * 4)
        for i in range(4_000)
    )
    return change(b"same.txt", hunks)


def invisible_many() -> bytes:
    """Every kind of invisible character comes in, and a large text without ASCII goes."""
    kinds = "".join(map(chr, range(0xE0100, 0xE01F0)))
    return edit(b"accents.txt", ACCENTS, kinds.encode() + b"\n")


def nested(depth: int) -> bytes:
    """Multiparts inside multiparts."""
    body = b"Content-Type: text/plain\n\nhi\n---\n" + GOOD
    for i in range(depth):
        body = (
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i)
            + body
            + b"\n--b%d--\n" % i
        )
    return b"From: Pat Ch <pat@example.com>\nSubject: deep\n" + body


def in_base64(diff: bytes) -> bytes:
    text = base64.encodebytes(b"hi\n---\n" + diff)
    return (
        b"From: Pat Ch <pat@example.com>\nSubject: coded\nContent-Transfer-Encoding: base64\n\n"
        + text
    )
