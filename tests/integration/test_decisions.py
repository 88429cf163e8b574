"""Decisions about what waits: votes that hold for what was looked at, snoozes, priorities, and taking them back
(DESIGN 5, 12)."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.integration.test_release import BROKEN, WHY, error, put, reserved
from tests.product import entry, states, subjects, uet
from uet_git.host import contracts

BASE = b"one\ntwo\nthree\n"
REVIEWED = b"version = 1\n[policy]\nmin_reviewers = 1\n"
ANN: dict[str, str | None] = {"LOGNAME": "Ann"}
AGENT: dict[str, str | None] = {"UET_ORIGIN": "codex"}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    files = {"a.txt": BASE, "b.txt": BASE, "uet.toml": REVIEWED}
    return make_repo(tmp_path / "repo", files)


@pytest.fixture
def free(tmp_path: Path) -> Path:
    """A repository whose policy asks for nobody."""
    return make_repo(tmp_path / "free", {"a.txt": BASE, "b.txt": BASE})


def change(repo: Path, new: bytes = b"one\n2\nthree\n", title: str = "Two is 2") -> Path:
    return put(repo, "a.patch", mail(title, diff("a.txt", BASE, new)))


def reason(repo: Path, label: str) -> tuple[str, str | None]:
    found = entry(repo, label)
    return found["state"], found["reason"]


def last(repo: Path, label: str, kind: str) -> dict[str, Any]:
    found = [e for e in entry(repo, label)["events"] if e["kind"] == kind]
    return dict(found[-1])


# -- votes -------------------------------------------------------------------------------------------------------


def test_enough_votes_let_it_go_on_by_itself(repo: Path) -> None:
    """A person votes for an agent's patch on the same account; the event has who, why, and what for."""
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    assert reason(repo, "1") == ("quarantined", "policy.reviewers")
    (told,) = uet(repo, "approve", "1", "--reason", "it is right", "--json").document
    assert (told["state"], told["waived"]) == ("queued", [])
    event = last(repo, "1", "patch_approved")
    assert event["actor"].startswith("person:")
    said = event["payload"]
    assert (said["why"], said["target"], said["policy"]) == (
        "it is right",
        "refs/heads/main",
        {"min_reviewers": 1},
    )
    uet(repo, "apply")
    assert subjects(repo) == ["base", "Two is 2"]
    assert uet(repo, "fsck").code == 0


def test_nobody_approves_their_own(repo: Path) -> None:
    uet(repo, "submit", change(repo), code=1)
    told = error(repo, "approve", "1")
    assert told["code"] == "policy.own_change"
    uet(repo, "approve", "1", env=ANN)
    assert states(repo) == {"1": "queued"}


def test_nobody_approves_what_they_wrote_and_another_handed_in(repo: Path) -> None:
    mine = mail("Two is 2", diff("a.txt", BASE, b"1\n"), author="Ann <ann@example.com>")
    uet(repo, "submit", put(repo, "a.patch", mine), code=1)
    assert error(repo, "approve", "1", env=ANN)["code"] == "policy.own_change"


@pytest.mark.parametrize("verb", ["approve", "undo", "snooze"])
def test_an_agent_decides_none_of_it(repo: Path, verb: str) -> None:
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    more = ["--until", "1h"] if verb == "snooze" else []
    for also in ([], ["--dry-run"]):
        assert error(repo, verb, "1", *more, *also, env=AGENT)["code"] == "policy.needs_person"


def test_two_are_asked_for(repo: Path) -> None:
    commit_files(
        repo,
        {"uet.toml": REVIEWED.replace(b"= 1\n", b"= 2\n").replace(b"version = 2", b"version = 1")},
        "two",
    )
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    uet(repo, "approve", "1")
    uet(repo, "approve", "1")
    assert states(repo) == {"1": "quarantined"}, "one voice counts once"
    uet(repo, "retry", "1", code=1)
    uet(repo, "approve", "1", env=ANN)
    assert states(repo) == {"1": "queued"}


