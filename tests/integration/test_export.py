"""An export proves itself in any folder: whatever is edited, deleted, swapped or cut off is found and named."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import damage
from tests.builders import make_repo
from tests.damage import Templates, change, hand_in, seq_of
from tests.product import uet
from uet_git.errors import LedgerCorrupt, NoInput
from uet_git.host import contracts
from uet_git.host.config import parse_toml
from uet_git.ledger import documents, events
from uet_git.model.trust import trust_hash
from uet_git.project import Project
from uet_git.queue import anchor, export, fsck_from
from uet_git.queue import redact as redacting
from uet_git.queue.problem import DAMAGE

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Path:
    """A ledger with rows of every kind that nobody changes."""
    return templates.copy(tmp_path_factory.mktemp("read") / "repo")


@pytest.fixture(scope="module")
def whole(built: Path) -> bytes:
    """Its export with the bytes of patches."""
    return exported(built, patches=True)


def exported(repo: Path, *, patches: bool = False) -> bytes:
    file = io.BytesIO()
    with Project.open(str(repo)) as project:
        export.export(project, file, patches=patches)
    return file.getvalue()


def codes(data: bytes, head: str | None = None) -> set[str]:
    """The codes of damage."""
    found = fsck_from.check(io.BytesIO(data), head).problems
    assert all(p.message for p in found)
    return {p.code for p in found if p.severity == DAMAGE}


def raw(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def rewritten(data: bytes, edit: Callable[[Lines], None]) -> bytes:
    """The export after an edit of its lines by somebody who makes every line's hash fit again."""
    lines = [json.loads(line) for line in raw(data)]
    edit(lines)
    file = io.BytesIO()
    made = export.Lines(file)
    for line in lines:
        if line["table"] == export.END:
            line["body"]["lines"] = len(lines)
        made.add(line["table"], events.canonical(line["body"]))
    return file.getvalue()


def some(lines: list[bytes], first: int = 0) -> list[int]:
    """Places to damage: the first ones, the last one, and some in between."""
    return sorted({*range(first, 4), *range(4, len(lines), 9), len(lines) - 1})


def of(lines: Lines, table: str) -> Lines:
    return [line for line in lines if line["table"] == table]


# -- what is in it ---------------------------------------------------------------------------------------------------


