"""Loads click, pathlib, sqlite3 and subprocess without what they load and no command of ours needs.

Half of their time is that.

click asks `inspect` to clean help texts, of which ours need it only for `--help`, and `gettext` for translations, of
which it has none; it names a class of `uuid`, which asks `platform` for the system's name; `pathlib` asks
`urllib.parse` to quote, and `subprocess` asks `locale` how text is encoded and `selectors` to wait for several pipes.
click and sqlite3 name the classes of `datetime`, which is written a second time in Python. While they are imported,
stand-ins take the place of these modules: they do the one thing, and load the real one for any other.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Is a module for those who import it now; the real one is loaded for what this does not know."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks for some
            raise AttributeError(name)
        self.leave()
        return getattr(importlib.import_module(self.__name__), name)

    def leave(self) -> None:
        """Makes place for the real one."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class _Inspect(_Later):
    def cleandoc(self, text: str) -> str:
        """As `inspect.cleandoc`, which leaves such a line as it is."""
        if text.isprintable() and not text.startswith(" "):
            return text
        found: str = self.__getattr__("cleandoc")(text)
        return found


class _Platform(_Later):
    def system(self) -> str:
        """As `platform.system`, on what is no Windows."""
        return os.uname().sysname


class _Parse(_Later):
    def quote_from_bytes(self, *args: Any, **kwargs: Any) -> str:
        """`urllib.parse.quote_from_bytes`, once somebody calls it."""
        found: str = self.__getattr__("quote_from_bytes")(*args, **kwargs)
        return found


class _Gettext(_Later):
    def gettext(self, message: str) -> str:
        """As `gettext.gettext` where nobody has translated the message."""
        return message

    def ngettext(self, one: str, many: str, count: int) -> str:
        """As `gettext.ngettext`, the same."""
        return one if count == 1 else many


class _Selectors(_Later):
    def PollSelector(self) -> Any:  # noqa: N802 - as the real one is called
        """A new `selectors.PollSelector`."""
        return self.__getattr__("PollSelector")()


class _Uuid(_Later):
    @property
    def UUID(self) -> Any:  # noqa: N802 - as the real one is called
        """`uuid.UUID`; while click is imported, a class that has no instances."""
        return _Nothing if sys.modules.get("uuid") is self else self.__getattr__("UUID")


class _Nothing:
    """A name for a parameter type that no command has."""


class _Datetime(_Later):
    def __getattr__(self, name: str) -> Any:
        try:
            import _datetime  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            return super().__getattr__(name)
        return getattr(_datetime, name) if hasattr(_datetime, name) else super().__getattr__(name)


def load_click() -> None:
    """Imports click, pathlib, sqlite3 and subprocess; everybody else gets the real modules."""
    if os.name != "posix":
        return
    every = (
        *(_Inspect("inspect"), _Platform("platform"), _Parse("urllib.parse")),
        *(_Gettext("gettext"), _Later("locale"), _Selectors("selectors"), _Datetime("datetime")),
        _Uuid("uuid"),
    )
    stand_ins = [each for each in every if each.__name__ not in sys.modules]
    sys.modules.update((s.__name__, s) for s in stand_ins)
    try:
        import pathlib  # noqa: F401

        import click  # noqa: F401

        from uet_git.host import process  # noqa: F401 - it alone loads subprocess
        from uet_git.ledger import connection  # noqa: F401 - and only the ledger loads sqlite3
    finally:
        for each in stand_ins:
            each.leave()
