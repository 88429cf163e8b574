"""Packs: git accepts what we write in its strictest mode; a failed write leaves no file and says why."""

import errno
import os
import stat
import struct
import zlib
from pathlib import Path

import pytest

from tests.builders import diff, git, make_repo
from tests.product import uet
from uet_git.errors import DiskFull, IoFailed
from uet_git.model.records import Hunk
from uet_git.plumbing import objects as objects_module
from uet_git.plumbing import packs
from uet_git.plumbing.git import discover
from uet_git.plumbing.objects import Edit, Objects
from uet_git.plumbing.tree import Tree, TreeEntry

SIZES = [0, 1, 15, 16, 17, 127, 1023, 1024, 1025, 2047, 2048, 2049, 70_000, 300_000]


def _hunk(old: bytes, new: bytes) -> Hunk:
    return Hunk(1, 1, 1, 1, old, new, 0, 0, b"", 1)


def content(size: int) -> bytes:
    return (b"%d\n" % size * (size // 2 + 1))[:size]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_git_accepts_the_pack(tmp_path: Path, object_format: str) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"}, object_format=object_format)
    with Objects(discover(str(repo))) as objects:
        oids = {objects.put("blob", content(size)): size for size in SIZES}
        many = [objects.put("blob", b"many %d" % n) for n in range(600)]
        text = b"".join(
            b"100644 f%d\0%b" % (n, bytes.fromhex(oid)) for n, oid in enumerate(sorted(oids), 10)
        )
        tree = objects.put("tree", text)
        who = b"A <a@e> 1700000000 +0000"
        commit = objects.put(
            "commit", b"tree %b\nauthor %b\ncommitter %b\n\nm\n" % (tree.encode(), who, who)
        )
        name = objects.write()
    assert name is not None
    stem = repo / ".git" / "objects" / "pack" / name
    git(repo, "verify-pack", f"{stem}.pack")
    git(repo, "index-pack", "--strict", "-o", str(tmp_path / "again.idx"), f"{stem}.pack")
    assert (tmp_path / "again.idx").read_bytes() == Path(f"{stem}.idx").read_bytes()
    git(repo, "update-ref", "refs/heads/new", commit)
    git(repo, "fsck", "--strict", "--full", "--no-dangling")
    for oid, size in oids.items():
        assert git(repo, "cat-file", "blob", oid) == content(size)
    assert git(repo, "cat-file", "blob", many[77]) == b"many 77"


@pytest.mark.parametrize("size", [0, 1, 1024, 1025, 65_535, 65_536, 200_000])
def test_what_is_stored_inflates_to_itself(size: int) -> None:
    data = os.urandom(size)
    assert zlib.decompress(packs.stored(data)) == data
    assert len(packs.stored(data)) <= size + 11 + 5 * (size // 16_000 + 1)


def test_offsets_beyond_two_gigabytes_use_the_second_table() -> None:
    places = [
        (bytes([n]) * 20, n, offset) for n, offset in enumerate((12, 0x7FFFFFFF, 0x80000000, 2**33))
    ]
    index = packs._index(places, b"\1" * 20, "sha1")
    at = 8 + 1024 + 4 * 20 + 4 * 4
    assert struct.unpack(">4I", index[at : at + 16]) == (12, 0x7FFFFFFF, 0x80000000, 0x80000001)
    assert struct.unpack(">2Q", index[at + 16 : at + 32]) == (0x80000000, 2**33)


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"), [(0o755, 0o444), (0o700, 0o400), (0o2775, 0o444), (0o2770, 0o440)]
)
def test_files_are_as_readable_as_their_folder(
    tmp_path: Path, folder_mode: int, file_mode: int
) -> None:
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    folder.chmod(folder_mode)
    name = packs.write_pack(str(tmp_path / "objects"), [packs.deflate("ab" * 20, "blob", b"x")])
    for end in ("pack", "idx"):
        assert stat.S_IMODE((folder / f"{name}.{end}").stat().st_mode) == file_mode


def test_the_same_objects_twice_are_one_pack(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    one = [packs.deflate("ab" * 20, "blob", b"x")]
    assert packs.write_pack(str(tmp_path / "objects"), one) == packs.write_pack(
        str(tmp_path / "objects"), one
    )
    assert len(os.listdir(tmp_path / "objects" / "pack")) == 2


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        *((c, n) for c in ("fsync", "rename", "fchmod", "open") for n in (1, 2)),
        ("fsync", 3),
        ("open", 3),
    ],
)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    (tmp_path / "objects" / "pack").mkdir(parents=True)
    calls = 0
    real = getattr(os, call)

    def failing(*args: object, **kw: object) -> object:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kw)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(DiskFull, match="No space left"):
        packs.write_pack(str(tmp_path / "objects"), [packs.deflate("ab" * 20, "blob", b"x")])
    monkeypatch.undo()
    assert calls >= nth
    assert os.listdir(tmp_path / "objects" / "pack") == []


