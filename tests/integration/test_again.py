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
    data = mail("Moved", made(repo, files=("b.txt",)))
    uet(repo, "apply", put(repo, "offset.patch", data), code=1)
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
