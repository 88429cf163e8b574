"""Rule: a hunk lands where git puts it or nowhere, what landed can be undone, and no input costs more than the budget."""

import contextlib
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uet_git.model import compose
from uet_git.model.compose import Placed, Work
from uet_git.model.delta import apply_delta, delta_of, delta_of_splices
from uet_git.model.placing import Image
from uet_git.model.records import BinaryHunk, FileChange, Finding, Hunk
from uet_git.model.work import OverBudget

NUMBERS = b"".join(b"%d\n" % n for n in range(1, 101))


def hunk(old_start: int, new_start: int, *lines: bytes) -> Hunk:
    """Makes a hunk from typed lines; one that ends with `$` has no line feed."""
    sides: dict[bytes, list[bytes]] = {b"-": [], b"+": []}
    body = b""
    for line in lines:
        text = line[1:-1] if line.endswith(b"$") else line[1:] + b"\n"
        for sign, side in sides.items():
            if line[:1] in (sign, b" "):
                side.append(text)
        body += line.removesuffix(b"$") + b"\n"
        body += b"\\ No newline at end of file\n" if line.endswith(b"$") else b""
    signs = b"".join(line[:1] for line in lines)
    leading = len(signs) - len(signs.lstrip(b" "))
    trailing = len(signs) - len(signs.rstrip(b" "))
    old, new = sides[b"-"], sides[b"+"]
    counts = old_start, len(old), new_start, len(new)
    return Hunk(*counts, b"".join(old), b"".join(new), leading, trailing, body, 7)


def apply(base: bytes, *hunks: Hunk) -> tuple[bytes, list[Placed]]:
    """Applies, undoes, and compares the quick way with the full search."""
    done = compose.apply_text(hunks, base, Work())
    assert not isinstance(done, Finding), done
    assert done == compose._anywhere(hunks, base, Work())
    assert compose.undo_text(hunks, done[1], done[0]) == base
    assert all(compose.body_agrees(h) for h in hunks)
    return done


def conflict(base: bytes, *hunks: Hunk) -> Finding:
    done = compose.apply_text(hunks, base, Work())
    assert isinstance(done, Finding)
    return done


def test_at_its_line() -> None:
    result, placed = apply(
        NUMBERS, hunk(4, 4, b" 4", b"-5", b"+five", b" 6"), hunk(90, 90, b" 90", b"+x", b" 91")
    )
    assert result == NUMBERS.replace(b"\n5\n", b"\nfive\n").replace(b"\n91\n", b"\nx\n91\n")
    assert placed == [Placed(4, 0), Placed(90, 0)]


@pytest.mark.parametrize("shift", [-60, -3, -1, 1, 2, 30, 400])
def test_at_an_offset(shift: int) -> None:
    wrong = 70 + shift
    result, placed = apply(NUMBERS, hunk(wrong, wrong, b" 70", b"-71", b" 72"))
    assert result == NUMBERS.replace(b"\n71\n", b"\n")
    assert placed == [Placed(70, -shift)]


def test_the_nearest_place_wins_and_of_two_the_later() -> None:
    base = bytearray(b"x\n" * 200)
    for line in (20, 60, 100):
        base[2 * line : 2 * line + 4] = b"a\nb\n"
    change = (b" a", b"-b", b" x")
    for expected, found in (
        (21, 21),
        (39, 21),
        (41, 61),
        (42, 61),
        (80, 61),
        (81, 101),
        (150, 101),
        (2, 21),
    ):
        assert apply(bytes(base), hunk(max(expected, 2), expected, *change))[1][0].line == found


def test_of_equals_far_away() -> None:
    base = b"x\n" * 1000 + b"a\n" + b"y\n" * 999 + b"a\n" + b"x\n" * 2000
    for expected, found in ((1500, 1001), (1502, 2001), (1501, 2001), (3000, 2001), (50, 1001)):
        assert apply(base, hunk(expected, expected, b"-a", b"+b", b" " + (b"y" if found == 1001 else b"x")))[1][0].line == found  # fmt: skip
    only = b"p\n" * 1000 + b"a\nz\n" + b"p\n" * 1000 + b"a\nz\n" + b"p\n" * 1000
    for expected, found in ((1501, 1001), (1502, 2003), (1503, 2003), (2900, 2003), (5, 1001)):
        assert apply(only, hunk(expected, expected, b"-a", b" z"))[1][0].line == found