def test_a_failed_write_keeps_the_objects_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    with Objects(discover(str(repo))) as objects:
        oid = objects.put("blob", b"later")
        with monkeypatch.context() as patched:
            patched.setattr(
                os,
                "fsync",
                lambda _fd: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only file system")),
            )
            with pytest.raises(IoFailed, match="Read-only"):
                objects.write()
        assert objects.pending == 1
        objects.write()
    assert git(repo, "cat-file", "blob", oid) == b"later"


def test_a_leftover_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    one = [packs.deflate("ab" * 20, "blob", b"x")]
    name = packs.write_pack(str(tmp_path / "objects"), one)
    for end in ("pack", "idx"):
        left = f"tmp_{end}_{name.removeprefix('pack-')}_{os.getpid()}"
        (folder / f"{name}.{end}").rename(folder / left)
    assert packs.write_pack(str(tmp_path / "objects"), one) == name
    assert sorted(os.listdir(folder)) == [f"{name}.idx", f"{name}.pack"]


def test_every_file_is_synced_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "objects" / "pack").mkdir(parents=True)
    seen: list[str] = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (
            seen.append("sync " + os.readlink(f"/proc/self/fd/{fd}").rsplit("/", 1)[-1]),
            fsync(fd),
        )[1],
    )
    monkeypatch.setattr(
        os, "rename", lambda a, b: (seen.append("name " + b.rsplit(".", 1)[-1]), rename(a, b))[1]
    )
    packs.write_pack(str(tmp_path / "objects"), [packs.deflate("ab" * 20, "blob", b"x")])
    said = [s if s.startswith("name") else s[:13] for s in seen]
    assert said == ["sync tmp_pack", "sync tmp_idx_", "name pack", "name idx", "sync pack"]


def test_git_does_not_look_at_a_pack_that_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", dies)
    monkeypatch.setattr(packs, "_remove", lambda paths: None)  # a killed process removes nothing
    with pytest.raises(KeyboardInterrupt):
        packs.write_pack(str(repo / ".git" / "objects"), [packs.deflate("ab" * 20, "blob", b"x")])
    assert list((repo / ".git" / "objects" / "pack").glob("tmp_*"))
    assert git(repo, "fsck", "--strict") == b""
    git(repo, "prune", "--expire=now")
    assert not list((repo / ".git" / "objects" / "pack").glob("tmp_*"))


def _depths(repo: Path, name: str | None, kind: str) -> list[int]:
    """How deep each delta of that kind lies in a pack, as git counts."""
    pack = repo / ".git" / "objects" / "pack" / f"{name}.pack"
    rows = [row.split() for row in git(repo, "verify-pack", "-v", str(pack)).decode().splitlines()]
    return [int(row[5]) for row in rows if row[1] == kind and len(row) > 5]


