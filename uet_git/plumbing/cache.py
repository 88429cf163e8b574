"""A bounded memory of what was read: the least recently used goes first."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """At most `capacity` bytes of values, each with the size its owner names; one value may always stay."""

    __slots__ = ("_held", "_size", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._held: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._size = 0

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def get(self, key: str) -> T | None:
        """The value, now the most recently used; None if it is not held."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: str, value: T, size: int) -> None:
        """Holds a value of `size` bytes, and lets the oldest go until all fit."""
        self.drop(key)
        self._held[key] = (value, size)
        self._size += size
        while self._size > self.capacity and len(self._held) > 1:
            _, (_, gone) = self._held.popitem(last=False)
            self._size -= gone

    def drop(self, key: str) -> None:
        """Forgets one value, if it is held."""
        found = self._held.pop(key, None)
        if found is not None:
            self._size -= found[1]

    def clear(self) -> None:
        """Forgets everything."""
        self._held.clear()
        self._size = 0
