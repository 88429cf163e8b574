"""Rule: a patch is read exactly as `git apply -p1` reads it, or refused with the reason that fits; never an exception."""

import base64
import random
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model import patchfile
from uet_git.model.reasons import REASONS, Gravity
from uet_git.model.records import FileChange, Patch
from uet_git.model.settings import Limits

LIMITS = Limits()
HEAD = b"diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n"
HUNK = b"@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n"
GOOD = HEAD + HUNK
OTHER = GOOD.replace(b"/x", b"/y")
ZERO, ONE, TWO = b"0" * 40, b"1" * 40, b"2" * 40


def read(data: bytes, limits: Limits = LIMITS) -> Patch:
    return patchfile.read(data, limits)


def only(data: bytes) -> FileChange:
    patch = read(data)
    assert not patch.findings
    assert len(patch.changes) == 1
    return patch.changes[0]


def code(data: bytes, limits: Limits = LIMITS) -> str:
    patch = read(data, limits)
    assert not patch.changes
    (finding,) = patch.findings
    assert REASONS[finding.code].gravity == Gravity.DROPPED
    assert 1 <= finding.line <= data.count(b"\n") + 1
    return finding.code


def binary(
    kind: bytes, data: bytes, *, size: int | None = None, cut: int = 0, more: bytes = b""
) -> bytes:
    packed = zlib.compress(data)[: -cut or None] + more
    lines = []
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        letter = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[
            len(piece) - 1 : len(piece)
        ]
        padded = piece + bytes(-len(piece) % 4)
        lines.append(letter + base64.b85encode(padded) + b"\n")
    return b"%s %d\n%s\n" % (kind, len(data) if size is None else size, b"".join(lines))


def binary_patch(*hunks: bytes, old: bytes = ONE, new: bytes = TWO, extra: bytes = b"") -> bytes:
    head = b"diff --git a/x b/x\n%sindex %s..%s%s\nGIT binary patch\n"
    return head % (extra, old, new, b"" if extra else b" 100644") + b"".join(hunks)


def test_a_usual_change() -> None:
    change = only(GOOD)
    assert change[:7] == ("modify", b"x", b"x", 0o100644, 0o100644, "1111111", "2222222")
    (hunk,) = change.hunks
    assert hunk[:4] == (1, 3, 1, 3)
    assert (hunk.old, hunk.new) == (b"a\nb\nd\n", b"a\nc\nd\n")
    assert (hunk.leading, hunk.trailing, hunk.line) == (1, 1, 5)
    assert hunk.body == b" a\n-b\n+c\n d\n"
    assert (change.insertions, change.deletions, change.line) == (1, 1, 1)


EXTENDED = [
    (b"old mode 100644\nnew mode 100755\n", ("modify", b"x", b"x", 0o100644, 0o100755)),
    (b"new file mode 100755\nindex 0000000..e69de29\n", ("add", None, b"x", None, 0o100755)),
    (b"deleted file mode 100644\nindex e69de29..0000000\n", ("delete", b"x", None, 0o100644, None)),
    (
        b"new file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+t\n",
        ("add", None, b"x", None, 0o120000),
    ),
    (
        b"deleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-t\n",
        ("delete", b"x", None, 0o100644, None),
    ),
    (b"--- a/x\n+++ b/x\n" + HUNK, ("modify", b"x", b"x", None, None)),
    (
        b"index 12345..zzzzz 100755\n--- a/x\n+++ b/x\n" + HUNK,
        ("modify", b"x", b"x", 0o100755, 0o100755),
    ),
    (
        b"old mode 100644\nnew mode 100755\nindex 1111..2222\n--- a/x\n+++ b/x\n" + HUNK,
        ("modify", b"x", b"x", 0o100644, 0o100755),
    ),
]


@pytest.mark.parametrize(("lines", "expected"), EXTENDED)
def test_extended_headers(lines: bytes, expected: tuple[object, ...]) -> None:
    assert only(b"diff --git a/x b/x\n" + lines)[:5] == expected


