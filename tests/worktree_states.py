"""How the work tree tests make commits without touching the work tree, land them, and compare what a user sees."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.builders import git
from uet_git.plumbing.bringalong import BringAlong, Refused
from uet_git.plumbing.git import discover
from uet_git.plumbing.refs import RefWriter
from uet_git.plumbing.worktrees import WorkTree, checked_out

MAIN = "refs/heads/main"
Content = (
    bytes | tuple[str, bytes] | None
)  # a regular file, (mode, content or gitlink id), or a deletion


def tree_of(repo: Path, files: Mapping[str | bytes, Content], base: str | None) -> str:
    """The tree of `base` with `files` changed."""
    index = {"GIT_INDEX_FILE": str(repo.parent / f".index-{repo.name}")}
    Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
    if base is not None:
        git(repo, "read-tree", base, env=index)
    lines = []
    zero = discover(str(repo)).zero.encode()
    for name, content in sorted(files.items(), key=lambda item: item[1] is not None):
        path = os.fsencode(name)
        if content is None:
            lines.append(b"0 " + zero + b"\t" + path)
            continue
        mode, data = content if isinstance(content, tuple) else ("100644", content)
        blob = (
            data
            if mode == "160000"
            else git(repo, "hash-object", "-w", "--stdin", stdin=data).strip()
        )
        lines.append(mode.encode() + b" " + blob + b"\t" + path)
    git(repo, "update-index", "-z", "--index-info", stdin=b"\0".join([*lines, b""]), env=index)
    return git(repo, "write-tree", env=index).decode().strip()


def next_commit(repo: Path, files: Mapping[str | bytes, Content], base: str | None = "HEAD") -> str:
    """A commit on top of `base`, made without the work tree."""
    parents = ["-p", base] if base else []
    tree = tree_of(repo, files, base)
    return git(repo, "commit-tree", tree, *parents, "-m", "next").decode().strip()


def holder(repo: Path) -> WorkTree:
    (tree,) = checked_out(discover(str(repo)), MAIN)
    return tree


def land(
    repo: Path, new: str, between: Callable[[], object] = lambda: None
) -> Refused | list[bytes]:
    """Brings `repo`'s work tree along to `new` and moves main; returns what was left, or the refusal."""
    tree = holder(repo)
    unborn = not git(repo, "for-each-ref", MAIN)
    old = None if unborn else git(repo, "rev-parse", MAIN).decode().strip()
    with BringAlong(tree, patience=0.1) as along, RefWriter(tree.git) as writer:
        refused = along.prepare(old or tree.git.empty_tree, new)
        if refused:
            return refused
        between()
        assert writer.move([(MAIN, new, old)]) is None
        return along.finish()


def status(repo: Path) -> bytes:
    return git(repo, "status", "--porcelain", "-z", "--ignored", "-uall")


def seen(repo: Path) -> dict[str, bytes]:
    """Every file and link of the work tree with its content and mode, and the index's bytes."""
    found = {}
    for base, _, names in os.walk(repo):
        if ".git" in Path(base).parts:
            continue
        for name in names:
            path = Path(base) / name
            mode = oct(path.lstat().st_mode).encode()
            content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(repo))] = mode + b" " + content
    index = Path(discover(str(repo)).git_dir) / "index"
    found[".index"] = hashlib.sha256(index.read_bytes()).digest() if index.exists() else b""
    return found


def leftovers(repo: Path) -> list[str]:
    """Our private files and locks in the git directory; there must be none."""
    folder = Path(discover(str(repo)).git_dir)
    return [
        p.name for p in folder.iterdir() if p.name.startswith("uet-") or p.name.endswith(".lock")
    ]
