"""Rule: what we accept, `git apply` accepts with the same bytes; what git refuses, we refuse. git is run in bulk."""

import gzip
import hashlib
import os
import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.builders import git, make_repo
from uet_git.model import compose, patchfile
from uet_git.model.records import FileChange, Finding, Patch
from uet_git.model.settings import Limits

LIMITS = Limits()
NAME = b"dir/file name.txt"
WORDS = [
    b"a",
    b"b",
    b"",
    b"}",
    b"a ",
    b"-x",
    b"+y",
    b" z",
    b"\\ odd",
    b"@@ -1 +1 @@",
    b"-- ",
    b"a\r",
    b"\xff\xfe",
]


@dataclass
class Case:
    """One patch for one file. `base` None means that the file is absent; so does a result of None."""

    base: bytes | None
    patch: bytes
    note: str = ""


def run_git(folder: Path, cases: list[Case]) -> list[tuple[bool, bytes | None]]:
    """Applies every case with `git apply -p1` in a folder of its own, all in one shell."""
    for number, case in enumerate(cases):
        target = folder / f"c{number}" / os.fsdecode(NAME)
        target.parent.mkdir(parents=True)
        if case.base is not None:
            target.write_bytes(case.base)
        (folder / f"c{number}.patch").write_bytes(case.patch)
    script = (
        'i=0; while [ $i -lt "$1" ]; do git -C c$i apply -p1 --whitespace=nowarn ../c$i.patch'
        " 2>/dev/null; echo $?; i=$((i+1)); done"
    )
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(len(cases))],
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder)},
        capture_output=True,
        check=True,
    )
    codes = done.stdout.split()
    assert len(codes) == len(cases)
    results: list[tuple[bool, bytes | None]] = []
    for number, code in enumerate(codes):
        target = folder / f"c{number}" / os.fsdecode(NAME)
        results.append((code == b"0", target.read_bytes() if target.exists() else None))
    return results


def run_ours(case: Case) -> Finding | bytes | None:
    """What we make of a case: the new content, None if the file goes, or why not."""
    patch = patchfile.read(case.patch, LIMITS)
    if patch.findings:
        return patch.findings[0]
    if len(patch.changes) != 1 or patch.changes[0].path != NAME:
        return Finding("test.other_file")
    change = patch.changes[0]
    assert all(compose.body_agrees(hunk) for hunk in change.hunks)
    if change.op == "add" and case.base is not None and (case.base or change.old_path is None):
        return Finding("apply.exists")
    if change.op != "add" and case.base is None:
        return Finding("apply.no_such_file")
    return result_of(change, case.base or b"")


def result_of(change: FileChange, base: bytes) -> Finding | bytes | None:
    """Applies one change to its base, and undoes it."""
    if change.binary is not None:
        return compose.apply_binary(change, base)
    done = compose.apply_text(change.hunks, base, compose.Work())
    if isinstance(done, Finding):
        return done
    result, placed = done
    assert compose.undo_text(change.hunks, placed, result) == base
    assert compose._anywhere(change.hunks, base, compose.Work()) == done
    if change.op == "delete":
        return Finding("apply.delete_leftover") if result else None
    return result


def random_lines(rng: random.Random, count: int) -> list[bytes]:
    words = WORDS[: rng.choice((1, 2, 4, len(WORDS)))]
    return [rng.choice(words) + b"\n" for _ in range(count)]


def edited(rng: random.Random, lines: list[bytes], edits: int) -> list[bytes]:
    lines = list(lines)
    for _ in range(edits):
        at = rng.randint(0, len(lines))
        act = rng.randrange(3)
        if act:
            lines[at:at] = random_lines(rng, rng.randint(1, 3))
        if act != 1:
            del lines[at : at + rng.randint(1, 3)]
    return lines


def joined(rng: random.Random, lines: list[bytes]) -> bytes:
    text = b"".join(lines)
    return text[:-1] if rng.random() < 0.2 and text.endswith(b"\n") else text


def make_patches(repo: Path, pairs: list[tuple[bytes, bytes]], options: list[str]) -> list[bytes]:
    """Returns git's diff of every pair, as one for NAME."""
    for side in (0, 1):
        for number, pair in enumerate(pairs):
            (repo / f"f{number:04}").write_bytes(pair[side])
        if not side:
            git(repo, "add", "-A")
    text = git(repo, "diff", "--src-prefix=a/", "--dst-prefix=b/", *options)
    patches = [b""] * len(pairs)
    for section in text.split(b"diff --git a/f")[1:]:
        name = b"f" + section[:4]
        section = b"diff --git a/f" + section
        head, mark, body = section.partition(b"\n@@ ")
        head = head.replace(b"a/" + name + b"\n", b"a/" + NAME + b"\t\n").replace(
            b"a/" + name, b"a/" + NAME
        )
        head = head.replace(b"b/" + name + b"\n+", b"b/" + NAME + b"\n+")
        if head.endswith(b"b/" + name):
            head = head.removesuffix(b"b/" + name) + b"b/" + NAME + b"\t"
        patches[int(name[1:])] = head.replace(b"b/" + name, b"b/" + NAME) + mark + body
    return patches


