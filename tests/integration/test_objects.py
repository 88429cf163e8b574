"""Objects: what git has and what is pending read the same way; nothing reaches the repository before write()."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from uet_git.errors import GitFailed, MissingObject, ObjectTooLarge
from uet_git.plumbing.git import discover
from uet_git.plumbing.objects import Objects

FILES = {"a.txt": b"one\n", "dir/b.bin": bytes(range(256)), "empty": b""}


@pytest.fixture(params=["sha1", "sha256"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_repo(tmp_path / "r", FILES, object_format=request.param)


@pytest.fixture
def objects(repo: Path) -> Iterator[Objects]:
    with Objects(discover(str(repo))) as opened:
        yield opened


def object_count(repo: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(repo / ".git" / "objects"))


def test_reads_what_git_holds(repo: Path, objects: Objects) -> None:
    head = objects.resolve("HEAD")
    tree = objects.resolve("HEAD^{tree}")
    assert head == git(repo, "rev-parse", "HEAD").decode().strip()
    assert head is not None
    assert tree is not None
    assert objects.commit(head) == git(repo, "cat-file", "commit", "HEAD")
    listed = {
        line.split(b"\t")[1]: (int(line.split()[0], 8), line.split()[2].decode())
        for line in git(repo, "ls-tree", "HEAD").splitlines()
    }
    assert objects.tree(tree) == listed
    assert objects.blob(listed[b"a.txt"][1]) == b"one\n"
    assert objects.blob(listed[b"empty"][1]) == b""
    sub = objects.tree(listed[b"dir"][1])
    assert objects.blob(sub[b"b.bin"][1]) == bytes(range(256))


@pytest.mark.parametrize("rev", ["nope", "", "HEAD:nope", "a\nb", "HEAD^{blob}", "-x"])
def test_a_revision_that_names_nothing_is_none(objects: Objects, rev: str) -> None:
    assert objects.resolve(rev) is None
    assert objects.resolve("HEAD") is not None


def test_a_missing_or_wrong_object_is_an_error(objects: Objects) -> None:
    with pytest.raises(MissingObject):
        objects.get("1" * objects.git.hex_length)
    head = objects.resolve("HEAD")
    assert head is not None
    with pytest.raises(MissingObject, match="is a commit"):
        objects.blob(head)
    assert objects.commit(head).startswith(b"tree ")


def test_a_large_object_is_refused_before_it_is_read(repo: Path) -> None:
    oid = git(repo, "hash-object", "-w", "--stdin", stdin=b"x" * 5000).decode().strip()
    with Objects(discover(str(repo)), largest=4999) as objects:
        with pytest.raises(ObjectTooLarge, match="5000 bytes, the limit is 4999"):
            objects.blob(oid)
        head = objects.resolve("HEAD")
        assert head is not None
        assert objects.commit(head).startswith(b"tree ")
    with Objects(discover(str(repo)), largest=5000) as objects:
        assert objects.blob(oid) == b"x" * 5000


def test_a_child_that_died_is_started_again(objects: Objects) -> None:
    assert objects.resolve("HEAD") is not None
    child = objects._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert objects.resolve("HEAD") is not None
    assert objects._child is not child


def test_a_child_that_never_lives_is_an_error(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(objects.git), "argv", lambda *_args, **_kw: ["false"])
    with pytest.raises(GitFailed, match="does not stay alive"):
        objects.resolve("HEAD")


def test_put_gives_gits_ids_and_writes_nothing_until_write(repo: Path, objects: Objects) -> None:
    before = object_count(repo)
    data = b"new\n\x00bytes"
    oid = objects.put("blob", data)
    assert oid == git(repo, "hash-object", "--stdin", stdin=data).decode().strip()
    assert objects.blob(oid) == data
    assert objects.has(oid)
    assert objects.put("blob", data) == oid
    assert objects.pending == 1
    assert object_count(repo) == before
    name = objects.write()
    assert name is not None
    assert objects.pending == 0
    assert object_count(repo) == before + 2
    assert git(repo, "cat-file", "blob", oid) == data
    assert objects.blob(oid) == data
    objects.forget()
    assert objects.blob(oid) == data


def test_what_the_repository_has_is_not_written_again(objects: Objects) -> None:
    tree = objects.resolve("HEAD^{tree}")
    assert tree is not None
    oid = objects.tree(tree)[b"a.txt"][1]
    assert objects.blob(oid) == b"one\n"
    assert objects.put("blob", b"one\n") == oid
    assert objects.write() is None
    new = objects.put("blob", b"fresh")
    objects.write()
    assert objects.put("blob", b"fresh") == new
    assert objects.pending == 0


def test_a_discarded_candidate_leaves_no_trace(repo: Path, objects: Objects) -> None:
    first = objects.begin()
    shared = objects.put("blob", b"shared")
    only_first = objects.put("blob", b"first")
    second = objects.begin()
    assert objects.put("blob", b"shared") == shared
    only_second = objects.put("blob", b"second")
    objects.discard(first)
    assert objects.blob(shared) == b"shared"
    with pytest.raises(MissingObject):
        objects.get(only_first)
    objects.write()
    assert git(repo, "cat-file", "blob", only_second) == b"second"
    assert not objects.has(only_first)
    objects.discard(second)
    assert objects.blob(only_second) == b"second"


def test_memory_for_blobs_is_bounded(repo: Path) -> None:
    oids = [
        git(repo, "hash-object", "-w", "--stdin", stdin=b"%d" % n * 400).decode().strip()
        for n in range(8)
    ]
    with Objects(discover(str(repo)), blob_cache=1000) as objects:
        for oid in oids * 2:
            objects.blob(oid)
        assert objects._blobs._size <= 1000
        assert len(objects._blobs._held) == 2


def test_many_objects_come_in_one_go(repo: Path) -> None:
    oids = [
        git(repo, "hash-object", "-w", "--stdin", stdin=b"%d" % n).decode().strip()
        for n in range(150)
    ]
    tree = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    with Objects(discover(str(repo))) as objects:
        objects.prefetch([*oids, tree, *oids])
        asked: list[bytes] = []
        objects._ask = lambda lines: asked.append(lines) or b""  # type: ignore[method-assign,func-returns-value]
        assert [objects.blob(oid) for oid in oids] == [b"%d" % n for n in range(150)]
        assert set(objects.tree(tree)) == {b"a.txt", b"dir", b"empty"}
        objects.prefetch(oids)
        assert asked == []


def test_what_cannot_be_had_in_one_go_is_left_for_get(repo: Path) -> None:
    small = [
        git(repo, "hash-object", "-w", "--stdin", stdin=b"%d" % n).decode().strip()
        for n in range(3)
    ]
    large = git(repo, "hash-object", "-w", "--stdin", stdin=b"x" * 5000).decode().strip()
    with Objects(discover(str(repo)), largest=100) as objects:
        missing = "1" * objects.git.hex_length
        objects.prefetch([small[0], missing, small[1]])
        assert objects.blob(small[1]) == b"1"
        with pytest.raises(MissingObject):
            objects.get(missing)
        objects.prefetch([small[0], large, small[2]])
        assert objects.blob(small[2]) == b"2"
        with pytest.raises(ObjectTooLarge):
            objects.blob(large)
        assert objects.resolve("HEAD") is not None
        child = objects._child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        objects.forget()
        objects.prefetch(small)
        assert [objects.blob(oid) for oid in small] == [b"0", b"1", b"2"]


def test_reading_ahead_stays_within_the_memory_for_blobs(repo: Path) -> None:
    oids = [
        git(repo, "hash-object", "-w", "--stdin", stdin=b"%03d" % n * 100).decode().strip()
        for n in range(200)
    ]
    with Objects(discover(str(repo)), blob_cache=2000) as objects:
        objects.prefetch(oids)
        assert objects._blobs._size <= 2000
        assert [objects.blob(oid)[:3] for oid in oids] == [b"%03d" % n for n in range(200)]