def test_a_nearer_place_before_the_last_hunk() -> None:
    base = bytearray(b"x\n" * 200)
    for line in (40, 120):
        base[2 * line : 2 * line + 4] = b"a\nb\n"
    base[2 * 60 : 2 * 60 + 4] = b"c\nd\n"
    first = hunk(61, 61, b" c", b"-d", b" x")
    for expected, found in ((50, 41), (85, 120), (70, 41), (80, 41), (81, 120)):
        placed = apply(bytes(base), first, hunk(expected, expected, b" a", b"-b", b" x"))[1]
        assert [place.line for place in placed] == [61, found]


def test_bound_to_the_start() -> None:
    first = hunk(1, 1, b"-1", b" 2")
    assert apply(NUMBERS, first)[0] == NUMBERS.removeprefix(b"1\n")
    assert conflict(b"0\n" + NUMBERS, first).code == "apply.conflict"
    assert conflict(b"0\n" + NUMBERS, hunk(0, 1, b"-1", b" 2")).code == "apply.conflict"
    assert apply(b"0\n" + NUMBERS, hunk(2, 1, b"-1", b" 2"))[1] == [Placed(2, 1)]


def test_bound_to_the_end() -> None:
    last = hunk(99, 99, b" 99", b"-100")
    assert apply(NUMBERS, last)[0] == NUMBERS.removesuffix(b"100\n")
    assert conflict(NUMBERS + b"0\n", last).code == "apply.conflict"
    assert apply(b"0\n" + NUMBERS, last)[1] == [Placed(100, 1)]
    assert conflict(b"99\n100\nx\n99\n100\ny\n", last).code == "apply.conflict"


def test_whole_lines_only() -> None:
    assert conflict(b"max = 1\ny\n", hunk(2, 2, b"-x = 1", b" y")).code == "apply.conflict"
    assert apply(b"ax\ny\nx\ny\n", hunk(2, 2, b"-x", b" y"))[1] == [Placed(3, 1)]
    assert conflict(b"1\nay\nx\n", hunk(2, 2, b" y", b"-x")).code == "apply.conflict"
    assert conflict(b"q\nx\nyy\n", hunk(2, 2, b"-x", b" y")).code == "apply.conflict"


def test_hunks_do_not_overlap() -> None:
    first = hunk(10, 10, b" 10", b"-11", b"+a", b" 12")
    assert (
        conflict(NUMBERS, first, hunk(12, 12, b" 12", b"-13", b" 14")).detail
        == "hunk 2 of 2, at line 12"
    )
    assert conflict(NUMBERS, first, first).code == "apply.conflict"
    same = hunk(5, 5, b" a", b"-a", b"+a", b" a")
    assert [p.line for p in apply(b"a\n" * 12, same, same)[1]] == [5, 8]
    assert [p.line for p in apply(b"a\n" * 10, same, same, hunk(2, 2, b" a", b"+b", b" a"))[1]] == [
        5,
        8,
        2,
    ]


def test_hunks_out_of_order() -> None:
    ninety = hunk(90, 92, b" 90", b"-91", b" 92")
    ten = hunk(10, 10, b" 10", b"+a", b"+b", b" 11")
    fifty = hunk(50, 52, b" 50", b"-51", b" 52")
    expected = (
        NUMBERS.replace(b"\n91\n", b"\n")
        .replace(b"\n11\n", b"\na\nb\n11\n")
        .replace(b"\n51\n", b"\n")
    )
    for hunks in ((ninety, ten, fifty), (fifty, ninety, ten), (ten, fifty, ninety)):
        assert apply(NUMBERS, *hunks)[0] == expected


def test_insertions_without_context_are_believed_only_where_they_fit() -> None:
    assert apply(NUMBERS, hunk(100, 101, b"+end"))[0] == NUMBERS + b"end\n"
    assert apply(b"", hunk(0, 1, b"+a", b"+b"))[0] == b"a\nb\n"
    assert conflict(NUMBERS, hunk(5, 6, b"+middle")).code == "apply.conflict"
    assert conflict(NUMBERS, hunk(0, 1, b"+start")).code == "apply.conflict"
    assert conflict(b"a\nb", hunk(2, 3, b"+c")).code == "apply.conflict"
    assert conflict(b"", hunk(0, 1, b"+a"), hunk(0, 1, b"+a")).code == "apply.conflict"


