"""Finds the folders that ship with the product: package folder first (wheel), then its parent (checkout)."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """Returns the folder `migrations`, `schema` or `hooks`. Raises: FileNotFoundError."""
    for base in (_PACKAGE, _PACKAGE.parent):
        found = base / name
        if found.is_dir():
            return found
    raise FileNotFoundError(name)