def test_renames_and_copies() -> None:
    for op in (b"rename", b"copy"):
        head = b"diff --git a/p q b/d/r\nsimilarity index 90%%\n%s from p q\n%s to d/r\n" % (op, op)
        assert only(head)[:5] == (op.decode(), b"p q", b"d/r", None, None)
        full = head + b"index 1111..2222 100755\n--- a/p q\t\n+++ b/d/r\n" + HUNK
        assert only(full)[:5] == (op.decode(), b"p q", b"d/r", 0o100755, 0o100755)
        assert len(only(full).hunks) == 1


NAMES = [
    (b"a/x y b/x y", b"x y"),
    (b"a/b/x b/b/x", b"b/x"),
    (b"a/x b/x b/x b/x", b"x b/x"),
    (b'"a/caf\\303\\251" "b/caf\\303\\251"', b"caf\xc3\xa9"),
    (b'"a/q\\"\\\\\\t" "b/q\\"\\\\\\t"', b'q"\\\t'),
    (b'a/x "b/x"', b"x"),
    (b'"a/x" b/x', b"x"),
    (b"old/dir/x new/dir/x", b"dir/x"),
    (b"a/caf\xe9 b/caf\xe9", b"caf\xe9"),
]


@pytest.mark.parametrize(("line", "name"), NAMES)
def test_the_name_of_a_git_line(line: bytes, name: bytes) -> None:
    assert only(b"diff --git " + line + b"\nold mode 100644\nnew mode 100755\n").path == name


TRADITIONAL = [
    (b"a/x", b"b/x", HUNK, ("modify", b"x", b"x")),
    (
        b"a/x y\t2024-01-01 10:00:00.123 +0100",
        b"b/x y\t2024-01-02 10:00:00 +0100",
        HUNK,
        ("modify", b"x y", b"x y"),
    ),
    (b"a/x 2024-01-01 10:00:00", b"b/x 2024-01-01 10:00:00", HUNK, ("modify", b"x", b"x")),
    (b"old/x.orig", b"new/x", HUNK, ("modify", b"x", b"x")),
    (b"/dev/null", b"b/x", b"@@ -0,0 +1 @@\n+a\n", ("add", None, b"x")),
    (b"a/x", b"/dev/null", b"@@ -1 +0,0 @@\n-a\n", ("delete", b"x", None)),
    (
        b"a/x\t1970-01-01 00:00:00.000 +0000",
        b"b/x\t2024-01-01 00:00:00 +0000",
        b"@@ -0,0 +1 @@\n+a\n",
        ("add", None, b"x"),
    ),
    (
        b"a/x\t2024-01-01 00:00:00 +0000",
        b"b/x\t1969-12-31 19:00:00 -0500",
        b"@@ -1 +0,0 @@\n-a\n",
        ("delete", b"x", None),
    ),
    (b"a/x", b"b/x", b"@@ -0,0 +1 @@\n+a\n", ("add", b"x", b"x")),
    (b"a/x\r", b"b/x\r", b"@@ -1 +1 @@\r\n-a\r\n+b\r\n", ("modify", b"x", b"x")),
]


@pytest.mark.parametrize(("first", "second", "hunk", "expected"), TRADITIONAL)
def test_traditional_headers(
    first: bytes, second: bytes, hunk: bytes, expected: tuple[object, ...]
) -> None:
    change = only(b"Index: x\n====\n--- " + first + b"\n+++ " + second + b"\n" + hunk)
    assert change[:3] == expected


def test_a_series_of_traditional_diffs() -> None:
    one = b"diff -ru a/x b/x\n--- a/x\n+++ b/x\n" + HUNK
    patch = read(one + b"Only in b: z\n" + one.replace(b"/x", b"/y") + b"Only in a: t\n")
    assert patch.paths == [b"x", b"y"]


