"""Every kind of repository and path that must work, does (DESIGN 14)."""

import subprocess
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entries, head, snapshot, states, subjects, tree, uet

BASE = b"one\ntwo\nthree\n"
NEW = b"one\n2\nthree\n"
GOOD = mail("Good", diff("a.txt", BASE, NEW))


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    path = tmp_path / "good.patch"
    path.write_bytes(GOOD)
    return path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"a.txt": BASE, "dir/b.txt": BASE})


def _clean(repo: Path) -> None:
    assert git(repo, "status", "--porcelain") == b""
    git(repo, "fsck", "--strict", "--no-dangling")


def test_a_linked_work_tree(repo: Path, patch: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "topic", str(linked))
    before = snapshot(repo)
    uet(linked, "apply", patch)
    assert subjects(repo, "topic") == ["base", "Good"]
    assert (linked / "a.txt").read_bytes() == NEW
    before["refs"] = [r for r in before["refs"] if b"topic" not in r]
    after = snapshot(repo)
    after["refs"] = [r for r in after["refs"] if b"topic" not in r]
    assert after == before
    assert states(repo) == states(linked) == {"1": "committed"}
    _clean(linked)


def test_a_branch_that_is_checked_out_elsewhere_is_brought_along(
    repo: Path, patch: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "-b", "topic", str(linked))
    (linked / "mine.txt").write_bytes(b"mine\n")
    (linked / "dir" / "b.txt").write_bytes(b"edited\n")
    uet(repo, "apply", "--onto", "topic", patch)
    assert (linked / "a.txt").read_bytes() == NEW
    assert (repo / "a.txt").read_bytes() == BASE
    assert git(linked, "status", "--porcelain") == b" M dir/b.txt\n?? mine.txt\n"
    _clean(repo)


def test_a_subfolder(repo: Path, patch: Path) -> None:
    uet(repo / "dir", "apply", "../../good.patch")
    assert (repo / "a.txt").read_bytes() == NEW
    assert entries(repo / "dir")[0]["state"] == "committed"
    _clean(repo)


def test_inside_the_git_folder(repo: Path, patch: Path) -> None:
    uet(repo / ".git", "apply", patch)
    assert subjects(repo) == ["base", "Good"]


def test_a_bare_repository(repo: Path, patch: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repo), str(bare)], check=True)
    git(bare, "remote", "remove", "origin")
    uet(bare, "apply", patch)
    assert subjects(bare) == ["base", "Good"]
    assert states(bare) == {"1": "committed"}
    git(bare, "fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_an_unborn_branch(tmp_path: Path, object_format: str) -> None:
    repo = make_repo(tmp_path / "repo", object_format=object_format)
    first, second = tmp_path / "1.patch", tmp_path / "2.patch"
    first.write_bytes(mail("First", diff("a.txt", None, BASE)))
    second.write_bytes(mail("Second", diff("a.txt", BASE, NEW), diff("dir/b.txt", None, BASE)))
    uet(repo, "apply", first)
    uet(repo, "apply", second)
    assert subjects(repo) == ["First", "Second"]
    assert (repo / "a.txt").read_bytes() == NEW
    _clean(repo)


def test_an_unborn_branch_takes_a_series(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    mbox = tmp_path / "s.mbox"
    mbox.write_bytes(
        mail("First", diff("a.txt", None, BASE)) + mail("Second", diff("a.txt", BASE, NEW))
    )
    uet(repo, "apply", mbox)
    assert subjects(repo) == ["First", "Second"]
    _clean(repo)


def test_a_sha256_repository(tmp_path: Path, patch: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE}, object_format="sha256")
    git(repo, "switch", "-q", "-c", "topic")
    commit_files(repo, {"bin": bytes(range(256)) * 4, "dir/c": b"c\n"}, "Binary")
    git(repo, "switch", "-q", "main")
    uet(repo, "apply", patch)
    uet(repo, "apply", "main..topic")
    assert subjects(repo) == ["base", "Good", "Binary"]
    assert (repo / "bin").read_bytes() == bytes(range(256)) * 4
    _clean(repo)


def test_a_detached_head_with_onto(repo: Path, patch: Path) -> None:
    git(repo, "switch", "-q", "--detach")
    before = head(repo, "HEAD")
    uet(repo, "apply", "--onto", "main", patch)
    assert subjects(repo, "main") == ["base", "Good"]
    assert head(repo, "HEAD") == before
    _clean(repo)


@pytest.mark.parametrize(
    "name",
    ["with space.txt", "tab\there.txt", 'quo"te.txt', "back\\slash.txt", "naïve-日本.txt", "-dash", "--onto", "dir/ä ö/ü.txt", "*?[x]", ":colon", "a" * 200],
)  # fmt: skip
def test_paths_of_every_kind(repo: Path, name: str) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    commit_files(repo, {f"./{name}": BASE}, "Add")
    commit_files(repo, {f"./{name}": NEW}, "Change")
    git(repo, "mv", f"./{name}", f"./{name}2")
    git(repo, "commit", "-q", "-m", "Rename")
    mbox = repo.parent / "topic.mbox"
    mbox.write_bytes(git(repo, "format-patch", "-M", "--stdout", "main"))
    git(repo, "switch", "-q", "main")
    strange = any(c in name for c in '\t"\\*?:')
    ran = uet(repo, "apply", mbox, code=None)
    if strange and ran.code:  # other systems cannot hold it: a person decides
        assert {e["reason"] for e in entries(repo)} <= {
            "path.windows_unsafe",
            "path.control_char",
            "queue.dependency_dropped",
        }
        return
    assert ran.code == 0, ran.said
    assert tree(repo) == tree(repo, "topic")
    assert (repo / f"{name}2").read_bytes() == NEW
    _clean(repo)


def test_a_path_that_is_not_utf8_needs_a_person(repo: Path) -> None:
    name = b"caf\xe9.txt"
    git(repo, "switch", "-q", "-c", "topic")
    (repo / name.decode("utf-8", "surrogateescape")).write_bytes(BASE)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "Latin")
    git(repo, "switch", "-q", "main")
    uet(repo, "apply", "main..topic", code=1)
    assert entries(repo)[0]["reason"] == "path.encoding"


