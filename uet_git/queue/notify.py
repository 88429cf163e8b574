"""notify: runs the user's own program when something needs a person, a target fails its own gates, or the queue pauses.

The document lies in a folder beside the ledger until a process of its own hands it over; nobody waits for that. The
program is the user's, the text is foreign: it comes on stdin as JSON, never as an argument (DESIGN 2 P11).
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from uet_git.errors import ConfigError, UetError
from uet_git.host import files, process, user_config
from uet_git.model import display
from uet_git.model.reasons import next_command
from uet_git.project import Project

TIMEOUT: Final = 30.0  # seconds for the program to end
NAMED: Final = 50  # entries in one document
WAITING: Final = 50  # documents that nobody has handed over yet
INSIDE: Final = "UET_NOTIFYING"
FAILED: Final = "notify_failed"
_FOLDER: Final = "notify"
_LOG_BYTES: Final = 64 * 1024
_LONGEST: Final = 1_000
_EVENTS: Final = ("patch_quarantined", "patch_apply_failed", "queue_paused")


def after(project: Project, since: int) -> int:
    """Tells of what this process did after event `since`; returns the last event it looked at. Never raises."""
    last = since
    with suppress(UetError, OSError):
        last = project.ledger.last_seq()
        if process.variable(INSIDE) is None:
            told = [json.loads(link.line) for link in project.ledger.made_here(since, _EVENTS)]
            documents = _documents(project, told)
            if documents and _wanted(project):
                _leave(project, documents)
    return last


def _wanted(project: Project) -> bool:
    """Whether the user names a program; a file that cannot be read is a failure like that of a program."""
    try:
        return bool(user_config.read().notify)
    except ConfigError as exc:
        _note(project, exc.message)
        return False


def _documents(project: Project, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One document a kind of event: the entries that need a person still, and the pauses still in force."""
    ids = dict.fromkeys(e["entry"] for e in events if e["kind"] != "queue_paused")
    needy = [
        e
        for e in project.ledger.entries.by_ids(list(ids))
        if e.state in ("quarantined", "apply_failed")
    ]
    found = []
    if needy:
        entries = [
            {
                **{"id": e.entry_id, "number": e.number, "revision": e.revision},
                **{"title": _shown(e.title), "state": e.state, "reason": e.reason},
                **{"detail": _shown(e.detail or ""), "target": _shown(e.target)},
                "next": next_command(e.reason, e.number),
            }
            for e in needy[:NAMED]
        ]
        found.append({"event": "needs_person", "count": len(needy), "entries": entries})
    paused = {e["payload"]["target"] for e in events if e["kind"] == "queue_paused"}
    for pause in project.ledger.pauses():
        if pause.target in paused:
            kind = "base_broken" if pause.code == "gate.base_broken" else "paused"
            said = {
                **{"target": _shown(pause.target), "code": pause.code},
                **{"reason": _shown(pause.reason), "actor": _shown(pause.actor)},
            }
            found.append({"event": kind, "pause": said, "next": ["uet-git", "resume"]})
    about = {
        **{"v": 1, "repository": _shown(project.git.top or project.git.git_dir)},
        **{"ledger": project.ledger.ledger_id, "at": project.clock.now()},
    }
    return [{**about, **document} for document in found]


def _shown(text: str) -> str:
    return display.line(text, _LONGEST)


def _leave(project: Project, documents: Sequence[dict[str, Any]]) -> None:
    """Puts documents where the other process finds them, and starts it. Too many are left out."""
    folder = project.home / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    room = WAITING - sum(1 for _ in folder.glob("*.json"))
    for document in documents[: max(room, 0)]:
        text = json.dumps(document, ensure_ascii=True) + "\n"
        files.write_atomic(folder / f"{project.clock.ulid()}.json", text.encode("ascii"))
    entry = str(Path(__file__).parent.parent / "hookentry.py")
    here = project.git.top or project.git.git_dir
    argv = (sys.executable, "-IS", entry, "notify", here)
    process.run(
        ["/bin/sh", "-c", '("$@" </dev/null >/dev/null 2>&1 &)', "sh", *argv],
        cwd=here,
        timeout=10.0,
    )


def deliver(folder: str) -> int:
    """The other process: hands every waiting document over, one after another. One beside another has nothing to do."""
    os.setsid()
    with suppress(UetError, OSError), Project.open(folder) as project:
        lock = files.Flock(str(project.home / "notify.lock"))
        while _waiting(project) and lock.acquire(0):
            try:
                for path in _waiting(project):
                    _note(project, _run(project, path))
                    path.unlink(missing_ok=True)
            finally:
                lock.release()
    return 0


def _waiting(project: Project) -> list[Path]:
    return sorted((project.home / _FOLDER).glob("*.json"))


def _run(project: Project, document: Path) -> str:
    """Runs the user's program with a document on stdin; returns why it failed, empty if it did not."""
    try:
        argv = user_config.read().notify
    except UetError as exc:
        return exc.message
    if not argv:
        return ""
    env = {k: v for k, v in process.inherited().items() if not k.startswith(("GIT_", "UET_"))}
    ended = process.run_gate(
        ["/bin/sh", "-c", 'exec "$@" < "$0"', str(document), *argv],
        cwd=os.path.expanduser("~") if os.path.isdir(os.path.expanduser("~")) else "/",
        env={**env, INSIDE: "1"},
        timeout=TIMEOUT,
        log_path=str(project.home / "notify.log"),
        cap_bytes=_LOG_BYTES,
    )
    name = display.line(argv[0], 200)
    if ended.timed_out:
        return f"{name} did not end within {TIMEOUT:.0f} s"
    if ended.code is None:
        return f"{name}: {display.line(ended.error, 200)}"
    return "" if ended.code == 0 else f"{name} ended with {ended.code}"


def _note(project: Project, why: str) -> None:
    """Records a failure, once for each in a row of the same."""
    if why == (project.ledger.meta(FAILED) or ""):
        return
    with project.ledger.write() as write:
        write.set_meta(FAILED, why)
        if why:
            write.note(
                "note", {"what": FAILED, "why": why, "log": str(project.home / "notify.log")}
            )
