"""A scratch tree is exactly the tree asked for, whatever a gate left behind; nothing the repository names runs, and
nothing outside the slot is touched."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from tests.worktree_states import Content, seen, tree_of
from uet_git.errors import GitFailed
from uet_git.host import process
from uet_git.plumbing import scratch
from uet_git.plumbing.git import discover
from uet_git.plumbing.removal import remove_tree
from uet_git.plumbing.scratch import Scratch, ScratchPool

FILES = {"a": b"a\n", "d/x": b"x\n", "d/y": b"y\n", "deep/er/z": b"z\n", "run": b"#!/bin/sh\n"}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", FILES)


@pytest.fixture(params=["walk", "git"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small slots are tidied by our own walk, great ones by git: the same must come out."""
    if request.param == "git":
        monkeypatch.setattr(scratch, "_SMALL_INDEX", 0)


@pytest.fixture
def pool(repo: Path, tmp_path: Path) -> ScratchPool:
    return ScratchPool(str(tmp_path / "cache" / "scratch"), discover(str(repo)))


def head_tree(repo: Path, rev: str = "HEAD") -> str:
    return git(repo, "rev-parse", f"{rev}^{{tree}}").decode().strip()


def content(folder: str) -> dict[str, bytes]:
    found = {}
    for base, folders, names in os.walk(folder):
        for name in [
            *names,
            *(f for f in folders if os.path.islink(os.path.join(base, f)) or f == ".git"),
        ]:
            path = os.path.join(base, name)
            mode = b"%o" % (os.lstat(path).st_mode & 0o170111)
            data = os.fsencode(os.readlink(path)) if os.path.islink(path) else b""
            if os.path.isfile(path) and not os.path.islink(path):
                data = Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = mode + b" " + data
    return found


def expected(repo: Path, tree: str, tmp_path: Path) -> dict[str, bytes]:
    """The same tree from a checkout of git's own, in a clone without any configuration."""
    fresh = tmp_path / f"fresh-{len(list(tmp_path.iterdir()))}"
    fresh.mkdir()
    env = {"GIT_INDEX_FILE": str(fresh) + ".index"}
    git(repo, "read-tree", tree, env=env)
    git(repo, "checkout-index", "-a", f"--prefix={fresh}/", env=env)
    return content(str(fresh))


def test_only_changed_files_are_rewritten(repo: Path, pool: ScratchPool, tmp_path: Path) -> None:
    one = head_tree(repo)
    change: dict[str | bytes, Content] = {
        "a": b"2\n", "d/x": None, "deep/er/z": None, "deep": b"now a file\n", "run": ("100755", FILES["run"]),
        "link": ("120000", b"a"), b"caf\xe9": b"1\n", "two\nlines": b"1\n",
    }  # fmt: skip
    two = tree_of(repo, change, "HEAD")
    with pool.checkout(one) as slot:
        assert content(slot.path) == expected(repo, one, tmp_path)
        kept = os.stat(os.path.join(slot.path, "d/y"))
        path = slot.path
    for tree in (two, one, two):
        with pool.checkout(tree) as slot:
            assert slot.path == path
            assert content(slot.path) == expected(repo, tree, tmp_path)
            now = os.stat(os.path.join(slot.path, "d/y"))
            assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_sha256_and_the_empty_tree(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES, object_format="sha256")
    found = discover(str(repo))
    pool = ScratchPool(str(tmp_path / "s"), found)
    with pool.checkout(head_tree(repo)) as slot:
        assert content(slot.path) == expected(repo, "HEAD", tmp_path)
    with pool.checkout(found.empty_tree) as slot:
        assert content(slot.path) == {}


