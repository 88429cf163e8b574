"""Events are canonical, chained by hash, of one closed list of kinds, and what the log keeps is what was hashed."""

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import ledgers
from uet_git.ledger import documents, events
from uet_git.ledger.documents import Document
from uet_git.ledger.ledger import Ledger
from uet_git.model.entry import Event

PAYLOADS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**60), 2**60),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(), below, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = ledgers.new_ledger(tmp_path / "uet")
    yield opened
    opened.close()


@settings(max_examples=200, deadline=None)
@given(PAYLOADS)
def test_canonical_is_what_json_says_in_one_form(value: Any) -> None:
    text = events.canonical(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert events.canonical(json.loads(text)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1, 2}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        events.canonical({"a": value})


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text() | st.none(), st.dictionaries(st.text(), PAYLOADS, max_size=3))
def test_a_line_is_canonical_json_of_the_whole_event(
    actor: str, run: str | None, payload: dict[str, Any]
) -> None:
    run = None if run is None else "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    line = events.line_of(
        7, "ID", "TS", actor, run, None, "note", events.canonical(payload), "0" * 64
    )
    whole = json.loads(line)
    assert whole == {
        "actor": actor, "entry": None, "event_id": "ID", "kind": "note", "payload": payload,
        "prev_hash": "0" * 64, "run": run, "seq": 7, "ts": "TS",
    }  # fmt: skip
    assert line == events.canonical(whole)
    assert events.hash_of(line) == hashlib.sha256(line.encode()).hexdigest()
    assert json.loads(events.with_hash(line, "ff")) == {**whole, "hash": "ff"}


def filled(ledger: Ledger) -> list[Event]:
    with ledger.write() as write:
        for number in range(1, 6):
            entry_id = ledgers.add_entry(write, number, title="Ünïcode “x”\u2028\x1b")
            ledgers.walk(write, entry_id, ("validated", "queued", "applied"))
    return list(ledger.events())


def test_the_chain_holds(ledger: Ledger) -> None:
    found = filled(ledger)
    assert [e.seq for e in found] == list(range(1, len(found) + 1))
    assert found[0].prev_hash == events.GENESIS
    assert all(b.prev_hash == a.hash for a, b in itertools.pairwise(found))
    assert len({e.event_id for e in found}) == len(found)
    assert list(events.broken_links(found)) == []
    assert list(events.broken_links(found[10:], found[9].seq, found[9].hash)) == []


@pytest.mark.parametrize("field", Event._fields)
def test_a_change_of_any_field_is_seen(ledger: Ledger, field: str) -> None:
    found = filled(ledger)
    value = getattr(found[5], field)
    other = value + 1 if isinstance(value, int) else ("x" + str(value or ""))
    found[5] = found[5]._replace(**{field: other})
    assert {seq for seq, _ in events.broken_links(found)} & {6, 7}


def test_a_deletion_and_a_swap_are_seen(ledger: Ledger) -> None:
    found = filled(ledger)
    without = [*found[:5], *found[6:]]
    assert next(why for seq, why in events.broken_links(without)) == "events 6 to 6 are missing"
    swapped = [*found]
    swapped[5], swapped[6] = found[6]._replace(seq=6), found[5]._replace(seq=7)
    assert {seq for seq, _ in events.broken_links(swapped)} >= {6, 7}


def test_another_program_can_check_the_chain(ledger: Ledger) -> None:
    """The rule in five lines of another hand: canonical JSON without `hash`, SHA-256, each names the one before."""
    filled(ledger)
    lines = [events.json_line(e) for e in ledger.events()]
    script = (
        "import sys, json, hashlib\nprev = '0' * 64\n"
        "for line in sys.stdin:\n"
        "    e = json.loads(line); h = e.pop('hash')\n"
        "    text = json.dumps(e, sort_keys=True, separators=(',', ':'))\n"
        "    assert e['prev_hash'] == prev and hashlib.sha256(text.encode()).hexdigest() == h\n"
        "    prev = h\n"
        "print('held')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"held\n"


def test_kinds_are_one_closed_list(ledger: Ledger) -> None:
    with pytest.raises(AssertionError), ledger.write() as write:
        write.note("party", {})
    for kind in sorted(events.KINDS):
        with ledger.write() as write:
            write.note(kind, {})
    for event in ledger.events():
        assert list(documents.faults(Document("events", "", documents.event_document(event)))) == []


def test_pages(ledger: Ledger) -> None:
    with ledger.write() as write:
        for n in range(2_500):
            write.chain.add("note", {"n": n})
        write.chain.flush()
    assert len(list(ledger.events())) == 2_501
    assert [e.seq for e in ledger.events(after=999, limit=1_002)] == list(range(1_000, 2_002))
    assert [e.seq for e in ledger.events(after=2_500)] == [2_501]
    assert list(ledger.events(after=2_501)) == []
    assert list(ledger.events(limit=0)) == []


def test_the_history_of_a_run_is_its_own(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {"pid": 1})
        entry_id = ledgers.add_entry(write, 1, run=run)
        write.runs.finish(run, "succeeded")
    assert [e.kind for e in ledger.events_of(run=run)] == [
        "run_created",
        "run_started",
        "run_state_changed",
    ]
    assert [e.kind for e in ledger.events_of(entry=entry_id)] == ["patch_created"]
    assert ledger.events_of(entry=entry_id)[0].run_id == run


def test_the_guard_columns_are_those_of_the_payload(ledger: Ledger) -> None:
    filled(ledger)
    rows = ledger.db.execute("SELECT payload, from_state, to_state FROM events").fetchall()
    assert any(frm for _, frm, _ in rows)
    for payload, frm, to in rows:
        told = json.loads(payload)
        assert (told.get("from"), told.get("to")) == (frm, to)
