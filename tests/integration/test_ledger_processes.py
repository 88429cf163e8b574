"""Many processes write one ledger at once: none is told that it is locked, and every row is there, once."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ledgers
from uet_git.ledger import events
from uet_git.ledger.ledger import Ledger

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, pathlib
from tests import ledgers
from uet_git.host.clock import Clock
from uet_git.ledger.ledger import Ledger
ledger = Ledger(pathlib.Path(sys.argv[1]), Clock(), f"person:{sys.argv[2]}")
for n in range(int(sys.argv[3])):
    with ledger.write() as write:
        number = ledger.entries.next_number()
        entry = ledgers.add_entry(write, number, content=f"{sys.argv[2]}-{n}".encode())
        ledgers.walk(write, entry, ("validated", "queued"))
    print(number, flush=True)
ledger.close()
"""


def start(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ledger = ledgers.new_ledger(tmp_path / "uet")
    ledger.close()
    return ledger.path


def test_all_rows_of_all_writers(path: Path) -> None:
    count = 40
    children = [start(path, f"w{n}", count) for n in range(3)]
    told = []
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, err) == (0, b"")
        told += [int(line) for line in out.split()]
    assert sorted(told) == list(range(1, 3 * count + 1))
    ledger = Ledger(path, ledgers.SteadyClock(), "person:Test")
    entries = list(ledger.entries.pages())
    assert [e.number for e in entries] == list(range(1, 3 * count + 1))
    assert {e.state for e in entries} == {"queued"}
    assert ledger.last_seq() == 1 + 3 * 3 * count
    assert list(events.broken_links(ledger.events())) == []
    assert {e.actor for e in ledger.events()} == {
        "person:Test",
        "person:w0",
        "person:w1",
        "person:w2",
    }
    ledger.close()


@pytest.mark.parametrize("after", [1, 7, 20])
def test_what_a_killed_writer_reported_is_there(path: Path, after: int) -> None:
    child = start(path, "w", 10_000)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(after)]
    child.kill()
    told += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    assert child.stderr is not None
    child.stderr.close()
    ledger = Ledger(path, ledgers.SteadyClock(), "person:Test")
    numbers = [e.number for e in ledger.entries.pages()]
    assert numbers[: len(told)] == told
    assert len(numbers) - len(told) in (0, 1)
    assert {e.state for e in ledger.entries.pages()} == {"queued"}
    assert list(events.broken_links(ledger.events())) == []
    with ledger.write() as write:
        ledgers.add_entry(write, ledger.entries.next_number())
    ledger.close()


def test_a_stopped_writer_is_waited_for_and_a_dead_one_is_not(path: Path) -> None:
    """The lock is the kernel's: it is never taken by age, and it goes with its holder."""
    hold = (
        "import sys, pathlib, time\nfrom uet_git.ledger import connection\n"
        "with connection.write_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", hold, str(path.parent)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.send_signal(signal.SIGSTOP)
    writer = start(path, "w", 1)
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(timeout=1.0)
    began = time.monotonic()
    child.kill()
    out, err = writer.communicate(timeout=30)
    assert (writer.returncode, err, out) == (0, b"", b"1\n")
    assert time.monotonic() - began < 10
    child.wait()
    child.stdout.close()


def test_readers_see_whole_transactions(path: Path) -> None:
    """An entry is never seen between its first two moves."""
    child = start(path, "w", 60)
    ledger = Ledger(path, ledgers.SteadyClock(), "person:Test")
    seen = 0
    while child.poll() is None:
        for entry in ledger.entries.pages():
            assert entry.state == "queued"
            told = [json.loads(e.payload).get("to") for e in ledger.events_of(entry=entry.entry_id)]
            assert told == ["created", "validated", "queued"]
            seen += 1
    _, err = child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert seen > 0
    ledger.close()
