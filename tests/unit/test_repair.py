"""A malformed diff is offered as a strict one only if a person could read it in one way: every hunk has one place, the
added and removed lines are the typed ones, and every repair is named. Otherwise it stays refused (DESIGN 4)."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model import patchfile, repair
from uet_git.model.compose import apply_text
from uet_git.model.records import Finding
from uet_git.model.repair import Repaired
from uet_git.model.settings import Limits
from uet_git.model.work import Work

LIMITS = Limits()
FILE = b"".join(b"line%d\n" % n for n in range(1, 13))
NESTED = b"def f():\n    a = 1\n\n    b = 2\n    return a\n\n\ndef g():\n    c = 3\n    return c\n"
HEAD = b"diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n"
BODY = b" line4\n-line5\n+line five\n line6\n"
WANTED = FILE.replace(b"line5\n", b"line five\n")


def offer(diff: bytes, files: dict[bytes, bytes] | None = None) -> Repaired | Finding:
    """What the reader says to a diff for these files, `a.txt` without any."""
    there = {b"a.txt": FILE} if files is None else files
    strict = patchfile.read(diff, LIMITS)
    refusal = None if strict.changes else strict.findings[0]
    known = lambda end: [p for p in there if p.endswith(end)]  # noqa: E731
    return repair.read(diff, there.get, LIMITS, refusal=refusal, known_paths=known)


def result(found: Repaired | Finding, base: bytes = FILE) -> bytes:
    """What the offered diff makes of a file, and that each hunk is where the offer says."""
    assert isinstance(found, Repaired), found
    assert patchfile.read(found.diff, LIMITS) == found.patch
    (change,) = found.patch.changes
    outcome = apply_text(change.hunks, base, Work())
    assert not isinstance(outcome, Finding)
    assert not any(placed.offset for placed in outcome[1])
    return outcome[0]


def said(found: Repaired | Finding) -> str:
    assert isinstance(found, Repaired), found
    return "\n".join(found.repairs)


READABLE: dict[str, tuple[bytes, str]] = {
    "old count too large": (HEAD + b"@@ -4,9 +4,3 @@\n" + BODY, "9 old and 3 new"),
    "counts too large": (HEAD + b"@@ -4,9 +4,9 @@\n" + BODY, "9 old and 9 new"),
    "counts too small": (HEAD + b"@@ -4,2 +4,2 @@\n" + BODY, "2 old and 2 new"),
    "dots": (HEAD + b"@@ ... @@\n" + BODY, "no line numbers"),
    "bare": (HEAD + b"@@\n" + BODY, "no line numbers"),
    "bare pair": (HEAD + b"@@ @@\n" + BODY, "no line numbers"),
    "function": (HEAD + b"@@ def f():\n" + BODY, "no line numbers"),
    "numbers without an end": (HEAD + b"@@ -4,3 +4,3\n" + BODY, "no line numbers that can be read"),
    "no hunk header": (HEAD + BODY, "no `@@` line"),
    "lost blank before": (
        HEAD + b"@@ -4,3 +4,3 @@\nline4\n-line5\n+line five\n line6\n",
        "lost their leading blank",
    ),
    "lost blanks": (HEAD + b"@@ -4,3 +4,3 @@\nline4\n-line5\n+line five\nline6\n", "lost their"),
    "lost final line feed": (HEAD + b"@@ -4,3 +4,3 @@\n" + BODY[:-1], "final line feed"),
    "no prefixes": (HEAD.replace(b"a/", b"").replace(b"b/", b"") + b"@@ -4,3 +4,3 @@\n" + BODY, "a/ and b/"),
    "no prefixes, plain": (b"--- a.txt\n+++ a.txt\n@@ -4,3 +4,3 @@\n" + BODY, "no a/ and b/"),
    "two names": (b"--- a.txt\n+++ b.txt\n@@ -4,3 +4,3 @@\n" + BODY, "two names differ"),
    "deeper": (b"--- a/proj/a.txt\n+++ b/proj/a.txt\n@@ -4,9 +4,3 @@\n" + BODY, "only this file"),
    "indented": (
        b"".join(b"    " + line for line in (HEAD + b"@@ -4,3 +4,3 @@\n" + BODY).splitlines(True)),
        "indented by 4",
    ),
    "indented and fenced": (
        b"So:\n\n    ```diff\n"
        + b"".join(b"    " + line for line in (HEAD + b"@@ -4,3 +4,3 @@\n" + BODY).splitlines(True))
        + b"    ```\n\nDone.\n",
        "indented by 4",
    ),
    "fence and prose": (
        b"Here:\n```diff\n" + HEAD + b"@@ ... @@\n" + BODY + b"```\n- a list\n+ more\n",
        "no line numbers",
    ),
    "prose behind": (HEAD + b"@@ ... @@\n" + BODY + b"\nThis fixes line five.\n", "no line numbers"),
    "mail signature": (HEAD + b"@@ -4,9 +4,9 @@\n" + BODY + b"-- \n2.39.5\n\n", "9 old and 9 new"),
    "byte order mark": (b"\xef\xbb\xbf" + HEAD + b"@@ ... @@\n" + BODY, "byte order mark"),
    "carriage returns": (
        (HEAD + b"@@ -4,3 +4,3 @@\n" + BODY).replace(b"\n", b"\r\n"),
        "end in CR LF, the file's in LF",
    ),
    "no context behind": (HEAD + b"@@ ... @@\n line4\n-line5\n+line five\n", "no line numbers"),
    "no context before": (HEAD + b"@@ ... @@\n-line5\n+line five\n line6\n", "no line numbers"),
    "no context": (HEAD + b"@@ ... @@\n-line5\n+line five\n", "no line numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", READABLE)
def test_readable_diffs_are_offered_with_their_repairs(name: str) -> None:
    diff, words = READABLE[name]
    found = offer(diff)
    assert result(found) == WANTED
    assert words in said(found)
    assert isinstance(found, Repaired)
    assert [p.path for p in found.places] == [b"a.txt"]


@pytest.mark.parametrize("name", READABLE)
def test_typed_lines_stay(name: str) -> None:
    found = offer(READABLE[name][0])
    assert isinstance(found, Repaired)
    lines = found.diff.split(b"@@\n", 1)[1].splitlines()
    assert [line for line in lines if line[:1] in b"+-"] == [b"-line5", b"+line five"]


REFUSED: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"hello, this is not a patch\n", "parse.empty", ""),
    "cut in a line": (HEAD + b"@@ -4,3 +4,3 @@\n line4\n-line5\n+line fi", "parse.truncated", ""),
    "cut, no counts": (HEAD + b"@@ ... @@\n line4\n-line5\n+line fi", "parse.truncated", ""),
    "cut, small counts": (HEAD + b"@@ -4,1 +4,1 @@\n line4\n-line5\n+line fi", "parse.truncated", ""),
    "cut by a tool": (
        HEAD.replace(b"---", b"index 123456..abcdef 100644\n---", 1)
        + b"@@ -4,3 +4,3 @@\n" + BODY + b"@@ -8,3 +8,3 @@\n line8\n-line9\n",
        "parse.truncated",
        "",
    ),
    "huge numbers": (HEAD + b"@@ -18446744073709551615,3 +1,3 @@\n" + BODY, "parse.hunk_header", ""),
    "garbage between": (
        HEAD + b"@@ -4,3 +4,3 @@\n" + BODY + b"Thanks!\n" + HEAD.replace(b"a.txt", b"c.txt")
        + b"@@ -0,0 +1 @@\n+x\n",
        "parse.garbage_between",
        "",
    ),
    "two fences": (
        b"```\n" + HEAD + b"@@ ... @@\n" + BODY + b"```\nand\n```\n--- a/b\n+++ b/b\n@@ -0,0 +1 @@\n+x\n```\n",
        "parse.header",
        "",
    ),
    "combined": (b"diff --cc a.txt\n--- a/a.txt\n+++ b/a.txt\n@@@ -1 -1 +1 @@@\n", "parse.git", ""),
    "another dialect": (b"*** Begin Patch\n*** Update File: a.txt\n@@\n-line5\n+x\n", "parse.git", ""),
    "wrong context": (
        HEAD + b"@@ ... @@\n line4\n-line 5\n+line five\n line6\n",
        "apply.conflict",
        "line 5 is `line5`, the patch expects `line 5`",
    ),
    "no such file": (b"--- b.txt\n+++ b.txt\n@@ ... @@\n-x\n+y\n", "apply.no_such_file", ""),
    "exists": (
        b"diff --git a/a.txt b/a.txt\n--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+x\n",
        "apply.exists",
        "",
    ),
    "nothing to hold on to": (HEAD + b"@@ ... @@\n+line five\n", "apply.conflict", ""),
    "out of order": (
        HEAD + b"@@ ... @@\n line7\n-line8\n+x\n line9\n@@ ... @@\n" + BODY,
        "apply.conflict",
        "before or in",
    ),
    "overlapping": (
        HEAD + b"@@ ... @@\n" + BODY + b"@@ ... @@\n line6\n-line7\n+x\n line8\n",
        "apply.conflict",
        "before or in",
    ),
    "absolute": (b"--- /etc/passwd\n+++ /etc/passwd\n@@ ... @@\n-x\n+y\n", "parse.path", ""),
    "a rename without prefixes": (
        b"diff --git a.txt b.txt\nrename from a.txt\nrename to b.txt\n@@ ... @@\n" + BODY,
        "parse.header",
        "",
    ),
    "changes nothing": (HEAD + b"@@ ... @@\n line4\n line5\n", "apply.conflict", "changes nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_in_one_way_stays_refused(name: str) -> None:
    diff, code, words = REFUSED[name]
    found = offer(diff)
    assert isinstance(found, Finding), found
    assert found.code == code
    assert words in found.detail


def test_two_places_are_none() -> None:
    twice = b"x\na\nb\nc\ny\na\nb\nc\nz\n"
    found = offer(HEAD + b"@@ -2,9 +2,9 @@\n a\n-b\n+B\n c\n", {b"a.txt": twice})
    assert isinstance(found, Finding)
    assert found.code == "apply.conflict"
    assert "more than one place: lines 2 and 6" in found.detail
    one = offer(HEAD + b"@@ -2,9 +2,9 @@\n a\n-b\n+B\n c\n z\n", {b"a.txt": twice})
    assert result(one, twice) == b"x\na\nb\nc\ny\na\nB\nc\nz\n"


def test_a_well_formed_diff_is_not_repaired() -> None:
    other = BODY.replace(b"line4", b"line 4")
    for hunk in (
        b"-4,3 +4,3 @@\n" + BODY,
        b"-5 +5 @@\n-line5\n+line five\n",
        b"-4,3 +4,3 @@\n" + other,
    ):
        found = offer(HEAD + b"@@ " + hunk)
        assert isinstance(found, Finding)
        assert found.code == "apply.conflict"


def test_two_paths_are_none() -> None:
    files = {b"a/x.py": FILE, b"x.py": FILE}
    found = offer(b"--- a/x.py\n+++ a/x.py\n@@ ... @@\n" + BODY, files)
    assert isinstance(found, Repaired)  # as git reads it
    assert found.patch.changes[0].path == b"x.py"
    found = offer(
        b"--- c/x.py\n+++ c/x.py\n@@ ... @@\n" + BODY, {b"c/x.py": FILE, b"src/x.py": FILE}
    )
    assert isinstance(found, Repaired)
    assert found.patch.changes[0].path == b"c/x.py"
    files = {b"one/x.py": FILE, b"two/x.py": FILE}
    found = offer(b"--- a/x.py\n+++ b/x.py\n@@ ... @@\n" + BODY, files)
    assert isinstance(found, Finding)
    assert found == Finding("apply.no_such_file", "it may be one/x.py or two/x.py", b"x.py", 1)


def test_a_folder_that_git_would_take_for_a_prefix() -> None:
    """Well formed for git, which would look for `x.py` at the top."""
    diff = b"--- src/x.py\n+++ src/x.py\n@@ -4,3 +4,3 @@\n" + BODY
    assert patchfile.read(diff, LIMITS).changes[0].path == b"x.py"
    found = offer(diff, {b"src/x.py": FILE})
    assert result(found) == WANTED
    assert said(found) == "src/x.py: its names have no a/ and b/ before them"


def test_a_file_that_is_known_by_its_lines() -> None:
    diff = b"--- a/old.txt\n+++ b/old.txt\n@@ ... @@\n" + BODY
    found = offer(diff)
    assert result(found) == WANTED
    assert "old.txt, which is not in the target; only this file has its lines" in said(found)
    two = offer(diff, {b"a.txt": FILE, b"c.txt": FILE})
    assert isinstance(two, Finding)
    assert two.code == "apply.no_such_file"


@pytest.mark.parametrize(
    "head",
    [
        b"diff --git a/n.txt b/n.txt\n--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1,2 @@\n",
        b"diff --git a/n.txt b/n.txt\n--- a/n.txt\n+++ b/n.txt\n@@ -0,0 +1,9 @@\n",
        b"--- /dev/null\n+++ n.txt\n@@ -0,0 +1,2 @@\n",
        b"--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1 @@\n",
        b"--- n.txt\n+++ n.txt\n@@\n",
        b"diff --git n.txt n.txt\nnew file mode 100644\n--- /dev/null\n+++ n.txt\n@@ -0,0 +1,2 @@\n",
    ],
)
def test_a_new_file(head: bytes) -> None:
    found = offer(head + b"+one\n+two\n")
    assert isinstance(found, Repaired), found
    (change,) = found.patch.changes
    assert (change.op, change.path, change.new_mode) == ("add", b"n.txt", 0o100644)
    assert change.hunks[0].new == b"one\ntwo\n"


def test_a_new_executable_and_a_deleted_file() -> None:
    head = b"diff --git n.sh n.sh\nnew file mode 100755\n--- /dev/null\n+++ n.sh\n@@ ... @@\n"
    found = offer(head + b"+one\n")
    assert isinstance(found, Repaired)
    assert found.patch.changes[0].new_mode == 0o100755
    gone = b"--- d.txt\n+++ /dev/null\n@@ -1,9 +0,0 @@\n-one\n-two\n"
    found = offer(gone, {b"d.txt": b"one\ntwo\n"})
    assert isinstance(found, Repaired)
    assert found.patch.changes[0].op == "delete"
    found = offer(gone, {b"d.txt": b"one\ntwo\nthree\n"})
    assert isinstance(found, Finding)
    assert found.code == "apply.delete_leftover"


def test_line_ends_follow_the_file() -> None:
    base = FILE.replace(b"\n", b"\r\n")
    found = offer(HEAD + b"@@ -4,3 +4,3 @@\n" + BODY, {b"a.txt": base})
    assert result(found, base) == WANTED.replace(b"\n", b"\r\n")
    assert "end in LF, the file's in CR LF" in said(found)
    both = (HEAD + b"@@ -4,9 +4,3 @@\n" + BODY).replace(b"\n", b"\r\n")
    found = offer(both, {b"a.txt": base})
    assert result(found, base) == WANTED.replace(b"\n", b"\r\n")
    assert "CR LF" not in said(found)
    mixed = FILE.replace(b"line2\n", b"line2\r\n")
    assert isinstance(
        offer(HEAD + b"@@ -1,3 +1,3 @@\n line1\n-line2\n+two\n line3\n", {b"a.txt": mixed}), Finding
    )


def test_the_files_last_line_without_line_feed() -> None:
    base = FILE.removesuffix(b"\n")
    found = offer(HEAD + b"@@ ... @@\n line10\n-line11\n+eleven\n line12\n", {b"a.txt": base})
    assert result(found, base) == base.replace(b"line11", b"eleven")
    assert "has no line feed" in said(found)
    found = offer(HEAD + b"@@ -11,2 +11,2 @@\n line11\n-line12\n+twelve\n", {b"a.txt": base})
    assert result(found, base) == base.replace(b"line12", b"twelve\n")
    behind = offer(HEAD + b"@@ ... @@\n line12\n+thirteen\n", {b"a.txt": base})
    assert isinstance(behind, Finding)  # line 12 would change although no line says so
    marked = (
        HEAD
        + b"@@ ... @@\n line11\n-line12\n\\ No newline at end of file\n+twelve\n\\ No newline at end of file\n"
    )
    assert result(offer(marked, {b"a.txt": base}), base) == base.replace(b"line12", b"twelve")
    wrong = HEAD + b"@@ ... @@\n line4\n-line5\n+five\n\\ No newline at end of file\n"
    assert isinstance(offer(wrong), Finding)


def test_a_context_line_is_read_as_the_file_has_it() -> None:
    body = b"def f():\n    a = 1\n\n-    b = 2\n+    b = 4\n    return a\n"
    found = offer(HEAD + b"@@ ... @@\n" + body, {b"a.txt": NESTED})
    assert result(found, NESTED) == NESTED.replace(b"b = 2", b"b = 4")
    assert "lost their leading blank" in said(found)


def test_hunks_that_touch_become_one() -> None:
    diff = HEAD + b"@@\n line1\n-line2\n+two\n@@\n-line3\n+three\n@@\n-line4\n+four\n line5\n"
    found = offer(diff)
    assert result(found) == FILE.replace(b"line2", b"two").replace(b"line3", b"three").replace(
        b"line4", b"four"
    )
    assert isinstance(found, Repaired)
    assert found.patch.hunks == 1
    assert len(found.places) == 3


def test_several_files() -> None:
    diff = b"".join(
        b"diff --git %b %b\n--- %b\n+++ %b\n@@ ... @@\n%b\n" % (n, n, n, n, BODY)
        for n in (b"one.txt", b"two words.txt")
    )
    found = offer(diff, {b"one.txt": FILE, b"two words.txt": FILE})
    assert isinstance(found, Repaired), found
    assert [c.path for c in found.patch.changes] == [b"one.txt", b"two words.txt"]
    assert [p.line for p in found.places] == [4, 4]


def test_a_path_that_needs_quotes() -> None:
    name = 'caf\u00e9 "x".txt'.encode()
    found = offer(
        b'--- "caf\\303\\251 \\"x\\".txt"\n+++ "caf\\303\\251 \\"x\\".txt"\n@@ ... @@\n' + BODY,
        {name: FILE},
    )
    assert isinstance(found, Repaired), found
    assert found.patch.changes[0].path == name


def test_a_diff_that_may_have_been_cut_says_so() -> None:
    found = offer(HEAD + b"@@ -4,9 +4,9 @@\n" + BODY)
    assert "cut off" in said(found)
    assert "cut off" not in said(offer(HEAD + b"@@ -4,9 +4,3 @@\n" + BODY))
    new = b"--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,9 @@\n+one\n+two\n"
    assert "cut off" in said(offer(new))
    assert "cut off" not in said(offer(new.replace(b"+1,9", b"+1,1")))


HOSTILE: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "the same line": lambda: (HEAD + b"@@ ... @@\n" + b" x\n" * 15_000 + b"-y\n+z\n", b"x\n" * 190_000 + b"w\n"),
    "nearly everywhere": lambda: (
        HEAD + b"@@ ... @@\n" + b" x\n" * 9_000 + b"-y\n+z\n" + b" x\n" * 9_000,
        (b"x\n" * 8_999 + b"y\n") * 11,
    ),
    "many hunks": lambda: (HEAD + b"@@\n x\n-y\n+z\n" * 4_900, b"x\ny\n" * 90_000),
    "blank lines": lambda: (HEAD + b"@@ ... @@\n-x\n+y\n" + b"\n" * 19_000, b"\n" * 190_000 + b"x\n"),
    "prose": lambda: (HEAD + b"@@ ... @@\n-x\n+y\n" + b"\nword\n" * 9_000, b"word\n" * 190_000 + b"x\n"),
    "indents": lambda: ((b" " * 2_000 + b"x\n") * 400 + b" --- a\n +++ b\n @@\n", b""),
    "fences": lambda: (HEAD + b"@@ ... @@\n-x\n" + b"```\n" * 18_000, b"x\n"),
    "headers": lambda: (b"--- a.txt\n+++ a.txt\n@@ ... @@\n-x\n+y\n" * 2_000, b"x\n"),
    "one long line": lambda: (HEAD + b"@@ ... @@\n-" + b"x" * 900_000 + b"\n+y\n", b"x" * 3_000_000),
    "flexible": lambda: (HEAD + b"@@ ... @@\n" + b"  a\n" * 9_000 + b"-q\n+z\n", b" a\n  a\n" * 90_000 + b"q\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_bounded(name: str) -> None:
    diff, base = HOSTILE[name]()
    began = time.process_time()
    offer(diff, {b"a.txt": base})
    assert time.process_time() - began < 2


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_offer_changes_what_was_typed_and_nothing_else(data: st.DataObject) -> None:
    """A true diff of one edit, garbled: if it is offered at all, it makes the very edit."""
    lines = data.draw(
        st.lists(st.sampled_from([b"a", b"b", b"  c", b"", b"d e"]), min_size=1, max_size=12)
    )
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start, min(len(lines), start + 3)))
    fresh = data.draw(st.lists(st.sampled_from([b"n", b"  o", b""]), max_size=3))
    before, after = lines[max(0, start - 2) : start], lines[stop : stop + 2]
    blank = data.draw(st.sampled_from([b" ", b""]))
    body = [blank + x if x else b"" for x in before] + [b"-" + x for x in lines[start:stop]]
    body += [b"+" + x for x in fresh] + [blank + x if x else b"" for x in after]
    head = data.draw(st.sampled_from([b"@@ -1,99 +1,98 @@", b"@@", b"@@ ... @@"]))
    base = b"".join(x + b"\n" for x in lines)
    found = offer(b"--- a.txt\n+++ a.txt\n" + b"\n".join([head, *body]) + b"\n", {b"a.txt": base})
    if isinstance(found, Finding):
        return
    made = [*lines[:start], *fresh, *lines[stop:]]
    assert result(found, base) == b"".join(x + b"\n" for x in made)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 120), st.integers(0, 20))
def test_no_bytes_make_it_raise(noise: bytes, at: int, gone: int) -> None:
    diff = HEAD + b"@@ -4,9 +4,9 @@\n" + BODY
    offer(diff[:at] + noise + diff[at + gone :])


def test_conflict_names_are_words() -> None:
    """No repair is named in the words of the code."""
    for diff, _ in READABLE.values():
        assert not re.search(r"\b(Put|None|True|b')", said(offer(diff)))