def test_changes_without_context_stay_at_their_line() -> None:
    assert apply(NUMBERS, hunk(100, 100, b"-100", b"+c"))[1] == [Placed(100, 0)]
    assert apply(NUMBERS, hunk(99, 98, b"-99", b"-100"))[1] == [Placed(99, 0)]
    assert conflict(b"}\n" * 5, hunk(3, 3, b"-}", b"+};")).code == "apply.conflict"
    assert apply(b"a\n", hunk(1, 0, b"-a"))[0] == b""


def test_ends_without_line_feed() -> None:
    change = hunk(2, 2, b" a", b"-b$", b"+c")
    assert apply(b"x\na\nb", change)[0] == b"x\na\nc\n"
    assert conflict(b"x\na\nb\n", change).code == "apply.conflict"
    assert conflict(b"x\na\nbb", change).code == "apply.conflict"
    assert apply(b"x\na\nb\n", hunk(2, 2, b" a", b"-b", b"+c$"))[0] == b"x\na\nc"
    kept = hunk(2, 2, b"-a", b" b$")
    assert apply(b"x\na\nb", kept)[0] == b"x\nb"
    assert apply(b"x\nx\na\nb", kept)[1] == [Placed(3, 1)]
    # git takes the first `a, b` here, and joins what follows to it
    assert conflict(b"x\na\nb\nx\na\nb\n", kept).code == "apply.conflict"
    assert conflict(b"x\na\nb\nx\nx\na\nb", kept).code == "apply.conflict"
    assert apply(b"a\nb\na\nb", hunk(3, 3, b"-a", b" b$"))[1] == [Placed(3, 0)]
    assert apply(b"b", hunk(1, 1, b"+a", b" b$"))[0] == b"a\nb"


def test_is_applied() -> None:
    one, two = hunk(4, 4, b" 4", b"-5", b"+five", b" 6"), hunk(90, 90, b" 90", b"+x", b" 91")
    change = FileChange("modify", b"x", b"x", None, None, None, None, (one, two), None, 2, 1, 1)
    result, _ = apply(NUMBERS, one, two)
    assert compose.is_applied(change, result)
    assert not compose.is_applied(change, NUMBERS)
    assert not compose.is_applied(change, apply(NUMBERS, one)[0])
    assert not compose.is_applied(change, b"0\n" + result)
    assert not compose.is_applied(change, None)
    oid = hashlib.sha1(b"blob 1\0x").hexdigest()
    assert compose.is_applied(change._replace(new_oid=oid), b"x")
    assert not compose.is_applied(change._replace(new_oid=oid), b"y")
    added = change._replace(op="add", old_path=None, hunks=(hunk(0, 1, b"+a"),))
    assert compose.is_applied(added, b"a\n")
    assert not compose.is_applied(added, b"a\nb\n")
    deleted = change._replace(op="delete", new_path=None)
    assert compose.is_applied(deleted, None)
    assert not compose.is_applied(deleted, b"")
    assert not compose.is_applied(change._replace(hunks=()), b"x")


def test_undo_notices_another_result() -> None:
    one, two = hunk(4, 4, b" 4", b"-5", b"+five", b" 6"), hunk(90, 90, b" 90", b"+x", b" 91")
    result, placed = apply(NUMBERS, one, two)
    for wrong in (
        result.replace(b"five", b"six"),
        result.replace(b"\nx\n", b"\n"),
        b"0\n" + result,
        result[:-200],
        b"",
    ):
        assert compose.undo_text((one, two), placed, wrong) is None
    assert compose.undo_text((one, two), [Placed(4, 0), Placed(91, 1)], result) is None
    # what lies outside the hunks shows in the base that comes out
    assert compose.undo_text((one, two), placed, result.replace(b"\n50\n", b"\n51\n")) not in (
        None,
        NUMBERS,
    )
    assert compose.undo_text((two, one), [placed[1], placed[0]], result) == NUMBERS
    assert compose.undo_text((two, one), [placed[1], Placed(5, 1)], result) is None