def test_bodies() -> None:
    assert only(HEAD + b"@@ -1,2 +1,3 @@ def f():\n \n\n+\n").hunks[0][4:8] == (
        b"\n\n",
        b"\n\n\n",
        2,
        0,
    )
    hunk = only(HEAD + b"@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n").hunks[0]
    assert (hunk.old, hunk.new) == (b"a\nb", b"a\nb\n")
    hunk = only(HEAD + b"@@ -1,2 +1,2 @@\n-a\n+b\n c\n\\ Kein Zeilenumbruch am Dateiende.\n").hunks[
        0
    ]
    assert (hunk.old, hunk.new, hunk.trailing) == (b"a\nc", b"b\nc", 1)
    hunk = only(
        HEAD + b"@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file"
    ).hunks[0]
    assert (hunk.old, hunk.new) == (b"a", b"b")
    hunk = only(HEAD + b"@@ -1,3 +1,4 @@\n -x\n--- y\n+++ z\n+@@ -1 +1 @@\n +w\n").hunks[0]
    assert (hunk.old, hunk.new) == (b"-x\n-- y\n+w\n", b"-x\n++ z\n@@ -1 +1 @@\n+w\n")
    # a context line that ends like a mail's signature is none
    hunk = only(HEAD + b"@@ -1,2 +1 @@\n-a\n -- \n").hunks[0]
    assert (hunk.old, hunk.body) == (b"a\n-- \n", b"-a\n -- \n")


def test_hunk_lines_count_through_files() -> None:
    patch = read(b"prose\n\n" + GOOD + b"\n" + OTHER + HUNK.replace(b"1,3", b"9,3"))
    assert [(c.line, [h.line for h in c.hunks]) for c in patch.changes] == [
        (3, [7]),
        (13, [17, 22]),
    ]


def test_text_around_is_allowed() -> None:
    fenced = b"Here it is:\n```diff\n" + GOOD + b"```\nIt adds:\n+ nothing\n"
    mailed = b"---\n x | 2 +-\n 1 file changed\n\n" + GOOD + b"-- \n2.39.5\n\n+1 from me\n"
    bullets = GOOD + b"\nNotes:\n- first\n* second\n   indented\n"
    for text in (
        fenced,
        mailed,
        bullets,
        GOOD + b"\n\n\n",
        GOOD + b"That is all.\n",
        b"\r\n\r\n" + GOOD,
    ):
        assert only(text).hunks[0].old == b"a\nb\nd\n"
    assert len(read(GOOD + b"\n```\n\n```diff\n" + OTHER + b"```\n").changes) == 2


