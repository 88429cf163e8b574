"""Which commit each line of a file comes from, as `git blame --porcelain` says, whatever is configured."""

import tempfile
from typing import Final

from uet_git.errors import NotFound
from uet_git.model.named import NamedTuple
from uet_git.model.records import EXECUTABLE, REGULAR, Oid
from uet_git.plumbing import aside
from uet_git.plumbing.git import Git, words
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.view import View

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a file whose lines are asked for."""
_PATIENCE: Final = 120.0  # seconds


class Lines(NamedTuple):
    """Neighbouring lines of one commit: the first line's number (from 1) and the lines without their ends."""

    commit: str
    first: int
    text: tuple[bytes, ...]

    @property
    def last(self) -> int:
        """The last line's number."""
        return self.first + len(self.text) - 1


def of_file(
    git: Git, objects: Objects, commit: Oid, path: bytes, span: tuple[int, int] | None
) -> list[Lines]:
    """The lines of a file in a commit, or of `span` (first, last), in groups.

    Raises: NotFound, ObjectTooLarge, IoFailed (it takes too long).
    """
    tree = objects.resolve(f"{commit}^{{tree}}")
    found = None if tree is None else View(objects, tree).file(path)
    if found is None or found[0] not in (REGULAR, EXECUTABLE):
        name = path.decode("utf-8", "backslashreplace")
        raise NotFound(f"no file {name} in {commit[:12]}", next=("git", "ls-files"))
    objects.blob(found[1], LARGEST)
    asked = [] if span is None else [f"-L{span[0]},{span[1]}"]
    with tempfile.TemporaryDirectory(prefix="uet-blame-") as folder:
        done = aside.make(folder, git).run(
            *(*aside.OPTIONS, "blame", "--porcelain", "--no-textconv", *asked),
            *(commit, "--", path),
            env=aside.environment(git),
            check=False,
            timeout=_PATIENCE,
        )
    if done.code != 0:
        raise NotFound(words(done.err), next=("git", "ls-files"))
    return _grouped(done.out)


def _grouped(out: bytes) -> list[Lines]:
    """Reads the porcelain form: a head line, facts, and the text behind a TAB for each line."""
    groups: list[tuple[str, int, list[bytes]]] = []
    commit, number = "", 0
    head = True
    for row in out.split(b"\n"):
        if row.startswith(b"\t"):
            if groups and groups[-1][0] == commit:
                groups[-1][2].append(row[1:])
            else:
                groups.append((commit, number, [row[1:]]))
            head = True
        elif head and row:
            fields = row.split(b" ")
            commit, number = fields[0].decode("ascii"), int(fields[2])
            head = False
    return [Lines(commit, first, tuple(text)) for commit, first, text in groups]
