"""What `doctor` looks at in the gates of a branch: whether they can run here, and judge what they should."""

import os
from collections.abc import Iterator

from uet_git.cli.checkup import Check, note, ok, problem
from uet_git.host import process, python_imports
from uet_git.model import display
from uet_git.model.records import TREE, Gate
from uet_git.model.settings import Settings
from uet_git.project import Project

_MARKS = (b"pyproject.toml", b"setup.py", b"setup.cfg")
_INIT = b"__init__.py"
_MOST = 20


def checks(project: Project, settings: Settings, tree: str) -> Iterator[Check]:
    """One check for each thing that keeps a gate of `settings` from judging `tree`, the branch's own."""
    for gate in settings.gates:
        program = "sh" if gate.shell else gate.run[0]
        if "/" not in program and process.find_program(program) is None and not gate.link:
            yield problem("gates", f"{gate.name}: {display.line(program)} is not on PATH")
        for name in gate.link if project.git.top is not None else ():
            if not os.path.isdir(os.path.join(project.git.top or "", name)):
                shown = display.line(name)
                yield problem("gates", f"{gate.name}: {shown}, which it links, is not here")
    if settings.gates:
        yield from _python(project, settings, tree)


def _python(project: Project, settings: Settings, tree: str) -> Iterator[Check]:
    """Whether Python gates import what is judged, not what is installed from somebody's work tree."""
    top = project.objects.tree(tree)
    if not any(name in top for name in _MARKS):
        return
    src = top.get(b"src")
    in_src = src is not None and src[0] == TREE
    packages = _packages(project, src[1] if in_src and src is not None else tree)
    if not packages:
        return
    for python in sorted({p for g in settings.gates if (p := _interpreter(g))} or {"python3"}):
        if process.find_program(python) is None:
            continue
        found = python_imports.elsewhere(python, packages, in_src=in_src)
        if found is None:
            yield note("gates", f"{display.line(python)} does not say where it imports from")
        elif found:
            name, origin = next(iter(found.items()))
            text = (
                f"{display.line(python)} imports {display.line(name)} from {display.line(origin)}"
            )
            yield problem("gates", f"{text}, not from the tree that is judged")
        else:
            yield ok("gates", f"{display.line(python)} imports from the tree that is judged")


def _packages(project: Project, tree: str) -> list[str]:
    """The top-level packages of a folder."""
    found = []
    for name, (mode, oid) in project.objects.tree(tree).items():
        text = name.decode("utf-8", "replace")
        if mode == TREE and text.isidentifier() and _INIT in project.objects.tree(oid):
            found.append(text)
    return found[:_MOST]


def _interpreter(gate: Gate) -> str:
    """The Python that a gate names as its program; empty if it is another one."""
    return (
        gate.run[0] if not gate.shell and os.path.basename(gate.run[0]).startswith("python") else ""
    )
