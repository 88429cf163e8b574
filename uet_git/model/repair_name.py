"""Which file a typed header means: the one path among its readings that the target has, or a new one."""

from collections.abc import Callable, Sequence
from typing import Final

from uet_git.model import fileheader, quoting
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.records import Finding
from uet_git.model.refusal import Refused
from uet_git.model.repair_text import TypedFile

Read = Callable[[bytes], bytes | None]
Known = Callable[[bytes], Sequence[bytes]]

_PREFIX: Final = late(rb"[abciow]/(?=.)")
_UNSAFE: Final = late(rb"[\x00-\x1f\"\\\x7f-\xff]")
_KEPT: Final = (b"rename ", b"copy ", b"similarity ", b"dissimilarity ", b"old mode ", b"new mode ")
_MADE: Final = (b"new file mode ", b"deleted file mode ")
_MODE: Final = late(rb"(new|deleted) file mode (100644|100755)")

ONLY_ONE: Final = "only this file has that name"


class Meant(NamedTuple):
    """The file that is meant: operation, path, its content before (empty for a new one), the strict header, repairs."""

    op: str
    path: bytes
    base: bytes
    header: bytes
    repairs: tuple[str, ...]


def meant(file: TypedFile, base: Read, known: Known) -> Meant | Finding:
    """Tells which file it is. Returns `apply.no_such_file`, `apply.exists`, or a `parse.*` that cannot be repaired."""
    strict = _strict(file)
    if strict is not None:
        found = _as_typed(file, strict, base)
        if found is not None:
            return found
    told = [line for line in file.header if line.startswith(_MADE)]
    plain = len(told) < 2 and all(map(_MODE.fullmatch, told))
    if not plain or any(line.startswith(_KEPT) for line in file.header):
        return Finding(
            "parse.header", "a header with a rename or a mode cannot be repaired", None, file.line
        )
    return _Names(file, base, known).meant()


def _strict(file: TypedFile) -> fileheader.Header | None:
    """What git would read from the header; None if it would refuse it."""
    text = b"\n".join(file.header) + b"\n"
    try:
        if file.is_git:
            header = fileheader.read_git(text, 0)
        elif len(file.header) == 2:
            header = fileheader.read_traditional(text, 0)
        else:
            return None
    except Refused:
        return None
    return header if header.end == len(text) else None


def _as_typed(file: TypedFile, header: fileheader.Header, base: Read) -> Meant | None:
    """The header is good as it stands, and so is its file."""
    text = b"\n".join(file.header) + b"\n"
    if header.op == "add":
        path = header.new_path or b""
        return (
            Meant("add", path, b"", text, ()) if base(path) is None and not _is_bare(file) else None
        )
    content = base(header.old_path or b"")
    if content is None:
        return None
    path = (header.old_path if header.op == "delete" else header.new_path) or b""
    return Meant(header.op, path, content, text, ())


def _is_bare(file: TypedFile) -> bool:
    """A new file's name without `b/`: the first folder of it must not be taken for the prefix."""
    name = next((line[4:] for line in file.header if line.startswith(b"+++ ")), b"b/")
    return not _PREFIX.match(name.lstrip(b'"'))


