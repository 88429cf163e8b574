"""Whether a gate left the repository alone, told by the state of its files.

Loads nothing: the hooks' shortcut uses it. Stricter than plumbing/fingerprint.py, which excuses what people do
meanwhile; so this keeps what is needed to ask that about the time before.
"""

import os

_CONTENT = ("config", "config.worktree", "info/attributes", "info/grafts", "HEAD")
_STEERED = ("epoch", "enforce", "drain-post-commit", "drain-post-merge")
_LARGEST = 1 << 20  # bytes of a file that are read

Stamp = tuple[int, ...]


class Before:
    """A repository before a gate. `common` is its git directory, `home` the folder of hooks/, `ref` the branch."""

    def __init__(self, common: str, home: str, ledger: str, ref: str) -> None:
        folders = [common, *linked(common)]
        paths = [os.path.join(folder, name) for folder in folders for name in _CONTENT]
        paths += [os.path.join(common, "objects/info/alternates"), os.path.join(common, ref)]
        paths += [os.path.join(home, name) for name in _STEERED]
        self.files = {path: content(path) for path in paths}
        self.hooks = hooks(os.path.join(common, "hooks"))
        self.ledger = _of_ledger(ledger)
        self._of = common, home, ledger, ref

    def is_of_ledger(self, path: str) -> bool:
        """Whether the ledger was not written to since."""
        return _of_ledger(path) == self.ledger

    def is_same(self) -> bool:
        """Whether nothing of it changed since; a ledger that others wrote to meanwhile did."""
        now = Before(*self._of)
        return (self.files, self.hooks, self.ledger) == (now.files, now.hooks, now.ledger)


def content(path: str) -> bytes | None:
    """What a file holds; None if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, _LARGEST)
    except OSError:
        return None
    finally:
        os.close(fd)


def stamp(path: str) -> Stamp:
    """Changes whenever the file does; the time of its last change of state cannot be set back."""
    found: Stamp = ()
    for look in (os.lstat, os.stat):
        try:
            st = look(path)
        except OSError:
            return found
        found += (st.st_dev, st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    return found


def _of_ledger(path: str) -> Stamp:
    """The database's file and, where it has one that says something, its write-ahead log."""
    try:
        st = os.stat(f"{path}-wal")
    except OSError:
        return stamp(path)
    log = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns) if st.st_size else ()
    return (*stamp(path), *log)


def hooks(folder: str) -> dict[str, Stamp]:
    """Stamps of everything in a folder of hooks, and of what makes it another folder."""
    found = {folder: stamp(folder)[:3]}
    try:
        with os.scandir(folder) as entries:
            found.update((entry.path, stamp(entry.path)) for entry in entries)
    except OSError:
        pass
    return found


def linked(common: str) -> list[str]:
    """The git directories of the linked work trees."""
    folder = os.path.join(common, "worktrees")
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []
