"""After a crash every work tree is finished path by path, whatever prefix of the landing happened; what a user wrote
meanwhile is left and named. Locks of a dead landing go, foreign ones stay (DESIGN 10 Recovery)."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from tests.worktree_states import MAIN, Content, holder, land, leftovers, next_commit, seen, status
from uet_git.errors import GitLocked
from uet_git.plumbing import refs
from uet_git.plumbing.bringalong import repair, tree_changes
from uet_git.plumbing.git import discover
from uet_git.plumbing.indexlock import IndexLock
from uet_git.plumbing.stalelocks import remove_stale_locks

FILES = {
    name: b"old " * 9 + name.encode() + b"\n"
    for name in ("a", "b", "c", "d/x", "d/y", "e", "gone/f", "run")
}
CHANGE: dict[str | bytes, Content] = {
    "a": b"new " * 9,
    "b": None,
    "d/x": b"new x",
    "e": None,
    "e/now/folder": b"new e",
    "gone/f": None,
    "fresh/g": b"new " * 9,
    "run": ("100755", FILES["run"]),
    "link": ("120000", b"a"),
    "two\nlines": b"2",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", FILES)


def cut_short(repo: Path, change: dict[str | bytes, Content]) -> tuple[str, str]:
    """The state after the branch moved and before anything else did."""
    old = git(repo, "rev-parse", "HEAD").decode().strip()
    new = next_commit(repo, change)
    git(repo, "update-ref", MAIN, new)
    return old, new


def check_finished(repo: Path) -> None:
    assert status(repo) == b""
    assert leftovers(repo) == []
    assert not (repo / "gone").exists()
    assert (repo / "e" / "now" / "folder").read_bytes() == b"new e"
    assert os.access(repo / "run", os.X_OK)


def do_some(repo: Path, new: str, count: int, *, tear: bool) -> None:
    """Does what a killed checkout did: the first `count` paths, the last of them perhaps half-way."""
    changes = sorted(tree_changes(holder(repo), f"{new}^", new), key=lambda c: bool(c.new_mode))
    for number, change in enumerate(changes[:count]):
        path = os.path.join(os.fsencode(repo), change.path)
        if os.path.lexists(path) and not os.path.isdir(path):
            os.unlink(path)
        if not change.new_mode:
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        content = git(repo, "cat-file", "blob", change.new_oid)
        if change.new_mode == 0o120000:
            os.symlink(content, path)
            continue
        torn = tear and number == count - 1
        Path(os.fsdecode(path)).write_bytes(content[: len(content) // 2] if torn else content)
        os.chmod(path, 0o777 & change.new_mode if not torn else 0o600)


@pytest.mark.parametrize("tear", [False, True])
@pytest.mark.parametrize("count", range(11))
def test_every_prefix_is_finished(count: int, tear: bool, repo: Path) -> None:
    old, new = cut_short(repo, CHANGE)
    do_some(repo, new, count, tear=tear)
    assert repair(holder(repo), old, new) == []
    check_finished(repo)
    before = seen(repo)
    assert repair(holder(repo), old, new) == []
    assert seen(repo) == before


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_index_renamed_but_nothing_said(object_format: str, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES, object_format=object_format)
    old = git(repo, "rev-parse", "HEAD").decode().strip()
    new = next_commit(repo, CHANGE)
    assert land(repo, new) == []
    before = seen(repo)
    assert repair(holder(repo), old, new) == []
    assert seen(repo) == before


def test_the_users_later_edits_are_left_and_named(repo: Path) -> None:
    old, new = cut_short(repo, CHANGE)
    (repo / "a").write_bytes(b"mine\n")
    (repo / "c").write_bytes(b"untouched by the landing\n")
    (repo / "fresh").mkdir()
    (repo / "fresh" / "g").write_bytes(b"mine too\n")
    (repo / "b").write_bytes(b"was to go\n")
    (repo / "d" / "x").write_bytes(b"staged by the user\n")
    git(repo, "add", "d/x")
    left = repair(holder(repo), old, new)
    assert left == [b"a", b"b", b"d/x", b"fresh/g"]
    assert (repo / "a").read_bytes() == b"mine\n"
    assert (repo / "b").read_bytes() == b"was to go\n"
    assert (repo / "fresh" / "g").read_bytes() == b"mine too\n"
    assert git(repo, "show", ":d/x") == b"staged by the user\n"
    assert status(repo) == b" M a\0 M c\0M  d/x\0 M fresh/g\0?? b\0"


def test_paths_that_the_branch_changed_since_are_not_touched(repo: Path) -> None:
    old, new = cut_short(repo, {"a": b"landed\n", "b": b"landed\n"})
    git(repo, "update-ref", MAIN, next_commit(repo, {"a": b"later\n"}))
    (repo / "a").write_bytes(FILES["a"])
    assert repair(holder(repo), old, new) == []
    assert (repo / "a").read_bytes() == FILES["a"]
    assert (repo / "b").read_bytes() == b"landed\n"


def test_never_through_a_link(repo: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(FILES["d/x"])
    old, new = cut_short(repo, {"d/x": b"new\n", "fresh/g": b"new\n"})
    (repo / "d" / "x").unlink()
    (repo / "d" / "y").unlink()
    (repo / "d").rmdir()
    (repo / "d").symlink_to(outside)
    (repo / "fresh").symlink_to(outside)
    assert repair(holder(repo), old, new) == [b"d/x", b"fresh/g"]
    assert [p.name for p in outside.iterdir()] == ["x"]
    assert (outside / "x").read_bytes() == FILES["d/x"]


def test_filters_and_line_endings(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {".gitattributes": b"*.txt text eol=crlf\n", "a.txt": b"1\n"})
    git(repo, "rm", "-q", "--cached", "a.txt")
    git(repo, "reset", "-q", "--hard")
    old, new = cut_short(repo, {"a.txt": b"2\n2\n", "n.txt": b"n\n"})
    (repo / "n.txt").write_bytes(b"n\r")
    assert repair(holder(repo), old, new) == []
    assert (repo / "a.txt").read_bytes() == b"2\r\n2\r\n"
    assert (repo / "n.txt").read_bytes() == b"n\r\n"
    assert status(repo) == b""


def test_sparse_paths_stay_off_the_disk(repo: Path) -> None:
    git(repo, "sparse-checkout", "set", "--cone", "gone")
    old, new = cut_short(repo, {"d/x": b"2\n", "gone/f": b"2\n"})
    assert repair(holder(repo), old, new) == []
    assert not (repo / "d").exists()
    assert (repo / "gone" / "f").read_bytes() == b"2\n"
    assert status(repo) == b""


def test_submodule_entry_only(repo: Path) -> None:
    oid = git(repo, "rev-parse", "HEAD").strip()
    old, new = cut_short(repo, {"sub": ("160000", oid)})
    assert repair(holder(repo), old, new) == []
    assert git(repo, "ls-files", "-s", "sub").startswith(b"160000 " + oid)


LANDING = """
import sys
from tests.worktree_states import holder
from pathlib import Path
from uet_git.plumbing.bringalong import BringAlong
from uet_git.plumbing.refs import RefWriter
repo, old, new = sys.argv[1:]
tree = holder(Path(repo))
with BringAlong(tree) as along, RefWriter(tree.git) as writer:
    assert along.prepare(old, new) is None
    print(writer.pid, flush=True)
    assert writer.move([("refs/heads/main", new, old), ("refs/uet/log/L", new, "*")]) is None
    along.finish()
