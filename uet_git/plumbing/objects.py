"""Reads objects through one `cat-file --batch-command`, and keeps new ones in memory until a batch is written.

Nothing enters the repository before `write()`: a candidate that does not land is discarded and leaves no trace.
"""

import contextlib
import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, Final, Self

from uet_git.errors import GitFailed, MissingObject, ObjectTooLarge, UetError
from uet_git.host import process
from uet_git.model.delta import delta_of, delta_of_splices
from uet_git.model.named import NamedTuple
from uet_git.model.records import Hunk, Oid
from uet_git.plumbing import packs
from uet_git.plumbing.cache import Cache
from uet_git.plumbing.deflate import Deflater
from uet_git.plumbing.git import Git
from uet_git.plumbing.tree import Splice, Tree, TreeEntry

MB: Final = 1024 * 1024
LARGEST: Final = 512 * MB
BLOB_CACHE: Final = 24 * MB
TREE_CACHE: Final = 16 * MB
_DEEPEST: Final = 16  # deltas on deltas; git's own limit is 50
_SMALL: Final = 512  # bytes; a delta would not be much smaller
_AT_ONCE: Final = 64  # requests; they must fit a pipe
_KNOWN: Final = 50_000


class Edit(NamedTuple):
    """What made an object of another one, whose id is `base`: hunks a blob, splices a tree."""

    base: str
    hunks: Sequence[Hunk] = ()
    splices: Sequence[Splice] = ()

    def delta(self, base: bytes, data: bytes) -> bytes | None:
        """A delta that makes `data` of `base`; None where none is easily seen."""
        if self.splices:
            return delta_of_splices([(a, b, text) for a, b, _, text in self.splices], base, data)
        return delta_of(self.hunks, base, data)


class Pending(NamedTuple):
    """A new object that is not in the repository yet. `depth` is how many deltas it takes to make it."""

    kind: str
    data: bytes
    edit: Edit | None = None
    depth: int = 0


