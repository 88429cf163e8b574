"""What a gate must not change in a repository, before and after it: a few files read, no process started.

A sandbox that hides the repository keeps a gate from it; a weaker one does not, so it is looked at
afterwards. Not everything that differs is the gate's doing: people commit, fetch and push meanwhile.

- `differences` are what nobody changes by the way: configuration (but for `[branch ...]`, which
  `git push -u` writes), hooks and what steers ours, attributes, alternates, the ledger's file. And the target branch,
  unless the gate was `confined`: then somebody else moved it, and the compare-and-swap of the
  landing deals with that. From a gate that can write there, a moved target cannot be told from one's
  own commit: it is reported, and a person says which it was.
- `notes` are the rest: other refs, HEADs. Worth a line, no reason to stop.

What is under `refs/uet/` and inside the ledger changes all the time; `fsck` proves that, and
`ledger.witness` that no event is gone.
"""

import mmap
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from uet_git.host.process import variable
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.plumbing import refs, untouched
from uet_git.plumbing.git import Git
from uet_git.plumbing.untouched import Stamp

_READ: Final = ("config", "config.worktree", "info/attributes", "info/grafts")
_ALSO: Final = ("objects/info/alternates",)
_HOOK_HOME: Final = ("epoch", "enforce", "drain-post-commit", "drain-post-merge")
_MOST: Final = 20_000  # loose refs that are looked at
_SECTION: Final = late(rb"\s*\[\s*([^\s\]\"]+)")
_HOOKS_PATH: Final = late(
    rb"^\s*hookspath\s*=\s*\"?([^\"\r\n]+?)\"?\s*$", re.IGNORECASE | re.MULTILINE
)


class Snapshot(NamedTuple):
    """What the files said at one moment. Compare two with `differences` and `notes`.

    `target` is the full name of a ref and `at` what it said (None: not there); `files` are contents
    and `hooks` stamps by path; `ledger` identifies the database file; `refs` and `heads` are the loose refs
    and the HEADs by path, `packed` a stamp of the others.
    """

    target: str
    at: bytes | None
    files: Mapping[str, bytes | None]
    hooks: Mapping[str, Stamp]
    ledger: Stamp
    refs: Mapping[str, bytes]
    packed: Stamp
    heads: Mapping[str, bytes | None]


def take(git: Git, target: str, ledger: str = "") -> Snapshot:
    """Reads all that. `target` is the full name of the branch that is landed on, `ledger` the path of the database.

    Take one before the gates of a tree run and one after (a millisecond each), in the process that
    holds the queue's lock: then nothing of our own moves the target in between.
    """
    common = git.common_dir
    folders = [common, *untouched.linked(common)]
    files = {
        os.path.join(f, name): untouched.content(os.path.join(f, name))
        for f in folders
        for name in _READ
    }
    files |= {
        path: untouched.content(path) for path in (os.path.join(common, name) for name in _ALSO)
    }
    home = os.path.join(os.path.dirname(ledger), "hooks") if ledger else ""
    files |= {
        path: untouched.content(path)
        for path in (os.path.join(home, n) for n in _HOOK_HOME)
        if home
    }
    loose = dict(_loose(common))
    return Snapshot(
        target=target,
        at=_at(git, target, loose),
        files=files,
        hooks=dict(_hooks(git, files[os.path.join(common, "config")] or b"")),
        ledger=_identity(ledger) if ledger else (),
        refs=loose,
        packed=untouched.stamp(os.path.join(common, _table(common))),
        heads={
            path: untouched.content(path) for path in (os.path.join(f, "HEAD") for f in folders)
        },
    )


def differences(before: Snapshot, after: Snapshot, *, confined: bool = False) -> list[str]:
    """What was changed that nobody changes by the way, in words, one each; empty is good.

    `confined`: the gate ran where it could not write into the repository (bubblewrap).
    """
    found = []
    if before.at != after.at and not confined:
        found.append(f"{before.target} moved from {_shown(before.at)} to {_shown(after.at)}")
    excused = (b"branch", b"remote") if confined else (b"branch",)
    for path in sorted(set(before.files) | set(after.files)):
        old, new = before.files.get(path), after.files.get(path)
        if old != new and not _only_in(old, new, excused):
            found.append(f"{_named(path)} was {_verb(old, new)}")
    for path in sorted(set(before.hooks) | set(after.hooks)):
        stamps = before.hooks.get(path), after.hooks.get(path)
        if stamps[0] != stamps[1]:
            found.append(f"the hook {_named(path)} was {_verb(*stamps)}")
    if not _is_kept(before.ledger, after.ledger):
        found.append("the ledger's file was replaced, cut short or removed")
    return found


