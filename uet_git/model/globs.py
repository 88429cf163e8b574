"""Path patterns of `uet.toml`, with the meaning that they have in `.gitignore` (gitignore(5)).

`*` and `?` stay within one name, `[...]` is a set, `**/` is any number of folders, `/**` everything
below. A pattern without a slash (but at its end) fits at any depth, another one from the top. What
fits a folder fits everything in it. Case counts. There is no negation and there are no braces.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

_TOKEN = re.compile(rb"\*+|\?|\[[!^]?\]?[^\]/]*\]|\\.|[^*?\[\\]+|.", re.DOTALL)


def fault(pattern: str) -> str | None:
    """Says what is wrong with a pattern; None if nothing."""
    if not pattern.strip("/"):
        return "is empty"
    if pattern.startswith("!"):
        return "starts with '!', but negation is not supported"
    if re.search(r"(?<!\\)[{}]", pattern):
        return "has braces, which are not supported: write one pattern for each"
    if {".", "..", ""} & set(pattern.strip("/").split("/")):
        return "has an empty part, '.' or '..'"
    try:
        compiled((pattern,))
    except re.error:
        return "has a malformed [...] set"
    return None


@lru_cache(maxsize=256)
def compiled(patterns: tuple[str, ...]) -> re.Pattern[bytes]:
    """One expression whose `match` tells whether any pattern fits a path (no leading slash)."""
    return re.compile(b"|".join(map(_translated, patterns)) or b"(?!)", re.DOTALL)


def any_match(patterns: tuple[str, ...], paths: Iterable[bytes]) -> bool:
    """Tells whether any pattern fits any path."""
    return any(map(compiled(patterns).match, paths))


def _translated(pattern: str) -> bytes:
    raw = pattern.encode("utf-8", "surrogateescape")
    anchored = b"/" in raw.rstrip(b"/")
    raw = raw.strip(b"/")
    parts = raw.split(b"/")
    out = b"" if anchored else b"(?:.*/)?"
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == b"**":
            out += b".+" if last else b"(?:[^/]+/)*"
        else:
            out += _name(part) + (b"" if last else b"/")
    ending = b"/.+" if pattern.endswith("/") else b"(?:/.*)?"
    return b"(?:%s)%s\\Z" % (out, ending)


def _name(part: bytes) -> bytes:
    """The expression for one name of a pattern."""
    out = b""
    for token in _TOKEN.findall(part):
        if token[:1] == b"*":
            out += b"[^/]*"
        elif token == b"?":
            out += b"[^/]"
        elif token[:1] == b"[" and len(token) > 2:
            negated = token[1:2] in b"!^"
            body = token[2:-1] if negated else token[1:-1]
            body = re.sub(rb"([\\\[\]&~|^])", rb"\\\1", body)
            out += b"(?!/)[" + (b"^" if negated else b"") + body + b"]"
        elif token[:1] == b"\\" and len(token) == 2:
            out += re.escape(token[1:])
        else:
            out += re.escape(token)
    return out
