"""What a `.gitmodules` file may not say: names, paths, addresses and commands that attack who reads it.

The rules are those of git's fsck (gitmodulesName, -Path, -Url, -Update; CVE-2018-11235,
CVE-2018-17456, CVE-2019-1387, CVE-2020-11008, CVE-2025-48384).
"""

import re
from collections.abc import Iterator
from typing import Final

from uet_git.model.pattern import late

_SECTION = late(rb'\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\\n]|\\.)*)")?\s*\]\s*')
_KEY = late(rb"([A-Za-z][A-Za-z0-9-]*)[ \t]*(=[ \t]*)?")
_ESCAPES: Final = {b"n": b"\n", b"t": b"\t", b"b": b"\b", b"\\": b"\\", b'"': b'"'}
_CONTROL = late(rb"[\x00-\x1f\x7f]")
_TRANSPORT = late(rb"[A-Za-z0-9+.-]*::")

_LARGEST: Final = 256 * 1024


class _UnreadableError(Exception):
    """The text is not a git configuration."""


def hostile(content: bytes) -> str | None:
    """Says what is hostile in a `.gitmodules` file, or that it cannot be read; None if nothing."""
    if len(content) > _LARGEST:
        return f"cannot be read: it has more than {_LARGEST} bytes"
    try:
        for name, key, value in _entries(content):
            wrong = _name(name) or _value(key, value)
            if wrong:
                return wrong
    except _UnreadableError as exc:
        return f"cannot be read: {exc}"
    return None


def _name(name: bytes) -> str | None:
    if not name or b".." in re.split(rb"[/\\]", name) or _CONTROL.search(name):
        return "a submodule's name leads out of .git/modules"
    return None


def _value(key: bytes, value: bytes) -> str | None:
    if key in (b"path", b"url", b"update", b"branch") and _CONTROL.search(value):
        return f"a submodule's {key.decode()} has control characters"
    if key in (b"path", b"url", b"branch") and value.startswith(b"-"):
        return f"a submodule's {key.decode()} reads as an option"
    if key == b"path" and (value.startswith(b"/") or b".." in re.split(rb"[/\\]", value)):
        return "a submodule's path leads out of the repository"
    if key == b"url" and (_TRANSPORT.match(value) or re.search(rb"(?i)%0[ad0]", value)):
        return "a submodule's url runs a command or hides a line break"
    if key == b"update" and value.startswith(b"!"):
        return "a submodule's update is a command"
    return None


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each (submodule, lower-case key, value) of a git configuration (git-config(1), SYNTAX).

    A section's header alone gives one entry with an empty key.
    """
    name: bytes | None = None
    at, end = 3 if content.startswith(b"\xef\xbb\xbf") else 0, len(content)
    while at < end:
        byte = content[at : at + 1]
        if byte in b" \t\r\n":
            at += 1
        elif byte in b"#;":
            at = content.find(b"\n", at) + 1 or end
        elif byte == b"[":
            section = _SECTION.match(content, at)
            if not section:
                raise _UnreadableError("a section header is malformed")
            name, at = _submodule(section[1], section[2]), section.end()
            if name is not None:
                yield name, b"", b""
        else:
            entry = _KEY.match(content, at)
            if not entry:
                raise _UnreadableError("a key is malformed")
            value, at = _read_value(content, entry.end()) if entry[2] else (b"", entry.end())
            if name is not None:
                yield name, entry[1].lower(), value


def _submodule(section: bytes, quoted: bytes | None) -> bytes | None:
    """The submodule that a section header names; None for other sections."""
    if quoted is not None:
        return re.sub(rb"\\(.)", rb"\1", quoted) if section.lower() == b"submodule" else None
    head, dot, rest = section.partition(b".")
    return rest if dot and head.lower() == b"submodule" else None


def _read_value(content: bytes, at: int) -> tuple[bytes, int]:
    """One value and where it ends: quotes, escapes, comments and continued lines undone."""
    out, kept, quoted, end = bytearray(), 0, False, len(content)
    while at < end:
        byte = content[at : at + 1]
        at += 1
        if byte == b"\n":
            if quoted:
                raise _UnreadableError("a quote is not closed")
            break
        if byte in b"#;" and not quoted:
            at = content.find(b"\n", at) + 1 or end
            break
        if byte == b'"':
            quoted = not quoted
            kept = len(out)
        elif byte == b"\\":
            following = content[at : at + 2]
            width = 2 if following == b"\r\n" else 1
            at += width
            if following[:width] not in (b"\n", b"\r\n"):
                if following[:1] not in _ESCAPES:
                    raise _UnreadableError("an escape is unknown")
                out += _ESCAPES[following[:1]]
                kept = len(out)
        else:
            if byte != b"\r" or content[at : at + 1] != b"\n":
                out += byte
            if quoted or byte not in b" \t\r":
                kept = len(out)
    return bytes(out[:kept]), at
