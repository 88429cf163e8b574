"""What hooks and commands leave for each other survives each of them, and nobody waits for the dead (DESIGN 11)."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from uet_git import hookentry
from uet_git.host import files, hooknote
from uet_git.plumbing.hookhome import HookHome, is_same_process

TREE, OTHER, BLOB, HEAD = "a" * 40, "b" * 40, "c" * 40, "d" * 40


@pytest.fixture
def home(tmp_path: Path) -> HookHome:
    found = HookHome(str(tmp_path))
    found.make()
    return found


def test_a_new_epoch_makes_every_marker_void(home: HookHome) -> None:
    first = home.epoch()
    home.mark(TREE, (BLOB, OTHER, HEAD), first, ["facts"], 1.0)
    names = sorted(os.listdir(f"{home.path}/ok"))
    assert names == [f"{TREE}-{BLOB}-{first}", f"{TREE}-{HEAD}-{first}"]
    home.forget()
    assert home.epoch() != first
    home.mark(OTHER, (BLOB, TREE, HEAD), home.epoch(), ["facts"], 1.0)
    assert all(name.endswith(home.epoch()) for name in os.listdir(f"{home.path}/ok"))


def test_the_journal_is_read_once_and_whole_lines_only(home: HookHome) -> None:
    path = Path(home.path, "journal")
    path.write_text("one\ntwo\nhal")
    first = home.unread("")
    assert first.lines == ["one", "two"]
    assert home.unread(first.position).lines == []
    with path.open("a") as file:
        file.write("f\n")
    second = home.unread(first.position)
    assert second.lines == ["half"]
    path.unlink()
    path.write_text("anew\n")
    os.utime(path)
    assert home.unread("1:0").lines == ["anew"]


def test_a_long_journal_begins_anew_only_when_it_was_read(home: HookHome) -> None:
    path = Path(home.path, "journal")
    path.write_text("x" * 300_000 + "\n")
    read = home.unread("")
    with path.open("a") as file:
        file.write("late\n")
    home.begin_anew(read.position)
    assert path.exists()
    read = home.unread(read.position)
    home.begin_anew(read.position)
    assert path.read_bytes() == b""
    assert home.unread(read.position).lines == []
    hooknote.append(str(path), b"soon\n")
    assert home.unread(read.position).lines == ["soon"]


def test_a_journal_of_the_same_number_is_another(home: HookHome) -> None:
    """File systems give away the inode of a removed file at once."""
    path = Path(home.path, "journal")
    path.write_text("new\n")
    assert home.unread(f"{path.stat().st_ino}:70000").lines == ["new"]


def test_nobody_loses_a_line_that_is_being_added(home: HookHome) -> None:
    path = Path(home.path, "journal")
    path.write_text("x" * 300_000 + "\n")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        home.begin_anew(home.unread("").position)
    assert path.stat().st_size > 0


def test_half_a_line_spoils_no_other(home: HookHome) -> None:
    path = Path(home.path, "journal")
    path.write_bytes(b"whole\nhal")
    hooknote.append(str(path), b"next\n")
    hooknote.append(str(path), b"last\n")
    assert home.unread("").lines == ["whole", "hal", "next", "last"]


def test_only_the_living_run(home: HookHome, tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "30"])
    home.announce(child.pid, str(tmp_path))
    assert [r.pid for r in home.running()] == [child.pid]
    assert home.running_in(str(tmp_path / "." / "x" / "..")) is not None
    assert home.running_in(str(tmp_path / "other")) is None
    child.kill()
    child.wait()
    assert home.running() == []
    assert os.listdir(f"{home.path}/running") == [], "what the dead left is cleared away"


def test_another_process_with_the_same_number(home: HookHome) -> None:
    """A pid that was given again since is not the process that was meant."""
    assert is_same_process(os.getpid(), files.boot_id(), time.time())
    assert not is_same_process(os.getpid(), files.boot_id(), time.time() - 1_000_000)
    assert not is_same_process(os.getpid(), "another boot", time.time())


def test_a_landing_is_waited_for_and_a_dead_one_is_not(home: HookHome) -> None:
    with home.landing():
        assert Path(home.path, "landing").exists()
        assert home.wait_for_landing(0), "it is our own"
    assert not Path(home.path, "landing").exists()
    child = subprocess.Popen(["sleep", "30"])
    Path(home.path, "landing").write_text(f"{child.pid} {files.boot_id()}\n")
    assert not home.wait_for_landing(0.05)
    child.kill()
    child.wait()
    assert home.wait_for_landing(0.05)


# Nothing that opens a terminal, a browser or a network, no package of others, nothing for reading mails or patches.
NEVER = {
    *(
        "click",
        "rich",
        "git",
        "jsonschema",
        "referencing",
        "unidiff",
        "detect_secrets",
        "junitparser",
    ),
    *("asyncio", "logging", "socket", "ssl", "email", "http", "multiprocessing", "concurrent"),
    *("importlib.metadata", "pkg_resources", "difflib", "xml", "tempfile", "uuid", "tomllib"),
    *("uet_git.model.mail", "uet_git.model.patchfile", "uet_git.gates.run", "uet_git.queue.land"),
}


def loaded(code: str) -> set[str]:
    argv = [
        sys.executable,
        "-IS",
        "-c",
        f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))",
    ]
    done = subprocess.run(argv, capture_output=True, check=True)
    return set(json.loads(done.stdout))


ENTRY = f"import sys; sys.path.insert(0, {str(Path(hookentry.__file__).parents[1])!r})"


def test_the_entry_loads_nothing_by_itself() -> None:
    """A marker's answer never comes to Python at all; and what does pays for nothing before it must."""
    bare = loaded("import os, sys")
    assert loaded(f"{ENTRY}\nimport uet_git.hookentry") - bare == {"uet_git", "uet_git.hookentry"}


@pytest.mark.parametrize("module", ["guard", "guard_gates", "tie", "handmade"])
def test_what_a_hook_may_load(module: str) -> None:
    found = loaded(f"{ENTRY}\nimport uet_git.queue.{module}")
    tops = {name.split(".")[0] for name in found} | found
    assert not tops & NEVER
    assert not {m for m in found if m.startswith("uet_git.cli")}
