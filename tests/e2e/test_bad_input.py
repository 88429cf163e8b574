"""Whatever is wrong: one line with the cause, one with the next command, the right exit code, and nothing changed
(DESIGN 2 P2, P14; 14). What is proposed works when typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bad_inputs import TABLE, Bad, Scene, scene
from tests.e2e.proposals import type_it
from tests.product import Ran, snapshot, uet


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The scene of a row, made ready."""
    ready = scene(tmp_path)
    request.param.make(ready)
    yield ready
    for step in reversed(ready.undo):
        step()


def _run(made: Scene, *more: str) -> Ran:
    return uet(
        made.folder or made.repo, *made.args, *more, env=made.env, before=made.before, code=None
    )


@pytest.mark.parametrize(
    ("made", "row"), [(b, b) for b in TABLE], ids=[b.name for b in TABLE], indirect=["made"]
)
def test_it_is_said_in_a_line_and_nothing_changes(made: Scene, row: Bad) -> None:
    before = snapshot(made.repo)
    ran = _run(made)
    told = _run(made, "--json")

    assert ran.code == row.exit, ran.said
    said = ran.out + ran.err
    assert all(word.encode() in said for word in row.says), ran.said
    notices = [line for line in ran.err.splitlines() if not line.startswith(b"made a ledger in ")]
    if row.outcome:
        assert row.code.encode() in ran.out, ran.said
        assert notices == []
        assert ran.out.count(b"  next: ") == 1, ran.said
    else:
        assert len(notices) == 2, ran.said
        assert notices[0].startswith(b"uet-git: ")
        assert notices[1].startswith(b"  next: ")
    proposals = _check_document(told, row)
    assert snapshot(made.repo) == before
    for argv in proposals:
        type_it(argv, made.folder or made.repo, made.env, made.before)


def _check_document(told: Ran, row: Bad) -> list[list[str]]:
    """With --json stdout is one document that says the same; a patch that waits is told again, as it is still there.
    Returns what it proposes."""
    assert told.code == row.exit, told.said
    document = json.loads(told.out)
    if row.outcome:
        assert [e["reason"] for e in document] == [row.code], told.said
        assert document[0]["next"][0]
        return [argv for e in document for argv in e["next"]]
    assert list(document) == ["error"]
    assert document["error"]["code"] == row.code
    assert document["error"]["next"]
    assert document["error"]["message"]
    return [document["error"]["next"]]
