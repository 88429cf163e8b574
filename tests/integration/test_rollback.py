"""What landed is taken back by patches that land: exactly, all or none, with history kept; never a reset
(DESIGN 5, 12)."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, snapshot, subjects, trust, uet
from uet_git.project import Project
from uet_git.queue import audit, fsck

WHY = ("--reason", "it broke the build")
LINES = b"".join(b"line %d\n" % n for n in range(1, 81))


def put(repo: Path, name: str, data: bytes) -> Path:
    path = repo.parent / name
    path.write_bytes(data)
    return path


def line(text: bytes, number: int, new: bytes) -> bytes:
    rows = text.splitlines(True)
    rows[number - 1] = new
    return b"".join(rows)


def land_lines(repo: Path, numbers: list[int]) -> list[bytes]:
    """One change a number, each of its own line of a.txt; returns the file after each."""
    after = [(repo / "a.txt").read_bytes()]
    for n in numbers:
        new = line(after[-1], n, b"changed %d\n" % n)
        after.append(new)
    mails = [
        mail(f"Change line {n}", diff("a.txt", after[i], after[i + 1]))
        for i, n in enumerate(numbers)
    ]
    put(repo, "all.mbox", b"".join(mails))
    uet(repo, "apply", "--independent", "../all.mbox")
    return after


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": LINES, "b.txt": b"b\n"})


def events(repo: Path, label: str, kind: str) -> list[dict[str, Any]]:
    return [e for e in entry(repo, label)["events"] if e["kind"] == kind]


def states(repo: Path) -> list[str]:
    """The state of every change, oldest first."""
    with Project.open(str(repo)) as project:
        return [e.state for e in project.ledger.entries.pages()]


def sound(repo: Path) -> None:
    """`fsck` finds no damage, `audit` accounts for every commit, and the work tree is the branch's."""
    with Project.open(str(repo)) as project:
        assert [p for p in fsck.check(project) if p.severity == fsck.DAMAGE] == []
        assert audit.audit(project).ok
    assert git(repo, "status", "--porcelain", "--ignored") in (b"", b"!! .ledger\n")


def test_one_change_of_ten_is_taken_back_and_the_rest_stays(repo: Path) -> None:
    """Only its own lines go back; its entry names its revert, in the transaction that closed the landing."""
    last = land_lines(repo, list(range(5, 55, 5)))[-1]
    old = git(repo, "rev-parse", "HEAD").decode().strip()
    third = entry(repo, "3")
    shown = uet(repo, "rollback", "3", *WHY, "--dry-run", "--json").document["patches"]
    assert [f["path"] for f in shown[0]["files"]] == ["a.txt"]
    assert git(repo, "rev-parse", "HEAD").decode().strip() == old
    done = uet(repo, "rollback", "3", *WHY, "--json").document
    assert [(e["number"], e["state"]) for e in done] == [(11, "committed"), (3, "rolled_back")]
    assert (repo / "a.txt").read_bytes() == line(last, 15, b"line 15\n")
    assert git(repo, "rev-parse", "HEAD^").decode().strip() == old
    message = git(repo, "log", "-1", "--format=%B").decode()
    assert message.startswith(
        f'Revert "Change line 15"\n\nThis reverts commit {third["commit"]}.\n\n'
        "Rolls back change 3: it broke the build\n\nUet-Patch: "
    )
    (moved,) = events(repo, "3", "patch_rolled_back")
    (closed,) = [
        e
        for e in uet(repo, "log", "-n", "30", "--json").document
        if e["kind"] == "landing_done" and e["run"] == moved["run"]
    ]
    assert moved["payload"]["rolled_back_by"] == done[0]["id"]
    assert closed["seq"] - moved["seq"] < 4
    runs = uet(repo, "run", "list", "--json").document
    assert (runs[0]["kind"], runs[0]["state"]) == ("rollback", "succeeded")
    sound(repo)