print("done", flush=True)
"""


def test_killed_at_any_time(tmp_path: Path) -> None:
    """Real kills of a landing of 300 files, sooner and later; a dead one is finished or never happened."""
    files = {f"d{i % 7}/f{i}": b"old\n" * 50 for i in range(300)}
    repo = make_repo(tmp_path / "r", files)
    (repo / "mine").write_bytes(b"mine\n")
    root = Path(__file__).parents[2]
    killed = 0
    for round_ in range(10):
        old = git(repo, "rev-parse", "HEAD").decode().strip()
        new = next_commit(repo, dict.fromkeys(files, b"new %d\n" % round_ * 50))
        since = time.time()
        child = subprocess.Popen(
            [sys.executable, "-c", LANDING, str(repo), old, new],
            cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        time.sleep(0.004 * round_)
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        child.stdout.close()
        tree = holder(repo)
        for _ in range(50):  # a git child may outlive its parent: then its locks are respected
            try:
                remove_stale_locks(tree.git, MAIN, new, since, trees=[tree], pid=pid, patience=0.05)
                break
            except GitLocked:
                time.sleep(0.05)
        tip = git(repo, "rev-parse", "HEAD").decode().strip()
        assert tip in (old, new)
        if refs.is_ancestor(tree.git, new, tip):
            assert repair(tree, old, new) == []
        assert status(repo) == b"?? mine\0"
        assert leftovers(repo) == []
    assert killed >= 3


def lock(path: Path, content: bytes = b"", age: float = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


class TestStaleLocks:
    @pytest.fixture
    def ends(self, repo: Path) -> tuple[str, str]:
        return git(repo, "rev-parse", "HEAD").decode().strip(), next_commit(repo, {"a": b"2\n"})

    def remove(self, repo: Path, new: str, since: float = 200) -> list[str]:
        found = remove_stale_locks(
            discover(str(repo)), MAIN, new, time.time() - since, trees=[holder(repo)], patience=0.05
        )
        return [os.path.relpath(path, repo / ".git") for path in found]

    def test_nothing_locked(self, repo: Path, ends: tuple[str, str]) -> None:
        assert self.remove(repo, ends[1]) == []

    def test_ours_go(self, repo: Path, ends: tuple[str, str]) -> None:
        home = repo / ".git"
        for path, content in {
            "refs/heads/main.lock": ends[1].encode() + b"\n",
            "refs/uet/log/X.lock": b"",
            "refs/uet/entries/Y.lock": ends[0].encode(),
            "HEAD.lock": b"",
            "packed-refs.lock": b"",
            "packed-refs.new": b"# pack",
        }.items():
            lock(home / path, content)
        assert sorted(self.remove(repo, ends[1])) == [
            "HEAD.lock",
            "packed-refs.lock",
            "packed-refs.new",
            "refs/heads/main.lock",
            "refs/uet/entries/Y.lock",
            "refs/uet/log/X.lock",
        ]
        assert list(home.rglob("*.lock")) == []
        with refs.RefWriter(discover(str(repo))) as writer:
            assert writer.move([(MAIN, ends[1], ends[0]), ("refs/uet/x", ends[1], None)]) is None
            assert writer.move([("refs/uet/x", None, ends[1])]) is None

    @pytest.mark.parametrize("part", [0, 7])
    def test_a_branch_lock_that_git_had_not_filled_yet(
        self, part: int, repo: Path, ends: tuple[str, str]
    ) -> None:
        lock(repo / ".git/refs/heads/main.lock", ends[1].encode()[:part])
        assert self.remove(repo, ends[1]) == ["refs/heads/main.lock"]

    @pytest.mark.parametrize(
        ("name", "content", "age"),
        [
            ("refs/heads/main.lock", b"1" * 40, 100),  # somebody else's commit
            ("refs/heads/main.lock", b"", 300),  # older than the intent
            ("HEAD.lock", b"ref: refs/heads/x", 100),  # a switch
            ("HEAD.lock", b"", 300),
            ("packed-refs.lock", b"", 300),
        ],
    )
    def test_foreign_ones_stay(
        self, name: str, content: bytes, age: float, repo: Path, ends: tuple[str, str]
    ) -> None:
        path = lock(repo / ".git" / name, content, age)
        with pytest.raises(GitLocked, match=rf"{name}, \d+ s old"):
            self.remove(repo, ends[1])
        assert path.read_bytes() == content

    @pytest.mark.parametrize("name", ["refs/heads/main.lock", "HEAD.lock", "packed-refs.lock"])
    def test_a_lock_that_somebody_has_open_stays(
        self, name: str, repo: Path, ends: tuple[str, str]
    ) -> None:
        path = lock(repo / ".git" / name)
        with path.open("rb"), pytest.raises(GitLocked):
            self.remove(repo, ends[1])
        assert self.remove(repo, ends[1]) == [name]

    def test_another_branchs_lock_is_not_looked_at(self, repo: Path, ends: tuple[str, str]) -> None:
        path = lock(repo / ".git/refs/heads/other.lock")
        assert self.remove(repo, ends[1]) == []
        assert path.exists()

    def test_a_fresh_lock_gets_time_to_go(self, repo: Path, ends: tuple[str, str]) -> None:
        path = lock(repo / ".git/refs/heads/main.lock", b"1" * 40, age=0)
        remover = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; rm '{path}'"])
        assert remove_stale_locks(discover(str(repo)), MAIN, ends[1], time.time(), patience=5) == []
        remover.wait()

    def test_a_living_child_is_waited_for(self, repo: Path, ends: tuple[str, str]) -> None:
        found = discover(str(repo))
        with refs.RefWriter(found) as writer:
            assert writer.move([("refs/uet/x", ends[0], None)]) is None
            with pytest.raises(GitLocked, match=str(writer.pid)):
                remove_stale_locks(found, MAIN, ends[1], 0, pid=writer.pid, patience=0.05)
        assert remove_stale_locks(found, MAIN, ends[1], 0, pid=os.getpid(), patience=0.05) == []

    def test_our_index_lock_goes_when_its_holders_are_dead(
        self, repo: Path, ends: tuple[str, str]
    ) -> None:
        home = repo / ".git"
        held = IndexLock(discover(str(repo)))
        held.take(0)
        with pytest.raises(GitLocked, match=r"index\.lock"):
            self.remove(repo, ends[1])
        os.close(held.fd)  # what a kill does
        lock(home / "uet-index", b"half")
        lock(home / "uet-index.lock", b"half")
        (home / "uet-index-drafts").mkdir()
        assert self.remove(repo, ends[1]) == ["index.lock"]
        assert leftovers(repo) == []

    def test_a_child_that_outlives_us_keeps_the_index_lock(
        self, repo: Path, ends: tuple[str, str]
    ) -> None:
        held = IndexLock(discover(str(repo)))
        held.take(0)
        child = subprocess.Popen(["/bin/sleep", "30"], pass_fds=[held.fd])
        os.close(held.fd)
        with pytest.raises(GitLocked):
            self.remove(repo, ends[1])
        child.kill()
        child.wait()
        assert self.remove(repo, ends[1]) == ["index.lock"]

    def test_a_foreign_index_lock_stays(self, repo: Path, ends: tuple[str, str]) -> None:
        path = lock(repo / ".git/index.lock", b"DIRC", age=100)
        assert self.remove(repo, ends[1]) == []
        assert path.exists()
        with pytest.raises(GitLocked):
            repair(holder(repo), *ends, patience=0)


def test_without_hard_links(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(_source: str, _target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    assert land(repo, next_commit(repo, {"a": b"2\n"})) == []
    assert leftovers(repo) == []
    assert status(repo) == b""


def test_the_flock_is_on_the_lock_itself(repo: Path) -> None:
    held = IndexLock(discover(str(repo)))
    held.take(0)
    with open(held.path, "rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.release()
    assert not os.path.exists(held.path)