def test_a_vote_lifts_nothing_else(repo: Path) -> None:
    both = mail("Both", diff("aux.txt", None, b"x\n"))
    uet(repo, "submit", put(repo, "b.patch", both), env=AGENT, code=1)
    uet(repo, "approve", "1")
    assert states(repo) == {"1": "quarantined"}
    uet(repo, "release", "1", "--waive", "path.windows_unsafe,policy.reviewers", *WHY)
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_moved_tip_alone_changes_no_vote(repo: Path) -> None:
    """Also in the same file, above and below the change."""
    text = b"".join(b"line %d\n" % n for n in range(40))
    commit_files(repo, {"long.txt": text}, "long")
    patch = diff("long.txt", text, text.replace(b"line 20\n", b"twenty\n"))
    uet(repo, "submit", put(repo, "l.patch", mail("Twenty", patch)), env=AGENT, code=1)
    uet(repo, "approve", "1")
    commit_files(repo, {"long.txt": b"above\n" + text + b"below\n", "c.txt": b"c\n"}, "moved")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_changed_policy_takes_the_vote_away_and_says_so(repo: Path) -> None:
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    uet(repo, "approve", "1")
    commit_files(repo, {"uet.toml": REVIEWED + b"max_files_changed = 5\n"}, "stricter")
    uet(repo, "apply", code=1)
    found = entry(repo, "1")
    assert (found["state"], found["reason"]) == ("quarantined", "policy.reviewers")
    assert "policy max_files_changed: expected none, actual 5" in found["detail"]
    uet(repo, "approve", "1", env=ANN)
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_changed_patch_takes_the_vote_away_and_says_so(repo: Path) -> None:
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    uet(repo, "approve", "1")
    uet(repo, "submit", "--replaces", "1", change(repo, b"one\nzwei\nthree\n"), env=AGENT, code=1)
    found = entry(repo, "1")
    assert (found["revision"], found["state"]) == (2, "quarantined")
    assert "revision: expected 1.1, actual 1.2" in found["detail"]


def test_another_place_is_another_diff(repo: Path) -> None:
    """The same lines fit two places; the branch moves, and they would land at the other."""
    block = b"{\n    x\n    old\n    y\n}\n"
    gap = b"".join(b"    g%d\n" % n for n in range(20))
    text = b"def one\n" + block + gap + b"def two\n" + block
    commit_files(repo, {"code.txt": text}, "code")
    patch = b"--- a/code.txt\n+++ b/code.txt\n@@ -3,3 +3,3 @@\n     x\n-    old\n+    new\n     y\n"
    uet(repo, "submit", put(repo, "c.patch", mail("New", patch)), env=AGENT, code=1)
    uet(repo, "approve", "1")
    moved = b"def two\n" + block + gap + b"def one\n" + block
    commit_files(repo, {"code.txt": moved}, "swapped")
    uet(repo, "apply", code=1)
    detail = entry(repo, "1")["detail"]
    assert "diff of code.txt: expected" in detail
    assert "below 'def one'" in detail
    assert "below 'def two'" in detail


def test_a_hunk_that_fits_only_elsewhere_is_another_diff(repo: Path) -> None:
    """It fitted one place and fits one place, of another function; where only the tip moves, the vote stays."""
    block = b"    a\n    b\n    old\n    c\n    d\n"
    text = b"def one():\n" + block
    commit_files(repo, {"code.txt": text}, "code")
    patch = b"--- a/code.txt\n+++ b/code.txt\n@@ -3,3 +3,3 @@\n     b\n-    old\n+    new\n     c\n"
    uet(repo, "submit", put(repo, "c.patch", mail("New", patch)), env=AGENT, code=1)
    uet(repo, "approve", "1")
    other = text.replace(b"old", b"gone") + b"\ndef two():\n" + block
    commit_files(repo, {"code.txt": other}, "another place")
    uet(repo, "apply", code=1)
    detail = entry(repo, "1")["detail"]
    assert "below 'def one():'" in detail
    assert "below 'def two():'" in detail
    uet(repo, "approve", "1", env=ANN)
    commit_files(repo, {"code.txt": b"def zero():\n    z\n\n" + other + b"\nend\n"}, "moved")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}


def test_a_series_is_looked_at_as_it_will_stand(repo: Path) -> None:
    second = diff("a.txt", b"one\n2\nthree\n", b"one\n2\n3\n")
    mbox = mail("1", diff("a.txt", BASE, b"one\n2\nthree\n")) + mail("2", second)
    uet(repo, "submit", put(repo, "s.mbox", mbox), env=AGENT, code=1)
    uet(repo, "approve", "1", "2")
    uet(repo, "apply", code=None)
    if states(repo)["2"] != "committed":
        pytest.fail(str(entry(repo, "2")))


def test_what_fits_nowhere_cannot_be_voted_for(repo: Path) -> None:
    lost = mail("Lost", diff("a.txt", b"lost\n", b"found\n"))
    uet(repo, "submit", put(repo, "l.patch", lost), env=AGENT, code=1)
    assert "does not fit" in error(repo, "approve", "1")["message"]


# -- snoozing ----------------------------------------------------------------------------------------------------


