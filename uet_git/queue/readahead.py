"""readahead: judges patches on the second core too, of a command line's files while Python still loads the command.

Half of what a short `apply` takes is loading, on one core. What is judged by then is judged under the limits that hold
where nobody set any; who has others, or other bytes, judges anew.
"""

import os
import stat
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from uet_git.host import beside

if TYPE_CHECKING:
    from uet_git.model.settings import Limits
    from uet_git.queue.validate import Judgement

_EARLY: Final = 32_768  # bytes; as long to judge as a process takes to fork
_MOST: Final = 64 * 1024 * 1024  # bytes
_WORTH: Final = 1 << 18  # bytes, once everything is loaded
_ITEMS: Final = 32
_WIDTH: Final = 40  # of most repositories' ids

_begun: list["_Begun"] = []


class _Begun:
    """Judging on the second core, from the last piece on."""

    def __init__(
        self, begin: Callable[[], tuple[Sequence[bytes], Callable[[bytes], "Judgement"]]]
    ) -> None:
        """`begin()`, called there, is what is to be judged and how. Raises: OSError."""
        from uet_git.host.twoends import TwoEnds

        self._ends: TwoEnds[bytes, tuple[Judgement, int]] = TwoEnds(_sha256, len)
        self._beside = beside.Beside(lambda: self._judge(*begin()))

    def finish(
        self, pieces: Sequence[bytes], judge: Callable[[bytes], "Judgement"]
    ) -> Iterator[tuple[str, "Judgement"]]:
        """Judges from the first piece on; then takes what was judged there, and does what was not."""
        done = 0
        try:
            for found, _ in self._ends.front(pieces, lambda piece: (judge(piece), 0)):
                yield _sha256(pieces[done]), found
                done += 1
            theirs = self._answers() if done < len(pieces) else {}
        finally:
            self.close()
        for piece in pieces[done:]:
            name = _sha256(piece)
            yield name, _whole(piece, *theirs[name]) if name in theirs else judge(piece)

    def _judge(self, pieces: Sequence[bytes], judge: Callable[[bytes], "Judgement"]) -> None:
        """The other process; of most pieces the diff is their end, and is not sent through."""

        def cut(piece: bytes) -> tuple["Judgement", int]:
            found = judge(piece)
            size = len(found.mail.diff) if piece.endswith(found.mail.diff) else 0
            return (_with_diff(found, b"") if size else found), size

        self._ends.back(pieces, cut)

    def _answers(self) -> dict[Hashable, tuple["Judgement", int]]:
        """What was judged there; nothing else depends on it."""
        self._beside.result()
        try:
            return self._ends.answers()
        except Exception:  # noqa: BLE001 - whatever is wrong with them, all is judged here then
            return {}

    def close(self) -> None:
        """Ends the other process, if it still runs."""
        if self in _begun:
            _begun.remove(self)
        self._beside.close()
        self._ends.close()


def begin(arguments: Sequence[str]) -> None:
    """Begins to judge the files among a command's arguments."""
    sizes = {a: size for a in arguments if not a.startswith("-") and (size := _size(a))}
    if _EARLY <= sum(sizes.values()) <= _MOST and beside.is_possible():
        with suppress(OSError):
            _begun.append(_Begun(lambda: _read(list(sizes))))


def end() -> None:
    """Ends what nobody asked for."""
    while _begun:
        _begun[-1].close()


def judged(
    pieces: Sequence[bytes], limits: "Limits", width: int, scope: Sequence[str]
) -> Iterator[tuple[str, "Judgement"]]:
    """The SHA-256 (hex) and the judgement of each mail or diff, in order."""
    from uet_git.model.settings import Limits
    from uet_git.queue import validate

    def judge(piece: bytes) -> "Judgement":
        return validate.judge(piece, limits, width, scope)

    if limits != Limits() or width != _WIDTH or scope:
        end()
    worth = len(pieces) >= _ITEMS and sum(map(len, pieces)) >= _WORTH
    if not _begun and worth and beside.is_possible():
        with suppress(OSError):
            _begun.append(_Begun(lambda: (pieces, judge)))
    if _begun:
        return _begun[-1].finish(pieces, judge)
    return ((_sha256(piece), judge(piece)) for piece in pieces)


def _read(files: Sequence[str]) -> tuple[list[bytes], Callable[[bytes], "Judgement"]]:
    """What the files hold, and how to judge it; in the other process."""
    from uet_git.model import mbox
    from uet_git.model.settings import Limits
    from uet_git.queue import validate

    limits = Limits()
    pieces: list[bytes] = []
    for path in files:
        with open(path, "rb") as file:
            pieces += mbox.split(file.read(_MOST))
    return pieces, lambda piece: validate.judge(piece, limits, _WIDTH)


def _size(path: str) -> int:
    """Bytes of a regular file; 0 for anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _whole(piece: bytes, found: "Judgement", size: int) -> "Judgement":
    return _with_diff(found, piece[len(piece) - size :]) if size else found


def _with_diff(found: "Judgement", diff: bytes) -> "Judgement":
    """As `_replace`, which takes as long as to read a small patch."""
    was = found.mail
    mail = type(was)(
        *(was.author, was.date, was.message, was.subject, diff),
        *(was.part, was.total, was.is_cover, was.message_id, was.refused),
    )
    return type(found)(mail, *found[1:])


def _sha256(piece: bytes) -> str:
    import hashlib  # who forks early does not wait for it to load

    return hashlib.sha256(piece).hexdigest()
