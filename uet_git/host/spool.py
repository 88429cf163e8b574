"""A log file that keeps the first and the last part of an output of any length."""

import os
from collections import deque
from typing import Final

_MARK: Final = b"\n[... %d bytes left out ...]\n"
_UNOPENED: Final = 65_536  # bytes of output before the mark that are looked through


class Spool:
    """Writes at most about `cap` bytes: the first half as it comes, the last half at the end.

    Holds at most half of `cap` in memory. The file is made new, 0600, never through a link.
    """

    def __init__(self, path: str, cap: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._head = max(0, cap - cap // 2)
        self._room = cap // 2
        self._tail: deque[bytes] = deque()
        self._held = 0
        self._dropped = 0
        self.failed: OSError | None = None

    @property
    def truncated(self) -> bool:
        """Whether something was left out, or could not be written."""
        return self._dropped > 0 or self.failed is not None

    def write(self, data: bytes) -> None:
        """Takes some output."""
        if self._head:
            head, data = data[: self._head], data[self._head :]
            self._head -= len(head)
            self._put(head)
        if not data:
            return
        self._tail.append(data)
        self._held += len(data)
        while self._tail and self._held - len(self._tail[0]) >= self._room:
            gone = len(self._tail.popleft())
            self._held -= gone
            self._dropped += gone

    def close(self) -> None:
        """Writes the last part. The output is lost, not the verdict, where the disk is full."""
        rest = b"".join(self._tail)
        over = max(0, len(rest) - self._room)
        self._dropped += over
        if self._dropped:
            self._put(_MARK % self._dropped)
        self._put(rest[over:])
        os.close(self._fd)

    def _put(self, data: bytes) -> None:
        try:
            while data and self.failed is None:
                data = data[os.write(self._fd, data) :]
        except OSError as exc:
            self.failed = exc


class Opening:
    """Lets output through to a spool, and takes out the line by which a sandbox says that it stands.

    Without a `mark` there is no such line. What comes before it is the sandbox's own words.
    """

    def __init__(self, spool: Spool, mark: str) -> None:
        self._spool = spool
        self._mark = f"{mark}\n".encode() if mark else b""
        self._held = b""
        self.begun = not mark
        self.words = ""

    def write(self, data: bytes) -> None:
        """Takes some output."""
        if self.begun:
            self._spool.write(data)
            return
        self._held += data
        before, mark, after = self._held.partition(self._mark)
        if mark or len(self._held) > _UNOPENED:
            self.begun, self._held = bool(mark), b""
            self._spool.write(before)
            self._spool.write(after)

    def close(self) -> None:
        """Lets through what is still held; `words` are then its last line, where the sandbox never stood."""
        if not self.begun:
            self._spool.write(self._held)
            lines = self._held.decode("utf-8", "backslashreplace").split("\n")
            self.words = next((line for line in reversed(lines) if line.strip()), "")
