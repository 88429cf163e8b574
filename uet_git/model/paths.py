"""The safety rules for paths and modes (DESIGN 7.3), judged on the parse and again on the trees.

Names are judged as every system would read them: what git on NTFS and HFS+ takes for `.git` is
refused everywhere. A plain path costs one match; only an odd one is looked at name by name.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from uet_git.model.pattern import late
from uet_git.model.records import (
    EXECUTABLE,
    GITLINK,
    REGULAR,
    SYMLINK,
    FileChange,
    Finding,
    Patch,
    TreeChange,
)
from uet_git.model.settings import Limits
from uet_git.model.spelling import folded, is_dotgit, is_gitmodules, is_ledger

Lookup = Callable[[bytes], tuple[int, str]]
"""Mode and object id of a path in the base tree; (0, "") where it is absent."""
Names = Callable[[bytes], Collection[bytes]]
"""The names in one folder of the base tree (b"" is the top); empty where it is absent."""
ReadBlob = Callable[[str], bytes]

KNOWN_MODES: Final = frozenset({REGULAR, EXECUTABLE, SYMLINK, GITLINK})
_PLAIN_MODES: Final = frozenset({None, 0, REGULAR, EXECUTABLE})
_FORMAT: Final = 0o170000
_LONGEST: Final = 4096
_MAKES: Final = frozenset({"add", "rename", "copy"})
_CONTROL = late(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")
_RESERVED: Final = rb"(?i:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)(?:[0-9]|\xc2[\xb9\xb2\xb3]))"
_WINDOWS = late(rb'[<>:"|?*\\]|[ .](?:/|\Z)|(?:\A|/)' + _RESERVED + rb"(?=[ ]*(?:\.|/|\Z))")


@lru_cache(maxsize=8)
def _plain(component_bytes: int) -> Callable[[bytes], re.Match[bytes] | None]:
    """Matches `path + b"/"` where no rule but those of total length and depth has a say."""
    odd = rb"/~<>:\"|?*\\\x00-\x1f\x7f-\xff"
    name = rb"(?!%s[ ]*[./])(?:\.(?!(?i:git|ledger)))?[^.%s][^%s]{0,%d}+(?<![ .])/" % (
        *(_RESERVED, odd, odd),
        max(0, component_bytes - 2),
    )
    return re.compile(rb"(?:" + name + rb")++\Z").match


def judge_patch(patch: Patch, limits: Limits) -> list[Finding]:
    """What the parse alone shows: names, modes, link targets, writing through the patch's links."""
    plain, most, depth = _plain(limits.component_bytes), limits.path_bytes, limits.path_depth
    findings: list[Finding] = []
    special = False
    for change in patch.changes:
        old, new = change.old_path, change.new_path
        for path in (new,) if old == new else (old, new):
            if path is None or (
                plain(path + b"/") and len(path) <= most and path.count(b"/") < depth
            ):
                continue
            makes = path is new and change.op in _MAKES
            findings += _judged_name(path, limits, change.line, new=makes)
            if path is new and is_gitmodules(path.rpartition(b"/")[2]):
                findings += _judged_gitmodules(path, change.new_mode, _whole(change), change.line)
        if change.new_mode not in _PLAIN_MODES or change.old_mode not in _PLAIN_MODES:
            special = True
    if special:
        findings += _judged_links(patch.changes)
        for change in patch.changes:
            findings += _judged_modes(change)
        findings += _judged_swaps(patch.changes)
    return findings


def judge_changes(
    changes: Sequence[TreeChange],
    limits: Limits,
    *,
    lookup: Lookup,
    names: Names,
    read_blob: ReadBlob,
) -> list[Finding]:
    """What the difference between the base tree and the candidate's shows.

    `lookup` and `names` are of the base tree; `read_blob` must know the candidate's blobs too. They
    are asked only about new names, symbolic links and `.gitmodules`.
    """
    plain, most, depth = _plain(limits.component_bytes), limits.path_bytes, limits.path_depth
    findings: list[Finding] = []
    made: list[bytes] = []
    special = False
    for path, old_mode, _, new_mode, new_oid in changes:
        if not (plain(path + b"/") and len(path) <= most and path.count(b"/") < depth):
            findings += _judged_name(path, limits, 0, new=not old_mode)
            if new_mode and is_gitmodules(path.rpartition(b"/")[2]):
                content = read_blob(new_oid) if new_mode in (REGULAR, EXECUTABLE) else None
                findings += _judged_gitmodules(path, new_mode, content, 0)
        if not old_mode:
            made.append(path)
        if new_mode not in _PLAIN_MODES or old_mode not in _PLAIN_MODES:
            special = True
    if special:
        findings += _judged_tree_modes(changes, lookup, read_blob)
    if made:
        findings += _judged_new_names(made, changes, lookup, names)
    return findings


