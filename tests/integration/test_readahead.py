"""Patches that are judged while the command still loads: the same judgements, of the bytes and under the limits in force."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import git, make_repo
from tests.product import entries, uet
from uet_git.host import beside
from uet_git.host.twoends import TwoEnds
from uet_git.model import mbox
from uet_git.model.settings import Limits
from uet_git.queue import readahead, validate
from uet_git.queue.validate import Judgement


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    monkeypatch.setattr(beside, "is_possible", lambda: True)
    yield
    readahead.end()


def _mails(tmp_path: Path, count: int = 60) -> bytes:
    repo = make_repo(tmp_path / "source", {"x": b"x\n"})
    for n in range(count):
        (repo / f"f{n % 7}").write_bytes(b"text %d\n" % n * 40)
        git(repo, "add", "-A")
        git(repo, "commit", "-qm", f"number {n}")
    return git(repo, "format-patch", "--stdout", f"HEAD~{count}")


def _alone(data: bytes, limits: Limits = Limits()) -> list[Judgement]:  # noqa: B008 - a constant
    return [validate.judge(piece, limits, 40) for piece in mbox.split(data)]


def _ahead(path: Path, data: bytes, limits: Limits = Limits()) -> list[Judgement]:  # noqa: B008
    """Judged as a command does that is called with the file and finds `data` in it."""
    readahead.begin(["--quiet", str(path)])
    assert readahead._begun
    time.sleep(0.2)
    found = readahead.judged(list(mbox.split(data)), limits, 40, ())
    judgements = [judged for _, judged in found]
    assert not readahead._begun
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    return judgements


def test_they_are_the_same_and_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = _mails(tmp_path)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    expected = _alone(mails)
    here: list[bytes] = []
    real = validate.judge

    def noted(piece: bytes, *rest: object) -> Judgement:
        here.append(piece)
        return real(piece, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(validate, "judge", noted)
    assert _ahead(path, mails) == expected
    assert len(here) < len(expected) / 2


def test_a_python_without_files_in_memory_takes_one_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    mails = _mails(tmp_path, 40)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    assert _ahead(path, mails) == _alone(mails)


def test_nobody_waits_for_a_process_that_has_claimed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = _mails(tmp_path, 40)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    monkeypatch.setattr(readahead, "_read", lambda files: time.sleep(600))
    start = time.monotonic()
    assert _ahead(path, mails) == _alone(mails)
    assert time.monotonic() - start < 20


def test_answers_that_cannot_be_read_are_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: TwoEnds[bytes, object]) -> object:
        raise EOFError

    mails = _mails(tmp_path, 40)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    monkeypatch.setattr(TwoEnds, "answers", broken)
    assert _ahead(path, mails) == _alone(mails)


@pytest.mark.parametrize(
    "work",
    [
        "lambda: ends.back([b'%d' % n for n in range(400)], lambda item: time.sleep(0.1))",
        "lambda: b'x' * 4_000_000",
    ],
    ids=["at work", "with a long answer"],
)
def test_it_does_not_outlive_who_asked(work: str) -> None:
    code = (
        "import os, time\nfrom uet_git.host.beside import Beside\nfrom uet_git.host.twoends import TwoEnds\n"
        f"ends = TwoEnds(bytes, lambda item: 1 << 20)\nb = Beside({work})\nprint(b._pid, flush=True)\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    deadline = time.monotonic() + 20
    while _runs(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_signal_that_comes_with_the_fork_ends_only_the_new_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, noted = os.fork, []

    def forked() -> int:
        pid = real()
        if not pid:
            os.kill(os.getpid(), signal.SIGTERM)
        return pid

    monkeypatch.setattr(os, "fork", forked)
    before = signal.signal(signal.SIGTERM, lambda *_: noted.append(os.getpid()))
    try:
        assert beside.Beside(lambda: 1).result() is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not noted


def test_a_second_process_that_cannot_be_had_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    mails = _mails(tmp_path, 40)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pipe", refused)
        other = beside.Beside(lambda: 1)
        assert other.answers_within(0)
        assert other.result() is None
        readahead.begin([str(path)])
        found = readahead.judged(list(mbox.split(mails)), Limits(), 40, ())
        assert [judged for _, judged in found] == _alone(mails)


def test_bytes_that_changed_meanwhile_are_judged_anew(tmp_path: Path) -> None:
    mails = _mails(tmp_path)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    later = mails.replace(b"+text 5\n", b"+TEXT 5\n").replace(b"number 59", b"another subject")
    assert later != mails
    assert _ahead(path, later) == _alone(later)


def test_other_limits_judge_anew(tmp_path: Path) -> None:
    mails = _mails(tmp_path)
    path = tmp_path / "s.mbox"
    path.write_bytes(mails)
    tight = Limits(patch_bytes=900)
    expected = _alone(mails, tight)
    assert any(j.reason == "size.patch" for j in expected)
    assert _ahead(path, mails, tight) == expected


def test_a_diff_that_is_not_the_end_of_its_mail_comes_whole(tmp_path: Path) -> None:
    mails = _mails(tmp_path, 40)
    encoded = mails.replace(
        b"\nSubject:", b"\nContent-Transfer-Encoding: quoted-printable\nSubject:"
    ).replace(b"=", b"=3D")
    path = tmp_path / "s.mbox"
    path.write_bytes(encoded)
    found = _ahead(path, encoded)
    assert found == _alone(encoded)
    assert all(j.mail.diff for j in found)


@pytest.mark.parametrize("what", ["small", "folder", "fifo", "nothing", "option", "nul"])
def test_what_is_no_large_file_is_not_begun(tmp_path: Path, what: str) -> None:
    path = tmp_path / "p"
    if what == "small":
        path.write_bytes(b"diff --git a/x b/x\n")
    elif what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    name = {"option": f"--message={path}", "nul": "a\0b"}.get(what, str(path))
    readahead.begin([name, "12", "main..topic"])
    assert not readahead._begun


def test_who_waits_for_our_output_does_not_wait_for_the_other_process(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom uet_git.host.beside import Beside\n"
        "b = Beside(lambda: time.sleep(20))\ntime.sleep(0.2)\nprint('done', flush=True)\nos._exit(0)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"done\n"
    assert time.monotonic() - start < 10


def test_a_command_lands_the_same_from_a_file_and_from_its_input(tmp_path: Path) -> None:
    mails = _mails(tmp_path)
    (tmp_path / "s.mbox").write_bytes(mails)
    one = make_repo(tmp_path / "one", {"x": b"x\n"})
    other = make_repo(tmp_path / "other", {"x": b"x\n"})
    uet(one, "apply", "-q", str(tmp_path / "s.mbox"))
    uet(other, "apply", "-q", "-", stdin=mails)
    trees = {git(repo, "rev-parse", "HEAD^{tree}") for repo in (one, other)}
    assert trees == {git(tmp_path / "source", "rev-parse", "HEAD^{tree}")}
    shown = [
        [(e["state"], e["title"], e["number"]) for e in entries(repo)] for repo in (one, other)
    ]
    assert shown[0] == shown[1]
