"""Where programs are."""

import os


def which(name: str, path: str) -> str | None:
    """The first program of that name in the folders of `path`: `shutil.which`, whose module loads three compressors."""
    folders = [""] if os.path.dirname(name) else path.split(os.pathsep)
    for folder in folders:
        found = os.path.join(folder, name)
        if os.access(found, os.X_OK) and not os.path.isdir(found):
            return found
    return None
