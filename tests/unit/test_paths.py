"""No path of a patch leads out of the tracked tree, into .git or the ledger, or through a link, in any spelling."""

import json
import os
import string
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import CORPORA
from uet_git.model import gitmodules, links, patchfile, paths
from uet_git.model.reasons import REASONS, gravest
from uet_git.model.records import (
    EXECUTABLE,
    GITLINK,
    REGULAR,
    SYMLINK,
    TREE,
    BinaryHunk,
    FileChange,
    Finding,
    Hunk,
    Patch,
    TreeChange,
)
from uet_git.model.settings import Limits

LIMITS = Limits()


def change(
    path: bytes,
    *,
    op: str = "add",
    mode: int | None = REGULAR,
    content: bytes = b"x\n",
    old: bytes | None = None,
    old_mode: int | None = None,
) -> FileChange:
    hunk = Hunk(0, 0, 1, 1, b"", content, 0, 0, b"+" + content, 7)
    old_path = old if old is not None else (None if op == "add" else path)
    new_path = None if op == "delete" else path
    return FileChange(op, old_path, new_path, old_mode, mode, None, None, (hunk,), None, 1, 0, 5)


def judged(*changes: FileChange) -> list[Finding]:
    return paths.judge_patch(Patch(changes), LIMITS)


def codes(*changes: FileChange) -> set[str]:
    return {f.code for f in judged(*changes)}


SAFE = [
    *(
        b"a.txt",
        b"src/httpx/_client.py",
        b".github/workflows/ci.yml",
        b".gitignore",
        b"a/.gitattributes",
    ),
    *(
        b"my file.txt",
        b"x",
        b".a",
        b"a/.b/c",
        b"console/aux-file.c",
        b"com10/lpt",
        b"nullable.c",
        b"auxiliary",
    ),
    *(
        "caf\u00e9.txt".encode(),
        b"...a",
        b"gita/x",
        b"git",
        b"ledger/x",
        b"sub/.ledger/x",
        b"a~1/b",
        b".gitfoo/x",
    ),
    *(
        b"git~x",
        b"%41",
        b"d" * 240,
        b"/".join([b"d"] * 64),
        b"_x/$y/{z}/[i]/(p)",
        b"LICENSE",
        "\u65e5\u672c/\u8a9e".encode(),
    ),
]


@pytest.mark.parametrize("path", SAFE)
def test_ordinary_names_pass(path: bytes) -> None:
    assert judged(change(path)) == []
    assert judged(change(path, op="modify")) == []


UNSAFE = [
    ("path.traversal", [b"../x", b"a/../b", b"a/..", b"..", b"a\\..\\x", b"..\\x"]),
    ("path.absolute", [b"/etc/passwd", b"//x"]),
    ("path.empty", [b"", b"a//b", b"a/", b"./a", b"a/./b", b"."]),
    (
        "path.dotgit",
        [
            *(
                b".git",
                b".git/config",
                b"a/.git/config",
                b".GIT/x",
                b".Git",
                b"a/.gIt",
                b"git~1/x",
                b"GIT~1",
                b"a/git~2",
            ),
            *(
                b".git /x",
                b".git./x",
                b".git. . ./x",
                b".git::$INDEX_ALLOCATION/x",
                b".git:x",
                b"a\\.git\\x",
                b".git\\config",
            ),
            *(
                ".g\u200cit/x".encode(),
                ".\u200dgit".encode(),
                "\ufeff.git/config".encode(),
                ".gi\u206ft/x".encode(),
            ),
            *("\u2024git".encode(), "x/.GI\u200fT".encode()),
        ],
    ),
    (
        "path.ledger",
        [
            b".ledger",
            b".ledger/ledger.db",
            b".LEDGER/x",
            b"ledger~1/x",
            b".ledger./x",
            b".ledger\\x",
            b".ledger ",
            ".led\u200cger/x".encode(),
        ],
    ),
    (
        "path.control_char",
        [
            b"a\x1b[2K",
            b"sub\r",
            b"a\nb",
            b"a\tb",
            b"\x7f",
            "a\u009bb".encode(),
            "\u0085".encode(),
            b"a\x00b",
        ],
    ),
    (
        "path.too_long",
        [b"d" * 241, b"/".join([b"d"] * 65), b"/".join([b"d" * 200] * 5) + b"/x" * 3],
    ),
]


