"""`log COMMIT` and `blame FILE`: which change, who, which run, which gates on which tree, what was waived
(DESIGN 12, 14)."""

from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entry, head, trust, uet
from uet_git.errors import NotFound, ObjectTooLarge
from uet_git.host import contracts
from uet_git.plumbing import blame
from uet_git.project import Project
from uet_git.queue import provenance

BASE = b"one\ntwo\nthree\n"
HOSTILE = "\x1b[31mred\u202eevil"
GATES = b"version = 1\n[gates.g]\nkind = 'custom'\nrun = ['true']\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Line 1 is of a released change of an agent, line 2 is older than the ledger, line 3 is nobody's."""
    home = tmp_path_factory.mktemp("provenance")
    repo = make_repo(home / "repo", {"a.txt": BASE, "uet.toml": GATES})
    trust(repo)
    new = b"ONE\ntwo\nthree\n"
    both = diff("a.txt", BASE, new) + diff("aux.txt", None, HOSTILE.encode() + b"\n")
    (home / "1.patch").write_bytes(mail(f"First {HOSTILE}", both))
    uet(repo, "submit", "../1.patch", env={"UET_ORIGIN": "codex"}, code=1)
    uet(repo, "release", "1", "--reason", "known name")
    uet(repo, "apply")
    commit_files(repo, {"a.txt": b"ONE\ntwo\nTHREE\n"}, "Past all of it")
    return repo


def test_a_commit_tells_its_change_its_run_its_gates_and_what_was_waived(repo: Path) -> None:
    commit = git(repo, "rev-parse", "HEAD^").decode().strip()
    found = uet(repo, "log", commit[:12], "--json").document
    assert list(contracts.iter_errors(found, "provenance.v1")) == []
    assert (found["commit"], found["class"]) == (commit, "queue")
    assert (found["change"]["number"], found["change"]["submitter"]) == (1, "agent:codex")
    whole = entry(repo, "1")
    assert found["run"]["id"] in {
        e["run"] for e in whole["events"] if e["kind"] == "patch_committed"
    }
    tree = git(repo, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    assert [(g["name"], g["state"], g["tree"]) for g in found["gates"]] == [("g", "passed", tree)]
    (waiver,) = found["waived"]
    assert (waiver["codes"], waiver["why"]) == (["path.windows_unsafe"], "known name")
    assert waiver["actor"].startswith(("person:", "ci:"))


@pytest.mark.parametrize(("revision", "kind"), [("HEAD", "out_of_band"), ("main~2", "before")])
def test_a_commit_that_is_not_the_queues_is_named_by_its_class(
    repo: Path, revision: str, kind: str
) -> None:
    """The whole chain's class, not only a look at the entry; and nothing is written for it."""
    with Project.open(str(repo)) as project:
        before = project.ledger.last_seq()
        found = provenance.of_commit(project, revision)
        assert (found.audited.kind, found.entry, found.gates) == (kind, None, ())
        assert project.ledger.last_seq() == before


def test_lines_are_grouped_under_their_commits(repo: Path) -> None:
    (repo / "sub").mkdir(exist_ok=True)
    found = uet(repo / "sub", "blame", "../a.txt", "--json").document
    assert list(contracts.iter_errors(found, "blame.v1")) == []
    assert found["path"] == "a.txt"
    assert [(g["first"], g["last"], g["text"]) for g in found["lines"]] == [
        *((1, 1, ["ONE"]), (2, 2, ["two"])),
        (3, 3, ["THREE"]),
    ]
    kinds = [found["commits"][g["commit"]]["class"] for g in found["lines"]]
    assert kinds == ["queue", "before", "out_of_band"]
    said = uet(repo, "blame", "a.txt", "-L", "1,2").out.decode()
    assert "change 1  by agent:codex" in said
    assert "gates g; waived path.windows_unsafe" in said
    assert "THREE" not in said


def test_nothing_foreign_reaches_the_terminal_raw(repo: Path) -> None:
    for args in (("blame", "aux.txt"), ("log", "HEAD^"), ("blame", "aux.txt", "--json")):
        out = uet(repo, *args).out
        assert b"evil" in out
        assert b"\x1b" not in out
        assert "\u202e".encode() not in out


def test_what_is_not_there_is_said_and_what_is_too_large_is_not_read(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Project.open(str(repo)) as project:
        for path, revision, span in (
            (b"no", "HEAD", None),
            (b"a.txt", "no", None),
            (b"a.txt", "HEAD", (9, 9)),
            (b"sub", "HEAD", None),
        ):
            with pytest.raises(NotFound):
                provenance.of_file(project, path, revision, span)
        monkeypatch.setattr(blame, "LARGEST", 3)
        with pytest.raises(ObjectTooLarge):
            provenance.of_file(project, b"a.txt", "HEAD")


def test_the_users_blame_settings_do_not_matter(repo: Path) -> None:
    """A configuration that makes git's own blame fail, or hides commits, changes nothing."""
    git(repo, "config", "blame.ignoreRevsFile", "missing")
    try:
        assert uet(repo, "blame", "a.txt", "--json").document["revision"] == head(repo)
    finally:
        git(repo, "config", "--unset", "blame.ignoreRevsFile")


def test_a_branch_that_is_called_like_a_change_is_two_readings(repo: Path) -> None:
    git(repo, "branch", "1")
    try:
        said = uet(repo, "log", "1", "--json", code=2).document["error"]["message"]
        assert "an entry and a revision" in said
        assert uet(repo, "log", "refs/heads/1", "--json").document["class"] == "out_of_band"
    finally:
        git(repo, "branch", "-D", "1")


def test_who_approved_is_told(tmp_path: Path) -> None:
    rules = b"version = 1\n[policy]\nmin_reviewers = 1\n"
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "uet.toml": rules})
    (tmp_path / "p").write_bytes(mail("Needs a vote", diff("a.txt", BASE, b"1\ntwo\nthree\n")))
    uet(repo, "submit", "../p", env={"UET_ORIGIN": "codex"}, code=1)
    uet(repo, "approve", "1", "--reason", "reads well")
    uet(repo, "apply")
    (vote,) = uet(repo, "log", "HEAD", "--json").document["approvals"]
    assert vote["why"] == "reads well"
    assert vote["actor"].startswith("person:")
    assert b"approved by person:" in uet(repo, "blame", "a.txt").out
