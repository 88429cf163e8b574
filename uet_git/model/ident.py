"""Names and addresses as git writes them into identity lines."""

from typing import Final

_CRUD: Final = bytes(range(33)) + b".,:;<>\"\\'"


def without_crud(text: bytes) -> bytes:
    """Cleans a name or an address: no white space or punctuation at its ends, no `<`, `>` or newline in it.

    As git up to 2.45 does; later ones keep a dot at the ends. Source: git's ident.c.
    """
    return text.strip(_CRUD).translate(None, b"\n<>")


def line(name: bytes, email: bytes) -> bytes:
    """Gives `Name <email>` of cleaned parts; nothing in them can break out of a header line."""
    return b"%b <%b>" % (without_crud(name), without_crud(email))
