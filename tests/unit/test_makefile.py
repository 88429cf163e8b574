"""A Makefile counts where it decides what a gate's targets do, and so do the files that it reads and runs for them."""

import time

import pytest

from uet_git.model import makefile
from uet_git.model.gate_inputs import judge_gate_inputs
from uet_git.model.records import Gate, TreeChange

GATE = Gate("t", ("make", "test"))
BASE = b"""\
NAME = x
OPTS = -q
.PHONY: test docs

test: $(DEPS) build
\t./scripts/t.sh $(OPTS)
\tcd sub && sh run.sh

DEPS = lint

lint:
\tpython3 tools/lint.py

build: main.c
\tcc main.c -o $@

docs:
\tscripts/docs.sh $(NAME)
"""
CHANGES = [
    (b"SHELL := ./evil\n" + BASE, True),
    (b".SHELLFLAGS = -c true\n" + BASE, True),
    (b"MAKEFLAGS += -i\n" + BASE, True),
    (b"MAKEFLAGS += -n\n" + BASE, True),
    (b".IGNORE:\n" + BASE, True),
    (b".ONESHELL:\n" + BASE, True),
    (b"export PYTEST_ADDOPTS = --co\n" + BASE, True),
    (b"PYTEST_ADDOPTS = --co\nexport PYTEST_ADDOPTS\n" + BASE, True),
    (b"PYTEST_ADDOPTS = --co\nexport\n" + BASE, True),
    (b"include x.mk\n" + BASE, True),
    (b"%: ; true\n" + BASE, True),
    (b"ifdef CI\n" + BASE + b"endif\n", True),
    (b"$(eval X=1)\n" + BASE, True),
    (BASE + b"test::\n\ttrue\n", True),
    (BASE + b"test: OPTS = --co\n", True),
    (BASE.replace(b"= lint", b"="), True),
    (BASE.replace(b"python3 tools", b"true tools"), True),
    (BASE.replace(b": test docs", b": docs"), True),
    (BASE.replace(b"-q", b"--co"), True),
    (BASE.replace(b"NAME = x", b"NAME = y"), False),
    (BASE.replace(b"docs.sh", b"more.sh"), False),
    (BASE.replace(b": test docs", b": test docs more") + b"\nmore:\n\ttrue\n", False),
    (b"# a word\n" + BASE, False),
]


def judged(path: str, base: dict[str, bytes], new: bytes | None, gate: Gate = GATE) -> bool:
    """Whether a change of one file counts, in a tree that has the files of `base`."""
    blobs = {f"{i:040}": data for i, data in enumerate(base.values(), 1)}
    oids = dict(zip(map(str.encode, base), blobs, strict=True))
    blobs["f" * 40] = new or b""
    old = oids.get(path.encode(), "")
    changed = "f" * 40 if new is not None else ""
    one = TreeChange(
        path.encode(), 0o100644 if old else 0, old, 0o100644 if changed else 0, changed
    )

    def lookup(asked: bytes) -> tuple[int, str]:
        return (0o100644, oids[asked]) if asked in oids else (0, "")

    found = judge_gate_inputs([one.path], [gate], [one], blobs.__getitem__, None, lookup)
    assert {f.code for f in found} <= {"policy.gate_input"}
    return found != []


@pytest.mark.parametrize(("new", "counts"), CHANGES)
def test_what_decides_what_a_target_does_counts(new: bytes, counts: bool) -> None:
    assert judged("Makefile", {"Makefile": BASE}, new) == counts


def test_without_a_target_the_first_plain_one_is_made() -> None:
    gate = Gate("t", ("make",))
    assert judged("Makefile", {"Makefile": BASE}, BASE.replace(b"-q", b"--co"), gate)
    assert not judged("Makefile", {"Makefile": BASE}, BASE.replace(b"docs.sh", b"more.sh"), gate)
    named = b".DEFAULT_GOAL := docs\n" + BASE
    assert judged("Makefile", {"Makefile": named}, named.replace(b"docs.sh", b"more.sh"), gate)


def test_a_target_that_make_is_run_again_for_counts() -> None:
    base = b"test:\n\t$(MAKE) slow\nslow:\n\tpytest\nother:\n\ttrue\n"
    assert judged("Makefile", {"Makefile": base}, base.replace(b"pytest", b"true"))
    assert not judged("Makefile", {"Makefile": base}, base.replace(b"\ttrue", b"\tfalse"))


@pytest.mark.parametrize(
    ("path", "counts"),
    [("scripts/t.sh", True), ("sub/run.sh", True), ("tools/lint.py", True), ("scripts/docs.sh", False),
     ("main.c", False), ("run.py", False)],
)  # fmt: skip
def test_files_that_its_recipes_name_count(path: str, counts: bool) -> None:
    assert judged(path, {"Makefile": BASE, path: b"a\n"}, b"b\n") == counts
    assert judged(path, {"Makefile": BASE, path: b"a\n"}, None) == counts
    assert judged(path, {"Makefile": BASE, path: b"a\n"}, b"a\n") == counts  # only its mode
    assert not judged(path, {"Makefile": BASE, path: b"a\n"}, b"b\n", Gate("t", ("pytest",)))


def test_files_that_are_included_count_and_what_they_name() -> None:
    base = {
        "Makefile": b"include mk/*.mk ./a.make\n" + BASE,
        "a.make": b"-include deep/b.inc\nall:\n\t./x.sh\n",
        "deep/b.inc": b"x:\n\t./y.sh\n",
    }
    for path in ("mk/new.mk", "a.make", "deep/b.inc", "x.sh", "y.sh"):
        assert judged(path, base, b"b\n"), path
    assert not judged("z.sh", base, b"b\n")
    assert not judged("other/new.mk", base, b"b\n")
    computed = {"Makefile": b"include $(TOP)/x.mk\n" + BASE}
    assert judged("other/new.mk", computed, b"b\n")
    assert not judged("other/new.mk", {"Makefile": BASE}, b"b\n")


@pytest.mark.parametrize(
    "data",
    [
        b"".join(b"t%d: t%d\n\t$(MAKE) t%d\n" % (i, i + 1, i + 2) for i in range(8000)),
        b"test: $(A)\n" + b"".join(b"V%d = $(V%d) t%d\nt%d:\n\ta\n" % (i, i + 1, i, i) for i in range(6000)),
        b"a " * 120_000 + b":\n\tb\n", b"$(" * 120_000, b"export " * 35_000, b" " * 250_000, b"cd a; " * 40_000,
    ],
)  # fmt: skip
def test_no_makefile_takes_long(data: bytes) -> None:
    before = time.process_time()
    found = makefile.needed(data, frozenset({b"test", b"t0"}))
    assert makefile.named((data, found.text)).words is not None
    assert time.process_time() - before < 1