def test_body_agrees_notices_another_image() -> None:
    for good in (
        hunk(4, 4, b" 4", b"-5", b"+five", b"+", b" 6"),
        hunk(4, 4, b" 4", b"-5$", b"+five"),
        hunk(4, 4, b"-5", b"+", b" 6$"),
    ):
        assert compose.body_agrees(good)
        for field, value in (("old", good.old), ("new", good.new)):
            for wrong in (
                value + b"x\n",
                value[:-1],
                value[1:],
                value.replace(b"5", b"7") + b"",
                b"",
            ):
                if wrong != value:
                    assert not compose.body_agrees(good._replace(**{field: wrong}))
    blank = hunk(4, 4, b" 4", b" ", b" ", b"-5", b" ")
    assert compose.body_agrees(
        blank._replace(body=blank.body.replace(b"\n \n", b"\n\n").replace(b"\n \n", b"\n\n"))
    )


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def copy(offset: int, size: int) -> bytes:
    op, tail = 0x80, b""
    for bit, byte in enumerate(
        offset.to_bytes(4, "little") + (size & 0xFFFFFF).to_bytes(3, "little")
    ):
        if byte:
            op |= 1 << bit
            tail += bytes((byte,))
    return bytes((op,)) + tail


BASE = bytes(range(256)) * 300


def delta(*ops: bytes, base: int = len(BASE), result: int) -> bytes:
    return varint(base) + varint(result) + b"".join(ops)


def test_deltas() -> None:
    good = delta(copy(1000, 500), b"\x03new", copy(0, 10), result=513)
    assert apply_delta(good, BASE, Work()) == BASE[1000:1500] + b"new" + BASE[:10]
    assert (
        apply_delta(delta(copy(5, 0x10000), result=0x10000), BASE, Work()) == BASE[5 : 5 + 0x10000]
    )
    for bad in (
        delta(copy(0, 5), result=6),
        delta(copy(0, 5), result=4),
        delta(copy(0, 5), base=5, result=5),
        delta(copy(len(BASE) - 4, 5), result=5),
        delta(b"\x05abc", result=5),
        delta(b"\0", result=0),
        delta(b"\x81", result=5),
        delta(b"\x05abc", result=3),
        b"",
        b"\0\0",
        b"\x80" * 12,
    ):
        assert apply_delta(bad, BASE, Work()) is None


@given(st.binary(max_size=30))
def test_a_delta_is_never_an_exception(data: bytes) -> None:
    with contextlib.suppress(OverBudget):
        apply_delta(varint(20) + data, bytes(20), Work())


def test_binary_changes() -> None:
    def change(method: str, data: bytes) -> FileChange:
        binary = BinaryHunk(method, len(data), data)
        return FileChange("modify", b"x", b"x", None, None, "1" * 40, "2" * 40, (), binary, 0, 0, 3)

    assert compose.apply_binary(change("literal", b"new\0"), b"old") == b"new\0"
    good = change("delta", delta(copy(0, 7), result=7))
    assert compose.apply_binary(good, BASE) == BASE[:7]
    failed = compose.apply_binary(good, BASE + b"x")
    assert isinstance(failed, Finding)
    assert (failed.code, failed.path, failed.line) == ("apply.preimage", b"x", 3)
    costly = compose.apply_binary(good, BASE, Work(10))
    assert isinstance(costly, Finding)
    assert costly.code == "size.work"
    assert compose.is_applied(change("literal", b"x"), b"x")
    assert not compose.is_applied(good, BASE[:7])


@given(st.lists(st.sampled_from([b"", b"a", b"bb", b"\r"]), max_size=8), st.booleans())
def test_the_line_table(lines: list[bytes], cut: bool) -> None:
    base = b"".join(line + b"\n" for line in lines)
    base = base[:-1] if cut else base
    starts = list(Image(base, Work()).starts)
    expected = [0] + [n + 1 for n, byte in enumerate(base) if byte == 10]
    assert starts == (expected if expected[-1] == len(base) else [*expected, len(base)])


SAME = b"same\n" * 1_000_000
LONG = b"same\n" * 100_000


def lines_hunk(at: int, old: bytes, new: bytes) -> Hunk:
    return Hunk(at, old.count(b"\n"), at, new.count(b"\n"), old, new, 1, 1, b"", 1)


