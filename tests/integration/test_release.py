"""A person releases what was quarantined: recorded with who, why and what was waived; safety and gates never, agents
never (DESIGN 5, 12)."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, snapshot, states, subjects, trust, uet

BASE = b"one\ntwo\nthree\n"
WHY = ("--reason", "looked at it")
LINK = b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+a.txt\n\\ No newline at end of file\n"
BROKEN = b"--- a/a.txt\n+++ b/a.txt\n@@ -1,9 +1,9 @@\n one\n-two\n+2\n three\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE, "README.md": b"read\n"})


def put(repo: Path, name: str, data: bytes) -> Path:
    path = repo.parent / name
    path.write_bytes(data)
    return path


def reserved(repo: Path, name: str = "aux.txt") -> Path:
    """A patch that adds a name which Windows cannot hold."""
    return put(repo, "reserved.patch", mail("Reserved", diff(name, None, b"x\n")))


def events(repo: Path, label: str, kind: str) -> list[dict[str, Any]]:
    return [e for e in entry(repo, label)["events"] if e["kind"] == kind]


def kept(repo: Path) -> tuple[Any, ...]:
    """All that a refused call must leave alone, the ledger too."""
    db = sqlite3.connect(repo / ".git" / "uet" / "ledger.db")
    rows = [db.execute(f"SELECT * FROM {t} ORDER BY 1").fetchall() for t in ("entries", "events")]
    db.close()
    return rows, snapshot(repo)


def error(repo: Path, *args: str, env: dict[str, str | None] | None = None) -> dict[str, Any]:
    """The error of a call that is refused with exit 2 and changes nothing."""
    before = kept(repo)
    found = uet(repo, *args, "--json", env=env, code=2).document["error"]
    assert kept(repo) == before
    return dict(found)


def test_what_is_released_lands_and_the_ledger_knows_who_and_why(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    (told,) = uet(repo, "release", "1", "--waive", "path.windows_unsafe", *WHY, "--json").document
    assert (told["state"], told["reason"], told["waived"]) == (
        "queued",
        None,
        ["path.windows_unsafe"],
    )
    uet(repo, "apply")
    assert subjects(repo) == ["base", "Reserved"]
    (event,) = events(repo, "1", "patch_released")
    assert event["payload"] == {
        "from": "quarantined",
        "to": "validated",
        "why": "looked at it",
        "waived": ["path.windows_unsafe"],
    }
    assert event["actor"] == "person:C O Mitter" or event["actor"].startswith("person:")
    assert entry(repo, "1")["findings"][0]["code"] == "path.windows_unsafe"
    assert uet(repo, "fsck").code == 0


def test_without_codes_everything_is_waived_that_can_be(repo: Path) -> None:
    both = diff("aux.txt", None, b"x\n") + LINK
    uet(repo, "submit", put(repo, "both.patch", mail("Both", both)), code=1)
    codes = {f["code"] for f in entry(repo, "1")["findings"]}
    uet(repo, "release", "1", *WHY)
    waived = set(entry(repo, "1")["waived"])
    assert waived == codes
    uet(repo, "apply", code=None)
    if (
        states(repo)["1"] == "quarantined"
    ):  # what only the tree shows is found at stage, and is released as well
        assert entry(repo, "1")["reason"] not in waived
        uet(repo, "release", "1", *WHY)
        uet(repo, "apply")
    assert subjects(repo) == ["base", "Both"]
    assert {"path.windows_unsafe", "mode.symlink"} <= set(entry(repo, "1")["waived"])


def test_every_finding_must_be_named_once_some_are(repo: Path) -> None:
    patch = put(repo, "two.patch", diff("aux.txt", None, b"x\n") + diff("b.txt", BASE, b"1\n"))
    uet(repo, "submit", "--scope", "a.txt", patch, code=1)
    assert {f["code"] for f in entry(repo, "1")["findings"]} == {
        "path.windows_unsafe",
        "policy.out_of_scope",
    }
    told = error(repo, "release", "1", "--waive", "policy.out_of_scope", *WHY)
    assert told["code"] == "policy.not_waivable"
    assert "path.windows_unsafe" in told["message"]
    uet(repo, "release", "1", "--waive", "policy.out_of_scope,path.windows_unsafe", *WHY)
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_waiver_holds_for_its_codes_only(repo: Path) -> None:
    """What the tip shows later is another finding, and another decision."""
    name = "new.TXT"
    uet(repo, "submit", put(repo, "x.patch", mail("X", diff("aux.txt", None, b"x\n"), diff(name, None, b"y\n"))), code=1)  # fmt: skip
    uet(repo, "release", "1", "--waive", "path.windows_unsafe", *WHY)
    commit_files(repo, {"new.txt": b"z\n"}, "another in other letters")
    uet(repo, "apply", code=1)
    found = entry(repo, "1")
    assert (found["state"], found["reason"]) == ("quarantined", "path.casefold_collision")
    assert found["waived"] == ["path.windows_unsafe"]
    uet(repo, "release", "1", "--waive", "path.casefold_collision", *WHY)
    assert entry(repo, "1")["waived"] == ["path.windows_unsafe", "path.casefold_collision"]
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_all_that_the_tip_shows_is_told_at_once(repo: Path) -> None:
    """Nobody waives one finding to be told of a worse one."""
    old = b'[submodule "a"]\n\tpath = a\n\turl = https://e.com/a\n'
    commit_files(repo, {".gitmodules": old}, "a submodule")
    evil = diff("aux.txt", None, b"x\n") + diff(".gitmodules", old, old + b"\tupdate = !sh\n")
    uet(repo, "submit", put(repo, "x.patch", evil), code=1)
    found = entry(repo, "1")
    assert (found["state"], found["reason"]) == ("dropped", "path.gitmodules")
    assert "path.windows_unsafe" in [f["code"] for f in found["findings"]]


def test_what_a_person_dropped_comes_back_only_through_a_person(repo: Path) -> None:
    patch = put(repo, "a.patch", mail("A", diff("a.txt", BASE, b"1\n")))
    uet(repo, "submit", patch)
    uet(repo, "drop", "1")
    uet(repo, "submit", patch, code=1)
    assert entry(repo, "2")["reason"] == "queue.dropped_before"
    uet(repo, "retry", "2", code=2)
    uet(repo, "release", "2", *WHY)
    uet(repo, "apply")
    assert states(repo) == {"1": "dropped", "2": "committed"}


def test_a_failed_gate_is_never_waived(repo: Path) -> None:
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = '! grep -q bad a.txt'\n"
    commit_files(repo, {"uet.toml": text}, "gates")
    trust(repo)
    uet(repo, "apply", put(repo, "a.patch", diff("a.txt", BASE, b"bad\n")), code=1)
    for codes in ([], ["--waive", "gate.failed"]):
        told = error(repo, "release", "1", *codes, *WHY)
        assert told["code"] == "policy.not_waivable"
        assert "gates are never waived" in told["message"]
        assert told["next"] == ["uet-git", "retry", "1"]


def test_the_waiver_outlives_a_failed_gate(repo: Path) -> None:
    """`retry` waives nothing more, and forgets nothing that a person decided about these bytes."""
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = 'test ! -e aux.txt || test -e ok'\n"
    commit_files(repo, {"uet.toml": text}, "gates")
    trust(repo)
    uet(repo, "submit", reserved(repo), code=1)
    uet(repo, "release", "1", *WHY)
    uet(repo, "apply", code=1)
    assert entry(repo, "1")["reason"] == "gate.failed"
    commit_files(repo, {"ok": b""}, "mended")
    uet(repo, "retry", "1")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


@pytest.mark.parametrize(
    ("code", "word"),
    [("path.dotgit", "not found"), ("path.widnows_unsafe", "did you mean path.windows_unsafe?")],
)
def test_only_what_was_found_can_be_named(repo: Path, code: str, word: str) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    assert word in error(repo, "release", "1", "--waive", code, *WHY)["message"]


def test_what_is_refused_for_good_stays_refused(repo: Path) -> None:
    evil = put(repo, "evil.patch", diff("x/../../y", None, b"x\n"))
    uet(repo, "submit", evil, code=1)
    assert states(repo) == {"1": "dropped"}
    assert "only what is quarantined" in error(repo, "release", "1", *WHY)["message"]


def test_what_waits_for_a_dropped_change_cannot_be_waved_through(repo: Path) -> None:
    mbox = mail("1", diff("a.txt", BASE, b"1\n")) + mail("2", diff("b.txt", BASE, b"2\n"))
    uet(repo, "submit", put(repo, "s.mbox", mbox))
    uet(repo, "drop", "1")
    told = error(repo, "release", "2", *WHY)
    assert "queue.dependency_dropped" in told["message"]


@pytest.mark.parametrize("args", [(), ("--dry-run",), ("--waive", "path.windows_unsafe")])
def test_an_agent_releases_nothing(repo: Path, args: tuple[str, ...]) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    told = error(repo, "release", "1", *args, *WHY, env={"UET_ORIGIN": "codex"})
    assert told["code"] == "policy.needs_person"
    assert told["next"] == ["uet-git", "show", "1"]


def test_an_agent_is_not_told_to_release(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    mine = uet(repo, "show", "1", "--json").document["next"]
    assert ["uet-git", "release", "1", "--reason", "why it may land"] in mine
    theirs = uet(repo, "show", "1", "--json", env={"UET_ORIGIN": "codex"}).document["next"]
    assert not any("release" in argv for argv in theirs)


def test_a_reason_is_needed(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    uet(repo, "release", "1", code=2)
    uet(repo, "release", "1", "--reason", "  ", code=2)
    assert states(repo) == {"1": "quarantined"}


def test_a_dry_run_changes_nothing(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    before = entry(repo, "1")
    ran = uet(repo, "release", "1", "--dry-run", *WHY)
    assert b"would release" in ran.out
    assert b"path.windows_unsafe" in ran.out
    assert entry(repo, "1") == before


def test_several_at_once_all_or_none(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    uet(repo, "submit", put(repo, "good.patch", diff("a.txt", BASE, b"1\n")))
    error(repo, "release", "1", "2", *WHY)
    assert states(repo) == {"1": "quarantined", "2": "queued"}


# -- repaired readings -------------------------------------------------------------------------------------------


def test_the_repaired_reading_is_the_next_revision(repo: Path) -> None:
    uet(repo, "submit", put(repo, "b.patch", mail("Two is 2", BROKEN, author="Pat <p@example.com>")), code=1)  # fmt: skip
    assert entry(repo, "1")["reason"] == "parse.repairable"
    (told,) = uet(repo, "release", "1", "--repaired", *WHY, "--json").document
    assert (told["number"], told["revision"], told["state"], told["title"]) == (
        1,
        2,
        "queued",
        "Two is 2",
    )
    assert told["author"] == "Pat <p@example.com>"
    uet(repo, "apply")
    assert states(repo) == {"1": "committed", "1.1": "dropped"}
    assert git(repo, "show", "main:a.txt") == b"one\n2\nthree\n"
    old = entry(repo, "1.1")
    assert old["reason"] == "queue.superseded"
    (event,) = [e for e in old["events"] if e["kind"] == "patch_released"]
    assert event["payload"] == {"repaired": "1.2", "why": "looked at it"}
    assert uet(repo, "fsck").code == 0


def test_a_malformed_patch_cannot_be_waived(repo: Path) -> None:
    uet(repo, "submit", put(repo, "b.patch", BROKEN), code=1)
    for codes in ([], ["--waive", "parse.repairable"]):
        assert "--repaired" in error(repo, "release", "1", *codes, *WHY)["message"]
    shown = uet(repo, "show", "1", "--json").document["next"]
    assert ["uet-git", "release", "1", "--repaired", "--reason", "why it may land"] in shown


def test_without_a_repaired_reading_there_is_nothing_to_take(repo: Path) -> None:
    uet(repo, "submit", reserved(repo), code=1)
    assert "is not offered" in error(repo, "release", "1", "--repaired", *WHY)["message"]
    assert (
        error(repo, "release", "1", "--repaired", *WHY, env={"UET_ORIGIN": "codex"})["code"]
        == "policy.needs_person"
    )


def test_a_waiver_that_nobody_gave_is_noticed(repo: Path) -> None:
    """A waiver in the row without its event is tampering."""
    uet(repo, "submit", reserved(repo), code=1)
    assert uet(repo, "fsck").code == 0
    db = sqlite3.connect(repo / ".git" / "uet" / "ledger.db")
    db.execute("UPDATE entries SET waived = ?", (json.dumps(["path.windows_unsafe"]),))
    db.commit()
    db.close()
    assert b"row_changed" in uet(repo, "fsck", code=1).out
