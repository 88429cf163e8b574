"""fsck, the commits: every landed entry against its commit, one at a time (DESIGN 2 P3 P5, 8, 10)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from uet_git.errors import ConfigError, MissingObject, UetError
from uet_git.ledger import inspect, unknown
from uet_git.ledger.inspect import RunRows
from uet_git.ledger.ledger import Ledger
from uet_git.model import commitobject, ident, mail, patchfile, treechange
from uet_git.model.charset import valid_utf8
from uet_git.model.commitobject import CommitFacts
from uet_git.model.entry import Entry, StoredPatch
from uet_git.model.named import NamedTuple
from uet_git.model.records import Composed, Oid
from uet_git.model.settings import CommitSettings, Limits
from uet_git.plumbing import difference, fallback
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue import handmade
from uet_git.queue.commit import landed_message
from uet_git.queue.problem import Problems

_NO_LIMIT: Final = 1 << 60
_UNBOUND: Final = Limits(*[_NO_LIMIT] * len(Limits._fields))  # it was judged when it came in


class Place(NamedTuple):
    """Where a done landing put an entry: on which commit (zeros: none), as which, on which branch."""

    landing: str
    parent: str
    commit: str
    target: str


@dataclass(slots=True)
class Landings:
    """What the landings say. `done` and `open_` are by entry; `hooked` are runs of hooks, which have no landing."""

    done: dict[str, list[Place]] = field(default_factory=dict)
    open_: dict[str, str] = field(default_factory=dict)
    open_ids: list[str] = field(default_factory=list)
    hooked: set[str] = field(default_factory=set)

    def add(self, row: RunRows) -> None:
        """Takes in the landings of one run."""
        if row.run.kind == "hook":
            self.hooked.add(row.run.run_id)
        for landing in row.landings:
            if landing.state == "intended":
                self.open_ids.append(landing.landing_id)
                self.open_.update((pair[0], pair[1]) for pair in landing.commits)
            elif landing.state == "done":
                parent = landing.old
                for entry_id, commit in landing.commits:
                    place = Place(landing.landing_id, parent, commit, landing.target)
                    self.done.setdefault(entry_id, []).append(place)
                    parent = commit


class Commits:
    """Compares landed entries with their commits. `full`: also what each commit changed with its patch."""

    def __init__(
        self,
        project: Project,
        ledger: Ledger,
        problems: Problems,
        landings: Landings,
        *,
        full: bool,
    ) -> None:
        self.project = project
        self.problems = problems
        self.landings = landings
        self.full = full
        self.ledger = ledger
        self.gone: set[str] = set()
        self.owners: dict[str, str] = {}
        self.unknown: unknown.Fields = {}

    def check(self, entry: Entry, patch: StoredPatch) -> None:
        """Checks one landed entry."""
        commit = entry.commit_id
        assert commit is not None
        next_ = ("git", "show", commit)
        self._once(entry, commit, next_)
        try:
            facts = commitobject.read(self.project.objects.commit(commit))
        except MissingObject:
            self.gone.add(entry.entry_id)
            return
        if handmade.is_hook(entry):
            self._check_handmade(entry, patch, facts, next_)
            return
        wrong = list(self._differences(entry, facts, redacted=patch.content is None))
        if wrong:
            text = f"commit {commit[:12]} of entry {entry.label}: {'; '.join(wrong)}"
            self.problems.damage("commit_differs", text, next_)
        elif self.full and not self.carries(facts, patch):
            text = (
                f"commit {commit[:12]} does not change what the patch of entry {entry.label} says"
            )
            self.problems.damage("patch_differs", text, next_)

    def _check_handmade(
        self, entry: Entry, patch: StoredPatch, facts: CommitFacts, next_: tuple[str, ...]
    ) -> None:
        """The tie of an ordinary commit is its tree; what was staged is listed beside it."""
        short = (entry.commit_id or "")[:12]
        if facts.tree != entry.tree:
            text = (
                f"commit {short} of entry {entry.label}: its tree is {facts.tree}, not {entry.tree}"
            )
            self.problems.damage("commit_differs", text, next_)
        elif patch.content is not None and not self._lists(patch.content, facts.tree):
            text = f"commit {short} does not hold what was staged for entry {entry.label}"
            self.problems.damage("patch_differs", text, next_)

    def _lists(self, content: bytes, tree: str) -> bool:
        try:
            found = treechange.read(content)
            if not self.full or found.tree != tree:
                return found.tree == tree
            changes = difference.diff_trees(self.project.objects, found.base, found.tree)
        except MissingObject:
            return True
        except (ValueError, UetError):
            return False
        return changes == found.changes

    def _once(self, entry: Entry, commit: str, next_: tuple[str, ...]) -> None:
        """Exactly one landing, and no other entry landed as the same commit."""
        other = self.owners.setdefault(commit, entry.label)
        places = self._places(entry)
        if other != entry.label:
            text = f"entries {other} and {entry.label} both landed as {commit[:12]}"
            self.problems.damage("landed_twice", text, next_)
        elif len(places) > 1:
            text = f"entry {entry.label} landed in {len(places)} landings"
            self.problems.damage("landed_twice", text, next_)
        elif not places and entry.landed_by_run not in self.landings.hooked:
            self.problems.damage("landing_missing", f"no landing made entry {entry.label}", next_)

    def _places(self, entry: Entry) -> list[Place]:
        """Where its landings put it; read again if there is none, as another process may have landed it since."""
        known = self.landings.done.get(entry.entry_id)
        if known is None and entry.landed_by_run is not None:
            row = inspect.run_rows(self.ledger, entry.landed_by_run)
            if isinstance(row, RunRows):
                now = Landings()
                now.add(row)
                known = self.landings.done[entry.entry_id] = now.done.get(entry.entry_id, [])
                self.landings.hooked |= now.hooked
        return known or []

    def _differences(self, entry: Entry, facts: CommitFacts, *, redacted: bool) -> Iterator[str]:
        if facts.tree != entry.tree:
            yield f"its tree is {facts.tree}, not {entry.tree}"
        places = self.landings.done.get(entry.entry_id, [])
        if len(places) == 1:
            place = places[0]
            zero = place.parent.strip("0") == ""
            if facts.parents != (() if zero else (place.parent,)):
                yield f"its parent is {' '.join(facts.parents) or 'none'}, not {place.parent}"
            if (place.commit, place.target) != (entry.commit_id, entry.target):
                yield f"its landing made {place.commit[:12]} on {place.target}"
        missing = self.unknown.get(("entries", entry.entry_id), ())
        if facts.encoding or "message" in missing:
            return  # git wrote it in another character set than ours, or a rebuild could not tell
        if entry.author_name is not None and entry.author_email is not None:
            author = ident.line(entry.author_name.encode(), entry.author_email.encode())
            date = facts.author.rpartition(b"> ")[2]
            if entry.author_date is not None:
                date = entry.author_date.encode()
            if facts.author != valid_utf8(author + b" " + date):
                yield "its author or date is not the entry's"
        if not redacted:
            yield from self._message(entry, facts)

    def _message(self, entry: Entry, facts: CommitFacts) -> Iterator[str]:
        signer = commitobject.who(facts.committer) if entry.sign_off else None
        with_trailer = landed_message(entry, CommitSettings(trailer=True), signer)
        if facts.message == valid_utf8(with_trailer):
            return
        without = landed_message(entry, CommitSettings(trailer=False), signer)
        if facts.message != valid_utf8(without):
            yield "its message is not the entry's"
        elif self._wants_trailer(facts):
            yield "it lacks the entry's trailer"

    def _wants_trailer(self, facts: CommitFacts) -> bool:
        parent = Oid(facts.parents[0]) if facts.parents else None
        try:
            return self.project.settings_at(parent).commit.trailer
        except (ConfigError, MissingObject):
            return False

    def carries(self, facts: CommitFacts, patch: StoredPatch) -> bool:
        """Whether the commit's tree is its parent's with exactly this patch; True if the bytes were redacted."""
        if patch.content is None or len(facts.parents) > 1:
            return patch.content is None
        project = self.project
        read = mail.read(patch.content)
        handed_in = patchfile.read(read.diff, _UNBOUND, hex_length=project.git.hex_length)
        if not handed_in.changes:
            return False
        mark = project.objects.begin()
        try:
            base = project.tip_tree(Oid(facts.parents[0]) if facts.parents else None)
            composer = Composer(project.objects, _UNBOUND)
            made = composer.compose(base, handed_in)
            if not isinstance(made, Composed) or made.tree != facts.tree:
                made = fallback.candidate(composer, base, handed_in, read.diff, git_only=True)
            return isinstance(made, Composed) and made.tree == facts.tree
        except UetError:
            return False
        finally:
            project.objects.discard(mark)