@pytest.mark.parametrize(("code", "path"), [(code, path) for code, each in UNSAFE for path in each])
def test_unsafe_names_are_refused_whatever_is_done_with_them(code: str, path: bytes) -> None:
    for made in (
        change(path),
        change(path, op="modify"),
        change(path, op="delete"),
        change(b"good", op="rename", old=path),
        change(path, op="copy", old=b"good"),
    ):
        assert code in codes(made), made
    there = TreeChange(path, REGULAR, "a", REGULAR, "b")
    assert code in {f.code for f in in_tree([there])}
    assert not REASONS[code].waivable


@pytest.mark.parametrize(
    ("code", "path"),
    [
        *(("path.encoding", p) for p in (b"caf\xe9.txt", b"\xff", b"a/\xc0\x80", b"\xed\xa0\x80")),
        *(
            ("path.windows_unsafe", p)
            for p in (
                b"aux.txt",
                b"con",
                b"a/NUL",
                b"Com1.log",
                b"lpt9/x",
                b"a/prn ",
                b"a.",
                b"x /y",
                b"a:b",
                b"a*b",
                b'q"',
                b"a\\b",
                b"a?",
                b"<a",
                b"a|b",
                b"conin$",
                "com\u00b2.x".encode(),
                b"aux .x",
            )
        ),
    ],
)
def test_names_for_a_person_only_count_when_they_are_new(code: str, path: bytes) -> None:
    assert codes(change(path)) == {code}
    assert codes(change(path, op="rename", old=b"a")) == {code}
    assert codes(change(path, op="modify")) == set()
    assert codes(change(path, op="delete")) == set()
    assert codes(change(b"a", op="rename", old=path)) == set()
    assert {f.code for f in in_tree([TreeChange(path, 0, "", REGULAR, "b")])} == {code}
    assert in_tree([TreeChange(path, REGULAR, "a", REGULAR, "b")]) == []
    assert REASONS[code].waivable


name = st.one_of(
    st.text(string.ascii_letters + string.digits + ". ~_-:$", max_size=8).map(str.encode),
    st.sampled_from(
        [
            b".git",
            b"git~1",
            b"..",
            b".",
            b"",
            b"aux",
            b"con.x",
            b".ledger",
            b"a ",
            b"d" * 239,
            b"d" * 240,
            b"d" * 241,
            b"e\xcc\x81",
        ]
    ),
    st.binary(max_size=4),
)


@given(st.lists(name, min_size=1, max_size=5))
def test_the_quick_look_never_passes_what_the_close_look_finds(parts: list[bytes]) -> None:
    path = b"/".join(parts)
    if paths._plain(LIMITS.component_bytes)(path + b"/"):
        assert [
            f
            for f in paths._judged_name(path, LIMITS, 0, new=True)
            if f.code != "path.too_long" or b"deep" not in f.detail.encode()
        ] == []


def test_a_finding_names_its_path_and_line() -> None:
    assert judged(change(b"../x")) == [Finding("path.traversal", "", b"../x", 5)]


def test_narrower_limits_are_kept() -> None:
    tight = Limits(path_bytes=10, component_bytes=4, path_depth=2)
    for path in (b"abcd/abcd/a", b"abcde", b"a/b/c"):
        assert [f.code for f in paths.judge_patch(Patch((change(path),)), tight)] == [
            "path.too_long"
        ]
    assert paths.judge_patch(Patch((change(b"abcd/abcd"),)), tight) == []


# --- links and modes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        b"/etc/passwd",
        b"../x",
        b"a/../../x",
        b"../../x",
        b".git/config",
        b"x/.GIT",
        b".ledger/ledger.db",
        b"",
        b"c:\\x",
        b"..\\x",
        b"a\0b",
    ],
)
def test_a_link_that_leads_out_is_refused(target: bytes) -> None:
    assert "mode.symlink_escape" in codes(change(b"ln", mode=SYMLINK, content=target))
    found = in_tree([TreeChange(b"ln", 0, "", SYMLINK, "t")], blobs={"t": target})
    assert "mode.symlink_escape" in {f.code for f in found}


def test_a_link_that_stays_inside_needs_a_person() -> None:
    for path, target in (
        (b"ln", b"a/b"),
        (b"d/ln", b"../a"),
        (b"d/e/ln", b"../../a/./b"),
        (b"ln", b"."),
        (b"d/ln", b".ledger"),
    ):
        assert codes(change(path, mode=SYMLINK, content=target)) == {"mode.symlink"}
        found = in_tree([TreeChange(path, 0, "", SYMLINK, "t")], blobs={"t": target})
        assert [f.code for f in found] == ["mode.symlink"]


