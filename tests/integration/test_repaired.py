"""A malformed but readable diff waits for a person with its repaired reading beside it; taken, that is the next revision
with the same author and message, and lands. What cannot be read in one way is refused as before (DESIGN 4, 12)."""

import re
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entries, entry, head, uet
from uet_git.errors import UsageError
from uet_git.model.entry import Entry
from uet_git.project import Project
from uet_git.queue import repaired
from uet_git.queue import submit as intake
from uet_git.queue.options import Options, Source

FILE = b"".join(b"line%d\n" % n for n in range(1, 13))
NEW = FILE.replace(b"line5\n", b"line five\n")
GOOD = diff("a.txt", FILE, NEW)
BAD = GOOD.replace(b"@@ -2,7 +2,7 @@", b"@@ -2,9 +2,7 @@")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    crlf = FILE.replace(b"\n", b"\r\n")
    return make_repo(tmp_path / "repo", {"a.txt": FILE, "src/x.txt": FILE, "crlf.txt": crlf})


def handed_in(project: Project, data: bytes, **options: object) -> Entry:
    source = Source("x.patch", data)
    given = Options(target="refs/heads/main", **options)  # type: ignore[arg-type]
    return intake.submit(project, [source], given)[0].entry


@pytest.fixture
def project(repo: Path):  # type: ignore[no-untyped-def]
    with Project.open(str(repo)) as opened:
        opened.ensure_ledger()
        yield opened


def test_it_waits_and_is_landed_as_the_next_revision(project: Project, repo: Path) -> None:
    sent = mail("Say five", BAD, author="Ann B <ann@example.com>", body="Because.\n")
    first = handed_in(project, sent)
    assert (first.state, first.reason) == ("quarantined", "parse.repairable")
    assert (
        first.detail == "a.txt: hunk 1 says 9 old and 7 new lines, it has 7 and 7 (parse.hunk_body)"
    )
    stored = repaired.of(project, first)
    assert stored is not None
    source, options = repaired.take(project, first)
    assert stored.content == source.data
    second = intake.submit(project, [source], options)[0].entry
    assert (second.number, second.revision, second.state) == (first.number, 2, "queued")
    assert second.message == first.message == "Say five\n\nBecause.\n"
    assert (second.author_name, second.author_date) == ("Ann B", first.author_date)
    again = project.ledger.entries.get(first.entry_id)
    assert again is not None
    assert (again.state, again.reason) == ("dropped", "queue.superseded")
    uet(repo, "apply")
    assert git(repo, "show", "main:a.txt") == NEW
    said = git(repo, "log", "-1", "--format=%an %ae %at%n%B", "main").decode()
    assert said.startswith("Ann B ann@example.com 1712311200\nSay five\n\nBecause.\n")
    uet(repo, "fsck")


def test_the_first_one_is_never_applied(project: Project, repo: Path) -> None:
    before = head(repo)
    handed_in(project, BAD)
    uet(repo, "apply")
    assert head(repo) == before
    assert entries(repo)[0]["state"] == "quarantined"
    uet(repo, "retry", "1", code=None)
    uet(repo, "apply", code=None)
    assert head(repo) == before


def test_nothing_is_taken_where_nothing_is_offered(project: Project) -> None:
    for data in (GOOD, b"no patch\n", GOOD[:-4]):
        found = handed_in(project, data)
        assert repaired.of(project, found) is None
        with pytest.raises(UsageError, match="not offered"):
            repaired.take(project, found)


def test_a_reading_that_fits_nowhere_says_where_it_differs(project: Project) -> None:
    found = handed_in(project, BAD.replace(b" line4", b" line 4"))
    assert (found.state, found.reason) == ("dropped", "parse.hunk_body")
    assert [f["code"] for f in found.findings] == ["parse.hunk_body", "apply.conflict"]
    assert "line 4 is `line4`, the patch expects `line 4`" in (found.detail or "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"a/src/x.txt", b"b/src/x.txt", None),
        (b"src/x.txt", b"src/x.txt", "no a/ and b/"),
        (b"a/crlf.txt", b"b/crlf.txt", "end in LF, the file's in CR LF"),
    ],
)
def test_a_well_formed_patch_that_means_another_place(
    project: Project, repo: Path, old: bytes, new: bytes, words: str | None
) -> None:
    """git reads it, and it does not fit; as it was meant, it does."""
    body = GOOD[GOOD.index(b"@@") :]
    found = handed_in(project, b"--- %b\n+++ %b\n%b" % (old, new, body))
    assert found.state == "queued"
    uet(repo, "apply", code=None)
    after = project.ledger.entries.get(found.entry_id)
    assert after is not None
    if words is None:
        assert after.state == "committed"
        return
    assert (after.state, after.reason) == ("quarantined", "parse.repairable")
    assert words in (after.detail or "")
    source, options = repaired.take(project, after)
    intake.submit(project, [source], options)
    uet(repo, "apply")
    want = NEW.replace(b"\n", b"\r\n") if b"crlf" in old else NEW
    assert git(repo, "show", b"main:" + old.removeprefix(b"a/")) == want
    uet(repo, "fsck")


def test_a_patch_that_conflicts_as_it_stands_is_no_malformation(
    project: Project, repo: Path
) -> None:
    commit_files(repo, {"a.txt": FILE.replace(b"line5", b"line 5")}, "other")
    found = handed_in(project, GOOD)
    uet(repo, "apply", code=None)
    after = project.ledger.entries.get(found.entry_id)
    assert after is not None
    assert (after.state, after.reason) == ("apply_failed", "apply.conflict")


