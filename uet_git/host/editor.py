"""The user's editor, chosen and started as git does it (git-var: GIT_EDITOR, core.editor, VISUAL, EDITOR)."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from uet_git.errors import UsageError
from uet_git.host import process
from uet_git.host.files import os_errors


@contextmanager
def draft(name: str, data: bytes) -> Iterator[str]:
    """A file with these bytes, in a folder of its own outside every repository; gone afterwards, unless something
    went wrong: then it stays, so that nothing that was typed is lost."""
    with os_errors("making a file to edit"):
        folder = tempfile.mkdtemp(prefix="uet-edit-")
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
    yield path
    shutil.rmtree(folder, ignore_errors=True)


def edit(program: str, path: str) -> bytes:
    """Opens the editor on a file, waits for it, and returns what the file holds then.

    `program` is a command line for the shell, as `git var GIT_EDITOR` prints it.
    Raises: UsageError (it failed, or left no file).
    """
    code = process.run_here(["sh", "-c", f'{program} "$@"', program, path])
    if code != 0:
        raise UsageError(f"the editor ({program}) ended with {code}; nothing was changed")
    with os_errors(f"reading {path}"), open(path, "rb") as file:
        return file.read()
