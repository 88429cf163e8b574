"""Diffs that language models typed: each ends in a state with a reason for people, at least 29 are accepted or offered
as a repaired reading, and no offered hunk stands anywhere but at its one place, which is found here in another way."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.builders import git, make_repo
from tests.product import tree, uet
from uet_git.model.entry import Entry, StoredRepair
from uet_git.model.reasons import REASONS
from uet_git.project import Project
from uet_git.queue import forecast
from uet_git.queue import submit as intake
from uet_git.queue.options import Options, Source

pytestmark = pytest.mark.corpora
LEAST = 29


class Case(NamedTuple):
    """One typed diff, what became of it, and what is offered for it."""

    row: dict[str, Any]
    entry: Entry
    applies: bool
    offer: StoredRepair | None


def branch(number: int) -> str:
    return f"refs/heads/b{number}"


def fast_import(rows: list[dict[str, Any]]) -> bytes:
    """One branch for each row, with the file as it was before."""
    pieces: list[bytes] = []
    for number, row in enumerate(rows):
        content = row["before"].encode()
        pieces.append(b"commit %b\ncommitter c <c@d> 1700000000 +0000\n" % branch(number).encode())
        pieces.append(b"data 5\nbase\nM 100644 inline %b\n" % row["target"].encode())
        pieces.append(b"data %d\n%b\n" % (len(content), content))
    return b"".join(pieces)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    from tests.conftest import CORPORA

    path = CORPORA / "llm-diffs" / "llm-patch.jsonl.gz"
    if not path.is_file():
        pytest.skip("the diffs that models typed are not on this machine")
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def repo(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = make_repo(tmp_path_factory.mktemp("models") / "repo")
    git(found, "fast-import", "--quiet", stdin=fast_import(rows))
    git(found, "symbolic-ref", "HEAD", branch(0))
    git(found, "reset", "-q", "--hard")
    return found


@pytest.fixture(scope="module")
def cases(rows: list[dict[str, Any]], repo: Path) -> Iterator[list[Case]]:
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        done: list[Case] = []
        for number, row in enumerate(rows):
            source = Source(f"{row['id']}.diff", row["diff"].encode())
            (one,) = intake.submit(project, [source], Options(target=branch(number)))
            guess = forecast.of(project, [one.entry]).get(one.entry.entry_id)
            offer = project.ledger.repair_of(one.entry.entry_id)
            done.append(Case(row, one.entry, guess is not None and guess.applies, offer))
        yield done


def test_each_ends_in_a_state_with_a_reason(cases: list[Case]) -> None:
    assert len(cases) == 243
    for case in cases:
        entry = case.entry
        assert entry.state in ("queued", "quarantined", "dropped"), case.row["id"]
        if entry.state == "queued":
            continue
        assert entry.reason in REASONS
        assert entry.detail or REASONS[entry.reason].sentence
        assert (entry.reason == "parse.repairable") == (case.offer is not None)
        assert all(f["code"] in REASONS for f in entry.findings)


def test_a_diff_that_names_lines_is_told_where_they_differ(cases: list[Case]) -> None:
    """A refused diff of a known file says what it expects and what is there."""
    told = [c for c in cases if any(f["code"] == "apply.conflict" for f in c.entry.findings)]
    assert len(told) > 100
    for case in told:
        (finding,) = [f for f in case.entry.findings if f["code"] == "apply.conflict"]
        assert finding["path"] == case.row["target"]
        assert finding["detail"].startswith("hunk ")
        assert finding["line"] > 0


def test_enough_are_accepted_or_offered(
    cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = sum(case.applies for case in cases)
    offered = sum(case.offer is not None for case in cases)
    reasons = Counter(case.entry.reason for case in cases if case.entry.state == "dropped")
    with capsys.disabled():
        sys.stdout.write(
            f"\ntyped by models: {len(cases)} diffs, {accepted} accepted, {offered} offered as repaired,"
            f" {len(cases) - accepted - offered} refused: "
            + ", ".join(f"{n} {code}" for code, n in reasons.most_common())
            + "\n"
        )
    assert accepted + offered >= LEAST


def typed_hunks(diff: str) -> list[list[str]]:
    """The lines of each hunk as typed, read as naively as can be."""
    hunks: list[list[str]] = []
    lines = diff.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("@@"):
            hunks.append([])
        elif line.startswith("--- ") and lines[number + 1].startswith("+++ "):
            continue
        elif hunks:
            hunks[-1].append(line)
    for hunk in hunks:
        while hunk and (not hunk[-1] or hunk[-1].startswith("```")):
            hunk.pop()
    return hunks


def where(hunk: list[str], before: list[str]) -> list[int]:
    """Every line of the file at which the hunk's old lines stand; a line with a blank before it may have lost one."""
    old = [line for line in hunk if not line.startswith("+")]
    wanted = [
        {line[1:]} if line.startswith("-") else {line, line.removeprefix(" ")} for line in old
    ]
    last = len(before) - len(wanted)
    return [
        at
        for at in range(last + 1)
        if all(before[at + i] in choices for i, choices in enumerate(wanted))
    ]


def expected(case: Case) -> str:
    """The file with the typed lines in and out, each hunk at its one place."""
    before = case.row["before"].split("\n")
    after = list(before)
    for hunk in reversed(typed_hunks(case.row["diff"])):
        starts = where(hunk, before)
        assert len(starts) == 1, (case.row["id"], starts)
        at = starts[0]
        made: list[str] = []
        for line in hunk:
            if line.startswith("+"):
                made.append(line[1:])
                continue
            if not line.startswith("-"):
                made.append(before[at])
            at += 1
        after[starts[0] : at] = made
    return "\n".join(after)


def test_every_offer_makes_the_typed_change_at_its_one_place(
    cases: list[Case], tmp_path: Path
) -> None:
    """git applies the offered diff; the result is what the naive reading makes of the file."""
    offered = [case for case in cases if case.offer is not None]
    for number, case in enumerate(offered):
        assert case.offer is not None
        assert case.offer.content is not None
        folder = tmp_path / str(number)
        folder.mkdir()
        target = folder / case.row["target"]
        target.write_bytes(case.row["before"].encode())
        done = subprocess.run(
            ["git", "apply", "--verbose", "--whitespace=nowarn"],
            cwd=folder,
            input=case.offer.content,
            capture_output=True,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)},
            check=False,
        )
        assert done.returncode == 0, (case.row["id"], done.stderr)
        assert b"offset" not in done.stderr, (case.row["id"], done.stderr)
        assert os.listdir(folder) == [case.row["target"]]
        assert target.read_text() == expected(case), case.row["id"]
        typed = [x for hunk in typed_hunks(case.row["diff"]) for x in hunk if x[:1] in ("+", "-")]
        lines = case.offer.content.decode().split("\n")
        body = [x for x in lines if x[:1] in ("+", "-") and not x.startswith(("+++ ", "--- "))]
        assert body == typed, case.row["id"]
        assert case.offer.repairs


def test_show_tells_what_is_offered(cases: list[Case], repo: Path) -> None:
    case = next(case for case in cases if case.offer is not None)
    said = uet(repo, "show", case.entry.label).out.decode()
    assert "repaired patch:" in said
    assert case.offer is not None
    assert all(words in said for words in case.offer.repairs)
    document = uet(repo, "show", case.entry.label, "--json").document
    assert case.offer.content is not None
    assert document["repaired"]["diff_text"] == case.offer.content.decode()
    assert tree(repo, branch(0)) == tree(repo, "HEAD")
