"""What an editor, or a file, makes of a patch becomes the next revision; nothing typed is lost, nothing else moves
(DESIGN 4, 12)."""

import os
import shlex
from pathlib import Path

import pytest

from tests.builders import diff, git, mail, make_repo
from tests.product import COMMAND, entries, entry, snapshot, uet

BASE = b"one\ntwo\nthree\n"
BAD = b"one\nbad\nthree\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "1.patch").write_bytes(mail("Change", diff("a.txt", BASE, BAD), body="Why.\n"))
    uet(repo, "submit", "../1.patch")
    return repo


def script(repo: Path, text: str) -> str:
    """An editor that is a shell script; `$1` is the file."""
    path = repo.parent / "my editor"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return f"'{path}'"


def test_the_saved_text_is_the_next_revision(repo: Path) -> None:
    """Author, date and message are kept, who and why is in the ledger; the file lay outside the repository."""
    editor = script(repo, 'sed -i s/bad/good/ "$1"; pwd > ../where; echo "$1" >> ../where')
    before = entry(repo, 1)
    (told,) = uet(
        repo, "edit", "1", "--reason", "typo", "--json", env={"GIT_EDITOR": editor}
    ).document
    assert (told["number"], told["revision"], told["state"]) == (1, 2, "queued")
    for name in ("author", "title", "message", "target", "priority", "submitter"):
        assert told[name] == before[name]
    path = (repo.parent / "where").read_text().splitlines()[1]
    assert not path.startswith(str(repo))
    assert not os.path.exists(path)
    assert b"+good" in uet(repo, "show", "--patch", "1").out
    event = [e for e in entry(repo, "1.1")["events"] if e["kind"] == "patch_amended"][-1]
    assert (event["payload"], event["actor"][:7]) == ({"edited": "1.2", "why": "typo"}, "person:")
    uet(repo, "apply")
    assert git(repo, "log", "-1", "--format=%an %B").startswith(b"Pat Ch Change\n\nWhy.")
    uet(repo, "fsck")


@pytest.mark.parametrize("variable", ["VISUAL", "EDITOR", "core.editor"])
def test_the_editor_is_the_one_that_git_takes(repo: Path, variable: str) -> None:
    """core.editor, VISUAL and EDITOR, as `git commit`."""
    editor = script(repo, 'sed -i s/bad/good/ "$1"')
    env: dict[str, str | None] = {
        "GIT_EDITOR": None,
        "VISUAL": None,
        "EDITOR": "false",
        "TERM": "xterm",
    }
    if variable == "core.editor":
        git(repo, "config", variable, editor)
    else:
        env[variable] = editor
    uet(repo, "edit", "1", env=env)
    assert entry(repo, 1)["revision"] == 2


@pytest.mark.parametrize(("text", "code"), [(":", 0), (': > "$1"', 0), ("exit 3", 2)])
def test_nothing_saved_changes_nothing(repo: Path, text: str, code: int) -> None:
    """An unchanged or empty file, or an editor that fails."""
    before = snapshot(repo)
    uet(repo, "edit", "1", env={"GIT_EDITOR": script(repo, text)}, code=code)
    assert snapshot(repo) == before
    assert len(entries(repo)) == 1


def test_a_refused_text_is_kept(repo: Path) -> None:
    """Another revision came while the editor was open: the text is not lost, and the file is named."""
    other = repo.parent / "other.patch"
    other.write_bytes(diff("a.txt", BASE, b"other\n"))
    editor = script(
        repo, f'{shlex.join(COMMAND)} submit --replaces 1 {other}; sed -i s/bad/good/ "$1"'
    )
    said = uet(repo, "edit", "1", env={"GIT_EDITOR": editor}, code=2).said
    assert "newer revision, 1.2" in said
    path = next(w for w in said.split() if "uet-edit-" in w)
    assert b"+good" in Path(path).read_bytes()
    assert entry(repo, 1)["revision"] == 2


def test_without_an_editor(repo: Path) -> None:
    """`--from`, `--message`, `--author`: each alone; a mail's own edited header counts."""
    patch = repo.parent / "2.patch"
    patch.write_bytes(diff("a.txt", BASE, b"2\n"))
    before = snapshot(repo)
    uet(repo, "edit", "1", "--from", "../2.patch", "--dry-run")
    assert snapshot(repo) == before
    uet(repo, "edit", "1", "--from", "../2.patch")
    now = entry(repo, 1)
    assert (now["revision"], now["title"], now["author"]) == (
        2,
        "Change",
        "Pat Ch <pat@example.com>",
    )
    uet(repo, "edit", "1", "--message", "Other\n\nwords")
    now = entry(repo, 1)
    assert (now["title"], now["author"]) == ("Other", "Pat Ch <pat@example.com>")
    uet(repo, "edit", "1", "--author", "New One <new@example.com>")
    now = entry(repo, 1)
    assert (now["revision"], now["title"], now["author"]) == (
        4,
        "Other",
        "New One <new@example.com>",
    )
    patch.write_bytes(mail("Headed", diff("a.txt", BASE, b"3\n"), author="Third <t@example.com>"))
    uet(repo, "edit", "1", "--from", "../2.patch")
    now = entry(repo, 1)
    assert (now["title"], now["author"]) == ("Headed", "Third <t@example.com>")
    uet(repo, "apply")
    assert git(repo, "log", "-1", "--format=%an|%s") == b"Third|Headed\n"


def test_the_new_revision_is_judged_anew(repo: Path) -> None:
    """What a person waived was waived for the old bytes."""
    patch = repo.parent / "aux.patch"
    patch.write_bytes(mail("Aux", diff("aux.txt", None, b"1\n")))
    uet(repo, "submit", "../aux.patch", code=1)
    uet(repo, "release", "2", "--reason", "fine")
    patch.write_bytes(mail("Aux", diff("aux.txt", None, b"2\n")))
    uet(repo, "edit", "2", "--from", "../aux.patch", code=1)
    now = entry(repo, 2)
    assert (now["state"], now["reason"], now["waived"]) == (
        "quarantined",
        "path.windows_unsafe",
        [],
    )


def test_what_a_person_dropped_before_stays_held(repo: Path) -> None:
    """Other bytes do not lift it; only `release` does."""
    uet(repo, "drop", "1")
    uet(repo, "submit", "../1.patch", code=1)
    assert entry(repo, 2)["reason"] == "queue.dropped_before"
    (repo.parent / "2.patch").write_bytes(diff("a.txt", BASE, b"2\n"))
    uet(repo, "edit", "2", "--from", "../2.patch", code=1)
    assert entry(repo, 2)["reason"] == "queue.dropped_before"


def test_who_may_edit_what(repo: Path) -> None:
    """Agents their own; nobody what is over, superseded, landed, or several patches as one."""
    (repo.parent / "2.patch").write_bytes(diff("a.txt", BASE, b"2\n"))
    two = mail("A", diff("a.txt", BASE, b"2\n")) + mail("B", diff("b.txt", None, b"2\n"))
    (repo.parent / "two.mbox").write_bytes(two)
    uet(repo, "edit", "1", "--from", "../2.patch", env={"UET_ORIGIN": "tool"}, code=2)
    uet(repo, "edit", "1", "--from", "../two.mbox", code=2)
    uet(repo, "edit", "1", "--from", "../2.patch")
    uet(repo, "edit", "1.1", "--message", "x", code=2)
    uet(repo, "apply")
    uet(repo, "edit", "1", "--message", "x", code=2)