def test_a_link_given_as_a_binary_patch_is_judged_too() -> None:
    link = change(b"ln", mode=SYMLINK)._replace(hunks=(), binary=BinaryHunk("literal", 4, b"/etc"))
    assert "mode.symlink_escape" in codes(link)


def test_links_are_followed_through_the_tree() -> None:
    base = {
        b"up": (SYMLINK, "up"),
        b"d/s": (SYMLINK, "s"),
        b"loop": (SYMLINK, "loop"),
        b"out": (SYMLINK, "out"),
        b"abs": (SYMLINK, "abs"),
    }
    blobs = {"up": b"d", "s": b"..", "loop": b"loop", "out": b"../outside", "abs": b"/etc"}
    for target, escapes in (
        (b"d/s/../x", True),
        (b"d/s/x", False),
        (b"up/x", False),
        (b"out/x", True),
        (b"out", True),
        (b"abs/x", True),
        (b"up/../../x", True),
        (b"up/s", False),
    ):
        found = in_tree(
            [TreeChange(b"ln", 0, "", SYMLINK, "t")], base=base, blobs={**blobs, "t": target}
        )
        assert ("mode.symlink_escape" in {f.code for f in found}) == escapes, target
    assert links.escapes_tree(
        b"ln", b"loop/x", lambda p: SYMLINK if p == b"loop" else 0, lambda p: b"loop"
    )


link_part = st.sampled_from([b"..", b"a", b"b", b"l1", b"l2", b"."])
link_target = st.lists(link_part, min_size=1, max_size=4).map(b"/".join)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"l1", b"a/l1", b"a/b/l2", b"l2"]), link_target),
        min_size=1,
        max_size=4,
    )
)
def test_links_judged_safe_stay_inside_on_a_real_file_system(
    made: list[tuple[bytes, bytes]],
) -> None:
    import tempfile

    tree = dict(made)
    verdicts = {
        p: links.escapes_tree(p, t, lambda q: SYMLINK if q in tree else 0, lambda q: tree[q])
        for p, t in tree.items()
    }
    with tempfile.TemporaryDirectory() as top:
        root = os.path.realpath(os.fsencode(top)) + b"/in/root"
        os.makedirs(root + b"/a/b")
        for path, target in tree.items():
            os.symlink(target, root + b"/" + path)
        for path, escapes in verdicts.items():
            real = os.path.realpath(root + b"/" + path)
            if not escapes:
                assert real == root or real.startswith(root + b"/"), (tree, path, real)


def test_writing_through_a_link_of_the_same_patch_is_refused() -> None:
    link, below = change(b"ln", mode=SYMLINK, content=b"a"), change(b"ln/x/y")
    assert "path.through_symlink" in codes(link, below)
    assert "path.through_symlink" in codes(below, link)
    assert "path.through_symlink" not in codes(link, change(b"lnx/y"))
    gone = change(b"ln", op="delete", mode=None, old_mode=SYMLINK)
    assert codes(gone, below) == set()


def test_writing_through_a_link_of_the_base_is_named() -> None:
    def lookup(path: bytes) -> tuple[int, str]:
        return (SYMLINK, "t") if path == b"d/ln" else (0, "")

    found = paths.judge_base_links(Patch((change(b"d/ln/x"), change(b"d/other"))), lookup)
    assert [(f.code, f.path) for f in found] == [("path.through_symlink", b"d/ln/x")]
    gone = change(b"d/ln", op="delete", mode=None, old_mode=SYMLINK)
    assert paths.judge_base_links(Patch((gone, change(b"d/ln/x"))), lookup) == []
    assert {
        f.code
        for f in in_tree(
            [TreeChange(b"d/ln/x", 0, "", REGULAR, "b")],
            base={b"d/ln": (SYMLINK, "t")},
            blobs={"t": b"a"},
        )
    } == {"path.through_symlink"}


def test_a_link_that_gives_way_to_a_folder_is_no_link() -> None:
    gone_link = TreeChange(b"ln", SYMLINK, "t", 0, "")
    below = TreeChange(b"ln/x", 0, "", REGULAR, "b")
    assert in_tree([gone_link, below], base={b"ln": (SYMLINK, "t")}) == []


