"""Patches read out of a repository are byte-exact whatever its configuration says, and reading leaves no trace."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from tests.worktree_states import seen
from uet_git.errors import NoInput, UsageError
from uet_git.plumbing.git import discover
from uet_git.plumbing.harvest import (
    Mails,
    MergeInRange,
    classify,
    is_revision,
    range_mails,
    worktree_diff,
)

HOSTILE = {
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.renames": "false",
    "diff.algorithm": "patience",
    "diff.context": "0",
    "diff.interHunkContext": "9",
    "diff.indentHeuristic": "false",
    "diff.suppressBlankEmpty": "true",
    "diff.submodule": "log",
    "diff.external": "false",
    "diff.relative": "true",
    "diff.wsErrorHighlight": "all",
    "diff.colorMoved": "zebra",
    "diff.x.textconv": "rev",
    "diff.x.binary": "true",
    "color.ui": "always",
    "core.abbrev": "4",
    "core.quotePath": "false",
    "core.autocrlf": "true",
    "format.attach": "yes",
    "format.thread": "true",
    "format.signature": "me",
    "format.headers": "X-Evil: 1",
    "format.to": "x@example.com",
    "format.cc": "x@example.com",
    "format.from": "true",
    "format.subjectPrefix": "OTHER",
    "format.coverLetter": "true",
    "format.useAutoBase": "true",
    "format.signOff": "true",
    "format.notes": "true",
    "format.numbered": "true",
    "format.encodeEmailHeaders": "false",
    "format.outputDirectory": "elsewhere",
    "i18n.logOutputEncoding": "latin1",
    "log.showSignature": "true",
    "log.follow": "true",
}


def objects(repo: Path) -> set[str]:
    return {str(p) for p in (repo / ".git" / "objects").rglob("*") if p.is_file()}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(
        tmp_path / "r",
        {
            "a": b"".join(b"line %d\n" % i for i in range(40)),
            "bin": bytes(range(256)) * 9,
            "crlf": b"1\r\n2\r\n",
        },
    )


def make_series(repo: Path) -> list[str]:
    text = (repo / "a").read_bytes()
    one = commit_files(
        repo,
        {"a": text.replace(b"line 7", b"caf\xe9"), "n\xe9w": b"new\n"},
        "[tag] caf\u00e9\n\nFrom x\n",
    )
    git(repo, "mv", "a", "moved")
    git(repo, "commit", "-q", "-m", "move")
    two = git(repo, "rev-parse", "HEAD").decode().strip()
    three = commit_files(
        repo, {"bin": bytes(range(255, -1, -1)) * 9, "crlf": b"1\r\n3\r\n"}, "binary and crlf"
    )
    return [one, two, three]


def make_hostile(repo: Path, tmp_path: Path) -> None:
    for key, value in HOSTILE.items():
        git(repo, "config", key, value)
    order = tmp_path / "order"
    order.write_text("moved\nbin\n")
    git(repo, "config", "diff.orderFile", str(order))
    (repo / ".git" / "info" / "attributes").write_text("* diff=x -text\nbin diff\n")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_range_lands_again_exactly(object_format: str, tmp_path: Path) -> None:
    repo = make_repo(
        tmp_path / "r",
        {"a": b"1\n2\n3\n" * 9, "bin": bytes(256), "crlf": b"1\r\n"},
        object_format=object_format,
    )
    base = git(repo, "rev-parse", "HEAD").decode().strip()
    commits = make_series(repo)
    got = range_mails(discover(str(repo)), f"{base}..HEAD")
    assert isinstance(got, Mails)
    assert list(got.commits) == commits
    assert [m.split(b" ", 2)[1].decode() for m in got.mails] == commits
    git(repo, "reset", "-q", "--hard", base)
    for mail, commit in zip(got.mails, commits, strict=True):
        git(repo, "apply", "--index", stdin=mail)
        assert git(repo, "write-tree") == git(repo, "rev-parse", f"{commit}^{{tree}}")


def test_configuration_changes_nothing(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = git(repo, "rev-parse", "HEAD").decode().strip()
    make_series(repo)
    found = discover(str(repo))
    plain = range_mails(found, f"{base}..HEAD")
    (repo / "bin").write_bytes(b"\0edited")
    (repo / "moved").rename(repo / "again")
    plain_diff = worktree_diff(found)
    make_hostile(repo, tmp_path)
    home = tmp_path / "home"
    (home / "git").mkdir(parents=True)
    (home / "git" / "attributes").write_text("* binary\n")
    (home / "git" / "config").write_text("[diff]\n\tcontext = 1\n[format]\n\tattach\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "git" / "config"))
    assert range_mails(found, f"{base}..HEAD") == plain
    assert isinstance(plain, Mails)
    assert b"rename from a\nrename to moved\n" in plain.data
    assert b"diff --git a/a b/a\n" in plain.data
    assert b"GIT binary patch\n" in plain.data
    git(
        repo, "config", "--unset", "core.autocrlf"
    )  # this one changes what `git add` stores, as it should
    assert worktree_diff(found) == plain_diff
    assert b"rename from moved\nrename to again\n" in plain_diff.diff


def test_branch_commit_and_root(repo: Path) -> None:
    found = discover(str(repo))
    root = git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, "checkout", "-q", "-b", "side")
    commits = make_series(repo)
    git(repo, "checkout", "-q", "main")
    commit_files(repo, {"other": b"1\n"}, "main goes on")

    def taken(text: str, target: str = "HEAD") -> list[str]:
        got = range_mails(found, text, target)
        assert isinstance(got, Mails)
        return list(got.commits)

    assert taken("side") == taken("side", "refs/heads/main") == commits
    assert taken("refs/heads/side") == commits
    assert taken("main..side") == commits
    assert taken(f"{root}..side~1") == commits[:2]
    assert taken("side~1") == [commits[1]]
    assert taken("side..") == taken("side..HEAD")
    assert taken("side..side") == []
    assert taken("main", "main") == []
    assert taken(root) == [root]
    assert taken("side", "refs/heads/unborn") == [root, *commits]
    with pytest.raises(NoInput):
        range_mails(found, "nothing..HEAD")
    git(repo, "checkout", "-q", "--orphan", "lone")
    commit_files(repo, {"z": b"1\n"}, "lone")
    with pytest.raises(UsageError, match="share no history"):
        range_mails(found, "lone", "refs/heads/main")


def test_a_merge_is_named(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    commit_files(repo, {"s": b"1\n"}, "side")
    git(repo, "checkout", "-q", "main")
    commit_files(repo, {"m": b"1\n"}, "main")
    git(repo, "merge", "-q", "--no-edit", "side")
    merge = git(repo, "rev-parse", "HEAD").decode().strip()
    commit_files(repo, {"t": b"1\n"}, "top")
    found = discover(str(repo))
    assert range_mails(found, "HEAD~2..HEAD") == MergeInRange(merge)
    assert range_mails(found, merge) == MergeInRange(merge)
    assert isinstance(range_mails(found, "HEAD^..HEAD"), Mails)


def test_messages_that_look_like_mails_do_not_split(repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD").decode().strip()
    git(repo, "commit", "-q", "--allow-empty", "-m", "empty")
    empty = git(repo, "rev-parse", "HEAD").decode().strip()
    quote = (
        f"quoting\n\nFrom {empty} Mon Sep 17 00:00:00 2001\nFrom {base} Mon Sep 17 00:00:00 2001\n"
    )
    one = commit_files(repo, {"x": b"1\n"}, quote)
    two = commit_files(
        repo,
        {"x": b"2\n"},
        f"From {one} Mon Sep 17 00:00:00 2001\n\nFrom {one} Mon Sep 17 00:00:00 2001\n",
    )
    got = range_mails(discover(str(repo)), f"{base}..HEAD")
    assert isinstance(got, Mails)
    assert got.commits == (one, two)
    assert got.empty == (empty,)
    assert [m.count(b"diff --git") for m in got.mails] == [1, 1]


def test_a_range_of_a_shallow_clone(repo: Path, tmp_path: Path) -> None:
    commits = make_series(repo)
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{repo}", "shallow")
    got = range_mails(discover(str(tmp_path / "shallow")), "HEAD^..HEAD")
    assert isinstance(got, Mails)
    assert list(got.commits) == commits[-1:]
    assert got.mails[0].count(b"diff --git") == 2


def test_harvest_leaves_no_trace(repo: Path) -> None:
    make_series(repo)
    (repo / "new").write_bytes(b"unseen by the object store\n")
    (repo / "crlf").write_bytes(b"edited\n")
    before, stored = seen(repo), objects(repo)
    range_mails(discover(str(repo)), "HEAD^..HEAD")
    assert b"unseen" in worktree_diff(discover(str(repo))).diff
    assert (seen(repo), objects(repo)) == (before, stored)


def test_worktree_with_every_kind_of_edit(repo: Path, tmp_path: Path) -> None:
    (repo / "staged").write_bytes(b"1\n")
    git(repo, "add", "staged")
    (repo / "staged").write_bytes(b"2\n")
    (repo / "planned").write_bytes(b"planned\n")
    git(repo, "add", "-N", "planned")
    (repo / "untracked dir").mkdir()
    (repo / "untracked dir" / 'quo"te\n').write_bytes(b"u\n")
    (repo / ".gitignore").write_bytes(b"*.o\n")
    (repo / "x.o").write_bytes(b"ignored\n")
    (repo / ".ledger").mkdir()
    (repo / ".ledger" / "ledger.db").write_bytes(b"never\n")
    (repo / "crlf").unlink()
    (repo / "a").chmod(0o755)
    (repo / "link").symlink_to("a")
    (repo / "bin").write_bytes(bytes(reversed(range(256))))
    got = worktree_diff(discover(str(repo)))
    assert got.base == git(repo, "rev-parse", "HEAD").decode().strip()
    assert b"x.o" not in got.diff.replace(b"*.o", b"")
    assert b"ledger" not in got.diff
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), "clone")
    git(clone, "apply", "--index", stdin=got.diff)
    git(repo, "add", "-A", "--", ".", ":(exclude).ledger")
    assert git(clone, "write-tree") == git(repo, "write-tree")


@pytest.mark.parametrize("ignored", [True, False])
@pytest.mark.parametrize("linked", [True, False])
def test_worktree_leaves_the_ledger_out(
    repo: Path, tmp_path: Path, ignored: bool, linked: bool
) -> None:
    """The link that every command makes is ignored, and git is touchy about naming what is ignored."""
    home = tmp_path / "home" if linked else repo / ".ledger"
    home.mkdir()
    (home / "ledger.db").write_bytes(b"never\n")
    if linked:
        (repo / ".ledger").symlink_to(home)
    if ignored:
        (repo / ".git" / "info" / "exclude").write_text("/.ledger\n")
    (repo / "a").write_bytes(b"edited\n")
    (repo / "new").write_bytes(b"new\n")
    diff = worktree_diff(discover(str(repo))).diff
    assert b"+edited\n" in diff
    assert b"b/new\n" in diff
    assert b"ledger" not in diff


def test_worktree_clean_unborn_bare_and_subfolder(repo: Path, tmp_path: Path) -> None:
    assert worktree_diff(discover(str(repo))).diff == b""
    unborn = make_repo(tmp_path / "u", object_format="sha256")
    assert worktree_diff(discover(str(unborn))) == (b"", None, ())
    (unborn / "d").mkdir()
    (unborn / "d" / "f").write_bytes(b"1\n")
    (unborn / "g").write_bytes(b"1\n")
    got = worktree_diff(discover(str(unborn / "d")))
    assert got.base is None
    assert got.diff.count(b"new file mode") == 2
    with pytest.raises(UsageError):
        worktree_diff(discover(str(make_repo(tmp_path / "b.git", bare=True))))


def test_worktree_in_a_linked_tree_with_a_split_index(repo: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "other", str(linked))
    git(linked, "update-index", "--split-index")
    (linked / "n").write_bytes(b"1\n")
    (repo / "elsewhere").write_bytes(b"1\n")
    assert worktree_diff(discover(str(linked))).diff.count(b"diff --git") == 1


def test_a_clone_inside_is_left_out_and_a_submodule_is_not(repo: Path, tmp_path: Path) -> None:
    module = make_repo(tmp_path / "module", {"m": b"1\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module), "sub")
    git(repo, "clone", "-q", str(module), str(repo / "nested"))
    got = worktree_diff(discover(str(repo)))
    assert got.nested == (b"nested",)
    assert b"nested" not in got.diff
    assert b"Subproject commit" in got.diff


def test_unmerged_files_are_refused(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    commit_files(repo, {"a": b"side\n"}, "side")
    git(repo, "checkout", "-q", "main")
    commit_files(repo, {"a": b"main\n"}, "main")
    subprocess.run(["git", "-C", str(repo), "merge", "side"], capture_output=True, check=False)
    with pytest.raises(UsageError, match="unmerged"):
        worktree_diff(discover(str(repo)))


def test_line_endings_as_the_user_would_commit_them(repo: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    (repo / "n").write_bytes(b"1\r\n2\r\n")
    assert b"+1\n+2\n" in worktree_diff(discover(str(repo))).diff


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("main", "branch"),
        ("refs/heads/main", "branch"),
        ("HEAD", "commit"),
        ("HEAD~1", "commit"),
        ("v1", "commit"),
        ("HEAD~1..HEAD", "range"),
        ("main..", "range"),
        ("..main", "range"),
        ("HEAD~1...HEAD", None),
        ("x..main", None),
        ("nothing", None),
        ("a.patch", None),
        ("../a.patch", None),
        ("--all", None),
        ("", None),
        ("main\n", None),
        ("HEAD^{tree}", None),
    ],
)
def test_classify(text: str, kind: str | None, repo: Path) -> None:
    make_series(repo)
    git(repo, "tag", "-a", "-m", "v1", "v1")
    found = discover(str(repo))
    assert classify(found, text) == kind
    assert is_revision(found, text) is (kind is not None)


def test_quoted_object_path(tmp_path: Path) -> None:
    """A repository whose path holds a colon, which separates alternates."""
    repo = make_repo(tmp_path / 'a:b"c\\d', {"a": b"1\n"})
    (repo / "a").write_bytes(b"2\n")
    assert b"-1\n+2\n" in worktree_diff(discover(os.fspath(repo))).diff
