"""Patches of Mercurial and StGit as mails: the same header lines that `git am` would put before them."""

from typing import Final

from uet_git.model.pattern import late

_HG_DATE: Final = late(rb"([0-9]{1,18}) (-?)([0-9]{1,6})")


def from_hg(piece: bytes) -> bytes:
    """`hg export`: `# User` and `# Date` become headers, other `# ` lines go; the text after them is the body."""
    headers: list[bytes] = []
    at = 0
    while piece.startswith(b"# ", at):
        end = piece.find(b"\n", at) + 1 or len(piece)
        line = piece[at:end].rstrip(b"\r\n")
        if line.startswith(b"# User "):
            headers.append(b"From: " + line[7:])
        elif line.startswith(b"# Date "):
            headers.append(b"Date: " + _hg_date(line[7:]))
        at = end
    return b"\n".join([*headers, b"", piece[at:]])


def _hg_date(value: bytes) -> bytes:
    """Mercurial counts its zone in seconds west of UTC."""
    found = _HG_DATE.fullmatch(value)
    if not found:
        return value
    hours, rest = divmod(int(found[3]), 3600)
    sign = b"+" if found[2] or not int(found[3]) else b"-"
    return b"@%b %b%02d%02d" % (found[1], sign, hours, rest // 60)


def from_stgit(piece: bytes) -> bytes:
    """`stg export`: the first line is the subject, `From:`, `Author:` and `Date:` lines are headers, then the body."""
    headers: list[bytes] = []
    subject = b""
    at = 0
    while at < len(piece):
        end = piece.find(b"\n", at) + 1 or len(piece)
        line = piece[at:end].rstrip(b"\r\n")
        if line.startswith(b"Author:"):
            headers.append(b"From:" + line[7:])
        elif line.startswith((b"From:", b"Date:")):
            headers.append(line)
        elif line.strip() and not subject:
            subject = b"Subject: " + line
        elif line.strip():
            break
        at = end
    return b"\n".join([*headers, subject, b"", piece[at:]])