class Objects:
    """The objects of one repository, old and pending, by id. Close it, or use it in `with`.

    What it remembers is good for one run of the queue: call `forget()` after a pause in which another process may have
    collected garbage.
    """

    def __init__(self, git: Git, *, blob_cache: int = BLOB_CACHE, largest: int = LARGEST) -> None:
        self.git = git
        self.width = git.hex_length // 2
        self.largest = largest
        self._digest: Callable[..., Any] = (
            hashlib.sha256 if git.object_format == "sha256" else hashlib.sha1
        )
        self._child: process.Child | None = None
        self._left: list[process.Child] = []  # so that nobody closes their pipes
        self._blobs: Cache[bytes] = Cache(blob_cache)
        self._trees: Cache[Tree] = Cache(TREE_CACHE)
        self._known: set[str] = set()
        self._pending: dict[str, Pending] = {}
        self._candidates: dict[int, list[str]] = {0: []}
        self._users: dict[str, int] = {}
        self._current = 0
        self.deflater = Deflater()
        self.pending_bytes = 0  # content of the objects that wait to be written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child. Pending objects stay in memory; a later read starts a new child."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(
                OSError
            ):  # a dead child cannot take what is still buffered for it
                assert child.stdin is not None
                child.stdin.close()
            process.kill_group(child)

    def leave_child(self) -> None:
        """After a fork, in the new process: the child that reads objects belongs to the old one."""
        if self._child is not None:
            self._left.append(self._child)
        self._child = None

    def forget(self) -> None:
        """Drops everything remembered about the repository; pending objects stay."""
        self._known.clear()
        self._blobs.clear()
        self._trees.clear()

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, oid: str, limit: int = LARGEST) -> tuple[str, bytes]:
        """Kind and content of an object, pending ones included. One of more than `limit` bytes is not read.

        Raises: MissingObject, ObjectTooLarge, GitFailed (the child cannot be kept running).
        """
        new = self._pending.get(oid)
        if new is not None:
            return new.kind, new.data
        tree = self._trees.get(oid)
        if tree is not None:
            return "tree", tree.raw
        blob = self._blobs.get(oid)
        if blob is not None:
            return "blob", blob
        return self._read(oid, min(limit, self.largest))

    def blob(self, oid: str, limit: int = LARGEST) -> bytes:
        """A blob's bytes, at most `limit`. Raises: as get; MissingObject also if it is no blob."""
        found = self._blobs.get(oid)
        if found is None:
            found = self._get_as("blob", oid, limit)
        if len(found) > limit:
            raise _too_large(oid, len(found), limit)
        return found

    def commit(self, oid: str) -> bytes:
        """A commit's bytes. Raises: as get; MissingObject also if it is no commit."""
        return self._get_as("commit", oid)

    def tree(self, oid: str) -> dict[bytes, TreeEntry]:
        """A tree's entries by name: (mode, id). Raises: as get; MissingObject also if it is no tree."""
        return self.tree_object(oid).entries()

    def tree_object(self, oid: str) -> Tree:
        """A tree, ready for look-ups and edits. Raises: as get; MissingObject also if it is no tree."""
        found = self._trees.get(oid)
        if found is None:
            found = Tree(self._get_as("tree", oid), self.width)
            self._keep_tree(oid, found)
        return found

    def prefetch(self, oids: Iterable[str]) -> None:
        """Reads what is not in memory yet with few round trips. Whatever is wrong is left for `get` to report."""
        wanted = [oid for oid in dict.fromkeys(oids) if not self._in_memory(oid)]
        room = self._blobs.capacity // 2
        while len(wanted) > 1 and room > 0:
            some, wanted = wanted[:_AT_ONCE], wanted[_AT_ONCE:]
            lines = [b"contents %b\n" % oid.encode() for oid in some]
            try:
                header = self._ask(b"".join(lines))
                for number, oid in enumerate(some):
                    header = self._header() if number else header
                    kind, data = self._content(oid, header, min(room, self.largest))
                    room -= len(data)
                    if kind == "tree":
                        self._keep_tree(oid, Tree(data, self.width))
            except UetError:
                self.close()
                return

    def _in_memory(self, oid: str) -> bool:
        return oid in self._pending or oid in self._trees or oid in self._blobs

    def resolve(self, rev: str) -> Oid | None:
        """The id that a revision names (`main^{tree}`), None if it names nothing or is ambiguous."""
        if not rev or "\n" in rev or "\0" in rev:
            return None
        header = self._ask(b"info %b\n" % rev.encode("utf-8", "surrogateescape")).split()
        if len(header) != 3 or header[1] not in (b"blob", b"tree", b"commit", b"tag"):
            return None
        return Oid(header[0].decode())

    def has(self, oid: str) -> bool:
        """Tells whether an object is pending or in the repository."""
        return oid in self._pending or oid in self._known or self.resolve(oid) is not None

    def _get_as(self, kind: str, oid: str, limit: int = LARGEST) -> bytes:
        found, data = self.get(oid, limit)
        if found != kind:
            raise MissingObject(f"{oid} is a {found}, not a {kind}")
        return data

    def _read(self, oid: str, limit: int) -> tuple[str, bytes]:
        return self._content(oid, self._ask(b"contents %b\n" % oid.encode()), limit)

    def _content(self, oid: str, header: bytes, limit: int) -> tuple[str, bytes]:
        """What follows a header line. Keeps a blob."""
        words = header.split()
        if len(words) != 3:
            raise MissingObject(oid)
        kind, size = words[1].decode(), int(words[2])
        if size > limit:
            self.close()  # its content is on the way, and would be read by the next one who asks
            raise _too_large(oid, size, limit)
        assert self._child is not None
        assert self._child.stdout is not None
        data = self._child.stdout.read(size + 1)[:size]
        if len(data) != size:
            self.close()
            raise GitFailed(f"git cat-file ended while it wrote {oid}")
        self._note(oid)
        if kind == "blob":
            self._blobs.put(oid, data, size)
        return kind, data

    def _ask(self, lines: bytes) -> bytes:
        """Sends requests and reads the first header line; starts the child, and once more if it died."""
        for _ in range(2):
            if self._child is None:
                self._child = self.git.start("cat-file", "--batch-command")
            assert self._child.stdin is not None
            try:
                self._child.stdin.write(lines)
                self._child.stdin.flush()
                header = self._header()
            except BrokenPipeError:
                header = b""
            if header.endswith(b"\n"):
                return header
            self.close()
        raise GitFailed("git cat-file does not stay alive")

    def _header(self) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    # -- new objects ---------------------------------------------------------------------------------------------

    def begin(self) -> int:
        """Starts a candidate: what is put from now on belongs to it. Returns its number."""
        self._current += 1
        self._candidates[self._current] = []
        return self._current

    def put(self, kind: str, data: bytes, edit: Edit | None = None) -> Oid:
        """The id of an object; kept pending unless the repository has it or it is pending already."""
        hashed = self._digest(b"%b %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        hashed.update(data)
        oid = Oid(hashed.hexdigest())
        if oid in self._known:
            return oid
        if oid not in self._pending:
            new = Pending(kind, data) if edit is None else self._edited(kind, data, edit)
            self._pending[oid] = new
            self.pending_bytes += len(data)
            if kind != "tree" and not new.depth:
                self.deflater.add(oid, data)
        self._claim(oid)
        return oid

    def _edited(self, kind: str, data: bytes, edit: Edit) -> Pending:
        """A new object, as a delta if what it was made of is new too, and made by few deltas."""
        base = self._pending.get(edit.base)
        if base is None or base.depth >= _DEEPEST or len(data) < _SMALL:
            return Pending(kind, data)
        return Pending(kind, data, edit, base.depth + 1)

    def put_tree(self, tree: Tree, base: str = "") -> Oid:
        """As put, for a tree that keeps its positions for the next look-up; `base` is the tree it was made of."""
        edit = Edit(base, splices=tree.splices) if base and tree.splices else None
        oid = self.put("tree", tree.raw, edit)
        self._keep_tree(oid, tree)
        return oid

    def discard(self, candidate: int) -> None:
        """Drops what only this candidate has put. Those composed on top of it must be discarded too."""
        self._release(self._candidates.pop(candidate, []))

    def mark(self) -> tuple[int, int]:
        """Where the current candidate stands, for `rewind`."""
        return self._current, len(self._candidates.setdefault(self._current, []))

    def rewind(self, mark: tuple[int, int]) -> None:
        """Drops what the candidate has put since the mark."""
        owned = self._candidates.get(mark[0], [])
        self._release(owned[mark[1] :])
        del owned[mark[1] :]

    def write(self) -> str | None:
        """Writes all pending objects as one durable pack and returns its name; None if nothing is pending.

        Raises: DiskFull, IoFailed; the objects are then still pending.
        """
        if not self._pending:
            return None
        objects_dir = f"{self.git.common_dir}/objects"
        ready: dict[str, packs.Packed] = {}
        for oid, new in self._pending.items():
            ready[oid] = self._packed(oid, new, ready)
        name = packs.write_pack(objects_dir, list(ready.values()), self.git.object_format)
        written, self._pending = self._pending, {}
        for oid, new in written.items():
            self._note(oid)
            if new.kind == "blob":
                self._blobs.put(oid, new.data, len(new.data))
            elif new.kind == "tree" and (tree := self._trees.get(oid)) is not None:
                self._keep_tree(oid, tree)
        self.pending_bytes = 0
        self._candidates = {self._current: []}
        self._users.clear()
        return name

    def _packed(self, oid: str, new: Pending, before: Container[str]) -> packs.Packed:
        """An object ready for the pack; a delta only on one of those that stand `before` it there."""
        kind, data = new.kind, new.data
        if len(data) <= packs.SMALL:
            return packs.deflate(oid, kind, data)
        if new.edit is not None and new.edit.base in before:
            delta = new.edit.delta(self._pending[new.edit.base].data, data)
            if delta is not None and len(delta) < len(data) // 2:
                return packs.Packed(oid, kind, len(delta), packs.deflated(delta), new.edit.base)
        if kind == "tree":
            return packs.deflate(oid, kind, data)
        return packs.Packed(oid, kind, len(data), self.deflater.take(oid, data))

    def waiting(self) -> list[tuple[str, str, bytes]]:
        """The pending objects: id, kind, content."""
        return [(oid, new.kind, new.data) for oid, new in self._pending.items()]

    @property
    def pending(self) -> int:
        """How many new objects wait to be written."""
        return len(self._pending)

    def _claim(self, oid: str) -> None:
        self._candidates.setdefault(self._current, []).append(oid)
        self._users[oid] = self._users.get(oid, 0) + 1

    def _release(self, oids: list[str]) -> None:
        for oid in oids:
            self._users[oid] -= 1
            if not self._users[oid]:
                del self._users[oid]
                self.pending_bytes -= len(self._pending.pop(oid).data)
                self.deflater.drop(oid)
                self._trees.drop(oid)

    def _note(self, oid: str) -> None:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known.add(oid)

    def _keep_tree(self, oid: str, tree: Tree) -> None:
        """Remembers a tree; the bytes of a pending one are held anyway."""
        self._trees.put(oid, tree, tree.weight - len(tree.raw) * (oid in self._pending))


def _too_large(oid: str, size: int, limit: int) -> ObjectTooLarge:
    return ObjectTooLarge(f"{oid} has {size} bytes, the limit is {limit}")
