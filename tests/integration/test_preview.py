"""`submit --dry-run` says and refuses what the real call would, and leaves every byte alone."""

from pathlib import Path

import pytest

from tests.builders import diff, mail, make_repo
from tests.product import entries, snapshot, uet


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n"})
    for name in ("b", "c", "d"):
        patch = diff(f"{name}.txt", None, name.encode() + b"\n")
        (tmp_path / f"{name}.patch").write_bytes(mail(f"Add {name}", patch))
    (tmp_path / "bad.patch").write_bytes(mail("Bad", diff("../x", None, b"x\n")))
    (tmp_path / "bare.diff").write_bytes(diff("e.txt", None, b"e\n"))
    return repo


def both(repo: Path, *args: str, code: int) -> list[tuple[str, str | None]]:
    """Title and reason of each patch, which a dry run and then the real call tell alike."""
    before = snapshot(repo)
    dry = uet(repo, "submit", "--dry-run", "--json", *args, code=code).document
    assert snapshot(repo) == before
    real = uet(repo, "submit", "--json", *args, code=code).document
    if code == 2:
        assert dry == real
        return []
    told = [(one["title"], one["reason"]) for one in dry["patches"]]
    assert told == [(one["title"], one["reason"]) for one in real]
    assert [one["existing"] is not None for one in dry["patches"]] == [
        one["existing"] for one in real
    ]
    return told


def test_titles_and_reasons(repo: Path) -> None:
    assert both(repo, "../bare.diff", code=0) == [("Apply bare.diff", None)]
    assert both(repo, "../b.patch", "-m", "Mine", code=0) == [("Mine", None)]
    assert both(repo, "../b.patch", "-m", "Mine", code=0) == [("Mine", None)]
    assert both(repo, "../bad.patch", code=1) == [("Bad", "path.traversal")]


def test_members_behind_one_that_is_refused(repo: Path) -> None:
    assert both(repo, "../b.patch", "../bad.patch", "../c.patch", code=1) == [
        *(("Add b", None), ("Bad", "path.traversal"), ("Add c", "queue.dependency_dropped")),
    ]
    assert both(repo, "--atomic", "../d.patch", "../bad.patch", code=1)[0] == (
        "Add d",
        "queue.series_incomplete",
    )


def test_numbers_that_are_not_there(repo: Path) -> None:
    for option in ("--replaces", "--replaces-series", "--depends-on"):
        dry = uet(repo, "submit", "--dry-run", "../b.patch", option, "7", code=2)
        assert b"change 7" in dry.err
    assert not (repo / ".git" / "uet").exists()
    uet(repo, "submit", "../b.patch")
    for option in ("--replaces", "--replaces-series", "--depends-on"):
        both(repo, "../c.patch", option, "7", code=2)
    assert len(entries(repo)) == 1


def test_what_landed_is_not_replaced(repo: Path) -> None:
    uet(repo, "apply", "../b.patch")
    both(repo, "../c.patch", "--replaces", "1", code=2)
    both(repo, "../c.patch", "--replaces-series", "1", code=2)
    both(repo, "../c.patch", "../d.patch", "--replaces", "1", code=2)


def test_a_patch_twice_in_a_series(repo: Path) -> None:
    both(repo, "../b.patch", "../b.patch", code=2)


@pytest.mark.parametrize("seconds", ["nan", "-1", "x"])
def test_wait_takes_a_number_of_seconds(repo: Path, seconds: str) -> None:
    uet(repo, "submit", "../b.patch")
    uet(repo, "wait", "1", "--timeout", seconds, code=2)
