"""Takes single paths of a work tree from one tree to another, whatever state a crash left them in.

The slow, careful way that needs no order and can be repeated: a path goes on only if it is at the old content, or
torn on the way to the new one; anything else is the user's, is left and named (DESIGN 10 Recovery).
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping

from uet_git.model.records import GITLINK, TreeChange
from uet_git.plumbing.git import Git, failure
from uet_git.plumbing.indexlock import IndexLock
from uet_git.plumbing.inway import kind, parents
from uet_git.plumbing.removal import remove_empty_parents, remove_file, remove_tree

_Entry = tuple[int, str]


class Pathwise:
    """The work on one work tree whose index lock is held and whose index has been copied to `lock.private`."""

    def __init__(self, git: Git, lock: IndexLock) -> None:
        assert git.top is not None
        self._git = git
        self._lock = lock
        self._root = os.fsencode(git.top)
        self._probe = lock.private + "-probe"
        self._drafts = lock.private + "-drafts"

    def carry(self, changes: Collection[TreeChange]) -> tuple[list[bytes], bool]:
        """Takes files and index entries of `changes` from old to new.

        Returns the paths left as they are, and whether the private index differs from the real one now.
        Raises: GitFailed, DiskFull, OSError; it can be called again after any of them.
        """
        try:
            staged, hidden = self._index()
            left = self._files([c for c in changes if c.path not in hidden])
            return left, self._entries(changes, staged, hidden)
        finally:
            remove_file(self._probe)
            remove_tree(self._drafts)

    def _files(self, changes: Iterable[TreeChange]) -> list[bytes]:
        """Files first that go, so that a folder can take the place of a file."""
        ours = [c for c in changes if GITLINK not in (c.old_mode, c.new_mode)]
        behind = self._unlike({c.path: (c.old_mode, c.old_oid) for c in ours})
        ahead = self._unlike({c.path: (c.new_mode, c.new_oid) for c in ours})
        open_ = [c for c in ours if c.path in ahead]
        self._draft([c.path for c in open_ if c.new_mode])
        left: list[bytes] = []
        for change in sorted(open_, key=lambda c: bool(c.new_mode)):
            goes_on = change.path not in behind or self._is_torn(change)
            if not goes_on or not self._put(change):
                left.append(change.path)
        for change in ours:
            if not change.new_mode and self._has_real_parents(change.path):
                remove_empty_parents(self._root, change.path)
        return sorted(left)

    def _unlike(self, entries: Mapping[bytes, _Entry]) -> set[bytes]:
        """The paths whose disk content is not that entry (mode 0: nothing there), as git itself compares."""
        present = {path: entry for path, entry in entries.items() if entry[0]}
        unlike = {p for p in entries if p not in present and self._is_file(p)}
        remove_file(self._probe)
        if present:
            self._run("update-index", "-z", "--index-info", stdin=_info(present), index=self._probe)
            self._run("update-index", "-q", "--refresh", index=self._probe, check=False)
            out = self._run("diff-files", "--name-only", "-z", index=self._probe)
            unlike.update(filter(None, out.split(b"\0")))
        return unlike

    def _is_file(self, path: bytes) -> bool:
        mode = kind(os.path.join(self._root, path))
        return bool(mode) and not stat.S_ISDIR(mode)

    def _draft(self, paths: Collection[bytes]) -> None:
        """Writes the new files beside the work tree, through the user's filters; the probe holds the new entries."""
        remove_tree(self._drafts)
        if paths:
            self._run(
                *("checkout-index", "-f", "-z", "--stdin", f"--prefix={self._drafts}/"),
                stdin=b"\0".join(paths),
                index=self._probe,
            )

    def _is_torn(self, change: TreeChange) -> bool:
        """Whether a killed checkout explains what is there: the old file gone, or a beginning of the new one."""
        if not change.new_mode:
            return False
        path = os.path.join(self._root, change.path)
        mode = kind(path)
        if not mode:
            return True
        draft = os.path.join(os.fsencode(self._drafts), change.path)
        if not stat.S_ISREG(mode) or not stat.S_ISREG(kind(draft)):
            return False
        with open(path, "rb") as have, open(draft, "rb") as want:
            content = have.read()
            return want.read(len(content)) == content

    def _put(self, change: TreeChange) -> bool:
        """Brings one path to its new state; False if something that is not ours is in its way."""
        path = os.path.join(self._root, change.path)
        if not self._has_real_parents(change.path):
            return False
        if not change.new_mode:
            return remove_file(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if stat.S_ISDIR(kind(path)):
            try:
                os.rmdir(path)
            except OSError:
                return False
        import shutil

        shutil.move(os.path.join(self._drafts, os.fsdecode(change.path)), os.fsdecode(path))
        return True

    def _has_real_parents(self, path: bytes) -> bool:
        modes = (kind(os.path.join(self._root, folder)) for folder in parents(path))
        return all(not mode or stat.S_ISDIR(mode) for mode in modes)

    def _index(self) -> tuple[dict[bytes, _Entry | None], set[bytes]]:
        """The index's entries (None: unmerged), and the paths that sparse checkout keeps off the disk."""
        staged: dict[bytes, _Entry | None] = {}
        hidden: set[bytes] = set()
        for line in filter(None, self._run("ls-files", "-t", "-s", "-z").split(b"\0")):
            meta, path = line.split(b"\t", 1)
            tag, mode, oid, stage = meta.decode().split(" ")
            staged[path] = (int(mode, 8), oid) if stage == "0" else None
            if tag == "S":
                hidden.add(path)
        return staged, hidden

    def _entries(
        self,
        changes: Iterable[TreeChange],
        staged: Mapping[bytes, _Entry | None],
        hidden: Collection[bytes],
    ) -> bool:
        """Moves the index entries that are at old; what the user staged stays."""
        wanted: dict[bytes, _Entry] = {}
        for c in changes:
            now = staged.get(c.path, (0, ""))
            if now == (c.old_mode, c.old_oid) and now != (c.new_mode, c.new_oid):
                wanted[c.path] = (c.new_mode, c.new_oid)
        if not wanted:
            return False
        gone_first = dict(sorted(wanted.items(), key=lambda item: bool(item[1][0])))
        self._run("update-index", "-z", "--index-info", stdin=_info(gone_first, self._git.zero))
        if still := [p for p, entry in wanted.items() if entry[0] and p in hidden]:
            self._run("update-index", "--skip-worktree", "-z", "--stdin", stdin=b"\0".join(still))
        self._run("update-index", "-q", "--refresh", check=False)
        return True

    def _run(
        self, *args: str, stdin: bytes = b"", index: str | None = None, check: bool = True
    ) -> bytes:
        env = {"GIT_INDEX_FILE": index or self._lock.private}
        done = self._git.run(*args, stdin=stdin, env=env, check=False, pass_fds=(self._lock.fd,))
        if check and done.code != 0:
            raise failure(args, done)
        return done.out


def _info(entries: Mapping[bytes, _Entry], zero: str = "") -> bytes:
    """Input of `update-index -z --index-info`."""

    def lines() -> Iterator[bytes]:
        for path, (mode, oid) in entries.items():
            yield b"%o %s\t%s\0" % (mode, (oid or zero).encode(), path)

    return b"".join(lines())