def test_versions_of_one_file_become_deltas_that_git_reads(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    text = b"".join(b"line %d of the file\n" % n for n in range(400))
    versions = [text]
    with Objects(discover(str(repo))) as objects:
        oids = [objects.put("blob", text)]
        for n in range(40):
            old, new = b"line %d of the file\n" % n, b"version %d\n" % n * 20
            hunk = _hunk(old, new)
            versions.append(versions[-1].replace(old, new))
            oids.append(objects.put("blob", versions[-1], Edit(oids[-1], [hunk])))
        name = objects.write()
    stem = repo / ".git" / "objects" / "pack" / str(name)
    depths = _depths(repo, name, "blob")
    assert len(depths) == 38
    assert max(depths) == 16
    git(repo, "index-pack", "--strict", "-o", str(tmp_path / "again.idx"), f"{stem}.pack")
    assert (tmp_path / "again.idx").read_bytes() == Path(f"{stem}.idx").read_bytes()
    for oid, version in zip(oids, versions, strict=True):
        assert git(repo, "cat-file", "blob", oid) == version


def test_what_a_delta_was_made_of_may_be_gone(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    text = b"some line\n" * 300
    hunk = _hunk(b"some line\n", b"another\n")
    with Objects(discover(str(repo))) as objects:
        first = objects.begin()
        base = objects.put("blob", text)
        objects.begin()
        oid = objects.put("blob", b"another\n" + text[10:], Edit(base, [hunk]))
        objects.discard(first)
        objects.write()
    assert git(repo, "cat-file", "blob", oid) == b"another\n" + text[10:]
    assert git(repo, "cat-file", "--batch-check", stdin=f"{base}\n".encode()).endswith(b"missing\n")


def _folder(objects: Objects, blob: str, names: int) -> Tree:
    entries: dict[bytes, TreeEntry | None] = {b"f%04d" % n: (0o100644, blob) for n in range(names)}
    return Tree(b"", objects.width).edit(entries)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_versions_of_one_folder_become_deltas_that_git_reads(
    object_format: str, tmp_path: Path
) -> None:
    """Ids replaced, a name added, a name gone, a file that becomes a folder: in a folder of 400."""
    repo = make_repo(tmp_path / "r", {"x": b"x"}, object_format=object_format)
    with Objects(discover(str(repo))) as objects:
        blobs = [objects.put("blob", b"%d" % n) for n in range(41)]
        below = objects.put_tree(Tree(b"", objects.width).edit({b"y": (0o100644, blobs[0])}))
        trees = [_folder(objects, blobs[0], 400)]
        oids = [objects.put_tree(trees[0])]
        for n in range(40):
            edits: dict[bytes, TreeEntry | None] = {
                b"f%04d" % (3 * n): (0o100644, blobs[n + 1]),
                b"f%04d" % (3 * n + 1): None if n % 2 else (0o40000, below),
                b"f%04dx" % n: (0o100755, blobs[n]),
            }
            trees.append(trees[-1].edit(edits))
            oids.append(objects.put_tree(trees[-1], oids[-1]))
        name = objects.write()
    depths = _depths(repo, name, "tree")
    assert len(depths) == 38
    assert max(depths) == 16
    for oid, tree in zip(oids, trees, strict=True):
        assert git(repo, "cat-file", "tree", oid) == tree.raw
    assert git(repo, "fsck", "--strict", "--no-dangling") == b""


def test_a_folder_is_no_delta_on_what_comes_after_it_in_the_pack(tmp_path: Path) -> None:
    """Its base was dropped with the candidate that made it, and made again by a later one."""
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    with Objects(discover(str(repo))) as objects:
        blob, other, third = (objects.put("blob", text) for text in (b"1", b"2", b"3"))
        ground = _folder(objects, blob, 200)
        bottom = objects.put_tree(ground)
        first = objects.begin()
        base = ground.edit({b"f0001": (0o100644, other)})
        base_oid = objects.put_tree(base, bottom)
        top = base.edit({b"f0002": (0o100644, third)})
        objects.begin()
        top_oid = objects.put_tree(top, base_oid)
        objects.discard(first)
        objects.begin()
        objects.put_tree(base, bottom)
        assert objects.write()
    for oid, tree in ((base_oid, base), (top_oid, top)):
        assert git(repo, "cat-file", "tree", oid) == tree.raw


def test_folders_that_wait_keep_their_positions_beyond_the_memory_for_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bytes wait anyway; once written they count again."""
    monkeypatch.setattr(objects_module, "TREE_CACHE", 100_000)
    repo = make_repo(tmp_path / "r", {"x": b"x"})
    with Objects(discover(str(repo))) as objects:
        blobs = [objects.put("blob", b"%d" % n) for n in range(61)]
        trees = [_folder(objects, blobs[0], 300)]
        oids = [objects.put_tree(trees[0])]
        for n in range(60):
            trees.append(trees[-1].edit({b"f%04d" % n: (0o100644, blobs[n])}))
            oids.append(objects.put_tree(trees[-1], oids[-1]))
        held = sum(objects.tree_object(oid) is tree for oid, tree in zip(oids, trees, strict=True))
        assert held > 55
        objects.write()
        kept = sum(oid in objects._trees for oid in oids)
        assert 0 < kept < 15
        assert objects.tree_object(oids[0]).raw == trees[0].raw


def test_a_series_in_a_large_folder_lands_as_what_it_changes(tmp_path: Path) -> None:
    """Of thirty versions of two folders of 400 names each, all but the first few are deltas."""
    files: dict[str, bytes] = {f"d/f{n:03}": b"old\n" for n in range(400)}
    files |= {f"r{n:03}": b"old\n" for n in range(400)}
    repo = make_repo(tmp_path / "r", files)
    series = [tmp_path / f"{n}.patch" for n in range(30)]
    for n, path in enumerate(series):
        path.write_bytes(
            diff(f"d/f{n:03}", b"old\n", b"new\n") + diff(f"r{n:03}", b"old\n", b"new\n")
        )
    done = uet(repo, "apply", "-q", "--independent", *map(str, series))
    assert done.code == 0, done.err
    packs_of = [str(p) for p in (repo / ".git/objects/pack").glob("*.pack")]
    listed = git(repo, "verify-pack", "-v", *packs_of).decode().splitlines()
    trees = [line.split() for line in listed if " tree " in line]
    assert len(trees) >= 60
    assert sum(len(words) > 5 for words in trees) >= len(trees) - 6
    assert git(repo, "fsck", "--strict", "--no-dangling") == b""
    assert (repo / "d/f029").read_bytes() == b"new\n"
