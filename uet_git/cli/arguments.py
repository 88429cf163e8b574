"""What an argument means: a file, entries of the ledger, or commits (DESIGN 14). Two readings are an error."""

import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

from uet_git.errors import AmbiguousArgument, MergeInRange, NoInput, NotFound, UsageError
from uet_git.model.display import line as shown
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.project import Project
from uet_git.queue.options import Source

LARGEST = 512 * 1024 * 1024
_NUMBER = late(r"(\d{1,9})(?:\.(\d{1,6})|-(\d{1,9}))?")
_ULID = late(r"[0-9A-HJKMNP-TV-Z]{6,26}")


class Given(NamedTuple):
    """The arguments of a call, read: patches to take in, and entries that are there already."""

    sources: list[Source]
    entries: list[Entry]


def read(
    project: Project,
    texts: Sequence[str],
    target: str,
    *,
    squash: bool = False,
    worktree: str | None = None,
) -> Given:
    """Reads every argument. Raises: AmbiguousArgument, NoInput, NotFound, MergeInRange."""
    sources: list[Source] = []
    entries: list[Entry] = []
    for text in texts:
        if text == "-":
            sources.append(
                Source("standard input", _bounded(standard_input().read(LARGEST + 1), text))
            )
            continue
        known = entries_of(project, text) if project.has_ledger() else None
        is_file = os.path.lexists(text)
        if known and is_file:
            raise AmbiguousArgument(
                f"{shown(text)} is a file and an entry; write ./{shown(text)} for the file"
            )
        if is_file:
            sources.append(Source(text, read_file(text)))
        elif _names_commits(project, text):
            if known:
                raise AmbiguousArgument(
                    f"{shown(text)} is an entry and a revision; write refs/heads/{shown(text)} for a branch"
                )
            sources.append(_commits(project, text, target, squash=squash))
        elif known:
            entries += known
        elif _NUMBER.fullmatch(text):
            raise NotFound(f"change {text}")
        else:
            raise NoInput(
                f"{shown(text)}: no such file, entry or revision", next=("uet-git", "list")
            )
    if worktree is not None:
        sources.append(_uncommitted(worktree))
    return Given(sources, entries)


def entries_of(project: Project, text: str) -> list[Entry] | None:
    """The entries that `12`, `12.1`, `3-7` or the beginning of an id name; None if it is none of these.

    Raises: AmbiguousArgument if a beginning fits several ids.
    """
    found = _NUMBER.fullmatch(text)
    entries = project.ledger.entries
    if found is not None:
        first, revision, last = int(found[1]), found[2], found[3]
        if last is not None:
            numbers = range(first, min(int(last), first + 100_000) + 1)
            return [e for n in numbers if (e := entries.revision(n)) is not None]
        one = entries.revision(first, None if revision is None else int(revision))
        return None if one is None else [one]
    if _ULID.fullmatch(text):
        hits = entries.by_prefix(text)
        if len(hits) > 1:
            raise AmbiguousArgument(f"several entries begin with {text}", next=("uet-git", "list"))
        return hits or None
    return None


def is_commit(project: Project, text: str) -> bool:
    """Whether an argument means a commit, and not an entry. Raises: AmbiguousArgument if it may be both."""
    if project.objects.resolve(f"{text}^{{commit}}") is None:
        return False
    if project.has_ledger() and entries_of(project, text):
        raise AmbiguousArgument(
            f"{shown(text)} is an entry and a revision; write refs/heads/{shown(text)} for a branch"
        )
    return True


def chosen(project: Project, texts: Sequence[str]) -> list[Entry]:
    """Entries named by arguments, in order, once each. Raises: NotFound, AmbiguousArgument."""
    picked: dict[str, Entry] = {}
    for text in texts:
        found = entries_of(project, text)
        if not found:
            raise NotFound(shown(text))
        picked.update({e.entry_id: e for e in found})
    return list(picked.values())


def standard_input() -> BinaryIO:
    """Standard input, as bytes. Raises: NoInput if it was closed before we started."""
    if sys.stdin is None:
        raise NoInput("standard input is closed")
    return sys.stdin.buffer


def read_file(path: str) -> bytes:
    """A file's bytes. Raises: NoInput."""
    try:
        with open(path, "rb") as file:
            return _bounded(file.read(LARGEST + 1), path)
    except OSError as exc:
        raise NoInput(f"{shown(path)}: {exc.strerror}") from exc


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > LARGEST:
        raise NoInput(f"{shown(name)} is larger than {LARGEST // 1024 // 1024} MB")
    return data


def _names_commits(project: Project, text: str) -> bool:
    from uet_git.plumbing import harvest

    return harvest.is_revision(project.git, text)


def _commits(project: Project, text: str, target: str, *, squash: bool) -> Source:
    from uet_git.plumbing import harvest

    if squash:
        diff, message, base = harvest.squashed(project.git, text, target)
        return Source(text, diff, base, message)
    found = harvest.range_mails(project.git, text, target)
    if isinstance(found, harvest.MergeInRange):
        raise MergeInRange(
            f"{found.commit[:12]} in {shown(text)}", next=("uet-git", "submit", "--squash", text)
        )
    if not found.mails:
        raise NoInput(
            f"{shown(text)} holds no commit that {shown(target.removeprefix('refs/heads/'))} lacks"
        )
    return Source(text, found.data)


def _uncommitted(folder: str) -> Source:
    from uet_git.plumbing import git as gits
    from uet_git.plumbing import harvest

    if not os.path.isdir(folder):
        raise NoInput(f"{shown(folder)} is not a folder")
    found = harvest.worktree_diff(gits.discover(folder))
    if not found.diff:
        raise UsageError(f"{shown(folder)} has no uncommitted changes", next=("git", "status"))
    return Source(
        f"uncommitted changes of {os.path.basename(os.path.abspath(folder))}",
        found.diff,
        found.base,
    )
