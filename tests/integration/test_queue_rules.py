"""The rules of the line, seen from outside: who lands, who waits, who is set aside, and what handing in again does
(DESIGN 4, 5, 10). Each test is a short story told with the real command."""

from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entries, entry, head, states, subjects, tree, uet

TEN = b"".join(b"%d\n" % n for n in range(1, 11))


def changed(*lines: int, base: bytes = TEN, word: bytes = b"changed") -> bytes:
    """`base` with some lines (numbered from 1) changed."""
    parts = base.splitlines(True)
    for n in lines:
        parts[n - 1] = b"%b %d\n" % (word, n)
    return b"".join(parts)


LOST = changed(3, word=b"lost")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with three files of ten lines."""
    return make_repo(tmp_path / "repo", {"a.txt": TEN, "b.txt": TEN, "c.txt": TEN})


def put(repo: Path, name: str, *parts: bytes) -> Path:
    """A patch file beside the repository."""
    path = repo.parent / name
    path.write_bytes(b"".join(parts))
    return path


def one(
    repo: Path,
    subject: str,
    path: str = "a.txt",
    line: int = 5,
    old: bytes = TEN,
    word: bytes = b"changed",
) -> Path:
    """A mail that changes one line of one file."""
    return put(
        repo,
        f"{subject.replace(' ', '-')}.patch",
        mail(subject, diff(path, old, changed(line, base=old, word=word))),
    )


def numbered(subject: str, part: int, total: int, *diffs: bytes) -> bytes:
    """A mail of a numbered series."""
    return mail(subject, *diffs).replace(b"[PATCH]", b"[PATCH %d/%d]" % (part, total))


def series(repo: Path, *names: str, start: bytes = TEN, path: str = "a.txt") -> Path:
    """An mbox whose mails change line 1, 2, ... of one file, each on top of the one before."""
    mails, now = [], start
    for line, name in enumerate(names, 1):
        after = changed(line, base=now, word=name.encode())
        mails.append(numbered(name, line, len(names), diff(path, now, after)))
        now = after
    return put(repo, "-".join(names) + ".mbox", *mails)


# -- conflicts and retries ---------------------------------------------------------------------------------------


def test_a_conflict_waits_for_the_change_that_makes_it_fit(repo: Path) -> None:
    after_b = changed(5)
    a = put(repo, "A.patch", mail("A", diff("a.txt", after_b, changed(6, base=after_b))))
    b = one(repo, "B")
    uet(repo, "submit", a)
    uet(repo, "submit", b)

    uet(repo, "apply", code=1)
    found = entry(repo, 1)
    assert states(repo) == {"1": "apply_failed", "2": "committed"}
    assert (found["reason"], found["attempts"]) == ("apply.conflict", 1)

    uet(repo, "apply")
    assert states(repo) == {"1": "committed", "2": "committed"}
    assert entry(repo, 1)["attempts"] == 2
    assert subjects(repo) == ["base", "B", "A"]


def test_a_conflict_is_not_tried_again_while_only_other_files_change(repo: Path) -> None:
    uet(repo, "submit", one(repo, "A", old=changed(5, word=b"lost")))
    uet(repo, "apply", code=1)
    for n in range(3):
        commit_files(repo, {"b.txt": changed(n + 1)}, f"other {n}")
        uet(repo, "apply", code=None)
    assert entry(repo, 1)["attempts"] == 1
    assert states(repo) == {"1": "apply_failed"}


def test_three_attempts_end_in_quarantine(repo: Path) -> None:
    uet(repo, "submit", one(repo, "A", line=5, old=changed(5, word=b"lost")))
    for n in range(3):
        uet(repo, "apply", code=1)
        assert entry(repo, 1)["attempts"] == n + 1
        commit_files(repo, {"a.txt": changed(n + 1)}, f"user {n}")
    found = entry(repo, 1)
    assert (found["state"], found["reason"]) == ("quarantined", "apply.attempts")
    assert "apply.conflict" in [f["code"] for f in found["findings"]]
    assert uet(repo, "status", "--json").document["needs_you"][0]["number"] == 1


def test_retry_tries_again_at_once(repo: Path) -> None:
    uet(repo, "submit", one(repo, "A", old=changed(5, word=b"lost")))
    uet(repo, "apply", code=1)
    uet(repo, "retry", "1")
    assert states(repo) == {"1": "queued"}
    uet(repo, "apply", code=1)
    assert entry(repo, 1)["attempts"] == 2


# -- series ------------------------------------------------------------------------------------------------------


def test_the_good_beginning_of_a_series_lands_and_the_rest_waits(repo: Path) -> None:
    good = changed(1)
    mails = [
        numbered("one", 1, 3, diff("a.txt", TEN, good)),
        numbered("two", 2, 3, diff("b.txt", LOST, changed(3, word=b"mended"))),
        numbered("three", 3, 3, diff("c.txt", TEN, changed(1))),
    ]
    uet(repo, "apply", put(repo, "s.mbox", *mails), code=1)
    assert states(repo) == {"1": "committed", "2": "apply_failed", "3": "queued"}
    assert entry(repo, 3)["waiting_for"] == [2]
    assert subjects(repo) == ["base", "one"]


def test_all_or_none_lands_none(repo: Path) -> None:
    mails = [
        numbered("one", 1, 2, diff("a.txt", TEN, changed(1))),
        numbered("two", 2, 2, diff("b.txt", LOST, changed(3, word=b"mended"))),
    ]
    before = head(repo)
    uet(repo, "apply", "--atomic", put(repo, "s.mbox", *mails), code=1)
    assert head(repo) == before
    assert states(repo) == {"1": "queued", "2": "apply_failed"}
    commit_files(repo, {"b.txt": LOST}, "what it was made on")
    uet(repo, "apply")
    assert states(repo) == {"1": "committed", "2": "committed"}


def test_all_or_none_lands_all(repo: Path) -> None:
    uet(repo, "apply", "--atomic", series(repo, "one", "two", "three"))
    assert subjects(repo) == ["base", "one", "two", "three"]


def test_an_all_or_none_series_with_a_bad_member_is_not_queued(repo: Path) -> None:
    mails = [
        numbered("one", 1, 2, diff("a.txt", TEN, changed(1))),
        numbered("two", 2, 2, diff("../b.txt", TEN, changed(1))),
    ]
    before = head(repo)
    uet(repo, "apply", "--atomic", put(repo, "s.mbox", *mails), code=1)
    assert head(repo) == before
    assert states(repo) == {"1": "quarantined", "2": "dropped"}
    assert entry(repo, 1)["reason"] == "queue.series_incomplete"
    uet(repo, "retry", "1", code=2)


def test_dropping_one_of_all_or_none_holds_all(repo: Path) -> None:
    uet(repo, "submit", "--atomic", series(repo, "one", "two", "three"))
    uet(repo, "drop", "2")
    assert states(repo) == {"1": "quarantined", "2": "dropped", "3": "quarantined"}
    assert entry(repo, 1)["reason"] == "queue.series_incomplete"


def test_series_members_land_in_order_whatever_order_the_files_come_in(repo: Path) -> None:
    mbox = series(repo, "one", "two", "three").read_bytes()
    pieces = [b"From " + p for p in mbox.split(b"From 0")[1:]]
    files = [put(repo, f"{n}.patch", b"From 0", p[5:]) for n, p in enumerate(pieces)]
    uet(repo, "apply", files[2], files[0], files[1])
    assert subjects(repo) == ["base", "one", "two", "three"]


def test_a_missing_part_refuses_the_whole_series(repo: Path) -> None:
    mbox = series(repo, "one", "two", "three").read_bytes()
    pieces = [b"From 0" + p for p in mbox.split(b"From 0")[1:]]
    before = head(repo)
    uet(repo, "apply", put(repo, "1.patch", pieces[0]), put(repo, "3.patch", pieces[2]), code=1)
    assert head(repo) == before
    assert {e["reason"] for e in entries(repo)} == {"parse.series"}


def test_a_member_that_is_already_in_the_target_counts_as_done(repo: Path) -> None:
    mbox = series(repo, "one", "two", "three")
    commit_files(repo, {"a.txt": changed(1, word=b"one")}, "somebody else made the first")
    uet(repo, "apply", mbox)
    assert states(repo) == {"1": "dropped", "2": "committed", "3": "committed"}
    assert entry(repo, 1)["reason"] == "queue.already_in_target"
    assert subjects(repo)[-2:] == ["two", "three"]


def test_followers_of_a_dropped_member_need_a_person(repo: Path) -> None:
    uet(repo, "submit", series(repo, "one", "two", "three"))
    uet(repo, "drop", "2", "--reason", "not now")
    assert states(repo) == {"1": "queued", "2": "dropped", "3": "quarantined"}
    assert entry(repo, 3)["reason"] == "queue.dependency_dropped"
    uet(repo, "apply")
    assert states(repo) == {"1": "committed", "2": "dropped", "3": "quarantined"}
    uet(repo, "retry", "3", code=2)


def test_followers_of_a_superseded_member_wait_for_its_number(repo: Path) -> None:
    uet(repo, "submit", series(repo, "one", "two"))
    better = changed(1, word=b"better")
    uet(
        repo,
        "submit",
        "--replaces",
        "1",
        put(repo, "v2.patch", mail("one", diff("b.txt", TEN, better))),
    )
    assert states(repo) == {"1": "queued", "1.1": "dropped", "2": "queued"}
    assert entry(repo, "1.1")["reason"] == "queue.superseded"
    assert entry(repo, 2)["waiting_for"] == [1]
    uet(repo, "apply", code=1)  # `two` was made on the first `one`
    assert states(repo)["1"] == "committed"
    assert subjects(repo) == ["base", "one"]


# -- revisions ---------------------------------------------------------------------------------------------------


def test_a_new_revision_keeps_number_and_place(repo: Path) -> None:
    uet(repo, "submit", one(repo, "first", "a.txt"))
    uet(repo, "submit", one(repo, "second", "b.txt"))
    uet(repo, "submit", "--replaces", "1", one(repo, "first again", "c.txt"))
    found = entries(repo)
    assert [(e["number"], e["revision"]) for e in found] == [(1, 1), (2, 1), (1, 2)]
    assert entry(repo, 1)["replaces"] == found[0]["id"]
    assert entry(repo, "1.1")["reason"] == "queue.superseded"
    uet(repo, "apply")
    assert subjects(repo) == ["base", "first again", "second"]


def test_a_change_that_landed_cannot_be_replaced(repo: Path) -> None:
    uet(repo, "apply", one(repo, "first"))
    uet(repo, "submit", "--replaces", "1", one(repo, "again", "b.txt"), code=2)


def test_a_new_series_is_paired_with_the_old_one_by_its_lines(repo: Path) -> None:
    v1 = [
        mail(n, diff(f"{n}.txt", None, TEN.replace(b"\n", f" {n}\n".encode())))
        for n in ("x", "y", "z")
    ]
    uet(repo, "submit", put(repo, "v1.mbox", *v1))
    v2 = [
        mail(n, diff(f"{n}.txt", None, TEN.replace(b"\n", f" {n}\n".encode()) + b"v2\n"))
        for n in ("x", "z", "new")
    ]
    uet(repo, "submit", "--replaces-series", "1", put(repo, "v2.mbox", *v2))
    found = {
        (e["number"], e["revision"]): (e["title"], e["state"], e["reason"]) for e in entries(repo)
    }
    assert found[(1, 2)] == ("x", "queued", None)
    assert found[(3, 2)] == ("z", "queued", None)
    assert found[(2, 1)] == ("y", "dropped", "queue.left_out")
    assert found[(4, 1)] == ("new", "queued", None)
    uet(repo, "apply")
    assert sorted(subjects(repo)) == ["base", "new", "x", "z"]


def test_a_new_series_is_in_its_own_order(repo: Path) -> None:
    v1 = [mail(n, diff(f"{n}.txt", None, TEN)) for n in ("x", "z")]
    uet(repo, "submit", put(repo, "v1.mbox", *v1))
    same, new = v1[0], mail("new", diff("a.txt", TEN, changed(1)))
    last = mail("z", diff("z.txt", None, TEN), diff("a.txt", changed(1), changed(1, 2)))
    uet(repo, "submit", "--replaces-series", "2", put(repo, "v2.mbox", new, same, last))
    uet(repo, "apply")
    assert subjects(repo) == ["base", "new", "x", "z"]
    assert {(e["title"], e["number"]) for e in entries(repo)} == {("x", 1), ("z", 2), ("new", 3)}


def test_what_depends_on_a_member_that_the_new_series_leaves_out_needs_a_person(repo: Path) -> None:
    v1 = [mail(n, diff(f"{n}.txt", None, n.encode() + TEN)) for n in ("x", "y")]
    uet(repo, "submit", put(repo, "v1.mbox", *v1))
    uet(repo, "submit", "--depends-on", "2", one(repo, "outside"))
    uet(repo, "submit", "--replaces-series", "1", put(repo, "v2.mbox", v1[0]))
    assert states(repo) == {"1": "queued", "1.1": "dropped", "2": "dropped", "3": "quarantined"}
    uet(repo, "apply")
    assert subjects(repo) == ["base", "x"]


def test_a_new_revision_keeps_target_and_dependencies(repo: Path) -> None:
    git(repo, "branch", "next")
    uet(repo, "submit", "--onto", "next", one(repo, "needed", "b.txt"))
    uet(repo, "submit", "--onto", "next", "--depends-on", "1", one(repo, "first"))
    uet(repo, "submit", "--replaces", "2", one(repo, "again", "c.txt"))
    found = entry(repo, 2)
    assert (found["target"], found["depends_on"]) == ("refs/heads/next", [1])


# -- dependencies and priorities ---------------------------------------------------------------------------------


def test_a_change_lands_only_after_those_that_it_depends_on(repo: Path) -> None:
    uet(repo, "submit", one(repo, "needed", old=changed(5, word=b"not there")))
    uet(
        repo,
        "submit",
        "--depends-on",
        "1",
        "--priority",
        "critical",
        one(repo, "wants it", "b.txt"),
    )
    uet(repo, "apply", code=1)
    assert states(repo) == {"1": "apply_failed", "2": "queued"}
    assert entry(repo, 2)["waiting_for"] == [1]
    commit_files(repo, {"a.txt": changed(5, word=b"not there")}, "the base of it")
    uet(repo, "apply", "2")
    assert subjects(repo)[-2:] == ["needed", "wants it"]


def test_an_unknown_dependency_is_refused(repo: Path) -> None:
    uet(repo, "submit", "--depends-on", "7", one(repo, "A"), code=2)
    assert entries(repo) == []


def test_dropping_holds_what_depends_on_it_however_far(repo: Path) -> None:
    uet(repo, "submit", one(repo, "A"))
    uet(repo, "submit", "--depends-on", "1", one(repo, "B", "b.txt"))
    uet(repo, "submit", "--depends-on", "2", one(repo, "C", "c.txt"))
    dropped = uet(repo, "drop", "1", "--json").document
    assert [e["number"] for e in dropped] == [1, 2, 3]
    assert states(repo) == {"1": "dropped", "2": "quarantined", "3": "quarantined"}


def test_higher_priorities_go_first(repo: Path) -> None:
    for priority in ("low", "normal", "critical", "high"):
        content = priority.encode() + b"\n"
        uet(
            repo,
            "submit",
            "--priority",
            priority,
            put(repo, priority, mail(priority, diff(priority, None, content))),
        )
    uet(repo, "apply")
    assert subjects(repo) == ["base", "critical", "high", "normal", "low"]


# -- handing in again --------------------------------------------------------------------------------------------


def test_the_same_bytes_again_while_open_are_the_same_entry(repo: Path) -> None:
    patch = one(repo, "A")
    first = uet(repo, "submit", "--json", patch).document[0]
    again = uet(repo, "submit", "--json", patch).document[0]
    assert (again["id"], again["existing"], first["existing"]) == (first["id"], True, False)
    assert len(entries(repo)) == 1


def test_the_same_bytes_again_after_landing_are_the_same_entry(repo: Path) -> None:
    patch = one(repo, "A")
    uet(repo, "apply", patch)
    before = head(repo)
    again = uet(repo, "submit", "--json", patch).document[0]
    assert (again["state"], again["existing"]) == ("committed", True)
    uet(repo, "apply", patch)
    assert head(repo) == before
    assert len(entries(repo)) == 1


def test_the_same_bytes_again_after_the_user_reset_are_a_new_entry(repo: Path) -> None:
    patch = one(repo, "A")
    uet(repo, "apply", patch)
    git(repo, "reset", "-q", "--hard", "HEAD~")
    uet(repo, "apply", patch)
    found = entries(repo)
    assert [(e["number"], e["state"]) for e in found] == [(1, "committed"), (2, "committed")]
    assert found[1]["replaces"] == found[0]["id"]
    assert subjects(repo) == ["base", "A"]


def test_the_same_bytes_again_while_quarantined_say_why(repo: Path) -> None:
    link = b"diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+a.txt\n\\ No newline at end of file\n"
    patch = put(repo, "link.patch", mail("link", link))
    first = uet(repo, "submit", "--json", patch, code=1).document[0]
    assert (first["state"], first["reason"]) == ("quarantined", "mode.symlink")
    again = uet(repo, "submit", patch, code=1)
    assert b"mode.symlink" in again.out
    assert len(entries(repo)) == 1


def test_what_a_person_dropped_comes_back_to_a_person(repo: Path) -> None:
    patch = one(repo, "A")
    uet(repo, "submit", patch)
    uet(repo, "drop", "1", "--reason", "no")
    found = uet(repo, "submit", "--json", patch, code=1).document[0]
    assert (found["number"], found["state"], found["reason"]) == (
        2,
        "quarantined",
        "queue.dropped_before",
    )
    uet(repo, "apply", code=None)
    assert subjects(repo) == ["base"]


def test_the_same_bytes_for_another_branch_are_another_change(repo: Path) -> None:
    git(repo, "branch", "next")
    patch = one(repo, "A")
    uet(repo, "submit", patch)
    uet(repo, "submit", "--onto", "next", patch)
    uet(repo, "apply")
    assert [(e["target"], e["state"]) for e in entries(repo)] == [
        ("refs/heads/main", "committed"),
        ("refs/heads/next", "committed"),
    ]


def test_a_whole_series_again_after_it_landed_is_there_already(repo: Path) -> None:
    mbox = series(repo, "one", "two", "three")
    uet(repo, "apply", mbox)
    uet(repo, "apply", mbox)
    assert len(entries(repo)) == 3
    assert len(subjects(repo)) == 4


def test_a_series_again_with_a_new_last_part_lands_only_that(repo: Path) -> None:
    # Unnumbered mails, as `format-patch -N` writes them: the same bytes whatever comes after them.
    now, mails = TEN, []
    for line in (1, 2, 3):
        after = changed(line, base=now)
        mails.append(mail(f"part {line}", diff("a.txt", now, after)))
        now = after
    uet(repo, "apply", put(repo, "short.mbox", *mails[:2]))
    uet(repo, "apply", put(repo, "long.mbox", *mails))
    assert [e["title"] for e in entries(repo)] == ["part 1", "part 2", "part 3"]
    assert subjects(repo) == ["base", "part 1", "part 2", "part 3"]


# -- pause, drop, wait -------------------------------------------------------------------------------------------


def test_nothing_lands_while_the_queue_is_paused(repo: Path) -> None:
    uet(repo, "pause", "--reason", "release day")
    uet(repo, "submit", one(repo, "A"))
    stopped = uet(repo, "apply", code=None)
    assert stopped.code != 0
    assert b"release day" in stopped.out + stopped.err
    assert subjects(repo) == ["base"]
    uet(repo, "resume")
    uet(repo, "apply")
    assert subjects(repo) == ["base", "A"]


def test_a_pause_of_one_branch_leaves_the_others(repo: Path) -> None:
    git(repo, "branch", "next")
    uet(repo, "pause", "--onto", "next", "--reason", "frozen")
    uet(repo, "submit", one(repo, "A"))
    uet(repo, "submit", "--onto", "next", one(repo, "B", "b.txt"))
    uet(repo, "apply", code=None)
    assert states(repo) == {"1": "committed", "2": "queued"}


def test_dropping_what_is_over_is_refused(repo: Path) -> None:
    uet(repo, "apply", one(repo, "A"))
    uet(repo, "drop", "1", code=2)
    assert states(repo) == {"1": "committed"}


def test_wait_exits_by_the_outcome(repo: Path) -> None:
    uet(repo, "submit", one(repo, "A"))
    uet(repo, "wait", "1", "--timeout", "0.2", code=4)
    uet(repo, "apply")
    uet(repo, "wait", "1")
    uet(repo, "submit", one(repo, "B", old=changed(5, word=b"lost")))
    uet(repo, "apply", code=1)
    uet(repo, "wait", "1", "2", code=1)


# -- targets -----------------------------------------------------------------------------------------------------


def test_two_targets_are_drained_in_one_go(repo: Path) -> None:
    git(repo, "branch", "next")
    uet(repo, "submit", one(repo, "A"))
    uet(repo, "submit", "--onto", "next", one(repo, "B", "b.txt"))
    uet(repo, "apply")
    assert subjects(repo, "main") == ["base", "A"]
    assert subjects(repo, "next") == ["base", "B"]
    assert git(repo, "status", "--porcelain") == b""


def test_a_target_behind_its_upstream_waits(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    commit_files(repo, {"c.txt": changed(1)}, "upstream went on")
    git(clone, "fetch", "-q")
    patch = one(repo, "A")
    stopped = uet(clone, "apply", patch, code=1)
    assert b"queue.behind_upstream" in stopped.out
    assert b"next: git pull --ff-only" in stopped.out
    (waiting,) = uet(clone, "apply", "--json", code=1).document
    assert (waiting["state"], waiting["reason"]) == ("queued", "queue.behind_upstream")
    assert subjects(clone) == ["base"]
    git(clone, "checkout", "-q", "-b", "other")
    (waiting,) = uet(clone, "apply", "--json", "--onto", "main", code=1).document
    assert waiting["next"] == [["git", "fetch", "origin", "refs/heads/main:refs/heads/main"]]
    git(clone, *waiting["next"][0][1:])
    git(clone, "checkout", "-q", "main")
    uet(clone, "apply")
    assert subjects(clone) == ["base", "upstream went on", "A"]


def test_allow_behind_lands_all_the_same(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    commit_files(repo, {"c.txt": changed(1)}, "upstream went on")
    git(clone, "fetch", "-q")
    uet(clone, "apply", "--allow-behind", one(repo, "A"))
    assert subjects(clone) == ["base", "A"]


def test_a_users_commit_between_two_landings_stays(repo: Path) -> None:
    uet(repo, "apply", one(repo, "A"))
    commit_files(repo, {"b.txt": changed(2)}, "mine")
    uet(repo, "apply", one(repo, "C", "c.txt"))
    assert subjects(repo) == ["base", "A", "mine", "C"]
    assert git(repo, "status", "--porcelain") == b""


# -- the work tree and commits as patches ------------------------------------------------------------------------


def test_uncommitted_changes_of_another_work_tree_land(repo: Path, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    git(repo, "worktree", "add", "-q", "-b", "agent", str(desk))
    (desk / ".gitignore").write_bytes(b"*.log\n")
    (desk / "noise.log").write_bytes(b"noise\n")
    (desk / "a.txt").write_bytes(changed(4))
    (desk / "b.txt").rename(desk / "renamed.txt")
    (desk / "picture.bin").write_bytes(bytes(range(256)) * 8)
    (desk / "run.sh").write_bytes(b"#!/bin/sh\n")
    (desk / "run.sh").chmod(0o755)
    before = git(desk, "status", "--porcelain")

    uet(repo, "apply", "--onto", "main", "--worktree", str(desk), "-m", "From the desk")

    assert subjects(repo) == ["base", "From the desk"]
    assert (repo / "picture.bin").read_bytes() == bytes(range(256)) * 8
    assert (repo / "run.sh").stat().st_mode & 0o111
    assert not (repo / "b.txt").exists()
    assert not (repo / "noise.log").exists()
    assert git(desk, "status", "--porcelain") == before
    git(desk, "add", "-A")
    assert tree(repo) == git(desk, "write-tree").decode().strip()


def test_a_range_lands_on_another_branch_byte_for_byte(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    commit_files(
        repo, {"a.txt": changed(1), "new/bin": bytes(range(256))}, "Topic one\n\nWith a body."
    )
    commit_files(repo, {"a.txt": changed(1, 2), "crlf.txt": b"x\r\ny\r\n"}, "Topic two")
    git(repo, "switch", "-q", "main")
    uet(repo, "apply", "main..topic")
    assert tree(repo) == tree(repo, "topic")
    assert subjects(repo) == ["base", "Topic one", "Topic two"]


def test_a_branch_is_what_it_has_beyond_the_target(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    commit_files(repo, {"a.txt": changed(1)}, "Topic")
    git(repo, "switch", "-q", "main")
    commit_files(repo, {"b.txt": changed(1)}, "Main went on")
    uet(repo, "apply", "topic")
    assert subjects(repo) == ["base", "Main went on", "Topic"]


def _with_merge(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    commit_files(repo, {"a.txt": changed(1)}, "Topic")
    git(repo, "switch", "-q", "-c", "side", "main")
    commit_files(repo, {"b.txt": changed(1)}, "Side")
    git(repo, "switch", "-q", "topic")
    git(repo, "merge", "-q", "-m", "Merge side", "side")
    git(repo, "switch", "-q", "main")


def test_a_merge_in_a_range_is_refused_with_the_way_out(repo: Path) -> None:
    _with_merge(repo)
    refused = uet(repo, "submit", "main..topic", code=2)
    assert b"next: uet-git submit --squash main..topic" in refused.err
    assert subjects(repo) == ["base"]


def test_squash_takes_a_range_with_a_merge_as_one_patch(repo: Path) -> None:
    _with_merge(repo)
    uet(repo, "apply", "--squash", "main..topic")
    assert tree(repo) == tree(repo, "topic")
    assert len(subjects(repo)) == 2
