"""File headers of a patch: `diff --git` with its extended lines, and bare `---`/`+++` pairs (git 2.39, `-p1`).

Headers as git writes them are read by one regular expression; all others line by line, to the same answer. What git
would read in a way that the text does not say (two names, two modes, lines that contradict each other) is refused.
"""

import re
from typing import Final

from uet_git.model import quoting
from uet_git.model.pattern import late
from uet_git.model.records import EXECUTABLE, GITLINK, REGULAR, SYMLINK
from uet_git.model.refusal import Refused

_MODES: Final = {b"%06o" % m: m for m in (REGULAR, EXECUTABLE, SYMLINK, GITLINK)}
_TYPE: Final = 0o170000
_KEYS: Final = {
    b"--- ": "old",
    b"+++ ": "new",
    b"old mode ": "old_mode",
    b"new mode ": "new_mode",
    b"deleted file mode ": "deleted",
    b"new file mode ": "created",
    b"copy from ": "copy_from",
    b"copy to ": "copy_to",
    b"rename old ": "rename_from",
    b"rename new ": "rename_to",
    b"rename from ": "rename_from",
    b"rename to ": "rename_to",
    b"similarity index ": "similarity",
    b"dissimilarity index ": "dissimilarity",
    b"index ": "index",
}
_KEY: Final = late(b"|".join(re.escape(key) for key in _KEYS))
_INDEX: Final = late(rb"([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]+)\r?)?\Z")
_OCTAL: Final = late(rb"[0-7]{1,20}\Z")
_LOOSE_INDEX: Final = late(rb"[^.\n]*\.\.[^ \n]*(?: ([0-9]+)\r?)?\Z")
_USUAL: Final = late(
    rb"diff --git ([^\n\"\r]+)\n"
    rb"(?:(new|deleted) file mode ([0-7]{6})\n)?"
    rb"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]{6}))?\n"
    rb"--- ([^\n\"\t\r]+)\n\+\+\+ ([^\n\"\t\r]+)\n(?=@@ -)"
)


class Header:
    """What one file header says. `op` is as in `FileChange`; `end` is the offset behind it."""

    __slots__ = ("end", "new_mode", "new_oid", "new_path", "old_mode", "old_oid", "old_path", "op")

    def __init__(self, op: str, old_path: bytes | None, new_path: bytes | None, end: int) -> None:
        self.op = op
        self.old_path = old_path
        self.new_path = new_path
        self.end = end
        self.old_mode: int | None = None
        self.new_mode: int | None = None
        self.old_oid: str | None = None
        self.new_oid: str | None = None


def read_git(data: bytes, at: int) -> Header:
    """Reads the header that begins with `diff --git ` at `at`. Raises: Refused."""
    found = _USUAL.match(data, at)
    if found is not None:
        header = _usual(found)
        if header is not None:
            return header
    return _GitHeader(data, at).header()


def _usual(found: re.Match[bytes]) -> Header | None:
    """Takes a header as git writes it for text; None if anything about it asks for a closer look."""
    line, kind, named_mode, old_oid, new_oid, index_mode, old_raw, new_raw = found.groups()
    raw = old_raw if kind == b"deleted" else new_raw
    name = raw.partition(b"/")[2]
    half = len(line) >> 1
    first, second = line[:half], line[half + 1 :]
    if (
        not name
        or b"//" in raw
        or line[half] != 32
        or first[:1] == b"/"
        or second[:1] == b"/"
        or first.partition(b"/")[2] != name
        or second.partition(b"/")[2] != name
    ):
        return None
    mode = _MODES.get(named_mode or index_mode)
    if kind is None:
        if old_raw != first or new_raw != second or (mode is None and index_mode):
            return None
        header = Header("modify", name, name, found.end())
        header.old_mode = header.new_mode = mode
    else:
        null = new_raw if kind == b"deleted" else old_raw
        if mode is None or index_mode or null != b"/dev/null" or raw not in (first, second):
            return None
        header = (
            Header("add", None, name, found.end())
            if kind == b"new"
            else Header("delete", name, None, found.end())
        )
        header.new_mode, header.old_mode = (mode, None) if kind == b"new" else (None, mode)
    header.old_oid = old_oid.decode()
    header.new_oid = new_oid.decode()
    return header