def test_a_path_that_no_patch_may_name_is_not_offered(project: Project) -> None:
    body = b"@@ ... @@\n+x\n"
    found = handed_in(project, b"--- /dev/null\n+++ b/.git/hooks/pre-commit\n" + body)
    assert (found.state, repaired.of(project, found)) == ("dropped", None)
    assert "path.dotgit" in [f["code"] for f in found.findings]


def test_no_file_is_guessed_where_two_have_the_name(project: Project, repo: Path) -> None:
    """Also where a well formed patch names a folder that is not there."""
    lost = diff("gone/a.txt", FILE, NEW)
    offered = handed_in(project, lost.replace(b"@@ -2,7 +2,7 @@", b"@@ -2,9 +2,7 @@"))
    assert offered.reason == "parse.repairable"
    commit_files(repo, {"lib/a.txt": FILE}, "more")
    other = lost.replace(b"line five", b"line V")
    for sent in (other, other.replace(b"@@ -2,7 +2,7 @@", b"@@ -2,9 +2,7 @@")):
        entry = handed_in(project, sent)
        uet(repo, "apply", code=None)
        found = project.ledger.entries.get(entry.entry_id)
        assert found is not None
        assert found.reason != "parse.repairable"
        assert repaired.of(project, found) is None


def test_the_rules_of_its_phase_hold_for_what_was_repaired(project: Project, repo: Path) -> None:
    config = b"version = 1\n[policy.phases.p1]\nforbidden = ['src/**']\n"
    commit_files(repo, {"uet.toml": config}, "rules")
    sent = diff("src/x.txt", FILE, NEW).replace(b"@@ -2,7 +2,7 @@", b"@@ -2,9 +2,7 @@")
    ids = {"phase_id": "p1", "prompt_id": "q", "tool_run_id": "t"}
    first = handed_in(project, sent, ids=ids)
    assert first.reason == "parse.repairable"
    source, options = repaired.take(project, first)
    second = intake.submit(project, [source], options)[0].entry
    assert (second.phase_id, second.prompt_id, second.tool_run_id) == ("p1", "q", "t")
    assert second.reason == "policy.forbidden_path"


def test_a_series_waits_for_it(project: Project, repo: Path) -> None:
    two = diff("a.txt", NEW, NEW.replace(b"line9\n", b"nine\n"))
    sources = [
        Source("1", mail("one", BAD).replace(b"[PATCH]", b"[PATCH 1/2]")),
        Source("2", mail("two", two).replace(b"[PATCH]", b"[PATCH 2/2]")),
    ]
    done = intake.submit(project, sources, Options(target="refs/heads/main"))
    assert [d.entry.reason for d in done] == ["parse.repairable", "queue.dependency_dropped"]
    source, options = repaired.take(project, done[0].entry)
    again = intake.submit(project, [source], options)[0].entry
    assert (again.series_id, again.series_index) == (done[0].entry.series_id, 1)
    uet(repo, "retry", "2")
    uet(repo, "apply")
    assert git(repo, "show", "main:a.txt") == NEW.replace(b"line9\n", b"nine\n")


def test_foreign_bytes_are_escaped(project: Project, repo: Path) -> None:
    name = b"\xe2\x80\xaex.txt"
    body = b"@@ ... @@\n+\x1b]0;title\x07\n"
    handed_in(project, b"--- /dev/null\n+++ " + name + b"\n" + body)
    said = uet(repo, "show", "1").out
    assert not re.search(rb"[\x1b\x07]|\xe2\x80\xae", said)
    assert b"repaired patch:" in said


def test_damage_is_found(project: Project, repo: Path) -> None:
    found = handed_in(project, BAD)
    uet(repo, "fsck")
    project.ledger.db.execute(
        "UPDATE repairs SET content = (SELECT content FROM patches LIMIT 1) WHERE entry_id = ?",
        (found.entry_id,),
    )
    said = uet(repo, "fsck", code=1)
    assert b"not those that were offered" in said.out + said.err
    with pytest.raises(UsageError):
        repaired.take(project, found)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("62-wrong-counts", "quarantined", "parse.repairable"),
        ("63-wrong-counts-small", "quarantined", "parse.repairable"),
        ("86-truncated", "dropped", "parse.truncated"),
        ("41-garbage", "dropped", "parse.empty"),
        ("80-trailing-second-diff", "dropped", "parse.garbage_between"),
        ("81-am-message-diff", "dropped", "parse.garbage_between"),
        ("91-combined-diff", "dropped", "parse.git"),
        ("93-intoverflow", "dropped", "parse.hunk_header"),
    ],
)
def test_nasty(tmp_path: Path, corpora: Path, name: str, state: str, reason: str) -> None:
    folder = corpora.parent / "nasty"
    if not folder.is_dir():
        pytest.skip("the nasty patches are not on this machine")
    lines = b"".join(b"line%d\n" % n for n in range(1, 11))
    repo = make_repo(tmp_path / "repo", {"a.txt": lines})
    uet(repo, "submit", folder / f"{name}.patch", code=1)
    found = entry(repo, 1)
    assert (found["state"], found["reason"]) == (state, reason)
    offer = found["repaired"]
    assert (offer is not None) == (reason == "parse.repairable")
    if offer is not None:
        assert offer["diff_text"].endswith(
            "@@ -1,3 +1,3 @@\n line1\n-line2\n+line2 changed\n line3\n"
        )
