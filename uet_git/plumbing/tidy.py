"""Makes a folder hold exactly the files that an index lists, by one walk.

For a slot of some thousand files this is cheaper than the processes it saves, and it sees what `git clean` does not:
a `.git` in a tracked folder. Loads nothing: the hooks' shortcut uses it.
"""

import os


def tidy(top: str, files: list[bytes], links: list[bytes]) -> bool:
    """Removes what is not listed below `top`; False if something listed is missing or of another kind.

    `links` are submodules: empty folders. Raises: OSError.
    """
    root = os.fsencode(top)
    wanted = set(files)
    folders = _folders({path.rpartition(b"/")[0] for path in (*files, *links)}).union(links)
    pending, met = [b""], 0
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            inside = [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
        for name, is_folder in inside:
            path = folder + b"/" + name if folder else name
            if is_folder and path in folders:
                pending.append(path)
                met += 1
            elif not is_folder and path in wanted:
                met += 1
            else:
                _remove(os.fsdecode(os.path.join(root, path)))
    return met == len(wanted) + len(folders)


def _folders(direct: set[bytes]) -> set[bytes]:
    """These folders and all above them, the top left out."""
    found: set[bytes] = set()
    for folder in direct:
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition(b"/")[0]
    return found


def _remove(path: str) -> None:
    from uet_git.plumbing.removal import remove_tree

    remove_tree(path)