class _GitHeader:
    """One `diff --git` header read line by line. Every line may come once, `---` and `+++` last."""

    def __init__(self, data: bytes, at: int) -> None:
        self.at = at
        self.fields: dict[str, bytes] = {}
        line_end = _line_end(data, at)
        self.line = data[at + len(b"diff --git ") : line_end]
        self.end = line_end + 1
        while found := _KEY.match(data, self.end):
            key = _KEYS[found[0]]
            if key in self.fields:
                raise Refused("parse.header", f"`{found[0].decode().strip()}` twice", self.end)
            if (key == "new") != ("old" in self.fields) or "new" in self.fields:
                raise Refused("parse.header", "its lines are out of order", self.end)
            line_end = _line_end(data, self.end)
            text = data[found.end() : line_end]
            self.fields[key] = text if key == "index" else text.removesuffix(b"\r")
            self.end = line_end + 1
        if not self.fields:
            raise Refused("parse.header", "no change follows", at)
        if "old" in self.fields and "new" not in self.fields:
            raise self.refused("the `+++` line is missing")

    def refused(self, detail: str) -> Refused:
        return Refused("parse.header", detail, self.at)

    def header(self) -> Header:
        """Returns what the lines say together. Raises: Refused."""
        ops = [
            op
            for op, key in (
                ("add", "created"),
                ("delete", "deleted"),
                ("rename", "rename_from"),
                ("copy", "copy_from"),
            )
            if key in self.fields
        ]
        if len(ops) > 1:
            raise self.refused(" and ".join(ops))
        for kind in ("rename", "copy"):
            if f"{kind}_to" in self.fields and f"{kind}_from" not in self.fields:
                raise self.refused(f"`{kind} from` is missing")
        op = ops[0] if ops else "modify"
        old, new = self._moved(op) if op in ("rename", "copy") else self._one_name(op)
        header = Header(op, old, new, self.end)
        try:
            self._modes(header)
        except Refused as refused:
            refused.path = new if new is not None else old
            raise
        return header

    def _moved(self, op: str) -> tuple[bytes, bytes]:
        source, target = self.fields[f"{op}_from"], self.fields.get(f"{op}_to")
        if target is None:
            raise self.refused(f"`{op} to` is missing")
        old = self._path(quoting.header_name(source, strip=False, tab_ends=False))
        new = self._path(quoting.header_name(target, strip=False, tab_ends=False))
        if old == new:
            raise self.refused(f"{op} to itself")
        if not quoting.git_line_fits(self.line, old, new):
            raise self.refused("the names differ")
        if "old" in self.fields and (self._named("old"), self._named("new")) != (old, new):
            raise self.refused("the names differ")
        return old, new

    def _one_name(self, op: str) -> tuple[bytes | None, bytes | None]:
        name = quoting.name_of_git_line(self.line)
        if "old" in self.fields:
            old, new = self._named("old"), self._named("new")
            if (old is None) != (op == "add") or (new is None) != (op == "delete"):
                raise self.refused("`/dev/null` does not fit")
            found = new if old is None else old
            assert found is not None
            if None not in (old, new) and old != new:
                raise self.refused("the names differ")
            if name != found and (name is not None or not self._line_fits(found)):
                raise self.refused("the names differ")
            name = found
        if not name or b"\0" in name:
            raise Refused("parse.path", "no name can be read", self.at)
        return None if op == "add" else name, None if op == "delete" else name

    def _line_fits(self, name: bytes) -> bool:
        return quoting.git_line_fits(self.line, name, name)

    def _named(self, key: str) -> bytes | None:
        text = self.fields[key]
        if quoting.is_dev_null(text):
            return None
        return self._path(quoting.header_name(text, strip=True, tab_ends=True))

    def _path(self, name: quoting.Name | None) -> bytes:
        return checked_path(name, self.at)

    def _modes(self, header: Header) -> None:
        header.old_oid, header.new_oid, mode = self._index()
        key = {"add": "created", "delete": "deleted"}.get(header.op)
        pair = self._mode("old_mode"), self._mode("new_mode")
        if pair != (None, None):
            if None in pair or key or mode or pair[0] == pair[1]:
                raise self.refused("the modes contradict each other")
            header.old_mode, header.new_mode = pair
        elif key:
            named = self._mode(key)
            if mode not in (None, named):
                raise self.refused("the modes contradict each other")
            header.old_mode, header.new_mode = (None, named) if key == "created" else (named, None)
        else:
            header.old_mode = header.new_mode = mode
        old, new = header.old_mode, header.new_mode
        if old is not None and new is not None and (old ^ new) & _TYPE:
            raise self.refused("a file cannot change its type in place")

    def _mode(self, key: str) -> int | None:
        text = self.fields.get(key)
        return None if text is None else self._known_mode(text)

    def _known_mode(self, text: bytes) -> int:
        mode = _MODES.get(text)
        if mode is None:
            code = "mode.unknown" if _OCTAL.match(text) else "parse.header"
            raise Refused(code, "", self.at)
        return mode

    def _index(self) -> tuple[str | None, str | None, int | None]:
        text = self.fields.get("index")
        if text is None:
            return None, None, None
        found = _INDEX.match(text)
        if found is None:  # git overlooks ids that are none; a mode behind them it reads
            loose = _LOOSE_INDEX.match(text)
            if loose is None and b" " in text:
                raise self.refused("the index line cannot be read")
            return None, None, self._known_mode(loose[1]) if loose and loose[1] else None
        mode = None if found[3] is None else self._known_mode(found[3])
        return found[1].decode(), found[2].decode(), mode


