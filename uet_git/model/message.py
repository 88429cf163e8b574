"""Commit messages and commit objects as git writes them: bytes in, bytes out."""

from typing import Final

_SPACES: Final = b" \t\r"


def clean(message: bytes) -> bytes:
    """Strips trailing white space, blank lines at both ends and doubled ones; one final newline (git stripspace)."""
    text = b"\n".join([line.rstrip(_SPACES) for line in message.split(b"\n")]).strip(b"\n")
    while b"\n\n\n" in text:
        text = text.replace(b"\n\n\n", b"\n\n")
    return text + b"\n" if text else b""


def title(message: bytes) -> bytes:
    """The first paragraph joined by spaces (git's %s)."""
    paragraph = message.lstrip(b"\n").partition(b"\n\n")[0]
    return b" ".join(paragraph.split(b"\n")).strip(_SPACES)
