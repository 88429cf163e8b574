"""A patch that makes tests weaker is told from one that works on tests: deleted, emptied, skipped, fewer assertions."""

import time

import pytest

from tests.builders import diff
from uet_git.model import patchfile
from uet_git.model.records import Patch, TreeChange
from uet_git.model.settings import Limits
from uet_git.model.tamper import judge_edits, judge_tests

PY = b"""\
import pytest

def test_add():
    assert add(1, 2) == 3

def test_sub():
    assert sub(2, 1) == 1
    assert sub(1, 1) == 0
"""
JS = b"test('adds', () => {\n  expect(add(1, 2)).toBe(3);\n});\n"
GO = b'func TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Errorf("no")\n\t}\n}\n'
CS = b"[Test]\npublic void Adds()\n{\n  Assert.AreEqual(3, Add(1, 2));\n}\n"
RS = b"#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n"
JAVA = b"@Test\nvoid adds() {\n  assertEquals(3, add(1, 2));\n}\n"


def patch(*diffs: bytes) -> Patch:
    found = patchfile.read(b"".join(diffs), Limits())
    assert found.changes, found.findings
    return found


def said(*diffs: bytes) -> list[str]:
    return [f.detail for f in judge_tests(patch(*diffs))]


def edit(path: str, text: bytes, old: bytes, new: bytes) -> bytes:
    assert old in text
    return diff(path, text, text.replace(old, new, 1))


