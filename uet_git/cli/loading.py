"""Loads click without `inspect`, which takes a quarter of its time and which no command of ours needs.

click asks it for three things: to clean help texts, of which ours need it only for `--help`, and two that we never use.
"""

import sys
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Is `inspect` for click; the real one is loaded for what this does not know."""

    def cleandoc(self, text: str) -> str:
        """As `inspect.cleandoc`, which leaves such a line as it is."""
        if text.isprintable() and not text.startswith(" "):
            return text
        found: str = self.__getattr__("cleandoc")(text)
        return found

    def __getattr__(self, name: str) -> Any:
        self.leave()
        import inspect

        return getattr(inspect, name)

    def leave(self) -> None:
        """Makes place for the real one."""
        if sys.modules.get("inspect") is self:
            del sys.modules["inspect"]


def load_click() -> None:
    """Imports click; everybody else who imports `inspect` gets the real one."""
    if not {"inspect", "click"}.isdisjoint(sys.modules):
        return
    stand_in = _Later("inspect")
    sys.modules["inspect"] = stand_in
    try:
        import click  # noqa: F401
    finally:
        stand_in.leave()
