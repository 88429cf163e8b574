"""Generated repositories and patches with git's own verdict on each: the oracle of the composer's property tests.

One seed makes one example: a base tree, a changed tree, the diff that git makes between them with random options, in
one of three examples spoiled by hand, and the tree that it is applied to (the base, or one that went on without it).
All trees are made by one `git fast-import`, all diffs by a few `git diff-tree --stdin`; git's verdict is that of
`git apply --cached` on a private index, in a repository that does not hold the changed trees.
"""

import os
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.builders import git, make_repo

File = tuple[str, bytes]
"""Mode and content; of a submodule, the hex of its commit."""
Tree = dict[bytes, File]

NAMES = (
    *(
        b"a",
        b"a.b",
        b"a-b",
        b"a0",
        b"b",
        b"d",
        b"d.x",
        b"long-name.txt",
        b"sp ace",
        b'q"uote',
        b"\xc3\xa9",
        b"\xff\xfe",
    ),
    *(b"tab\there", b"-dash", b"x y/z"),
)
FOLDERS = (b"", b"", b"d/", b"d/e/", b"d/e/f/", b"a/", b"a0/", b"sp ace/", b"d-e/")
MODES = ("100644", "100644", "100644", "100755")
OPTIONS = (
    ("-U3",),
    ("-U3", "-M"),
    ("-U1", "-M", "-C", "--find-copies-harder"),
    ("-U3", "-B", "-M"),
    ("-U3", "-B", "-C", "--find-copies-harder"),
    ("-U10", "--no-renames"),
    ("-U2", "--patience", "-M30%"),
    ("-U3", "--inter-hunk-context=4", "--histogram", "-C"),
    ("-U0", "-M"),
)
_SECTION = re.compile(rb"^(?=diff --git )", re.MULTILINE)
_HUNK = re.compile(rb"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")


@dataclass
class Example:
    """One patch for one tree. `verdict` is git's: the tree's id, or None if it refuses."""

    seed: int
    base: Tree
    changed: Tree
    onto: Tree
    options: int
    spoiled: str = ""
    base_id: str = ""
    changed_id: str = ""
    onto_id: str = ""
    patch: bytes = b""
    verdict: str | None = None
    said: bytes = field(default=b"", repr=False)


def _text(rng: random.Random) -> bytes:
    count = rng.choice((0, 1, 2, 5, 12, 30, 60))
    few = rng.random() < 0.4
    end = b"\r\n" if rng.random() < 0.15 else b"\n"
    lines = [
        (b"%c" % rng.choice(b"abc}") if few else b"line %d" % rng.randrange(200))
        for _ in range(count)
    ]
    text = b"".join(line + end for line in lines)
    if rng.random() < 0.1:
        text += b"caf\xe9 \xff" + end
    return text.removesuffix(b"\n") if rng.random() < 0.2 else text


def _binary(rng: random.Random) -> bytes:
    return b"\0" + rng.randbytes(rng.choice((1, 60, 3000)))


def _file(rng: random.Random) -> File:
    roll = rng.random()
    if roll < 0.08:
        return "120000", rng.choice((b"a", b"../up", b"d/e", b"missing target"))
    if roll < 0.14:
        return "160000", b"%040x" % rng.getrandbits(160)
    return rng.choice(MODES), _binary(rng) if roll < 0.22 else _text(rng)


def _path(rng: random.Random) -> bytes:
    return rng.choice(FOLDERS) + rng.choice(NAMES)


def _edited(rng: random.Random, content: bytes) -> bytes:
    if content[:1] == b"\0":
        at = rng.randrange(len(content))
        return (
            content[:at]
            + rng.randbytes(rng.choice((0, 3, 40)))
            + content[at + rng.choice((0, 1, 20)) :]
        )
    lines = content.splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines) + 1)
        end = b"\r\n" if b"\r\n" in content else b"\n"
        new = [b"new %d" % rng.randrange(50) + end for _ in range(rng.choice((0, 1, 1, 4)))]
        if at == len(lines) and lines and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        lines[at : at + rng.choice((0, 1, 1, 3))] = new
    text = b"".join(lines)
    roll = rng.random()
    if roll < 0.08:
        return text.removesuffix(b"\n")
    return text + b"\n" if roll < 0.16 and not text.endswith(b"\n") else text


def _longer(rng: random.Random, file: File) -> File:
    """A text with lines put before it, some of them its own: its hunks have moved, and may fit twice."""
    mode, content = file
    lines = content.splitlines(keepends=True)
    if mode in ("120000", "160000") or b"\0" in content or not lines or rng.random() < 0.3:
        return file
    at = rng.randrange(len(lines))
    own = [line for line in lines[at : at + rng.randrange(12)] if line.endswith(b"\n")]
    return mode, b"".join([*own, b"added\n" * rng.randrange(4)]) + content


