"""Lines of `review`'s screen, and how they are folded to its width; wide characters count twice."""

from collections.abc import Iterator
from typing import Final

from uet_git.model.named import NamedTuple

PLAIN: Final = "0"
BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "31"
GREEN: Final = "32"
CYAN: Final = "36"
YELLOW: Final = "33"


class Line(NamedTuple):
    """One line, maybe wider than the terminal; `words`: it may be broken between words, else only where it must."""

    text: str = ""
    colour: str = PLAIN
    words: bool = True


def folded(line: Line, width: int) -> Iterator[Line]:
    """A line as so many as it needs; those after the first are indented like it, where it breaks between words."""
    from rich.cells import cell_len

    text = line.text.expandtabs(8)
    if (len(text) <= width and text.isascii()) or cell_len(text) <= width:
        yield line._replace(text=text)
        return
    parts = _words(text, width) if line.words else pieces(text, width)
    for part in parts:
        yield line._replace(text=part)


def cut(line: Line, width: int) -> Line:
    """A line as one, with an ellipsis where it was too wide."""
    from rich.cells import cell_len

    if cell_len(line.text) <= width:
        return line
    return line._replace(text=pieces(line.text, width - 3)[0] + "...")


def pieces(text: str, width: int) -> list[str]:
    """Text in pieces no wider than `width`; one at least."""
    from rich.cells import chop_cells

    return chop_cells(text, width) or [""]


def _words(text: str, width: int) -> Iterator[str]:
    """Pieces no wider than `width`, broken at blanks where there are any."""
    from rich.cells import cell_len

    indent = " " * min(len(text) - len(text.lstrip(" ")), width // 2)
    piece: str | None = None
    for word in text.lstrip(" ").split(" "):
        longer = indent + word if piece is None else f"{piece} {word}"
        if cell_len(longer) <= width:
            piece = longer
            continue
        if piece is not None:
            yield piece
        *whole, piece = pieces(indent + word, width)
        yield from whole
    if piece is not None:
        yield piece