REFUSED = [
    (b"", "parse.empty"),
    (b"hello\n", "parse.empty"),
    (b"*** a\n--- b\n***************\n*** 1 ****\n", "parse.git"),
    (b"*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n*** End Patch\n", "parse.git"),
    (b"diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n- a\n", "parse.git"),
    (HEAD + b"@@@ -1 -1 +1 @@@\n", "parse.header"),
    (GOOD + b"@@@ -1 -1 +1 @@@\n", "parse.git"),
    (HUNK, "parse.header"),
    (b"text\n" + HUNK, "parse.header"),
    (HEAD + b"@@ -1,3 +1 @\n a\n", "parse.hunk_header"),
    (HEAD + b"@@ -1,99999999999 +1 @@\n a\n", "parse.hunk_header"),
    (HEAD + b"@@ -3000000000 +1 @@\n-a\n+b\n", "parse.hunk_header"),
    (HEAD + b"@@ -1 +1 @@", "parse.truncated"),
    (b"--- a/x\n+++ b/x\n@@ ... @@\n-a\n+b\n", "parse.hunk_header"),
    (b"--- a/x\n+++ b/x\ntext\n", "parse.header"),
    (HEAD, "parse.header"),
    (b"diff --git a/x b/x\n", "parse.header"),
    (b"diff --git a/x b/x\n\n" + GOOD, "parse.header"),
    (b"diff --git a/x b/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\nindex 1111..2222 100644\n", "parse.header"),
    (b"diff --git a/x b/x\nold mode 100644\nnew mode 100644\n", "parse.header"),
    (b"diff --git a/x b/x\nold mode 100644\nnew mode 120000\n", "parse.header"),
    (b"diff --git a/x b/x\nnew mode 100755\n--- a/x\n+++ b/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\nnew file mode 100664\n", "mode.unknown"),
    (b"diff --git a/x b/x\nnew file mode 0100644\n", "mode.unknown"),
    (b"diff --git a/x b/x\nnew file mode abc\n", "parse.header"),
    (b"diff --git a/x b/x\nindex 1111..2222 040000\n--- a/x\n+++ b/x\n" + HUNK, "mode.unknown"),
    (b"diff --git a/x b/x\nnew file mode 100644\ndeleted file mode 100644\n", "parse.header"),
    (b"diff --git a/x b/x\nnew file mode 100644\nnew file mode 100644\n", "parse.header"),
    (b"diff --git a/x b/x\nnew file mode 100644\n--- a/x\n+++ b/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", "parse.header"),
    (b"diff --git a/x b/x\n--- /dev/null\nnew file mode 100644\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", "parse.header"),
    (b"diff --git a/x b/x\n--- a/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\n+++ b/x\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/y\n--- a/x\n+++ b/y\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\n--- a/y\n+++ b/y\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/x\nrename from x\n", "parse.header"),
    (b"diff --git a/x b/x\nrename to x\n", "parse.header"),
    (b"diff --git a/x b/x\nrename from x\nrename to x\n", "parse.header"),
    (b"diff --git a/x b/y\nrename from z\nrename to y\n", "parse.header"),
    (b"diff --git a/x b/y\nrename from x\nrename to y\n--- a/x\n+++ b/z\n" + HUNK, "parse.header"),
    (b"diff --git a/x b/y\nrename from x\nrename to y\ncopy from x\ncopy to y\n", "parse.header"),
    (b"diff --git a/x b/y\nrename to y\ncopy from x\ncopy to y\n", "parse.header"),
    (b"diff --git x x\nold mode 100644\nnew mode 100755\n", "parse.path"),
    (b'diff --git "a/x b/x"\nold mode 100644\nnew mode 100755\n', "parse.path"),
    (b'diff --git "a/x\\000y" "b/x\\000y"\nold mode 100644\nnew mode 100755\n', "parse.path"),
    (b"--- x\n+++ x\n" + HUNK, "parse.path"),
    (b'--- "a/x\n+++ "b/x\n' + HUNK, "parse.path"),
    (b"--- /tmp/x\n+++ /tmp/x\n" + HUNK, "path.absolute"),
    (b"--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n", "parse.header"),
    (b"--- a/x\n+++ b/y\n" + HUNK, "parse.header"),
    (b"--- a/x\t1970-01-01 00:00:00 +0000\n+++ b/x\n" + HUNK, "parse.header"),
    (HEAD + b"@@ -1 +1 @@\n a\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,9 +1,3 @@\n a\n-b\n+c\n d\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,2 +1,2 @@\n a\n-b\n+c\n d\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,2 +1,3 @@\n a\n-b\n+c\n d\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,4 +1,4 @@\n a\n-b\n+c\nd\n e\n f\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,3 +1,3 @@\n a\n-b\n+c\nd\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,3 +1,3 @@\n a\n-b\n", "parse.truncated"),
    (HEAD + b"@@ -1,3 +1,3 @@\n a\n-b\n+c\n d", "parse.truncated"),
    (HEAD + b"@@ -1 +1 @@\n-a\n+b\n\\ short\n", "parse.hunk_body"),
    (HEAD + b"@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n", "parse.hunk_body"),
    (HEAD + b"@@ -1 +1,2 @@\n-a\n+b\n\\ No newline at end of file\n+c\n", "parse.hunk_body"),
    (HEAD + b"@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n", "parse.hunk_body"),
    (HEAD + b"@@ -1 +1 @@\n-a\n+\n\\ No newline at end of file\n", "parse.hunk_body"),
    (HEAD + b"@@ -1 +1 @@\n-a\n+b\n" + b"\\ No newline at end of file\n" * 2, "parse.hunk_body"),
    (GOOD + b"\n+more\n", "parse.hunk_body"),
    (GOOD + b"lost its space\n+more\n", "parse.hunk_body"),
    (GOOD + b"text\n" + OTHER, "parse.garbage_between"),
    (GOOD + b"-- \n2.39.5\n" + OTHER, "parse.garbage_between"),
    (GOOD + b" e\n" + OTHER, "parse.hunk_body"),
    (GOOD + GOOD, "parse.duplicate_path"),
    (GOOD.replace(b"c\n", b"c\0\n"), "content.nul"),
    (GOOD.replace(b"a/x", b"a/\0"), "content.nul"),
    (b"diff --git a/x b/x\nindex 11..22 100644\nBinary files a/x and b/x differ\n", "parse.binary_without_data"),
    (b"Binary files a/x and b/x differ\n", "parse.binary_without_data"),
    (GOOD + b"Binary files a/y and b/y differ\n", "parse.binary_without_data"),
    (GOOD + b"GIT binary patch\nliteral 0\nHcmV?d00001\n\n", "parse.header"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), REFUSED)