def read_traditional(data: bytes, at: int) -> Header:
    """Reads a `---` line and the `+++` line behind it, without `diff --git`. Raises: Refused.

    `op` is as far as the names and dates tell; only the hunks say the rest.
    """
    first_end = _line_end(data, at)
    second_end = _line_end(data, first_end + 1)
    first, second = data[at + 4 : first_end], data[first_end + 5 : second_end]
    no_first, no_second = quoting.is_dev_null(first), quoting.is_dev_null(second)
    if no_first and no_second:
        raise Refused("parse.header", "no file is named", at)
    if no_first or no_second:
        name = checked_path(quoting.traditional_name(second if no_first else first), at)
        op = "add" if no_first else "delete"
    else:
        old = checked_path(quoting.traditional_name(first), at)
        new = checked_path(quoting.traditional_name(second), at)
        alike = new.startswith(old) or old.startswith(new)
        told_by_first = (
            len(old) < len(new) and second[:1] == b'"'
        )  # git goes by a quoted second name
        if not alike or told_by_first or (old != new and b"//" in first + second):
            raise Refused("parse.header", "the names differ", at)
        name = min(old, new, key=len)  # `x` against `x.orig`: the shorter one is meant
        dates = quoting.is_epoch(first), quoting.is_epoch(second)
        op = "add" if dates[0] else "delete" if dates[1] else "modify"
    old_path, new_path = None if op == "add" else name, None if op == "delete" else name
    header = Header(op, old_path, new_path, second_end + 1)
    header.new_mode = REGULAR if op == "add" else None
    return header


def checked_path(name: quoting.Name | None, at: int) -> bytes:
    """Returns the path of a name. Raises: Refused if nothing can be read, or if it was absolute."""
    if name is None:
        raise Refused("parse.path", "a name's quotes are damaged", at)
    if name.path is None:
        raise Refused(
            "parse.path", "a name has no first folder (a/ or b/), which git takes off", at
        )
    if b"\0" in name.path:
        raise Refused("parse.path", "a name holds a NUL", at)
    if name.absolute:
        raise Refused("path.absolute", "", at, name.path)
    return name.path


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    if end < 0:
        raise Refused("parse.truncated", "", at)
    return end