ONE = b"    assert sub(1, 1) == 0\n"
WEAKER = {
    "deleted": (diff("tests/test_a.py", PY, None), "it is deleted"),
    "emptied": (diff("tests/test_a.py", PY, b""), "all of its tests are removed"),
    "emptied to a comment": (diff("tests/test_a.py", PY, b"# later\n"), "all of its tests are removed"),
    "an assertion": (edit("tests/test_a.py", PY, ONE, b""), "it has one assertion fewer (1 go, 0 come)"),
    "two": (edit("tests/test_a.py", PY, b"    assert sub(2, 1) == 1\n" + ONE, b"    pass\n"), "it has 2 assertions fewer (2 go, 0 come)"),
    "commented out": (edit("tests/test_a.py", PY, ONE, b"    # assert sub(1, 1) == 0\n"), "it has one assertion fewer (1 go, 0 come)"),
    "made hollow": (edit("tests/test_a.py", PY, ONE, b"    assert True\n"), "it has one assertion fewer (1 go, 0 come)"),
    "hollow with a comment": (edit("tests/test_a.py", PY, ONE, b"    assert 1  # sub(1, 1) == 0\n"), "it has one assertion fewer (1 go, 0 come)"),
    "skip": (edit("tests/test_a.py", PY, b"def test_sub", b"@pytest.mark.skip\ndef test_sub"), "a test is skipped: @pytest.mark.skip"),
    "skipif": (edit("tests/test_a.py", PY, b"def test_sub", b"@pytest.mark.skipif(True)\ndef test_sub"), "a test is skipped: @pytest.mark.skipif(True)"),
    "xfail": (edit("tests/test_a.py", PY, b"def test_sub", b"@pytest.mark.xfail\ndef test_sub"), "a test is skipped: @pytest.mark.xfail"),
    "skip inside": (edit("tests/test_a.py", PY, ONE, ONE + b"    pytest.skip('x')\n"), "a test is skipped: pytest.skip('x')"),
    "whole module": (edit("tests/test_a.py", PY, b"import pytest\n", b"import pytest\npytestmark = pytest.mark.skip\n"), "a test is skipped: pytestmark = pytest.mark.skip"),
    "js skip": (edit("a.test.js", JS, b"test(", b"test.skip("), "a test is skipped: test.skip('adds', () => {"),
    "js only": (edit("a.test.js", JS, b"test(", b"test.only("), "a test is skipped: test.only('adds', () => {"),
    "js xit": (edit("a.test.js", JS, b"test(", b"xit("), "a test is skipped: xit('adds', () => {"),
    "js assertion": (edit("a.test.js", JS, b"  expect(add(1, 2)).toBe(3);\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "js hollow": (edit("a.test.js", JS, b"expect(add(1, 2)).toBe(3)", b"expect(true).toBe(true)"), "it has one assertion fewer (1 go, 0 come)"),
    "go skip": (edit("a_test.go", GO, b"{\n\tif", b"{\n\tt.Skip(\"x\")\n\tif"), 'a test is skipped: t.Skip("x")'),
    "go error": (edit("a_test.go", GO, b"\t\tt.Errorf(\"no\")\n", b"\t\tt.Log(\"no\")\n"), "it has one assertion fewer (1 go, 0 come)"),
    "cs ignore": (edit("ATests.cs", CS, b"[Test]\n", b"[Test]\n[Ignore]\n"), "a test is skipped: [Ignore]"),
    "cs assertion": (edit("ATests.cs", CS, b"  Assert.AreEqual(3, Add(1, 2));\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "rust ignore": (edit("tests/a.rs", RS, b"#[test]\n", b"#[test]\n#[ignore]\n"), "a test is skipped: #[ignore]"),
    "rust assertion": (edit("tests/a.rs", RS, b"    assert_eq!(add(1, 2), 3);\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "java disabled": (edit("ATest.java", JAVA, b"@Test\n", b"@Test\n@Disabled\n"), "a test is skipped: @Disabled"),
    "crlf": (edit("tests/test_a.py", PY.replace(b"\n", b"\r\n"), ONE.replace(b"\n", b"\r\n"), b""), "it has one assertion fewer (1 go, 0 come)"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "detail"), WEAKER.values(), ids=WEAKER)
def test_a_weaker_test_is_found(given: bytes, detail: str) -> None:
    (finding,) = judge_tests(patch(given))
    assert (finding.code, finding.detail) == ("policy.judge_edited", detail)
    assert finding.path == patch(given).changes[0].old_path


FINE = {
    "a new test": diff("tests/test_b.py", None, PY),
    "a new test that is skipped": diff("tests/test_b.py", None, b"@pytest.mark.skip\n" + PY),
    "one more assertion": edit("tests/test_a.py", PY, ONE, ONE * 2),
    "another value": edit("tests/test_a.py", PY, b"== 3", b"== 4"),
    "the order": edit("tests/test_a.py", PY, b"    assert sub(2, 1) == 1\n" + ONE, ONE + b"    assert sub(2, 1) == 1\n"),
    "a skip goes": edit("tests/test_a.py", b"@pytest.mark.skip\n" + PY, b"@pytest.mark.skip\n", b""),
    "a skip with a reason": edit("tests/test_a.py", b"@pytest.mark.skip\n" + PY, b"skip\n", b"skip(reason='x')\n"),
    "no test": diff("src/a.py", PY, None),
    "test data": diff("tests/data/a.json", b'{"a": 1}\n', None),
    "a word": edit("tests/test_a.py", PY, b"import pytest\n", b"import pytest  # do not skip this\n"),
    "a comment": edit("tests/test_a.py", PY, ONE, ONE + b"    # pytest.skip('no')\n"),
    "rows": diff("tests/test_a.py", PY, PY.replace(ONE, b"").replace(b"def test_sub", b"@pytest.mark.parametrize('a', [1, 2])\ndef test_sub")),
}  # fmt: skip


@pytest.mark.parametrize("given", FINE.values(), ids=FINE)
def test_work_on_tests_is_let_be(given: bytes) -> None:
    assert said(given) == []


def test_what_moves_to_another_test_is_not_lost() -> None:
    shorter = edit("tests/test_a.py", PY, ONE, b"")
    assert said(shorter, diff("tests/test_b.py", None, b"def test_b():\n" + ONE)) == []
    assert said(shorter, diff("tests/test_b.py", None, b"def test_b():\n    assert other\n")) != []
    assert said(shorter, diff("src/b.py", None, ONE)) != []


def test_a_test_file_that_is_split_or_moved_came_back() -> None:
    gone = diff("tests/test_a.py", PY, None)
    assert said(gone, diff("tests/unit/test_a.py", None, PY)) == []
    assert said(gone, diff("tests/test_add.py", None, PY[: len(PY) * 2 // 3])) == []
    assert said(gone, diff("src/test.bak", None, PY)) == ["it is deleted"]
    assert said(gone, diff("tests/test_b.py", None, b"def test_b():\n    assert True\n")) == [
        "it is deleted"
    ]


def test_the_same_blob_elsewhere_is_a_move() -> None:
    gone = patch(diff("tests/test_a.py", PY, None))
    changes = [
        TreeChange(b"tests/test_a.py", 0o100644, "1" * 40, 0, ""),
        TreeChange(b"tests/new/test_a.py", 0, "", 0o100644, "1" * 40),
    ]
    assert judge_tests(gone, changes) == []
    assert judge_tests(gone, [changes[0], changes[1]._replace(path=b"old/a.txt")]) != []


def test_a_test_that_is_renamed_away() -> None:
    moved = b"diff --git a/tests/test_a.py b/%b\nsimilarity index 100%%\nrename from tests/test_a.py\nrename to %b\n"
    assert said(moved % (b"tests/x/test_a.py", b"tests/x/test_a.py")) == []
    assert said(moved % (b"old/a.py", b"old/a.py")) == ["its new name is none of a test"]


def test_tests_may_go_with_the_code_that_they_test() -> None:
    test = edit("tests/test_a.py", PY, PY[PY.index(b"def test_sub") :], b"")
    code = diff(
        "calc.py",
        b"def add_up():\n    pass\ndef sub_tract():\n    pass\n",
        b"def add_up():\n    pass\n",
    )
    assert said(test) != []
    assert said(test, code) != []  # the tests do not name what goes
    named = PY.replace(b"sub(", b"sub_tract(")
    gone = diff("tests/test_a.py", named, named[: named.index(b"def test_sub")])
    assert said(gone, code) == []
    kept = edit("tests/test_a.py", named, b"    assert sub_tract(1, 1) == 0\n", b"")
    assert said(kept, code) != []  # the test stays, and checks less


def test_a_line_that_moves_within_its_file_makes_up_for_no_other() -> None:
    old = b"def test_a():\n    assert one\n    assert two\ndef test_b():\n    pass\n"
    new = b"def test_a():\n    pass\ndef test_b():\n    assert one\n"
    other = diff("tests/test_c.py", None, b"def test_c():\n    assert three\n")
    assert said(change("tests/test_a.py", old, new), other) == [
        "it has one assertion fewer (2 go, 1 come)"
    ]


def test_each_file_is_told_once_and_all_are_told() -> None:
    findings = judge_tests(
        patch(diff("tests/test_a.py", PY, None), edit("tests/test_b.py", PY, ONE, b""))
    )
    assert [f.path for f in findings] == [b"tests/test_a.py", b"tests/test_b.py"]


def change(path: str, old: bytes, new: bytes) -> bytes:
    """A patch of one hunk that replaces a whole file, made without looking for what both have in common."""
    a, b = (text.splitlines(True) for text in (old, new))
    head = (
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,{len(a)} +1,{len(b)} @@\n"
    )
    return head.encode() + b"".join(b"-" + line for line in a) + b"".join(b"+" + line for line in b)


LARGE = 800_000
HOSTILE = {
    "blanks behind it": change("tests/a.js", (b"it" + b" " * LARGE + b"\n") * 3, b"x\n"),
    "blanks behind each": change("tests/a.js", (b"it.each" + b" " * LARGE + b"\n") * 3, b"x\n"),
    "brackets": change("tests/a.cs", b"y\n", (b"skip" + b"[" * LARGE + b"\n") * 3),
    "short brackets": change("tests/a.cs", b"y\n", b"[[[[[[[[[[[[ skip [[[[[[[[[\n" * (LARGE // 9)),
    "assertions in one line": change("tests/a.py", b"assert " * (LARGE // 7) + b"\n", b"x\n"),
    "open quotes": change("tests/a.py", b'assert "\n' * (LARGE // 10), b"x\n"),
    "files that lose": b"".join(change(f"tests/test_{n}.py", b"assert a%d\n" % n * 9, b"assert b\n" * 9) for n in range(1500)),
    "files that go and come": b"".join(
        [diff(f"tests/test_{n}.py", b"".join(b"assert a%d_%d\n" % (n, i) for i in range(40)), None) for n in range(700)]
        + [diff(f"tests/test_n{n}.py", None, b"".join(b"assert b%d_%d\n" % (n, i) for i in range(40))) for n in range(700)]),
    "names that go": b"".join(
        [change(f"tests/test_{n}.py", b"def test_a():\n    assert x\n" * 9, b"x\n") for n in range(700)]
        + [change(f"a{n}.py", b"def name%d(a):\n" % n * 30, b"x\n") for n in range(700)]),
}  # fmt: skip


@pytest.mark.parametrize("given", HOSTILE.values(), ids=HOSTILE)
def test_no_patch_takes_long(given: bytes) -> None:
    parsed = patch(given)
    before = time.process_time()
    judge_tests(parsed)
    assert time.process_time() - before < 2


def test_more_places_than_are_looked_at_are_told() -> None:
    many = change("tests/test_a.py", b"y\n", b"# skip\n" * 100_001)
    assert said(many) == ["it changes more lines than are looked at"]
    assert said(many.replace(b"+1,100001", b"+1,99999").replace(b"+# skip\n", b"", 2)) == []


def test_edits_of_tests_together_with_code() -> None:
    test, code = edit("tests/test_a.py", PY, ONE, ONE * 2), diff("calc.py", b"a\n", b"b\n")
    assert [(f.code, f.path) for f in judge_edits(patch(test, code))] == [
        ("policy.tests_edited", b"tests/test_a.py")
    ]
    assert judge_edits(patch(test)) == []
    assert judge_edits(patch(diff("tests/test_b.py", None, PY), code)) == []
    assert judge_edits(patch(test, diff("README.md", b"a\n", b"b\n"))) == []