def test_refusals(data: bytes, expected: str) -> None:
    assert code(data) == expected


def section(op: str, old: bytes, new: bytes, mode: bytes = b"100644") -> bytes:
    line = b"diff --git a/%s b/%s\n" % (old, new)
    if op == "modify":
        return line + b"old mode 100644\nnew mode 100755\n"
    if op in ("rename", "copy"):
        return line + b"%s from %s\n%s to %s\n" % (op.encode(), old, op.encode(), new)
    word = {"add": b"new", "delete": b"deleted"}[op]
    return line + b"%s file mode %s\n" % (word, mode)


ORDERS = [
    ([("delete", b"x", b"x"), ("add", b"x", b"x")], False),
    ([("rename", b"x", b"y"), ("rename", b"y", b"x")], True),
    ([("rename", b"x", b"y"), ("add", b"x", b"x")], True),
    ([("add", b"x", b"x"), ("rename", b"x", b"y")], True),
    ([("copy", b"x", b"y"), ("modify", b"x", b"x")], True),
    ([("copy", b"x", b"y"), ("delete", b"x", b"x")], True),
    ([("copy", b"x", b"y"), ("rename", b"x", b"z")], True),
    ([("rename", b"x", b"y"), ("modify", b"x", b"x")], False),
    ([("rename", b"x", b"y"), ("rename", b"x", b"z")], False),
    ([("rename", b"x", b"z"), ("rename", b"y", b"z")], False),
    ([("delete", b"z", b"z"), ("rename", b"y", b"z")], True),
    ([("rename", b"y", b"z"), ("delete", b"z", b"z")], False),
    ([("copy", b"y", b"z"), ("modify", b"z", b"z")], False),
    ([("delete", b"x", b"x"), ("modify", b"x", b"x")], False),
    ([("add", b"x", b"x"), ("add", b"x", b"x")], False),
]


@pytest.mark.parametrize(("parts", "allowed"), ORDERS)
def test_one_path_twice(parts: list[tuple[str, bytes, bytes]], allowed: bool) -> None:
    data = b"".join(section(*part) for part in parts)
    if allowed:
        assert len(read(data).changes) == len(parts)
    else:
        assert code(data) == "parse.duplicate_path"


def test_a_type_change_is_an_adjacent_pair() -> None:
    old, new = section("delete", b"x", b"x"), section("add", b"x", b"x", b"120000")
    assert [c.op for c in read(old + new).changes] == ["delete", "add"]
    assert code(new + old) == "parse.duplicate_path"
    assert code(old + OTHER + new) == "parse.duplicate_path"
    assert code(old + section("add", b"x", b"x", b"100755")) == "parse.duplicate_path"


def test_submodule_links() -> None:
    head = b"diff --git a/s b/s\nindex 1111111..2222222 160000\n--- a/s\n+++ b/s\n@@ -1 +1 @@\n"
    lines = b"-Subproject commit %s\n+Subproject commit %s\n"
    assert only(head + lines % (ONE, TWO)).new_mode == 0o160000
    assert code(head + lines % (ONE, TWO + b"-dirty")) == "parse.hunk_body"
    assert code(section("add", b"s", b"s", b"160000")) == "parse.header"


