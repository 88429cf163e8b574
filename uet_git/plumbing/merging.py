"""A scratch work tree in which a patch is merged three ways, for a person to finish (DESIGN 12).

It is a repository of its own: it borrows objects, knows no configuration, hook, filter or merge program, and what is
made in it stays in it. Its attributes file overrules those of the tree, so files are written and read byte for byte.
"""

import os
import re
from typing import Final

from uet_git.host.files import os_errors
from uet_git.host.process import Completed
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import aside, packs
from uet_git.plumbing.git import Git, failure
from uet_git.plumbing.objects import Objects

_NOBODY: Final = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "uet-git"), ("EMAIL", "uet-git@localhost"), ("DATE", "@0 +0000"))
}
_ATTRIBUTES: Final = "* -text -filter -ident -working-tree-encoding !eol !merge !diff\n"
_HOOKS: Final = f"\thooksPath = {os.devnull}\n"
_DIFF: Final = ("--binary", "--full-index", "--find-renames", "--no-ext-diff", "--no-textconv")
_BRANCH: Final = "refs/heads/resolve"
_CONFIG: Final = (
    *("-c", "merge.conflictStyle=diff3", "-c", "core.safecrlf=false", "-c", "merge.renames=true"),
    *("-c", "commit.gpgSign=false", "-c", "core.fsync=none"),
)
_MARKER: Final = re.compile(rb"^(?:<{7} HEAD|>{7} change-[0-9]+)\r?$", re.MULTILINE)


class Unmerged(NamedTuple):
    """One file that git could not merge; `marked` where the conflict stands in the file between markers."""

    path: bytes
    marked: bool


class Merging:
    """The scratch work tree at `folder`, of the repository `git`."""

    def __init__(self, folder: str, git: Git) -> None:
        self.folder = folder
        self._git_dir = os.path.join(folder, ".git")
        self._objects = os.path.join(self._git_dir, "objects")
        self._home = git

    def begin(self, objects: Objects, base: Oid, ours: Oid, theirs: Oid, name: str) -> None:
        """Fills the folder with `ours` and merges what leads from `base` to `theirs`, all of them trees.

        Pending objects are written there, and only there. Raises: GitFailed, DiskFull, IoFailed.
        """
        with os_errors(f"making {self.folder}"):
            os.makedirs(os.path.join(self._objects, "pack"))
            os.makedirs(os.path.join(self._objects, "info"))
            os.makedirs(os.path.join(self._git_dir, "info"))
            aside.make(self._git_dir, self._home, self.folder, _BRANCH)
            borrowed = os.fsencode(os.path.join(self._home.common_dir, "objects"))
            self._write("objects/info/alternates", borrowed + b"\n")
            self._write("info/attributes", _ATTRIBUTES.encode())
            with open(os.path.join(self._git_dir, "config"), "a", encoding="ascii") as file:
                file.write(f"[core]\n{_HOOKS}")
        waiting = [packs.deflate(*item) for item in objects.waiting()]
        if waiting:
            packs.write_pack(self._objects, waiting, self._home.object_format)
        root = self._commit(base)
        mine, other = self._commit(ours, root), self._commit(theirs, root)
        self._run("update-ref", f"refs/heads/{name}", other)
        self._run("update-ref", _BRANCH, mine)
        self._run("reset", "--hard", "-q", mine)
        done = self._try("merge", "--no-commit", "--no-ff", "--no-stat", "-q", name)
        if done.code not in (0, 1):
            raise failure(("merge",), done)

    def unmerged(self) -> list[Unmerged]:
        """The files that git has as unmerged now."""
        rows = self._run("ls-files", "-u", "-z").split(b"\0")
        paths = dict.fromkeys(row.split(b"\t", 1)[1] for row in rows if row)
        return [Unmerged(path, self.is_marked(path)) for path in paths]

    def is_marked(self, path: bytes) -> bool:
        """Whether a conflict marker of ours stands in a file."""
        full = os.path.join(os.fsencode(self.folder), path)
        if os.path.islink(full) or not os.path.isfile(full):
            return False
        with os_errors("reading a file"), open(full, "rb") as file:
            return _MARKER.search(file.read()) is not None

    def diff(self, ours: str) -> bytes:
        """What leads from the tree `ours` to the files that are in the folder now, as a patch.

        Reads through a copy of the index: nothing in the folder is changed. Raises: GitFailed.
        """
        own = os.path.join(self._git_dir, "uet-index")
        with os_errors(f"reading {self.folder}"):
            with open(os.path.join(self._git_dir, "index"), "rb") as file:
                data = file.read()
            with open(own, "wb") as file:
                file.write(data)
        extra = {"GIT_INDEX_FILE": own}
        self._run("add", "-A", "--", ".", extra=extra)
        tree = self._run("write-tree", extra=extra).decode().strip()
        return self._run("diff-tree", "-p", *_DIFF, ours, tree)

    def _commit(self, tree: str, *parents: str) -> str:
        above = [word for parent in parents for word in ("-p", parent)]
        return self._run("commit-tree", "-m", "resolve", *above, tree).decode().strip()

    def _write(self, name: str, data: bytes) -> None:
        with open(os.path.join(self._git_dir, name), "wb") as file:
            file.write(data)

    def _run(self, *args: str, extra: dict[str, str] | None = None) -> bytes:
        done = self._try(*args, extra=extra)
        if done.code != 0:
            raise failure(args, done)
        return done.out

    def _try(self, *args: str, extra: dict[str, str] | None = None) -> Completed:
        own = aside.make(self._git_dir, self._home, self.folder, _BRANCH)
        env = {**aside.environment(self._home, self._objects), **_NOBODY, **(extra or {})}
        return own.run(*aside.OPTIONS, *_CONFIG, *args, env=env, check=False)
