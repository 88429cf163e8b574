"""Hostile patches of our own: each ends as its row says and why, within the bounds, and changes nothing but what lands."""

import shutil
from pathlib import Path

import pytest

from tests.e2e import outcomes
from tests.e2e.crafted import base as make_base
from tests.e2e.hostile import ROWS, Row


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the repository that the rows were made against."""
    folder = tmp_path_factory.mktemp("hostile") / "base"
    make_base(folder)
    return folder


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "world"
    shutil.copytree(base, copy, symlinks=True)
    return copy


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_ends_as_its_row_says(row: Row, folder: Path) -> None:
    expected = (row.expected,) if isinstance(row.expected, str) else row.expected
    if isinstance(row.patch, bytes):
        patch = row.patch
        outcome = outcomes.apply_here(folder, patch)
    else:  # a large one, whose time and memory count: in a process of its own
        patch = row.patch()
        outcome = outcomes.apply(folder, patch)
    told = tuple(
        e.partition(":")[0] if x == "apply_failed" else e
        for e, x in zip(outcome.ended, expected, strict=False)
    )
    assert told == expected, (row.why, outcome.ended, outcome.said)
    assert len(outcome.ended) == len(expected), outcome.said
    outcomes.check(folder, patch, outcome)


def test_names_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
