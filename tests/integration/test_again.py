"""What is quarantined, or was dropped by a person, is held again however it is handed in anew (DESIGN 4)."""

from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.integration.test_release import WHY, put
from tests.product import entry, states, trust, uet

LINES = b"".join(b"line %d\n" % n for n in range(60))
GATE = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = 'test ! -e bad'\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": LINES, "b.txt": LINES})


def made(repo: Path, *flags: str, files: tuple[str, ...] = ("a.txt", "b.txt")) -> bytes:
    """The change as git prints it: line 30 of each file, and 'wrong' in a new one."""
    for name in files:
        (repo / name).write_bytes(LINES.replace(b"line 30\n", b"thirty\n"))
    found = git(repo, "diff", *flags)
    git(repo, "checkout", "-q", "--", *files)
    return found


def test_what_a_person_dropped_is_held_in_every_other_form(repo: Path) -> None:
    uet(repo, "submit", put(repo, "1.patch", made(repo)))
    uet(repo, "drop", "1")
    forms = {
        "message": mail("Another subject", made(repo)),
        "less": made(repo, "-U1"),
        "more": made(repo, "-U10"),
        "piece": made(repo, files=("b.txt",)),
        "padded": made(repo) + diff("c.txt", None, b"more\n"),
    }
    for number, (name, data) in enumerate(forms.items(), 2):
        uet(repo, "submit", put(repo, f"{name}.patch", data), code=1)
        found = entry(repo, number)
        assert (found["reason"], found["detail"]) == ("queue.dropped_before", "as change 1"), name
    commit_files(repo, {"a.txt": b"above\n" + LINES}, "moved")
    for number, base in enumerate(
        (LINES, b"above\n" + LINES), len(forms) + 2
    ):  # stands by an offset, or moved along
        data = mail(f"Moved {number}", diff("a.txt", base, base.replace(b"line 30\n", b"thirty\n")))
        uet(repo, "apply", put(repo, "offset.patch", data), code=1)
        found = entry(repo, number)
        assert (found["reason"], found["detail"]) == ("queue.dropped_before", "as change 1")
    uet(repo, "retry", "2", code=2)
    uet(repo, "release", "2", *WHY)
    assert states(repo)["2"] == "queued"


def test_only_the_piece_with_the_bad_lines_is_held(repo: Path) -> None:
    reserved = diff("aux.txt", None, b"wrong\n")
    uet(repo, "submit", put(repo, "1.patch", made(repo) + reserved), code=1)
    uet(repo, "submit", put(repo, "good.patch", made(repo)))
    uet(repo, "submit", put(repo, "bad.patch", mail("Again", reserved)), code=1)
    codes = {f["code"]: f["detail"] for f in entry(repo, 3)["findings"]}
    assert codes["queue.quarantined_before"] == "as change 1"
    assert states(repo)["2"] == "queued"


def test_what_a_gate_failed_is_mended_by_the_next_revision(repo: Path) -> None:
    commit_files(repo, {"uet.toml": GATE}, "gates")
    trust(repo)
    bad = made(repo) + diff("bad", None, b"bad\n")
    uet(repo, "apply", put(repo, "1.patch", bad), code=1)
    uet(repo, "submit", put(repo, "again.patch", mail("Again", bad)), code=1)
    assert entry(repo, 2)["reason"] == "queue.quarantined_before"
    uet(repo, "apply", "--replaces", "1", put(repo, "good.patch", made(repo)))
    assert states(repo)["1"] == "committed"


def test_another_change_of_the_same_file_is_not_held(repo: Path) -> None:
    uet(repo, "submit", put(repo, "1.patch", made(repo)))
    uet(repo, "drop", "1")
    other = diff("a.txt", LINES, LINES.replace(b"line 50\n", b"fifty\n"))
    uet(repo, "submit", put(repo, "2.patch", other))
    assert states(repo)["2"] == "queued"


AGENT = {"UET_ORIGIN": "tool"}