def test_a_repository_whose_own_path_is_odd(tmp_path: Path, patch: Path) -> None:
    repo = make_repo(tmp_path / "my repo 'ü' \"x\" $(y)", {"a.txt": BASE})
    uet(repo, "apply", patch)
    assert subjects(repo) == ["base", "Good"]
    _clean(repo)


def test_a_branch_with_an_odd_name(repo: Path, patch: Path) -> None:
    git(repo, "switch", "-q", "-c", "feature/ünï-code@2")
    uet(repo, "apply", patch)
    assert subjects(repo, "feature/ünï-code@2") == ["base", "Good"]
    _clean(repo)


def test_standard_input(repo: Path) -> None:
    uet(repo, "apply", "-", stdin=GOOD)
    assert subjects(repo) == ["base", "Good"]


def test_a_bare_diff_with_a_message(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.diff").write_bytes(diff("a.txt", BASE, NEW))
    uet(
        repo,
        "apply",
        "-m",
        "Mine\n\nBody.",
        "--author",
        "An Agent <agent@example.com>",
        "-s",
        "../plain.diff",
    )
    message = git(repo, "log", "-1", "--format=%an <%ae>%n%B").decode()
    assert message.startswith(
        "An Agent <agent@example.com>\nMine\n\nBody.\n\nSigned-off-by: C O Mitter <committer@example.com>\nUet-Patch: "
    )


def test_a_folder_of_the_users_named_like_the_link(repo: Path, patch: Path) -> None:
    (repo / ".ledger").mkdir()
    (repo / ".ledger" / "mine").write_bytes(b"mine\n")
    uet(repo, "apply", patch)
    assert (repo / ".ledger" / "mine").read_bytes() == b"mine\n"
    assert states(repo) == {"1": "committed"}


def test_a_link_of_the_users_named_like_ours(repo: Path, patch: Path) -> None:
    (repo / ".ledger").symlink_to("dir")
    git(repo, "add", "-f", ".ledger")
    git(repo, "commit", "-q", "-m", "link")
    uet(repo, "apply", patch)
    assert (repo / ".ledger").readlink() == Path("dir")
    assert states(repo) == {"1": "committed"}
    _clean(repo)


def test_a_copied_repository_has_a_ledger_of_its_own(
    repo: Path, patch: Path, tmp_path: Path
) -> None:
    uet(repo, "submit", patch)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(repo), str(copy)], check=True)
    uet(copy, "apply")
    assert states(copy) == {"1": "committed"}
    assert states(repo) == {"1": "queued"}


def test_a_packed_repository(repo: Path, patch: Path) -> None:
    git(repo, "gc", "-q", "--prune=now")
    git(repo, "pack-refs", "--all")
    uet(repo, "apply", patch)
    git(repo, "pack-refs", "--all")
    uet(repo, "apply", "-", stdin=mail("Next", diff("a.txt", NEW, BASE)))
    assert subjects(repo) == ["base", "Good", "Next"]
    _clean(repo)


def test_a_shallow_clone(repo: Path, patch: Path, tmp_path: Path) -> None:
    commit_files(repo, {"c.txt": b"c\n"}, "more")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", str(shallow))
    uet(shallow, "apply", patch)
    assert subjects(shallow) == ["more", "Good"]
    assert uet(shallow, "apply", patch).code == 0
    assert len(subjects(shallow)) == 2


def test_autocrlf_leaves_the_work_tree_clean(repo: Path, patch: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    uet(repo, "apply", patch)
    assert (repo / "a.txt").read_bytes() == NEW.replace(b"\n", b"\r\n")
    _clean(repo)


def test_a_submodule_stays_as_it_is(repo: Path, patch: Path, tmp_path: Path) -> None:
    other = make_repo(tmp_path / "other", {"x": b"x\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "sub")
    git(repo, "commit", "-q", "-m", "sub")
    (repo / "sub" / "x").write_bytes(b"edited\n")
    before = git(repo, "status", "--porcelain")
    uet(repo, "apply", patch)
    assert git(repo, "status", "--porcelain") == before == b" M sub\n"
    uet(repo / "sub", "list")


def test_sparse_checkout(repo: Path, tmp_path: Path) -> None:
    git(repo, "sparse-checkout", "set", "--no-cone", "/a.txt")
    (tmp_path / "p.patch").write_bytes(
        mail("Both", diff("a.txt", BASE, NEW), diff("dir/b.txt", BASE, NEW))
    )
    uet(repo, "apply", "../p.patch")
    assert not (repo / "dir").exists()
    assert git(repo, "show", "main:dir/b.txt") == NEW
    assert git(repo, "status", "--porcelain") == b""


def test_looking_works_from_a_subfolder(repo: Path, patch: Path) -> None:
    uet(repo, "apply", patch)
    for args in (
        ("list",),
        ("status",),
        ("show", "1"),
        ("log",),
        ("run", "list"),
        ("show", "1", "--patch"),
    ):
        assert uet(repo / "dir", *args).out
    assert uet(repo, "show", "1", "--patch").out == GOOD
