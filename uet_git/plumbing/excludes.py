"""Keeps something of ours out of `git status`, in one repository alone (gitignore(5), info/exclude)."""

from pathlib import Path

from uet_git.host import files
from uet_git.plumbing.git import Git


def hide(git: Git, name: str, *, look_only: bool = False) -> bool:
    """Hides a name at the top of every work tree by a line in info/exclude; tells whether the line was missing.

    Raises: DiskFull, IoFailed.
    """
    exclude = Path(git.common_dir) / "info" / "exclude"
    line = b"/" + name.encode()
    with files.os_errors(f"hiding {name}"):
        old = exclude.read_bytes() if exclude.exists() else b""
        if line in old.split(b"\n"):
            return False
        if not look_only:
            exclude.parent.mkdir(exist_ok=True)
            end = b"" if old[-1:] in (b"", b"\n") else b"\n"
            files.write_atomic(str(exclude), old + end + line + b"\n", 0o644)
    return True
