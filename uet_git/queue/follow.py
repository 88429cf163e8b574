"""follow: goes on with a gate that the hooks' shortcut began, once it takes its time or the repository has changed.

The whole package is here: the same watch over all of its processes, the same comparison of the repository afterwards.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from uet_git.errors import LedgerBusy, UetError
from uet_git.gates import run as gate_run
from uet_git.host import process, spawn
from uet_git.host.clock import Clock
from uet_git.host.family import Family
from uet_git.host.files import os_errors
from uet_git.host.gate_limits import MB, GateLimits
from uet_git.host.gate_watch import Watched
from uet_git.host.sandbox import Box, Tier
from uet_git.host.spool import Opening, Spool
from uet_git.ledger.witness import Witness
from uet_git.plumbing import git as gits
from uet_git.plumbing import untouched
from uet_git.project import Project
from uet_git.queue import gate_guard, guard_gates
from uet_git.queue.shortcut import Said

_TICK: Final = 0.1  # seconds
_KILLING: Final = 2.5  # seconds
_LOG_BYTES: Final = 4 * 1024 * 1024


class Following:
    """A gate that runs, or has run, in this process's care. `limits` are its timeout (seconds) and memory (MB)."""

    def __init__(
        self,
        child: spawn.Child,
        mark: str,
        began: float,
        gate_id: str,
        log: str,
        limits: tuple[float, int],
        gate: str,
        before: untouched.Before,
        target: str,
    ) -> None:
        self._child, self._mark, self._began, self._log = child, mark, began, log
        self._gate_id, self._gate, self._target = gate_id, gate, target
        self._timeout, self._memory = limits
        self._before = before
        self._family = Family(mark, set, before=frozenset())
        self._family.pid = child.pid

    def go_on(self, said: Said | None, say: Callable[[str], None]) -> Said | None:
        """What the gate says, `said` if it did already; None where it neither passed nor failed."""
        witness = None
        if said is None:
            with suppress(UetError), _project() as project:
                witness = self._witness(project)
            said = self._followed(say)
        try:
            changed = _changed(self._before, self._target, witness)
        except UetError:
            if said is None or said["state"] == "passed":
                raise
            return said  # it said no, whatever else it did
        if changed:
            said = said or self._as_said("error", None, "")
            return {**said, "state": "error", "detail": _told(self._gate, changed)}
        return said

    def give_up(self) -> None:
        """Nobody wants it any more: nothing of it is left."""
        self._family.kill(_KILLING)
        until = time.monotonic() + _KILLING
        while self._child.poll() is None and time.monotonic() < until:
            time.sleep(0.001)

    def _witness(self, project: Project) -> Witness | None:
        """What the ledger said before the gate, if it surely still does."""
        found = project.ledger.witness()
        return found if self._before.is_of_ledger(str(project.ledger_path)) else None

    def _followed(self, say: Callable[[str], None]) -> Said | None:
        with os_errors(f"writing {self._log}"):
            spool = Spool(self._log, _LOG_BYTES)
        output = Opening(spool, self._mark)
        output.write(self._child.said)
        box = Box(limits=GateLimits(memory_bytes=self._memory * MB))
        watched = Watched(self._child, self._child.pipe, self._family, output, box)
        waited = time.time() - self._began
        telling, stop = guard_gates.Telling(say), threading.Event()
        telling.since[self._gate] = time.monotonic() - waited
        thread = threading.Thread(target=_tell, args=(telling, stop), daemon=True)
        thread.start()
        try:
            ended = watched.ended(time.monotonic() - waited, self._timeout)
        finally:
            stop.set()
            thread.join()
            telling.spinner.clear()
            spool.close()
        ended = ended._replace(truncated=spool.truncated, tier=Tier.NONE)
        state, detail = gate_run.judged(ended, self._timeout)
        telling.ends(self._gate, state, ended.seconds)
        if state not in ("passed", "failed", "timeout"):
            with suppress(OSError):
                os.unlink(self._log)  # it is asked again, and has a log of its own then
            return None
        return self._as_said(state, ended.code, detail, truncated=ended.truncated)

    def _as_said(
        self, state: str, code: int | None, detail: str, *, truncated: bool = False
    ) -> Said:
        said: Said = {
            **{"gate_id": self._gate_id, "state": state, "detail": detail, "output": self._log},
            **{"truncated": int(truncated), "began": self._began, "ended": time.time()},
        }
        return said if code is None else {**said, "exit_code": code}


def look(
    before: untouched.Before, target: str, gate: str, say: Callable[[str], None]
) -> int | None:
    """After a gate that gave no verdict: REFUSED if it changed the repository, None if guard may begin anew."""
    changed = _changed(before, target, None)
    if not changed:
        return None
    from uet_git.queue import guard

    return guard.tampered(target, _told(gate, changed), say)


def _project() -> Project:
    return Project(gits.discover(os.getcwd(), process.inherited()), Clock())


def _changed(before: untouched.Before, target: str, witness: Witness | None) -> list[str]:
    """What is otherwise than before the gate, in words; that it cannot even be looked at any more is one."""
    try:
        with _project() as project:
            return gate_guard.since(project, before, target, witness)
    except LedgerBusy:
        raise
    except (UetError, OSError) as exc:
        if before.is_same():
            raise
        return [str(exc)]


def _told(gate: str, changed: list[str]) -> str:
    return f"while {gate} ran: {'; '.join(changed[:3])}"


def _tell(telling: guard_gates.Telling, stop: threading.Event) -> None:
    while not stop.wait(_TICK):
        telling.tick()
