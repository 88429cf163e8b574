"""Our reading of the index agrees with git's, or says that it does not know."""

import os
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from tests.worktree_states import holder, next_commit
from uet_git.plumbing import indexfile
from uet_git.plumbing.bringalong import tree_changes
from uet_git.plumbing.indexfile import is_untouched, names

FILES = {
    "a": b"1\n",
    "d/b": b"2\n",
    "d/e/" + "long" * 60: b"3\n",
    "z" * 7: b"",
    "run": b"4\n",
    "brun": b"5\n",
}


def read(repo: Path) -> tuple[bytes, int]:
    index = repo / ".git" / "index"
    return index.read_bytes(), index.stat().st_mtime_ns


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [2, 3])
def test_names_and_tree(object_format: str, version: int, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES, object_format=object_format)
    oid = git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{oid},sub")
    git(repo, "commit", "-q", "-m", "sub")
    git(repo, "read-tree", "HEAD")
    if version == 3:
        git(repo, "update-index", "--skip-worktree", "d/b")
    data, _ = read(repo)
    assert data[7] == version
    found = names(data, len(oid) // 2)
    assert found is not None
    assert sorted([*found.files, *found.links]) == sorted(
        filter(None, git(repo, "ls-files", "-z").split(b"\0"))
    )
    assert found.links == [b"sub"]
    if version == 2:
        assert found.tree == git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    (repo / "a").write_bytes(b"edited\n")
    git(repo, "add", "a")
    edited = names(read(repo)[0], len(oid) // 2)
    assert edited is not None
    assert edited.tree is None


def test_a_name_longer_than_the_length_field(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES)
    path = "/".join(["p" * 200] * 21)
    blob = git(repo, "rev-parse", "HEAD:a").decode().strip()
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    found = names(read(repo)[0], 20)
    assert found is not None
    assert path.encode() in found.files


@pytest.mark.parametrize("kind", ["version 4", "split", "garbage", "empty"])
def test_what_it_does_not_know(kind: str, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES)
    if kind == "version 4":
        git(repo, "update-index", "--index-version", "4")
    if kind == "split":
        git(repo, "update-index", "--split-index")
    data, stamp = read(repo)
    data = {"garbage": b"garbage" * 9, "empty": b""}.get(kind, data)
    assert names(data, 20) is None
    changes = tree_changes(holder(repo), "HEAD", next_commit(repo, {"a": b"2\n"}))
    assert not is_untouched(data, stamp, 20, str(repo), changes)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_untouched(object_format: str, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", FILES, object_format=object_format)
    new = next_commit(
        repo, {"a": b"2\n", "d/b": None, "fresh": b"1\n", "un": b"1\n", "n/x": b"1\n"}
    )
    changes = tree_changes(holder(repo), "HEAD", new)
    oid_bytes = 32 if object_format == "sha256" else 20

    def known(stamp: int | None = None) -> bool:
        data, now = read(repo)
        return is_untouched(data, stamp or now, oid_bytes, str(repo), changes)

    assert known(), "racy entries are compared by content; `un` is not `run`"
    st = (repo / "a").stat()
    with (repo / "a").open("r+b") as file:
        file.write(b"X")
    os.utime(repo / "a", ns=(st.st_atime_ns, st.st_mtime_ns))
    assert not known(), "the change time tells"
    (repo / "a").write_bytes(b"1\n")
    os.utime(repo / "a", (10**9, 10**9))
    assert not known(), "not known until git has looked"
    git(repo, "update-index", "--refresh")
    assert known()
    assert known(stamp=2**62)
    for flag in ("--assume-unchanged", "--skip-worktree"):
        git(repo, "update-index", flag, "a")
        assert not known()
        git(repo, "update-index", flag.replace("--", "--no-"), "a")
        assert known()
    blob = git(repo, "rev-parse", "HEAD:a").decode().strip()
    for staged in ("fresh", "n", "n/x", "n/y", "n/x/y"):
        git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{staged}")
        assert known() is (staged == "n/y"), staged
        git(repo, "update-index", "--force-remove", staged)
    assert known()
    (repo / "a").chmod(0o755)
    assert not known()


def test_equal_status_proves_nothing_within_the_same_second(tmp_path: Path) -> None:
    """Status as noted, content another: only a later index shows that the status was taken after the last edit."""
    repo = make_repo(tmp_path / "r", FILES)
    (change,) = tree_changes(holder(repo), "HEAD", next_commit(repo, {"a": b"2\n"}))
    other = git(repo, "rev-parse", "HEAD:d/b").decode().strip()
    data, _ = read(repo)
    data = data.replace(bytes.fromhex(change.old_oid), bytes.fromhex(other))
    edited = (repo / "a").stat().st_mtime_ns
    changes = [change._replace(old_oid=other)]
    assert not is_untouched(data, edited, 20, str(repo), changes)
    assert is_untouched(data, edited + 10**9, 20, str(repo), changes)


def test_old_sides_are_found_in_one_pass_and_new_paths_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files change, the index is read once; a path to be added costs a look of its own."""
    repo = make_repo(tmp_path / "r", {f"f{n:03}": b"1\n" for n in range(50)})
    data, stamp = read(repo)
    monkeypatch.setattr(indexfile, "_MOST_READ", 3 * len(data))

    def known(added: int) -> bool:
        after = {f"f{n:03}": b"2\n" for n in range(50)} | {f"new{n}": b"1\n" for n in range(added)}
        changes = tree_changes(holder(repo), "HEAD", next_commit(repo, after))
        return is_untouched(data, stamp, 20, str(repo), changes)

    assert known(added=1)
    assert not known(added=2)


def test_what_is_read_to_compare_has_a_limit_for_all_files_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"f{n}": b"%d\n" % n * 1000 for n in range(9)}
    repo = make_repo(tmp_path / "r", files)
    data, now = read(repo)
    changes = tree_changes(holder(repo), "HEAD", next_commit(repo, dict.fromkeys(files, b"2\n")))
    monkeypatch.setattr(indexfile, "_MOST_READ", 20_000)
    assert is_untouched(data, 10**9, 20, str(repo), changes)
    monkeypatch.setattr(indexfile, "_MOST_READ", 17_000)
    assert not is_untouched(data, 10**9, 20, str(repo), changes)
    assert is_untouched(data, now + 10**9, 20, str(repo), changes)
