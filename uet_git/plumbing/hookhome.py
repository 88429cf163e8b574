"""What hooks and commands leave for each other: files in `<ledger's folder>/hooks` (DESIGN 11).

None is evidence but the journal's lines of what was judged.

epoch      a word in the name of every marker: a new one makes all of them void
ok/        markers `<tree>-<config blob>-<epoch>`: a tree that passed. The file holds the tree that it was judged on and
           what else the verdict stands on (host/hook_facts.py); its time is when the tree began to be judged
running/   a file for each git process whose pre-commit was entered, named by its pid: boot id, git directory; its time
           is when it was entered. `<pid>.tree` is a note of sh to itself, and may be removed at any time
landing    the pid of who is moving a branch right now
journal    a line for each thing that a hook saw; what the shortcut judged is synced, and becomes an entry
plans/     what the shortcut stands on (host/hookplan.py), by configuration and epoch
judged/    trees that a gate passed: the verdict cache may know them
gating/    a file for each process that runs a gate by the shortcut, named by its pid
enforce    there if a commit must not pass unchecked
drain-X    there if hook X starts an apply
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from uet_git.host import files
from uet_git.model.named import NamedTuple

FOLDER: Final = "hooks"
_MARKERS: Final = 2_000
_JOURNAL: Final = 64 * 1024  # bytes; beyond it a journal that was read begins anew
_LONG: Final = 3_600.0  # seconds after which a landing's flag is nobody's
NO_CONFIG: Final = "none"


class Journal(NamedTuple):
    """The lines after what was read before, and where that is now: `<inode>:<offset>`."""

    lines: list[str]
    position: str


class Running(NamedTuple):
    """A git process that entered our pre-commit and has not ended. `git_dir` is its work tree's."""

    pid: int
    git_dir: str