def test_a_rollback_is_rolled_back_and_history_is_kept(repo: Path) -> None:
    """The original lands again as an entry of its own; each of the three says what became of it."""
    after = land_lines(repo, [5])
    uet(repo, "rollback", "1", *WHY)
    assert (repo / "a.txt").read_bytes() == LINES
    refused = uet(repo, "rollback", "1", *WHY, "--json", code=2).document["error"]
    assert "by change 2" in refused["message"]
    uet(repo, "rollback", "2", "--reason", "it was not the cause")
    assert (repo / "a.txt").read_bytes() == after[-1]
    assert states(repo) == ["rolled_back", "rolled_back", "committed"]
    assert subjects(repo) == [
        *("base", "Change line 5", 'Revert "Change line 5"'),
        'Revert "Revert "Change line 5""',
    ]
    sound(repo)


def test_a_whole_series_goes_back_newest_first_as_one_series(repo: Path) -> None:
    """Later members stand on earlier ones' lines; the result is the tree before, and all of it is one landing."""
    text = LINES
    steps = []
    for n in range(3):
        new = line(text, 10, b"step %d\n" % n)
        steps.append(
            mail(f"[{n + 1}/3] Step {n}", diff("a.txt", text, new)).replace(
                b"[PATCH] [", b"[PATCH "
            )
        )
        text = new
    put(repo, "s.mbox", b"".join(steps))
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    uet(repo, "apply", "../s.mbox")
    series = entry(repo, "1")["series"]
    uet(repo, "rollback", series, *WHY)
    assert git(repo, "rev-parse", "HEAD^{tree}") == tree
    assert states(repo) == ["rolled_back"] * 3 + ["committed"] * 3
    assert subjects(repo)[-3:] == [f'Revert "Step {n}"' for n in (2, 1, 0)]
    assert len({entry(repo, n)["series"] for n in "456"}) == 1
    sound(repo)


def test_a_run_goes_back_in_one_commit_with_squash(repo: Path) -> None:
    land_lines(repo, [5, 40, 75])
    run = uet(repo, "run", "list", "--json").document[0]["id"]
    uet(repo, "rollback", run, *WHY, "--squash")
    assert (repo / "a.txt").read_bytes() == LINES
    assert states(repo) == ["rolled_back"] * 3 + ["committed"]
    message = git(repo, "log", "-1", "--format=%B").decode()
    assert message.startswith('Revert "Change line 75" and 2 more\n\nThis reverts commit ')
    assert message.count("This reverts commit ") == 3
    sound(repo)
    uet(repo, "rollback", "4", *WHY)
    assert states(repo)[-2:] == ["rolled_back", "committed"]
    sound(repo)


def test_lines_that_changed_since_are_not_touched_and_the_later_change_is_named(repo: Path) -> None:
    """Nothing of a rollback moves if one part does not fit: it is set aside as one item."""
    land_lines(repo, [5, 40, 60])
    now = (repo / "a.txt").read_bytes()
    later = line(now, 41, b"on top\n")
    uet(repo, "apply", put(repo, "later.patch", mail("Build on it", diff("a.txt", now, later))))
    before = snapshot(repo)
    shown = uet(repo, "rollback", "1-3", *WHY, "--dry-run", "--json", code=1).document["patches"]
    assert [p["in_the_way"] and p["in_the_way"]["number"] for p in shown] == [None, 4, None]
    assert shown[1]["in_the_way"]["title"] == "Build on it"
    done = uet(repo, "rollback", "1-3", *WHY, "--json", code=1).document
    assert [(e["number"], e["state"], e["reason"]) for e in done[:3]] == [
        (5, "quarantined", "queue.series_incomplete"),
        (6, "quarantined", "apply.changed_since"),
        (7, "quarantined", "queue.series_incomplete"),
    ]
    assert "change 4 (Build on it)" in done[1]["detail"]
    assert snapshot(repo) == before
    assert states(repo)[:4] == ["committed"] * 4
    refused = uet(repo, "rollback", "2", *WHY, "--json", code=2).document["error"]
    assert "being rolled back by change 6" in refused["message"]
    uet(repo, "rollback", "4", *WHY)
    uet(repo, "retry", "5-7")
    uet(repo, "apply")
    assert (repo / "a.txt").read_bytes() == LINES
    sound(repo)


def test_the_change_in_the_way_may_be_nobodys(repo: Path) -> None:
    land_lines(repo, [5])
    commit_files(repo, {"a.txt": b"all new\n"}, "By hand")
    done = uet(repo, "rollback", "1", *WHY, "--json", code=1).document
    assert "(By hand)" in done[0]["detail"]
    assert "commit " in done[0]["detail"]


