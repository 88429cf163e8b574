"""Deflates on a second core while the first one parses and composes; zlib runs without the interpreter's lock."""

import sys
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from uet_git.host import beside

if TYPE_CHECKING:
    from queue import SimpleQueue

SMALLEST: Final = 4096  # bytes; handing over less costs more than deflating it
_WORTH: Final = 2 * 1024 * 1024
"""Bytes; less is done sooner than the threads have found their turns."""
_SWITCH: Final = 0.0002
"""Seconds after which the working thread lets the other one in; 5 ms by default."""


class Deflater:
    """Deflates at level 1 what is added, in the background; `take` gives it, doing what is not done yet itself."""

    def __init__(self) -> None:
        self._early: list[tuple[str, bytes]] = []  # before there is a thread
        self._line: SimpleQueue[tuple[str, bytes] | None]
        self._done: dict[str, bytes] = {}
        self._asked: set[str] = set()
        self._working = threading.Lock()
        self._thread: threading.Thread | None = None
        self._given = 0  # bytes
        self._switch = 0.0
        self._alone = beside.cores() < 2

    def add(self, key: str, data: bytes) -> None:
        """Hands data over; small data is left to `take`."""
        if self._alone or len(data) < SMALLEST or key in self._asked:
            return
        self._asked.add(key)
        if self._thread is not None:
            self._line.put((key, data))
            return
        self._early.append((key, data))
        self._given += len(data)
        if self._given >= _WORTH:
            self._start()

    def _start(self) -> None:
        from queue import SimpleQueue

        self._line = SimpleQueue()
        for item in self._early:
            self._line.put(item)
        self._early.clear()
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        self._thread = threading.Thread(target=self._run, name="deflate", daemon=True)
        self._thread.start()

    def take(self, key: str, data: bytes) -> bytes:
        """The deflated data of a key; it is forgotten then."""
        if key not in self._asked:
            return zlib.compress(data, 1)
        if key not in self._done and self._thread is not None:
            self._help(key)
        self._asked.discard(key)
        found = self._done.pop(key, None)
        return zlib.compress(data, 1) if found is None else found

    def drop(self, key: str) -> None:
        """Forgets a key that nobody will take."""
        self._asked.discard(key)
        self._done.pop(key, None)

    def close(self) -> None:
        """Ends the thread; what is still in line is dropped."""
        thread, self._thread = self._thread, None
        self._early.clear()
        if thread is not None:
            self._drain()
            self._line.put(None)
            thread.join()
            sys.setswitchinterval(self._switch)
        self._asked.clear()
        self._done.clear()

    def _run(self) -> None:
        while (item := self._line.get()) is not None:
            key, data = item
            with self._working:
                if key in self._asked:
                    self._done[key] = zlib.compress(data, 1)
                if key not in self._asked:  # it was dropped meanwhile
                    self._done.pop(key, None)

    def _help(self, key: str) -> None:
        """Works through the line until the key is done, or with the other thread."""
        from queue import Empty

        while key not in self._done:
            try:
                item = self._line.get_nowait()
            except Empty:
                with self._working:  # the other thread has it: it is done when the lock is free
                    return
            if item is not None and item[0] in self._asked:
                self._done[item[0]] = zlib.compress(item[1], 1)

    def _drain(self) -> None:
        from queue import Empty

        with suppress(Empty):
            while True:
                self._line.get_nowait()
