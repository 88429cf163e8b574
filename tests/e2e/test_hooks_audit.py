"""Every way to make a commit has its class in `audit`, and nothing claims more than is proved (DESIGN 11)."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.hooking import NO_GATES, audited, commit, edit, hooked, kind, newest, run, sound
from tests.product import uet


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return hooked(tmp_path / "repo", {"uet.toml": NO_GATES, "b": b"b\n"})


def side(repo: Path, content: str = "side\n") -> str:
    """A branch with one commit, made past every hook; returns its commit."""
    git(repo, "checkout", "-q", "-b", "side")
    off = ("-c", "core.hooksPath=/dev/null")
    edit(repo, "side", content.encode())
    git(repo, "add", "side")
    git(repo, *off, "commit", "-qm", "beside")
    found = git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, *off, "checkout", "-q", "main")
    return found


def do_commit(repo: Path) -> None:
    commit(repo, "two")


def do_commit_all(repo: Path) -> None:
    edit(repo, "a", b"two\n")
    assert run(repo, "commit", "-qam", "all").code == 0


def do_amend(repo: Path) -> None:
    do_commit(repo)
    edit(repo, "a", b"three\n")
    assert run(repo, "commit", "-qa", "--amend", "-m", "amended").code == 0


def do_amend_message(repo: Path) -> None:
    do_commit(repo)
    assert run(repo, "commit", "-q", "--amend", "-m", "reworded").code == 0


def do_empty(repo: Path) -> None:
    assert run(repo, "commit", "-q", "--allow-empty", "-m", "nothing").code == 0


def do_no_verify(repo: Path) -> None:
    commit(repo, "two", "--no-verify")


def do_cherry_pick(repo: Path) -> None:
    assert run(repo, "cherry-pick", side(repo)).code == 0


def do_revert(repo: Path) -> None:
    do_commit(repo)
    assert run(repo, "revert", "--no-edit", "HEAD").code == 0


def do_rebase(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "topic")
    commit(repo, "two")
    git(repo, "checkout", "-q", "main")
    commit(repo, "new\n", name="b")
    git(repo, "checkout", "-q", "topic")
    assert run(repo, "rebase", "-q", "main").code == 0
    git(repo, "checkout", "-q", "main")
    assert run(repo, "merge", "-q", "--ff-only", "topic").code == 0


def do_am(repo: Path) -> None:
    patch = mail("by mail", diff("b", b"b\n", b"mailed\n"))
    assert run(repo, "am", "-q", stdin=patch).code == 0


def do_merge(repo: Path) -> None:
    side(repo)
    do_commit(repo)
    assert run(repo, "merge", "-q", "--no-edit", "side").code == 0


def do_merge_with_conflict(repo: Path) -> None:
    side(repo, "one side\n")
    edit(repo, "side", b"the other\n")
    git(repo, "add", "side")
    assert run(repo, "commit", "-qm", "against").code == 0
    assert run(repo, "merge", "side").code == 1
    edit(repo, "side", b"both\n")
    git(repo, "add", "side")
    assert run(repo, "commit", "-q", "--no-edit").code == 0


def do_fast_forward_to_hooked(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "topic")
    commit(repo, "two")
    git(repo, "checkout", "-q", "main")
    assert run(repo, "merge", "-q", "--ff-only", "topic").code == 0


def do_fast_forward_to_unseen(repo: Path) -> None:
    side(repo)
    assert run(repo, "merge", "-q", "--ff-only", "side").code == 0


def do_without_hooks(repo: Path) -> None:
    edit(repo, "a", b"two\n")
    assert run(repo, "-c", "core.hooksPath=/dev/null", "commit", "-qam", "x").code == 0


def do_plumbing(repo: Path) -> None:
    made = git(repo, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "plumbing").decode().strip()
    git(repo, "update-ref", "refs/heads/main", made)


def do_land(repo: Path) -> None:
    patch = mail("landed", diff("b", b"b\n", b"landed\n"))
    uet(repo, "apply", "-", stdin=patch)


def do_pull_rebase_of_landed(repo: Path) -> None:
    """What the queue landed here goes on top of what was pushed meanwhile: other trees, so no verdict."""
    away = repo.parent / "away"
    git(repo.parent, "clone", "-q", str(repo), str(away))
    do_land(repo)
    commit_files(away, {"c": b"theirs\n"}, "theirs")
    assert run(repo, "pull", "-q", "--rebase", str(away), "main").code == 0


def do_forge_by_hand(repo: Path) -> None:
    do_land(repo)
    ulid = newest(repo)["id"]
    edit(repo, "a", b"two\n")
    assert run(repo, "commit", "-qan", "-m", f"forged\n\nUet-Patch: {ulid}").code == 0


def do_forge_by_plumbing(repo: Path) -> None:
    do_land(repo)
    ulid = newest(repo)["id"]
    text = f"forged\n\nUet-Patch: {ulid}"
    made = git(repo, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", text).decode().strip()
    git(repo, "update-ref", "refs/heads/main", made)


TABLE = [
    (do_commit, "hook"),
    (do_commit_all, "hook"),
    (do_amend, "hook"),
    (do_amend_message, "hook"),
    (do_empty, "hook"),
    (do_no_verify, "unverified"),
    (do_cherry_pick, "unverified"),
    (do_revert, "unverified"),
    (do_rebase, "unverified"),
    (do_am, "unverified"),
    (do_merge, "hook"),
    (do_merge_with_conflict, "hook"),
    (do_fast_forward_to_hooked, "hook"),
    (do_fast_forward_to_unseen, "out_of_band"),
    (do_without_hooks, "out_of_band"),
    (do_plumbing, "out_of_band"),
    (do_land, "queue"),
    (do_pull_rebase_of_landed, "unverified"),
    (do_forge_by_hand, "unverified"),
    (do_forge_by_plumbing, "out_of_band"),
]


@pytest.mark.parametrize(("operation", "expected"), TABLE, ids=lambda v: getattr(v, "__name__", v))
def test_each_operation_has_its_class(operation, expected: str, repo: Path) -> None:
    operation(repo)
    assert kind(repo) == expected
    ran = uet(repo, "audit", "HEAD~1..HEAD", code=None)
    good = expected in ("queue", "hook")
    if operation not in (do_merge, do_merge_with_conflict):  # the other side came past the hooks
        assert ran.code == (0 if good else 1), ran.said
    if "forge" in operation.__name__:
        assert b"forged_trailer" in uet(repo, "fsck", code=1).out
    else:
        sound(repo)


def test_it_does_not_matter_when_one_looks(repo: Path) -> None:
    """Looked at once after many operations, every commit has the class that it would have had alone."""
    do_commit(repo)
    commit(repo, "three", "--no-verify")
    do_land(repo)
    do_without_hooks(repo)
    assert run(repo, "revert", "--no-edit", "HEAD").code == 0
    assert list(audited(repo).values()) == [
        "hook",
        "unverified",
        "queue",
        "out_of_band",
        "unverified",
    ]
    assert list(audited(repo).values()) == [
        "hook",
        "unverified",
        "queue",
        "out_of_band",
        "unverified",
    ]
    sound(repo)


def test_what_is_older_is_before(repo: Path) -> None:
    do_commit(repo)
    assert audited(repo, "main") == {"base": "before", "say two": "hook"}
    assert uet(repo, "audit", "main").code == 0


def test_a_rewritten_commit_names_what_it_was(repo: Path) -> None:
    do_commit(repo)
    old = git(repo, "rev-parse", "HEAD").decode().strip()
    edit(repo, "a", b"three\n")
    run(repo, "commit", "-qa", "--amend", "-m", "amended")
    (found,) = uet(repo, "audit", "--json").document["commits"]
    assert (found["class"], found["rewritten_from"]) == ("hook", old)


def test_one_event_for_a_range_that_nobody_saw(repo: Path) -> None:
    for number in range(3):
        edit(repo, "a", str(number).encode())
        run(repo, "-c", "core.hooksPath=/dev/null", "commit", "-qam", f"unseen {number}")
    uet(repo, "audit", code=1)
    uet(repo, "audit", code=1)
    told = [e for e in uet(repo, "log", "--json").document if e["kind"] == "commits_seen"]
    ranges = [e["payload"] for e in told if e["payload"]["what"] == "range"]
    assert [(r["commits"], r["out_of_band"]) for r in ranges] == [(3, 3)]


def test_a_new_branch_brings_no_commit_that_is_not_new(repo: Path) -> None:
    do_commit(repo)
    git(repo, "branch", "other")
    commit(repo, "three")
    git(repo, "branch", "-f", "other", "main")
    assert set(audited(repo).values()) == {"hook"}
    assert set(audited(repo, "other").values()) == {"hook", "before"}
    sound(repo)


def test_the_first_commit_of_all(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    uet(repo, "hook", "install")
    commit(repo, "one")
    assert kind(repo) == "hook"
    assert audited(repo) == {"say one": "hook"}
    sound(repo)


def test_a_fresh_clone_is_proved_by_the_log(repo: Path, tmp_path: Path) -> None:
    """The log of the ledger that was fetched accounts for every commit; one more by hand is named."""
    do_commit(repo)
    do_land(repo)
    uet(repo, "audit")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    uet(clone, "audit", "origin/main", code=1)
    git(clone, "fetch", "-q", "origin", "refs/uet/*:refs/uet/*")
    document = uet(clone, "audit", "origin/main", "--json").document
    assert document["ok"]
    assert {k: v for k, v in document["totals"].items() if v} == {"elsewhere": 2, "before": 1}
    made = commit_files(clone, {"c": b"c\n"}, "by hand")
    ran = uet(clone, "audit", "HEAD", code=1)
    assert made[:10].encode() in ran.out
    assert b"out_of_band" in ran.out
    assert not (clone / ".git" / "uet").exists(), "looking makes no ledger"


def test_a_log_that_was_tampered_with_proves_nothing_from_there_on(
    repo: Path, tmp_path: Path
) -> None:
    do_commit(repo)
    uet(repo, "audit")
    log = git(repo, "for-each-ref", "--format=%(refname)", "refs/uet/log").decode().strip()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    made = commit_files(clone, {"c": b"c\n"}, "by hand")
    git(clone, "fetch", "-q", "origin", "refs/uet/*:refs/uet/*")
    lines = git(clone, "show", f"{log}:events.jsonl").decode().splitlines()
    old = next(x for x in lines if '"kind":"patch_committed"' in x)
    landed = git(repo, "rev-parse", "main").decode().strip()
    text = "\n".join(x.replace(landed, made) if x == old else x for x in lines) + "\n"
    blob = git(clone, "hash-object", "-w", "--stdin", stdin=text.encode()).decode().strip()
    tree = (
        git(clone, "mktree", stdin=f"100644 blob {blob}\tevents.jsonl\n".encode()).decode().strip()
    )
    top = git(clone, "commit-tree", tree, "-p", f"{log}^", "-m", "x").decode().strip()
    git(clone, "update-ref", log, top)
    ran = uet(clone, "audit", "HEAD", "--json", code=1)
    kinds = {c["commit"]: c["class"] for c in ran.document["commits"]}
    assert kinds[made] == "out_of_band"
    assert ran.document["broken_logs"]


def test_pre_push_refuses_what_has_no_verdict(tmp_path: Path) -> None:
    repo = hooked(tmp_path / "repo", names=("pre-commit", "post-commit", "pre-push"))
    away = make_repo(tmp_path / "away.git", bare=True)
    git(repo, "remote", "add", "away", str(away))
    commit(repo, "two")
    assert run(repo, "push", "-q", "away", "main").code == 0
    commit(repo, "three", "--no-verify")
    did = run(repo, "push", "-q", "away", "main")
    assert did.code == 1
    assert "unverified" in did.err
    assert run(repo, "push", "-q", "--no-verify", "away", "main").code == 0


def test_status_tells_of_what_nobody_looked_at(repo: Path) -> None:
    """Computed, not written: the next command that changes something records it."""
    run(repo, "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "beside")
    for _ in range(2):
        found = uet(repo, "status", "--json").document
        assert found["out_of_band"] == [{"ref": "refs/heads/main", "commits": 1}]
    assert b"1 commit on main came past every hook: uet-git audit main" in uet(repo, "status").out
    assert audited(repo)["beside"] == "out_of_band"
    assert uet(repo, "status", "--json").document["out_of_band"] == []


@pytest.mark.nightly
def test_the_first_command_in_a_long_history(tmp_path: Path) -> None:
    """100,000 commits: the command that makes the ledger, and a look at the branch, take less than 300 ms, or on a
    slow machine little more than with one commit. The best of several, each on a ledger of its own."""
    long = make_repo(tmp_path / "long")
    stream = b"".join(
        b"commit refs/heads/main\nmark :%d\ncommitter A <a@x> %d +0000\ndata 2\nx\n%bM 100644 inline a\ndata 6\n%06d\n"
        % (n, 1_600_000_000 + n, b"" if n == 1 else b"from :%d\n" % (n - 1), n)
        for n in range(1, 100_001)
    )
    git(long, "fast-import", "--quiet", stdin=stream)
    git(long, "reset", "-q", "--hard")
    short = make_repo(tmp_path / "short", {"a": b"a\n"})
    best: dict[tuple[str, str], float] = {}
    for _ in range(7):
        for repo in (long, short):
            subprocess.run(["rm", "-rf", str(repo / ".git" / "uet")], check=True)
            run(repo, "config", "--unset", "uet.ledger")
            for args in (("submit", "-"), ("audit",)):
                began = time.perf_counter()
                uet(repo, *args, stdin=mail("x", diff("n", None, b"n\n")))
                key = repo.name, args[0]
                best[key] = min(best.get(key, 9.0), time.perf_counter() - began)
    for command in ("submit", "audit"):
        took, usual = best["long", command], best["short", command]
        assert took < max(0.3, usual + 0.05), (command, took, usual)