def notes(before: Snapshot, after: Snapshot) -> list[str]:
    """What else is different, in words: other refs and HEADs. People do that at any time."""
    found = []
    if before.at != after.at:
        found.append(f"{before.target} moved from {_shown(before.at)} to {_shown(after.at)}")
    for name in sorted(set(before.refs) | set(after.refs)):
        old, new = before.refs.get(name), after.refs.get(name)
        if old != new and name != before.target and not name.startswith("refs/uet/"):
            found.append(f"{name} was {_verb(old, new)}")
    if before.packed != after.packed:
        found.append("the packed refs were rewritten")
    for path, old in before.heads.items():
        if after.heads.get(path) != old:
            found.append(f"{_named(path)} was {_verb(old, after.heads.get(path))}")
    return found


def _loose(common: str) -> Iterator[tuple[str, bytes]]:
    """Loose refs by name, but for those of uet-git."""
    waiting, left = ["refs"], _MOST
    while waiting and left > 0:
        name = waiting.pop()
        with suppress(OSError), os.scandir(os.path.join(common, name)) as entries:
            for entry in entries:
                inner = f"{name}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if inner != "refs/uet":
                        waiting.append(inner)
                elif not inner.endswith(".lock"):
                    left -= 1
                    yield inner, untouched.content(entry.path) or b""


def _at(git: Git, target: str, loose: Mapping[str, bytes]) -> bytes | None:
    """Where the target is: its loose file, else its line in packed-refs (gitrepository-layout)."""
    if target in loose:
        return loose[target].strip()
    if _table(git.common_dir) != "packed-refs":
        found = refs.read(git, target)
        return found.encode() if found else None
    path = os.path.join(git.common_dir, "packed-refs")
    with suppress(OSError, ValueError), open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end = data.find(b" %b\n" % os.fsencode(target))
        return data[end - git.hex_length : end] if end >= git.hex_length else None
    return None


def _table(common: str) -> str:
    """The file that holds the refs that are no files of their own."""
    name = "reftable/tables.list"
    return name if os.path.exists(os.path.join(common, name)) else "packed-refs"


def _hooks(git: Git, config: bytes) -> Iterator[tuple[str, Stamp]]:
    """Stamps of the hooks where git looks for them; those in a work tree are the user's files, and left out."""
    folders = [os.path.join(git.common_dir, "hooks")]
    for match in _HOOKS_PATH.finditer(config):
        path = os.fsdecode(match[1])
        if path.startswith("~/"):
            path = os.path.join(variable("HOME") or "/", path[2:])
        path = os.path.normpath(os.path.join(git.top or git.common_dir, path))
        outside = git.top is None or not path.startswith(f"{git.top}{os.sep}")
        if outside or path.startswith(f"{git.common_dir}{os.sep}"):
            folders.append(path)
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                yield entry.path, untouched.stamp(entry.path)
        yield folder, untouched.stamp(folder)[:3]


def _identity(path: str) -> Stamp:
    """Which file the ledger is, and its size. Never opened: closing it would drop SQLite's own locks on it."""
    try:
        st = os.lstat(path)
    except OSError:
        return ()
    return (st.st_dev, st.st_ino, st.st_size)


def _is_kept(before: Stamp, after: Stamp) -> bool:
    """Whether it is still the same database file: transactions only make it grow."""
    return before[:2] == after[:2] and before[2:] <= after[2:]


def _only_in(old: bytes | None, new: bytes | None, sections: tuple[bytes, ...]) -> bool:
    """Whether two configurations differ in these sections alone."""
    if old is None or new is None:
        return False
    return _without(old, sections) == _without(new, sections)


def _without(config: bytes, sections: tuple[bytes, ...]) -> list[bytes]:
    kept, skipping = [], False
    for line in config.splitlines():
        if head := _SECTION.match(line):
            skipping = head[1].lower() in sections
        if not skipping:
            kept.append(line)
    return kept


def _named(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _shown(at: bytes | None) -> str:
    return at.decode("ascii", "backslashreplace")[:60] if at else "nothing"


def _verb(old: object, new: object) -> str:
    return "made" if old in (None, ()) else "removed" if new in (None, ()) else "changed"