def test_binary() -> None:
    data = bytes(range(256)) * 300
    change = only(binary_patch(binary(b"literal", data), binary(b"literal", b"old")))
    assert change.binary is not None
    assert change.binary == ("literal", len(data), data)
    assert (change.insertions, change.hunks) == (0, ())
    only(binary_patch(binary(b"literal", b""), old=ZERO, extra=b"new file mode 100644\n"))
    two = read(binary_patch(binary(b"literal", data), binary(b"literal", b"")) + OTHER)
    assert len(two.changes) == 2


GOOD_LITERAL = binary(b"literal", b"x" * 500 + bytes(range(200)))
BINARY_REFUSED = [
    (binary_patch(b"literal 5\n"), "parse.truncated"),
    (binary_patch(b"literal 5\n\n"), "parse.binary"),
    (binary_patch(b"blob 5\nHcmV?d00001\n\n"), "parse.binary"),
    (binary_patch(GOOD_LITERAL.replace(b"z", b"y", 1)), "parse.binary"),
    (binary_patch(GOOD_LITERAL[:-3] + b"\n\n"), "parse.binary"),
    (binary_patch(GOOD_LITERAL.replace(b"\nz", b"\nz,", 1)), "parse.binary"),
    (binary_patch(b"literal 4\nD~~~~~\n\n"), "parse.binary"),
    (binary_patch(b"literal 4\nDaa\xe9aa\n\n"), "parse.binary"),
    (binary_patch(binary(b"literal", b"abc", size=4)), "parse.binary"),
    (binary_patch(binary(b"literal", b"abc", size=2)), "parse.binary"),
    (binary_patch(GOOD_LITERAL, b"literal 3\nzzz\n\n"), "parse.binary"),
    (binary_patch(binary(b"literal", b"abc", cut=1)), "parse.binary"),
    (binary_patch(binary(b"literal", b"abc", more=b"\0")), "parse.binary"),
    (binary_patch(GOOD_LITERAL).replace(b" 100644", b"\r"), "parse.header"),
    (binary_patch(GOOD_LITERAL, old=b"1" * 7, new=b"2" * 7), "parse.header"),
    (binary_patch(GOOD_LITERAL, new=ZERO), "parse.header"),
    (binary_patch(binary(b"literal", b"", size=10**15)), "size.inflated"),
    (binary_patch(binary(b"delta", b"\x80")), "parse.binary"),
    (binary_patch(binary(b"delta", b"\x01" + b"\xff" * 4 + b"\x7f")), "size.inflated"),
]


@pytest.mark.parametrize(("data", "expected"), BINARY_REFUSED)
def test_binary_refusals(data: bytes, expected: str) -> None:
    assert code(data) == expected


@given(st.binary(max_size=400))
def test_base_85_is_decoded_whole(data: bytes) -> None:
    change = only(binary_patch(binary(b"literal", data)))
    assert change.binary is not None
    assert change.binary.data == data


def test_limits() -> None:
    assert code(GOOD, Limits(patch_bytes=len(GOOD) - 1)) == "size.patch"
    assert (
        code(HEAD + b"@@ -1 +1 @@\n-a\n+" + b"b" * 100 + b"\n", Limits(line_bytes=100))
        == "size.line"
    )
    assert code(GOOD + OTHER, Limits(files=1)) == "size.files"
    assert code(GOOD + HUNK.replace(b"1,3", b"9,3"), Limits(hunks=1)) == "size.hunks"
    assert (
        code(binary_patch(GOOD_LITERAL, GOOD_LITERAL), Limits(inflated_bytes=1000))
        == "size.inflated"
    )
    exact = Limits(patch_bytes=len(GOOD), line_bytes=45, files=1, hunks=1)
    assert not read(GOOD, exact).findings


