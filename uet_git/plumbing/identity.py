"""Who commits: name and mail address as git finds them (git-commit(1), commit information; git's ident.c)."""

import os
import re
from collections.abc import Callable

from uet_git.errors import NoIdentity
from uet_git.host import process
from uet_git.model.ident import without_crud
from uet_git.plumbing.git import Begun, Git


def find(git: Git, who: str = "COMMITTER") -> tuple[bytes, bytes]:
    """Name and mail address that git would use; `who` is AUTHOR or COMMITTER. Raises: NoIdentity."""
    return told(ask(git, who))


def ask(git: Git, who: str = "COMMITTER") -> Begun:
    """Asks git for it; `told` waits for the answer."""
    return git.begin("var", f"GIT_{who}_IDENT", check=False)


def told(asked: Begun) -> tuple[bytes, bytes]:
    """The answer. Raises: NoIdentity."""
    done = asked.end()
    found = re.match(rb"(.*) <(.*)> \d+ [-+]\d+\n", done.out, re.DOTALL)
    if done.code == 0 and found and found[1]:
        return found[1], found[2]
    said = done.err.decode("utf-8", "backslashreplace")
    missing, example = ("user.email", "you@example.com")
    if "ident name" in said or "no name was given" in said:
        missing, example = ("user.name", "Your Name")
    raise NoIdentity(f"{missing} is not set", next=("git", "config", missing, example))


def stated(config: Callable[[str], str | None]) -> tuple[bytes, bytes] | None:
    """The committer, where environment or configuration state both parts outright; None: git has to be asked.

    `config` gives the last value of a key. A part that git would clean is left to git, whose versions differ there.
    """
    name, email = _stated("NAME", config), _stated("EMAIL", config)
    return (name, email) if name and email else None


def _stated(part: str, config: Callable[[str], str | None]) -> bytes | None:
    variable = f"GIT_COMMITTER_{part}"
    value = process.variable(variable)
    if value is None and not process.any_variable((variable,)):
        key = part.lower()
        value = config(f"committer.{key}") or config(f"user.{key}")
    found = os.fsencode(value or "")
    return found if found == without_crud(found) else None