def _evolved(rng: random.Random, tree: Tree, steps: int) -> Tree:
    tree = dict(tree)
    for _ in range(steps):
        files = [p for p, f in tree.items() if f[0] != "160000"]
        roll = rng.random()
        if not files or roll < 0.16:
            tree[_path(rng)] = _file(rng)
            continue
        path = rng.choice(files)
        mode, content = tree[path]
        if roll < 0.5:
            tree[path] = mode, _edited(rng, content) if mode != "120000" else content + b"x"
        elif roll < 0.58:
            tree[path] = {"100644": "100755", "100755": "100644"}.get(mode, mode), content
        elif roll < 0.68:
            del tree[path]
        elif roll < 0.8:
            del tree[path]
            tree[_path(rng)] = (
                mode,
                _edited(rng, content) if rng.random() < 0.5 and mode != "120000" else content,
            )
        elif roll < 0.87:
            tree[_path(rng)] = (
                mode,
                _edited(rng, content) if rng.random() < 0.5 and mode != "120000" else content,
            )
        elif roll < 0.91:
            other = rng.choice(files)
            tree[path], tree[other] = tree[other], tree[path]
        elif roll < 0.95:
            tree[path] = _file(rng)
        else:
            links = [p for p, f in tree.items() if f[0] == "160000"] or [path]
            tree[rng.choice(links)] = "160000", b"%040x" % rng.getrandbits(160)
    return _possible(rng, tree)


def _possible(rng: random.Random, tree: Tree) -> Tree:
    """Leaves out what cannot stand beside something else: a file and a directory of one name."""
    kept: Tree = {}
    for path in rng.sample(sorted(tree), len(tree)):
        parts = path.split(b"/")
        above = {b"/".join(parts[:n]) for n in range(1, len(parts))}
        if not above & kept.keys() and not any(p.startswith(path + b"/") for p in kept):
            kept[path] = tree[path]
    return kept


def example(seed: int) -> Example:
    """The example of one seed, without ids, patch and verdict."""
    rng = random.Random(seed)
    base = _possible(rng, {_path(rng): _file(rng) for _ in range(rng.choice((1, 3, 8, 14)))})
    changed = _evolved(rng, base, rng.choice((1, 1, 2, 4, 8)))
    onto = base if rng.random() < 0.55 else _evolved(rng, base, rng.choice((1, 2, 4)))
    if rng.random() < 0.2:
        onto = {path: _longer(rng, file) for path, file in base.items()}
    if rng.random() < 0.04:
        onto = changed
    return Example(seed, base, changed, onto, rng.randrange(len(OPTIONS)))


