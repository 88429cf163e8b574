"""`review` in a terminal of 80 x 24: one item of each kind, each key; after each key the state and the event (DESIGN 12)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.builders import diff, git, mail, make_repo
from tests.product import entry, subjects, trust, uet
from tests.reviewing import Screen, scene


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene(tmp_path_factory.mktemp("review"))


@pytest.fixture
def repo(made: Path, tmp_path: Path) -> Path:
    """The scene of tests/reviewing.py, a copy for each test."""
    shutil.copytree(made.parent, tmp_path / "scene", symlinks=True)
    trust(tmp_path / "scene" / "shop")
    return tmp_path / "scene" / "shop"


def last(repo: Path, label: int | str, kind: str) -> tuple[str, dict[str, Any]]:
    """The state of an entry, and the payload of its newest event, which must be of a kind and by a person."""
    found = entry(repo, label)
    event = [e for e in found["events"] if e["kind"] != "step_finished"][-1]
    kinds = [e["kind"] for e in found["events"][-4:]]
    assert kind in kinds, found["events"]
    event = next(e for e in reversed(found["events"]) if e["kind"] == kind)
    assert event["actor"].startswith(("person:", "ci:"))
    return found["state"], event["payload"]


def test_each_kind_is_shown_with_what_one_needs_to_decide(repo: Path) -> None:
    screen = Screen(repo)
    assert screen.lines[0] == "1 of 8   change 7   quarantined   queue.dropped_before"
    assert "+Buy now!" in screen.text
    assert "as change 6" in screen.text
    assert "parse.repairable:  shop.py (line 10 of the patch)" in screen.press("s")
    assert "As it was typed:" in screen.text
    assert "@@ -11,9 +11,9 @@" in screen.text
    assert "@@ -11,3 +11,3 @@" in screen.press(" ")
    assert "policy.reviewers" in screen.press("s")
    assert "policy.protected_path:  deploy/run.sh" in screen.press("s")
    assert "changes 8, 9, 10" in screen.press("s")
    assert "pages/1.txt | 1 +" in screen.press("s")
    beside = "   3 >     return sum(prices)          |    3 >     return round(sum(prices), 2"
    assert beside in screen.press("s").splitlines()
    assert "changed by change 1: Round the total" in screen.text
    assert "\n  test_shop::test_discount" in screen.press("s")
    assert "  | 1 failed, 2 passed" in screen.text
    assert screen.press("b", "b", "b").startswith("5 of 8")
    assert screen.press("b", "b", "b", "b", "b").startswith("1 of 8")
    assert screen.leave() == (1, "nothing was decided\n10 still need you\n")


def test_decisions_are_done_when_they_are_made(repo: Path) -> None:
    """The ledger is asked behind the terminal's back after each key; help and skip decide nothing."""
    screen = Screen(repo)
    told = entry(repo, 7)
    assert "this help" in screen.press("?")
    assert "7" in screen.press("x")
    assert entry(repo, 7) == told
    shown = screen.decide("d", "still no banners")
    assert last(repo, 7, "patch_dropped") == (
        "dropped",
        {**last(repo, 7, "patch_dropped")[1], "reason": "queue.dropped_by_person", "detail": "still no banners"},
    )  # fmt: skip
    assert "7: drop is done, now dropped" in shown
    screen.decide("r", "reads well")
    assert last(repo, "3.1", "patch_released")[1] == {"repaired": "3.2", "why": "reads well"}
    assert entry(repo, "3")["state"] == "queued"
    assert "policy.reviewers" in screen.text
    state, told = last(repo, 11, "patch_quarantined")
    screen.press("s")
    assert (state, told) == last(repo, 11, "patch_quarantined")
    code, said = screen.leave("n")
    assert code == 1
    assert "still no banners" in said
    assert "still need you" in said


def test_nothing_is_asked_twice_and_escape_leaves_it(repo: Path) -> None:
    screen = Screen(repo)
    assert "a reason is wanted" in screen.press("r", "\r")
    screen.press("o", "x", "\x7f", "k")
    assert "Reason: ok_" in screen.text
    screen.child.send("\x1b")
    screen.drawn()
    assert "nothing was decided" in screen.text
    assert entry(repo, 7)["state"] == "quarantined"
    assert "nothing was decided" in screen.leave()[1]


def test_ctrl_c_loses_nothing_that_was_decided(repo: Path) -> None:
    screen = Screen(repo)
    screen.decide("d", "no")
    screen.press("r", "x")
    code, said = screen.leave(key="\x03")
    assert code == 130
    assert "drop" in said
    assert "Traceback" not in said
    assert entry(repo, 7)["state"] == "dropped"
    assert entry(repo, 3)["state"] == "quarantined"


