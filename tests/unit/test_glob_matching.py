"""Path patterns: the same answers as one that tries everything, in time that grows with the length of path and pattern."""

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uet_git.model import globs, policy_paths

SETS = {"[ab]": "ab", "[!a]": "bc_"}
NAMES = st.lists(st.sampled_from(["a", "b", "_", "*", "**", "?", *SETS]), min_size=1, max_size=7)
PARTS = st.lists(NAMES.map(tuple) | st.just(("**",)), min_size=1, max_size=5).map(tuple)
PATHS = st.lists(st.text("abc_", min_size=1, max_size=7), min_size=1, max_size=6).map(tuple)


@cache
def name_fits(tokens: tuple[str, ...], name: str) -> bool:
    if not tokens:
        return not name
    first, rest = tokens[0], tokens[1:]
    if first.startswith("*"):
        return any(name_fits(rest, name[i:]) for i in range(len(name) + 1))
    allowed = "abc_" if first == "?" else SETS.get(first, first)
    return name[:1] != "" and name[0] in allowed and name_fits(rest, name[1:])


@cache
def path_fits(parts: tuple[tuple[str, ...], ...], path: tuple[str, ...], folder: bool) -> bool:
    """Whether the pattern fits the path, or a folder above it; every way is tried."""
    first, rest = parts[0], parts[1:]
    if first == ("**",):
        if not rest:
            return len(path) > folder
        return any(path_fits(rest, path[i:], folder) for i in range(len(path)))
    if not path or not name_fits(first, path[0]):
        return False
    return path_fits(rest, path[1:], folder) if rest else len(path) > folder


@settings(max_examples=600, deadline=None)
@given(PARTS, PATHS, st.booleans(), st.booleans())
def test_every_pattern_answers_as_one_that_tries_everything(
    parts: tuple[tuple[str, ...], ...], path: tuple[str, ...], anchored: bool, folder: bool
) -> None:
    joined = "/".join("".join(tokens) for tokens in parts)
    if "***" in joined or any(len(p) > 1 and set("".join(p)) == {"*"} for p in parts):
        return
    pattern = "/" * anchored + joined + "/" * folder
    starts = range(1) if anchored or len(parts) > 1 else range(len(path))
    wanted = any(path_fits(parts, path[i:], folder) for i in starts)
    assert globs.any_match((pattern,), ["/".join(path).encode()]) == wanted


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*_*_*_prod.yml", b"_" * 4000),
        ("*a*a*a*a*b", b"a" * 4000),
        ("*?*?*?*?x", b"a" * 4000),
        ("*[_a]*[_b]*[_c]*-", b"_" * 4000),
        ("**/a/**/a/**/a/**/b", b"a/" * 2000 + b"c"),
        ("/**/*/**/*/**/*/x", b"a/" * 2000 + b"c"),
        ("*_*_*/*_*_*/*_*_*x", b"/".join([b"_" * 1300] * 3)),
        ("**/*_*_/**/_*_*x/", b"/".join([b"_" * 60] * 60)),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: bytes) -> None:
    before = time.process_time()
    assert not globs.any_match((pattern,), [path])
    assert time.process_time() - before < 0.5


def test_paths_that_are_refused_for_their_length_are_not_asked_about() -> None:
    fits = policy_paths.Patterns(("*.yml", "src/"))
    longest = b"_" * 251 + b".yml"
    assert all(map(fits, [longest, b"src/" + longest]))
    assert not any(map(fits, [b"_" + longest, b"src/_" + longest, b"src/" * 1001]))