def test_it_holds_the_chain_and_every_row(built: Path, whole: bytes) -> None:
    """Every line satisfies the schema of lines, its body that of its table, and every row of the ledger is there."""
    lines = [json.loads(line) for line in raw(whole)]
    for line in lines:
        contracts.check(line, "export_line.v1")
    assert codes(whole) == set()
    with Project.open(str(built)) as project:
        db = project.ledger.db
        for table in documents.SCHEMAS:
            (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert len(of(lines, table)) == count, table
        assert [line["body"] for line in of(lines, "events")] == [
            documents.event_document(e) for e in project.ledger.events()
        ]


def test_the_bytes_of_patches_are_in_it_only_when_asked_for(built: Path, whole: bytes) -> None:
    plain = exported(built)
    assert codes(plain) == set()
    for data, there in ((plain, False), (whole, True)):
        bodies = [json.loads(line)["body"] for line in raw(data) if b'"table":"patches"' in line]
        assert bodies
        for body in bodies:
            assert (body["diff_text"] or body["diff_base64"] or "") != "" or not there
            assert there or (body["diff_text"], body["redacted"]) == (None, False)


def test_it_leaves_nothing_behind_and_needs_no_repository(built: Path, tmp_path: Path) -> None:
    before = damage.snapshot(built)
    uet(built, "export", tmp_path / "e.jsonl")
    assert damage.snapshot(built) == before
    assert (tmp_path / "e.jsonl").stat().st_mode & 0o777 == 0o600
    done = uet(tmp_path, "fsck", "--from", "e.jsonl")
    assert b"the export is sound" in done.out
    assert b"note: not_anchored" in done.out
    document = uet(tmp_path, "fsck", "--from", "e.jsonl", "--json").document
    contracts.check(document, "fsck.v1")
    piped = uet(tmp_path, "fsck", "--from", "-", stdin=(tmp_path / "e.jsonl").read_bytes()).out
    assert piped == done.out


def test_what_is_no_export(tmp_path: Path) -> None:
    for data in (b"", b"{}\n", b"not JSON\n" * 9, b"[1]\n", b"\xff\xfe\n", b"[" * 100_000):
        with pytest.raises(NoInput):
            codes(data)


def test_a_ledger_whose_rows_cannot_be_read_is_not_exported(
    tmp_path: Path, templates: Templates
) -> None:
    """A damaged chain is exported and told by the check; an unreadable row refuses, and names what to do."""
    repo = templates.copy(tmp_path / "repo")
    damage.edit(repo, "UPDATE events SET actor = 'person:Eve' WHERE seq = 9")
    assert codes(exported(repo)) == {"event_edited"}
    damage.edit(repo, "UPDATE entries SET findings = 'no JSON' WHERE number = 1")
    with pytest.raises(LedgerCorrupt) as caught:
        exported(repo)
    assert caught.value.next == ("uet-git", "fsck")


# -- edits by hand ---------------------------------------------------------------------------------------------------


def test_an_edited_line_is_found(whole: bytes) -> None:
    """One character of any line: it is that line, or the one after it, that is named."""
    lines = raw(whole)
    for place in some(lines):
        line = lines[place]
        at = line.index(b":") + 20
        swapped = b"7" if line[at : at + 1] != b"7" else b"8"
        bad = [*lines[:place], line[:at] + swapped + line[at + 1 :], *lines[place + 1 :]]
        assert codes(b"".join(bad)), line[:200]


def test_a_deleted_line_is_found(whole: bytes) -> None:
    lines = raw(whole)
    for place in some(lines):
        found = codes(b"".join(lines[:place] + lines[place + 1 :]))
        expected = "export_truncated" if place == len(lines) - 1 else "line_missing"
        assert expected in found, lines[place][:200]


def test_swapped_lines_are_found(whole: bytes) -> None:
    lines = raw(whole)
    for place in some(lines[:-1]):
        swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
        assert codes(b"".join(swapped)) & {"line_moved", "export_truncated"}


def test_a_truncation_is_found(whole: bytes) -> None:
    """At a line's end, and in the middle of a line."""
    lines = raw(whole)
    for place in some(lines, 1):
        cut = b"".join(lines[:place])
        assert "export_truncated" in codes(cut)
        assert "export_truncated" in codes(cut + lines[place][: len(lines[place]) // 2])
    assert codes(whole[:-1]) >= {"export_truncated"}


def test_a_doubled_line_and_added_text(whole: bytes) -> None:
    lines = raw(whole)
    assert codes(b"".join([*lines[:5], lines[4], *lines[5:]])) >= {"line_moved"}
    assert codes(b"".join([*lines[:5], b"\n", *lines[5:]])) >= {"line_damaged"}
    assert codes(whole + b"more\n") >= {"line_damaged"}
    assert codes(whole.replace(b"\n", b"\r\n", 3)) >= {"line_damaged"}


# -- edits by somebody who makes the hashes of lines fit again -------------------------------------------------------


def test_an_edited_event_breaks_the_chain_of_events(whole: bytes) -> None:
    def edit(lines: Lines) -> None:
        of(lines, "events")[8]["body"]["actor"] = "person:Eve"

    found = fsck_from.check(io.BytesIO(rewritten(whole, edit))).problems
    assert [(p.code, p.message.split(" is ")[0]) for p in found if p.severity == DAMAGE] == [
        ("event_edited", "event 9")
    ]


def test_deleted_swapped_and_cut_off_events(whole: bytes) -> None:
    def delete(lines: Lines) -> None:
        lines.remove(of(lines, "events")[8])

    def swap(lines: Lines) -> None:
        lines[9], lines[10] = lines[10], lines[9]

    def cut(lines: Lines) -> None:
        lines.remove(of(lines, "events")[-1])

    assert codes(rewritten(whole, delete)) >= {"event_missing", "end_differs"}
    assert codes(rewritten(whole, swap)) >= {"event_missing"}
    assert codes(rewritten(whole, cut)) >= {"end_differs"}


ROWS: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("entries", "state_mismatch", lambda b: b.update(state="rolled_back")),
    ("entries", "row_changed", lambda b: b.update(title="Another")),
    ("entries", "row_changed", lambda b: b.update(target="refs/heads/other")),
    ("entries", "row_changed", lambda b: b["landing"].update(commit="a" * 40)),
    ("entries", "row_changed", lambda b: b.update(event_seq=1)),
    ("entries", "document_mismatch", lambda b: b.update(extra=1)),
    ("patches", "patch_damaged", lambda b: b.update(diff_text="other")),
    ("patches", "patch_damaged", lambda b: b.update(sha256="0" * 64)),
    ("patches", "patch_damaged", lambda b: b.update(redacted=True, diff_text=None)),
    ("runs", "state_mismatch", lambda b: b.update(state="failed")),
    ("gates", "state_mismatch", lambda b: b.update(state="error")),
    ("gates", "row_changed", lambda b: b.update(tree="b" * 40)),
]


@pytest.mark.parametrize(("table", "code", "change_it"), ROWS)
def test_an_edited_row_is_not_what_the_events_say(
    whole: bytes, table: str, code: str, change_it: Callable[[dict[str, Any]], Any]
) -> None:
    assert code in codes(
        rewritten(whole, lambda lines: change_it(of(lines, table)[0]["body"]) or None)
    )


@pytest.mark.parametrize("table", ["entries", "runs", "gates"])
def test_a_row_that_was_taken_out_or_put_in(whole: bytes, table: str) -> None:
    assert codes(rewritten(whole, lambda ls: ls.remove(of(ls, table)[0]))) == {"row_missing"}
    key = {"entries": "entry_id", "runs": "run_id", "gates": "gate_id"}[table]

    def forge(lines: Lines) -> None:
        lines.insert(-1, json.loads(json.dumps(of(lines, table)[0])))
        lines[-2]["body"][key] = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

    assert codes(rewritten(whole, forge)) == {"row_without_event"}


# -- what only somebody else can know --------------------------------------------------------------------------------


def forged(data: bytes) -> bytes:
    """An export whose chain was rewritten from event 9 to its end."""

    def edit(lines: Lines) -> None:
        before = ""
        for line in of(lines, "events")[8:]:
            body = line["body"]
            body["actor"] = "person:Eve"
            body["prev_hash"] = before or body["prev_hash"]
            payload = events.canonical(body["payload"])
            names = ("seq", "event_id", "ts", "actor", "run", "entry", "kind")
            plain = events.line_of(*(body[n] for n in names), payload, body["prev_hash"])
            before = body["hash"] = events.hash_of(plain)
        of(lines, export.END)[0]["body"]["head"] = before

    return rewritten(data, edit)


def test_a_chain_that_was_rewritten_to_its_end(built: Path, whole: bytes) -> None:
    """The file alone cannot tell: the hash that was kept elsewhere does, and so does the log in git."""
    head = fsck_from.check(io.BytesIO(whole)).head
    bad = forged(whole)
    assert codes(bad) == set()
    assert codes(bad, head) == {"head_differs"}
    assert codes(whole, head) == set()
    with Project.open(str(built)) as project:
        known = anchor.heads(project, project.ledger.ledger_id)
        assert len(known) > 3
        found = fsck_from.check(io.BytesIO(bad), None, lambda _: known).problems
        assert {p.code for p in found if p.severity == DAMAGE} == {"anchor_differs"}
        assert fsck_from.check(io.BytesIO(whole), None, lambda _: known).problems == []


def test_inside_the_repository_its_log_is_asked(built: Path, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(whole)
    (tmp_path / "bad").write_bytes(forged(whole))
    assert b"note:" not in uet(built, "fsck", "--from", tmp_path / "good").out
    assert b"anchor_differs" in uet(built, "fsck", "--from", tmp_path / "bad", code=1).out


# -- while others write, and after a redaction -----------------------------------------------------------------------


def test_an_export_is_one_moment(tmp_path: Path, templates: Templates) -> None:
    """What is written while it is written is not in it, and waits for nothing."""
    repo = templates.copy(tmp_path / "repo")

    class Busy(io.BytesIO):
        def write(self, data: Any) -> int:
            if not self.tell():
                with Project.open(str(repo)) as other:
                    hand_in(other, change("f7.txt", "old", "new"))
            return super().write(data)

    file = Busy()
    last = seq_of(repo, "queue_paused")
    with Project.open(str(repo)) as project:
        done = export.export(project, file, patches=False)
    assert codes(file.getvalue()) == set()
    assert done.events == last
    assert codes(exported(repo)) == set()


def test_after_a_redaction(tmp_path: Path, templates: Templates) -> None:
    """It stays provable; content that an event says is gone must not be there."""
    repo = templates.copy(tmp_path / "repo")
    with Project.open(str(repo)) as project:
        redacting.redact(project, project.ledger.entries.revisions(1), "a key")
    data = exported(repo, patches=True)
    assert codes(data) == set()

    def back(lines: Lines) -> None:
        of(lines, "patches")[0]["body"]["redacted"] = False

    assert codes(rewritten(data, back)) == {"redaction_undone"}


def test_after_a_rollback(tmp_path: Path, templates: Templates) -> None:
    """What was rolled back keeps the commit that it landed as; the revert's is another."""
    repo = templates.copy(tmp_path / "repo")
    uet(
        repo,
        "rollback",
        "3",
        "--reason",
        "it broke",
        env={"UET_TRUST": trust_hash(parse_toml(damage.RULES))},
    )
    lines = [json.loads(line) for line in raw(exported(repo))]
    assert "rolled_back" in {line["body"]["state"] for line in of(lines, "entries")}
    assert codes(exported(repo)) == set()


def test_after_a_rebuild(tmp_path: Path, templates: Templates) -> None:
    """What a rebuild could not restore is said in the export, and is no damage."""
    repo = templates.copy(tmp_path / "repo")
    damage.database(repo).unlink()
    uet(repo, "fsck", "--repair")
    data = exported(repo, patches=True)
    assert of([json.loads(line) for line in raw(data)], "unknown_fields")
    assert codes(data) == set()


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n"})
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        with project.ledger.write() as write:
            for _ in range(300):
                write.note("note", {"text": "x" * 2000})
    line = f"exec 3>&1; {sys.executable} -P -m uet_git export -q 2>&3 | head -n 1 >/dev/null"
    done = subprocess.run(["bash", "-c", line], cwd=repo, capture_output=True, check=False)
    assert done.stdout == b""