def mutated(rng: random.Random, patch: bytes) -> bytes:
    """Damages a patch below its file header as people, mailers and models do."""
    lines = patch.split(b"\n")
    hunks = [number for number, line in enumerate(lines) if line.startswith(b"@@ -")]
    if not hunks:
        return patch
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(hunks[0], len(lines))
        act = rng.randrange(9)
        if act == 0:
            del lines[at]
        elif act == 1:
            lines.insert(at, lines[at])
        elif act == 2:
            lines[at] = rng.choice((b" ", b"+", b"-", b"\\", b"", b"x")) + lines[at][1:]
        elif act == 3:
            lines.insert(
                at,
                rng.choice((b"\\ No newline at end of file", b"", b"-- ", b"text", b"@@ -1 +1 @@")),
            )
        elif act == 4:
            other = rng.randrange(hunks[0], len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif act == 5:
            lines = lines[: at + 1]
        else:
            hunk = rng.choice([h for h in hunks if h < len(lines)] or [0])
            lines[hunk] = b"".join(
                str(max(0, int(part) + rng.choice((-2, -1, 1, 5)))).encode()
                if part.isdigit() and rng.random() < 0.4
                else part
                for part in split_numbers(lines[hunk])
            )
    return b"\n".join(lines)


def split_numbers(line: bytes) -> list[bytes]:
    out: list[bytes] = []
    for char in (bytes((c,)) for c in line):
        if out and out[-1].isdigit() and char.isdigit():
            out[-1] += char
        else:
            out.append(char)
    return out


def shuffled(rng: random.Random, patch: bytes) -> bytes:
    head, *hunks = patch.split(b"\n@@ -")
    hunks = [hunk.removesuffix(b"\n") for hunk in hunks]
    rng.shuffle(hunks)
    return b"\n@@ -".join([head, *hunks]) + b"\n"


def build_cases(repo: Path, seed: int, count: int) -> list[Case]:
    rng = random.Random(seed)
    context = rng.choice((0, 1, 2, 3, 3, 10))
    pairs: list[tuple[bytes, bytes]] = []
    bases: list[list[bytes]] = []
    for _ in range(count):
        lines = random_lines(rng, rng.choice((0, 1, 3, 8, 25, 60)))
        after = edited(rng, lines, rng.choice((1, 1, 3, 6)))
        bases.append(lines)
        pairs.append((joined(rng, lines), joined(rng, after)))
    cases: list[Case] = []
    for (base, _), lines, patch in zip(
        pairs, bases, make_patches(repo, pairs, [f"-U{context}"]), strict=True
    ):
        if not patch:
            continue
        note = f"seed {seed} U{context}"
        cases.append(Case(base, patch, note + " plain"))
        drift = joined(rng, edited(rng, lines, rng.choice((1, 2, 4))))
        cases.append(Case(drift, patch, note + " drift"))
        cases.append(Case(base, mutated(rng, patch), note + " mutated"))
        cases.append(Case(drift, mutated(rng, patch), note + " mutated drift"))
        cases.append(Case(rng.choice((base, drift)), shuffled(rng, patch), note + " shuffled"))
    return cases


def compare(cases: list[Case], answers: list[tuple[bool, bytes | None]]) -> dict[str, int]:
    """Asserts the rule; returns how often which side refused."""
    counts: dict[str, int] = {}
    for case, (accepted, content) in zip(cases, answers, strict=True):
        ours = run_ours(case)
        if isinstance(ours, Finding):
            kind = f"{ours.code} git={accepted}"
            undamaged = case.note.endswith("plain") and "U0" not in case.note
            assert not undamaged, ("a patch that git wrote is refused", case, ours)
        else:
            assert accepted, ("git refuses", case)
            assert ours == content, ("bytes differ", case, ours, content)
            if case.note.endswith("plain") and "U0" not in case.note:
                change = patchfile.read(case.patch, LIMITS).changes[0]._replace(new_oid=None)
                assert compose.is_applied(change, content), case
            kind = "accepted"
        counts[kind] = counts.get(kind, 0) + 1
    return counts


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_text_agrees_with_git(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("oracle")
    repo = make_repo(folder / "repo")
    cases = build_cases(repo, seed, 40)
    (folder / "cases").mkdir()
    counts = compare(cases, run_git(folder / "cases", cases))
    assert counts["accepted"] > len(cases) // 10


Tree = dict[bytes, tuple[int, bytes]]
NAMES = [
    b"a",
    b"dir/b c",
    b"caf\xc3\xa9",
    b'q"uote',
    b"tab\there",
    b"back\\slash",
    b"\xff",
    b"x y/z w",
    b"end ",
    b"sub",
    b"b/a",
    b"l",
]
REGULAR, EXECUTABLE, LINK, GITLINK = 0o100644, 0o100755, 0o120000, 0o160000


def random_content(rng: random.Random, mode: int) -> bytes:
    if mode == GITLINK:
        return b"Subproject commit %040x\n" % rng.randint(1, 9)
    if mode == LINK:
        return rng.choice((b"a", b"dir/b c", b"t\xe9"))
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return rng.randbytes(rng.choice((1, 30, 300))) + b"\0"
    return joined(rng, random_lines(rng, rng.choice((1, 5, 20))))


def random_tree(rng: random.Random) -> Tree:
    modes = (REGULAR, REGULAR, REGULAR, EXECUTABLE, LINK, GITLINK)
    picked = [(name, rng.choice(modes)) for name in rng.sample(NAMES, rng.randint(1, 6))]
    return {name: (mode, random_content(rng, mode)) for name, mode in picked}


def changed_tree(rng: random.Random, tree: Tree) -> Tree:
    """Edits, moves, copies, deletes and retypes some files."""
    out = dict(tree)
    for _ in range(rng.randint(1, 4)):
        name = rng.choice(NAMES)
        act = rng.randrange(7)
        if act == 0 or name not in out:
            mode = rng.choice((REGULAR, REGULAR, EXECUTABLE, LINK, GITLINK))
            out[name] = (mode, random_content(rng, mode))
        elif act == 1:
            del out[name]
        elif act in (2, 3):
            moved = out[name] if act == 2 else out.pop(name)
            out[rng.choice(NAMES)] = moved
        elif act == 4 and out[name][0] in (REGULAR, EXECUTABLE):
            out[name] = (out[name][0] ^ 0o111, out[name][1])
        elif out[name][0] in (REGULAR, EXECUTABLE):
            lines = edited(rng, out[name][1].splitlines(keepends=True), 1)
            out[name] = (out[name][0], b"".join(lines))
    return out


def write_tree(repo: Path, tree: Tree) -> str:
    """Writes a tree into the repository; returns its id."""
    index = {"GIT_INDEX_FILE": str(repo / "scratch-index")}
    stream, lines = b"", b""
    blobs = [content for mode, content in tree.values() if mode != GITLINK]
    for number, blob in enumerate(blobs):
        stream += b"blob\nmark :%d\ndata %d\n%s\n" % (number + 1, len(blob), blob)
    marks = repo / "marks"
    git(repo, "fast-import", "--quiet", f"--export-marks={marks}", stdin=stream)
    ids = dict(line.split() for line in marks.read_bytes().splitlines()) if blobs else {}
    number = 0
    for name, (mode, content) in tree.items():
        if mode == GITLINK:
            oid = content.split()[-1]
        else:
            number += 1
            oid = ids[b":%d" % number]
        lines += b"%06o %s\t%s\0" % (mode, oid, name)
    (repo / "scratch-index").unlink(missing_ok=True)
    git(repo, "update-index", "-z", "--index-info", stdin=lines, env=index)
    return git(repo, "write-tree", "--missing-ok", env=index).decode().strip()


def oid_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def compose_tree(tree: Tree, patch: Patch) -> Tree | Finding:
    """The simplest right way to apply a parsed patch to a tree: every source is read before anything is written."""
    gone = {c.old_path for c in patch.changes if c.op in ("delete", "rename")}
    out = {name: entry for name, entry in tree.items() if name not in gone}
    if any(path.startswith(b"/") or b"//" in path for path in patch.paths):
        return Finding("path.judged_elsewhere")
    for change in patch.changes:
        old = tree.get(change.old_path) if change.old_path is not None else None
        if change.op == "add":
            if change.new_path in out:
                return Finding("apply.exists")
            old = (change.new_mode or REGULAR, b"")
        if old is None:
            return Finding("apply.no_such_file")
        if change.old_mode is not None and (change.old_mode ^ old[0]) & 0o170000:
            return Finding("apply.wrong_mode")
        if change.op in ("rename", "copy") and change.new_path in out:
            return Finding("apply.exists")
        if change.binary is not None and change.op != "add" and oid_of(old[1]) != change.old_oid:
            return Finding("apply.preimage")
        result = result_of(change, old[1])
        if isinstance(result, Finding):
            return result
        if change.op == "delete":
            continue
        assert result is not None
        assert change.new_path is not None
        if change.binary is not None and oid_of(result) != change.new_oid:
            return Finding("apply.postimage")
        moved = change.op == "add" or (
            change.new_mode is not None and change.new_mode != change.old_mode
        )
        out[change.new_path] = (change.new_mode if moved and change.new_mode else old[0], result)
    return out


def damaged_header(rng: random.Random, patch: bytes) -> bytes:
    """Drops, doubles, swaps or alters a header line."""
    lines = patch.split(b"\n")
    heads = [
        n
        for n, line in enumerate(lines)
        if re.match(rb"(diff|index|old|new|del|---|\+\+\+|ren|copy|sim|GIT)", line)
    ]
    at = rng.choice(heads)
    act = rng.randrange(6)
    if act == 0:
        del lines[at]
    elif act == 1:
        lines.insert(at, lines[at])
    elif act == 2:
        other = rng.choice(heads)
        lines[at], lines[other] = lines[other], lines[at]
    elif act == 3:
        lines[at] = lines[at].replace(
            *rng.choice(
                (
                    (b"a", b"b"),
                    (b"100644", b"100755"),
                    (b"new", b"old"),
                    (b"b/", b"c/"),
                    (b"/", b"//"),
                )
            )
        )
    elif act == 4:
        lines[at] += rng.choice((b"\r", b"\t", b" ", b"x"))
    else:
        lines.insert(
            at,
            rng.choice(
                (
                    b"",
                    b"Index: x",
                    b"old mode 100644",
                    b"new file mode 100644",
                    b"rename from a",
                    b"diff -r x",
                    b"text",
                )
            ),
        )
    return b"\n".join(lines)


def index_listing(tree: Tree) -> bytes:
    rows = (
        b"%06o %s 0\t%s\0"
        % (mode, content.split()[-1] if mode == GITLINK else oid_of(content).encode(), name)
        for name, (mode, content) in sorted(tree.items())
    )
    return b"".join(rows)


def run_git_trees(repo: Path, cases: list[tuple[str, bytes]]) -> list[bytes | None]:
    """Applies each patch to its tree with `git apply --cached -p1`; the index listings, None for a refusal."""
    folder = repo / "cases"
    folder.mkdir()
    for number, (tree, patch) in enumerate(cases):
        (folder / f"{number}.patch").write_bytes(patch)
        (folder / f"{number}.tree").write_text(tree)
    script = (
        'i=0; while [ $i -lt "$1" ]; do export GIT_INDEX_FILE=cases/$i.index; git read-tree $(cat cases/$i.tree);'
        " git apply --cached -p1 --whitespace=nowarn cases/$i.patch 2>/dev/null && git ls-files -s -z >cases/$i.out;"
        " i=$((i+1)); done"
    )
    subprocess.run(
        ["sh", "-c", script, "sh", str(len(cases))], cwd=repo, check=True, capture_output=True
    )
    outs = (folder / f"{number}.out" for number in range(len(cases)))
    return [out.read_bytes() if out.exists() else None for out in outs]


DIFFS = [
    ["--binary", "--full-index", "-M", "-C", "--find-copies-harder"],
    ["--binary", "--full-index", "-M10%", "-B10%/10%"],
    ["--binary", "--full-index", "--no-renames"],
    ["--binary", "-M", "-U1", "--src-prefix=i/", "--dst-prefix=w/"],
]


def build_tree_cases(
    repo: Path, seed: int, count: int
) -> list[tuple[Tree, str, bytes, Tree | None]]:
    """Returns trees, their ids, patches, and what a patch must give if it is undamaged."""
    rng = random.Random(seed)
    cases: list[tuple[Tree, str, bytes, Tree | None]] = []
    for _ in range(count):
        before = random_tree(rng)
        after = changed_tree(rng, before)
        old, new = write_tree(repo, before), write_tree(repo, after)
        patch = git(repo, "diff-tree", "-p", *rng.choice(DIFFS), old, new)
        if patch:
            cases.append((before, old, patch, after))
            cases.extend((before, old, damaged_header(rng, patch), None) for _ in range(3))
    return cases


def check_trees(repo: Path, cases: list[tuple[Tree, str, bytes, Tree | None]]) -> None:
    for (before, _, patch, after), listing in zip(
        cases, run_git_trees(repo, [case[1:3] for case in cases]), strict=True
    ):
        parsed = patchfile.read(patch, LIMITS)
        ours = parsed.findings[0] if parsed.findings else compose_tree(before, parsed)
        if after is not None and listing == index_listing(after):
            assert not isinstance(ours, Finding), ("refused", ours, patch)
        if not isinstance(ours, Finding):
            assert listing is not None, ("git refuses", before, patch)
            assert index_listing(ours) == listing, (before, patch)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_headers_agree_with_git(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    repo = make_repo(tmp_path_factory.mktemp("trees") / "repo")
    check_trees(repo, build_tree_cases(repo, seed, 25))


BITS = [
    b"a/",
    b"b/",
    b"/",
    b"x",
    b"dir/",
    b" ",
    b"\t",
    b"//",
    b'"',
    b"\\",
    b"\\057",
    b".orig",
    b"~",
    b"\r",
    b"\xe9",
    b"-",
]
STAMPS = [
    b"",
    b"",
    b"\t2010-07-05 19:41:17.620000023 -0500",
    b" 2010-07-05 19:41:17",
    b"\t72-02-05",
    b"  72-02-05 +08:00",
    b"\t1970-01-01 00:00:00.000000000 +0000",
    b"\t1969-12-31 19:00:00 -0500",
    b"\t1970-01-01 01:00:00.5 +0100",
    b"\t1970-01-01 02:00:00 +02:00",
    b"\t(revision 3)",
    b"\tThu Jan  1 00:00:00 1970",
]


def random_name(rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice((b"/dev/null", b"/dev/nullx", b'"/dev/null"'))
    start = rng.choice((b"a/", b"b/", b"x.orig/", b"", b'"a/', b"/"))
    return (
        start
        + b"".join(rng.choice(BITS) for _ in range(rng.randint(0, 3)))
        + rng.choice((b"x", b"y", b"x/y", b'y"'))
    )


def random_header(rng: random.Random) -> bytes:
    """A header with odd names, and hunks that create, delete or change."""
    first, second = random_name(rng), random_name(rng)
    if rng.random() < 0.7:
        second = rng.choice(
            (first, first.replace(b"a/", b"b/", 1), first + rng.choice((b".orig", b"~", b"x")))
        )
    pair = b"--- %s%s\n+++ %s%s\n" % (first, rng.choice(STAMPS), second, rng.choice(STAMPS))
    hunk = rng.choice((b"@@ -0,0 +1 @@\n+x\n", b"@@ -1 +0,0 @@\n-x\n", b"@@ -1 +1 @@\n-x\n+y\n"))
    line = b"diff --git %s %s\n" % (first, second)
    kind = rng.randrange(6)
    if kind == 0:
        return line + b"old mode 100644\nnew mode 100755\n"
    if kind == 1:
        return line + b"rename from %s\nrename to %s\n" % (first, second)
    if kind == 2:
        return (
            line
            + rng.choice((b"", b"new file mode 100644\n", b"deleted file mode 100644\n"))
            + pair
            + hunk
        )
    return pair + hunk


def test_names_agree_with_git(tmp_path: Path) -> None:
    rng = random.Random(7)
    patches = [random_header(rng) for _ in range(400)]
    script = 'i=0; while [ $i -lt "$1" ]; do git apply -p1 --numstat -z $i.patch >$i.out 2>/dev/null || rm $i.out; i=$((i+1)); done'
    for number, patch in enumerate(patches):
        (tmp_path / f"{number}.patch").write_bytes(patch)
    subprocess.run(["sh", "-c", script, "sh", str(len(patches))], cwd=tmp_path, check=True)
    taken = 0
    for number, patch in enumerate(patches):
        read = patchfile.read(patch, LIMITS)
        if read.findings:
            continue
        out = tmp_path / f"{number}.out"
        assert out.exists(), ("git refuses", patch, read)
        change = read.changes[0]
        numbers = b"%d\t%d\t" % (change.insertions, change.deletions)
        assert out.read_bytes().removeprefix(numbers).rstrip(b"\0") == change.path, (patch, change)
        taken += 1
    assert taken > len(patches) // 10


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["httpx", "redis", "newtonsoft"])
def test_real_series_are_read(name: str, corpora: Path) -> None:
    text = gzip.decompress((corpora / name / "series.mbox.gz").read_bytes())
    mails = re.split(rb"(?m)^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n", text)[1:]
    for mail in mails:
        patch = patchfile.read(mail.partition(b"\n\n")[2], LIMITS)
        assert not patch.findings
        assert patch.changes
        assert all(compose.body_agrees(hunk) for change in patch.changes for hunk in change.hunks)
