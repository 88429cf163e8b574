"""Where gates run: submit, poll, cancel (DESIGN 15). Here on this machine, a thread each; elsewhere later.

Whoever asks stays in one thread: it owns the ledger, and what it submits carries all that a gate needs.
"""

import os
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from uet_git.gates import run as running
from uet_git.host.clock import Clock
from uet_git.host.sandbox import Box
from uet_git.model.records import Gate, GateResult


@dataclass(frozen=True, slots=True)
class Request:
    """One gate to run in a folder that holds its tree. `attempt` is the id of its row in the ledger.

    `fds` are kept open while it runs: they hold the locks of its folder. `env` is added to the gate's environment.
    """

    attempt: str
    gate: Gate
    tree: str
    tree_dir: str
    home: str
    log_path: str
    fds: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a request: its result, or the broken world that kept it from having one."""

    attempt: str
    result: GateResult | None
    error: BaseException | None = None


class Executor(Protocol):
    """Runs gates somewhere. A request is at least tried once; whether it still matters is for the caller to say."""

    def submit(self, request: Request) -> None:
        """Begins a gate."""

    def poll(self, seconds: float) -> Sequence[Finished]:
        """What finished since; waits for at most so long if nothing has."""

    def cancel(self, attempts: Sequence[str]) -> None:
        """Asks gates to end; `poll` tells when they did."""


class LocalExecutor:
    """Gates on this machine, each followed by a thread of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._stops: dict[str, tuple[int, int]] = {}

    def submit(self, request: Request) -> None:
        """Begins a gate."""
        self._stops[request.attempt] = os.pipe()
        name = f"gate {request.gate.name}"
        threading.Thread(target=self._follow, args=(request,), name=name, daemon=True).start()

    def poll(self, seconds: float) -> Sequence[Finished]:
        """What finished since; waits for at most so long if nothing has."""
        found: list[Finished] = []
        try:
            found.append(self._done.get(timeout=seconds))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            pass
        for finished in found:
            for fd in self._stops.pop(finished.attempt):
                os.close(fd)
        return found

    def cancel(self, attempts: Sequence[str]) -> None:
        """Asks gates to end: TERM, 2 s later KILL."""
        for attempt in attempts:
            if attempt in self._stops:
                os.write(self._stops[attempt][1], b"x")

    def _follow(self, request: Request) -> None:
        try:
            result = running.run(
                request.gate,
                tree_dir=request.tree_dir,
                scratch_home=request.home,
                log_path=request.log_path,
                changed_paths=None,
                clock=self._clock,
                tree=request.tree,
                extra_env=request.env,
                keep_fds=request.fds,
                box=request.box,
                stop_fd=self._stops[request.attempt][0],
            )
        except BaseException as exc:  # noqa: BLE001 - it is raised again in the thread that asked
            self._done.put(Finished(request.attempt, None, exc))
        else:
            self._done.put(Finished(request.attempt, result))
