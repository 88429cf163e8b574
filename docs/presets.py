"""Writes the tables of presets into docs/policy.md, field by field, from the code.

`make docs` runs it; a test fails when the page is not what this writes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from uet_git.model import policy

FILE = Path(__file__).resolve().parent / "policy.md"
BEGIN, END = "<!-- presets: written by `make docs` -->\n", "<!-- end -->\n"
LONG = 3  # patterns that fit a cell


def render(page: str) -> str:
    """The page with fresh tables."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{tables()}\n{END}{tail}"


def tables() -> str:
    """One row for each field, then the lists that are too long for a cell."""
    rows = [("rule", *policy.PRESETS), ("---",) * (1 + len(policy.PRESETS))]
    lists: dict[tuple[str, ...], str] = {}
    for key in policy.FIELDS:
        if key != "preset":
            cells = [_cell(key, getattr(policy.BY_PRESET[p], key), lists) for p in policy.PRESETS]
            rows.append((f"`{key}`", *cells))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return table + "".join(_listed(lists))


def _cell(key: str, value: object, lists: dict[tuple[str, ...], str]) -> str:
    if isinstance(value, tuple):
        if len(value) > LONG:
            lists.setdefault(value, key)
            return f"{len(value)} patterns, below"
        return ", ".join(f"`{v}`" for v in value) or "none"
    return policy.shown(value)


def _listed(lists: dict[tuple[str, ...], str]) -> Iterator[str]:
    for value, key in lists.items():
        names = ", ".join(f"`{pattern}`" for pattern in value)
        yield f"\nThe patterns of `{key}`: {names}.\n"


if __name__ == "__main__":
    FILE.write_text(render(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    print(FILE)
    sys.exit(0)