def test_from_a_linked_work_tree_and_a_bare_repository(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    git(tmp_path, "clone", "-q", "--bare", "--shared", str(repo), "bare.git")
    for number, folder in enumerate((tmp_path / "linked", tmp_path / "bare.git")):
        pool = ScratchPool(str(tmp_path / f"s{number}"), discover(str(folder)))
        with pool.checkout(head_tree(repo)) as slot:
            assert content(slot.path) == expected(repo, "HEAD", tmp_path)


def edit(folder: Path) -> None:
    (folder / "a").write_bytes(b"tampered\n")
    (folder / "d" / "x").unlink()
    (folder / "run").chmod(0o777)
    (folder / "junk").write_bytes(b"junk\n")
    (folder / "d" / "__pycache__").mkdir()
    (folder / "d" / "__pycache__" / "m.pyc").write_bytes(b"\0")


def forge(folder: Path) -> None:
    """Same size, same time stamp."""
    st = (folder / "a").stat()
    (folder / "a").write_bytes(b"b\n")
    os.utime(folder / "a", ns=(st.st_atime_ns, st.st_mtime_ns))


def swap_kinds(folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").mkdir()
    (folder / "a" / "inner").write_bytes(b"1\n")
    (folder / "d" / "x").unlink()
    (folder / "d" / "x").symlink_to("y")


def make_repositories(folder: Path) -> None:
    for place in (folder, folder / "d", folder / "new"):
        place.mkdir(exist_ok=True)
        git(place, "init", "-q")
    (folder / "deep" / "er" / ".git").write_text("gitdir: /nowhere\n")
    (folder / "deep" / ".git").symlink_to("/nowhere")


def ignore_everything(folder: Path) -> None:
    (folder / ".gitignore").write_bytes(b"*\n")
    (folder / "hidden.o").write_bytes(b"1\n")


def protect(folder: Path) -> None:
    (folder / "locked" / "in").mkdir(parents=True)
    (folder / "locked" / "in" / "f").write_bytes(b"1\n")
    (folder / "locked" / "in").chmod(0)
    (folder / "d").chmod(0o500)


def dig(folder: Path) -> None:
    """Deeper than Python recurses and longer than a path may be."""
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(1500):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
        Path("f").write_bytes(b"1\n")
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    "spoil", [edit, forge, swap_kinds, make_repositories, ignore_everything, protect, dig]
)
def test_what_a_gate_did_is_undone(
    spoil: Callable[[Path], None], repo: Path, pool: ScratchPool, tmp_path: Path
) -> None:
    tree = head_tree(repo)
    with pool.checkout(tree) as slot:
        spoil(Path(slot.path))
    with pool.checkout(tree) as slot:
        assert content(slot.path) == expected(repo, tree, tmp_path)


def test_a_gate_cannot_lead_us_outside(repo: Path, pool: ScratchPool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("x", "y", "mine"):
        (outside / name).write_bytes(b"mine\n")
    two = tree_of(repo, {"d/x": b"2\n", "d/y": None}, "HEAD")
    before = content(str(outside))
    with pool.checkout(head_tree(repo)) as slot:
        remove_tree(os.path.join(slot.path, "d"))
        os.symlink(outside, os.path.join(slot.path, "d"))
        os.symlink(outside, os.path.join(slot.path, "untracked"))
        os.link(outside / "mine", os.path.join(slot.path, "hard"))
    with pool.checkout(two) as slot:
        assert content(slot.path) == expected(repo, two, tmp_path)
        os.rename(slot.path, slot.path + "-away")
        os.symlink(outside, slot.path)
    with pool.checkout(two) as slot:
        assert content(slot.path) == expected(repo, two, tmp_path)
    assert content(str(outside)) == before


def test_declared_caches_are_kept(repo: Path, pool: ScratchPool) -> None:
    for keep, there in (([".cache", "*.o"], True), ([], False)):
        with pool.checkout(head_tree(repo)) as slot:
            for name in (".cache/f", "d/.cache/g", "b.o", "junk"):
                path = Path(slot.path, name)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"1\n")
        with pool.checkout(head_tree(repo), keep) as slot:
            assert Path(slot.path, ".cache/f").exists() is there
            assert Path(slot.path, "d/.cache/g").exists() is there
            assert Path(slot.path, "b.o").exists() is there
            assert not Path(slot.path, "junk").exists()


def test_no_filter_and_no_hook_of_the_repository_runs(
    repo: Path, pool: ScratchPool, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    commit_files(
        repo,
        {".gitattributes": b"* filter=evil diff=evil\n*.txt text eol=crlf\n", "f.txt": b"1\n"},
        "attributes",
    )
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.fsmonitor"):
        git(repo, "config", key, str(trap))
    git(repo, "config", "core.autocrlf", "true")
    for name in ("post-checkout", "post-index-change"):
        (repo / ".git" / "hooks" / name).symlink_to(trap)
    tree = head_tree(repo)
    for _ in range(2):
        with pool.checkout(tree) as slot:
            assert Path(slot.path, "a").read_bytes() == b"a\n"
            assert (
                Path(slot.path, "f.txt").read_bytes() == b"1\r\n"
            )  # what every checkout of this tree has
            edit(Path(slot.path))
    assert not (tmp_path / "sprung").exists()


def test_the_repository_is_not_touched_and_not_found(repo: Path, pool: ScratchPool) -> None:
    before = seen(repo)
    listing = sorted(str(p) for p in (repo / ".git").rglob("*"))
    git(repo, "update-index", "--refresh")
    with pool.checkout(head_tree(repo)) as slot:
        assert not os.path.lexists(os.path.join(slot.path, ".git"))
        done = subprocess.run(
            ["git", "rev-parse", "--git-dir"], cwd=slot.path, capture_output=True, check=False,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": pool.base},
        )  # fmt: skip
        assert done.returncode == 128
    assert seen(repo) == before
    assert sorted(str(p) for p in (repo / ".git").rglob("*")) == listing


def test_slots_are_not_shared(repo: Path, pool: ScratchPool) -> None:
    tree = head_tree(repo)
    with pool.checkout(tree) as one, pool.checkout(tree) as two:
        assert one.path != two.path
        assert pool.clear() == 0
    with pool.checkout(tree) as again:
        assert again.path == one.path
        assert pool.clear() == 1
    assert pool.clear() == 1
    assert not os.path.exists(one.path)


def test_a_child_that_inherits_the_lock_keeps_the_slot(repo: Path, pool: ScratchPool) -> None:
    tree = head_tree(repo)
    slot = pool.checkout(tree)
    child = subprocess.Popen(["/bin/sleep", "30"], pass_fds=[slot.lock_fd])
    slot.close()
    with pool.checkout(tree) as other:
        assert other.path != slot.path
    child.kill()
    child.wait()
    with pool.checkout(tree) as again:
        assert again.path == slot.path


def test_a_checkout_that_was_killed_is_healed(
    repo: Path, pool: ScratchPool, tmp_path: Path
) -> None:
    tree = head_tree(repo)
    with pool.checkout(tree) as slot:
        git_dir = Path(slot.path).parent / "git"
    for name, spoil in {
        "index.lock": b"",
        "index": b"DIRC garbage",
        "HEAD": b"",
        "config": b"[broken",
    }.items():
        (git_dir / name).write_bytes(spoil)
        with pool.checkout(tree) as slot:
            assert content(slot.path) == expected(repo, tree, tmp_path), name


def test_killed_at_any_time(tmp_path: Path) -> None:
    """Real kills of checkouts; the next one gets exactly its tree."""
    files = {f"d{i % 7}/f{i}": b"1\n" * 99 for i in range(150)}
    repo = make_repo(tmp_path / "r", files)
    trees = [head_tree(repo), tree_of(repo, dict.fromkeys(files, b"2\n"), None)]
    code = (
        "import sys; from uet_git.plumbing.git import discover; from uet_git.plumbing.scratch import ScratchPool\n"
        "pool = ScratchPool(sys.argv[2], discover(sys.argv[1]))\n"
        "print(flush=True)\n"
        "while True:\n    for tree in sys.argv[3:]: pool.checkout(tree).close()\n"
    )
    pool = ScratchPool(str(tmp_path / "s"), discover(str(repo)))
    for round_ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(repo), pool.base, *trees],
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(timeout=0.013 * round_)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()
        tree = trees[round_ % 2]
        with pool.checkout(tree) as slot:
            assert content(slot.path) == expected(repo, tree, tmp_path)


def test_submodules_are_empty_folders(repo: Path, pool: ScratchPool) -> None:
    oid = git(repo, "rev-parse", "HEAD").strip()
    tree = tree_of(repo, {"sub": ("160000", oid), "d/sub": ("160000", oid)}, "HEAD")
    for _ in range(2):
        with pool.checkout(tree) as slot:
            assert os.listdir(os.path.join(slot.path, "sub")) == []
            assert content(slot.path).keys() == {*FILES}
    with pool.checkout(head_tree(repo)) as slot:
        assert not os.path.exists(os.path.join(slot.path, "sub"))


def test_spawns_per_warm_checkout(
    repo: Path, pool: ScratchPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.checkout(head_tree(repo)).close()
    calls: list[object] = []
    real = process.start
    monkeypatch.setattr(process, "start", lambda argv, **k: calls.append(argv) or real(argv, **k))
    pool.checkout(head_tree(repo)).close()
    assert len(calls) == (4 if scratch._SMALL_INDEX == 0 else 1)


def test_a_tree_that_is_not_there(pool: ScratchPool) -> None:
    with pytest.raises(GitFailed):
        pool.checkout("1" * 40)
    slot = pool.take()
    assert isinstance(slot, Scratch)
    assert slot.path.endswith("/0/tree"), "the slot was given back"
    slot.close()


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "in").mkdir(parents=True)
    (outside / "in" / "f").write_bytes(b"1\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    remove_tree(str(folder / "link"))
    (folder / "link").symlink_to(outside)
    remove_tree(str(folder))
    remove_tree(str(folder))
    assert (outside / "in" / "f").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outside"]