def test_what_was_let_through_lands_on_enter(repo: Path) -> None:
    screen = Screen(repo, "2")
    screen.press("r", *"agreed with operations")
    code, said = screen.leave("", key="\r")
    assert (code, subjects(repo)[-1]) == (0, "Deploy to production"), said
    assert "release       2  queued" in said
    assert "committed" in said


def test_a_series_is_decided_whole_or_one_by_one(repo: Path) -> None:
    screen = Screen(repo, "9")
    assert screen.lines[0].startswith("1 of 1   changes 8, 9, 10")
    assert "Tab (all 3 chosen)" in screen.text
    assert "Tab (only 8 chosen)" in screen.press("\t")
    assert "waives policy.protected_path" in screen.press("r")
    screen.press(*"one", "\r")
    assert entry(repo, 8)["state"] == "queued"
    assert entry(repo, 9)["state"] == "quarantined"
    assert "9, 10 still needs you" in screen.text or "9, 10 still need you" in screen.text
    screen.decide("r", "two")
    assert entry(repo, 9)["state"] == "queued"
    screen.child.send("t")
    code, said = screen.leave("", key="")
    kinds = [e["kind"] for e in entry(repo, 10)["events"]]
    assert kinds.index("patch_quarantined") < kinds.index(
        "patch_queued", kinds.index("patch_quarantined")
    )
    assert code == 0, said
    assert subjects(repo)[-3:] == ["Say when it is deployed", "Deploy by a timer", "Note the timer"]


def test_edit_and_pick_take_the_terminal_and_give_it_back(repo: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's,percent / 10),percent / 100),' \"$1\"\n")
    editor.chmod(0o755)
    screen = Screen(repo, "12", "5", env={"GIT_EDITOR": str(editor)})
    screen.press("p", *"half of it")
    screen.child.send("\r")
    for number, answer in enumerate("yynn", 1):
        screen.child.expect_exact(f"Pick {number} of 4? [y/N] ")
        screen.child.sendline(answer)
    screen.drawn()
    assert "12: pick is done, now queued" in screen.text
    state, told = last(repo, "12.1", "patch_amended")
    assert (state, told["picked"], told["hunks"], told["why"]) == (
        "dropped", "12.2", [1, 2], "half of it",
    )  # fmt: skip
    assert (entry(repo, "12.2")["state"], entry(repo, told["left"])["state"]) == (
        "queued",
        "quarantined",
    )
    screen.press("e", *"a slip")
    code, said = screen.leave("n", key="\r")
    assert last(repo, "5.1", "patch_amended")[1] == {"edited": "5.2", "why": "a slip"}
    assert entry(repo, "5.2")["state"] == "queued"
    assert "Land 5.2, 12.2 now?" in said
    assert code == 0, said


def test_resolve_opens_the_conflicts_and_hands_in_what_was_made_of_them(
    repo: Path, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        "#!/bin/sh\nsed -i -e '/^<<<<<<</d' -e '/^|||||||/,/^=======/d' -e '/^>>>>>>>/d' \"$1\"\n"
    )
    editor.chmod(0o755)
    screen = Screen(repo, "4", env={"GIT_EDITOR": "true"})
    screen.press("m", *"both")
    assert "not resolved yet in" in screen.press("\r")
    assert "m resolve" in screen.press("\r")
    assert entry(repo, 4)["state"] == "apply_failed"
    screen.leave()
    screen = Screen(repo, "4", env={"GIT_EDITOR": str(editor)})
    screen.press("m", *"both")
    code, said = screen.leave("n", key="\r")
    assert "resolved" in last(repo, "4.1", "patch_amended")[1], said
    assert (entry(repo, "4.2")["state"], code) == ("queued", 0)


def test_approve_snooze_and_undo(repo: Path) -> None:
    git(repo, "config", "user.name", "another")
    git(repo, "config", "user.email", "another@example.com")
    screen = Screen(repo, "11", "2", "12")
    assert "approve" in screen.text
    screen.decide("a", "right")
    assert last(repo, 11, "patch_approved")[0] == "queued"
    screen.decide("z", "after lunch")
    assert last(repo, 2, "patch_snoozed")[1]["why"] == "after lunch"
    left = uet(repo, "review", "--json", code=1).document["items"]
    assert {i["entries"][0]["number"] for i in left} == {3, 4, 5, 7, 8, 12}
    shown = screen.press("u", *"now", "\r")
    assert "undo snooze 2 is done" in shown
    assert shown.startswith("2 of 3   change 2   quarantined")
    assert "undoes" in last(repo, 2, "patch_snoozed")[1]
    screen.decide("r", "fine")
    assert entry(repo, 2)["state"] == "queued"
    screen.decide("u", "not yet")
    assert entry(repo, 2)["state"] == "quarantined"
    assert entry(repo, 2)["waived"] == []
    assert "approve" not in screen.text
    assert "approve" in screen.press("b").splitlines()[-2] or "queued" in screen.text
    said = screen.leave("n")[1]
    assert "approve" in said
    assert "release" not in said


