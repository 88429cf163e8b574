"""Line differences between texts that are in no repository, as git makes them, by one process for all of them."""

import os
import re
import tempfile
from collections.abc import Sequence
from typing import Final

from uet_git.plumbing import aside
from uet_git.plumbing.git import Git, failure

_FLAGS: Final = ("--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix")
_FILE: Final = re.compile(rb"^diff --git old/(\d+) new/\d+\n", re.MULTILINE)
_HUNK: Final = re.compile(rb"^@@ ", re.MULTILINE)


def differences(git: Git, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
    """For each (old, new) the hunks between them; empty for equal ones, None where a side is no text.

    Raises: GitFailed, DiskFull.
    """
    found: list[bytes | None] = [b""] * len(pairs)
    if all(old == new for old, new in pairs):
        return found
    with tempfile.TemporaryDirectory(prefix="uet-between-") as folder:
        plain = aside.make(os.path.join(folder, "git"), git, top=folder)
        for number, pair in enumerate(pairs):
            for side, data in zip(("old", "new"), pair, strict=True):
                os.makedirs(os.path.join(folder, side), exist_ok=True)
                with open(os.path.join(folder, side, str(number)), "wb") as file:
                    file.write(data)
        call = (*aside.OPTIONS, "diff", *_FLAGS, "old", "new")
        done = plain.run(*call, env=aside.environment(git), check=False)
        if done.code not in (0, 1):
            raise failure(call, done)
    pieces = _FILE.split(done.out)
    for which, text in zip(pieces[1::2], pieces[2::2], strict=True):
        first = _HUNK.search(text)
        found[int(which)] = None if first is None else text[first.start() :]
    return found
