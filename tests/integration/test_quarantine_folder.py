"""The quarantine folder is in step with the ledger: two safe files for each quarantined patch, and nothing else."""

import json
import stat
from pathlib import Path

import pytest

from tests import damage
from tests.builders import commit_files, git, make_repo
from tests.damage import change, codes, edit, hand_in, problems
from uet_git.errors import DiskFull
from uet_git.host import contracts, files
from uet_git.ledger.held import held as held_rows
from uet_git.model.slug import slug
from uet_git.project import Project
from uet_git.queue import anchor, decide, quarantine

CLEAN: tuple[set[str], set[str]] = (set(), set())
HOSTILE = "Fix \x1b]0;x\x07 <script>\u202e ../../etc \x7f" + "ä" * 9_000


def held(name: str = "f0.txt", old: str = "old") -> bytes:
    """A readable but malformed diff of an existing file: it is quarantined."""
    return change(name, old, "new").replace(b"@@ -1 +1 @@", b"@@ -1,3 +1,3 @@")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = make_repo(tmp_path / "repo")
    commit_files(repo, {f"f{n}.txt": b"old\n" for n in range(4)}, "base")
    return repo


def folder(repo: Path) -> Path:
    return damage.database(repo).parent / "quarantine"


def names(repo: Path) -> set[str]:
    found = folder(repo)
    return (
        {p.name for p in found.iterdir() if not p.name.startswith(".")} if found.exists() else set()
    )


def test_nothing_is_made_where_nothing_is_quarantined(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, change("f0.txt", "old", "new"))
    assert not folder(repo).exists()


def test_the_look_at_the_end_of_every_command_reads_an_index(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, change("f0.txt", "old", "new"))
        asked: list[str] = []
        project.ledger.db.set_trace_callback(asked.append)
        assert not project.ledger.is_any_quarantined()
        held_rows(project.ledger)
        project.ledger.db.set_trace_callback(None)
        for sql in asked:
            plan = project.ledger.db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
            assert "entries_open" in plan[0][3], (sql, plan)
        assert len(asked) == 2


def test_files_come_and_go_with_the_entry(repo: Path) -> None:
    """The patch byte for byte, a report that satisfies its schema; both yours alone."""
    with Project.open(str(repo)) as project:
        hand_in(project, held(), message="Mend the Thing!\n")
        assert names(repo) == {"1-mend-the-thing.patch", "1-mend-the-thing.json"}
        assert (folder(repo) / "1-mend-the-thing.patch").read_bytes() == held()
        report = json.loads((folder(repo) / "1-mend-the-thing.json").read_bytes())
        contracts.check(report, "quarantine_report.v1")
        assert report["reason"] == "parse.repairable"
        assert report["repair"]["diff_text"].startswith("--- a/f0.txt")
        assert stat.S_IMODE(folder(repo).stat().st_mode) == 0o700
        modes = {stat.S_IMODE(p.stat().st_mode) for p in folder(repo).iterdir()}
        assert modes == {0o600}
        assert codes(repo) == CLEAN
        hand_in(project, held("f1.txt"), replaces=1)
        assert names(repo) == {"1.2-apply-0-patch.patch", "1.2-apply-0-patch.json"}
        decide.drop(project, project.ledger.entries.in_states(("quarantined",)), "")
        anchor.anchor_now(project)
    assert names(repo) == set()
    assert codes(repo) == CLEAN


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", "\u202e\x1b[31m".encode(), b"</script>"])
def test_hostile_text_is_in_no_name_and_in_no_report(repo: Path, raw: bytes) -> None:
    """Names are a-z, 0-9 and hyphens; a report is ASCII without control characters; the patch is as it came."""
    patch = raw.replace(b"\x00", b"") + b"\n\n" + held()
    with Project.open(str(repo)) as project:
        hand_in(project, patch, message=HOSTILE)
    (stem,) = {Path(n).stem for n in names(repo)}
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(stem) < 60
    text = (folder(repo) / f"{stem}.json").read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in text)
    assert json.loads(text)["title"].startswith("Fix ")
    assert (folder(repo) / f"{stem}.patch").read_bytes() == patch
    assert codes(repo) == CLEAN


