"""trace: finds the landed commit, and its entry, that changed lines which a patch expects (DESIGN 12)."""

from collections.abc import Iterator, Sequence
from typing import Final

from uet_git.errors import ObjectTooLarge
from uet_git.model import commitobject
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import GITLINK, Oid
from uet_git.model.settings import MB
from uet_git.plumbing.view import View
from uet_git.project import Project

_COMMITS: Final = 1_000  # walked back from the tip
_CHANGES: Final = 50  # of them that touch the path, whose contents are compared
_LARGEST: Final = 2 * MB  # bytes of a file that is compared
_EMPTY: Final[frozenset[bytes]] = frozenset()


class Traced(NamedTuple):
    """A commit of the target, and the entry that landed as it, None if the queue did not make it.

    `exact`: it changed the lines themselves; else it is the last one that touched the file.
    """

    commit: Oid
    subject: bytes
    author: bytes
    entry: Entry | None
    exact: bool


class _Step(NamedTuple):
    """One commit on the walk with what it starts from."""

    commit: Oid
    facts: commitobject.CommitFacts
    before: View
    after: View


class Tracer:
    """Walks the first parents of one commit, once for all questions. Bounded by counts, not by time."""

    def __init__(self, project: Project, tip: Oid | None) -> None:
        self._project = project
        self._steps: list[_Step] = []
        self._rest = self._walk(tip)

    def changed_by(
        self, path: bytes, gone: Sequence[bytes] = (), came: Sequence[bytes] = ()
    ) -> Traced | None:
        """The newest commit that took one of the lines `gone` out of the file, or put one of `came` into it.

        Without such a one the newest that touched the file, None if none did among those that are looked at.
        """
        lost = frozenset(line for line in gone if line.strip())
        new = frozenset(line for line in came if line.strip())
        first: _Step | None = None
        looked_at = 0
        for step in self._each():
            before, after = step.before.look_up(path), step.after.look_up(path)
            if before == after:
                continue
            first = first or step
            if not lost and not new:
                break
            old, now = self._lines(before), self._lines(after)
            if lost & old - now or new & now - old:
                return self._traced(step, exact=True)
            looked_at += 1
            if looked_at == _CHANGES:
                break
        return None if first is None else self._traced(first, exact=False)

    def _traced(self, step: _Step, *, exact: bool) -> Traced:
        entry = self._project.ledger.entries.by_commit(step.commit)
        subject = step.facts.message.lstrip(b"\n").split(b"\n", 1)[0]
        name, _ = commitobject.who(step.facts.author)
        return Traced(step.commit, subject, name, entry, exact)

    def _lines(self, found: tuple[int, str]) -> frozenset[bytes]:
        mode, oid = found
        if not oid or mode == GITLINK:
            return _EMPTY
        try:
            return frozenset(self._project.objects.blob(oid, _LARGEST).split(b"\n"))
        except ObjectTooLarge:
            return _EMPTY

    def _each(self) -> Iterator[_Step]:
        yield from self._steps
        for step in self._rest:
            self._steps.append(step)
            yield step

    def _walk(self, commit: Oid | None) -> Iterator[_Step]:
        project = self._project
        if commit is None:
            return
        facts = commitobject.read(project.objects.commit(commit))
        after = View(project.objects, facts.tree)
        for _ in range(_COMMITS):
            parent = Oid(facts.parents[0]) if facts.parents else None
            if parent is not None and not project.objects.has(parent):
                return  # a shallow clone ends here
            above = None if parent is None else commitobject.read(project.objects.commit(parent))
            tree = project.git.empty_tree if above is None else above.tree
            before = View(project.objects, tree)
            assert commit is not None
            yield _Step(commit, facts, before, after)
            if above is None:
                return
            commit, facts, after = parent, above, before
