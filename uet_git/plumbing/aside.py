"""A bare-bones git directory that sees a repository's objects and none of its configuration.

Diffs and checkouts made through it depend on objects alone: no `diff.*` or `format.*` setting, no filter, no hook, no
attributes file of the user's can change them. It never writes into the repository.
"""

import os

from uet_git.plumbing.git import Git

_PLAIN = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
_SHA256 = _PLAIN.replace("= 0", "= 1") + "[extensions]\n\tobjectformat = sha256\n"
OPTIONS = ("-c", f"core.attributesFile={os.devnull}", "-c", f"core.excludesFile={os.devnull}")


def make(folder: str, git: Git, top: str | None = None, branch: str = "refs/heads/none") -> Git:
    """Makes (or takes up again) such a directory at `folder`, for the work tree `top`; returns it as a repository.

    Run it with `environment(git)` and OPTIONS.
    """
    os.makedirs(os.path.join(folder, "refs"), exist_ok=True)
    _write(os.path.join(folder, "HEAD"), f"ref: {branch}\n")
    _write(os.path.join(folder, "config"), _SHA256 if git.object_format == "sha256" else _PLAIN)
    shallow = os.path.join(git.common_dir, "shallow")
    link = os.path.join(folder, "shallow")
    if os.path.exists(shallow) and not os.path.lexists(link):
        os.symlink(shallow, link)
    return Git(git.program, folder, folder, top, git.object_format)


def environment(git: Git, written: str | None = None) -> dict[str, str]:
    """Variables for children that read the objects of `git`; `written` is where new ones go (by default: nowhere else
    than the repository, for commands that write none)."""
    objects = os.path.join(git.common_dir, "objects")
    env = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OBJECT_DIRECTORY": written or objects,
    }
    if written:
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = quoted(objects)
    return env


def quoted(path: str) -> str:
    """A path as GIT_ALTERNATE_OBJECT_DIRECTORIES wants it: quoted like a C string if it could be misread."""
    if os.pathsep not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write(path: str, text: str) -> None:
    """Writes a file whole or not at all: whoever is killed in between leaves none that is empty."""
    if not os.path.exists(path):
        fresh = f"{path}.{os.getpid()}"
        with open(fresh, "w", encoding="ascii") as file:
            file.write(text)
        os.rename(fresh, path)