def test_modes_that_need_a_person_or_are_none() -> None:
    assert codes(change(b"sub", mode=GITLINK)) == {"mode.gitlink"}
    assert codes(change(b"sub", op="delete", mode=None, old_mode=GITLINK)) == set()
    assert codes(change(b"f", mode=0o100600)) == {"mode.unknown"}
    assert codes(change(b"f", op="modify", mode=EXECUTABLE, old_mode=REGULAR)) == set()
    swap = (
        change(b"f", op="delete", mode=None, old_mode=REGULAR),
        change(b"f", mode=SYMLINK, content=b"x"),
    )
    assert [f.code for f in judged(*swap)] == ["mode.symlink", "mode.type_change"]
    kinds = {
        (REGULAR, SYMLINK): ["mode.symlink", "mode.type_change"],
        (SYMLINK, REGULAR): ["mode.type_change"],
        (0, GITLINK): ["mode.gitlink"],
        (SYMLINK, SYMLINK): ["mode.symlink"],
        (SYMLINK, 0): [],
        (REGULAR, EXECUTABLE): [],
        (REGULAR, 0o100664): ["mode.unknown"],
        (REGULAR, GITLINK): ["mode.gitlink", "mode.type_change"],
    }
    for (old, new), expected in kinds.items():
        found = in_tree([TreeChange(b"f", old, "a", new, "t")], blobs={"t": b"x"})
        assert [f.code for f in found] == expected, (old, new)


# --- .gitmodules -------------------------------------------------------------------------------

GOOD_MODULES = b'[submodule "lib/x"]\n\tpath = lib/x\n\turl = https://example.com/x.git ; why\n\tbranch = main\n\tupdate = rebase\n[core]\n\tx = -y\n'


@pytest.mark.parametrize(
    "text",
    [
        *(
            b'[submodule "../x"]\n',
            b'[submodule "a/../../x"]\n',
            b'[submodule "a\\\\..\\\\x"]\n',
            b'[submodule ".."]\n',
        ),
        *(
            b'[submodule "x"]\n url = -u./payload\n',
            b'[submodule "x"]\n url = "-u./payload"\n',
            b'[submodule "x"] path = -x\n',
        ),
        *(
            b'[submodule "x"]\n update = !sh -c id\n',
            b'[SubModule "x"]\n UPDATE = "!sh"\n',
            b'[submodule "x"]\n update = \\\n!id\n',
        ),
        *(
            b'[submodule "x"]\n path = "sub\r"\n',
            b'[submodule "x"]\n path = ../out\n',
            b'[submodule "x"]\n path = /abs\n',
        ),
        *(
            b'[submodule "x"]\n url = ext::sh -c id\n',
            b'[submodule "x"]\n url = https://a%0ahost/\n',
            b'[submodule "x"]\n url = "a\\nb"\n',
        ),
        *(
            b'[submodule "x"\n',
            b'[submodule "x"]\n url = "open\n',
            b'[submodule "x"]\n url = \\q\n',
            b"\x00",
            b'[submodule ""]\n path = x\n',
        ),
    ],
)
def test_a_hostile_gitmodules_is_refused(text: bytes) -> None:
    assert gitmodules.hostile(text)
    assert "path.gitmodules" in codes(change(b".gitmodules", content=text))
    assert "path.gitmodules" in {
        f.code
        for f in in_tree(
            [TreeChange(b".gitmodules", REGULAR, "a", REGULAR, "t")], blobs={"t": text}
        )
    }


def test_an_ordinary_gitmodules_passes() -> None:
    assert gitmodules.hostile(GOOD_MODULES) is None
    assert gitmodules.hostile(GOOD_MODULES.replace(b"\n", b"\r\n")) is None
    assert (
        gitmodules.hostile(b'\xef\xbb\xbf# c\n[submodule "x"]\nshallow\n path = "a b"\\\n/c # d\n')
        is None
    )
    assert gitmodules.hostile(b"") is None
    assert codes(change(b".gitmodules", content=GOOD_MODULES)) == set()


@pytest.mark.parametrize(
    "path",
    [
        b".gitmodules",
        b".GITMODULES",
        b"gitmod~1",
        b"gi7eba~1",
        b".gitmodules ",
        ".gitmod\u200cules".encode(),
        b"sub/.gitmodules",
    ],
)
def test_gitmodules_in_any_spelling_is_a_regular_file(path: bytes) -> None:
    assert "path.gitmodules" in codes(change(path, mode=SYMLINK, content=b"a"))
    assert "path.gitmodules" in {
        f.code for f in in_tree([TreeChange(path, 0, "", SYMLINK, "t")], blobs={"t": b"a"})
    }
    assert "path.gitmodules" not in codes(change(path, content=GOOD_MODULES))


# --- the difference of trees ---------------------------------------------------------------------


