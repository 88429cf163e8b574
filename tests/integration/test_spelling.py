"""Whatever path git itself refuses on any system, we refuse: git is asked with protectHFS and protectNTFS."""

import itertools
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from uet_git.model import paths
from uet_git.model.records import REGULAR, SYMLINK, FileChange, Patch
from uet_git.model.settings import Limits

GOOD = [
    "git",
    ".gitx",
    ".gi",
    "gitmodules",
    ".gitmodule",
    "git~x",
    "a.git",
    ".git-x",
    "g",
    "ledger",
    "git~",
    ".gitattributes",
    "x.git ",
]
BAD = [
    ".git",
    ".GIT",
    ".Git",
    "git~1",
    "GIT~1",
    ".git ",
    ".git.",
    ".git . .",
    ".git:x",
    ".git::$INDEX_ALLOCATION",
    "..",
    ".",
]
HIDDEN = [
    "\u200c",
    "\u200d",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202b",
    "\u202c",
    "\u202d",
    "\u202e",
    "\u206a",
    "\u206b",
    "\u206c",
    "\u206d",
    "\u206e",
    "\u206f",
    "\ufeff",
]
HFS = [".g" + c + "it" for c in HIDDEN] + ["\u200c.GIT\ufeff"]
MODULES = [
    ".gitmodules",
    ".GITMODULES",
    "gitmod~1",
    "gitmod~4",
    "gi7eba~1",
    "gi7eba~9",
    "gi7eb~10",
    ".gitmodules .",
    ".gitmod\u200cules",
]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repo(tmp_path_factory.mktemp("spelling") / "repo", {"x": b"x"})


def refused_by_git(repo: Path, path: str, mode: str) -> bool:
    blob = git(repo, "hash-object", "x").decode().strip()
    protect = ("-c", "core.protectHFS=true", "-c", "core.protectNTFS=true")
    try:
        git(
            repo,
            *protect,
            "update-index",
            "--add",
            "--cacheinfo",
            f"{mode},{blob},{path}",
            env={"GIT_INDEX_FILE": str(repo / "scratch.index")},
        )
    except AssertionError:
        return True
    (repo / "scratch.index").unlink()
    return False


def refused_by_us(path: str, mode: int) -> bool:
    change = FileChange("add", None, path.encode(), None, mode, None, None, (), None, 0, 0, 1)
    found = paths.judge_patch(Patch((change,)), Limits())
    return any(
        f.code in ("path.dotgit", "path.traversal", "path.empty", "path.gitmodules") for f in found
    )


@pytest.mark.parametrize("name", [*GOOD, *BAD, *HFS])
def test_names(repo: Path, name: str) -> None:
    for path in (name, f"a/{name}", f"{name}/b"):
        assert refused_by_us(path, REGULAR) == refused_by_git(repo, path, "100644"), path


@pytest.mark.parametrize("name", MODULES)
def test_gitmodules_as_a_link(repo: Path, name: str) -> None:
    assert refused_by_git(repo, name, "120000")
    assert refused_by_us(name, SYMLINK)
    assert not refused_by_us(name, REGULAR)


def test_more_is_refused_than_git_does() -> None:
    for name, tail in itertools.product(("git~2", "a\\.git\\x", "a\\.."), ("", "/b")):
        assert refused_by_us(name + tail, REGULAR)
