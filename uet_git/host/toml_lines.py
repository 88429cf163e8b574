"""On which line of a TOML text a key stands: `tomllib` does not tell, and a message must."""

from collections.abc import Sequence

from uet_git.model.pattern import late

_HEADER = late(r"\s*(\[\[?)(.+?)\]\]?\s*(?:#.*)?")
_QUOTES = late(r'"""|\'\'\'')

Path = tuple[str, ...]


def lines_of(text: str) -> dict[Path, int]:
    """Maps each key's and each table's path to its 1-based line. Inline tables count as one key."""
    found: dict[Path, int] = {}
    table: Path = ()
    multiline = ""
    for number, line in enumerate(text.splitlines(), 1):
        if multiline:
            multiline = "" if multiline in line else multiline
            continue
        header = _HEADER.fullmatch(line)
        if header and (path := _key(header[2])):
            table = path
            found.setdefault(table, number)
            continue
        name, path = _assigned(line)
        if path:
            found.setdefault(table + path, number)
            quotes = _QUOTES.findall(line[len(name) :])
            multiline = quotes[0] if len(quotes) % 2 else ""
    return found


def line_of(text: str, path: Sequence[str]) -> int:
    """The line of a key, or of the nearest table around it; 0 if nothing of it was found.

    `[gate.x]` makes `gate` as well, though no line has that alone.
    """
    lines = lines_of(text)
    for size in range(len(path), 0, -1):
        start = tuple(path[:size])
        known = lines.get(start) or next((n for p, n in lines.items() if p[:size] == start), 0)
        if known:
            return known
    return 0


def _assigned(line: str) -> tuple[str, Path]:
    """The text before the `=` of an assignment, and the path that it names; empty if it is none."""
    at = line.find("=")
    while at > 0:
        path = _key(line[:at])
        if path:
            return line[:at], path
        at = line.find("=", at + 1)
    return "", ()


def _key(written: str) -> Path:
    """Reads a (dotted, maybe quoted) key; empty if it is not one."""
    import tomllib

    try:
        value: object = tomllib.loads(written + "=0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(value, dict) and value:
        name = next(iter(value))
        path.append(name)
        value = value[name]
    return tuple(path)
