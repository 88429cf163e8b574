"""Every command that the product proposes exists and works when typed where it was proposed (DESIGN 2 P14).

What is proposed for a bad input is typed in test_bad_input.py.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.e2e.proposals import type_it
from tests.product import trust, uet
from uet_git import errors
from uet_git.model.reasons import REASONS

BASE = b"one\ntwo\nthree\n"


def _subclasses(kind: type[errors.UetError]) -> Iterator[type[errors.UetError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Change 1 landed, 2 failed to apply, 3 was quarantined by a gate, 4 is queued; the branch has an upstream."""
    home = tmp_path_factory.mktemp("next")
    origin = make_repo(
        home / "origin", {"a.txt": BASE, "b.txt": BASE, "c.txt": BASE, "d.txt": BASE}
    )
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = '! grep -q bad c.txt'\n"
    commit_files(origin, {"uet.toml": text}, "gates")
    clone = home / "clone"
    git(home, "clone", "-q", str(origin), str(clone))
    trust(clone)
    for name, patch in {
        "1": diff("a.txt", BASE, b"1\ntwo\nthree\n"),
        "2": diff("b.txt", b"lost\n", b"found\n"),
        "3": diff("c.txt", BASE, b"bad\n"),
    }.items():
        (home / name).write_bytes(mail(f"Change {name}", patch))
        uet(clone, "apply", f"../{name}", code=None)
    (home / "4").write_bytes(mail("Change 4", diff("d.txt", BASE, b"1\n")))
    uet(clone, "submit", "../4")
    return clone


ERRORS = {
    (k.default_next, issubclass(k, errors.NotARepository)): k.code
    for k in _subclasses(errors.UetError)
}
"""One error for each different proposal, inside a repository or not."""
REASONED = {(r.next, code.startswith("apply.")): code for code, r in REASONS.items()}


@pytest.mark.parametrize(("proposal", "outside"), ERRORS, ids=ERRORS.values())
def test_what_an_error_proposes(
    proposal: tuple[str, ...], outside: bool, repo: Path, tmp_path: Path
) -> None:
    type_it(proposal, tmp_path if outside else repo)


@pytest.mark.parametrize(("proposal", "failed"), REASONED, ids=REASONED.values())
def test_what_a_reason_proposes(
    proposal: tuple[str, ...], failed: bool, repo: Path, tmp_path: Path
) -> None:
    where = tmp_path / "copy"  # `retry` changes things
    shutil.copytree(repo, where, symlinks=True)
    type_it([part.replace("{n}", "2" if failed else "3") for part in proposal], where)


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_what_an_entry_proposes(number: str, repo: Path, tmp_path: Path) -> None:
    document = uet(repo, "show", "--json", number).document
    assert document["next"]
    for argv in document["next"]:
        where = tmp_path / "-".join(argv).replace("/", "_")[:60]
        shutil.copytree(repo, where, symlinks=True)
        type_it(argv, where)


def test_what_the_status_proposes(repo: Path, tmp_path: Path) -> None:
    new, paused = make_repo(tmp_path / "new", {"a.txt": BASE}), tmp_path / "paused"
    shutil.copytree(repo, paused, symlinks=True)
    uet(paused, "pause", "--reason", "a test")
    for where in (repo, new, paused):
        for argv in uet(where, "status", "--json").document["next"]:
            type_it(argv, where)


def test_what_is_proposed_to_followers_of_a_dropped_change(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE})
    (tmp_path / "s.mbox").write_bytes(
        mail("1", diff("a.txt", BASE, b"1\n")) + mail("2", diff("b.txt", BASE, b"2\n"))
    )
    uet(repo, "submit", "../s.mbox")
    uet(repo, "drop", "1")
    type_it([part.replace("{n}", "2") for part in REASONS["queue.dependency_dropped"].next], repo)
    for argv in uet(repo, "show", "2", "--json").document["next"]:
        type_it(argv, repo)