def test_slugs() -> None:
    assert slug("Fix: the Pärser (v2)") == "fix-the-parser-v2"
    assert slug("../..\x1b\u202e") == "patch"
    assert len(slug("x" * 9_999)) == 40


# -- out of step -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["patch", "json"])
def test_a_deleted_file_is_found_and_put_back_by_the_next_command(repo: Path, ending: str) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, held())
    (gone,) = folder(repo).glob(f"*.{ending}")
    before = gone.read_bytes()
    gone.unlink()
    assert codes(repo) == ({"quarantine_missing"}, set())
    assert gone.name in problems(repo)[0].message
    with Project.open(str(repo)) as project:
        hand_in(project, change("f1.txt", "old", "new"))
    assert gone.read_bytes() == before
    assert codes(repo) == CLEAN


def test_an_edited_file_is_found(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, held())
    (path,) = folder(repo).glob("*.patch")
    path.write_bytes(path.read_bytes() + b"more\n")
    assert codes(repo) == ({"quarantine_differs"}, set())


@pytest.mark.parametrize("comes", [True, False])
def test_a_crash_between_ledger_and_files(
    repo: Path, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    """Known to fsck as such, and no damage: the next changing command is what mends it."""
    with Project.open(str(repo)) as project:
        if not comes:
            hand_in(project, held())
        with monkeypatch.context() as patched:
            patched.setattr(quarantine, "keep", lambda *_: None)
            if comes:
                hand_in(project, held())
            else:
                decide.drop(project, project.ledger.entries.in_states(("quarantined",)), "")
                anchor.anchor_now(project)
        assert codes(repo) == (set(), {"quarantine_behind" if comes else "quarantine_left_over"})
        hand_in(project, change("f1.txt", "old", "new"))
    assert bool(names(repo)) == comes
    assert codes(repo) == CLEAN


def test_a_full_disk_undoes_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as patched, Project.open(str(repo)) as project:
        hand_in(project, change("f1.txt", "old", "new"))
        patched.setattr(files, "write_atomic", full)
        hand_in(project, held())
    assert codes(repo) == (set(), {"quarantine_behind"})


def test_what_is_not_ours_stays(repo: Path) -> None:
    """Files of unknown entries may be all that is left of them; a link is not written through."""
    with Project.open(str(repo)) as project:
        hand_in(project, held())
        for name in ("77-lost.patch", "notes.txt", "1-mine.patch"):
            (folder(repo) / name).write_bytes(b"x")
        (repo / "victim").write_bytes(b"victim")
        (path,) = folder(repo).glob("1-apply*.patch")
        path.unlink()
        path.symlink_to(repo / "victim")
        hand_in(project, held("f1.txt"))
        decide.drop(project, project.ledger.entries.in_states(("quarantined",)), "")
        anchor.anchor_now(project)
    assert names(repo) == {"77-lost.patch", "notes.txt", "1-mine.patch"}
    assert (repo / "victim").read_bytes() == b"victim"
    assert codes(repo) == (set(), {"quarantine_stray"})


def test_redacted_bytes_leave_the_folder(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, held())
    edit(repo, "UPDATE patches SET content = NULL")
    assert codes(repo)[1] == {"quarantine_left_over"}
    with Project.open(str(repo)) as project:
        entries = project.ledger.entries.in_states(("quarantined",))
        quarantine.keep(project, entries)
    assert names(repo) == {"1-apply-0-patch.json"}
    assert codes(repo)[1] == set()


def test_an_older_copy_of_the_ledger_does_not_believe_the_mark(repo: Path) -> None:
    with Project.open(str(repo)) as project:
        hand_in(project, held())
    old = damage.database(repo).read_bytes()
    with Project.open(str(repo)) as project:
        hand_in(project, held("f1.txt"))
    damage.database(repo).write_bytes(old)
    with Project.open(str(repo)) as project:
        hand_in(project, held("f2.txt", "old"), message="Other\n")
    assert {"2-apply-0-patch.patch", "2-other.patch"} <= names(repo)
    git(repo, "status")
