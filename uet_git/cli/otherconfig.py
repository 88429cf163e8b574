"""The `uet.toml` of a work tree that is not the one that judges: it has no effect, and people are told (DESIGN 13)."""

import os

from uet_git.model import display
from uet_git.project import CONFIG_FILE, Project


def note(project: Project, target: str | None) -> str | None:
    """One sentence if the file here is not the one on the target's tip; None where they are the same.

    Raises: ConfigError if the tip has something else in its place.
    """
    if target is None or project.git.top is None:
        return None
    here = _here(os.path.join(project.git.top, CONFIG_FILE))
    branch = display.line(target.removeprefix("refs/heads/"))
    blob = project.config_blob(project.tip(target))
    if blob is None:
        said = f"{CONFIG_FILE} here is not committed on {branch}; {branch} has none"
        return None if here is None else said
    if here is None:
        return f"{CONFIG_FILE} is missing here; {branch}'s is used"
    if project.objects.blob(blob) != here:
        return f"{CONFIG_FILE} here differs from {branch}'s; {branch}'s is used"
    return None


def _here(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
