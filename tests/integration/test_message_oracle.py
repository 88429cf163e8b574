"""Rule: messages and commit objects are byte for byte what git's own commands make of the same input."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import commit_files, git, make_repo
from tests.mails import DIFF, mail
from uet_git.model import mail as mails
from uet_git.model import message

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
LINES = st.lists(
    st.sampled_from(
        [b"\n", b"\n", b"text\n", b"A-b: c\n", b" folded\n", b"Signed-off-by: x <y@z>\n", b"(cherry picked from commit 12)\n",
         b"#c\n", b"Conflicts:\n", b"\tpath\n", b"---x\n", b"no colon\n", b"Uet-Patch: 1\n", b"Key of: two words\n",
         b"Signed-off-by: C O Mitter <committer@example.com>\n", b"-- \n", b"\xc3\xa9: x\n"]
    ),
    max_size=9,
).map(b"".join)  # fmt: skip


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_repo(tmp_path_factory.mktemp("message") / "repo")
    git(folder, "config", "user.name", "C O Mitter")
    git(folder, "config", "user.email", "committer@example.com")
    commit_files(folder, {"base.txt": b"base\n"}, "base")
    return folder


def as_rewritten(text: bytes) -> bytes:
    """interpret-trailers drops comment lines among trailers and pulls up the value of one that begins folded; we do not."""
    kept = b"\n".join(line.rstrip() for line in text.split(b"\n") if not line.startswith(b"#"))
    return re.sub(rb":\n[ \t]+", b": ", kept)


@RELAXED
@given(
    st.lists(
        st.sampled_from([b"a", b" ", b"\t", b"\n", b"\n", b"\r", b"\x0b", b"\x0c", b"#", b"\xe9"])
    ).map(b"".join)
)
def test_clean_is_stripspace(repo: Path, raw: bytes) -> None:
    assert message.clean(raw) == git(repo, "stripspace", stdin=raw)


@RELAXED
@given(LINES)
def test_a_trailer_goes_where_interpret_trailers_puts_it(repo: Path, body: bytes) -> None:
    text = message.clean(b"title\n\n" + body)
    theirs = git(
        repo,
        "interpret-trailers",
        "--no-divider",
        "--if-exists",
        "add",
        "--trailer",
        "Uet-Patch: 2",
        stdin=text,
    )
    assert as_rewritten(message.with_trailer(text, b"Uet-Patch", b"2")) == as_rewritten(theirs)


@RELAXED
@given(LINES)
def test_trailers_are_those_that_git_reads(repo: Path, body: bytes) -> None:
    text = message.clean(b"title\n\n" + body)
    theirs = git(repo, "interpret-trailers", "--no-divider", "--parse", stdin=text).splitlines()
    for key in (b"Uet-Patch", b"A-b", b"Signed-off-by"):
        values = [line[len(key) + 2 :] for line in theirs if line.startswith(key + b": ")]
        assert message.read_trailer(text, key) == values


@RELAXED
@given(LINES)
def test_sign_off_is_that_of_am(repo: Path, body: bytes) -> None:
    raw = mail(body=body, tail=b"---\n" + DIFF)
    (repo / "mail").write_bytes(raw)
    git(repo, "am", "-q", "-s", "--keep-cr", "mail")
    theirs = git(repo, "cat-file", "commit", "HEAD").partition(b"\n\n")[2]
    git(repo, "reset", "-q", "--hard", "HEAD~")
    plain = mails.read(raw).message
    assert message.sign_off(plain, b"C O Mitter", b"committer@example.com") == theirs


@RELAXED
@given(LINES)
def test_title_is_the_subject_that_log_shows(repo: Path, body: bytes) -> None:
    text = message.clean(b"a\nb\n" + body)
    commit = git(repo, "commit-tree", "HEAD^{tree}", stdin=text).strip()
    assert message.title(text) == git(repo, "log", "-1", "--format=%s", commit).rstrip(b"\n")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("text", [b"title\n", b"", b"caf\xe9\n\nbody\n", "é\n".encode()])
def test_a_commit_object_is_what_commit_tree_writes(
    tmp_path: Path, text: bytes, signed: bool, object_format: str
) -> None:
    repo = make_repo(tmp_path / "repo", object_format=object_format)
    commit_files(repo, {"a": b"a\n"}, "base")
    program = tmp_path / "gpg"
    program.write_bytes(
        b"#!/bin/sh\ncat >/dev/null\necho >&2\necho '[GNUPG:] SIG_CREATED ' >&2\ncat <<'E'\n%bE\n"
        % SIGNATURE
    )
    program.chmod(0o755)
    tree, parent = git(repo, "rev-parse", "HEAD^{tree}", "HEAD").decode().split()
    env = {
        **{
            "GIT_AUTHOR_NAME": " Jörg, ",
            "GIT_AUTHOR_EMAIL": "<a@b>",
            "GIT_AUTHOR_DATE": "1700000000 +0130",
        },
        "GIT_COMMITTER_DATE": "1700000001 -0730",
    }
    done = subprocess.run(
        ["git", "-C", str(repo), "-c", f"gpg.program={program}", "commit-tree", tree, "-p", parent, *(["-S"] if signed else [])],
        input=text, capture_output=True, check=True, env={**os.environ, **env},
    )  # fmt: skip
    theirs = git(repo, "cat-file", "commit", done.stdout.strip())
    assert theirs == message.commit_object(
        tree,
        [parent],
        (" Jörg, ".encode(), b"<a@b>"),
        b"1700000000 +0130",
        (b"C O Mitter", b"committer@example.com"),
        b"1700000001 -0730",
        text,
        SIGNATURE if signed else None,
    )
