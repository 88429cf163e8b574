"""A gate's process ends within its timeout + 5 s, leaves no process, and cannot fill the disk or the memory."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from uet_git.errors import GitMissing, IoFailed
from uet_git.host import family, process
from uet_git.host.gate_env import gate_environment
from uet_git.host.gate_watch import Ended
from uet_git.host.process import run_gate

linux = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason="only Linux tells every descendant"
)


def alive(tag: str) -> list[str]:
    """The command lines of living processes that hold a tag."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            continue
        if tag.encode() in line and int(pid) != os.getpid():
            found.append(line.decode())
    return found


@pytest.fixture
def tag() -> Iterator[str]:
    """A sleep whose length no other process has: `sleep 97.<digits>`."""
    name = f"97.{uuid.uuid4().int % 10**9:09d}"
    yield name
    assert alive(name) == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def gate(
    home: Path, argv: str | list[str], *, timeout: float = 20, cap: int = 100_000
) -> tuple[Ended, bytes]:
    env = gate_environment(home=str(home), temporary=str(home), ceiling=str(home.parent))
    log = home.parent / "log"
    ended = run_gate(
        argv, cwd=str(home), env=env, timeout=timeout, log_path=str(log), cap_bytes=cap
    )
    return ended, log.read_bytes()


@pytest.mark.parametrize(
    ("argv", "code", "log"),
    [
        (["true"], 0, b""),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], 3, b"out\nerr\n"),
        ("echo $HOME >/dev/null; exit 125", 125, b""),
        ("kill -9 $$", -9, b""),
        ("kill -TERM $$", -15, b""),
        ('cat; read x; echo "[$x]"', 0, b"[]\n"),
        ("tty", 1, b"not a tty\n"),
    ],
)
def test_how_it_ended(home: Path, argv: str | list[str], code: int, log: bytes) -> None:
    ended, output = gate(home, argv)
    assert (ended.code, ended.timed_out, ended.truncated, ended.error) == (code, False, False, "")
    assert output == log


def test_what_cannot_be_started_says_why(home: Path) -> None:
    (home / "plain").write_text("x")
    for argv, why in (
        (["no-such-program-x"], "no-such-program-x: No such file"),
        (["./plain"], "./plain: Permission denied"),
    ):
        ended, _ = gate(home, argv)
        assert ended.code is None
        assert why in ended.error
    (home / "plain").chmod(0o755)
    assert "Exec format" in gate(home, ["./plain"])[0].error
    missing = run_gate(
        ["true"], cwd=str(home / "nowhere"), env={}, timeout=5, log_path=str(home / "log")
    )
    assert missing.code is None
    assert str(home / "nowhere") in missing.error


def test_a_log_that_cannot_be_made_is_an_error(home: Path) -> None:
    (home / "link").symlink_to(home / "target")
    for log in (home / "no" / "log", home / "link"):
        with pytest.raises(IoFailed):
            run_gate(["true"], cwd=str(home), env={}, timeout=5, log_path=str(log))
    assert not (home / "target").exists()


STRAYS = [
    "sleep {tag} & exit 0",
    "setsid sleep {tag} & exit 0",
    "(setsid sh -c 'sleep {tag} & sleep {tag} & exit' &); exit 0",
    "env -i setsid sh -c \"trap '' TERM HUP INT; sleep {tag}; sleep {tag}\" & sleep 0.05; exit 0",
    "nohup sh -c 'sleep {tag} & wait' >/dev/null 2>&1 </dev/null & exit 0",
]


@linux
@pytest.mark.parametrize("line", STRAYS)
def test_what_it_leaves_behind_dies_with_it(home: Path, tag: str, line: str) -> None:
    """The pipe is held open by most of these: the end of the first process counts."""
    began = time.monotonic()
    ended, _ = gate(home, line.replace("{tag}", tag))
    assert ended.code == 0
    assert ended.strays >= 1
    assert time.monotonic() - began < 3
    assert alive(tag) == []


@linux
@pytest.mark.parametrize(
    "line",
    [
        "sleep {tag}",
        "trap '' TERM HUP INT; sleep {tag}; sleep {tag}",
        "setsid sh -c \"trap '' TERM; sleep {tag}\" & sleep {tag}",
        "trap 'exit 0' TERM; sleep {tag} & wait",
        "sh -c 'kill -STOP $$' & sleep {tag}",
        "kill -STOP $$",
        "yes {tag}",
    ],
)
def test_a_timeout_ends_all_of_it(home: Path, tag: str, line: str) -> None:
    began = time.monotonic()
    ended, _ = gate(home, line.replace("{tag}", tag), timeout=0.3)
    assert ended.timed_out
    assert time.monotonic() - began < 0.3 + 5
    assert alive(tag) == []


def test_term_comes_before_kill(home: Path) -> None:
    ended, output = gate(
        home, "trap 'echo bye; exit 7' TERM; while :; do sleep 0.01; done", timeout=0.2
    )
    assert (ended.timed_out, ended.code, output[-4:]) == (True, 7, b"bye\n")
    assert ended.seconds < 2


@linux
def test_a_fork_bomb_is_put_out(home: Path, tag: str) -> None:
    script = f"import os,time,sys\nfor _ in range(6):\n    os.fork()\nif os.fork() == 0:\n    os.setsid()\nos.execvp('sleep', ['sleep', '{tag}'])\n"
    ended, _ = gate(home, [sys.executable, "-ISc", script], timeout=1.5)
    assert ended.timed_out
    assert alive(tag) == []


