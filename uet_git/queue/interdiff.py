"""interdiff: what differs between two revisions of a change, a move to another base left out (DESIGN 12).

Where both can be composed on one tree, it is the difference between what they make of it. Else the lines that they add
and remove are compared, without their context and their places, as `git range-diff` does it. Writes nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from uet_git.errors import ObjectTooLarge, UsageError
from uet_git.model.entry import PRIORITIES, Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import GITLINK, REGULAR, Composed, FileChange, Oid, Patch
from uet_git.model.settings import MB
from uet_git.plumbing import refs, sidebyside
from uet_git.plumbing.contents import named_mode, submodule_text
from uet_git.plumbing.trees import Composer
from uet_git.project import Project
from uet_git.queue import handmade, validate
from uet_git.queue.options import own_message

FILES: Final = 200  # whose differences are shown
_LARGEST: Final = 8 * MB
_ABSENT: Final = (0, "")


class FileDifference(NamedTuple):
    """One file: its modes in either revision (0: not there), and hunks; `diff` is None where a side is no text.

    Where lines are compared, modes are those that the patches name, and a hunk's lines begin with two signs.
    """

    path: bytes
    older_mode: int
    newer_mode: int
    diff: bytes | None


class Interdiff(NamedTuple):
    """What differs. `how` is `effects` (on the commit `base`), `lines`, or `typed` (one is no strict diff).

    `fields` are (name, older, newer) of what came beside the patch; `message` are hunks; `more` counts further files.
    """

    older: Entry
    newer: Entry
    how: str
    base: Oid | None
    fields: list[tuple[str, str, str]]
    message: bytes
    files: list[FileDifference]
    more: int

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.fields or self.message or self.files)


def between(project: Project, older: Entry, newer: Entry) -> Interdiff:
    """Compares two revisions. Raises: UsageError if the content of one is gone, or is a commit made by hand."""
    judged = [_judged(project, entry) for entry in (older, newer)]
    found = _effects(project, older, newer, [j.patch for j in judged])
    base: Oid | None = None
    if found is not None:
        how, (base, sides) = "effects", found
    elif all(j.patch.changes for j in judged):
        how, sides = "lines", _paired(*(dict(_by_file(j.patch)) for j in judged))
    else:
        how, sides = "typed", [(b"", (0, judged[0].mail.diff), (0, judged[1].mail.diff))]
    differing = [side for side in sides if side[1] != side[2]]
    shown = differing[:FILES]
    texts = [(_message(older), _message(newer)), *((a[1], b[1]) for _, a, b in shown)]
    message, *diffs = sidebyside.differences(project.git, texts)
    return Interdiff(
        *(older, newer, how, base, list(_fields(older, newer)), message or b""),
        [
            FileDifference(path, a[0], b[0], diff)
            for (path, a, b), diff in zip(shown, diffs, strict=True)
        ],
        len(differing) - len(shown),
    )


Side = tuple[int, bytes]
"""A mode and a text."""


def _judged(project: Project, entry: Entry) -> validate.Judgement:
    handmade.need_patch(entry)
    content = project.ledger.entries.patch(entry.patch_id).content
    if content is None:
        raise UsageError(
            f"the content of change {entry.number}.{entry.revision} is not in the ledger any more",
            next=("uet-git", "show", entry.label),
        )
    limits = project.settings_at(project.tip(entry.target)).limits
    return validate.judge(content, limits, project.git.hex_length)


def _effects(
    project: Project, older: Entry, newer: Entry, patches: Sequence[Patch]
) -> tuple[Oid, list[tuple[bytes, Side, Side]]] | None:
    """What each makes of one tree that takes both; None if there is no such tree at hand."""
    if not all(patch.changes for patch in patches):
        return None
    for commit in _bases(project, older, newer):
        tree = project.tree_of(commit)
        objects = project.objects
        mark = objects.mark()
        composer = Composer(objects, project.settings_at(project.tip(newer.target)).limits)
        try:
            made = [composer.compose(tree, patch) for patch in patches]
            first, second = made
            if isinstance(first, Composed) and isinstance(second, Composed):
                return commit, list(_results(project, first, second))
        except ObjectTooLarge:
            return None
        finally:
            objects.rewind(mark)
    return None


def _bases(project: Project, older: Entry, newer: Entry) -> Iterator[Oid]:
    """Commits on which both may fit: where the newer one landed, the tip, those that they were made from."""
    wanted: list[str | None] = []
    if newer.commit_id is not None:
        wanted.append(project.objects.resolve(f"{newer.commit_id}^"))
    wanted.append(project.tip(newer.target))
    wanted += [project.ledger.entries.patch(e.patch_id).base_commit for e in (newer, older)]
    named = list(dict.fromkeys(oid for oid in wanted if oid is not None))
    there = refs.present(project.git, named)
    return (Oid(oid) for oid in named if oid in there)


def _results(
    project: Project, first: Composed, second: Composed
) -> Iterator[tuple[bytes, Side, Side]]:
    """The files that the two candidates hold differently. A path that only one touches is the base's in the other."""
    left = {c.path: (c.new_mode, c.new_oid) for c in first.changes}
    right = {c.path: (c.new_mode, c.new_oid) for c in second.changes}
    base = {c.path: (c.old_mode, c.old_oid) for c in (*first.changes, *second.changes)}
    for path in sorted(base):
        a, b = left.get(path, base[path]), right.get(path, base[path])
        if a != b:
            yield path, (a[0], _content(project, a)), (b[0], _content(project, b))