def test_lines_move_and_are_found_again(repo: Path) -> None:
    """A change at the very top goes back although lines came before it, and never a like place elsewhere."""
    base = b"same\nold\nsame\n" * 12
    commit_files(repo, {"t.txt": base}, "t")
    first = line(base, 2, b"new\n")
    uet(repo, "apply", put(repo, "1.patch", diff("t.txt", base, first)))
    second = b"".join(b"above %d\n" % n for n in range(20)) + first
    third = second[: -len(b"same\n")] + b"".join(b"same\nnew\nsame\n" for _ in range(9)) + b"same\n"
    uet(repo, "apply", put(repo, "2.patch", diff("t.txt", first, second)))
    uet(repo, "apply", put(repo, "3.patch", diff("t.txt", second, third)))
    uet(repo, "rollback", "1", *WHY)
    assert (repo / "t.txt").read_bytes() == third.replace(b"new\n", b"old\n", 1)


def test_every_kind_of_change_goes_back_exactly(repo: Path) -> None:
    """Binary, modes, renames, deletes, links, type changes, no newline at the end, carriage returns."""
    commit_files(
        repo,
        {
            "bin": bytes(range(256)),
            "gone": b"g\n",
            "moved": LINES,
            "crlf": b"a\r\nb\r\n",
            "bare": b"no end",
            "ä x": b"u\n",
        },
        "more",
    )
    (repo / "link").symlink_to("b.txt")
    (repo / "turns").write_bytes(b"t\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "links")
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    (repo / "bin").write_bytes(bytes(reversed(range(256))) * 9)
    (repo / "gone").unlink()
    (repo / "moved").rename(repo / "went")
    (repo / "went").write_bytes(line(LINES, 3, b"edited\n"))
    (repo / "crlf").write_bytes(b"a\r\nc\r\n")
    (repo / "bare").write_bytes(b"no end at all")
    (repo / "b.txt").chmod(0o755)
    (repo / "link").unlink()
    (repo / "link").symlink_to("a.txt")
    (repo / "turns").unlink()
    (repo / "turns").symlink_to("a.txt")
    (repo / "new").write_bytes(b"")
    (repo / "ä x").write_bytes(b"v\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "everything")
    git(repo, "branch", "made")
    git(repo, "reset", "-q", "--hard", "HEAD^")
    uet(repo, "submit", "HEAD..made", code=None)
    uet(repo, "release", "1", *WHY)
    uet(repo, "apply")
    uet(
        repo, "rollback", "1", *WHY, code=None
    )  # links are for a person to look at, also on the way back
    uet(repo, "release", "2", *WHY)
    uet(repo, "apply")
    assert git(repo, "rev-parse", "HEAD^{tree}") == tree
    assert states(repo) == ["rolled_back", "committed"]
    sound(repo)


def test_what_was_redacted_goes_back_from_its_commit(repo: Path) -> None:
    land_lines(repo, [5])
    db = sqlite3.connect(repo / ".git" / "uet" / "ledger.db")
    db.execute("UPDATE patches SET content = NULL")
    db.commit()
    db.close()
    uet(repo, "rollback", "1", *WHY)
    assert (repo / "a.txt").read_bytes() == LINES


def test_an_ordinary_commit_with_a_verdict_goes_back_too(repo: Path) -> None:
    uet(repo, "init", "--no-config")
    commit_files(repo, {"a.txt": line(LINES, 7, b"by hand\n")}, "By hand")
    assert uet(repo, "list", "--json").document[0]["rung"] == "hook"
    uet(repo, "rollback", "1", *WHY)
    assert (repo / "a.txt").read_bytes() == LINES
    assert subjects(repo)[-1] == 'Revert "By hand"'
    assert states(repo) == ["rolled_back", "committed"]
    sound(repo)


GATED = b"version = 1\n[policy]\npreset = 'strict'\n[gates.g]\nkind = 'custom'\nshell = '! grep -q \"line 40\" a.txt'\n"


def test_gates_hold_it_whole_and_policy_is_waived_on_the_record(repo: Path) -> None:
    """A part that the gates refuse keeps all of it out, as one item; what was waived, by whom and why is an event."""
    land_lines(repo, [5, 40])
    commit_files(repo, {"uet.toml": GATED}, "gates")
    trust(repo)
    before = snapshot(repo)
    done = uet(repo, "rollback", "1", "2", *WHY, "--json", code=1).document
    assert [(e["number"], e["state"], e["reason"]) for e in done[:2]] == [
        (3, "quarantined", "gate.failed"),
        (4, "quarantined", "queue.series_incomplete"),
    ]
    assert snapshot(repo) == before
    assert states(repo)[:2] == ["committed", "committed"]
    (released,) = events(repo, "3", "patch_released")
    assert released["payload"]["why"] == "it broke the build"
    assert "policy.issue_required" in released["payload"]["waived"]
    assert released["actor"].startswith("person:")
    uet(repo, "drop", "3", "4")
    uet(repo, "rollback", "1", *WHY)
    assert entry(repo, "5")["waived"]
    assert uet(repo, "fsck").code == 0


@pytest.mark.parametrize(
    "args", [("4",), ("99",), ("2",), ("ZZZZZZ",)], ids=["queued", "none", "dropped", "no id"]
)
def test_what_did_not_land_is_refused(repo: Path, args: tuple[str, ...]) -> None:
    land_lines(repo, [5])
    uet(repo, "submit", put(repo, "2.patch", diff("b.txt", b"b\n", b"c\n")))
    uet(repo, "drop", "2")
    before = snapshot(repo)
    uet(repo, "rollback", *args, *WHY, code=2)
    assert snapshot(repo) == before


def test_agents_and_calls_without_a_reason_are_refused(repo: Path) -> None:
    land_lines(repo, [5])
    before = snapshot(repo)
    for code, env, args in (
        (2, {"UET_ORIGIN": "codex"}, WHY),
        (2, {}, ()),
        (2, {}, ("--reason", " ")),
    ):
        uet(repo, "rollback", "1", *args, env=env, code=code)
    assert snapshot(repo) == before


@pytest.mark.parametrize("who", ["person", "agent"])
def test_the_next_revision_of_a_rollback_is_one_if_a_person_made_it(repo: Path, who: str) -> None:
    """An agent could land anything in its place, and it would count as the way back."""
    after = land_lines(repo, [5])[-1]
    now = line(after, 6, b"x\n")
    uet(repo, "apply", put(repo, "2.patch", diff("a.txt", after, now)))
    uet(repo, "rollback", "1", *WHY, code=1)
    back = put(repo, "b.patch", diff("a.txt", now, line(now, 5, b"line 5\n")))
    env = {"UET_ORIGIN": "codex"} if who == "agent" else {}
    uet(repo, "apply", back, "--replaces", "3", env=env)
    assert states(repo)[0] == ("rolled_back" if who == "person" else "committed")
    sound(repo)


def test_a_part_of_a_rollback_rolls_nothing_back(repo: Path) -> None:
    land_lines(repo, [5])
    now = (repo / "a.txt").read_bytes()
    both = diff("a.txt", now, line(now, 70, b"x\n")) + diff("b.txt", b"b\n", b"c\n")
    uet(repo, "apply", put(repo, "2.patch", both))
    later = line(line(now, 70, b"x\n"), 71, b"y\n")
    uet(repo, "apply", put(repo, "3.patch", diff("a.txt", line(now, 70, b"x\n"), later)))
    uet(repo, "rollback", "2", *WHY, code=1)
    uet(repo, "pick", "4", "--hunks", "2", *WHY, code=None)
    uet(repo, "apply", "4", code=None)
    assert (repo / "b.txt").read_bytes() == b"b\n"
    assert states(repo)[1] == "committed"


def test_commits_that_were_rebased_away_are_found_by_their_trailer(repo: Path) -> None:
    land_lines(repo, [5])
    git(
        repo,
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "--date=2001-01-01T00:00:00Z",
        env={**os.environ, "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z"},
    )
    uet(repo, "rollback", "1", *WHY)
    assert (repo / "a.txt").read_bytes() == LINES
    git(repo, "reset", "-q", "--hard", "HEAD~2")
    said = uet(repo, "rollback", "2", *WHY, "--json", code=2).document["error"]["message"]
    assert "any more" in said
