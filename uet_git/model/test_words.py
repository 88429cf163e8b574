"""How tests, assertions and skips look in the usual test libraries, and the lines of a text that are such.

Each expression reads its text once. Lines are looked for by words first, which is quick, and only so much of each is
read, so that no text takes long.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

TESTS: Final = late(
    rb"^[ \t]*+(?:(?:async[ ]+)?def[ ]+test\w*[ ]*\(|(?:@Test[ ]+)?func[ ]+(?:[Tt]est|Benchmark|Fuzz)\w*[ ]*\("
    rb"|#\[(?:\w+::)*test\b|@(?:Test|ParameterizedTest|RepeatedTest)\b"
    rb"|\[(?:Test|TestMethod|Fact|Theory|TestCase)\b|START_TEST\b|(?:[A-Z]+_)?TEST(?:_[A-Z_]+)?[ ]*\("
    rb"|(?:it|test|specify|scenario|subtest)(?:\.each\b|[ ]*+(?:\([ ]*+)?[\"'`{])"
    rb"|(?:public[ ]+)?function[ ]+test\w*[ ]*\()",
    re.MULTILINE,
)
_ASSERTIONS: Final = late(
    rb"(?:\b(?:ck_|g_|debug_|prop_)?assert\w*[ ]*(?:[!( \"'~\[{-]|\.\w|$)|\bAssert(?:ions)?\.\w+"
    rb"|\bexpect(?:_\w+)?[ ]*[({]"
    rb"|\b(?:pytest\.(?:raises|warns|fail)|self\.fail\w*)\b|\.should\b|\bshould\.|\brequire\.\w+\("
    rb"|\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\bXCT(?:Assert|Fail|Unwrap)\w*"
    rb"|\b(?:[A-Z]+_)?(?:EXPECT|ASSERT|REQUIRE|CHECK)(?:_\w+)?[ ]*\(|\bfail_(?:if|unless)[ ]*\("
    rb"|\bis_expected\b|\brefute\w*[ ]*[( ]"
    rb"|\bt\.(?:is|not|ok|notOk|equals?|deepEqual|same|true|false|truthy|falsy|throws\w*|like|regex)\("
    rb"|^[ \t]*(?:(?:ok|is|isnt|like|unlike|is_deeply|cmp_ok|isa_ok)[ ]*\(|(?:ok|is|isnt|like|is_deeply)[ ]+[$!\\@]))"
)
HOLLOW: Final = late(
    rb"\bassert[ ]+(?:not[ ]+(?:False|None|0)|True|1|\"[^\"]*\"|'[^']*')[ ]*(?:[,#;]|$)"
    rb"|\bassert(?:True|_true)?!?[ ]*\([ ]*(?:True|true|1)[ ]*[,)]"
    rb"|\bassert(?:False|_false)[ ]*\([ ]*(?:False|false)[ ]*[,)]"
    rb"|\bexpect\([ ]*(true|false|1|0|null)[ ]*\)\.to(?:Be|Equal|StrictEqual)\([ ]*\1[ ]*\)"
    rb"|Assert\.(?:IsTrue|True|That)\([ ]*true[ ]*[,)]"
    rb"|\b(?:(?:EXPECT|ASSERT)_TRUE|XCTAssert(?:True)?|ck_assert)[ ]*\([ ]*(?:true|1)[ ]*[,)]"
)
_SKIPS: Final = late(
    rb"(?:\bpytest\.(?:skip|skipif|xfail|importorskip)\b|\bmark\.(?:skip|skipif|xfail)\b"
    rb"|\bunittest\.(?:skip\w*|expectedFailure)\b|\b__test__[ ]*=[ ]*False\b"
    rb"|@(?:skip\w*|expectedFailure|Disabled\w*|Ignore\w*)\b|\bSkipTest\b|\.skipTest\("
    rb"|\b(?:it|test|describe|context|suite|specify)\.(?:skip|only|todo|failing|fixme)\b"
    rb"|\bx(?:it|test|describe|context|specify)[ ]*[(\"'`]|\b[ft](?:it|describe)\.skip\b"
    rb"|\bf(?:it|describe)[ ]?\(|\b(?:this|t|ctx)\.(?:skip|todo)\(|[{(,][ ]*:?skip(?::|[ ]*=>)[ ]*(?:true|[\"'`])"
    rb"|\b[tbf]\.Skip(?:f|Now)?\(|#\[ignore\b|[\[,][ ]?(?:\w+\.)?(?:Ignore|Explicit)(?:Attribute)?[\](,]"
    rb"|\bSkip[ ]?=[ ]?\"|\bAssert\.(?:Ignore|Inconclusive|Pass)\(|\bmarkTest(?:Skipped|Incomplete)\b"
    rb"|\bGTEST_SKIP\b|\bDISABLED_\w|\bXCTSkip\w*|@\w*tag[ (]+:?skip\b|@\w*tag[ ]+skip:"
    rb"|^[ \t]*(?:@\w+\([^)\n]*\b)?enabled[ ]*=[ ]*false\b"
    rb"|\bassum(?:e(?:True|False|That|NotNull|NoException)|ingThat)\("
    rb"|^[ \t]*//(?:go:build|[ ]\+build)\b"
    rb"|^[ \t]*(?:skip|pending)[ ]+[\"']|^[ \t]*(?:skip|xfail|pending)[ ]?\(|^[ \t]*(?:skip|pending)[ \t\r;]*$)"
)
ROWS: Final = late(
    rb"^[^\n#/*]*?(?:\bparametrize\b|\.each\b|\[(?:TestCase|InlineData)\b|@CsvSource\b|\bsubTest\b)",
    re.MULTILINE,
)
_COMMENT: Final = late(
    rb"[ \t]*(?:#(?!\[)|//(?!go:build|[ ]\+build)|\*(?:[ \t\r/]|$)|/\*(?![^\n]*\*/[ \t]*[^\s*/])|--[ \t]|<!--)"
)
_DEFINED: Final = late(
    rb"^[ \t]*+(?:(?:async|public|private|static|pub|final)[ ]+)*"
    rb"(def|class|func|function)[ ]+(?:\([^)\n]*\)[ ]*)?(\w+)([^\n]*)",
    re.MULTILINE,
)
_HOLLOW_LINES: Final = late(
    rb"(?:[ \t\r]*+(?:(?:#(?!\[)|//|/\*|\*|--"
    rb"|\[assembly:|import\b|from\b|using\b|use\b|package\b|require\b|'use|\"use)[^\n]*+)?\n)*+"
)
_OFF: Final = late(rb"\A(?:disabled|skipped|skip|old|no|x)?(?:test)?")
_HASHED: Final = (b".py", b".rb", b".sh", b".pl", b".t", b".ex", b".exs", b".bats", b".tcl")
_LONGEST: Final = 2_000  # bytes of a line that are looked at
_MOST: Final = 30_000
"""So many places of one patch are looked at; more of them go to a person."""


_ROOM: Final = 1_500_000
"""So many bytes of lines that have one of the words may be looked at closely."""


class Kind(NamedTuple):
    """Lines of one kind: words in small letters of which each has one, quickly looked for, and how they look."""

    words: tuple[bytes, ...]
    line: re.Pattern[bytes]


ASSERTING: Final = Kind(
    (
        *(b"ssert", b"expect", b"raises", b"warns", b"fail", b"should", b"require", b"t.err"),
        *(b"t.fa", b"xctunwrap", b"check", b"refute", b"is(", b"is $", b"ok(", b"ok $", b"ok !"),
        *(b"isnt", b"is_deeply", b"like", b"t.not", b"t.eq", b"t.deep", b"t.same", b"t.tru"),
        *(b"t.throws", b"t.regex", b"is @", b"is \\"),
    ),
    _ASSERTIONS,
)
SKIPPING: Final = Kind(
    (
        *(b"skip", b"xfail", b"expectedf", b"disabled", b"gnore", b"explicit", b"inconcl"),
        *(b".only", b".todo", b".fail", b".fixme", b"incompl", b"pass(", b"pending", b"__test__"),
        *(b"xit", b"xtest", b"xdesc", b"xcont", b"xspec", b"fit(", b"fit (", b"fdesc"),
        *(b"enabled", b"assum", b"//go:build", b"+build"),
    ),
    _SKIPS,
)


def lines(kind: Kind, text: bytes, path: bytes = b"") -> list[bytes]:
    """The lines of a kind that are no comments, without their indentation."""
    small = text.lower()
    starts: set[int] = set()
    for word in kind.words:
        at = small.find(word)
        while at >= 0:
            starts.add(small.rfind(b"\n", 0, at) + 1)
            end = small.find(b"\n", at)
            at = small.find(word, end) if end >= 0 else -1
    mark = b" # " if path.endswith(_HASHED) else b" // "
    found = []
    for start in sorted(starts):
        end = text.find(b"\n", start)
        line = text[start : min(len(text) if end < 0 else end, start + _LONGEST)]
        if not _COMMENT.match(line) and kind.line.search(_code(line, mark)):
            found.append(line.strip())
    return found


def _code(line: bytes, mark: bytes) -> bytes:
    """A line without the comment behind it; where a quotation may be open before the mark, all of it."""
    code, _, comment = line.partition(mark)
    quoted = any(code.count(q) % 2 for q in (b'"', b"'", b"`"))
    return line if not comment or quoted else code


def holds_tests(text: bytes, path: bytes = b"") -> bool:
    """Whether a text has tests or assertions."""
    return TESTS.search(text) is not None or bool(lines(ASSERTING, text, path))


def is_hollow(text: bytes) -> bool:
    """Whether a text is nothing but blank lines, comments and imports."""
    found = _HOLLOW_LINES.match(text + b"\n")
    return found is not None and found.end() > len(text)


def is_too_much(texts: Sequence[bytes]) -> bool:
    """Whether the lines to be compared are too many; few patches are large enough to be counted."""
    size = sum(map(len, texts))
    if size < _MOST * 4:
        return False
    words = (*ASSERTING.words, *SKIPPING.words)
    places = sum(small.count(word) for small in map(bytes.lower, texts) for word in words)
    return places > _MOST or min(size, places * _LONGEST) > _ROOM


def hidden(removed: bytes, added: bytes, path: bytes) -> bytes:
    """A name that a test lost for one that no runner looks for, `test_a` for `_test_a`; empty if none did."""
    gone, came = Counter[bytes](), dict[bytes, bytes]()
    for kind, name, _ in _DEFINED.findall(removed):
        if _is_collected(kind, name, path):
            gone[name] += 1
    if not gone:
        return b""
    for kind, name, rest in _DEFINED.findall(added):
        if _is_collected(kind, name, path):
            gone[name] -= 1
        elif b"TestCase" not in rest:
            came[_stem(name)] = name
    return next((came[_stem(n)] for n, many in gone.items() if many > 0 and _stem(n) in came), b"")


def _is_collected(kind: bytes, name: bytes, path: bytes) -> bool:
    if kind == b"class":
        return path.endswith(b".py") and name.startswith(b"Test")
    if path.endswith(b".go"):
        return name.startswith((b"Test", b"Benchmark", b"Fuzz", b"Example"))
    return name.startswith(b"test")


def _stem(name: bytes) -> bytes:
    """What a name says beside that it is a test, or a disabled one."""
    small = _OFF.sub(b"", name.lower().replace(b"_", b""))
    return small.removesuffix(b"test") or small