@linux
def test_our_other_children_live_on(home: Path, tag: str) -> None:
    """Killing a gate's orphans must not hit the git child that serves objects."""
    before = subprocess.Popen(["sleep", tag])
    during: list[subprocess.Popen[bytes]] = []

    def later() -> None:
        time.sleep(0.1)
        during.append(process.start(["sleep", tag]))

    starter = threading.Thread(target=later)
    starter.start()
    gate(home, "setsid sleep 30 & sleep 0.3")
    starter.join()
    try:
        assert before.poll() is None
        assert len(alive(tag)) == 2
    finally:
        before.kill()
        before.wait()
        for child in during:
            process.kill_group(child)


@linux
def test_two_gates_at_once_do_not_end_each_other(home: Path, tmp_path: Path) -> None:
    results: dict[str, Ended] = {}

    def one(name: str, line: str) -> None:
        env = gate_environment(home=str(home), temporary=str(home), ceiling="/")
        results[name] = run_gate(
            line, cwd=str(home), env=env, timeout=10, log_path=str(tmp_path / name)
        )

    slow = "sleep 0.1; (setsid sh -c 'sleep 0.5; echo survived' &); sleep 0.9"
    lines = {"slow": slow, "fast": "sleep 0.3"}
    threads = [threading.Thread(target=one, args=item) for item in lines.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "slow").read_bytes() == b"survived\n"


def test_endless_output_stays_small(home: Path) -> None:
    """200 MB here; memory and file are bounded by the cap, whatever comes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = "echo first; head -c 200000000 /dev/zero | tr '\\0' 'x'; echo last"
    ended, output = gate(home, line, cap=10_000)
    assert ended.truncated
    assert ended.code == 0
    assert output.startswith(b"first\nxxx")
    assert output.endswith(b"xxxlast\n")
    assert b"[... 199990011 bytes left out ...]" in output
    assert len(output) < 10_100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000, 10_001, 10_003, 300_000])
def test_the_log_keeps_both_ends_exactly(home: Path, size: int) -> None:
    data = b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]
    (home / "data").write_bytes(data)
    ended, output = gate(home, ["cat", "data"], cap=10_000)
    assert ended.truncated == (size > 10_000)
    if size <= 10_000:
        assert output == data
    else:
        head, _, rest = output.partition(b"\n[... ")
        left_out, _, tail = rest.partition(b" bytes left out ...]\n")
        assert (head, tail) == (data[:5_000], data[-5_000:])
        assert int(left_out) == size - 10_000


def test_an_interrupt_ends_all_of_it(home: Path, tag: str) -> None:
    main = threading.get_ident()
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        gate(home, f"setsid sleep {tag} & sleep {tag}")
    timer.join()
    assert alive(tag) == []


def test_no_descriptor_or_zombie_is_left(home: Path) -> None:
    gate(home, ["true"])
    before = len(os.listdir("/proc/self/fd"))
    for line in ("true", "setsid sleep 9 & exit 0", "nope"):
        gate(home, line)
    gate(home, ["no-such-program-x"])
    assert len(os.listdir("/proc/self/fd")) == before
    assert family.children(os.getpid()) - {c.pid for c in process._started} == set()


def test_descendants_without_the_children_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels may lack /proc/PID/task/TID/children: parents in /proc/*/stat say the same."""
    child = process.start(["sleep", "5"])
    try:
        assert child.pid in family._children_by_parent(os.getpid())
        assert child.pid in family.children(os.getpid())
    finally:
        process.kill_group(child)


def test_the_environment_is_an_allow_list(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s3",
        "GIT_DIR": "/x",
        "GIT_INDEX_FILE": "/i",
        "SSH_AUTH_SOCK": "/s",
        "PYTHONPATH": "/p",
        "LD_PRELOAD": "",
        "UET_ORIGIN": "x",
        "GIT_ASKPASS": "/a",
    }
    for name, value in {**secrets, "LC_TIME": "C", "WANTED": "yes", "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    env = gate_environment(
        ["WANTED", "GIT_DIR", "ABSENT"],
        home="/h",
        temporary="/t",
        ceiling="/c",
        extra={"UET_TREE": "abc"},
    )
    assert not set(env) & set(secrets)
    expected = {
        "WANTED": "yes",
        "LC_TIME": "C",
        "LANG": "C.UTF-8",
        "HOME": "/h",
        "TMPDIR": "/t",
        "CI": "1",
        "TERM": "dumb",
    }
    git = {
        "GIT_CEILING_DIRECTORIES": "/c",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "UET_TREE": "abc",
    }
    assert {**env, **expected, **git} == env
    assert env["PATH"] == os.environ["PATH"]


def test_git_in_a_gate_does_not_find_the_repository_around_it(home: Path) -> None:
    subprocess.run(["git", "init", "-q", str(home.parent)], check=True)
    inside = home / "tree"
    inside.mkdir()
    env = gate_environment(home=str(home), temporary=str(home), ceiling=str(home))
    ended = run_gate(
        ["git", "rev-parse", "--git-dir"],
        cwd=str(inside),
        env=env,
        timeout=10,
        log_path=str(home / "log"),
    )
    assert ended.code == 128


def test_git_children_do_not_see_which_repository_we_are_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_DIR", "/x")
    monkeypatch.setenv("GIT_INDEX_FILE", "/y")
    done = process.run(["env"])
    assert b"GIT_DIR" not in done.out
    assert b"GIT_INDEX_FILE" not in done.out
    assert b"GIT_AUTHOR_NAME=A U Thor" in done.out


def test_a_git_child_that_hangs_is_killed(tag: str) -> None:
    with pytest.raises(IoFailed, match="did not end within"):
        process.run(["sh", "-c", f"sleep {tag} & sleep {tag}"], timeout=0.2)
    with pytest.raises(GitMissing):
        process.run(["no-such-program-x"])
