"""The ledger keeps its rules in code and in SQL: legal moves only, each with its event, all of a transaction or none."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ledgers
from uet_git.errors import IllegalMove, StaleMove
from uet_git.ledger import connection, events
from uet_git.ledger.entries import Move
from uet_git.ledger.ledger import Ledger
from uet_git.ledger.runs import Attempt
from uet_git.model import states

NOW = "2026-01-31T12:00:00.000Z"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = ledgers.new_ledger(tmp_path / "uet")
    yield opened
    opened.close()


def state_of(ledger: Ledger, entry_id: str) -> str:
    entry = ledger.entries.get(entry_id)
    assert entry is not None
    return entry.state


def contents(ledger: Ledger) -> dict[str, list[Any]]:
    """Every row of every table."""
    names = ledger.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {n: ledger.db.execute(f"SELECT * FROM {n} ORDER BY 1, 2").fetchall() for (n,) in names}


def refused(ledger: Ledger, sql: str, *values: Any) -> str:
    """Runs SQL that a guard must refuse; returns what it says."""
    before = contents(ledger)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        ledger.db.execute(sql, values)
    assert contents(ledger) == before
    return str(caught.value)


# -- every move of an entry ------------------------------------------------------------------------------------------

CELLS = list(itertools.product(states.ENTRY, states.ENTRY))


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, dict[str, str]]]:
    """One ledger with an entry in every state; tests that use it keep nothing."""
    opened = ledgers.new_ledger(tmp_path_factory.mktemp("lot") / "uet")
    ids = {}
    with opened.write() as write:
        for number, state in enumerate(states.ENTRY, 1):
            ids[state] = ledgers.add_entry(write, number)
            ledgers.walk(write, ids[state], ledgers.ROUTES[state])
    yield opened, ids
    opened.close()


@pytest.mark.parametrize(("frm", "to"), CELLS)
def test_every_move_through_the_writer(
    lot: tuple[Ledger, dict[str, str]], frm: str, to: str
) -> None:
    ledger, ids = lot
    legal = to in states.ENTRY[frm]
    before = contents(ledger)
    with pytest.raises(Undone if legal else IllegalMove), ledger.write() as write:  # noqa: PT012
        ledgers.move(write, ids[frm], frm, to)
        assert state_of(ledger, ids[frm]) == to
        raise Undone
    assert contents(ledger) == before


class Undone(Exception):
    """Ends a transaction that is not to be kept."""


@pytest.mark.parametrize(("frm", "to"), CELLS)
def test_every_move_through_sql(lot: tuple[Ledger, dict[str, str]], frm: str, to: str) -> None:
    """Even with an event that says so and every column that a guard asks for."""
    ledger, ids = lot
    entry_id = ids[frm]
    legal = to in states.ENTRY[frm] or to == frm
    columns = ledgers.columns_for(to, entry_id)
    db = ledger.db
    db.execute("BEGIN IMMEDIATE")
    try:
        chain = events.Chain(db, ledger.clock, "person:Test")
        seq = chain.add("note", {"from": frm, "to": to}, entry=entry_id)
        chain.flush()
        sets = "".join(f", {name} = ?" for name in columns)
        sql = f"UPDATE entries SET state = ?, event_seq = ?{sets} WHERE entry_id = ?"
        values = (to, seq, *columns.values(), entry_id)
        if legal:
            assert db.execute(sql, values).rowcount == 1
        else:
            with pytest.raises(sqlite3.IntegrityError, match="illegal move of an entry"):
                db.execute(sql, values)
    finally:
        db.execute("ROLLBACK")


# -- what else the guards ask ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frm", "to", "without", "said"),
    [
        ("created", "validated", {"format_ok": 0}, "all three flags"),
        ("created", "validated", {"scope_ok": 0}, "all three flags"),
        ("quarantined", "validated", {"format_ok": 0}, "all three flags"),
        ("created", "validated", {"constraints_ok": 0}, "all three flags"),
        ("queued", "applied", {"tree": None}, "applied names its tree"),
        ("verified", "committed", {"commit_id": None}, "committed names its commit"),
        ("applied", "quarantined", {"reason": None}, "need a reason"),
        ("queued", "dropped", {"reason": None}, "need a reason"),
        ("committed", "rolled_back", {"rolled_back_by": None}, "names its revert"),
    ],
)
def test_a_move_without_what_it_needs(
    lot: tuple[Ledger, dict[str, str]], frm: str, to: str, without: dict[str, Any], said: str
) -> None:
    ledger, ids = lot
    before = contents(ledger)
    with pytest.raises(sqlite3.IntegrityError, match=said), ledger.write() as write:
        ledgers.move(write, ids[frm], frm, to, **without)
    assert contents(ledger) == before


def test_a_recorded_waiver_stands_in_for_a_flag(lot: tuple[Ledger, dict[str, str]]) -> None:
    ledger, ids = lot
    with pytest.raises(Undone), ledger.write() as write:  # noqa: PT012
        ledgers.move(
            write,
            ids["quarantined"],
            "quarantined",
            "validated",
            constraints_ok=0,
            waived=["mode.symlink"],
        )
        raise Undone


def test_an_entry_moves_only_with_its_own_event(ledger: Ledger) -> None:
    with ledger.write() as write:
        one, other = ledgers.add_entry(write, 1), ledgers.add_entry(write, 2)
        ledgers.walk(write, other, ("validated",))
    last = ledger.last_seq()
    flags = "format_ok = 1, scope_ok = 1, constraints_ok = 1"
    for seq in ("event_seq", str(last), str(last + 1), "1"):
        sql = (
            f"UPDATE entries SET state = 'validated', {flags}, event_seq = {seq} WHERE entry_id = ?"
        )
        assert "only with its event" in refused(ledger, sql, one)
    with ledger.write() as write:
        chain = write.chain
        seq = chain.add("patch_dropped", {"from": "created", "to": "dropped"}, entry=one)
        chain.flush()
    sql = f"UPDATE entries SET state = 'validated', {flags}, event_seq = ? WHERE entry_id = ?"
    assert "only with its event" in refused(ledger, sql, seq, one)


def test_rows_start_at_the_beginning(ledger: Ledger) -> None:
    with ledger.write() as write:
        entry_id = ledgers.add_entry(write, 1)
        run = write.runs.start("apply", "person:Test", {})
    columns = [row[1] for row in ledger.db.execute("PRAGMA table_info(entries)").fetchall()]
    copied = ", ".join({"seq": "99", "entry_id": "'X'", "number": "99"}.get(c, c) for c in columns)
    copy = f"INSERT INTO entries SELECT {copied} FROM entries WHERE entry_id = ?"
    assert "starts with its event" in refused(ledger, copy, entry_id)
    queued = copy.replace(" state,", " 'queued',")
    assert "initial state" in refused(ledger, queued, entry_id)
    for table, key, known in (("runs", "run_id", run),):
        names = [row[1] for row in ledger.db.execute(f"PRAGMA table_info({table})").fetchall()]
        values = ", ".join("'X'" if n == key else n for n in names)
        assert "initial state" in refused(
            ledger, f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {key} = ?", known
        )


def test_what_an_entry_is_cannot_change(ledger: Ledger) -> None:
    with ledger.write() as write:
        entry_id = ledgers.add_entry(write, 1)
    for column, value in (
        *(("entry_id", "X"), ("patch_id", "X"), ("number", 2), ("revision", 2)),
        *(("identity", "X"), ("created_at", NOW)),
    ):
        sql = f"UPDATE entries SET {column} = ? WHERE entry_id = ?"
        assert "cannot change" in refused(ledger, sql, value, entry_id)


def test_nothing_is_deleted(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        entry_id = ledgers.add_entry(write, 1, run=run)
        write.runs.add_steps(run, [Attempt(entry_id, "stage", "succeeded", None, NOW, NOW)])
        write.gates.add(
            run=run, entry=None, name="g", gate_type="lint", required=True, tree=ledgers.TREE, definition={}
        )  # fmt: skip
        ledgers.landing(write, run, [[entry_id, ledgers.COMMIT]])
    for table in ("events", "entries", "runs", "step_attempts", "gates", "landings"):
        assert "cannot be deleted" in refused(ledger, f"DELETE FROM {table}")


def test_events_are_append_only_and_in_order(ledger: Ledger) -> None:
    assert "cannot be updated" in refused(ledger, "UPDATE events SET ts = ts")
    assert "cannot be updated" in refused(
        ledger, "UPDATE events SET actor = 'person:Eve' WHERE seq = 1"
    )
    copy = "INSERT INTO events SELECT {}, event_id, ts, actor, run_id, entry_id, kind, payload, NULL, NULL, prev_hash, hash FROM events"
    for seq in ("seq + 5", "seq + 2", "-1", "0"):
        assert "without gaps" in refused(ledger, copy.format(seq))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.db.execute(copy.format("seq"))


def test_a_closed_landing_stays_closed(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        entry_id = ledgers.add_entry(write, 1)
        done = ledgers.landing(write, run, [[entry_id, ledgers.COMMIT]], "done")
    for state in ("intended", "abandoned", "done"):
        assert "stays closed" in refused(ledger, "UPDATE landings SET state = ?", state)
    with pytest.raises(StaleMove), ledger.write() as write:
        write.landings.close(done, "abandoned")


def test_references_hold(ledger: Ledger) -> None:
    with ledger.write() as write:
        entry_id = ledgers.add_entry(write, 1)
    for column in (
        "series_id",
        "replaces",
        "rollback_of",
        "rolled_back_by",
        "made_by_run",
        "landed_by_run",
    ):
        assert "FOREIGN KEY" in refused(
            ledger, f"UPDATE entries SET {column} = 'X' WHERE entry_id = ?", entry_id
        )
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), ledger.write() as write:
        ledgers.add_entry(write, 1)


# -- runs, steps, gates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frm", "to"), list(itertools.product(states.RUN, states.RUN)))
def test_every_move_of_a_run(ledger: Ledger, frm: str, to: str) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
    guards = ledger.db.execute("SELECT sql FROM sqlite_master WHERE name = 'run_move'").fetchone()[
        0
    ]
    ledger.db.execute("DROP TRIGGER run_move")
    ledger.db.execute("UPDATE runs SET state = ?", (frm,))
    ledger.db.execute(guards)
    if to == frm:
        return
    with ledger.write() as write:
        seq = write.chain.add("run_state_changed", {"from": frm, "to": to}, run=run)
        write.chain.flush()
    sql = "UPDATE runs SET state = ?, event_seq = ?"
    if to in states.RUN[frm]:
        assert ledger.db.execute(sql, (to, seq)).rowcount == 1
    else:
        assert "illegal move of a run" in refused(ledger, sql, to, seq)


def test_a_run_moves_only_with_its_event(ledger: Ledger) -> None:
    with ledger.write() as write:
        write.runs.start("apply", "person:Test", {})
    assert "only with its event" in refused(ledger, "UPDATE runs SET state = 'failed'")
    assert "only with its event" in refused(
        ledger, "UPDATE runs SET state = 'failed', event_seq = 1"
    )


def test_a_run_ends_once(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {"pid": 7, "boot_id": "b"})
        write.runs.count(run, {"patches_created": 2, "errors": 1})
    assert ledger.process_of(run) == (7, "b")
    assert [r.run_id for r in ledger.runs.unfinished()] == [run]
    with ledger.write() as write:
        write.runs.finish(run, "succeeded")
    with pytest.raises(StaleMove), ledger.write() as write:
        write.runs.finish(run, "failed", "again")
    found = ledger.runs.get(run)
    assert found is not None
    assert (found.state, found.patches_created, found.errors) == ("succeeded", 2, 1)
    assert found.started_at is not None
    assert found.ended_at is not None
    assert ledger.runs.unfinished() == []


@pytest.mark.parametrize(("frm", "to"), list(itertools.product(states.GATE, states.GATE)))
def test_every_move_of_a_gate(ledger: Ledger, frm: str, to: str) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        gate = write.gates.add(
            run=run, entry=None, name="g", gate_type="lint", required=True, tree=ledgers.TREE, definition={}
        )  # fmt: skip
        for step in {
            "pending": (),
            "running": ("running",),
            "blocked": ("blocked",),
            "skipped": ("skipped",),
        }.get(frm, ("running", frm)):
            row = ledger.db.execute("SELECT state FROM gates").fetchone()[0]
            write.gates.move(gate, row, step)
    before = contents(ledger)
    legal = to in states.GATE[frm]
    if legal:
        with ledger.write() as write:
            write.gates.move(gate, frm, to, exit_code=1)
        return
    with pytest.raises(IllegalMove), ledger.write() as write:
        write.gates.move(gate, frm, to)
    assert contents(ledger) == before
    if to != frm:
        with ledger.write() as write:
            seq = write.chain.add("gate_state_changed", {"from": frm, "to": to}, run=run)
            write.chain.flush()
        sql = "UPDATE gates SET state = ?, event_seq = ?"
        assert "illegal move of a gate" in refused(ledger, sql, to, seq)


def test_a_gate_moves_only_with_its_event(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        gate = write.gates.add(
            run=run, entry=None, name="g", gate_type="lint", required=True, tree=ledgers.TREE, definition={}
        )  # fmt: skip
    assert "only with its event" in refused(ledger, "UPDATE gates SET state = 'running'")
    with pytest.raises(StaleMove), ledger.write() as write:
        write.gates.move(gate, "running", "passed")


@pytest.mark.parametrize("state", states.STEP)
def test_steps_belong_to_a_running_run(ledger: Ledger, state: str) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        over = state not in ("pending", "running")
        insert = "INSERT INTO step_attempts (step_attempt_id, run_id, sequence, tool_id, state, started_at, ended_at) VALUES (?, ?, 1, 't', ?, ?, ?)"
        ledger.db.execute(insert, ("A", run, state, NOW, NOW if over else None))
        write.runs.finish(run, "succeeded")
    assert "running run" in refused(ledger, insert, "B", run, state, NOW, NOW if over else None)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.db.execute("UPDATE step_attempts SET ended_at = ?", (None if over else NOW,))
    for to in states.STEP:
        ended = NOW if to not in ("pending", "running") else None
        sql = "UPDATE step_attempts SET state = ?, ended_at = ?"
        if to in states.STEP[state] or to == state:
            ledger.db.execute("SAVEPOINT s")
            ledger.db.execute(sql, (to, ended))
            ledger.db.execute("ROLLBACK TO s")
            ledger.db.execute("RELEASE s")
        else:
            assert "illegal move of a step" in refused(ledger, sql, to, ended)


def test_a_guard_leaves_the_transaction_as_it_was_before_the_statement(ledger: Ledger) -> None:
    insert = "INSERT OR FAIL INTO events (seq, event_id, ts, actor, kind, payload, prev_hash, hash) VALUES (?, 'E', ?, 'a', 'note', '{}', '', '')"
    last = ledger.last_seq()
    with pytest.raises(sqlite3.IntegrityError), ledger.write():  # noqa: PT012 - what is inside fails last
        ledger.db.execute(insert, (last + 1, NOW))
        with pytest.raises(sqlite3.IntegrityError, match="without gaps"):
            ledger.db.execute(insert, (last + 3, NOW))
        assert ledger.db.in_transaction
        assert ledger.last_seq() == last + 1
        ledger.db.execute(insert, (last + 4, NOW))
    assert ledger.last_seq() == last


def test_steps_are_numbered_and_counted(ledger: Ledger) -> None:
    with ledger.write() as write:
        run = write.runs.start("apply", "person:Test", {})
        entry_id = ledgers.add_entry(write, 1)
        one = Attempt(entry_id, "stage", "succeeded", None, NOW, NOW)
        write.runs.add_steps(run, [one, one])
        write.runs.add_steps(run, [one._replace(state="failed", reason="apply.conflict")])
    assert [(s.sequence, s.state) for s in ledger.runs.steps(run)] == [
        (1, "succeeded"),
        (2, "succeeded"),
        (3, "failed"),
    ]
    found = ledger.runs.get(run)
    assert found is not None
    assert found.step_attempts == 3


# -- compare and swap ------------------------------------------------------------------------------------------------


def test_a_stale_move_keeps_nothing(ledger: Ledger) -> None:
    with ledger.write() as write:
        one, two = ledgers.add_entry(write, 1), ledgers.add_entry(write, 2)
        for entry_id in (one, two):
            ledgers.walk(write, entry_id, ("validated", "queued"))
        ledgers.move(write, two, "queued", "dropped")
    before = contents(ledger)
    columns = ledgers.columns_for("applied")
    moves = [Move(e, "queued", "applied", {}, columns) for e in (one, two)]
    with pytest.raises(StaleMove), ledger.write() as write:
        write.entries.move(moves)
    assert contents(ledger) == before


def test_the_same_move_twice_in_one_call(ledger: Ledger) -> None:
    with ledger.write() as write:
        one = ledgers.add_entry(write, 1)
    flags = ledgers.columns_for("validated")
    with pytest.raises(StaleMove), ledger.write() as write:
        write.entries.move([Move(one, "created", "validated", {}, flags)] * 2)
    assert state_of(ledger, one) == "created"


def test_moves_that_follow_one_another_in_one_call(ledger: Ledger) -> None:
    with ledger.write() as write:
        ids = [ledgers.add_entry(write, n) for n in range(1, 5)]
        moves = []
        for entry_id in ids:
            moves.append(
                Move(entry_id, "created", "validated", {}, ledgers.columns_for("validated"))
            )
            moves.append(Move(entry_id, "validated", "queued", {}, {}))
        write.entries.move(moves)
    assert {state_of(ledger, e) for e in ids} == {"queued"}
    told = [json.loads(e.payload).get("to") for e in ledger.events_of(entry=ids[2])]
    assert told == ["created", "validated", "queued"]


def test_two_handles_and_one_entry(tmp_path: Path) -> None:
    """The second of two that read the same state loses, and nothing of what the first did vanishes."""
    first = ledgers.new_ledger(tmp_path / "uet")
    second = Ledger(first.path, ledgers.SteadyClock(), "person:Other")
    with first.write() as write:
        entry_id = ledgers.add_entry(write, 1)
        ledgers.walk(write, entry_id, ("validated", "queued"))
    with second.write() as write:
        ledgers.move(write, entry_id, "queued", "dropped")
    with pytest.raises(StaleMove), first.write() as write:
        ledgers.move(write, entry_id, "queued", "applied")
    assert state_of(first, entry_id) == state_of(second, entry_id) == "dropped"
    assert [e.kind for e in first.events_of(entry=entry_id)][-1] == "patch_dropped"
    assert list(events.broken_links(first.events())) == []
    first.close()
    second.close()


# -- all or nothing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(5))
def test_an_exception_in_the_middle_undoes_all(ledger: Ledger, stop: int) -> None:
    before = contents(ledger)

    def at(place: int) -> None:
        if place == stop:
            raise Undone

    with pytest.raises(Undone), ledger.write() as write:  # noqa: PT012
        at(0)
        run = write.runs.start("apply", "person:Test", {})
        at(1)
        entry_id = ledgers.add_entry(write, 1, run=run)
        at(2)
        ledgers.walk(write, entry_id, ("validated", "queued"))
        at(3)
        write.landings.pause("*", "queue.paused", "x", "person:Test")
        at(4)
    assert contents(ledger) == before
    with ledger.write() as write:
        ledgers.add_entry(write, 1)
    assert list(events.broken_links(ledger.events())) == []


def test_an_interrupt_in_the_middle_undoes_all(ledger: Ledger) -> None:
    before = contents(ledger)
    with pytest.raises(KeyboardInterrupt), ledger.write() as write:  # noqa: PT012
        write.note("note", {})
        raise KeyboardInterrupt
    assert contents(ledger) == before


def test_what_was_undone_is_not_anchored_from_memory(ledger: Ledger) -> None:
    with pytest.raises(Undone), ledger.write() as write:  # noqa: PT012
        write.note("note", {"n": 1})
        raise Undone
    with ledger.write() as write:
        write.note("note", {"n": 2})
    told = [json.loads(link.line)["payload"] for link in ledger.links(1)]
    assert told == [{"n": 2}]
    assert [link.line.decode() for link in ledger.links(0)] == [
        events.json_line(e) + "\n" for e in ledger.events()
    ]


# -- reading ---------------------------------------------------------------------------------------------------------


def test_pages_hold_no_statement_open(ledger: Ledger) -> None:
    with ledger.write() as write:
        for number in range(1, 8):
            ledgers.add_entry(write, number)
    seen = []
    for entry in ledger.entries.pages(size=3):
        seen.append(entry.number)
        with ledger.write() as write:
            write.note("note", {"n": entry.number})
    assert seen == list(range(1, 8))


def test_looking_up(ledger: Ledger) -> None:
    with ledger.write() as write:
        one = ledgers.add_entry(write, 1)
        again = ledgers.add_entry(write, 1, revision=2, replaces=one)
        other = ledgers.add_entry(
            write, 12, depends_on=[1], target="refs/heads/x", content=b"\x00\xff"
        )
        ledgers.walk(write, other, ledgers.ROUTES["committed"])
    entries = ledger.entries
    assert entries.get(one) is not None
    assert entries.get("nobody") is None
    assert entries.revision(1).entry_id == again  # type: ignore[union-attr]
    assert entries.revision(1, 1).entry_id == one  # type: ignore[union-attr]
    assert entries.revision(3) is None
    assert [e.entry_id for e in entries.by_prefix(one)] == [one]
    assert len(entries.by_prefix("01")) == 2
    assert entries.by_prefix("zz") == []
    assert entries.by_commit(ledgers.COMMIT).entry_id == other  # type: ignore[union-attr]
    found = entries.get(other)
    assert found is not None
    assert [e.entry_id for e in entries.by_identity(found.identity)] == [other]
    assert entries.in_states(("created",)) != []
    assert entries.in_states(("created",), "refs/heads/x") == []
    assert entries.counts() == {"created": 2}
    assert entries.next_number() == 13
    assert entries.patch(found.patch_id).content == b"\x00\xff"
    first = entries.get(one)
    assert first is not None
    assert [e.entry_id for e in entries.followers(first)] == [other]
    assert found.label == "12"
    assert entries.get(again).label == "1.2"  # type: ignore[union-attr]


def test_the_journal_is_the_safe_one(ledger: Ledger) -> None:
    mode = ledger.db.execute("PRAGMA journal_mode").fetchone()[0]
    level = ledger.db.execute("PRAGMA synchronous").fetchone()[0]
    if sqlite3.sqlite_version_info >= (3, 51, 3):
        assert (mode, level) == ("wal", 2)
    else:
        assert (mode, level) == ("truncate", 3)
    assert ledger.db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    assert ledger.db.execute("PRAGMA trusted_schema").fetchone()[0] == 0
    assert ledger.db.execute("PRAGMA application_id").fetchone()[0] == connection.APPLICATION_ID
    assert ledger.path.stat().st_mode & 0o777 == 0o600