HOSTILE = [
    ([lines_hunk(500_000, LONG + b"x\n", b"y\n")], SAME),
    ([lines_hunk(500_000, LONG + b"x\n" + LONG, b"y\n")], SAME),
    ([lines_hunk(700_000, LONG, LONG + b"x\n")], SAME),
    ([lines_hunk(900_000, b"same\n" * 7, b"same\n" * 8)] * 5000, SAME),
    ([lines_hunk(2, b"same\n" * 7, b"same\n" * 8)] * 5000, SAME),
    ([lines_hunk(2 + 100 * n, b"same\n" * 7, b"same\n" * 8) for n in range(5000)], SAME),
    ([lines_hunk(2 + 100 * n, b"same\n" * 7, b"same\n" * 7) for n in reversed(range(5000))], SAME),
    ([lines_hunk(14_000, b"a\n" * 4 + b"b\n", b"c\n" * 4)] * 5000, (b"a\n" * 40 + b"b\n") * 700),
    ([lines_hunk(5, b"\n\nx\n", b"\n")], b"\n" * 15_000_000),
]


@pytest.mark.parametrize(("hunks", "base"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_hunks_cost_little(hunks: list[Hunk], base: bytes) -> None:
    start = time.process_time()
    done = compose.apply_text(hunks, base, Work())
    assert time.process_time() - start < 2.0
    if not isinstance(done, Finding):
        start = time.process_time()
        assert compose.undo_text(hunks, done[1], done[0]) == base
        assert time.process_time() - start < 2.0


def test_the_budget_is_the_same_every_time() -> None:
    hunks, base = HOSTILE[4]
    done = compose.apply_text(hunks, base, Work())
    assert isinstance(done, Finding)
    assert (done.code, done.line) == ("size.work", 1)
    used = []
    for _ in range(2):
        work = Work()
        compose.apply_text(hunks[:50], base, work)
        used.append(work.left)
    assert used[0] == used[1]


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=5),
    st.lists(st.binary(max_size=90_000), min_size=6, max_size=6),
)
def test_hunks_become_a_delta_or_none(
    sides: list[tuple[bytes, bytes]], between: list[bytes]
) -> None:
    hunks = [Hunk(1, 1, 1, 1, old, new, 0, 0, b"", 1) for old, new in sides]
    base = between[0] + b"".join(o + b for (o, _), b in zip(sides, between[1:], strict=False))
    result = between[0] + b"".join(n + b for (_, n), b in zip(sides, between[1:], strict=False))
    delta = delta_of(hunks, base, result)
    if delta is not None:
        assert apply_delta(delta, base, Work()) == result
    assert delta_of([*hunks, hunk(1, 1, b"+not in the result \xff\0")], base, result) is None


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=5),
    st.lists(st.binary(max_size=90_000), min_size=6, max_size=6),
)
def test_splices_become_a_delta(sides: list[tuple[bytes, bytes]], between: list[bytes]) -> None:
    base, result, splices = between[0], between[0], []
    for (old, new), after in zip(sides, between[1:], strict=False):
        splices.append((len(base), len(base) + len(old), new))
        base, result = base + old + after, result + new + after
    delta = delta_of_splices(splices, base, result)
    if delta is not None:
        assert apply_delta(delta, base, Work()) == result
    assert delta is not None or len(result) < 4
    assert delta_of_splices(splices, base, result + b"x") is None


def test_a_delta_brings_only_what_is_new() -> None:
    lines = [b"line %d\n" % n for n in range(100)]
    base, result = b"".join(lines), b"".join([*lines[:50], b"new\n", *lines[51:]])
    around = [b" " + line.rstrip() for line in lines]
    one = hunk(48, 48, *around[47:50], b"-line 50", b"+new", *around[51:54])
    delta = delta_of([one], base, result)
    assert delta is not None
    assert apply_delta(delta, base, Work()) == result
    assert b"new\n" in delta
    assert b"line" not in delta


def test_a_delta_copies_more_than_one_instruction_can() -> None:
    base = b"x" * 70_000 + b"\n" + b"y" * (2**24 + 5) + b"\n"
    delta = delta_of([hunk(1, 1, b"-" + b"x" * 70_000, b"+new")], base, b"new\n" + base[70_001:])
    assert delta is not None
    assert len(delta) < 40
