"""Candidate trees: what fits gives exactly the tree that the patch says, what does not is named file by file."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import treegen
from tests.builders import git, make_repo
from uet_git.model import mail, patchfile
from uet_git.model.records import Composed, Conflict, Finding, Oid, Patch, Placement
from uet_git.model.settings import Limits
from uet_git.plumbing import contents, fallback
from uet_git.plumbing.difference import diff_trees
from uet_git.plumbing.fallback import candidate
from uet_git.plumbing.git import discover
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.trees import Composer

LINES = b"".join(b"line %d\n" % n for n in range(1, 31))
FILES = {
    "a.txt": LINES,
    "dir/b.txt": b"bee\n",
    "dir/sub/c.txt": b"see\n",
    "empty": b"",
    "data.bin": b"\0" + bytes(range(256)) * 8,
}


class World:
    """A repository with the files above, two symbolic links and an open composer."""

    def __init__(self, repo: Path, objects: Objects) -> None:
        self.repo = repo
        self.objects = objects
        self.composer = Composer(objects, Limits())
        tree = objects.resolve("HEAD^{tree}")
        assert tree is not None
        self.base = tree

    def diff(self, edit: Callable[[Path], object], *options: str) -> bytes:
        """The diff of an edit in the work tree, which is then undone."""
        edit(self.repo)
        git(self.repo, "add", "-A", "-f")
        out = git(self.repo, "diff", "--cached", "--binary", "--full-index", *options)
        git(self.repo, "reset", "-q", "--hard")
        return out

    def read(self, diff: bytes) -> Patch:
        patch = patchfile.read(diff, Limits(), hex_length=self.objects.git.hex_length)
        assert patch.changes, patch.findings
        return patch

    def compose(self, diff: bytes, base: Oid | None = None) -> Composed | Conflict:
        return self.composer.compose(base or self.base, self.read(diff))

    def made(self, diff: bytes, base: Oid | None = None) -> Composed:
        outcome = self.compose(diff, base)
        assert isinstance(outcome, Composed), outcome
        assert self.composer.landed_matches(base or self.base, outcome, self.read(diff)) is None
        return outcome

    def findings(self, diff: bytes, base: Oid | None = None) -> list[tuple[str, bytes | None]]:
        outcome = self.compose(diff, base)
        assert isinstance(outcome, Conflict), outcome
        assert self.objects.pending == 0
        return [(f.code, f.path) for f in outcome.findings]


@pytest.fixture(params=["sha1", "sha256"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    repo = make_repo(tmp_path / "r", FILES, object_format=request.param)
    (repo / "link").symlink_to("dir")
    (repo / "dir" / "up").symlink_to("../a.txt")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "links")
    with Objects(discover(str(repo))) as objects:
        yield World(repo, objects)


def new_file(path: str, text: str = "x\n", mode: str = "100644") -> bytes:
    body = "".join(f"+{line}\n" for line in text.splitlines())
    count = len(text.splitlines())
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{body}"
    ).encode()


def test_a_candidate_is_proved_and_written_as_git_would(world: World) -> None:
    def edit(repo: Path) -> None:
        (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n"))
        (repo / "dir/sub/c.txt").rename(repo / "dir/sub/d.txt")
        (repo / "data.bin").write_bytes(FILES["data.bin"] + b"\0more")
        (repo / "dir/b.txt").chmod(0o755)
        (repo / "empty").unlink()
        (repo / "new").mkdir()
        (repo / "new/n").write_bytes(b"no newline")

    edit(world.repo)
    git(world.repo, "add", "-A")
    expected = git(world.repo, "write-tree").decode().strip()
    git(world.repo, "reset", "-q", "--hard")
    made = world.made(world.diff(edit, "-M"))
    assert made.tree == expected
    assert made.rung == "memory"
    assert made.proved == 3  # text, binary, new; the others have no result to prove
    assert made.placements[0] == Placement(b"a.txt", 1, 4, 0)
    raw = git(world.repo, "diff-tree", "-r", "-z", "--no-renames", world.base, expected).split(
        b"\0"
    )
    assert [c.path for c in made.changes] == raw[1::2]
    listed = [line.decode().lstrip(":").split(" ")[:4] for line in raw[0:-1:2]]
    zero = world.objects.git.zero
    assert listed == [
        [f"{c.old_mode:06o}", f"{c.new_mode:06o}", c.old_oid or zero, c.new_oid or zero]
        for c in made.changes
    ]
    assert list(made.changes) == diff_trees(world.objects, world.base, made.tree)
    world.objects.write()
    git(world.repo, "fsck", "--strict", "--full", "--no-dangling")
    assert git(world.repo, "rev-parse", f"{made.tree}:new/n").strip()


def test_candidates_are_composed_on_candidates_before_anything_is_written(world: World) -> None:
    first = world.made(new_file("one", "1\n"))
    second = world.made(new_file("two", "2\n"), first.tree)
    assert {c.path for c in diff_trees(world.objects, world.base, second.tree)} == {b"one", b"two"}
    assert world.objects.resolve(second.tree) is None
    world.objects.write()
    assert world.objects.resolve(second.tree) == second.tree


def test_a_conflict_names_every_file_and_says_what_is_there(world: World) -> None:
    diff = world.diff(
        lambda repo: [
            (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n")),
            (repo / "dir/b.txt").write_bytes(b"bee\n\x1b[31mred\n"),
            (repo / "dir/sub/c.txt").unlink(),
        ]
    )
    git(world.repo, "rm", "-q", "dir/sub/c.txt")
    (world.repo / "a.txt").write_bytes(LINES.replace(b"line 9\n", b"\x1b[0mnine\xff\n"))
    git(world.repo, "add", "-A")
    onto = Oid(git(world.repo, "write-tree").decode().strip())
    outcome = world.compose(diff, onto)
    assert isinstance(outcome, Conflict)
    assert [(f.code, f.path, f.line) for f in outcome.findings] == [
        ("apply.conflict", b"a.txt", 5),
        ("apply.no_such_file", b"dir/sub/c.txt", 21),
    ]
    detail = outcome.findings[0].detail
    assert "hunk 1 of 1, at line 4" in detail
    assert "line 9 is `\\x1b[0mnine\\xff`, the patch expects `line 9`" in detail
    assert world.objects.pending == 0


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        (new_file("a.txt"), ("apply.exists", b"a.txt")),
        (new_file("a.txt/x"), ("apply.exists", b"a.txt")),
        (new_file("dir"), ("apply.exists", b"dir")),
        (new_file("link/x"), ("path.through_symlink", b"link/x")),
        (new_file("dir/up/x"), ("path.through_symlink", b"dir/up/x")),
        (new_file("n", mode="120000") + new_file("n/x"), ("path.through_symlink", b"n/x")),
        (new_file("n") + new_file("n/x"), ("apply.exists", b"n")),
        (new_file("n/x") + new_file("n"), ("apply.exists", b"n")),
        (b"--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+b\n", ("apply.no_such_file", b"none")),
        (b"--- a/dir\n+++ b/dir\n@@ -1 +1 @@\n-a\n+b\n", ("apply.no_such_file", b"dir")),
        (
            b"--- a/link/b.txt\n+++ b/link/b.txt\n@@ -1 +1 @@\n-bee\n+b\n",
            ("apply.no_such_file", b"link/b.txt"),
        ),
        (
            b"diff --git a/link b/link\nindex 1234567..7654321 100644\n--- a/link\n+++ b/link\n@@ -1 +1 @@\n-a\n+b\n",
            ("apply.wrong_mode", b"link"),
        ),
        (
            b"diff --git a/a.txt b/a.txt\ndeleted file mode 100644\nindex 1234567..0000000\n",
            ("apply.delete_leftover", b"a.txt"),
        ),
        (
            b"diff --git a/a.txt b/dir/b.txt\nsimilarity index 100%\nrename from a.txt\nrename to dir/b.txt\n",
            ("apply.exists", b"dir/b.txt"),
        ),
    ],
)
def test_what_git_refuses_is_refused(
    world: World, diff: bytes, expected: tuple[str, bytes]
) -> None:
    assert world.findings(diff) == [expected]
    folder = world.repo.parent
    env = {"GIT_INDEX_FILE": str(folder / "index")}
    git(world.repo, "read-tree", "HEAD", env=env)
    with pytest.raises(AssertionError):
        git(world.repo, "apply", "--cached", "-", stdin=diff, env=env)


@pytest.mark.parametrize("path", ["../x", "a/../x", ".git/x", "d/.GIT/x", "/x", "d//x", "./x"])
def test_no_path_gets_out_or_makes_a_malformed_tree(world: World, path: str) -> None:
    patch = world.read(new_file("fine"))
    change = patch.changes[0]._replace(new_path=path.encode())
    outcome = world.composer.compose(world.base, Patch((change,)))
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code in ("path.traversal", "path.dotgit")
    assert world.objects.pending == 0


def test_a_file_may_become_a_directory_and_back(world: World) -> None:
    def to_folder(repo: Path) -> None:
        (repo / "a.txt").unlink()
        (repo / "a.txt").mkdir()
        (repo / "a.txt/x").write_bytes(b"x\n")

    made = world.made(world.diff(to_folder))
    assert world.objects.tree(made.tree)[b"a.txt"][0] == 0o040000

    def to_file(repo: Path) -> None:
        for name in ("up", "b.txt", "sub/c.txt"):
            (repo / "dir" / name).unlink()
        (repo / "dir/sub").rmdir()
        (repo / "dir").rmdir()
        (repo / "dir").write_bytes(b"file\n")

    made = world.made(world.diff(to_file, "--no-renames"))
    assert world.objects.tree(made.tree)[b"dir"][0] == 0o100644


def test_the_last_file_takes_its_directories_along(world: World) -> None:
    made = world.made(world.diff(lambda repo: (repo / "dir/sub/c.txt").unlink()))
    entries = world.objects.tree(world.objects.tree(made.tree)[b"dir"][1])
    assert b"sub" not in entries
    everything = world.diff(lambda repo: git(repo, "rm", "-rq", "."))
    assert world.made(everything).tree == world.objects.git.empty_tree


def test_an_empty_base_is_a_tree_like_any_other(world: World) -> None:
    made = world.made(new_file("d/first"), Oid(world.objects.git.empty_tree))
    assert list(world.objects.tree(made.tree)) == [b"d"]


def test_renames_read_the_base(world: World) -> None:
    swap = (
        b"diff --git a/a.txt b/dir/b.txt\nsimilarity index 100%\nrename from a.txt\nrename to dir/b.txt\n"
        b"diff --git a/dir/b.txt b/a.txt\nsimilarity index 100%\nrename from dir/b.txt\nrename to a.txt\n"
    )
    made = world.made(swap)
    root = world.objects.tree(made.tree)
    assert world.objects.blob(root[b"a.txt"][1]) == b"bee\n"
    assert world.objects.blob(world.objects.tree(root[b"dir"][1])[b"b.txt"][1]) == LINES


def test_a_mode_that_a_patch_only_saw_is_kept_as_it_is(world: World) -> None:
    diff = world.diff(lambda repo: (repo / "dir/b.txt").write_bytes(b"bee\nbuzz\n"))
    (world.repo / "dir/b.txt").chmod(0o755)
    git(world.repo, "add", "-A")
    onto = Oid(git(world.repo, "write-tree").decode().strip())
    git(world.repo, "reset", "-q", "--hard")
    made = world.made(diff, onto)
    world.objects.write()
    assert made.changes[0][1::2] == (0o100755, 0o100755)
    chmod = world.diff(lambda repo: (repo / "dir/b.txt").chmod(0o755))
    assert world.findings(chmod, onto) == [("apply.already_applied", b"dir/b.txt")]


def test_the_whole_patch_is_already_there(world: World) -> None:
    def edit(repo: Path) -> None:
        (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n"))
        (repo / "dir/b.txt").rename(repo / "moved")
        (repo / "empty").unlink()
        (repo / "new").write_bytes(b"new\n")
        (repo / "data.bin").write_bytes(b"\0other")

    diff = world.diff(edit, "-M")
    made = world.made(diff)
    world.objects.write()
    assert world.findings(diff, made.tree) == [("apply.already_applied", b"a.txt")]
    half = world.made(world.diff(lambda repo: (repo / "new").write_bytes(b"new\n")))
    world.objects.write()
    assert world.findings(diff, half.tree) == [("apply.exists", b"new")]


def test_a_binary_change_needs_exactly_its_pre_image(world: World) -> None:
    diff = world.diff(lambda repo: (repo / "data.bin").write_bytes(FILES["data.bin"] + b"\0x"))
    other = world.made(world.diff(lambda repo: (repo / "data.bin").write_bytes(b"\0other")))
    world.objects.write()
    assert world.findings(diff, other.tree) == [("apply.preimage", b"data.bin")]
    zero = diff.replace(diff.split(b"index ")[1].split(b"..")[1][:4], b"dead", 1)
    assert world.findings(zero) == [("apply.postimage", b"data.bin")]


def test_a_result_that_is_not_the_named_one_is_refused(world: World) -> None:
    diff = world.diff(lambda repo: (repo / "dir/b.txt").write_bytes(b"bee\nbuzz\n"))
    forged = diff.replace(b"+buzz\n", b"+bang\n")
    assert world.findings(forged) == [("apply.postimage", b"dir/b.txt")]
    outcome = candidate(world.composer, world.base, world.read(forged), forged)
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code == "apply.postimage"


def test_work_is_bounded(world: World) -> None:
    small = Composer(world.objects, Limits()._replace(inflated_bytes=100))
    outcome = small.compose(
        world.base,
        world.read(world.diff(lambda repo: (repo / "a.txt").write_bytes(b"x\n" + LINES))),
    )
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code == "size.inflated"
    outcome = small.compose(world.base, world.read(new_file("big", "many words\n" * 20)))
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code == "size.inflated"
    tight = Composer(world.objects, Limits()._replace(work=10))
    diff = world.diff(
        lambda repo: (repo / "a.txt").write_bytes(LINES.replace(b"line 20\n", b"x\n"))
    )
    moved = world.made(world.diff(lambda repo: (repo / "a.txt").write_bytes(b"top\n" * 9 + LINES)))
    outcome = tight.compose(moved.tree, world.read(diff))
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code == "size.work"


# -- landed == submitted -----------------------------------------------------------------------------------------------


def edited(repo: Path) -> None:
    (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n").replace(b"line 25\n", b""))
    (repo / "dir/b.txt").rename(repo / "moved")
    (repo / "empty").unlink()
    (repo / "data.bin").write_bytes(b"\0other")


def tampered(world: World, made: Composed, tree: Oid) -> Composed:
    return made._replace(tree=tree, changes=tuple(diff_trees(world.objects, world.base, tree)))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            lambda repo: (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n")),
            "does not give",
        ),
        (lambda repo: (repo / "a.txt").chmod(0o755), "its mode is 100755"),
        (lambda repo: (repo / "extra").write_bytes(b"x"), "does not name it"),
        (lambda repo: (repo / "dir/b.txt").write_bytes(b"bee\n"), "should be gone"),
        (lambda repo: (repo / "empty").write_bytes(b""), "should be gone"),
        (lambda repo: (repo / "moved").unlink(), "should be there"),
        (lambda repo: (repo / "moved").write_bytes(b"bee"), "should be the same"),
        (
            lambda repo: (repo / "data.bin").write_bytes(b"\0another"),
            "not the one that the patch names",
        ),
        (lambda repo: (repo / "a.txt").write_bytes(LINES), "does not give"),
    ],
)
def test_a_tree_that_differs_from_the_patch_is_noticed(
    world: World, what: Callable[[Path], object], said: str
) -> None:
    diff = world.diff(edited, "-M")
    made = world.made(diff)
    edited(world.repo)
    what(world.repo)
    git(world.repo, "add", "-A")
    tree = Oid(git(world.repo, "write-tree").decode().strip())
    found = world.composer.landed_matches(world.base, tampered(world, made, tree), world.read(diff))
    assert found is not None
    assert found.code == "content.mismatch"
    assert said in found.detail


def test_a_record_that_differs_from_the_tree_is_noticed(world: World) -> None:
    diff = world.diff(edited, "-M")
    made = world.made(diff)
    patch = world.read(diff)
    check = world.composer.landed_matches
    assert check(world.base, made._replace(changes=made.changes[1:]), patch) is not None
    moved = made.placements[0]._replace(line=made.placements[0].line + 1)
    assert (
        check(world.base, made._replace(placements=(moved, *made.placements[1:])), patch)
        is not None
    )
    hunk = patch.changes[0].hunks[0]
    lying = patch.changes[0]._replace(
        hunks=(
            hunk._replace(body=hunk.body.replace(b"+seven", b"+eight")),
            *patch.changes[0].hunks[1:],
        )
    )
    found = check(world.base, made, Patch((lying, *patch.changes[1:])))
    assert found is not None
    assert "disagree" in found.detail


# -- the second rung ---------------------------------------------------------------------------------------------------


def test_git_makes_the_same_tree_in_quarantine(world: World) -> None:
    diff = world.diff(edited, "-M")
    made = world.made(diff)
    world.objects.rewind((0, 0))
    before = sorted(str(p) for p in (world.repo / ".git").rglob("*"))
    second = candidate(world.composer, world.base, world.read(diff), diff, git_only=True)
    assert isinstance(second, Composed)
    assert second == made._replace(rung="git-apply")
    assert sorted(str(p) for p in (world.repo / ".git").rglob("*")) == before
    world.objects.write()
    git(world.repo, "fsck", "--strict", "--full", "--no-dangling")
    assert git(world.repo, "cat-file", "-t", second.tree) == b"tree\n"


def test_git_works_on_a_pending_base_and_reports_offsets(world: World) -> None:
    diff = world.diff(edited, "-M")
    moved = world.made(world.diff(lambda repo: (repo / "a.txt").write_bytes(b"top\n" * 3 + LINES)))
    second = candidate(world.composer, moved.tree, world.read(diff), diff, git_only=True)
    first = candidate(world.composer, moved.tree, world.read(diff), diff)
    assert isinstance(second, Composed)
    assert isinstance(first, Composed)
    assert [p.offset for p in first.placements if p.path == b"a.txt"] == [3, 3]
    assert second._replace(rung="memory") == first


def test_gits_refusal_is_a_conflict_in_its_words(world: World) -> None:
    diff = new_file("a.txt")
    outcome = candidate(world.composer, world.base, world.read(diff), diff, git_only=True)
    assert outcome == Conflict((Finding("apply.conflict", "a.txt: already exists in index"),))


def test_a_composer_that_contradicts_itself_is_overruled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    diff = world.diff(
        lambda repo: (repo / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"seven\n"))
    )
    right = world.made(diff)
    real = contents.apply_text
    monkeypatch.setattr(contents, "apply_text", lambda *a: (real(*a)[0] + b"wrong\n", real(*a)[1]))
    wrong = world.compose(diff)
    assert isinstance(wrong, Conflict)
    assert wrong.findings[0].code == "apply.postimage"
    outcome = candidate(world.composer, world.base, world.read(diff), diff)
    assert isinstance(outcome, Composed)
    assert (outcome.rung, outcome.tree) == ("git-apply", right.tree)
    unnamed = b"".join(
        line for line in diff.splitlines(keepends=True) if not line.startswith(b"index ")
    )
    outcome = candidate(world.composer, world.base, world.read(unnamed), unnamed)
    assert isinstance(outcome, Composed)
    assert (outcome.rung, outcome.tree) == ("git-apply", right.tree)


def test_git_is_stopped_by_its_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if fallback.process.find_program("prlimit") is None:
        pytest.skip("no prlimit on this machine")
    monkeypatch.setattr(fallback, "_LIMITS", ("--fsize=10", "--"))
    diff = new_file("n", "some text\n" * 50)
    outcome = candidate(world.composer, world.base, world.read(diff), diff, git_only=True)
    assert isinstance(outcome, Conflict)
    assert outcome.findings[0].code in ("size.work", "apply.conflict")
    assert world.objects.pending == 0


def test_the_second_rung_agrees_over_generated_patches(tmp_path: Path) -> None:
    repo, examples = treegen.make_examples(tmp_path, range(5_000, 5_120))
    compared = 0
    with Objects(discover(str(repo))) as objects:
        composer = Composer(objects, Limits())
        for example in examples:
            patch = patchfile.read(example.patch, Limits())
            if not patch.changes:
                continue
            first = candidate(composer, Oid(example.onto_id), patch, example.patch)
            second = candidate(composer, Oid(example.onto_id), patch, example.patch, git_only=True)
            if isinstance(first, Composed):
                assert isinstance(second, Composed), (example.seed, second)
                assert second._replace(rung=first.rung) == first, example.seed
                compared += 1
    assert compared > 60


# -- real series -------------------------------------------------------------------------------------------------------


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["httpx", "redis", "newtonsoft"])
def test_every_patch_of_a_real_series_gives_upstreams_tree(
    corpora: Path, tmp_path: Path, name: str
) -> None:
    folder = corpora / name
    repo = tmp_path / "r.git"
    git(tmp_path, "clone", "-q", "--bare", "-b", "base", str(folder / "base.bundle"), str(repo))
    expected = json.loads((folder / "expected.json").read_text())
    limits = Limits()._replace(patch_bytes=1 << 30)
    with Objects(discover(str(repo))) as objects:
        composer = Composer(objects, limits)
        base = objects.resolve("base^{tree}")
        assert base is not None
        pieces = mail.split(gzip.decompress((folder / "series.mbox.gz").read_bytes()))
        for number, (piece, step) in enumerate(zip(pieces, expected["series"], strict=True), 1):
            patch = patchfile.read(mail.read(piece).diff, limits)
            made = composer.compose(base, patch)
            assert isinstance(made, Composed), (number, made, patch.findings)
            assert made.tree == step["tree"], number
            assert composer.landed_matches(base, made, patch) is None, number
            base = made.tree
            if number % 16 == 0:
                objects.write()
        objects.write()
        assert base == expected["final_tree"]
    git(repo, "fsck", "--strict", "--full", "--no-dangling", env={"GIT_OPTIONAL_LOCKS": "0"})
    assert os.listdir(repo / "objects" / "pack")
