"""A landing takes the work tree along: files that it touches are updated, the user's own edits survive byte for byte,
and where they would not, it is refused with the files named and nothing changed (DESIGN 2 P16, 10)."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from tests.worktree_states import holder, land, leftovers, next_commit, seen, status
from uet_git.errors import GitLocked
from uet_git.plumbing.bringalong import BringAlong, Refused, tree_changes

FILES = {"a": b"a\n", "b": b"b\n", "c": b"c\n", "d/x": b"x\n", "d/y": b"y\n", "run": b"#!\n"}
EVERYTHING = {
    "a": b"a2\n",
    "d/x": None,
    "new/deep/file": b"new\n",
    "run": ("100755", b"#!\n"),
    "link": ("120000", b"a"),
    'quo"te': b"q\n",
    "two\nlines": b"l\n",
    b"caf\xe9": b"latin\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", FILES)


def check_clean(repo: Path) -> None:
    assert status(repo) == b""
    assert git(repo, "diff", "HEAD") == b""
    assert leftovers(repo) == []


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_every_kind_of_change(object_format: str, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES, object_format=object_format)
    assert land(repo, next_commit(repo, EVERYTHING)) == []
    check_clean(repo)
    assert (repo / "a").read_bytes() == b"a2\n"
    assert os.access(repo / "run", os.X_OK)
    assert (repo / "link").readlink() == Path("a")
    assert not (repo / "d" / "x").exists()
    assert git(repo, "fsck", "--strict") == b""


def test_again_and_again(repo: Path) -> None:
    """Also within one second, where git cannot tell an edit by time stamps."""
    for i in range(8):
        assert land(repo, next_commit(repo, {"a": b"%d\n" % i, "b": b"%d\n" % (9 - i)})) == []
        check_clean(repo)
        assert (repo / "a").read_bytes() == b"%d\n" % i


def test_with_the_changes_given(repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n", "d/x": None, "n": b"n\n"})
    tree = holder(repo)
    changes = tree_changes(tree, "HEAD", new)
    assert [(c.path, bool(c.old_mode), bool(c.new_mode)) for c in changes] == [
        (b"a", True, True),
        (b"d/x", True, False),
        (b"n", False, True),
    ]
    with BringAlong(tree) as along:
        assert along.prepare("HEAD", new, changes) is None
        git(repo, "update-ref", "refs/heads/main", new)
        assert along.finish() == []
    check_clean(repo)


def edit_everywhere(repo: Path) -> None:
    """Staged, unstaged, both, added, intent to add, deleted, renamed, mode, untracked, ignored; none of it in `a`."""
    (repo / "b").write_bytes(b"staged\n")
    git(repo, "add", "b")
    (repo / "b").write_bytes(b"and more\n")
    (repo / "c").write_bytes(b"unstaged\n")
    (repo / "added").write_bytes(b"added\n")
    git(repo, "add", "added")
    (repo / "planned").write_bytes(b"planned\n")
    git(repo, "add", "-N", "planned")
    git(repo, "mv", "d/x", "d/moved")
    (repo / "d" / "y").unlink()
    (repo / "run").chmod(0o755)
    (repo / "untracked").write_bytes(b"u\n")
    (repo / ".git" / "info" / "exclude").write_bytes(b"*.o\n")
    (repo / "x.o").write_bytes(b"o\n")


def test_the_users_edits_survive(repo: Path) -> None:
    edit_everywhere(repo)
    before, look = seen(repo), status(repo)
    staged = git(repo, "diff", "--cached", "HEAD")
    assert land(repo, next_commit(repo, {"a": b"landed\n", "n/new": b"n\n"})) == []
    after = seen(repo)
    assert status(repo) == look
    assert git(repo, "diff", "--cached", "HEAD") == staged
    assert after.pop("a") != before.pop("a")
    assert after.pop("n/new").endswith(b"n\n")
    assert before.pop(".index") != after.pop(".index")
    assert after == before
    assert leftovers(repo) == []


def write(name: str, content: bytes = b"mine\n") -> Callable[[Path], object]:
    def act(repo: Path) -> None:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_bytes(content)

    return act


def staged(name: str) -> Callable[[Path], object]:
    def act(repo: Path) -> None:
        write(name)(repo)
        git(repo, "add", name)

    return act


def staged_then_reverted(repo: Path) -> None:
    staged("a")(repo)
    write("a", b"a\n")(repo)


def staged_then_deleted(repo: Path) -> None:
    staged("new")(repo)
    (repo / "new").unlink()


def planned(repo: Path) -> None:
    write("new")(repo)
    git(repo, "add", "-N", "new")


def ignored(repo: Path) -> None:
    write(".git/info/exclude", b"new\nn\n")(repo)
    write("new")(repo)


def ignored_where_a_folder_must_go(repo: Path) -> None:
    write(".git/info/exclude", b"n\n")(repo)
    write("n")(repo)


def a_linked_folder(repo: Path) -> None:
    (repo / "n").symlink_to("d")


def a_replaced_folder(repo: Path) -> None:
    (repo / "d").rename(repo / "elsewhere")
    (repo / "d").symlink_to("elsewhere")


def ignored_inside_a_folder_that_must_go(repo: Path) -> None:
    write(".git/info/exclude", b"*.o\n")(repo)
    write("d/z.o")(repo)


def same_second_same_size(repo: Path) -> None:
    """An edit that only its content tells: the index is as old as the file, so git must compare."""
    git(repo, "config", "core.trustctime", "false")
    os.utime(repo / "a", (10**9, 10**9))
    git(repo, "update-index", "--really-refresh")
    with (repo / "a").open("r+b") as file:
        file.write(b"Z")
    os.utime(repo / "a", (10**9, 10**9))
    os.utime(repo / ".git" / "index", (10**9, 10**9))


@pytest.mark.parametrize(
    ("spoil", "change", "names"),
    [
        (write("a"), {"a": b"2\n"}, [b"a"]),
        (write("a"), {"a": None}, [b"a"]),
        (staged("a"), {"a": b"2\n", "b": b"2\n"}, [b"a"]),
        (staged_then_reverted, {"a": b"2\n"}, [b"a"]),
        (lambda r: (r / "a").unlink(), {"a": b"2\n"}, [b"a"]),
        (lambda r: git(r, "rm", "-q", "a"), {"a": b"2\n"}, [b"a"]),
        (lambda r: (r / "run").chmod(0o755), {"run": b"2\n"}, [b"run"]),
        (same_second_same_size, {"a": b"2\n"}, [b"a"]),
        (write("new"), {"new": b"2\n"}, [b"new"]),
        (staged("new"), {"new": b"2\n"}, [b"new"]),
        (planned, {"new": b"2\n"}, [b"new"]),
        (staged_then_deleted, {"new": b"2\n"}, [b"new"]),
        (ignored, {"new": b"2\n"}, [b"new"]),
        (write("n"), {"n/x": b"2\n"}, [b"n"]),
        (ignored_where_a_folder_must_go, {"n/x": b"2\n"}, [b"n"]),
        (a_linked_folder, {"n/z": b"2\n"}, [b"n"]),
        (a_replaced_folder, {"d/x": b"2\n"}, [b"d"]),
        (write("n/mine"), {"n": b"2\n"}, [b"n/mine"]),
        (write("d/mine"), {"d/x": None, "d/y": None, "d": b"2\n"}, [b"d/mine"]),
        (ignored_inside_a_folder_that_must_go, {"d/x": None, "d/y": None, "d": b"2\n"}, [b"d/z.o"]),
        (write("two\nlines"), {"two\nlines": b"2\n"}, [b"two\nlines"]),
        (write("b"), {"a": b"2\n", "b": b"2\n", "c": b"2\n"}, [b"b"]),
    ],
)
def test_refused_with_the_files_named(
    spoil: Callable[[Path], object],
    change: dict[str | bytes, bytes | None],
    names: list[bytes],
    repo: Path,
) -> None:
    new = next_commit(repo, change)
    spoil(repo)
    before = seen(repo)
    refused = land(repo, new)
    assert isinstance(refused, Refused)
    assert list(refused.paths) == names
    assert seen(repo) == before
    assert leftovers(repo) == []


@pytest.mark.parametrize(("name", "path"), [("n", "n/x"), ("n/x", "n")])
def test_a_staged_file_in_place_of_a_folder_and_the_reverse(
    name: str, path: str, repo: Path
) -> None:
    new = next_commit(repo, {path: b"2\n"})
    staged(name)(repo)
    (repo / name).unlink()
    before = seen(repo)
    refused = land(repo, new)
    assert isinstance(refused, Refused)
    assert refused.paths == (name.encode(),)
    assert seen(repo) == before


def test_unmerged_files_elsewhere_do_not_stop_it(repo: Path) -> None:
    """As `git stash pop` leaves them: no merge is in progress."""
    blob = git(repo, "rev-parse", "HEAD:b").strip().decode()
    stages = "".join(f"100644 {blob} {n}\tb\n" for n in (1, 2, 3))
    git(repo, "update-index", "--index-info", stdin=f"0 {'0' * 40}\tb\n{stages}".encode())
    assert land(repo, next_commit(repo, {"a": b"2\n"})) == []
    assert (repo / "a").read_bytes() == b"2\n"
    assert status(repo) == b"UU b\0"


@pytest.mark.parametrize(
    ("prepare", "change"),
    [
        (staged("a"), {"a": b"mine\n"}),  # the user staged what lands
        (lambda r: os.utime(r / "a", (1, 1)), {"a": b"2\n"}),  # touched, not edited
        (lambda r: (r / "a").unlink(), {"a": None}),
        (lambda r: git(r, "rm", "-q", "a"), {"a": None}),
        (lambda r: (r / "n").mkdir(), {"n": b"2\n"}),
        (lambda r: None, {"d/x": None, "d/y": None, "d": b"2\n"}),
        (lambda r: None, {"a": None, "a/x": b"2\n"}),
        (lambda r: None, {"a": ("120000", b"b")}),
    ],
)
def test_harmless_states_are_not_refused(
    prepare: Callable[[Path], object], change: dict[str | bytes, bytes | None], repo: Path
) -> None:
    new = next_commit(repo, change)
    prepare(repo)
    assert land(repo, new) == []
    check_clean(repo)


def test_unborn_branch(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    (repo / "mine").write_bytes(b"mine\n")
    new = next_commit(repo, {"a": b"1\n"}, base=None)
    assert land(repo, new) == []
    assert status(repo) == b"?? mine\0"
    assert (repo / "a").read_bytes() == b"1\n"


def test_linked_work_tree_with_edits_in_both(repo: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "-b", "away")
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", str(linked), "main")
    (linked / "b").write_bytes(b"mine\n")
    (repo / "a").write_bytes(b"mine too\n")
    other = seen(repo)
    assert land(linked, next_commit(linked, {"a": b"2\n"})) == []
    assert status(linked) == b" M b\0"
    assert seen(repo) == other
    assert leftovers(linked) == []


def test_split_index(repo: Path) -> None:
    git(repo, "update-index", "--split-index")
    edit_everywhere(repo)
    look = status(repo)
    assert land(repo, next_commit(repo, {"a": b"2\n", "n": b"n\n"})) == []
    assert status(repo) == look
    assert (repo / "a").read_bytes() == b"2\n"


def test_sparse_checkout(repo: Path) -> None:
    git(repo, "sparse-checkout", "set", "--cone", "d")
    (repo / "a").unlink()
    git(repo, "sparse-checkout", "reapply")
    new = next_commit(repo, {"hidden/f": b"1\n", "d/x": b"2\n"})
    assert land(repo, new) == []
    assert not (repo / "hidden").exists()
    assert (repo / "d" / "x").read_bytes() == b"2\n"
    assert git(repo, "status", "--porcelain", "-uno") == b" D a\n"
    assert land(repo, next_commit(repo, {"hidden/f": b"2\n"})) == []
    assert not (repo / "hidden").exists()


def test_line_endings_and_filters(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {".gitattributes": b"*.txt text eol=crlf\n*.rot filter=rot\n"})
    git(repo, "config", "filter.rot.clean", "tr a-z b-za")
    git(repo, "config", "filter.rot.smudge", "tr b-za a-z")
    new = next_commit(repo, {"f.txt": b"1\n2\n", "g.rot": b"bcd\n"})
    assert land(repo, new) == []
    assert (repo / "f.txt").read_bytes() == b"1\r\n2\r\n"
    assert (repo / "g.rot").read_bytes() == b"abc\n"
    check_clean(repo)
    assert land(repo, next_commit(repo, {"f.txt": b"3\n", "g.rot": b"z\n"})) == []
    assert (repo / "f.txt").read_bytes() == b"3\r\n"
    check_clean(repo)


def test_submodule_folders_are_left_alone(repo: Path, tmp_path: Path) -> None:
    module = make_repo(tmp_path / "module", {"m": b"1\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module), "sub")
    git(repo, "commit", "-q", "-m", "sub")
    git(repo, "config", "submodule.recurse", "true")
    later = commit_files(module, {"m": b"2\n"}, "later")
    (repo / "sub" / "mine").write_bytes(b"mine\n")
    before = git(repo / "sub", "rev-parse", "HEAD")
    assert land(repo, next_commit(repo, {"sub": ("160000", later.encode()), "a": b"2\n"})) == []
    assert git(repo / "sub", "rev-parse", "HEAD") == before
    assert (repo / "sub" / "mine").read_bytes() == b"mine\n"
    assert git(repo, "ls-files", "-s", "sub").split()[1] == later.encode()
    assert land(repo, next_commit(repo, {"sub": None, ".gitmodules": None})) == []
    assert (repo / "sub" / "mine").exists()


def test_abort_leaves_nothing(repo: Path) -> None:
    new = next_commit(repo, EVERYTHING)
    before = seen(repo)
    with BringAlong(holder(repo)) as along:
        assert along.prepare("HEAD", new) is None
    assert seen(repo) == before
    assert leftovers(repo) == []


def test_a_foreign_lock_is_respected(repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n"})
    lock = repo / ".git" / "index.lock"
    lock.write_bytes(b"theirs")
    with pytest.raises(GitLocked, match=r"index\.lock, \d+ s old"):
        BringAlong(holder(repo), patience=0.05).prepare("HEAD", new)
    assert lock.read_bytes() == b"theirs"
    lock.unlink()
    assert leftovers(repo) == []


def test_a_short_lock_is_waited_for(repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n"})
    lock = repo / ".git" / "index.lock"
    lock.touch()
    tree = holder(repo)
    timer = threading.Timer(0.1, lock.unlink)
    timer.start()
    with BringAlong(tree, patience=5) as along:
        assert along.prepare("HEAD", new) is None
    timer.join()


def test_the_index_is_locked_until_the_end(repo: Path) -> None:
    def stage() -> None:
        done = subprocess.run(
            ["git", "-C", str(repo), "add", "b"], capture_output=True, check=False
        )
        assert b"index.lock': File exists" in done.stderr

    assert land(repo, next_commit(repo, {"a": b"2\n"}), between=stage) == []


@pytest.mark.parametrize("late", ["edit", "create", "link"])
def test_an_edit_in_the_last_moment_is_kept_and_named(late: str, repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n", "b": b"2\n", "n/new": b"2\n"})

    def act() -> None:
        if late == "edit":
            write("a")(repo)
        elif late == "create":
            write("n/new")(repo)
        else:
            (repo / "n").symlink_to("d")

    name = {"edit": "a", "create": "n/new", "link": "n/new"}[late]
    assert land(repo, new, between=act) == [os.fsencode(name)]
    assert (repo / "b").read_bytes() == b"2\n"
    assert git(repo, "diff", "--cached", "HEAD") == b""
    assert leftovers(repo) == []
    if late == "link":
        assert not (repo / "d" / "new").exists()
    else:
        assert (repo / name).read_bytes() == b"mine\n"
        assert status(repo) == b" M %s\0" % name.encode()


def test_refused_in_the_middle_of_a_merge(repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n"})
    (repo / ".git" / "MERGE_HEAD").write_text(new)
    refused = land(repo, new)
    assert isinstance(refused, Refused)
    assert "merge" in refused.why
    assert leftovers(repo) == []


def test_no_hook_runs(repo: Path) -> None:
    new = next_commit(repo, {"a": b"2\n"})
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        hook = repo / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {repo.parent}/sprung\nexit 1\n")
        hook.chmod(0o755)
    assert land(repo, new) == []
    assert not (repo.parent / "sprung").exists()


def test_spawns_per_landing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One git process for a clean work tree: judging it needs none."""
    from uet_git.host import process

    new = next_commit(repo, {"a": b"2\n", "n": b"n\n"})
    tree = holder(repo)
    old = git(repo, "rev-parse", "HEAD").decode().strip()
    changes = tree_changes(tree, old, new)
    calls: list[object] = []
    real = process.start
    monkeypatch.setattr(process, "start", lambda argv, **k: calls.append(argv) or real(argv, **k))
    with BringAlong(tree) as along:
        assert along.prepare(old, new, changes) is None
        along.finish()
    assert len(calls) == 1


def test_many_files_are_fast_enough(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {f"d{i % 9}/f{i}": b"%d\n" % i for i in range(400)})
    started = time.monotonic()
    assert (
        land(repo, next_commit(repo, {f"d{i % 9}/f{i}": b"new\n" for i in range(0, 400, 3)})) == []
    )
    assert time.monotonic() - started < 5
    check_clean(repo)


def test_what_is_given_up_does_not_go_on_writing(tmp_path: Path) -> None:
    """Once the lock is let go, no git of ours works there any more."""
    repo = make_repo(tmp_path / "r", {"a": b"old\n", ".gitattributes": b"a filter=slow\n"})
    git(repo, "config", "filter.slow.smudge", "sleep 1; cat")
    git(repo, "config", "filter.slow.clean", "cat")
    new = next_commit(repo, {"a": b"new\n"})
    with BringAlong(holder(repo)) as along:
        assert along.prepare("HEAD", new) is None
        along.begin()
        time.sleep(0.2)
    assert not (repo / ".git" / "index.lock").exists()
    before = sorted((p.name, p.stat().st_mtime_ns) for p in repo.iterdir())
    time.sleep(1.3)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in repo.iterdir()) == before
