"""Makes a folder hold exactly the files that an index lists, by one walk.

For a slot of some thousand files this is cheaper than the processes it saves, and it sees what `git clean` does not:
a `.git` in a tracked folder.
"""

import os
from collections.abc import Collection

from uet_git.plumbing.inway import parents
from uet_git.plumbing.removal import remove_tree


def tidy(top: str, files: Collection[bytes], links: Collection[bytes]) -> bool:
    """Removes what is not listed below `top`; False if something listed is missing or of another kind.

    `links` are submodules: empty folders. Raises: OSError.
    """
    root = os.fsencode(top)
    wanted = set(files)
    folders = {folder for path in (*files, *links) for folder in parents(path)}.union(links)
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
                remove_tree(os.fsdecode(os.path.join(root, path)))
    return met == len(wanted) + len(folders)
