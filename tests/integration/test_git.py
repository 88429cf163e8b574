"""git.py: the repository is found in whatever shape it has, and errors say the next command."""

import os
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.errors import (
    DubiousOwnership,
    GitFailed,
    GitLocked,
    GitMissing,
    NoIdentity,
    NotARepository,
)
from uet_git.plumbing import git as plumbing
from uet_git.plumbing import identity
from uet_git.plumbing.git import discover


def test_discover_from_a_subfolder(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a/b.txt": b"1\n"})
    found = discover(str(repo / "a"))
    assert (found.git_dir, found.common_dir) == (str(repo / ".git"), str(repo / ".git"))
    assert (found.top, found.object_format) == (str(repo), "sha1")


def test_discover_bare_linked_and_sha256(tmp_path: Path) -> None:
    bare = discover(str(make_repo(tmp_path / "bare.git", bare=True)))
    assert bare.top is None
    repo = make_repo(tmp_path / "r", {"a": b"1\n"}, object_format="sha256")
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    linked = discover(str(tmp_path / "linked"))
    assert linked.object_format == "sha256"
    assert linked.hex_length == 64
    assert linked.top == str(tmp_path / "linked")
    assert linked.common_dir == str(repo / ".git")
    assert linked.git_dir == str(repo / ".git" / "worktrees" / "linked")
    assert len(linked.empty_tree) == 64


def test_discover_inside_the_git_directory(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    assert discover(str(repo / ".git")).top is None


def test_discover_with_a_newline_in_the_path(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "two\nlines", {"a": b"1\n"})
    assert discover(str(repo)).top == str(repo)


def test_discover_ignores_the_callers_git_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    other = make_repo(tmp_path / "other", {"a": b"1\n"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert discover(str(repo)).git_dir == str(repo / ".git")


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="not a git repository"):
        discover(str(tmp_path))
    with pytest.raises(NotARepository, match="not a folder"):
        discover(str(tmp_path / "nowhere"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
def test_dubious_ownership_names_gits_own_command(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(DubiousOwnership) as caught:
        discover(str(repo))
    assert caught.value.next == ("git", "config", "--global", "--add", "safe.directory", str(repo))


def test_git_missing_or_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n[ \"$1\" = version ] && echo 'git version 2.20.1' && exit 0\nexit 129\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    with pytest.raises(GitMissing, match=r"2\.20\.1 is too old, 2\.36"):
        discover(str(tmp_path))
    fake.unlink()
    with pytest.raises(GitMissing, match="not on PATH"):
        discover(str(tmp_path))


def test_head(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    found = discover(str(repo))
    assert plumbing.head(found) == ("refs/heads/main", None)
    tip = commit_files(repo, {"a": b"1\n"}, "one")
    assert plumbing.head(found) == ("refs/heads/main", tip)
    git(repo, "checkout", "-q", "--detach")
    assert plumbing.head(found) == (None, tip)


def test_config_is_the_users_not_ours(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r")
    git(repo, "config", "core.hooksPath", "my hooks\nhere")
    git(repo, "config", "--add", "x.list", "1")
    git(repo, "config", "--add", "x.list", "2")
    with (repo / ".git" / "config").open("a") as file:
        file.write("[y]\n\tflag\n")
    found = plumbing.config(discover(str(repo)))
    assert found["core.hookspath"] == ["my hooks\nhere"]
    assert found["x.list"] == ["1", "2"]
    assert found["y.flag"] == ["true"]
    assert "gc.auto" not in found


def test_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = discover(str(make_repo(tmp_path / "r")))
    assert identity.find(found) == (b"C O Mitter", b"committer@example.com")
    assert identity.find(found, "AUTHOR") == (b"A U Thor", b"author@example.com")


@pytest.mark.parametrize(
    ("env", "config", "is_stated"),
    [
        ({"NAME": "A B", "EMAIL": "a@b.c"}, {}, True),
        ({}, {"user.name": "A B", "user.email": "a@b.c"}, True),
        ({"NAME": "A B"}, {"user.email": "a@b.c"}, True),
        ({"EMAIL": "a@b.c"}, {"user.name": "A B", "user.email": "x@y.z"}, True),
        (
            {},
            {"committer.name": "C", "user.name": "U", "user.email": "u@x", "author.name": "A"},
            True,
        ),
        ({}, {"committer.name": "", "user.name": "U \xdc", "user.email": "u@x"}, True),
        ({"NAME": "B\udcffd", "EMAIL": "a@b.c"}, {}, True),
        ({"NAME": "A B Jr.", "EMAIL": "a@b.c"}, {}, False),
        ({"NAME": "A <B>", "EMAIL": "a@b.c"}, {}, False),
        ({"NAME": " A\nB ", "EMAIL": "a@b.c"}, {}, False),
        ({"NAME": "", "EMAIL": "a@b.c"}, {"user.name": "A"}, False),
        ({"NAME": "A"}, {"user.useConfigOnly": "false"}, False),
        ({}, {"user.email": "u@x"}, False),
    ],
)
def test_an_identity_that_is_stated_is_what_git_would_say(
    env: dict[str, str],
    config: dict[str, str],
    is_stated: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo = make_repo(tmp_path / "r")
    for key, value in config.items():
        git(repo, "config", key, value)
    for name in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_COMMITTER_{name}")
    for name, value in env.items():
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    found = discover(str(repo))
    known = plumbing.config(found)
    stated = identity.stated(lambda key: (known.get(key) or [None])[-1])
    assert (stated is not None) is is_stated
    if stated is not None:
        assert identity.find(found) == stated


@pytest.mark.parametrize("missing", ["user.name", "user.email"])
def test_no_identity_gives_a_command_that_helps(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(tmp_path / "r")
    git(repo, "config", "user.useConfigOnly", "true")
    other = {"user.name": "user.email", "user.email": "user.name"}[missing]
    git(repo, "config", other, "x@example.com")
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    found = discover(str(repo))
    with pytest.raises(NoIdentity, match=missing) as caught:
        identity.find(found)
    assert caught.value.next[:3] == ("git", "config", missing)
    git(repo, *caught.value.next[1:])
    assert identity.find(found)


def test_failures_carry_gits_words_and_the_lock(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    found = discover(str(repo))
    with pytest.raises(GitFailed, match="git rev-parse: fatal: Needed a single revision"):
        found.run("rev-parse", "--verify", "nothing")
    lock = repo / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    with pytest.raises(GitLocked, match=r"/\.git/index\.lock, \d{9,} s old"):
        found.run("add", "a")


def test_hooks_and_fsmonitor_do_not_run(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(trap))
    (repo / ".git" / "hooks" / "post-index-change").symlink_to(trap)
    (repo / "a").write_bytes(b"2\n")
    found = discover(str(repo))
    found.run("add", "a")
    plumbing.facts(found)
    assert not (tmp_path / "sprung").exists()


def test_facts(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    git(repo, "remote", "add", "origin", "https://example.com/x.git")
    git(repo, "branch", "other")
    found = discover(str(repo))
    facts = plumbing.facts(found)
    assert facts["remotes"] == {"origin": "https://example.com/x.git"}
    assert facts["branches"] == ["main", "other"]
    assert (facts["dirty"], facts["bare"], facts["hooks_path"]) == (False, False, None)
    (repo / "new").write_bytes(b"1\n")
    git(repo, "config", "core.hooksPath", ".husky")
    facts = plumbing.facts(found)
    assert (facts["dirty"], facts["hooks_path"]) == (True, ".husky")


def test_facts_of_a_bare_and_of_an_unborn_repository(tmp_path: Path) -> None:
    assert plumbing.facts(discover(str(make_repo(tmp_path / "b.git", bare=True))))["bare"] is True
    facts = plumbing.facts(discover(str(make_repo(tmp_path / "u", object_format="sha256"))))
    assert (facts["branches"], facts["dirty"]) == ([], False)


@pytest.mark.parametrize(
    "name", ["main", "a/b-c/D_1", "a.b", "unborn", "été", "a+b", "heads/x", "-x", None]
)
@pytest.mark.parametrize("linked", [False, True])
def test_the_branch_is_what_git_says(name: str | None, linked: bool, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    where = tmp_path / "linked" if linked else repo
    if linked:
        git(repo, "worktree", "add", "-q", "--detach", str(where))
    if name is None:
        git(where, "checkout", "-q", "--detach")
    else:
        git(where, "symbolic-ref", "HEAD", f"refs/heads/{name}")
    found = discover(str(where))
    said = None if name is None else os.fsdecode(git(where, "symbolic-ref", "HEAD")).strip()
    assert plumbing.branch(found) == said == (name and f"refs/heads/{name}")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("how", ["ref", "link"])
def test_a_branch_that_stands_for_another_is_that_one(
    how: str, packed: bool, tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    if packed:
        git(repo, "pack-refs", "--all")
    if how == "ref":
        git(repo, "symbolic-ref", "refs/heads/master", "refs/heads/main")
    else:
        (repo / ".git/refs/heads/master").symlink_to("main")
    git(repo, "symbolic-ref", "HEAD", "refs/heads/master")
    found = discover(str(repo))
    assert plumbing.branch(found) == plumbing.head(found).branch


def test_a_head_that_is_no_usual_file_is_left_to_git(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "r", {"a": b"1\n"})
    (repo / ".git/HEAD").unlink()
    (repo / ".git/HEAD").symlink_to("refs/heads/main")
    assert plumbing.branch(discover(str(repo))) == "refs/heads/main"
