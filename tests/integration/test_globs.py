"""Patterns of uet.toml mean what they mean in .gitignore: git itself is asked."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import make_repo
from uet_git.model import globs

PATHS = [
    "a.py",
    "b/a.py",
    "b/c/a.py",
    "a.pyc",
    "deploy/x",
    "deploy/x/y",
    "b/deploy/x",
    "docs/a",
    "src/a/b.c",
    "src/b.c",
    "x/y/z",
    "a-b",
    "A.py",
    "[x]",
    "f*",
    "a b",
    ".hid",
    "b/.hid/z",
    "ab",
    "b/ab/c",
    "\u00e9/x",
]
PATTERNS = [
    "*.py",
    "**/*.py",
    "/*.py",
    "b/*.py",
    "b/**/a.py",
    "b/**",
    "deploy",
    "deploy/",
    "/deploy",
    "deploy/**",
    "src/*",
    "src/*.c",
    "src/**/b.c",
    "**",
    "*",
    "a?py",
    "?.py",
    "[ab].py",
    "[!b].py",
    "[a-c].py",
    "x/**/z",
    "x/*/z",
    "**/z",
    "\\[x]",
    "f\\*",
    ".hid",
    "**/.hid/**",
    "a*b",
    "b/ab",
    "**/ab/c",
    "\u00e9",
    "[]a]b",
    "docs/a/",
    "a[^b]b",
    "*.p[xy]",
    "x/**/**/z",
]


def ignored(repo: Path, pattern: str, paths: list[str]) -> set[str]:
    """The paths that git takes a one-line .gitignore to name."""
    import subprocess

    (repo / ".gitignore").write_text(pattern + "\n")
    done = subprocess.run(
        ["git", "-C", str(repo), "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(paths).encode() + b"\0",
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {p.decode() for p in done.stdout.split(b"\0") if p}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repo(tmp_path_factory.mktemp("globs") / "repo")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_fits_what_git_says(repo: Path, pattern: str) -> None:
    assert globs.fault(pattern) is None
    assert {p for p in PATHS if globs.any_match((pattern,), [p.encode()])} == ignored(
        repo, pattern, PATHS
    )


part = st.sampled_from(["*", "**", "a", "b", "a*", "?", "[ab]", "*b", "a?"])
patterns = st.tuples(
    st.sampled_from(["", "/"]),
    st.lists(part, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "/"]),
).map("".join)
names = st.lists(st.sampled_from(["a", "b", "ab", "abb", "c"]), min_size=1, max_size=4).map(
    "/".join
)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(pattern=patterns, paths=st.lists(names, min_size=8, max_size=8, unique=True))
def test_any_pattern_fits_what_git_says(repo: Path, pattern: str, paths: list[str]) -> None:
    if globs.fault(pattern) is None:
        assert {p for p in paths if globs.any_match((pattern,), [p.encode()])} == ignored(
            repo, pattern, paths
        )


@pytest.mark.parametrize(
    "pattern", ["", "/", "!a", "{a,b}", "a/../b", "./a", "a//b", "[z-a]", ".."]
)
def test_patterns_that_would_mislead_are_refused(pattern: str) -> None:
    assert globs.fault(pattern)


def test_several_patterns_and_none() -> None:
    assert globs.any_match(("a", "b"), [b"c", b"b"])
    assert not globs.any_match(("a", "b"), [b"c"])
    assert not globs.any_match((), [b"c"])
    assert not globs.any_match(("*.py",), [b"a.py\n"])
    assert globs.any_match(("*",), [b"\xff\n"])
    assert re.escape(".") in globs.compiled(("a.b",)).pattern.decode()