class _Names:
    """The names of one header, and what they can mean."""

    def __init__(self, file: TypedFile, base: Read, known: Known) -> None:
        self.file = file
        self.base = base
        self.known = known
        fields = {line[:4]: line[4:] for line in file.header if line[:4] in (b"--- ", b"+++ ")}
        pair = _git_names(file.header[0]) if file.is_git else (b"", b"")
        self.old = fields.get(b"--- ", pair[0])
        self.new = fields.get(b"+++ ", pair[1])
        self.mode = next((m for line in file.header if (m := _MODE.fullmatch(line))), None)

    def refused(self, code: str, detail: str, path: bytes | None = None) -> Finding:
        return Finding(code, detail, path, self.file.line)

    def meant(self) -> Meant | Finding:
        """Returns the one reading that the target allows."""
        kind = self.mode[1] if self.mode else b""
        no_old, no_new = quoting.is_dev_null(self.old), quoting.is_dev_null(self.new)
        if (no_old and no_new) or (kind == b"new" and no_new) or (kind == b"deleted" and no_old):
            return self.refused("parse.header", "it names no file, or contradicts itself")
        if no_new or kind == b"deleted":
            return self._existing("delete", [self.old])
        if no_old or kind == b"new":
            return self._added()
        found = self._existing("modify", [self.old, self.new])
        if isinstance(found, Finding) and found.code == "apply.no_such_file" and self._only_adds():
            return self._added()
        return found

    def _only_adds(self) -> bool:
        """The hunks hold added lines alone, and their headers do not speak of others."""
        hunks = self.file.hunks
        numbers = [hunk.numbers for hunk in hunks]
        lines = [line for hunk in hunks for line in hunk.lines if line.sign or line.text.strip()]
        return (
            len(hunks) == 1
            and bool(lines)
            and all(line.sign == b"+" for line in lines)
            and all(n is None or (n.old_start <= 1 and n.old_count == 0) for n in numbers)
        )

    def _existing(self, op: str, names: Sequence[bytes]) -> Meant | Finding:
        wanted = list(dict.fromkeys(c for name in names for c in candidates(name)))
        if not wanted:
            return self.refused("parse.path", "")
        there = [path for path in wanted if self.base(path) is not None]
        repairs: list[str] = []
        if not there:
            there = self._elsewhere(wanted)
            if len(there) == 1:
                repairs.append(f"it is named {_shown(wanted[-1])} in the diff; {ONLY_ONE}")
        if len(there) != 1:
            detail = f"it may be {' or '.join(map(_shown, there[:3]))}" if there else ""
            return self.refused("apply.no_such_file", detail, wanted[0])
        path = there[0]
        if not repairs:
            repairs += self._said(path)
        content = self.base(path)
        assert content is not None
        return Meant(op, path, content, self._header(op, path), tuple(repairs))

    def _elsewhere(self, wanted: Sequence[bytes]) -> list[bytes]:
        """Files that end in one of the names, or whose path one of them ends in."""
        ends = {b"/" + name for name in wanted}
        found: set[bytes] = set()
        for name in wanted:
            parts = name.split(b"/")
            tails = [b"/".join(parts[i:]) for i in range(1, min(len(parts), 8))]
            there = [tail for tail in tails if self.base(tail) is not None]
            found.update(there)
            ends.update(b"/" + parts[-1] for _ in there)  # another file may have that name too
        found.update(p for end in ends for p in self.known(end) if self.base(p) is not None)
        return sorted(found)

    def _said(self, path: bytes) -> list[str]:
        """How the header named the file that is meant."""
        names = [n for n in (self.old, self.new) if not quoting.is_dev_null(n)]
        wholes = [whole(name) for name in names]
        if any(w in (b"a/" + path, b"b/" + path) for w in wholes):
            return (
                []
                if len({_core(w) for w in wholes}) == 1
                else ["its two names differ; this one is in the target"]
            )
        if len({_core(w) for w in wholes}) > 1:
            return ["its two names differ; this one is in the target"]
        return ["its names have no a/ and b/ before them"]

    def _added(self) -> Meant | Finding:
        paths = candidates(self.new)
        if not paths:
            return self.refused("parse.path", "")
        path = paths[0]
        if self.base(path) is not None:
            return self.refused("apply.exists", "", path)
        repairs = []
        if whole(self.new) == path:
            repairs.append("its name has no b/ before it")
        if not quoting.is_dev_null(self.old) or (self.file.is_git and self.mode is None):
            repairs.append("its header does not say in full that the file is new")
        return Meant("add", path, b"", self._header("add", path), tuple(repairs))

    def _header(self, op: str, path: bytes) -> bytes:
        return header(op, path, self.mode[2] if self.mode else b"100644")


def header(op: str, path: bytes, mode: bytes) -> bytes:
    """The lines that git writes before the hunks of one file; a deletion names no mode, whatever the file has."""
    old, new = _quoted(b"a/" + path), _quoted(b"b/" + path)
    first = b"diff --git %b %b\n" % (old, new)
    tab = b"\t" if b" " in path else b""
    if op == "modify":
        return b"%b--- %b%b\n+++ %b%b\n" % (first, old, tab, new, tab)
    if op == "add":
        return b"%bnew file mode %b\n--- /dev/null\n+++ %b%b\n" % (first, mode, new, tab)
    return b"--- %b%b\n+++ /dev/null\n" % (old, tab)


def moved(path: bytes, content: bytes, named: bytes) -> Meant:
    """A file that is meant although the diff names another, which is not there."""
    words = (
        f"the diff names {_shown(named)}, which is not in the target; only this file has its lines"
    )
    return Meant("modify", path, content, header("modify", path, b""), (words,))


def candidates(name: bytes) -> list[bytes]:
    """The relative paths that a name can mean, the likelier first; none if it is absolute or cannot be read."""
    found = whole(name)
    if not found or found.startswith(b"/"):
        return []
    found = found.removeprefix(b"./")
    short = _PREFIX.sub(b"", found, count=1) if _PREFIX.match(found) else found
    paths = dict.fromkeys((short, found))
    return [p for p in paths if p and not set(p.split(b"/")) & {b"", b".", b".."}]


def whole(name: bytes) -> bytes:
    """A name as typed, unquoted, without a date behind it; empty if its quotes are damaged."""
    if name.startswith(b'"'):
        unquoted = quoting.unquote(name)
        return unquoted[0] if unquoted else b""
    read = quoting.traditional_name(b"x/" + name)
    return read.path.rstrip(b" ") if read and read.path else b""


def _git_names(line: bytes) -> tuple[bytes, bytes]:
    """The two halves of a `diff --git` line without quotes; empty where it cannot be told."""
    rest = line[len(b"diff --git ") :].strip()
    parts = rest.split(b" ")
    return (parts[0], parts[1]) if len(parts) == 2 else (b"", b"")


def _core(name: bytes) -> bytes:
    return _PREFIX.sub(b"", name, count=1) if _PREFIX.match(name) else name


def _quoted(name: bytes) -> bytes:
    if not _UNSAFE.search(name):
        return name
    return b'"%b"' % _UNSAFE.sub(lambda m: b"\\%03o" % m[0][0], name)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
