"""A list worked on from both ends: its first items here, its last ones in another process, until they meet.

So neither waits for the other, however fast each is. The other process is forked from this one (host/beside.py) and has
the list from there, or makes it itself; what it found is told from anything else by the item's name. Nothing depends on
it but time: what it has not done in the end is done here.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from uet_git.host.beside import PROTOCOL, pickling

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_GROUP: Final = 1 << 15  # bytes of items that are claimed at a time
_NUMBER: Final = 8  # bytes
_THEIRS, _REST, _END, _ANSWERS = (n * _NUMBER for n in range(4))
_ALL: Final = 1 << 62


class TwoEnds(Generic[Item, Answer]):
    """What both processes see: how much of the end each has left to the other, and the answers. Close it."""

    def __init__(self, name: Callable[[Item], Hashable], size: Callable[[Item], int]) -> None:
        """`name` tells items apart, `size` says how many bytes of work one is. Raises: OSError."""
        self._name, self._size = name, size
        self._file = _shared()
        self._parent = os.getpid()
        self._set(_THEIRS, 0)
        self._set(_REST, _ALL)
        self._set(_END, _ANSWERS)

    def front(self, items: Sequence[Item], function: Callable[[Item], Answer]) -> Iterator[Answer]:
        """Here: `function(item)` of each item in order, up to the first that the other process has claimed."""
        for place, item in enumerate(items, 1):
            self._set(_REST, len(items) - place)
            if self._get(_THEIRS) > len(items) - place:
                return
            yield function(item)

    def back(self, items: Sequence[Item], function: Callable[[Item], Answer]) -> None:
        """There: from the last item on, until all are claimed, or nobody is left who wants to know."""
        done = 0
        while done < len(items) and os.getppid() == self._parent:
            more = self._claim(done, self._group(items, done))
            if not more:
                return
            end = len(items) - done
            answers = {self._name(item): function(item) for item in items[end - more : end]}
            self._add(pickling().dumps(answers, PROTOCOL))
            done += more

    def answers(self) -> dict[Hashable, Answer]:
        """Here: by name, what the other process has found so far."""
        pickle = pickling()
        found: dict[Hashable, Answer] = {}
        place, end = _ANSWERS, self._get(_END)
        while place < end:
            size = self._get(place)
            place += _NUMBER + size
            found |= pickle.loads(os.pread(self._file, size, place - size))  # our own fork wrote it
        return found

    def close(self) -> None:
        """Forgets the answers."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _group(self, items: Sequence[Item], done: int) -> int:
        """How many items before the last `done` are worth one answer."""
        size = count = 0
        while size < _GROUP and done + count < len(items):
            count += 1
            size += self._size(items[-done - count])
        return count

    def _claim(self, done: int, more: int) -> int:
        """How many of `more` items before the last `done` are the other process's; it says so first, then looks."""
        self._set(_THEIRS, done + more)
        return min(more, max(0, self._get(_REST) - done))

    def _add(self, answer: bytes) -> None:
        end = self._get(_END)
        self._write(len(answer).to_bytes(_NUMBER, "big"), end)
        self._write(answer, end + _NUMBER)
        self._set(_END, end + _NUMBER + len(answer))

    def _write(self, data: bytes, place: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, place)
            place += written
            view = view[written:]

    def _set(self, place: int, number: int) -> None:
        os.pwrite(self._file, number.to_bytes(_NUMBER, "big"), place)

    def _get(self, place: int) -> int:
        return int.from_bytes(os.pread(self._file, _NUMBER, place), "big")


def _shared() -> int:
    """A nameless file for both processes; in memory where Python knows how. Raises: OSError."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("uet-git", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
