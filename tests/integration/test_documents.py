"""Every stored row, turned into its document, satisfies the schema of its table, whatever state it is in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ledgers
from uet_git.ledger import documents
from uet_git.ledger.documents import Document
from uet_git.ledger.ledger import Ledger
from uet_git.ledger.runs import Attempt
from uet_git.model import history, states
from uet_git.model.entry import Series
from uet_git.model.records import Gate

GATE = Gate(
    "unit",
    ("python", "-m", "pytest"),
    kind="unit_tests",
    junit="report.xml",
    criteria=(("max_failures", 0), ("min_coverage", 80)),
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = ledgers.new_ledger(tmp_path / "uet")
    yield opened
    opened.close()


def entry_of(ledger: Ledger, entry_id: str) -> dict[str, Any]:
    entry = ledger.entries.get(entry_id)
    assert entry is not None
    events = history.recorded("entry", ledger.events_of(entry=entry_id))
    return documents.entry_document(entry, events, ledger.gates_of(entry=entry_id))


def fits(table: str, body: dict[str, Any]) -> None:
    """A document satisfies its schema, also after a trip through JSON."""
    for version in (body, json.loads(json.dumps(body))):
        assert list(documents.faults(Document(table, "", version))) == []


@pytest.mark.parametrize("state", states.ENTRY)
def test_an_entry_in_every_state(ledger: Ledger, state: str) -> None:
    with ledger.write() as write:
        entry_id = ledgers.add_entry(write, 1)
        ledgers.walk(write, entry_id, ledgers.ROUTES[state])
    body = entry_of(ledger, entry_id)
    fits("entries", body)
    assert [h["state"] for h in body["state_history"]] == ["created", *ledgers.ROUTES[state]]
    assert (body["quarantine"] is not None) == (state == "quarantined")
    assert (body["landing"] is not None) == (state in ("committed", "rolled_back"))
    entry = ledger.entries.get(entry_id)
    assert entry is not None
    fits("patches", documents.patch_document(ledger.entries.patch(entry.patch_id), entry))


def test_an_entry_with_everything(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "agent:aider/1", {"pid": 1, "boot_id": "b"})
        series = Series(write.clock.ulid(), 2, 1, "The cover\n", write.clock.now())
        write.entries.add_series(series)
        first = ledgers.add_entry(write, 1, series_id=series.series_id, series_index=1)
        second = ledgers.add_entry(
            write, 2, series_id=series.series_id, series_index=2, run=run,
            phase_id="PH-1", workstream_id="WS-1", execution_request_id="x", prompt_id="p", tool_run_id="t",
            origin={"tool_id": "aider", "model": "m"}, issue="ISSUE-1", message_id="<a@b>", priority=3,
            scope={"read": [], "write": ["src/**"], "create": [], "forbidden": []}, depends_on=[1],
            allow_behind=1, sign_off=1, replaces=first, waived=["mode.symlink"],
            findings=[{"code": "mode.symlink", "detail": "a link", "path": "a\\xff", "line": 3}],
        )  # fmt: skip
        ledgers.walk(write, second, ("validated", "queued", "apply_failed", "queued", "applied"))
        for name, end in (("unit", "failed"), ("unit", "passed"), ("lint", "skipped")):
            gate = write.gates.add(
                run=run, entry=second, name=name, gate_type="unit_tests", required=True,
                tree=ledgers.TREE, definition=GATE._asdict(),
            )  # fmt: skip
            write.gates.move(gate, "pending", "running")
            write.gates.move(
                gate, "running", end, exit_code=0, duration_seconds=0.25, output_path="x.log", output_truncated=0
            )  # fmt: skip
        ledgers.walk(write, second, ("verified", "committed"), "applied")
        ledgers.landing(write, run, [[second, ledgers.COMMIT]], "done")
        ledgers.landing(write, run, [[first, ledgers.COMMIT]])
        attempt = Attempt(second, "verify", "failed", "gate.failed", "", "")._replace(
            started_at=write.clock.now(), ended_at=write.clock.now()
        )
        write.runs.add_steps(run, [attempt])
        write.landings.pause("*", "queue.paused", "lunch", "person:Test")
        write.runs.finish(run, "failed", "io.disk_full")
    body = entry_of(ledger, second)
    fits("entries", body)
    assert body["validation"]["tests_ran"] is True
    assert body["validation"]["tests_passed"] is True
    assert body["apply"]["last_error_code"] == "apply.conflict"
    assert body["landing"]["commit"] == ledgers.COMMIT
    stored = ledger.runs.get(run)
    assert stored is not None
    fits("runs", documents.run_document(stored))
    for step in ledger.runs.steps(run):
        fits("step_attempts", documents.step_document(step))
    for row in ledger.gates_of(entry=second):
        fits("gates", documents.gate_document(row))
    for landed in ledger.open_landings():
        fits("landings", documents.landing_document(landed))
    for pause in ledger.pauses():
        fits("pauses", documents.pause_document(pause))
    fits("series", documents.series_document(series))
    for event in ledger.events():
        fits("events", documents.event_document(event))


@pytest.mark.parametrize("state", states.GATE)
def test_a_gate_in_every_state(ledger: Ledger, state: str) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        gate = write.gates.add(
            run=run, entry=None, name="unit", gate_type="lint", required=False, tree="b" * 64,
            definition=GATE._asdict(),
        )  # fmt: skip
        frm = "pending"
        if state in ("blocked", "running"):
            write.gates.move(gate, frm, state)
        elif state not in ("pending", "skipped"):
            write.gates.move(gate, frm, "running")
            frm = "running"
        if state not in ("pending", "blocked", "running"):
            write.gates.move(gate, frm, state, detail="why")
    (row,) = ledger.gates_of(run=run)
    assert row.state == state
    fits("gates", documents.gate_document(row))


@pytest.mark.parametrize("state", states.RUN)
def test_a_run_in_every_state(ledger: Ledger, state: str) -> None:
    with ledger.write() as write:
        run = write.runs.start("hook", "ci:Build", {"pid": 1}, "scheduled", "nightly")
        if state not in ("pending", "running"):
            write.runs.finish(run, state, "because")
    stored = ledger.runs.get(run)
    assert stored is not None
    fits("runs", documents.run_document(stored._replace(state=state)))


def test_a_patch_that_is_not_text_or_was_redacted(ledger: Ledger) -> None:
    with ledger.write() as write:
        odd = ledgers.add_entry(write, 1, content=b"\xff\xfe")
        none = ledgers.add_entry(write, 2, content=b"", title="x" * 2000)
    for entry_id, text, encoded in ((odd, None, "//4="), (none, "", None)):
        entry = ledger.entries.get(entry_id)
        assert entry is not None
        patch = ledger.entries.patch(entry.patch_id)
        body = documents.patch_document(patch, entry)
        fits("patches", body)
        assert (body["diff_text"], body["diff_base64"]) == (text, encoded)
        redacted = documents.patch_document(patch._replace(content=None), entry)
        fits("patches", redacted)
        assert redacted["redacted"] is True


def test_a_document_that_does_not_fit_is_named(ledger: Ledger) -> None:
    with ledger.write() as write:
        entry_id = ledgers.add_entry(write, 1)
    body = {**entry_of(ledger, entry_id), "state": "lost", "extra": 1}
    found = list(documents.faults(Document("entries", entry_id, body)))
    assert len(found) == 2
    assert all(line.startswith("patch_ledger_entry.v1: $") for line in found)


def test_every_table_of_rows_has_a_schema(ledger: Ledger) -> None:
    tables = {
        name for (name,) in ledger.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    assert set(documents.SCHEMAS) == tables - {"meta", "migrations", "states", "transitions"}
