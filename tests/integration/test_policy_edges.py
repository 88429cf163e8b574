"""What is not looked at is told; findings name their file; words that are no pattern or no document are usage errors."""

import os
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, make_repo
from tests.product import uet

TOML = (
    b'version = 1\n[policy]\npreset = "standard"\n[gates.t]\nkind = "custom"\nrun = ["make", "t"]\n'
)
MAKEFILE = b"t:\n\t./t.sh\n"
BIG = b"x = 1\n" * 400_000


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    files = {"uet.toml": TOML, "Makefile": MAKEFILE, "t.sh": b"a\n", "big.txt": BIG}
    repo = make_repo(tmp_path / "repo", files)
    commit_files(repo, {"big.bin": b"\0" + BIG}, "more")
    return repo


def checked(repo: Path, patch: bytes) -> list[tuple[str, str, str]]:
    (repo.parent / "p").write_bytes(patch)
    (one,) = uet(repo, "policy", "check", "--json", repo.parent / "p", code=None).document[
        "patches"
    ]
    return [(f["code"], f["path"], f["detail"]) for f in one["findings"]]


def copied(name: str) -> bytes:
    return b"diff --git a/%s b/n\nsimilarity index 100%%\ncopy from %s\ncopy to n\n" % (
        (name.encode(),) * 2
    )


def test_of_a_large_file_not_all_is_looked_at(repo: Path) -> None:
    assert checked(repo, copied("big.txt")) == [
        ("content.secret", "n", "not all of it was looked at")
    ]
    assert checked(repo, copied("big.bin")) == [
        ("policy.noted", "n", "content.secret: not all of it was looked at")
    ]
    assert checked(repo, copied("t.sh")) == []


def test_a_file_that_make_runs_though_the_makefile_stays_as_it_is(repo: Path) -> None:
    assert [f[:2] for f in checked(repo, diff("t.sh", b"a\n", b"b\n"))] == [
        ("policy.gate_input", "t.sh")
    ]


def test_findings_of_patches_that_cannot_be_read_name_the_file(repo: Path) -> None:
    mode = diff("n.py", None, b"1\n").replace(b"100644", b"104755")
    assert [f[:2] for f in checked(repo, mode)] == [("mode.unknown", "n.py")]
    marked = b"\xef\xbb\xbf--- a/t.sh\n+++ b/t.sh\n@@ -1 +1 @@\n-a\n+b\n"
    (repo.parent / "p").write_bytes(marked)
    (one,) = uet(repo, "submit", "--json", repo.parent / "p", code=None).document
    told = [(f["code"], f["path"]) for f in one["findings"]]
    assert ("parse.repairable", "t.sh") in told


@pytest.mark.parametrize("pattern", ["", "/", "a/../b", "{a,b}"])
@pytest.mark.parametrize("command", [("submit",), ("policy", "check")])
def test_a_scope_that_is_no_pattern(repo: Path, pattern: str, command: tuple[str, ...]) -> None:
    (repo.parent / "p").write_bytes(diff("a.py", None, b"1\n"))
    done = uet(repo, *command, "--scope", pattern, repo.parent / "p", code=2)
    assert "--scope" in os.fsdecode(done.err)


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_deeply_nested_origin(repo: Path, depth: int) -> None:
    (repo.parent / "p").write_bytes(diff("a.py", None, b"1\n"))
    deep = repo.parent / "deep.json"
    deep.write_text('{"a": ' + "[" * depth + "]" * depth + "}")
    done = uet(repo, "submit", "--origin-json", f"@{deep}", repo.parent / "p", code=None)
    assert done.code in ((2,) if depth > 10_000 else (0, 1, 2))
