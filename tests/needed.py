"""Which words every match of a regular expression must contain: what the fast look for secrets rests on."""

import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

SHORTEST = 2


def needed(pattern: re.Pattern[str]) -> set[str] | None:
    """Words of which every match contains at least one, in lower case where case does not count; None if unknown."""
    flags = pattern.flags & ~re.UNICODE
    return _best(_runs(parser.parse(pattern.pattern, flags), bool(flags & re.IGNORECASE)))


def _best(candidates: list[set[str]]) -> set[str] | None:
    """The set whose shortest word is the longest."""
    good = [s for s in candidates if s and min(map(len, s)) >= SHORTEST]
    return max(good, key=lambda s: (min(map(len, s)), -len(s)), default=None)


def _runs(nodes: Any, fold: bool) -> list[set[str]]:
    """Sets of words; each set alone is enough to know that there is no match."""
    found: list[set[str]] = []
    run = ""
    for op, value in nodes:
        if op is c.LITERAL:
            run += chr(value).lower() if fold else chr(value)
            continue
        inside: list[set[str]] = []
        if op is c.SUBPATTERN:
            inner = list(value[3])
            if len(inner) and all(o is c.LITERAL for o, _ in inner):
                run += "".join(chr(v).lower() if fold else chr(v) for _, v in inner)
                continue
            inside = _runs(inner, fold)
        elif op is c.BRANCH:
            sets = [_best(_runs(branch, fold)) for branch in value[1]]
            if all(sets):
                inside = [set().union(*sets)]  # type: ignore[arg-type]
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT) and value[0] > 0:
            inside = _runs(value[2], fold)
        found += [{run}] if run else []
        run = ""
        found += inside
    return found + ([{run}] if run else [])