PIECES = [
    GOOD,
    OTHER,
    HEAD,
    HUNK,
    GOOD_LITERAL,
    b"GIT binary patch\n",
    b"\n",
    b"\\ No newline at end of file\n",
]
PIECES += [data for data, _ in REFUSED[:40]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=6),
    st.randoms(use_true_random=False),
)
def test_never_an_exception(parts: list[bytes], rng: random.Random) -> None:
    data = bytearray(b"".join(parts))
    for _ in range(3):
        if data:
            at = rng.randrange(len(data))
            data[at : at + 1] = rng.choice((b"", b"\n", b"-", b" ", b"9", b"\xff"))
    patch = read(bytes(data))
    assert bool(patch.changes) != bool(patch.findings)


FIVE_MB = 5 * 1024 * 1024 - 400
HOSTILE = [
    b"\n" * FIVE_MB,
    HEAD + b"@@ -1,3 +1,%d @@\n" % FIVE_MB + b"+\n" * (FIVE_MB // 2),
    HEAD
    + b"@@ -0,0 +1,%d @@\n" % (FIVE_MB // 2)
    + b"+\n" * (FIVE_MB // 2)
    + b"\\ No newline at end of file\n",
    HEAD + b"@@ -1,900000 +1,900000 @@\n" + b"-\n+\n" * 900000,
    HEAD + b"@@ -1 +1 @@\n-a\n+b\n" * 4999,
    b"diff --git " + b"a/ " * 300_000 + b"\nold mode 100644\nnew mode 100755\n",
    b"--- a/x" + b" " * 900_000 + b"1\n+++ b/" + b"72-02-05 " * 100_000 + b"\n" + HUNK,
    b"Binary files " * 80_000 + b"\n" + b"--- a\n" * 800_000,
    binary_patch(binary(b"literal", bytes(60 << 20))),
    GOOD + b"diff x\n" * 700_000 + OTHER,
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_input_costs_little(data: bytes) -> None:
    start = time.process_time()
    read(data)
    assert (
        time.process_time() - start < 2.0
    )  # a fraction of a second; the bound leaves room for a slow machine


def test_binary_ids_are_those_of_the_repository() -> None:
    long = binary_patch(GOOD_LITERAL, old=b"1" * 64, new=b"2" * 64)
    assert code(long) == "parse.header"
    assert not patchfile.read(long, LIMITS, hex_length=64).findings
    assert (
        patchfile.read(binary_patch(GOOD_LITERAL), LIMITS, hex_length=64).findings[0].code
        == "parse.header"
    )


@pytest.mark.parametrize("damage", [b'"\n', b"\r\n", b"-\n"])
def test_a_line_of_a_binary_hunk_without_data_is_damage(damage: bytes) -> None:
    """git stops reading there, and says nothing about what it left out."""
    head = b"diff --git a/b b/b\nindex %b..%b 100644\nGIT binary patch\n" % (b"1" * 40, b"2" * 40)
    literal = b"literal 0\nHcmV?d00001\n"
    assert not patchfile.read(head + literal + b"\n" + literal + b"\n", LIMITS).findings
    for body in (
        literal + damage + b"\n" + literal + b"\n",
        literal + b"\n" + literal + damage + b"\n",
        literal + b"\nliteral x\nHcmV?d00001\n\n",
    ):
        found = patchfile.read(head + body, LIMITS)
        assert [f.code for f in found.findings] == ["parse.binary"]


def test_a_quoted_second_name_that_the_first_begins() -> None:
    """git goes by the second name if it is quoted, by the shorter one if it is not."""
    hunk = b"@@ -1 +1 @@\n-a\n+b\n"
    found = patchfile.read(b"--- a/x\n+++ b/x.orig\n" + hunk, LIMITS)
    assert [c.path for c in found.changes] == [b"x"]
    found = patchfile.read(b'--- a/x\n+++ "b/x.orig"\n' + hunk, LIMITS)
    assert [f.code for f in found.findings] == ["parse.header"]
    found = patchfile.read(b'--- a/x.orig\n+++ "b/x"\n' + hunk, LIMITS)
    assert [c.path for c in found.changes] == [b"x"]
