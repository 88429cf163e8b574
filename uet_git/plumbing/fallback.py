"""The second rung: `git apply --cached` on a private index, its objects in a quarantine store, under limits.

The composer knows every form of patch that the parser lets through, so git is asked only where the composer's answer
contradicts itself: the result is not the one that the patch names, or undoing the hunks does not give the base back.
What git makes passes the same check (landed.py) or does not land.
"""

import os
import re
import zlib
from collections.abc import Iterator
from typing import Final

from uet_git.errors import CorruptObject
from uet_git.host import process
from uet_git.host.process import Completed
from uet_git.model.pattern import late
from uet_git.model.records import Composed, Conflict, Finding, Oid, Patch, Placement
from uet_git.plumbing import packs
from uet_git.plumbing.difference import diff_trees
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.trees import Composer, is_doubtful
from uet_git.plumbing.view import View

RUNG: Final = "git-apply"
TIMEOUT: Final = 60.0
_LIMITS: Final = ("--core=0", "--cpu=20", f"--as={2 << 30}", f"--fsize={1 << 30}", "--")
_STRICT: Final = ("-c", "apply.ignoreWhitespace=no", "-c", "core.fsync=none")
_HUNK: Final = late(rb"Hunk #(\d+) succeeded at (\d+) \(offset -?\d+ lines?\)\.")
_LOOSE: Final = late(r"[0-9a-f]{2}")


def candidate(
    composer: Composer, base_tree: Oid, patch: Patch, diff: bytes, *, git_only: bool = False
) -> Composed | Conflict:
    """A candidate tree that differs from the base by exactly what the patch says, from the first rung that makes one.

    `diff` holds the bytes that `patch` was read from. `git_only` skips the first rung. Raises: as Composer.compose;
    IoFailed, GitFailed.
    """
    mark = composer.objects.mark()
    first: Composed | Conflict | None = None
    if not git_only:
        first = _checked(composer, base_tree, patch, composer.compose(base_tree, patch))
        if isinstance(first, Composed) or not is_doubtful(first):
            return first
        composer.objects.rewind(mark)
    second = _checked(
        composer, base_tree, patch, apply_with_git(composer.objects, base_tree, patch, diff)
    )
    if isinstance(second, Composed) and (
        first is None or _keeps_ids(base_tree, composer.objects, patch, second)
    ):
        return second
    composer.objects.rewind(mark)
    return first if first is not None else second


def apply_with_git(
    objects: Objects, base_tree: Oid, patch: Patch, diff: bytes
) -> Composed | Conflict:
    """What `git apply --cached` makes of the patch; new objects become pending. Raises: IoFailed, GitFailed."""
    import tempfile

    folder = tempfile.mkdtemp(prefix="uet-")
    try:
        store = os.path.join(folder, "objects")
        os.makedirs(os.path.join(store, "pack"))
        waiting = objects.waiting()
        if waiting:
            packs.write_pack(
                store, [packs.deflate(*item) for item in waiting], objects.git.object_format
            )
        extra = {
            "GIT_INDEX_FILE": os.path.join(folder, "index"),
            "GIT_OBJECT_DIRECTORY": store,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(f"{objects.git.common_dir}/objects"),
        }
        objects.git.run(*_STRICT, "read-tree", base_tree, env=extra)
        done = _limited(objects, extra, diff, "apply", "--cached", "-v", "--whitespace=nowarn", "-")
        if done.code != 0:
            return Conflict((_refusal(done),))
        tree = objects.git.run(*_STRICT, "write-tree", env=extra).out.decode().strip()
        for oid, kind, data in _loose(store):
            if objects.put(kind, data) != oid:
                raise CorruptObject(oid)
        places = _placements(patch, done.err)
    finally:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    changes = tuple(diff_trees(objects, base_tree, tree))
    made = Composed(Oid(tree), changes, places, 0, RUNG)
    proved = sum(_named_results(base_tree, objects, patch, made))
    return Composed(made.tree, changes, places, proved, RUNG)


def _checked(
    composer: Composer, base_tree: Oid, patch: Patch, outcome: Composed | Conflict
) -> Composed | Conflict:
    if isinstance(outcome, Conflict):
        return outcome
    wrong = composer.landed_matches(base_tree, outcome, patch)
    return outcome if wrong is None else Conflict((wrong,))


def _named_results(base_tree: Oid, objects: Objects, patch: Patch, made: Composed) -> list[bool]:
    """For each change that names its contents in full and starts from the one it names: whether it gave the other."""
    before, after = View(objects, base_tree), View(objects, made.tree)
    zero = objects.git.zero
    found = []
    for change in patch.changes:
        if len(change.old_oid or "") != len(zero) or change.op == "delete":
            continue
        source = (
            None if change.op == "add" or change.old_path is None else before.file(change.old_path)
        )
        if change.old_oid == (zero if source is None else source[1]):
            result = after.file(change.path)
            found.append(result is not None and result[1] == change.new_oid)
    return found


def _keeps_ids(base_tree: Oid, objects: Objects, patch: Patch, made: Composed) -> bool:
    """Git does not compare text results with the ids that a patch names: we do."""
    return all(_named_results(base_tree, objects, patch, made))


def _limited(objects: Objects, extra: dict[str, str], stdin: bytes, *args: str) -> Completed:
    """Runs git with caps on memory, processor time and file size, where the system has `prlimit`."""
    prlimit = process.find_program("prlimit")
    argv = objects.git.argv(*_STRICT, *args)
    if prlimit is not None:
        argv = [prlimit, *_LIMITS, *argv]
    where = objects.git.top or objects.git.git_dir
    return process.run(
        argv, cwd=where, env=process.environment(extra), stdin=stdin, timeout=TIMEOUT
    )


def _refusal(done: Completed) -> Finding:
    """Git's own words, escaped."""
    lines = [line for line in done.err.split(b"\n") if line.startswith((b"error: ", b"fatal: "))]
    said = b"; ".join(line.split(b": ", 1)[1] for line in lines[:3])
    if done.code < 0 or b"ut of memory" in said:
        return Finding("size.work", "git apply was stopped by its limits")
    text = said.decode("utf-8", "backslashreplace")
    return Finding(
        "apply.conflict", "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    )


def _placements(patch: Patch, said: bytes) -> tuple[Placement, ...]:
    """Where git put each hunk: at the line its header names, unless it says otherwise."""
    blocks = re.split(rb"^Checking patch .*\.\.\.$", said, flags=re.MULTILINE)[1:]
    found = []
    for change, block in zip(patch.changes, blocks, strict=False):
        moved = {int(n): int(line) for n, line in _HUNK.findall(block)}
        for number, hunk in enumerate(change.hunks, 1):
            usual = max(hunk.new_start, 1)
            line = moved.get(number, usual)
            expected = hunk.new_start if not hunk.new_count else hunk.new_start - 1
            offset = line - 1 - expected if line != usual else 0
            found.append(Placement(change.path, number, line, offset))
    return tuple(found)


def _loose(store: str) -> Iterator[tuple[str, str, bytes]]:
    """The loose objects of a store: id, kind, content."""
    for folder in sorted(os.listdir(store)):
        if not _LOOSE.fullmatch(folder):
            continue
        for name in sorted(os.listdir(os.path.join(store, folder))):
            with open(os.path.join(store, folder, name), "rb") as file:
                head, _, data = zlib.decompress(file.read()).partition(b"\0")
            yield folder + name, head.split()[0].decode(), data


def _quoted(path: str) -> str:
    """A path for GIT_ALTERNATE_OBJECT_DIRECTORIES, which is split at colons unless quoted."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
