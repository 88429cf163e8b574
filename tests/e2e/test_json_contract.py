"""`--json` means: exactly one document on stdout, as its schema says, whatever happens; and nothing that a pipe, a
terminal or NO_COLOR should not get (DESIGN 2 P11, 14)."""

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import COMMAND, trust, uet
from uet_git.cli.main import COMMANDS
from uet_git.host import contracts

BASE = b"one\ntwo\nthree\n"
ESCAPE = "\x1b[31mred\x1b[0m\x1b]0;owned\x07 \u202eevil\u202c \u200bhidden"

# How each command is called, and which schema its document satisfies; None: no document (a pipe-able text).
CALLS: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "submit": [(("submit", "../new.patch"), "entry_list.v1"), (("submit", "--dry-run", "../new.patch"), "")],
    "apply": [
        (("apply", "../new.patch"), "entry_list.v1"),
        (("apply",), "entry_list.v1"),
        (("apply", "4"), "entry_list.v1"),
        (("apply", "--dry-run"), ""),
        (("apply", "--dry-run", "../new.patch"), ""),
    ],
    "wait": [(("wait", "1"), "entry_list.v1"), (("wait", "4", "--timeout", "0"), "entry_list.v1")],
    "status": [(("status",), "status.v1")],
    "list": [(("list",), "entry_list.v1"), (("list", "--open"), "entry_list.v1"), (("list", "--state", "dropped"), "entry_list.v1")],
    "show": [((("show", str(n))), "entry_detail.v1") for n in (1, 2, 3, 4)] + [((("show", "--rework", str(n))), "rework.v1") for n in (1, 2, 3)] + [(("show", "--patch", "1"), "entry_detail.v1")],
    "log": [(("log",), "event_list.v1"), (("log", "1"), "event_list.v1"), (("log", "-n", "1"), "event_list.v1"), (("log", "HEAD"), "provenance.v1"), (("log", "HEAD^"), "provenance.v1")],
    "blame": [(("blame", "a.txt"), "blame.v1"), (("blame", "b.txt", "-L", "1,1"), "blame.v1")],
    "run": [(("run", "list"), "run_list.v1")],
    "review": [(("review",), "review.v1"), (("review", "--by", "age", "3"), "review.v1")],
    "drop": [(("drop", "4"), "entry_list.v1"), (("drop", "--dry-run", "4"), "entry_list.v1")],
    "retry": [(("retry", "2"), "entry_list.v1"), (("retry", "3", "--dry-run"), "entry_list.v1")],
    "release": [(("release", "5", "--reason", ESCAPE), "entry_list.v1"), (("release", "5", "--dry-run", "--reason", "x"), "entry_list.v1")],
    "rollback": [
        (("rollback", "1", "--reason", "x", "--dry-run"), ""),
        (("rollback", "1", "--reason", ESCAPE), "entry_list.v1"),
    ],
    "edit": [(("edit", "4", "--message", ESCAPE, "--reason", ESCAPE), "entry_list.v1"), (("edit", "3", "--dry-run", "-m", "x"), "entry_list.v1")],
    "pick": [(("show", "--hunks", "2"), "hunk_list.v1")],  # picking wants two hunks: see test_pick.py
    "resolve": [
        (("resolve", "3", "--dry-run"), "resolution.v1"),
        (("resolve", "3"), "resolution.v1"),
        (("resolve", "3", "--continue", "--dry-run"), "entry_list.v1"),
        (("resolve", "3", "--abort", "--dry-run"), "resolution.v1"),
        (("resolve", "3", "--abort"), "resolution.v1"),
    ],
    "approve": [(("approve", "4", "--reason", ESCAPE), "entry_list.v1"), (("approve", "4", "--dry-run"), "entry_list.v1")],
    "snooze": [(("snooze", "2", "--until", "1h", "--reason", ESCAPE), "entry_list.v1")],
    "priority": [(("priority", "4", "high", "--reason", ESCAPE), "entry_list.v1")],
    "undo": [],  # each test has a name of its own, and nobody undoes what another decided: see test_decisions.py
    "pause": [(("pause", "--reason", ESCAPE), ""), (("pause", "--reason", "x", "--dry-run"), "")],
    "resume": [(("resume",), ""), (("resume", "--dry-run"), "")],
    "init": [(("init",), "init.v1"), (("init", "--dry-run"), "init.v1")],
    "trust": [((("trust", *how)), "trust.v1") for how in (("--show",), ("--yes",), ("--yes", "--dry-run"), ("--revoke",))],
    "doctor": [(("doctor",), "doctor.v1")],
    "completion": [(("completion", "bash"), "completion.v1")],
    "demo": [],  # it makes a repository of its own: see test_demo.py
    "fsck": [
        (("fsck",), "fsck.v1"),
        (("fsck", "--repair", "--dry-run"), "fsck.v1"),
        (("fsck", "--repair"), "fsck.v1"),
    ],
    "export": [(("export", "../e.jsonl"), "export.v1"), (("export", "--patches", "../e.jsonl"), "export.v1")],
    "backup": [(("backup", "../b.db"), "backup.v1"), (("backup", "../b.db", "--dry-run"), "backup.v1")],
    "restore": [],  # it wants a backup: see test_backup.py
    "redact": [(("redact", "4", "--reason", ESCAPE), "redact.v1"), (("redact", "1-3", "--reason", "x", "--dry-run"), "redact.v1")],
    "hook": [
        (("hook", "install"), "hook_change.v1"),
        (("hook", "install", "--dry-run", "--pre-push"), "hook_change.v1"),
        (("hook", "status"), "hook_status.v1"),
        (("hook", "uninstall"), "hook_change.v1"),
        (("hook", "uninstall", "--dry-run"), "hook_change.v1"),
    ],
    "audit": [(("audit",), "audit.v1"), (("audit", "main"), "audit.v1")],
    "gate": [
        (("gate", "list"), "gate_list.v1"),
        (("gate", "run"), "gate_run.v1"),
        (("gate", "run", "--staged", "--no-cache"), "gate_run.v1"),
        (("gate", "log", "3"), "gate_log.v1"),
        (("gate", "log", "1", "g"), "gate_log.v1"),
        (("gate", "fix"), "gate_fix.v1"),
    ],
    "policy": [
        (("policy", "show"), "patch_policy.v1"),
        (("policy", "check", "../new.patch", "4"), "policy_check.v1"),
        (("policy", "check", "--preset", "strict", "../new.patch"), "policy_check.v1"),
    ],
}  # fmt: skip
WRONG: tuple[tuple[str, ...], ...] = (
    ("show", "99"),
    ("show", "99.9"),
    ("apply", "99"),
    ("apply", "no-such-thing"),
    ("submit",),
    ("submit", "../missing"),
    ("submit", "--replaces", "99", "../new.patch"),
    ("submit", "--replaces", "1", "../new.patch"),
    ("submit", "--depends-on", "x", "../new.patch"),
    ("apply", "--onto", "nowhere", "../new.patch"),
    ("drop", "1"),
    ("drop", "99"),
    ("retry", "1"),
    ("release", "1", "--reason", "x"),
    ("release", "3", "--reason", "x"),
    ("release", "5"),
    ("edit", "1", "-m", "x"),
    ("edit", "4", "--from", "../missing"),
    ("pick", "4"),
    ("resolve", "1"),
    ("resolve", "4", "--continue"),
    ("resolve", "4", "--abort"),
    ("pick", "4", "--hunks", "7"),
    ("redact", "1"),
    ("export",),
    ("fsck", "--from", "../new.patch"),
    ("fsck", "--from", "../missing"),
    ("fsck", "--head", "0"),
    ("backup", "../no/such/folder"),
    ("restore", "../new.patch"),
    ("redact", "99", "--reason", "x"),
    ("rollback", "4", "--reason", "x"),
    ("rollback", "1"),
    ("rollback", "99", "--reason", "x"),
    ("wait", "99"),
    ("run", "show", "ZZZ"),
    ("pause",),
    ("list", "--state", "nonsense"),
    ("log", "99"),
    ("blame", "nothing"),
    ("blame", "a.txt", "--rev", "nothing"),
    ("blame", "a.txt", "-L", "x"),
    ("blame", "../a.txt"),
    ("audit", "no-such-branch"),
    ("audit", "a..b"),
    ("nonsense",),
    ("--nonsense",),
)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Change 1 landed, 2 failed to apply, 3 was quarantined by a gate, 4 is queued, 5 was quarantined for its path; all of them with hostile names."""
    home = tmp_path_factory.mktemp("json")
    repo = make_repo(home / "repo", {"a.txt": BASE, "b.txt": BASE, "c.txt": BASE, "d.txt": BASE})
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = '! grep -q bad c.txt'\n"
    commit_files(repo, {"uet.toml": text}, "gates")
    trust(repo)
    for name, patch in {
        "1": diff("a.txt", BASE, b"1\ntwo\nthree\n"),
        "2": diff("b.txt", b"lost \x1b[5m\n", b"found\n"),
        "3": diff("c.txt", BASE, b"bad \x1b[31m\n"),
    }.items():
        (home / name).write_bytes(
            mail(f"Change {name} {ESCAPE}", patch, author=f"Eve {ESCAPE} <eve@example.com>")
        )
        uet(repo, "apply", f"../{name}", code=None)
    (home / "4").write_bytes(mail(f"Change 4 {ESCAPE}", diff("d.txt", BASE, b"1\n")))
    uet(repo, "submit", "../4")
    (home / "5").write_bytes(mail(f"Change 5 {ESCAPE}", diff("aux.txt", None, b"1\n")))
    uet(repo, "submit", "../5", code=1)
    (home / "new.patch").write_bytes(mail(f"New {ESCAPE}", diff("new.txt", None, b"new\n")))
    return repo


@pytest.fixture
def copy(repo: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    subprocess.run(["cp", "-a", f"{repo.parent}/.", str(tmp_path / "home")], check=True)
    trust(tmp_path / "home" / "repo")
    return tmp_path / "home" / "repo"


def _one_document(out: bytes) -> Any:
    """Parses stdout as one document with nothing after it, in plain ASCII."""
    assert out.isascii()
    assert b"\x1b" not in out
    document, end = json.JSONDecoder().raw_decode(out.decode())
    assert out.decode()[end:] == "\n"
    return document


def test_every_command_is_in_the_table() -> None:
    assert set(CALLS) == set(COMMANDS)


@pytest.mark.parametrize(
    ("args", "schema"), [c for calls in CALLS.values() for c in calls], ids=lambda v: " ".join(v)[:40] if isinstance(v, tuple) else v or "-"
)  # fmt: skip
def test_a_command_prints_one_document(args: tuple[str, ...], schema: str, copy: Path) -> None:
    ran = uet(copy, *args, "--json", code=None)
    assert ran.code in (0, 1, 4), ran.said
    document = _one_document(ran.out)
    if schema:
        assert list(contracts.iter_errors(document, schema)) == []
    assert b"\x1b" not in ran.err


def test_one_run_is_a_document_too(copy: Path) -> None:
    for run in _one_document(uet(copy, "run", "list", "--json").out):
        document = _one_document(uet(copy, "run", "show", run["id"], "--json").out)
        assert list(contracts.iter_errors(document, "run.v1")) == []


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_a_failure_is_one_document(args: tuple[str, ...], copy: Path) -> None:
    ran = uet(copy, *args, "--json", code=None)
    document = _one_document(ran.out)
    assert ran.code == 2, ran.said
    assert list(document) == ["error"]
    assert list(contracts.iter_errors(document, "error.v1")) == []
    assert ran.err == b""


@pytest.mark.parametrize(
    "args",
    [("list",), ("status",), ("log",), ("run", "list"), ("apply",), ("submit", "../new.patch")],
)
def test_without_a_ledger_there_is_a_document_as_well(
    args: tuple[str, ...], tmp_path: Path
) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "new.patch").write_bytes(mail("New", diff("new.txt", None, b"new\n")))
    _one_document(uet(repo, *args, "--json").out)


def test_in_an_empty_repository(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    for args in (("list",), ("status",), ("apply",), ("log",)):
        _one_document(uet(repo, *args, "--json").out)


@pytest.mark.parametrize("args", [c[0] for calls in CALLS.values() for c in calls], ids=" ".join)
def test_a_pipe_gets_plain_lines(args: tuple[str, ...], copy: Path) -> None:
    ran = uet(copy, *args, code=None)
    raw = args[0] == "completion" or "--patch" in args  # asked for byte by byte
    text = ran.err if raw else ran.out + ran.err
    for bad in ("\x1b", "\x07", "\u202e", "\u200b"):
        assert bad.encode() not in text, ran.said


# -- on a terminal -----------------------------------------------------------------------------------------------


def _on_a_terminal(repo: Path, *args: str, **env: str) -> tuple[int, str]:
    """Runs the command with a terminal of 100 columns on all three streams; returns exit code and all it showed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(repo)
        os.execvpe(
            COMMAND[0],
            [*COMMAND, *args],
            {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **env},
        )
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.5)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