def test_what_is_snoozed_is_not_shown_until_it_moves(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    uet(free, "snooze", "1", "--until", "2d", "--reason", "later")
    document = uet(free, "status", "--json").document
    assert (document["needs_you"], document["snoozed"]) == ([], 1)
    assert [e["number"] for e in uet(free, "list", "--json").document] == [1]
    assert last(free, "1", "patch_snoozed")["payload"]["why"] == "later"
    uet(free, "retry", "1", code=1)
    assert uet(free, "status", "--json").document["snoozed"] == 1, "nothing moved"
    uet(free, "undo")
    assert uet(free, "status", "--json").document["snoozed"] == 0
    assert uet(free, "fsck").code == 0


def test_what_was_snoozed_comes_back(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    uet(free, "snooze", "1", "--until", "1h")
    from uet_git.project import Project

    with Project.open(str(free)) as project:
        known = project.ledger.decisions
        assert list(known.snoozed("2020-01-01T00:00:00.000Z")) == [entry(free, "1")["id"]]
        assert known.snoozed("2999-01-01T00:00:00.000Z") == {}


@pytest.mark.parametrize(("until", "word"), [("2020-01-01", "is past"), ("soon", "--until wants")])
def test_a_moment_that_is_none(free: Path, until: str, word: str) -> None:
    uet(free, "submit", reserved(free), code=1)
    assert word in error(free, "snooze", "1", "--until", until)["message"]


def test_only_what_needs_a_person_is_snoozed(free: Path) -> None:
    uet(free, "submit", change(free))
    assert "needs a person" in error(free, "snooze", "1", "--until", "1h")["message"]


# -- priorities, and several at once -----------------------------------------------------------------------------


def test_a_priority_is_a_decision(free: Path) -> None:
    uet(free, "submit", change(free))
    uet(free, "submit", put(free, "b.patch", mail("B", diff("b.txt", BASE, b"1\n"))))
    uet(free, "priority", "2", "critical", "--reason", "hurry")
    assert entry(free, "2")["priority"] == "critical"
    assert last(free, "2", "patch_amended")["payload"] == {"priority": 3, "was": 1, "why": "hurry"}
    uet(free, "undo")
    assert entry(free, "2")["priority"] == "normal"
    assert error(free, "priority", "2", "high", env=AGENT)["code"] == "policy.needs_person"
    assert uet(free, "fsck").code == 0


@pytest.mark.parametrize("verb", [("approve",), ("snooze", "--until", "1h"), ("retry",)])
def test_all_or_none(repo: Path, verb: tuple[str, ...]) -> None:
    """One that cannot be decided so keeps the others as they are."""
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    uet(repo, "submit", put(repo, "evil.patch", diff("x/../../y", None, b"x\n")), env=AGENT, code=1)
    assert states(repo)["2"] == "dropped"
    before = entry(repo, 1)
    error(repo, verb[0], "1", "2", *verb[1:])
    assert entry(repo, 1) == before


def test_repaired_readings_are_taken_together(free: Path) -> None:
    uet(free, "submit", put(free, "b.patch", BROKEN), code=1)
    uet(free, "submit", put(free, "c.patch", BROKEN.replace(b"a.txt", b"b.txt")), code=1)
    done = uet(free, "release", "1", "2", "--repaired", *WHY, "--json").document
    assert [(e["number"], e["revision"], e["state"]) for e in done] == [
        (1, 2, "queued"),
        (2, 2, "queued"),
    ]
    uet(free, "undo")
    assert {k: v for k, v in states(free).items() if "." not in k} == {
        "1": "quarantined",
        "2": "quarantined",
    }
    assert entry(free, "1")["revision"] == 3
    uet(free, "release", "1", "--repaired", *WHY)
    uet(free, "apply")
    assert states(free)["1"] == "committed"
    assert uet(free, "fsck").code == 0


# -- undo --------------------------------------------------------------------------------------------------------


def test_undo_of_a_drop_is_a_new_revision(free: Path) -> None:
    """In its place, with what it was; what was set aside for the want of it is queued again."""
    mbox = mail("1", diff("a.txt", BASE, b"1\n")) + mail("2", diff("b.txt", BASE, b"2\n"))
    uet(free, "submit", "--priority", "high", put(free, "s.mbox", mbox))
    uet(free, "drop", "1", "--reason", "no")
    assert states(free) == {"1": "dropped", "2": "quarantined"}
    uet(free, "undo", "--reason", "yes")
    assert states(free) == {"1": "queued", "1.1": "dropped", "2": "queued"}
    assert entry(free, "1")["priority"] == "high"
    uet(free, "apply")
    assert subjects(free) == ["base", "1", "2"]
    assert uet(free, "fsck").code == 0


def test_undo_of_the_drop_of_a_quarantined_change(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    before = entry(free, "1")
    uet(free, "drop", "1")
    uet(free, "undo")
    after = entry(free, "1")
    same = ("state", "reason", "detail", "findings", "title", "target", "patch")
    assert {n: after[n] for n in same} == {n: before[n] for n in same}
    uet(free, "release", "1", *WHY)
    uet(free, "undo")
    assert (entry(free, "1")["state"], entry(free, "1")["waived"]) == ("quarantined", [])
    assert uet(free, "fsck").code == 0


def test_undo_of_a_release_waives_nothing_any_more(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    uet(free, "release", "1", *WHY)
    told = uet(free, "undo", "1", "--reason", "too fast", "--json").document
    assert list(contracts.iter_errors(told, "entry_list.v1")) == []
    found = entry(free, "1")
    assert (found["state"], found["reason"], found["waived"]) == (
        "quarantined",
        "path.windows_unsafe",
        [],
    )
    assert last(free, "1", "patch_quarantined")["payload"]["why"] == "too fast"
    uet(free, "retry", "1", code=1)
    assert states(free) == {"1": "quarantined"}
    assert uet(free, "fsck").code == 0


def test_undo_of_a_vote(repo: Path) -> None:
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    uet(repo, "approve", "1")
    uet(repo, "undo")
    assert reason(repo, "1") == ("quarantined", "policy.reviewers")
    uet(repo, "retry", "1", code=1)
    uet(repo, "approve", "1")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed"}
    assert uet(repo, "fsck").code == 0


def test_what_was_decided_together_is_taken_back_together_and_one_by_one(free: Path) -> None:
    for name in ("aux.txt", "con.txt", "nul.txt"):
        uet(free, "submit", reserved(free, name), code=1)
    uet(free, "release", "1", "2", "3", *WHY)
    uet(free, "undo", "2")
    assert states(free) == {"1": "queued", "2": "quarantined", "3": "queued"}
    uet(free, "undo")
    assert set(states(free).values()) == {"quarantined"}
    error(free, "undo")


def test_one_decision_after_another(free: Path) -> None:
    uet(free, "submit", change(free))
    uet(free, "priority", "1", "low")
    uet(free, "drop", "1")
    uet(free, "undo")
    assert (entry(free, "1")["state"], entry(free, "1")["priority"]) == ("queued", "low")
    told = error(free, "undo")
    assert "newer revision" in told["message"]


def test_what_another_touched_since_stays(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    uet(free, "release", "1", *WHY)
    uet(free, "priority", "1", "high", env=ANN)
    told = error(free, "undo")
    assert "person:Ann touched change 1 since" in told["message"]
    assert told["next"] == ["uet-git", "log", "1"]


def test_what_has_landed_is_not_undone(free: Path) -> None:
    uet(free, "submit", reserved(free), code=1)
    uet(free, "release", "1", *WHY)
    uet(free, "apply")
    assert "rollback" in error(free, "undo")["message"]
    assert git(free, "show", "main:aux.txt") == b"x\n"


def test_a_dry_run_of_each_changes_nothing(repo: Path) -> None:
    uet(repo, "submit", change(repo), env=AGENT, code=1)
    before = entry(repo, "1")
    for verb in (
        ("approve", "1"),
        ("snooze", "1", "--until", "1h"),
        ("priority", "1", "high"),
        ("retry", "1"),
        ("drop", "1"),
    ):
        ran = uet(repo, *verb, "--dry-run", "--reason", "why")
        assert b"would" in ran.out
    assert entry(repo, "1") == before
    uet(repo, "approve", "1")
    before = entry(repo, "1")
    assert b"would undo approve" in uet(repo, "undo", "--dry-run").out
    assert entry(repo, "1") == before


def test_undo_of_an_edit(free: Path) -> None:
    """The older bytes are the next revision."""
    uet(free, "submit", change(free))
    edited = put(free, "e.patch", mail("Two is 2", diff("a.txt", BASE, b"one\nzwei\nthree\n")))
    uet(free, "edit", "1", "--from", edited, "--reason", "in words")
    uet(free, "undo", "--reason", "in figures")
    assert (entry(free, "1")["revision"], entry(free, "1")["state"]) == (3, "queued")
    uet(free, "apply")
    assert git(free, "show", "main:a.txt") == b"one\n2\nthree\n"
    assert uet(free, "fsck").code == 0