def in_tree(
    changes: list[TreeChange],
    base: dict[bytes, tuple[int, str]] | None = None,
    blobs: dict[str, bytes] | None = None,
    asked: list[bytes] | None = None,
) -> list[Finding]:
    """Judges changes of a base given as its files."""
    files = base or {}
    folders: dict[bytes, set[bytes]] = {}
    for path in files:
        parts = path.split(b"/")
        for i in range(len(parts)):
            folders.setdefault(b"/".join(parts[:i]), set()).add(parts[i])

    def lookup(path: bytes) -> tuple[int, str]:
        return files.get(path) or ((TREE, "tree") if path in folders else (0, ""))

    def names(folder: bytes) -> Collection[bytes]:
        if asked is not None:
            asked.append(folder)
        return folders.get(folder, ())

    return paths.judge_changes(
        changes,
        LIMITS,
        lookup=lookup,
        names=names,
        read_blob=lambda oid: (blobs or {}).get(oid, b""),
    )


def new(path: bytes) -> TreeChange:
    return TreeChange(path, 0, "", REGULAR, "b")


def gone(path: bytes) -> TreeChange:
    return TreeChange(path, REGULAR, "a", 0, "")


BASE = {
    b"README.md": (REGULAR, "a"),
    b"src/Main.c": (REGULAR, "a"),
    b"Docs/a": (REGULAR, "a"),
    "caf\u00e9".encode(): (REGULAR, "a"),
    b"src/sub/x": (REGULAR, "a"),
}


@pytest.mark.parametrize(
    ("changes", "with_"),
    [
        ([new(b"README.MD")], "README.md"),
        ([new(b"src/main.c")], "src/Main.c"),
        ([new(b"SRC/other.c")], "src"),
        ([new(b"docs/b/c")], "Docs"),
        ([new("cafe\u0301".encode())], "caf\u00e9"),
        ([new("CAF\u00c9".encode())], "caf\u00e9"),
        ([new(b"n/x"), new(b"n/X")], "n/x"),
        ([new(b"n/x"), new(b"N/y")], "n"),
        ([new("stra\u00dfe".encode()), new(b"STRASSE")], "stra\u00dfe"),
        ([gone(b"src/Main.c"), new(b"SRC/Main.c")], "src"),
    ],
)
def test_names_that_other_systems_take_for_one_need_a_person(
    changes: list[TreeChange], with_: str
) -> None:
    found = in_tree(changes, BASE)
    assert [(f.code, f.detail) for f in found] == [("path.casefold_collision", f"with {with_}")]


@pytest.mark.parametrize(
    "changes",
    [
        [new(b"README.txt"), new(b"src/other.c"), new(b"new/deep/er/x"), new(b"new/deep/er/y")],
        [gone(b"README.md"), new(b"README.MD")],
        [gone(b"Docs/a"), new(b"docs/a")],
        [gone(b"src/Main.c"), gone(b"src/sub/x"), new(b"Src/Main.c"), new(b"Src/sub/x")],
        [TreeChange(b"README.md", REGULAR, "a", REGULAR, "b")],
        [gone(b"README.md"), new(b"README.md/x")],
        [new("\u65e5\u672c".encode()), new("\u672c\u65e5".encode())],
    ],
)
def test_renames_of_case_and_other_names_pass(changes: list[TreeChange]) -> None:
    assert in_tree(changes, BASE) == []


def test_only_the_folder_of_a_new_name_is_looked_through() -> None:
    asked: list[bytes] = []
    in_tree(
        [new(b"src/sub/y"), TreeChange(b"README.md", REGULAR, "a", REGULAR, "b"), gone(b"Docs/a")],
        BASE,
        asked=asked,
    )
    assert asked == [b"src/sub"]


# --- the corpus ----------------------------------------------------------------------------------


def nasty() -> list[dict[str, str]]:
    manifest = CORPORA / "nasty" / "manifest.json"
    return json.loads(manifest.read_bytes()) if manifest.is_file() else []


@pytest.mark.skipif(not nasty(), reason="the nasty patches are not on this machine")
@pytest.mark.parametrize("case", nasty(), ids=lambda c: c["file"])
def test_nasty_patches(case: dict[str, str]) -> None:
    """What the corpus expects of names and modes is found on the parse alone; else nothing is."""
    data = Path(CORPORA / "nasty" / case["file"]).read_bytes()
    patch = patchfile.read(data, LIMITS)
    found = [*patch.findings, *paths.judge_patch(patch, LIMITS)]
    expected = case["expected"].partition(": ")[2]
    if expected.startswith(("path.", "mode.")) and expected != "path.casefold_collision":
        assert gravest(f.code for f in found) == expected
    else:
        assert not [f for f in found if f.code.startswith(("path.", "mode."))]
