"""Regular expressions that are compiled when they are first used.

A command loads many modules and needs few of their patterns; compiling all of them was a sixth of its start.
"""

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands for a compiled pattern until somebody asks it something."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self._source = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._source), name)  # re keeps what it compiled
        if not name.startswith("__"):
            self.__dict__[name] = found
        return found


def late(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, but nothing is compiled before the first use of a method or attribute.

    Raises, on that first use: re.error.
    """
    return cast("re.Pattern[AnyStr]", _Late(pattern, int(flags)))
