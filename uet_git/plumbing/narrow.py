"""A tree cut down to the files that some patterns fit, in an object store of its own (DESIGN 9: `inputs`)."""

import os
import tempfile
import time
from collections.abc import Sequence

from uet_git.errors import IoFailed
from uet_git.host.files import os_errors
from uet_git.model import globs
from uet_git.model.records import Oid
from uet_git.plumbing import aside
from uet_git.plumbing.git import Git
from uet_git.plumbing.removal import remove_tree


def narrow(git: Git, tree: str, patterns: Sequence[str], folder: str) -> Oid:
    """The id of the tree of those files of `tree` that a pattern fits; its objects go into `folder`.

    Nothing is written into the repository. Raises: GitFailed, DiskFull, IoFailed.
    """
    with os_errors(f"making {folder}"):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    fits = globs.compiled(tuple(patterns)).match
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", tree).out.split(b"\0")
    kept = [line for line in listed if line and fits(line.partition(b"\t")[2])]
    try:
        with tempfile.TemporaryDirectory(prefix="index-", dir=folder) as place:
            env = aside.environment(git, folder) | {"GIT_INDEX_FILE": os.path.join(place, "index")}
            lines = b"".join(line + b"\0" for line in kept)
            git.run(*aside.OPTIONS, "update-index", "-z", "--index-info", stdin=lines, env=env)
            return Oid(git.run(*aside.OPTIONS, "write-tree", env=env).out.decode().strip())
    except OSError as exc:
        raise IoFailed(f"{folder}: {exc.strerror}") from exc


def forget(folder: str, seconds: float) -> None:
    """Removes what was narrowed if nobody asked for that long: it can be made again. Raises: OSError."""
    if os.path.isdir(folder) and time.time() - os.stat(folder).st_mtime > seconds:
        remove_tree(folder)