def judge_base_links(patch: Patch, lookup: Lookup) -> list[Finding]:
    """Finds paths of a patch that lead through a symbolic link of the base tree.

    Such a patch cannot be composed: ask this when it did not fit, to name the true reason.
    """
    gone = {c.old_path for c in patch.changes if c.op in ("delete", "rename")}
    came = {c.new_path: c.old_path for c in patch.changes if c.op in ("rename", "copy")}

    def was(prefix: bytes) -> bytes | None:
        return came.get(prefix, None if prefix in gone else prefix)

    return [
        _through(path, prefix)
        for path in patch.paths
        for prefix in _folders(path)
        if lookup(was(prefix) or b"")[0] == SYMLINK
    ]


def _through(path: bytes, prefix: bytes, line: int = 0) -> Finding:
    return Finding("path.through_symlink", f"{_shown(prefix)} is a symbolic link", path, line)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _folders(path: bytes) -> Iterator[bytes]:
    """The folders above a path, from the top: a, a/b for a/b/c. Of one that is refused for its length: none."""
    if len(path) > _LONGEST:
        return
    at = path.find(b"/")
    while at > 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _judged_name(path: bytes, limits: Limits, line: int, *, new: bool) -> list[Finding]:
    """Every finding that the spelling of one path gives. Waivable ones only for `new` names."""
    parts = path.split(b"/")
    codes = dict(_unsafe(path, parts, limits))
    if new and not codes:
        if not _is_utf8(path):
            codes["path.encoding"] = ""
        if _WINDOWS.search(path):
            codes["path.windows_unsafe"] = ""
    return [Finding(code, detail, path, line) for code, detail in codes.items()]


def _unsafe(path: bytes, parts: list[bytes], limits: Limits) -> Iterator[tuple[str, str]]:
    """The codes, with details, of a path that no person may wave through."""
    inner = path.replace(b"\\", b"/").split(b"/") if b"\\" in path else parts
    if b".." in inner:
        yield "path.traversal", ""
    if path.startswith(b"/"):
        yield "path.absolute", ""
        parts = parts[1:]
    if b"" in parts or b"." in parts:
        yield "path.empty", ""
    if any(map(is_dotgit, inner)):
        yield "path.dotgit", ""
    if is_ledger(inner[0]):
        yield "path.ledger", ""
    if _CONTROL.search(path):
        yield "path.control_char", ""
    if len(path) > limits.path_bytes:
        yield "path.too_long", f"{len(path)} bytes, allowed are {limits.path_bytes}"
    elif len(parts) > limits.path_depth:
        yield "path.too_long", f"{len(parts)} names deep, allowed are {limits.path_depth}"
    elif max(map(len, parts)) > limits.component_bytes:
        yield "path.too_long", f"a name of more than {limits.component_bytes} bytes"


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _judged_gitmodules(
    path: bytes, mode: int | None, content: bytes | None, line: int
) -> list[Finding]:
    """Judges a `.gitmodules`; only the one at the top is read by git, so only its content counts."""
    if mode not in (None, REGULAR, EXECUTABLE):
        return [Finding("path.gitmodules", "it is not a regular file", path, line)]
    from uet_git.model import gitmodules

    wrong = gitmodules.hostile(content) if content is not None and b"/" not in path else None
    return [Finding("path.gitmodules", wrong, path, line)] if wrong else []


def _whole(change: FileChange) -> bytes | None:
    """The whole new content where the patch shows it: an added file, or a link's only line."""
    if change.binary is not None:
        return change.binary.data if change.binary.method == "literal" else None
    if change.op != "add" and change.new_mode != SYMLINK:
        return None
    if len(change.hunks) == 1 and change.hunks[0].old_start <= 1:
        return change.hunks[0].new
    return b"" if change.op == "add" else None


def _judged_modes(change: FileChange) -> Iterator[Finding]:
    """Judges one change of a patch whose modes are not only those of files."""
    path, line = change.path, change.line
    old, new = change.old_mode, change.new_mode
    if not {old, new} <= KNOWN_MODES | {None}:
        yield Finding("mode.unknown", _octal(old, new), path, line)
    if change.op == "delete":
        return
    if new == SYMLINK:
        from uet_git.model import links

        target = _whole(change)
        if target is not None and links.escapes(path, target):
            yield Finding("mode.symlink_escape", f"to {_shown(target)}", path, line)
        yield Finding("mode.symlink", "", path, line)
    if new == GITLINK:
        yield Finding("mode.gitlink", "", path, line)
    if old and new and (old ^ new) & _FORMAT:
        yield Finding("mode.type_change", _octal(old, new), path, line)


def _octal(old: int | None, new: int | None) -> str:
    return " to ".join(f"{mode:06o}" for mode in (old, new) if mode)