def _import(repo: Path, trees: list[Tree]) -> list[str]:
    """Writes trees with `git fast-import`; returns their ids."""
    stream: list[bytes] = []
    for number, tree in enumerate(trees):
        stream.append(b"commit refs/heads/t%d\ncommitter a <a@e> 1 +0000\ndata 0\n" % number)
        for path, (mode, content) in tree.items():
            quoted = b'"' + re.sub(rb'["\\\t\xff\xfe]', lambda m: b"\\%03o" % m[0][0], path) + b'"'
            if mode == "160000":
                stream.append(b"M 160000 %b %b\n" % (content, quoted))
            else:
                stream.append(
                    b"M %b inline %b\ndata %d\n%b\n"
                    % (mode.encode(), quoted, len(content), content)
                )
    git(repo, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
    lines = (
        git(repo, "for-each-ref", "--format=%(refname:lstrip=2) %(tree)", "refs/heads")
        .decode()
        .split("\n")
    )
    ids = dict(line[1:].split() for line in lines if line)
    git(
        repo,
        "update-ref",
        "--stdin",
        stdin=b"".join(b"delete refs/heads/t%d\n" % n for n in range(len(trees))),
    )
    return [ids[str(n)] for n in range(len(trees))]


def _diffs(repo: Path, examples: list[Example]) -> None:
    for number, options in enumerate(OPTIONS):
        mine = [e for e in examples if e.options == number and e.base_id != e.changed_id]
        asked = b"".join(b"%b %b\n" % (e.base_id.encode(), e.changed_id.encode()) for e in mine)
        out = git(
            repo, "diff-tree", "--stdin", "-p", "--binary", "--full-index", *options, stdin=asked
        )
        at = 0
        for this, after in zip(mine, [*mine[1:], None], strict=True):
            head = b"%b %b\n" % (this.base_id.encode(), this.changed_id.encode())
            assert out.startswith(head, at), (out[at : at + 90], head)
            start = at + len(head)
            at = len(out)
            if after is not None:
                at = (
                    out.index(
                        b"\n%b %b\n" % (after.base_id.encode(), after.changed_id.encode()),
                        start - 1,
                    )
                    + 1
                )
            this.patch = out[start:at]


def _spoil(rng: random.Random, this: Example) -> None:
    """Does to a patch what people and tools do to patches."""
    sections = _SECTION.split(this.patch)[1:]
    number = rng.randrange(len(sections))
    section = sections[number]
    how = rng.choice(
        (
            "shift",
            "context",
            "drop",
            "modes",
            "swap",
            "path",
            "byte",
            "ids",
            "newline",
            "body",
            "mixed",
        )
    )
    lines = section.split(b"\n")
    if how == "shift":
        off = rng.choice((-20, -3, -1, 1, 2, 7, 40))
        section = _HUNK.sub(
            lambda m: (
                b"@@ -%d%b +%d%b @@"
                % (max(0, int(m[1]) + off), m[2] or b"", max(0, int(m[3]) + off), m[4] or b"")
            ),
            section,
        )
    elif how == "context":
        kept = [n for n, line in enumerate(lines) if line[:1] == b" "]
        if kept:
            lines[rng.choice(kept)] = b" other"
        section = b"\n".join(lines)
    elif how == "drop":
        section = b""
    elif how == "modes":
        new = rng.choice((b"100644", b"100755", b"120000"))
        section = re.sub(
            rb"(?m)^((?:old |new |new file |deleted file )mode |index [^ \n]* )\d{6}$",
            rb"\g<1>" + new,
            section,
            count=1,
        )
    elif how == "swap":
        rng.shuffle(sections)
        section = sections[number]
    elif how == "path":
        mine = this.patch and re.search(rb"(?m)^diff --git a/(\S+) b/\1$", section)
        other = rng.choice([*this.onto, b"d", b"a/b/c"])
        if mine and not set(other) & set(b'"\t \xff\xfe\xc3'):
            section = re.sub(
                rb"(?m)^(diff --git |---|\+\+\+|rename|copy).*$",
                lambda m: m[0].replace(mine[1], other),
                section,
            )
    elif how == "byte":
        at = rng.randrange(len(section))
        section = section[:at] + bytes((rng.randrange(1, 256),)) + section[at + 1 :]
    elif how == "ids":
        section = re.sub(rb"(?m)^index .*\n", b"", section, count=1)
    elif how == "newline":
        section = section.replace(b"\\ No newline at end of file\n", b"", 1)
    elif how == "body":
        changed = [n for n, line in enumerate(lines) if line[:1] == b"+" and line[:4] != b"+++ "]
        if changed:
            lines[rng.choice(changed)] += b" more"
        section = re.sub(rb"(?m)^index .*\n", b"", b"\n".join(lines), count=1)
    else:
        section = re.sub(
            rb"(?m)^index ([0-9a-f]{7})[0-9a-f]*\.\.([0-9a-f]{7})[0-9a-f]*",
            rb"index \1..\2",
            section,
            count=1,
        )
    sections[number] = section
    if b"".join(sections) != this.patch:
        this.patch, this.spoiled = b"".join(sections), how


_JUDGE = """
while read n tree; do
  GIT_INDEX_FILE="$PWD/$n.index"; export GIT_INDEX_FILE
  git read-tree $tree
  if git apply --cached --allow-empty "$n.patch" 2>"$n.said"; then echo $n $(git write-tree); else echo $n refused; fi
  rm -f "$n.index" "$n.index.lock"
done
"""


def _judge(repo: Path, folder: Path, examples: list[Example]) -> None:
    """Asks git, on two cores."""
    folder.mkdir()
    for number, this in enumerate(examples):
        (folder / f"{number}.patch").write_bytes(this.patch)
    env = {**os.environ, "GIT_DIR": str(repo), "GIT_CONFIG_COUNT": "1"}
    env |= {"GIT_CONFIG_KEY_0": "core.fsync", "GIT_CONFIG_VALUE_0": "none"}
    workers = []
    for half in (0, 1):
        child = subprocess.Popen(
            ["sh", "-c", _JUDGE],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        asked = "".join(f"{n} {e.onto_id}\n" for n, e in enumerate(examples) if n % 2 == half)
        assert child.stdin is not None
        (folder / f"asked{half}").write_text(asked)
        child.stdin.write(asked)
        child.stdin.close()
        workers.append(child)
    for child in workers:
        assert child.stdout is not None
        for line in child.stdout:
            number, said = line.split()
            this = examples[int(number)]
            this.verdict = None if said == "refused" else said
            this.said = (folder / f"{number}.said").read_bytes()
        child.stdout.close()
        assert child.wait() == 0


def make_examples(folder: Path, seeds: range) -> tuple[Path, list[Example]]:
    """The examples of these seeds with git's verdicts, and the repository that holds what they apply to."""
    examples = [example(seed) for seed in seeds]
    source = make_repo(folder / "source.git", bare=True)
    ids = _import(source, [tree for e in examples for tree in (e.base, e.changed)])
    for n, this in enumerate(examples):
        this.base_id, this.changed_id = ids[2 * n : 2 * n + 2]
    _diffs(source, examples)
    examples = [e for e in examples if e.patch]
    for this in examples:
        rng = random.Random(this.seed + 1_000_000)
        if rng.random() < 0.35:
            _spoil(rng, this)
    examples = [e for e in examples if e.patch]
    target = make_repo(folder / "target.git", bare=True)
    for this, onto in zip(examples, _import(target, [e.onto for e in examples]), strict=True):
        this.onto_id = onto
    _judge(target, folder / "judged", examples)
    return target, examples
