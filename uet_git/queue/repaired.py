"""repaired: offers a reading of a malformed diff to a person, and hands it in as the next revision (DESIGN 4)."""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from uet_git.errors import ObjectTooLarge, UsageError
from uet_git.model import paths
from uet_git.model.entry import Entry, StoredRepair
from uet_git.model.reasons import REASONS
from uet_git.model.records import EXECUTABLE, REGULAR, TREE, Finding, Oid, Patch
from uet_git.model.settings import MB, Limits
from uet_git.model.work import OverBudget
from uet_git.plumbing.objects import Objects
from uet_git.plumbing.view import View
from uet_git.project import Project
from uet_git.queue.options import Options, Source
from uet_git.queue.validate import Judgement

if TYPE_CHECKING:
    from uet_git.model.repair import Repaired

_LARGEST: Final = 4 * MB  # bytes of a file that is looked at
_MOST_PATHS: Final = 50_000
_FILES: Final = (REGULAR, EXECUTABLE)


class Tip:
    """The files of one tree, as the reader asks for them."""

    def __init__(self, objects: Objects, tree: Oid) -> None:
        self._objects = objects
        self._tree = tree
        self._view = View(objects, tree)
        self._paths: list[bytes] | None = None

    def content(self, path: bytes) -> bytes | None:
        """The regular file at a path, None if there is none. Raises: OverBudget if it is too large."""
        found = self._view.entry(path)
        if found is None or found[0] not in _FILES:
            return None
        try:
            return self._objects.blob(found[1], _LARGEST)
        except ObjectTooLarge as exc:
            raise OverBudget from exc

    def ending(self, end: bytes) -> list[bytes]:
        """Paths that end so; none in a tree of very many."""
        if self._paths is None:
            found = list(itertools.islice(self._walk(), _MOST_PATHS + 1))
            self._paths = found if len(found) <= _MOST_PATHS else []
        return [path for path in self._paths if path.endswith(end) or path == end[1:]]

    def _walk(self) -> Iterator[bytes]:
        line: list[tuple[bytes, str]] = [(b"", self._tree)]
        while line:
            above, oid = line.pop()
            for name, (mode, child) in self._objects.tree(oid).items():
                if mode == TREE:
                    line.append((above + name + b"/", child))
                elif mode in _FILES:
                    yield above + name


def at_intake(
    project: Project, judged: Judgement, tree: Oid, limits: Limits
) -> "tuple[Judgement, Repaired | None]":
    """The judgement of a refused diff with the reading that can be offered for it, or with why there is none."""
    from uet_git.model import repair

    refusal = judged.findings[0] if len(judged.findings) == 1 else None
    if judged.patch.changes or refusal is None or refusal.code not in repair.REPAIRABLE:
        return judged, None
    found = _read(project, judged.mail.diff, tree, limits, refusal)
    if isinstance(found, repair.Repaired):
        return judged._replace(findings=(offered(found, refusal),)), found
    if found == refusal:
        return judged, None
    if found.line:
        found = found._replace(line=found.line + judged.first_line - 1)
    own = refusal.detail or REASONS[refusal.code].sentence.removesuffix(".")
    said = found.detail or REASONS[found.code].sentence
    detail = f"{own}; read as it may be meant: {said}"
    return judged._replace(findings=(refusal._replace(detail=detail), found)), None


def at_stage(
    project: Project, patch: Patch, tree: Oid, limits: Limits, diff: Callable[[], bytes]
) -> "Repaired | None":
    """A reading of a well formed patch that fits where the patch itself does not.

    Looks only where a file may be named without `a/` and `b/`, or ends its lines otherwise than the patch.
    """
    if not _worth_it(patch, Tip(project.objects, tree)):
        return None
    found = _read(project, diff(), tree, limits, None)
    return None if isinstance(found, Finding) else found


def _worth_it(patch: Patch, tip: Tip) -> bool:
    """A cheap look at each changed file: is it missing, or are its line ends not those of the patch?"""
    try:
        for change in patch.changes:
            base = tip.content(change.old_path) if change.old_path is not None else b""
            if base is None:
                return True
            bodies = [hunk.body for hunk in change.hunks]
            if bodies and any(b"\r\n" in body for body in bodies) != (b"\r\n" in base):
                return True
            if base and not base.endswith(b"\n"):
                return True
    except OverBudget:
        return False
    return False


def _read(
    project: Project, diff: bytes, tree: Oid, limits: Limits, refusal: Finding | None
) -> "Repaired | Finding":
    from uet_git.model import repair

    tip = Tip(project.objects, tree)
    width = project.git.hex_length
    found = repair.read(
        *(diff, tip.content, limits),
        refusal=refusal,
        known_paths=tip.ending if refusal is not None else _none,
        hex_length=width,
    )
    if isinstance(found, repair.Repaired):
        if not _is_sure(found, tip):
            return Finding("apply.no_such_file", "more than one file may be meant")
        unsafe = [f for f in paths.judge_patch(found.patch, limits) if _drops(f)]
        return unsafe[0] if unsafe else found
    return found


def _is_sure(found: "Repaired", tip: Tip) -> bool:
    """Whether no other file has the name of one that was found in another folder than the diff says."""
    from uet_git.model import repair_name

    if not any(repair_name.ONLY_ONE in said for said in found.repairs):
        return True
    names = {path.rpartition(b"/")[2] for path in found.patch.paths}
    return all(len(tip.ending(b"/" + name)) == 1 for name in names)


def _none(_: bytes) -> tuple[bytes, ...]:
    return ()


def _drops(finding: Finding) -> bool:
    return REASONS[finding.code].gravity > REASONS["parse.repairable"].gravity


def offered(found: "Repaired", refusal: Finding) -> Finding:
    """The finding that says what was repaired, and why it had to be."""
    words = "; ".join(found.repairs)
    touched = found.patch.paths
    path = touched[0] if refusal.path is None and len(touched) == 1 else refusal.path
    return Finding("parse.repairable", f"{words} ({refusal.code})", path, refusal.line)


def of(project: Project, entry: Entry) -> StoredRepair | None:
    """The reading that is offered for an entry now; None without one."""
    if entry.state != "quarantined" or entry.reason != "parse.repairable":
        return None
    return project.ledger.repair_of(entry.entry_id)


def take(project: Project, entry: Entry) -> tuple[Source, Options]:
    """What to hand in so that the repaired reading becomes the entry's next revision, message and author kept.

    Raises: UsageError if none is offered for it, or if it was redacted.
    """
    stored = of(project, entry)
    if stored is None or stored.content is None:
        why = "was redacted" if stored is not None else "is not offered"
        raise UsageError(
            f"a repaired reading of change {entry.label} {why}",
            next=("uet-git", "show", entry.label),
        )
    base = project.ledger.entries.patch(entry.patch_id).base_commit
    from uet_git.queue import revise

    return Source(f"{entry.label}.patch", stored.content, base), revise.kept(entry)
