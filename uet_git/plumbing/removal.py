"""Removes a folder however deep, long-named or write-protected its inside is.

`shutil.rmtree` recurses and fails on what a hostile patch or gate can build (1,500 nested folders, paths beyond
PATH_MAX). Here every folder is first moved up to the top, so no path is ever more than two names long.
"""

import contextlib
import os
import stat
from collections.abc import Sequence

from uet_git.model import globs


def remove_tree(path: str) -> None:
    """Removes `path` with everything in it; links are removed, not followed. Nothing there is fine. Raises: OSError."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    import tempfile

    grave = tempfile.mkdtemp(prefix=".uet-gone-", dir=os.path.dirname(path))
    pending = [_move(path, grave, 0)]
    count = 1
    while pending:
        folder = pending.pop()
        os.chmod(folder, stat.S_IRWXU)
        with os.scandir(folder) as entries:
            inside = [(e.path, e.is_dir(follow_symlinks=False)) for e in entries]
        for entry, is_folder in inside:
            if is_folder:
                pending.append(_move(entry, grave, count))
                count += 1
            else:
                os.unlink(entry)
        os.rmdir(folder)
    os.rmdir(grave)


def empty(folder: str, keep: Sequence[str] = ()) -> None:
    """Removes all that is in `folder` but for what fits a pattern of `keep` (as in .gitignore). Raises: OSError."""
    kept = globs.compiled(tuple(keep)) if keep else None
    pending = [b""]
    met: list[bytes] = []
    root = os.fsencode(folder)
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            inside = [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
        for name, is_folder in inside:
            path = below + b"/" + name if below else name
            if kept is not None and kept.match(path + b"/x" if is_folder else path):
                continue
            if kept is not None and is_folder:
                pending.append(path)
                met.append(path)
            else:
                remove_tree(os.fsdecode(os.path.join(root, path)))
    for path in reversed(met):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(root, path))


def remove_file(path: str | bytes) -> bool:
    """Removes a file or link; whether it was there. Raises: OSError."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def remove_empty_parents(root: bytes, path: bytes) -> None:
    """Removes the folders above `root`/`path` that became empty, as git does after a deletion."""
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):
        while folder:
            os.rmdir(os.path.join(root, folder))
            folder = os.path.dirname(folder)


def _move(folder: str, grave: str, number: int) -> str:
    target = os.path.join(grave, str(number))
    try:
        os.rename(folder, target)
    except PermissionError:  # moving a folder elsewhere writes its `..`
        os.chmod(folder, stat.S_IRWXU)
        os.rename(folder, target)
    return target
