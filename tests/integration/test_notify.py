"""The user's own program hears what needs a person: beside the queue, bounded, never in its way (DESIGN 2 P11)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, mail, make_repo
from tests.product import trust, uet
from uet_git.errors import ConfigError
from uet_git.host import user_config
from uet_git.project import Project
from uet_git.queue import notify

BASE = b"one\ntwo\n"
HOSTILE = "\x1b[31m$(touch owned)\u202e"
KEEPS = 'printf "%s\\n" "$#" >> "$KEPT.args"; cat >> "$KEPT"'


class Desk:
    """A repository, a user's configuration, and what the user's program was told."""

    def __init__(self, home: Path) -> None:
        self.repo = make_repo(home / "repo", {"a.txt": BASE})
        self.kept = home / "kept"
        self.config = home / "config" / "uet-git" / "config.toml"
        self.config.parent.mkdir(parents=True)
        self.env = {"XDG_CONFIG_HOME": str(home / "config"), "KEPT": str(self.kept)}

    def runs(self, *argv: str) -> None:
        self.config.write_text(f"notify = {json.dumps(list(argv))}\n")

    def told(self, count: int) -> list[dict[str, Any]]:
        """The documents, once there are so many and nobody is at work any more."""
        until = time.monotonic() + 20
        found: list[str] = []
        while time.monotonic() < until:
            found = self.kept.read_text().splitlines() if self.kept.exists() else []
            if len(found) >= count and not list((self.repo / ".git/uet/notify").glob("*.json")):
                break
            time.sleep(0.05)
        assert len(found) == count, found
        return [json.loads(text) for text in found]

    def notes(self, count: int) -> list[dict[str, Any]]:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with Project.open(str(self.repo)) as project:
                events = [
                    json.loads(e.payload) for e in project.ledger.events() if e.kind == "note"
                ]
                idle = not list((project.home / "notify").glob("*.json"))
            found = [p for p in events if p.get("what") == "notify_failed"]
            if len(found) >= count and idle:
                return found
            time.sleep(0.05)
        raise AssertionError(found)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.runs("/bin/sh", "-c", KEEPS)
    return made


def conflict(desk: Desk, name: str) -> Path:
    path = desk.repo.parent / name
    path.write_bytes(mail(f"{name} {HOSTILE}", diff("a.txt", f"not {name}\n".encode(), b"x\n")))
    return path


def test_what_needs_a_person_is_told_once_a_command_as_json_on_stdin(desk: Desk) -> None:
    """Foreign text is in the document, escaped, and never an argument."""
    uet(
        desk.repo,
        "apply",
        "--independent",
        conflict(desk, "p"),
        conflict(desk, "q"),
        env=desk.env,
        code=1,
    )
    (found,) = desk.told(1)
    assert (found["v"], found["event"], found["count"]) == (1, "needs_person", 2)
    assert [e["number"] for e in found["entries"]] == [1, 2]
    assert "\\x1b[31m$(touch owned)" in found["entries"][0]["title"]
    assert "\u202e" not in found["entries"][0]["title"]
    assert Path(f"{desk.kept}.args").read_text() == "0\n"
    uet(desk.repo, "list", env=desk.env)
    desk.told(1)


def test_a_pause_and_a_target_that_fails_its_own_gates_are_told(desk: Desk) -> None:
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nrun = ['false']\n"
    commit_files(desk.repo, {"uet.toml": text}, "red")
    trust(desk.repo)
    good = desk.repo.parent / "good"
    good.write_bytes(mail("Good", diff("a.txt", BASE, b"1\ntwo\n")))
    uet(desk.repo, "apply", good, env=desk.env, code=3)
    (found,) = desk.told(1)
    assert (found["event"], found["pause"]["code"]) == ("base_broken", "gate.base_broken")
    assert found["next"] == ["uet-git", "resume"]
    uet(desk.repo, "pause", "--reason", "lunch", env=desk.env)
    assert desk.told(2)[1]["event"] == "paused"


def test_it_never_delays_the_queue_and_what_it_starts_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that hangs, with a child of its own, is ended at its time; the failure is recorded once."""
    desk.runs("/bin/sh", "-c", "(setsid sleep 611 &) ; sleep 611")
    monkeypatch.setattr(notify, "TIMEOUT", 0.3)
    monkeypatch.setattr(notify, "_leave", lambda project, documents: _put(project, documents))
    monkeypatch.setattr(notify.os, "setsid", lambda: None)
    for name in desk.env:
        monkeypatch.setenv(name, desk.env[name])
    with Project.open(str(desk.repo)) as project:
        project.ensure_ledger()
        for n in range(2):
            with project.ledger.write() as write:
                write.landings.pause("*", "queue.paused", f"{n}", project.actor)
            project.notified = notify.after(project, project.notified)
    began = time.monotonic()
    assert notify.deliver(str(desk.repo)) == 0
    assert time.monotonic() - began < 10
    (note,) = desk.notes(1)
    assert "did not end within" in note["why"]
    assert not _running("sleep\0611")


def _put(project: Project, documents: Any) -> None:
    (project.home / "notify").mkdir(exist_ok=True)
    for document in documents:
        (project.home / "notify" / f"{project.clock.ulid()}.json").write_text(json.dumps(document))


def _running(words: str) -> bool:
    return any(
        words.encode() in p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()
    )


@pytest.mark.parametrize("argv", [("/no/such/program",), ("/bin/sh", "-c", "exit 7")])
def test_a_failure_is_recorded_once_and_never_fatal(desk: Desk, argv: tuple[str, ...]) -> None:
    desk.runs(*argv)
    uet(desk.repo, "pause", "--reason", "a", env=desk.env)
    desk.notes(1)
    uet(desk.repo, "pause", "--reason", "b", env=desk.env)
    assert len(desk.notes(1)) == 1
    assert uet(desk.repo, "fsck").code == 0


def test_only_the_users_own_file_counts_and_a_wrong_one_is_recorded(desk: Desk) -> None:
    desk.config.unlink()
    commit_files(desk.repo, {"uet.toml": b"version = 1\nnotify = ['true']\n"}, "theirs")
    said = uet(desk.repo, "apply", env=desk.env, code=3).err
    assert b"unknown key" in said
    desk.config.write_text("notify = 'one string'\n")
    uet(desk.repo, "pause", "--reason", "a", env=desk.env)
    assert "must be a list" in desk.notes(1)[0]["why"]
    assert not (desk.repo / ".git/uet/notify").exists()


@pytest.mark.parametrize(
    "text", ["notify = 'x'", "notify = ['']", "notify = [1]", "notfy = ['x']", "version = 2", "x"]
)
def test_a_wrong_file_is_said(desk: Desk, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.config.write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", desk.env["XDG_CONFIG_HOME"])
    with pytest.raises(ConfigError):
        user_config.read()