_OURS = re.compile(r"\x1b\[(?:0|1|2|\d\d)m|\x1b\[K")


def test_a_terminal_sees_live_lines_and_a_table(copy: Path) -> None:
    code, shown = _on_a_terminal(copy, "apply", "../new.patch")
    assert code == 0
    assert "\r\x1b[K" in shown
    assert "composing" in shown
    assert "\x1b[32mcommitted" in shown
    table = shown.split("change  state")[1]
    assert re.search(r"^\s*\d+\s.*committed.*New", table, re.MULTILINE)


@pytest.mark.parametrize(
    "args",
    [
        ("apply",),
        ("list",),
        ("status",),
        ("show", "2"),
        ("show", "3"),
        ("log",),
        ("submit", "../new.patch"),
    ],
)
def test_nothing_of_a_patch_reaches_a_terminal_raw(args: tuple[str, ...], copy: Path) -> None:
    _, shown = _on_a_terminal(copy, *args)
    bare = _OURS.sub("", shown)
    assert not re.search(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f\u200b\u202a-\u202e]", bare
    ), repr(shown)
    assert "Change" in shown or args[0] in ("log", "submit", "status")


def test_no_color_is_honoured_on_a_terminal(copy: Path) -> None:
    _, shown = _on_a_terminal(copy, "list", NO_COLOR="1")
    assert "\x1b[3" not in shown
    _, coloured = _on_a_terminal(copy, "list")
    assert "\x1b[3" in coloured


def test_quiet_has_no_notices(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    (tmp_path / "new.patch").write_bytes(mail("New", diff("new.txt", None, b"new\n")))
    assert uet(repo, "submit", "-q", "../new.patch").err == b""


def test_a_closed_pipe_is_no_error(copy: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -n 1', "sh", *COMMAND, "log"],
        cwd=copy,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_ctrl_c_says_so_and_exits_130(copy: Path, tmp_path: Path) -> None:
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = 'sleep 30'\n"
    commit_files(copy, {"uet.toml": text}, "slow gates")
    trust(copy)
    child = subprocess.Popen(
        [*COMMAND, "apply"],
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    gates = copy / ".git" / "uet" / "gates"
    count = len(list(gates.iterdir()))
    while len(list(gates.iterdir())) == count:
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    os.killpg(child.pid, 2)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130, (out, err)
    assert b"interrupted" in err
    assert b"Traceback" not in err
    commit_files(copy, {"uet.toml": b"version = 1\n"}, "no gates")
    uet(copy, "apply", code=None)
    assert git(copy, "for-each-ref", "refs/uet/entries") == b""
    assert {e["number"]: e["state"] for e in uet(copy, "list", "--json").document}[4] == "committed"