def _judged_links(changes: Sequence[FileChange]) -> Iterator[Finding]:
    """Paths that lead through a link of the same patch."""
    made = {c.new_path for c in changes if c.new_mode == SYMLINK}
    for change in changes:
        for path in dict.fromkeys((change.old_path, change.new_path)):
            for prefix in _folders(path or b""):
                if prefix in made:
                    yield _through(path or b"", prefix, change.line)


def _judged_swaps(changes: Sequence[FileChange]) -> Iterator[Finding]:
    """Paths that are deleted and added again as something else."""
    deleted = {c.old_path: c.old_mode for c in changes if c.op == "delete"}
    for change in changes:
        old = deleted.get(change.new_path) if change.op == "add" else None
        if old and change.new_mode and (old ^ change.new_mode) & _FORMAT:
            detail = _octal(old, change.new_mode)
            yield Finding("mode.type_change", detail, change.new_path, change.line)


def _judged_tree_modes(
    changes: Sequence[TreeChange], lookup: Lookup, read_blob: ReadBlob
) -> Iterator[Finding]:
    """Judges modes and link targets in the candidate's tree."""
    after = {c.path: (c.new_mode, c.new_oid) for c in changes}

    def entry(path: bytes) -> tuple[int, str]:
        found = after.get(path)
        return found if found is not None else lookup(path)

    def mode_of(path: bytes) -> int:
        return entry(path)[0]

    def target_of(path: bytes) -> bytes:
        return read_blob(entry(path)[1])

    for path, old, _, new, oid in changes:
        if not new:
            continue
        if new not in KNOWN_MODES:
            yield Finding("mode.unknown", _octal(None, new), path)
        if new == SYMLINK:
            from uet_git.model import links

            target = read_blob(oid)
            if links.escapes_tree(
                path, target, lambda p: entry(p)[0], lambda p: read_blob(entry(p)[1])
            ):
                yield Finding("mode.symlink_escape", f"to {_shown(target[:200])}", path)
            yield Finding("mode.symlink", "", path)
        if new == GITLINK:
            yield Finding("mode.gitlink", "", path)
        if old and (old ^ new) & _FORMAT:
            yield Finding("mode.type_change", _octal(old, new), path)


def _judged_new_names(
    made: Iterable[bytes], changes: Sequence[TreeChange], lookup: Lookup, names: Names
) -> Iterator[Finding]:
    """Finds new names that other systems take for one that is there, and names below links.

    Only the folder in which a path first leaves the base tree is looked through.
    """
    gone = {c.path for c in changes if not c.new_mode}
    present = _Present(names, gone)
    seen: dict[bytes, bytes] = {}
    there: dict[bytes, int] = {}
    for path in made:
        for prefix in (*_folders(path), path):
            mode = there.get(prefix)
            if mode is None:
                mode = there[prefix] = lookup(prefix)[0]
            if mode and prefix != path:
                if mode == SYMLINK and prefix not in gone:
                    yield _through(path, prefix)
                continue
            other = seen.get(folded(prefix))
            if other is None:
                other = seen[folded(prefix)] = prefix
                folder = prefix.rpartition(b"/")[0]
                if not folder or there.get(folder):
                    other = present.twin(prefix)
            if other != prefix:
                yield Finding("path.casefold_collision", f"with {_shown(other)}", path)
                break


class _Present:
    """The names in the folders of the base tree, found as a file system compares them."""

    def __init__(self, names: Names, gone: Collection[bytes]) -> None:
        self._names = names
        self._gone = gone
        self._asked: set[bytes] = set()
        self._known: dict[bytes, dict[bytes, list[bytes]]] = {}

    def twin(self, path: bytes) -> bytes:
        """Another name in the same folder that only differs in case or form, and stays; else `path`."""
        folder, slash, name = path.rpartition(b"/")
        for other in self._alike(folder, folded(name)):
            there = folder + slash + other
            if other != name and not _vanishes(there, self._gone, self._names):
                return there
        return path

    def _alike(self, folder: bytes, wanted: bytes) -> Sequence[bytes]:
        known = self._known.get(folder)
        if known is None:
            present = self._names(folder)
            if folder not in self._asked:  # asked once, a search is cheaper than an index
                self._asked.add(folder)
                joined = b"/".join(present)
                if joined.isascii() and b"/%b/" % wanted not in b"/%b/" % joined.lower():
                    return ()
            known = self._known[folder] = {}
            for name in present:
                known.setdefault(folded(name), []).append(name)
        return known.get(wanted, ())


def _vanishes(path: bytes, gone: Collection[bytes], names: Names) -> bool:
    """Whether a file goes, or a folder with all that is in it; stops at the first that stays."""
    if path in gone:
        return True
    inside = names(path)
    return bool(inside) and all(_vanishes(path + b"/" + n, gone, names) for n in inside)