def test_agents_do_not_review(repo: Path) -> None:
    screen = uet(repo, "review", "--json", env={"UET_ORIGIN": "codex"}, code=1)
    assert len(screen.document["items"]) == 8
    import pexpect

    with pytest.raises(pexpect.EOF):
        Screen(repo, env={"UET_ORIGIN": "codex"})


def test_without_a_terminal_it_is_a_list(repo: Path) -> None:
    told = uet(repo, "review", code=1)
    assert b"gate.failed: A required gate failed" in told.out
    assert b"\x1b" not in told.out
    document = uet(repo, "review", "--by", "age", "--json", code=1).document
    assert [i["entries"][0]["number"] for i in document["items"]] == [2, 3, 4, 5, 7, 8, 11, 12]
    uet(repo, "drop", *["2", "3", "4", "5", "7", "8", "11", "12"], "--reason", "x")
    uet(repo, "drop", "9", "10", "--reason", "x", code=None)
    assert uet(repo, "review").out == b"nothing needs you\n"
    assert json.loads(uet(repo, "review", "--json").out)["items"] == []


EVIL = "\x1b[31m\x1b]0;evil\x07\x9b2J\r\x08\u202ereversed\u2066\u200b\ufeff\U000e0041\u2028\x7f<b>"


def test_nothing_hostile_reaches_the_terminal(tmp_path: Path) -> None:
    """Escapes, what turns or hides text, very long subjects, wide characters, a flood of a gate's output: in every field."""
    flood = (
        b"import sys\nbad = 'bad' in open('a.txt').read()\nsys.stdout.buffer.write(%r * (70_000 if bad else 1))\n"
        b"print('\\nthe very end')\nopen('report.xml', 'wb').write(%r if bad else b'<testsuite><testcase/></testsuite>')\n"
        b"sys.exit(bad)\n"
    )
    said = EVIL.encode()
    report = (
        b'<testsuite tests="1" failures="1"><testcase classname="c" name="t\xe2\x80\xae\xc2\x9b">'
        b'<failure message="\xe2\x80\xae">\xc2\x9b2J</failure></testcase></testsuite>'
    )
    rules = b'version = 1\n[policy]\nprotected = ["p*/**"]\n[gates.unit]\nrun = ["python3", "gate.py"]\njunit = "report.xml"\n'
    repo = make_repo(
        tmp_path / "repo",
        {"a.txt": b"one\n", "uet.toml": rules, "gate.py": flood % (said * 2, report)},
    )
    trust(repo)
    word = "".join(f"={b:02X}" for b in said)
    long = "=?UTF-8?q?" + word + "?= " + "x" * 10_000
    patches = [
        mail(long, diff("p/" + "\u4e16\u754c" * 20 + "/x", None, said.replace(b"\r", b"") + b"\n" + "\u4e16".encode() * 500 + b"\n"), author=f"=?UTF-8?q?{word}?= <p@example.com>"),
        mail("worse", diff("a.txt", b"one\n", b"bad\n")),
        mail("gone", diff("a.txt", b"lost " + said.replace(b"\r", b"") + b"\n", b"x\n")),
        b"--- a/a.txt\n+++ b/a.txt\n@@ -1,9 +1,9 @@\n-one\n+" + said.replace(b"\r", b"") + b"\n",
    ]  # fmt: skip
    for number, patch in enumerate(patches):
        (tmp_path / f"{number}.patch").write_bytes(patch)
        uet(repo, "apply", "--issue", EVIL, f"../{number}.patch", code=None)
    uet(repo, "pause", "--reason", EVIL)
    found = uet(repo, "review", "--json", code=1).document["items"]
    assert {i["reason"].split(".")[0] for i in found} == {"policy", "gate", "apply", "parse"}
    for rows, columns in ((24, 80), (12, 40)):
        screen = Screen(repo, rows=rows, columns=columns)
        shown = [screen.text]
        for _ in found[1:]:
            shown += [screen.press(" ") for _ in range(4)]
            shown.append(screen.press("s"))
        shown += [screen.press(" ") for _ in range(40)]
        assert any("the very end" in each for each in shown)
        screen.press("d", *"\u202e\u200bno")
        screen.press("\x1b")
        told = screen.leave()[1]
        assert all(c.isprintable() or c == "\n" for c in told), repr(told)
