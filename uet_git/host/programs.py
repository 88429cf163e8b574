"""Where programs are."""

import os
from contextlib import suppress


def which(name: str, path: str) -> str | None:
    """The first program of that name in the folders of `path`: `shutil.which`, whose module loads three compressors."""
    if not path and not os.path.dirname(name):
        return None
    folders = [""] if os.path.dirname(name) else path.split(os.pathsep)
    for folder in folders:
        found = os.path.join(folder, name)
        with suppress(ValueError):  # no name of a file
            if os.access(found, os.X_OK) and not os.path.isdir(found):
                return found
    return None


def find(name: str) -> str | None:
    """The absolute path of a program on PATH, or None."""
    found = which(name, os.environ.get("PATH", os.defpath))
    return os.path.abspath(found) if found else None
