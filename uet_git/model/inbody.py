"""Header lines at the start of a mail's body (`From:`, `Subject:`, `Date:`), which override those of the mail."""

from typing import Final

from uet_git.model.mailheaders import Fields
from uet_git.model.mbox import SPACES
from uet_git.model.pattern import late

_MAYBE: Final = late(rb"(?i:from|subject|date):|>From[ \t\n\r]|\[PATCH\][ \t\n\r]")
_SEPARATOR: Final = late(rb">From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n")
_NEWLINE: Final = 0x0A
_OVERRIDES: Final = (b"from", b"subject", b"date")


class InBody:
    """Collects the in-body headers of one mail; `fields` holds them by lower-case name, undecoded."""

    def __init__(self) -> None:
        self.fields: Fields = {}
        self._folded: list[bytes] = []
        self._open = True

    def skip(self, data: bytes, start: int, end: int) -> int:
        """Takes blank and header lines from `start` on; gives the offset of the message's first line."""
        if not self._open:
            return start
        at = start
        if not self._folded:
            while at < end and data[at] == _NEWLINE:
                at += 1
            self._open = at == end or _MAYBE.match(data, at, end) is not None
        while self._open and at < end:
            line_end = data.find(b"\n", at, end) + 1 or end
            if not self._takes(data[at:line_end]):
                self._open = False
                break
            at = line_end
        return at

    def end(self) -> None:
        """The message is over: a header that was still being unfolded is complete."""
        if self._folded:
            name, _, value = b"".join(self._folded).partition(b":")
            self.fields.setdefault(name.lower(), value.strip(SPACES))
            self._folded.clear()

    def _takes(self, line: bytes) -> bool:
        if line in (b"\n", b""):
            self._open = not self._folded
            self.end()
            return True
        if self._folded and line.startswith((b" ", b"\t")):
            self._folded[-1] = self._folded[-1].removesuffix(b"\n")
            self._folded.append(line)
            return True
        self.end()
        if line.startswith(b">From"):
            return _SEPARATOR.fullmatch(line) is not None
        if line.startswith(b"[PATCH]") and line[7:8] in (b" ", b"\t", b"\n", b"\r"):
            self.fields[b"subject"] = line.strip(SPACES)
            return True
        name, colon, _ = line.partition(b":")
        if colon and name.lower() in _OVERRIDES and name.lower() not in self.fields:
            self._folded.append(line)
            return True
        return False
