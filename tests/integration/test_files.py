"""Locks die with their holder and are never stolen; atomic writes never tear; refusals get their own errors."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from uet_git.errors import DiskFull, IoFailed, LedgerReadOnly
from uet_git.host import files
from uet_git.host.files import (
    Flock,
    Holder,
    boot_id,
    network_file_system,
    os_errors,
    pid_alive,
    write_atomic,
)

ROOT = Path(__file__).parent.parent.parent
HOLD = "import sys,time\nfrom uet_git.host.files import Flock\nlock = Flock(sys.argv[1])\nlock.acquire()\nprint('held', flush=True)\ntime.sleep(60)\n"
COUNT = """
import sys
from uet_git.host.files import Flock
lock = Flock(sys.argv[1])
for _ in range(60):
    with lock:
        n = int(open(sys.argv[2]).read())
        open(sys.argv[2], "w").write(str(n + 1))
"""


def python(code: str, *args: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], cwd=ROOT, stdout=subprocess.PIPE
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    child = python(HOLD, tmp_path / "lock")
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    yield child
    child.send_signal(signal.SIGCONT)
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_held_lock_is_not_taken_and_tells_by_whom(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    lock = Flock(tmp_path / "lock")
    assert not lock.acquire(0)
    told: list[Holder | None] = []
    began = time.monotonic()
    assert not lock.acquire(0.2, told.append)
    assert 0.2 <= time.monotonic() - began < 1.5
    assert not lock.held
    assert len(told) == 1
    assert told[0] is not None
    assert told[0].pid == holder.pid
    assert abs(told[0].since - time.time()) < 20
    assert 0 <= told[0].waited() < 20
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_killed_holder_frees_it_at_once(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    lock = Flock(tmp_path / "lock")
    holder.kill()
    assert lock.acquire(5)
    assert lock.held_by() == Flock(tmp_path / "lock").held_by()
    held = lock.held_by()
    assert held is not None
    assert held.pid == os.getpid()
    lock.release()
    assert lock.held_by() is None


def test_a_stopped_holder_keeps_it(tmp_path: Path, holder: "subprocess.Popen[bytes]") -> None:
    holder.send_signal(signal.SIGSTOP)
    lock = Flock(tmp_path / "lock")
    assert not lock.acquire(0.3)
    held = lock.held_by()
    assert held is not None
    assert held.pid == holder.pid


@pytest.mark.parametrize("with_wait", [False, True])
def test_who_waits_gets_it(tmp_path: Path, with_wait: bool) -> None:
    first, second = Flock(tmp_path / "lock"), Flock(tmp_path / "lock")
    assert first.acquire()
    threading.Timer(0.2, first.release).start()
    assert second.acquire(None, (lambda _: None) if with_wait else None)
    second.release()
    second.release()


def test_it_excludes_processes(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("0")
    children = [python(COUNT, tmp_path / "lock", tmp_path / "n") for _ in range(4)]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    assert (tmp_path / "n").read_text() == "240"


def test_a_lock_file_made_anew_is_the_one_that_counts(tmp_path: Path) -> None:
    """A ledger folder removed and made again: the lock on the removed file protects nothing."""
    path = tmp_path / "lock"
    old, waiting = Flock(path), Flock(path)
    old.acquire()
    got: list[bool] = []
    waiter = threading.Thread(target=lambda: got.append(waiting.acquire()))
    waiter.start()
    time.sleep(0.05)
    path.unlink()
    other = Flock(path)
    assert other.acquire(0)
    old.release()
    waiter.join(0.3)
    assert not got
    other.release()
    waiter.join()
    assert got == [True]
    waiting.release()


def test_a_child_does_not_inherit_it(tmp_path: Path) -> None:
    lock = Flock(tmp_path / "lock")
    lock.acquire()
    child = subprocess.Popen(["sleep", "5"])
    try:
        lock.release()
        assert Flock(tmp_path / "lock").acquire(0)
    finally:
        child.kill()
        child.wait()


def test_it_is_released_by_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Flock(tmp_path / "lock"):
        raise KeyError
    assert Flock(tmp_path / "lock").acquire(0)


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(IoFailed, match=r"locking .*No such file"):
        Flock(tmp_path / "no" / "lock").acquire(0)


def test_notes_that_are_none(tmp_path: Path) -> None:
    for note in (
        b"",
        b"x",
        b"1 2",
        b"x y z\n",
        b"999999999 1.0 " + boot_id().encode(),
        b"%d 1.0 other-boot" % os.getpid(),
        b"\xff \xff \xff",
    ):
        (tmp_path / "lock").write_bytes(note)
        assert Flock(tmp_path / "lock").held_by() is None


def test_alive() -> None:
    assert pid_alive(os.getpid(), boot_id())
    assert not pid_alive(os.getpid(), "another boot")
    assert not pid_alive(0, boot_id())
    assert not pid_alive(-1, boot_id())
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not pid_alive(child.pid, boot_id()), "a zombie does nothing any more"
    child.wait()
    assert not pid_alive(child.pid, boot_id())


# --- writing -------------------------------------------------------------------------------------


def test_an_atomic_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomic(str(path), b"one")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    write_atomic(os.fsencode(path), b"two", 0o755)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o755)
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "link").symlink_to("target")
    write_atomic(str(tmp_path / "link"), b"new")
    assert (tmp_path / "target").read_bytes() == b"kept"
    assert (tmp_path / "link").read_bytes() == b"new"
    monkeypatch.chdir(tmp_path)
    write_atomic("plain", b"x")
    assert sorted(os.listdir(tmp_path)) == ["f", "link", "plain", "target"]


@pytest.mark.parametrize("call", ["fsync", "rename", "open"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EIO, IoFailed),
        (errno.EROFS, IoFailed),
    ],
)
def test_a_failed_write_leaves_the_old_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[Exception]
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(files.os, call, failing)
        with pytest.raises(kind) as caught:
            write_atomic(str(path), b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def recorded(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*args: object) -> object:
            calls.append(name)
            return real(*args)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(files.os, name, recorded(name))
    write_atomic(str(tmp_path / "f"), b"x")
    assert calls == ["fsync", "rename", "fsync"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EACCES, LedgerReadOnly),
        (errno.EROFS, LedgerReadOnly),
        (errno.EIO, IoFailed),
    ],
)
def test_what_the_system_refuses_is_named(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="doing it: "), os_errors("doing it", read_only=LedgerReadOnly):
        raise OSError(code, os.strerror(code))


# --- file systems ----------------------------------------------------------------------------------

MOUNTS = b"""\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /home rw - nfs4 server:/home rw
31 30 8:2 / /home/local rw master:3 - xfs /dev/sdb rw
40 22 0:50 / /mnt/my\\040disk rw - fuse.sshfs me@host: rw
41 22 0:51 / /over rw - ext4 x rw
42 41 0:52 / /over rw - cifs //s/x rw
43 22 0:53 / /home2 rw - tmpfs x rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/x", "ext4"),
        (b"/", "ext4"),
        (b"/home", "nfs4"),
        (b"/home/me/r", "nfs4"),
        (b"/home/local/r", "xfs"),
        (b"/home2/r", "tmpfs"),
        (b"/mnt/my disk/r", "fuse.sshfs"),
        (b"/over/x", "cifs"),
    ],
)
def test_the_mount_of_a_path(path: bytes, kind: str) -> None:
    assert files._mount_type(MOUNTS, path) == kind


def test_network_file_systems_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None
    for kind, network in (
        ("nfs4", True),
        ("9p", True),
        ("fuse.sshfs", True),
        ("ext4", False),
        ("overlay", False),
        ("fuseblk", False),
    ):
        monkeypatch.setattr(files, "_mount_type", lambda *_, kind=kind: kind)
        assert network_file_system(str(tmp_path / "not" / "there")) == (kind if network else None)