def _content(project: Project, found: tuple[int, str]) -> bytes:
    if found == _ABSENT:
        return b""
    if found[0] == GITLINK:
        return submodule_text(found[1])
    return project.objects.blob(found[1], _LARGEST)


def _by_file(patch: Patch) -> Iterator[tuple[bytes, Side]]:
    """For each path the lines that say what the patch does there, wherever it does it."""
    for change in patch.changes:
        mode = named_mode(change) or (REGULAR if change.op == "add" else 0)
        yield change.path, (mode, b"".join(_lines(change)))


def _lines(change: FileChange) -> Iterator[bytes]:
    if change.op in ("rename", "copy"):
        yield b"%b from %b\n" % (change.op.encode(), change.old_path or b"")
    elif change.op != "modify":
        yield b"%b\n" % change.op.encode()
    if change.binary is not None:
        digest = change.new_oid or hashlib.sha256(change.binary.data).hexdigest()
        yield b"binary %b\n" % digest.encode()
    for hunk in change.hunks:
        yield from _groups(hunk.body)


def _groups(body: bytes) -> Iterator[bytes]:
    """Each run of changed lines under a mark: what is removed, then what is added, however they were typed."""
    sides: dict[bytes, list[bytes]] = {b"-": [], b"+": []}
    last = b""
    for line in [*body.removesuffix(b"\n").split(b"\n"), b""]:
        sign = line[:1]
        if sign == b"\\" and last in sides and sides[last]:
            sides[last].append(line + b"\n")
            continue
        if sign in sides:
            sides[sign].append(line + b"\n")
        elif sides[b"-"] or sides[b"+"]:
            yield b"@@\n"
            yield from (*sides[b"-"], *sides[b"+"])
            sides = {b"-": [], b"+": []}
        last = sign


def _paired(left: dict[bytes, Side], right: dict[bytes, Side]) -> list[tuple[bytes, Side, Side]]:
    nothing: Side = (0, b"")
    return [
        (path, left.get(path, nothing), right.get(path, nothing))
        for path in sorted({*left, *right})
    ]


def _fields(older: Entry, newer: Entry) -> Iterator[tuple[str, str, str]]:
    """What was said beside the patches, where it differs."""
    for name in ("author", "target", "issue", "priority"):
        a, b = _field(older, name), _field(newer, name)
        if a != b:
            yield name, a, b


def _field(entry: Entry, name: str) -> str:
    if name == "author":
        who = entry.author_name
        return "" if who is None else f"{who} <{entry.author_email}>"
    value = PRIORITIES[entry.priority] if name == "priority" else getattr(entry, name)
    return "" if value is None else str(value)


def _message(entry: Entry) -> bytes:
    return own_message(entry).encode("utf-8", "backslashreplace")
