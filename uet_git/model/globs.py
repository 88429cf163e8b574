"""Path patterns of `uet.toml`, with the meaning that they have in `.gitignore` (gitignore(5)).

`*` and `?` stay within one name, `[...]` is a set, `**/` is any number of folders, `/**` everything
below. A pattern without a slash (but at its end) fits at any depth, another one from the top. What
fits a folder fits everything in it. Case counts. There is no negation and there are no braces.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from uet_git.model.pattern import late

_TOKEN = late(rb"\*+|\?|\[[!^]?\]?[^\]/]*\]|\\.|[^*?\[\\]+|.", re.DOTALL)


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
    """The expression for a pattern. Its work grows with path times pattern, however many stars: each piece between two
    stars is taken at the first place where it fits, and never elsewhere (atomic groups); a later one fits no better.
    """
    raw = pattern.encode("utf-8", "surrogateescape")
    anchored = b"/" in raw.rstrip(b"/")
    parts = raw.strip(b"/").split(b"/")
    ending = b"/.+" if pattern.endswith("/") else b"(?:/.*)?"
    below = parts[-1] == b"**"
    if below:
        parts.pop()
    blocks: list[list[bytes]] = [[]]  # names between `**`
    for part in parts:
        if part == b"**":
            blocks.append([])
        else:
            blocks[-1].append(_name(part))
    joined = [b"/".join(names) for names in blocks]
    if below:
        joined.append(b".+")
    first, last = joined[0], joined[-1]
    if len(joined) == 1:
        return b"(?:%s)%s\\Z" % (first if anchored else b"(?:.*/)?" + first, ending)
    out = first + b"/" if first else b""
    for middle in joined[1:-1]:
        out += b"(?>(?:[^/]++/)*?%s/)" % middle if middle else b""
    return b"(?:%s)%s\\Z" % (out + (b"" if below else b"(?:[^/]++/)*") + last, ending)


def _name(part: bytes) -> bytes:
    """The expression for one name of a pattern; what stands between two stars has a fixed length."""
    pieces = [b""]
    for token in _TOKEN.findall(part):
        if token[:1] == b"*":
            pieces.append(b"")
        elif token == b"?":
            pieces[-1] += b"[^/]"
        elif token[:1] == b"[" and len(token) > 2:
            negated = token[1:2] in b"!^"
            body = token[2:-1] if negated else token[1:-1]
            body = re.sub(rb"([\\\[\]&~|^])", rb"\\\1", body)
            pieces[-1] += b"(?!/)[" + (b"^" if negated else b"") + body + b"]"
        else:
            pieces[-1] += re.escape(token[1:] if len(token) == 2 and token[:1] == b"\\" else token)
    first, *middle, last = pieces if len(pieces) > 1 else (pieces[0], None)
    if last is None:
        return first
    between = b"".join(b"(?>[^/]*?%s)" % piece for piece in middle if piece)
    return first + between + (b"[^/]*" + last if last else b"[^/]*+")
