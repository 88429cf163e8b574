"""A patch that makes tests weaker is told from one that works on tests: deleted, emptied, skipped, fewer assertions."""

import time

import pytest

from tests.builders import diff
from uet_git.model import patchfile
from uet_git.model.records import BinaryHunk, FileChange, Patch, TreeChange
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


CC = b"TEST(Math, Adds) {\n  EXPECT_EQ(add(1, 2), 3);\n  ASSERT_TRUE(ok());\n}\n"
SWIFT = b"import XCTest\nclass FooTests: XCTestCase {\n  func testAdd() {\n    XCTAssertEqual(add(1, 2), 3)\n  }\n}\n"
CHECK = b"#include <check.h>\nSTART_TEST(adds)\n{\n  ck_assert_int_eq(add(1, 2), 3);\n}\nEND_TEST\n"
PERL = b"use Test::More;\nis(add(1, 2), 3);\nok $fine;\n"
RSPEC = b"it 'adds' do\n  expect(add(1, 2)).to eq(3)\nend\n"
EXS = b'test "adds" do\n  assert add(1, 2) == 3\nend\n'
TA = b"class TestA:\n    def test_one(self):\n        assert one\n"
LIB = b"pub fn add() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n        assert_eq!(add(1, 2), 3);\n        assert!(x);\n    }\n}\n"
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
    "gtest deleted": (diff("tests/math_test.cc", CC, None), "it is deleted"),
    "swift deleted": (diff("tests/FooTests.swift", SWIFT, None), "it is deleted"),
    "libcheck deleted": (diff("tests/check_foo.c", CHECK, None), "it is deleted"),
    "perl deleted": (diff("t/basic.t", PERL, None), "it is deleted"),
    "words unknown, deleted": (diff("tests/a.lua", b"prove(1)\n", None), "it is deleted"),
    "words unknown, emptied": (diff("tests/a.lua", b"prove(1)\n", b"-- later\n"), "all of its tests are removed"),
    "gtest emptied": (diff("tests/math_test.cc", CC, b""), "all of its tests are removed"),
    "an import stays": (diff("tests/test_a.py", PY, b"import pytest\n"), "all of its tests are removed"),
    "libcheck include stays": (diff("tests/check_foo.c", CHECK, b"#include <check.h>\n"), "all of its tests are removed"),
    "gtest assertion": (edit("tests/math_test.cc", CC, b"  EXPECT_EQ(add(1, 2), 3);\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "swift assertion": (edit("tests/FooTests.swift", SWIFT, b"    XCTAssertEqual(add(1, 2), 3)\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "libcheck assertion": (edit("tests/check_foo.c", CHECK, b"  ck_assert_int_eq(add(1, 2), 3);\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "perl assertion": (edit("t/basic.t", PERL, b"ok $fine;\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "commented out behind": (edit("tests/test_a.py", PY, ONE, b"    pass  # assert sub(1, 1) == 0\n"), "it has one assertion fewer (1 go, 0 come)"),
    "rows in words only": (edit("tests/test_a.py", PY, ONE, b"    # parametrize\n"), "it has one assertion fewer (1 go, 0 come)"),
    "ava assertion": (edit("test/a_test.mjs", b"test('a', t => {\n  t.is(1, x)\n})\n", b"  t.is(1, x)\n", b""), "it has one assertion fewer (1 go, 0 come)"),
    "mark": (edit("tests/test_a.py", PY, b"def test_sub", b"@mark.skip\ndef test_sub"), "a test is skipped: @mark.skip"),
    "mark xfail": (edit("tests/test_a.py", PY, b"def test_sub", b"@mark.xfail()\ndef test_sub"), "a test is skipped: @mark.xfail()"),
    "bare skip": (edit("tests/test_a.py", PY, ONE, ONE + b"    skip('later')\n"), "a test is skipped: skip('later')"),
    "skip behind a division": (edit("tests/test_a.py", PY, ONE, ONE + b"    1 // 1; pytest.skip('x')\n"), "a test is skipped: 1 // 1; pytest.skip('x')"),
    "__test__": (edit("tests/test_a.py", TA, b"TestA:\n", b"TestA:\n    __test__ = False\n"), "a test is skipped: __test__ = False"),
    "hidden": (edit("tests/test_a.py", PY, b"test_sub", b"_test_sub"), "a test is not run any more: _test_sub"),
    "hidden class": (edit("tests/test_a.py", TA, b"class TestA", b"class ATest"), "a test is not run any more: ATest"),
    "go hidden": (edit("a_test.go", GO + GO.replace(b"Add", b"Sub"), b"TestAdd", b"testAdd"), "a test is not run any more: testAdd"),
    "go tag": (edit("a_test.go", GO, b"func", b"//go:build never\n\nfunc"), "a test is skipped: //go:build never"),
    "gtest skip": (edit("tests/math_test.cc", CC, b"  EXPECT", b"  GTEST_SKIP();\n  EXPECT"), "a test is skipped: GTEST_SKIP();"),
    "gtest disabled": (edit("tests/math_test.cc", CC, b"Adds", b"DISABLED_Adds"), "a test is skipped: TEST(Math, DISABLED_Adds) {"),
    "swift skip": (edit("tests/FooTests.swift", SWIFT, b"    XCT", b"    throw XCTSkip()\n    XCT"), "a test is skipped: throw XCTSkip()"),
    "rspec xit": (edit("spec/a_spec.rb", RSPEC, b"it 'adds'", b"xit 'adds'"), "a test is skipped: xit 'adds' do"),
    "rspec option": (edit("spec/a_spec.rb", RSPEC, b"'adds'", b"'adds', skip: true"), "a test is skipped: it 'adds', skip: true do"),
    "rspec bare": (edit("spec/a_spec.rb", RSPEC, b"  expect", b"  skip\n  expect"), "a test is skipped: skip"),
    "exunit": (edit("test/a_test.exs", EXS, b"test", b"@tag :skip\ntest"), "a test is skipped: @tag :skip"),
    "mocha": (edit("a.test.js", JS, b"  expect", b"  this.skip();\n  expect"), "a test is skipped: this.skip();"),
    "node": (edit("a.test.js", JS, b"  expect", b"  t.skip();\n  expect"), "a test is skipped: t.skip();"),
    "node option": (edit("a.test.js", JS, b"'adds', ", b"'adds', { skip: true }, "), "a test is skipped: test('adds', { skip: true }, () => {"),
    "testng": (edit("ATest.java", JAVA, b"@Test", b"@Test(enabled = false)"), "a test is skipped: @Test(enabled = false)"),
    "junit assumes": (edit("ATest.java", JAVA, b"  assert", b"  Assume.assumeTrue(false);\n  assert"), "a test is skipped: Assume.assumeTrue(false);"),
    "rust inline ignore": (edit("src/lib.rs", LIB, b"    #[test]\n", b"    #[test]\n    #[ignore]\n"), "a test is skipped: #[ignore]"),
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
    "a word behind a line": edit("tests/test_a.py", PY, ONE, ONE + b"    x = 1  # pytest.skip\n"),
    "a test of another name": edit("tests/test_a.py", PY, b"test_sub", b"test_minus"),
    "no code": diff("tests/__init__.py", b"from a import b\n", None),
    "go tag as before": edit("a_test.go", b"//go:build a\n" + GO, b"//go:build a\n", b"//go:build b\n"),
    "code of rust": edit("src/lib.rs", b"fn a() {\n    assert!(x);\n}\n", b"    assert!(x);\n", b""),
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
    for path in (b"tests/old_a.py", b"tests/test_a.py.bak", b"tests/test_a.txt"):
        assert said(moved % (path, path)) == ["its new name is none of a test"]
    moved = moved.replace(b"tests/test_a.py", b"test/a.test.js")
    assert said(moved % (b"test/a.js", b"test/a.js")) == ["its new name is none of a test"]
    assert said(moved % (b"test/a.spec.ts", b"test/a.spec.ts")) == []


def test_what_comes_back_under_a_name_that_no_runner_finds_did_not() -> None:
    gone = diff("tests/test_a.py", PY, None)
    assert said(gone, diff("tests/old_a.py", None, PY)) == ["it is deleted"]
    shorter = edit("tests/test_a.py", PY, ONE, b"")
    assert said(shorter, diff("tests/notes.txt", None, ONE)) != []


def staged(
    op: str, path: str, old: bytes | None, new: bytes | None, *, mode: int = 0o100644
) -> list[str]:
    """What is said of a change without hunks, whose blobs are known."""
    raw = path.encode()
    blobs = {n * 40: t for n, t in (("1", old), ("2", new)) if t is not None}
    one = FileChange(op, None if old is None else raw, None if new is None else raw, mode, mode, None, None, (), BinaryHunk("literal", 0, b""), 0, 0, 0)  # fmt: skip
    tree = TreeChange(raw, mode if old is not None else 0, "1" * 40 if old is not None else "",
        mode if new is not None else 0, "2" * 40 if new is not None else "")  # fmt: skip
    return [f.detail for f in judge_tests(Patch((one,)), [tree], blobs.__getitem__)]


def test_a_binary_patch_of_a_text_is_read_as_text() -> None:
    path = "tests/test_a.py"
    assert staged("modify", path, PY, PY.replace(ONE, b"")) == [
        "it has one assertion fewer (1 go, 0 come)"
    ]
    skipped = PY.replace(b"def test_sub", b"@pytest.mark.skip\ndef test_sub")
    assert staged("modify", path, PY, skipped) == ["a test is skipped: @pytest.mark.skip"]
    assert staged("modify", path, PY, b"import pytest\n") == ["all of its tests are removed"]
    assert staged("delete", path, PY, None) == ["it is deleted"]
    assert staged("modify", path, PY, PY + PY) == []
    assert staged("modify", "tests/a.bin", b"\0assert x\n", b"\0\n") == []
    assert staged("modify", path, PY, b"x = 1\n" * 400_000) != []
    big = PY + b"x = 1\n" * 400_000
    assert staged("modify", path, big, big) == ["it changes more lines than are looked at"]


def test_tests_that_rust_keeps_with_the_code() -> None:
    path = "src/lib.rs"
    assert staged("modify", path, LIB, LIB.replace(b"        assert!(x);\n", b"")) == [
        "it has one assertion fewer (1 go, 0 come)"
    ]
    assert staged("modify", path, LIB, LIB[: LIB.index(b"#[cfg")]) == [
        "all of its tests are removed"
    ]
    assert staged("modify", path, LIB, LIB.replace(b"{}", b"{ 1 }")) == []
    code = LIB.replace(b"{}", b"{\n    assert!(y);\n}")
    assert staged("modify", path, code, LIB) == []


def test_an_emptied_test_is_one_whatever_else_stays() -> None:
    """Lines between hunks are known from the blob: it has no test left, or it has."""
    old = b"import a\n" * 9 + PY
    new = b"import a\n" * 9 + b"x = 1\n"
    given = patch(diff("tests/test_a.py", old, new))
    tree = [TreeChange(b"tests/test_a.py", 0o100644, "1" * 40, 0o100644, "2" * 40)]
    told = judge_tests(given, tree, {"1" * 40: old, "2" * 40: new}.__getitem__)
    assert [f.detail for f in told] == ["all of its tests are removed"]


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
    "blanks behind skips": change("tests/a.py", b"y = 1\n", (b"skip" + b" " * 1980 + b"x\n") * 2000),
    "blanks": change("tests/a.py", (b" " * 5000 + b"\n") * 800, b"y = 1\n"),
    "words without end": change("tests/a.py", b"y = 1\n", (b"_assert" * 284 + b"\n") * 2000),
    "annotations": change("tests/a.java", b"y = 1\n", (b"@enabled(" * 220 + b"\n") * 2000),
    "modules of tests": change("src/a.rs", b"#[cfg(test)]\n" * 200_000, b"#[ignore]\n"),
    "names that hide": change("tests/test_a.py", b"def test_abc(x):\n" * 90_000, b"def _test_abd(x):\n" * 90_000),
    "imports": change("tests/test_a.py", b"import a\n" * 300_000, b"import b\n"),
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
    many = change("tests/test_a.py", b"y\n", b"y = 1\n" + b"# skip\n" * 30_001)
    assert said(many) == ["it changes more lines than are looked at"]
    assert said(many.replace(b"+1,30002", b"+1,30000").replace(b"+# skip\n", b"", 2)) == []


def test_edits_of_tests_together_with_code() -> None:
    test, code = edit("tests/test_a.py", PY, ONE, ONE * 2), diff("calc.py", b"a\n", b"b\n")
    assert [(f.code, f.path) for f in judge_edits(patch(test, code))] == [
        ("policy.tests_edited", b"tests/test_a.py")
    ]
    assert judge_edits(patch(test)) == []
    assert judge_edits(patch(diff("tests/test_b.py", None, PY), code)) == []
    assert judge_edits(patch(test, diff("README.md", b"a\n", b"b\n"))) == []