def held_by_a_gate(repo: Path) -> bytes:
    """Change 1 is quarantined by a gate; returns its bytes."""
    commit_files(repo, {"uet.toml": GATE}, "gates")
    trust(repo)
    bad = made(repo) + diff("bad", None, b"bad\n")
    uet(repo, "apply", put(repo, "1.patch", bad), code=1)
    return bad


@pytest.mark.parametrize("verb", ["edit", "pick", "replaces", "orphan"])
def test_an_agents_next_revision_of_its_own_does_not_lift_it(repo: Path, verb: str) -> None:
    """Another message, a hunk of it, its bytes in its own place, also when the first is mended since: held again."""
    bad = held_by_a_gate(repo)
    uet(repo, "submit", put(repo, "2.patch", mail("Again", bad)), code=1, env=AGENT)
    third = put(repo, "3.patch", mail("Once more", bad))
    if verb == "edit":
        uet(repo, "edit", "2", "--message", "Other words", code=1, env=AGENT)
    elif verb == "pick":
        uet(repo, "pick", "2", "--hunks", "1,3", code=1, env=AGENT)
    else:
        uet(repo, "submit", "--replaces", "1", put(repo, "good.patch", made(repo)))
        place = ("--replaces", "2") if verb == "replaces" else ()
        uet(repo, "submit", *place, third, code=1, env=AGENT)
    newest = "3" if verb == "orphan" else "2"
    assert entry(repo, newest)["reason"] == "queue.quarantined_before"
    uet(repo, "retry", newest, code=2, env=AGENT)
    uet(repo, "release", newest, *WHY)
    assert states(repo)[newest] == "queued"


def test_the_rest_of_a_pick_is_not_lifted_in_its_own_place(repo: Path) -> None:
    uet(repo, "submit", put(repo, "1.patch", made(repo) + diff("aux.txt", None, b"x\n")), code=1)
    uet(repo, "pick", "1", "--hunks", "1,3", code=1)
    rest = put(repo, "rest.patch", mail("Rest", made(repo, files=("b.txt",))))
    assert entry(repo, 2)["reason"] == "queue.rest_of_pick"
    uet(repo, "submit", "--replaces", "2", rest, code=1, env=AGENT)
    assert entry(repo, 2)["reason"] == "queue.quarantined_before"


def test_in_the_place_of_another_series_it_is_held_as_well(repo: Path) -> None:
    bad = held_by_a_gate(repo)
    uet(repo, "submit", put(repo, "2.patch", diff("c.txt", None, b"c\n")), env=AGENT)
    data = put(repo, "3.patch", mail("Again", bad))
    uet(repo, "submit", "--replaces-series", "2", data, code=1, env=AGENT)
    assert entry(repo, 3)["reason"] == "queue.quarantined_before"


def test_bytes_that_were_superseded_once_are_looked_at_again(repo: Path) -> None:
    """Handed in, put out of the way by a harmless revision, handed in once more: a person dropped these lines."""
    uet(repo, "submit", put(repo, "1.patch", made(repo)))
    uet(repo, "drop", "1")
    again = put(repo, "2.patch", mail("Again", made(repo)))
    uet(repo, "submit", again, code=1, env=AGENT)
    uet(repo, "submit", "--replaces", "2", put(repo, "3.patch", diff("c", None, b"c\n")), env=AGENT)
    uet(repo, "submit", again, code=1, env=AGENT)
    assert entry(repo, 3)["reason"] == "queue.dropped_before"


def test_a_drop_that_was_undone_holds_nothing(repo: Path) -> None:
    """Its next revisions are judged as if it had not been dropped; dropped once more, it counts again."""
    uet(repo, "submit", put(repo, "1.patch", made(repo)))
    uet(repo, "drop", "1")
    uet(repo, "undo")
    uet(repo, "submit", "--replaces", "1", put(repo, "2.patch", made(repo, "-U1")))
    assert states(repo)["1"] == "queued"
    uet(repo, "drop", "1")
    uet(repo, "submit", put(repo, "3.patch", made(repo, "-U10")), code=1)
    assert entry(repo, 2)["reason"] == "queue.dropped_before"
