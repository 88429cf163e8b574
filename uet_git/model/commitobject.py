"""Reads a commit object's bytes."""

import re
from typing import Final

from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late

_IDENTITY: Final = late(rb"(?P<name>.*?) ?<(?P<email>.*)> (?P<date>-?\d+ [-+]\d+)", re.DOTALL)


class CommitFacts(NamedTuple):
    """What a commit says. `author` and `committer` are lines without their first word; no `encoding` is UTF-8."""

    tree: str
    parents: tuple[str, ...]
    author: bytes
    committer: bytes
    encoding: bytes
    message: bytes


def read(raw: bytes) -> CommitFacts:
    """Reads what `git cat-file commit` gives; a header that is missing is empty."""
    head, _, message = raw.partition(b"\n\n")
    found: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        if not line.startswith(b" "):  # the lines of a signature go on so
            key, _, value = line.partition(b" ")
            found.setdefault(key, []).append(value)
    first = {key: values[0] for key, values in found.items()}
    return CommitFacts(
        first.get(b"tree", b"").decode("ascii", "replace"),
        tuple(p.decode("ascii", "replace") for p in found.get(b"parent", [])),
        first.get(b"author", b""),
        first.get(b"committer", b""),
        first.get(b"encoding", b""),
        message,
    )


def who(line: bytes) -> tuple[bytes, bytes]:
    """Name and address of an identity line; both empty if it is none."""
    found = _IDENTITY.fullmatch(line)
    return (found["name"], found["email"]) if found else (b"", b"")
