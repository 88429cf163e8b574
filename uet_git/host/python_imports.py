"""Where a Python would import packages from if a gate ran with it: its tree, or something installed (DESIGN 9).

Asked of a skeleton: folders with empty packages of the same names. Nothing of the project is imported or run.
"""

import os
import tempfile
from collections.abc import Sequence

from uet_git.errors import UetError
from uet_git.host import process
from uet_git.host.gate_env import gate_environment

_ASK = (
    "import importlib.util, sys\n"
    "for name in sys.argv[1:]:\n"
    "    found = importlib.util.find_spec(name)\n"
    "    print((found.origin or '') if found else '')\n"
)
_SECONDS = 20.0


def search_path(tree: str) -> list[str]:
    """The folders of a gate's tree that its Python looks into first: `src` if there is one, and the tree itself."""
    src = os.path.join(tree, "src")
    return [src, tree] if os.path.isdir(src) else [tree]


def elsewhere(python: str, packages: Sequence[str], *, in_src: bool) -> dict[str, str] | None:
    """Those top-level packages that come from somewhere else than the tree, and from where; None if it cannot say."""
    with tempfile.TemporaryDirectory(prefix="uet-git-") as folder:
        tree = os.path.join(os.path.realpath(folder), "tree")
        for name in packages:
            package = os.path.join(tree, "src" if in_src else "", name)
            os.makedirs(package)
            with open(os.path.join(package, "__init__.py"), "xb"):
                pass
        path = os.pathsep.join(search_path(tree))
        env = gate_environment(
            home=folder, temporary=folder, ceiling=folder, extra={"PYTHONPATH": path}
        )
        try:
            done = process.run([python, "-c", _ASK, *packages], cwd="/", env=env, timeout=_SECONDS)
        except UetError:
            return None
        origins = os.fsdecode(done.out).split("\n")
        if done.code != 0 or len(origins) <= len(packages):
            return None
        found = zip(packages, origins, strict=False)
        return {n: o for n, o in found if not os.path.realpath(o).startswith(f"{tree}{os.sep}")}
