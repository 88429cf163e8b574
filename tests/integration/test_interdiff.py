"""What differs between revisions: the change itself, not the move to another base (DESIGN 12)."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import uet
from uet_git.cli import sinceview
from uet_git.cli.render import Output
from uet_git.errors import NotFound, UsageError
from uet_git.host import contracts
from uet_git.project import Project
from uet_git.queue import submit
from uet_git.queue.options import Options, Source

LINES = b"".join(b"line %d\n" % n for n in range(1, 41))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": LINES, "bin": b"\0one", "run.sh": b"#!/bin/sh\n"})


def revise(repo: Path, *patches: bytes) -> None:
    """Hands in revisions of change 1, in this process."""
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        for patch in patches:
            old = project.ledger.entries.revision(1)
            options = Options("refs/heads/main", replaces=None if old is None else 1)
            submit.submit(project, [Source("x", patch)], options)


def since(repo: Path, revision: str = "1", of: str = "1") -> dict[str, Any]:
    found = uet(repo, "show", of, "--since", revision, "--json").document
    assert list(contracts.iter_errors(found, "interdiff.v1")) == []
    return dict(found)


def edited(old: bytes, *words: tuple[bytes, bytes]) -> bytes:
    for was, now in words:
        assert was in old
        old = old.replace(was, now)
    return old


TEN, THIRTY = (b"line 10\n", b"line ten\n"), (b"line 30\n", b"line thirty\n")


def test_what_each_makes_of_the_tip(repo: Path) -> None:
    """Both fit: an ordinary diff between the two results."""
    revise(
        repo,
        mail("One", diff("a.txt", LINES, edited(LINES, TEN, THIRTY))),
        mail("One", diff("a.txt", LINES, edited(LINES, TEN))),
    )
    found = since(repo)
    assert (found["how"], found["same"], found["message"]) == ("effects", False, "")
    (file,) = found["files"]
    assert file["path"] == "a.txt"
    assert [x for x in file["diff"].split("\n") if x[:1] in ("+", "-")] == [
        "-line thirty",
        "+line 30",
    ]


def test_a_pure_rebase_is_nothing(repo: Path) -> None:
    """The lines around are others, and stand elsewhere: the first revision does not even apply any more."""
    old = diff("a.txt", LINES, edited(LINES, TEN))
    base = b"new\n" * 5 + edited(LINES, (b"line 9\n", b"nine\n"), (b"line 12\n", b"twelve\n"))
    commit_files(repo, {"a.txt": base}, "Around")
    revise(repo, old, diff("a.txt", base, edited(base, TEN)))
    found = since(repo)
    assert (found["how"], found["same"], found["files"]) == ("lines", True, [])
    said = uet(repo, "show", "1", "--since", "1").out
    assert said.startswith(b"nothing differs between 1.1 and 1.2")


@pytest.mark.parametrize("context", ["0", "1", "10"])
def test_other_context_is_nothing(context: str, repo: Path) -> None:
    (repo / "a.txt").write_bytes(edited(LINES, TEN, THIRTY))
    revise(repo, git(repo, "diff", "-U3"), git(repo, "diff", f"-U{context}"))
    git(repo, "checkout", "-q", "a.txt")
    assert since(repo)["same"]


def test_a_rebase_that_changes_a_line_shows_only_that(repo: Path) -> None:
    old = diff("a.txt", LINES, edited(LINES, TEN, THIRTY))
    base = edited(LINES, (b"line 10\n", b"line X\n"))
    commit_files(repo, {"a.txt": base}, "Around")
    revise(repo, old, diff("a.txt", base, edited(base, (b"line X\n", b"line ten\n"), THIRTY)))
    found = since(repo)
    changed = [x for x in found["files"][0]["diff"].split("\n")[1:] if x[:1] in ("+", "-")]
    assert (found["how"], changed) == ("lines", ["--line 10", "+-line X"])


def test_the_same_lines_at_another_place_are_a_difference(repo: Path) -> None:
    """Which the lines alone would not show."""
    put = b"more\n"
    at = [LINES.replace(b"line %d\n" % n, b"line %d\n" % n + put) for n in (10, 30)]
    revise(repo, *(diff("a.txt", LINES, new) for new in at))
    assert since(repo)["how"] == "effects"
    assert not since(repo)["same"]


def test_modes_names_binaries_and_words(repo: Path) -> None:
    git(repo, "update-index", "--chmod=+x", "run.sh")
    (repo / "bin").write_bytes(b"\0two")
    git(repo, "add", "bin")
    first = mail("One", git(repo, "diff", "--cached", "--binary", "--full-index"))
    git(repo, "reset", "-q", "--hard")
    git(repo, "mv", "a.txt", "b.txt")
    second = mail(
        "Two",
        git(repo, "diff", "--cached", "-M", "--binary", "--full-index"),
        author="B <b@example.com>",
    )
    git(repo, "reset", "-q", "--hard")
    revise(repo, first, second)
    found = since(repo)
    files = {f["path"]: f for f in found["files"]}
    assert list(files) == ["a.txt", "b.txt", "bin", "run.sh"]
    assert (files["run.sh"]["older_mode"], files["run.sh"]["newer_mode"]) == ("100755", "100644")
    assert files["bin"]["diff"] is None
    assert files["b.txt"]["older_mode"] is None
    assert found["fields"] == [
        {"name": "author", "older": "Pat Ch <pat@example.com>", "newer": "B <b@example.com>"}
    ]
    assert "-One\n+Two\n" in found["message"]


def test_a_malformed_revision_is_compared_as_typed(repo: Path) -> None:
    good = diff("a.txt", LINES, edited(LINES, TEN))
    revise(repo, good.replace(b"@@ -7,7 +7,7 @@", b"@@ -7,9 +7,7 @@"), good)
    found = since(repo)
    assert (found["how"], found["files"][0]["path"]) == ("typed", None)
    assert "-@@ -7,9 +7,7 @@\n+@@ -7,7 +7,7 @@" in found["files"][0]["diff"]


def test_bytes_and_controls_are_escaped(repo: Path) -> None:
    evil = b"\xff\x1b[31m\xe2\x80\xae\x07\n"
    revise(repo, mail("E", diff("e", None, evil)), mail("E", diff("e", None, evil * 2)))
    shown = uet(repo, "show", "1", "--since", "1", env={"FORCE_COLOR": "1"}).out.decode()
    assert not re.search(r"[\x07\u202e]|\x1b(?!\[(?:0|1|3[0-9])m)", shown)
    assert "\\xff\\x1b[31m\\u202e\\x07" in shown


def test_what_is_no_older_revision_is_refused(repo: Path) -> None:
    revise(repo, diff("e", None, b"1\n"), diff("e", None, b"2\n"))
    with Project.open(str(repo)) as project:
        newer = project.ledger.entries.revision(1)
        assert newer is not None
        for wrong in ("2", "3", "1.3", "2.1", "x", "0", ""):
            with pytest.raises((UsageError, NotFound)):
                sinceview.show(Output(), project, newer, wrong)
    assert uet(repo, "show", "1", "--since", "1", "--rework", code=2).err