class HookHome:
    """The folder of one repository; nothing in it exists before `make`."""

    def __init__(self, home: str) -> None:
        self.path = os.path.join(home, FOLDER)

    def _of(self, *parts: str) -> str:
        return os.path.join(self.path, *parts)

    @property
    def exists(self) -> bool:
        """Whether hooks were ever installed here."""
        return os.path.isdir(self._of("running"))

    def make(self) -> None:
        """Makes it. Raises: DiskFull, IoFailed."""
        with files.os_errors(f"making {self.path}"):
            for name in ("ok", "running"):
                os.makedirs(self._of(name), mode=0o700, exist_ok=True)
        if not os.path.exists(self._of("epoch")):
            self.forget()

    # -- markers ---------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Makes every marker void: what they were judged by has changed. Raises: DiskFull, IoFailed."""
        if os.path.isdir(self.path):
            files.write_atomic(self._of("epoch"), f"{time.time_ns():x}\n".encode())

    def epoch(self) -> str:
        """The epoch that a verdict is noted under: ask before it is looked for. Empty without one."""
        return _read(self._of("epoch")).strip()

    def mark(
        self,
        tree: str,
        verdict: tuple[str, str, str],
        epoch: str,
        facts: Iterable[str],
        since: float,
    ) -> None:
        """Notes a pass; a full disk takes the note, not the verdict.

        `verdict` is the configuration's blob, the tree that it was judged on, and that tree's commit (may be empty).
        `facts` are what else it stands on, `since` when that was first looked at (seconds since the epoch).
        """
        config, base, head = verdict
        if not epoch:
            return
        text = "".join(f"{line}\n" for line in (f"{base} {config}", *facts))
        with suppress(OSError):
            for key in filter(None, (config, head)):
                path = self._of("ok", f"{tree}-{key}-{epoch}")
                with open(f"{path}.{os.getpid()}", "wb") as file:
                    file.write(os.fsencode(text))
                os.utime(file.name, (since, since))
                os.rename(file.name, path)
            self._prune(epoch)

    def unmark(self, tree: str) -> None:
        """Removes every marker of a tree."""
        with suppress(OSError):
            for name in os.listdir(self._of("ok")):
                if name.startswith(f"{tree}-"):
                    os.unlink(self._of("ok", name))

    def _prune(self, epoch: str) -> None:
        names = os.listdir(self._of("ok"))
        old = [n for n in names if not n.endswith("-" + epoch)]
        if len(names) - len(old) > _MARKERS:
            old = names
        for name in old:
            with suppress(OSError):
                os.unlink(self._of("ok", name))

    def judged(self, tree: str) -> None:
        """Notes that a gate passed on a tree."""
        folder = self._of("judged")
        with suppress(OSError):
            if os.path.isdir(folder):
                if len(os.listdir(folder)) > _MARKERS:
                    for name in os.listdir(folder):
                        os.unlink(os.path.join(folder, name))
                os.close(os.open(os.path.join(folder, tree), os.O_WRONLY | os.O_CREAT, 0o600))

    def dead_gating(self) -> list[int]:
        """Processes that ended while a gate of theirs ran; each is told once."""
        found = []
        with suppress(OSError):
            for name in os.listdir(self._of("gating")):
                path = self._of("gating", name)
                seen = os.stat(path).st_mtime
                if name.isdigit() and not is_same_process(int(name), files.boot_id(), seen):
                    found.append(int(name))
                    os.unlink(path)
        return found

    # -- flags -----------------------------------------------------------------------------------------------

    def set_flags(self, wanted: Iterable[str]) -> None:
        """Puts the flags as the configuration has them; what cannot be written stays as it is."""
        from uet_git.host import hookplan

        there = set(wanted)
        for name in hookplan.FLAGS:
            path = self._of(name)
            with suppress(OSError):
                if name not in there:
                    os.unlink(path)
                elif not os.path.exists(path):
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    @property
    def enforced(self) -> bool:
        """Whether a commit must not pass unchecked, as far as was known last."""
        return os.path.exists(self._of("enforce"))

    # -- the journal -----------------------------------------------------------------------------------------

    def unread(self, position: str) -> Journal:
        """What the journal holds after `position`; the last line only once it is whole."""
        inode, _, offset = position.partition(":")
        try:
            with open(self._of("journal"), "rb") as file:
                found = str(os.fstat(file.fileno()).st_ino)
                start = int(offset) if inode == found and offset.isdigit() else 0
                if start > os.fstat(file.fileno()).st_size:
                    start = 0  # another file has that number now
                file.seek(start)
                data = file.read()
        except OSError:
            return Journal([], position)
        whole = data[: data.rfind(b"\n") + 1]
        return Journal(os.fsdecode(whole).split("\n")[:-1], f"{found}:{start + len(whole)}")

    def begin_anew(self, position: str) -> None:
        """Puts an empty journal in the place of a long one that was read to its end.

        The new one is made while the old one is there: else it might get the same inode, and count as read.
        """
        offset = position.partition(":")[2]
        if not offset.isdigit() or int(offset) <= _JOURNAL:
            return
        path, fresh = self._of("journal"), self._of(f"journal.{os.getpid()}")
        with suppress(OSError), open(path, "rb") as file:
            fcntl.flock(
                file, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # nobody is adding a line (host/hooknote.py)
            if not self.unread(position).lines:
                os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
                os.rename(fresh, path)

    # -- who is at work --------------------------------------------------------------------------------------

    def announce(self, pid: int, git_dir: str) -> None:
        """Says that a git process is in its pre-commit; landings then wait for its end."""
        with (
            suppress(OSError),
            open(
                self._of("running", str(pid)), "w", encoding="utf-8", errors="surrogateescape"
            ) as file,
        ):
            file.write(f"{files.boot_id()}\n{git_dir}\n")

    def running(self) -> list[Running]:
        """Who is in or after its pre-commit; what dead ones left is removed."""
        try:
            names = os.listdir(self._of("running"))
        except OSError:
            return []
        return [found for name in names if (found := self._running(name)) is not None]

    def _running(self, name: str) -> Running | None:
        path = self._of("running", name)
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                boot, git_dir = (file.read() + "\n\n").split("\n")[:2]
                written = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        pid = int(name) if name.isdigit() else 0
        if is_same_process(pid, boot, written):
            return Running(pid, os.path.realpath(git_dir))
        with suppress(OSError):
            os.unlink(path)
        return None

    def running_in(self, git_dir: str) -> Running | None:
        """Who commits in the work tree of this git directory right now."""
        real = os.path.realpath(git_dir)
        return next((r for r in self.running() if r.git_dir == real), None)

    @contextmanager
    def landing(self) -> Iterator[None]:
        """While it is held, hooks that are entered wait: a landing looks who runs only after it said so itself."""
        if not self.exists:
            yield
            return
        path = self._of("landing")
        with suppress(OSError), open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()} {files.boot_id()}\n")
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(path)

    def wait_for_landing(self, most: float) -> bool:
        """Waits, at most so many seconds, until no landing moves a branch; False if one still does."""
        until = time.monotonic() + most
        while (pid := self._lander()) is not None:
            if pid == os.getpid():
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def _lander(self) -> int | None:
        path = self._of("landing")
        try:
            with open(path, encoding="ascii") as file:
                pid, boot = (file.read() + "  ").split(" ")[:2]
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except (OSError, ValueError):
            return None
        if not pid:
            return -1 if age < 1 else self._stale(path)
        alive = pid.isdigit() and files.pid_alive(int(pid), boot.strip()) and age < _LONG
        return int(pid) if alive else self._stale(path)

    @staticmethod
    def _stale(path: str) -> None:
        with suppress(OSError):
            os.unlink(path)


def is_same_process(pid: int, boot: str, seen: float) -> bool:
    """Whether the process that had this pid at `seen` (seconds since the epoch) still runs; another may have it now."""
    if not files.pid_alive(pid, boot):
        return False
    started = files.started_at(pid)
    return started is None or started <= seen + 2


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
