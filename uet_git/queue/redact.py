"""redact: takes a patch's content, a secret in it, out of everything that we keep; the chain of events stays whole.

The chain names digests, so it proves afterwards what it proved before. What git has is not ours to take out: landed
commits, and the anchored log, which holds titles and the details of findings (DESIGN 6, 12).
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from uet_git.errors import QueueBusy, UetError
from uet_git.host import files, process
from uet_git.ledger import copies, redaction
from uet_git.ledger.redaction import Kept
from uet_git.model.entry import Entry
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import narrow, refs
from uet_git.plumbing.refs import ANY, RefUpdate
from uet_git.plumbing.removal import remove_tree
from uet_git.plumbing.scratch import ScratchPool
from uet_git.project import Project
from uet_git.queue import handmade, lock, person, recover, set_aside
from uet_git.queue.gate_slot import NARROWED

_SHORTEST: Final = 8  # characters of a line that is worth looking for in events


class Left(NamedTuple):
    """Where content is still kept that this cannot take out: what it is, and the command that shows or removes it."""

    what: str
    next: tuple[str, ...]


class Redaction(NamedTuple):
    """Which entries, with followers that were quarantined for it; what the ledger held (by entry id); what is left."""

    entries: list[Entry]
    kept: dict[str, Kept]
    left: list[Left]


def plan(project: Project, entries: Sequence[Entry]) -> Redaction:
    """What a redaction would take out: of these entries, and of every other one with the same bytes.

    Raises: NeedsPerson.
    """
    for entry in entries:
        person.need(project, f"redact change {entry.label}", ("uet-git", "show", entry.label))
    every = redaction.alike(project.ledger, entries)
    kept = {e.entry_id: redaction.kept(project.ledger, e) for e in every}
    return Redaction(every, kept, [left for e in every for left in _left(project, e, kept)])


def redact(project: Project, entries: Sequence[Entry], reason: str) -> Redaction:
    """Takes the content of these entries out, and out of every other one with the same bytes; each is an event.

    What was not over yet is dropped, as nothing can land without its bytes; what waits for it is quarantined. Again on
    the same entry, it sweeps once more. Raises: NeedsPerson, QueueBusy, DiskFull, LedgerReadOnly.
    """
    with lock.hold(project, wait=False):
        if recover.needed(project):
            raise QueueBusy("a landing was cut short", next=("uet-git", "apply"))
        planned = plan(project, entries)
        held = _take_out(project, planned, reason)
        _clear_files(project, planned)
        redaction.shred(project.ledger)
    ids = [e.entry_id for e in (*planned.entries, *held)]
    left = [*planned.left, *_older_ledgers(project)]
    return Redaction(project.ledger.entries.by_ids(ids), planned.kept, left)


def _take_out(project: Project, planned: Redaction, reason: str) -> list[Entry]:
    """Returns the followers that were quarantined for it."""
    ledger = project.ledger
    held: list[Entry] = []
    with ledger.write() as write:
        for entry in planned.entries:
            kept = planned.kept[entry.entry_id]
            now = ledger.entries.get(entry.entry_id) or entry
            if now.state in set_aside.MOVABLE:
                held += set_aside.drop(write, ledger.entries, now, reason, code="queue.redacted")
                now = ledger.entries.get(entry.entry_id) or now
            redaction.take_out(write, ledger, now, _payload(kept, reason))
    return [e for e in held if e.entry_id not in planned.kept]


def _payload(kept: Kept, reason: str) -> dict[str, Any]:
    return {
        **{"why": reason, "patch": kept.patch, "repaired": kept.repaired},
        **{"gate_results": kept.results, "files": len(kept.files)},
    }


def _clear_files(project: Project, planned: Redaction) -> None:
    """What gates left, pins of candidates, the warm scratch trees, where its files may still lie, and open merges."""
    gates = project.home / "gates"  # wherever the repository lay when they were written
    for path in {gates / os.path.basename(p) for kept in planned.kept.values() for p in kept.files}:
        with suppress(FileNotFoundError), files.os_errors(f"removing {path}"):
            path.unlink()
    pins = {refs.entry_ref(e.entry_id) for e in planned.entries}
    there = refs.read_all(project.git, "refs/uet/entries")
    project.refs.move([RefUpdate(pin, None, ANY) for pin in sorted(pins & there.keys())])
    for folder in _scratch(project, planned.entries):
        ScratchPool(os.path.join(folder, "trees"), project.git).clear()
        with files.os_errors(f"emptying {folder}"):
            narrow.forget(os.path.join(folder, NARROWED), -1.0)
            for number in {e.number for e in planned.entries}:  # what `resolve` has open for it
                for name in (f"{number}", f"{number}.new"):
                    remove_tree(os.path.join(folder, "resolve", name))


def _scratch(project: Project, entries: Sequence[Entry]) -> Iterator[str]:
    """The folders in which gates of these entries' targets run."""
    bases = {process.cache_folder()}
    for target in {e.target for e in entries}:
        with suppress(UetError):  # a `uet.toml` that cannot be read names no folder
            bases.add(
                project.settings_at(project.tip(target)).scratch_dir or process.cache_folder()
            )
    for base in sorted(bases):
        folder = os.path.join(base, "uet-git", project.ledger.ledger_id)
        if os.path.isdir(folder):
            yield folder


# -- what is left ----------------------------------------------------------------------------------------------------


def _left(project: Project, entry: Entry, going: Collection[str]) -> Iterator[Left]:
    """Where an entry's content is besides; `going`: ids of entries whose own goes with it."""
    label = entry.label
    seqs = redaction.quoting(project.ledger, entry, _words(project, entry))
    if seqs:
        which = ", ".join(map(str, seqs))
        text = f"event {which} of change {label} quotes it, in the ledger and in its log in git"
        yield Left(text, ("uet-git", "log", label))
    others = (e for e in redaction.reverts(project.ledger, entry) if e.entry_id not in going)
    for revert in others:
        text = f"change {revert.label} takes change {label} back, and has its lines too"
        yield Left(text, ("uet-git", "redact", revert.label, "--reason", f"as change {label}"))
    if entry.commit_id is not None:
        text = f"commit {entry.commit_id[:12]} of change {label} has it, and git's history with it"
        yield Left(text, ("git", "log", "-1", entry.commit_id))
    elif handmade.is_hook(entry) or _composed(project, entry):
        text = f"git may still have files of change {label} until it clears what nothing refers to"
        yield Left(text, ("git", "gc", "--prune=now"))


def _words(project: Project, entry: Entry) -> list[str]:
    """Lines that the patch or its message brings, as far as they are long enough to be told again."""
    content = project.ledger.entries.patch(entry.patch_id).content or b""
    added = (line[1:] for line in content.split(b"\n") if line[:1] == b"+" and line[:3] != b"+++")
    texts = [*(line.decode("utf-8", "replace") for line in added), *entry.message.split("\n")[1:]]
    return list(dict.fromkeys(t.strip() for t in texts if len(t.strip()) >= _SHORTEST))


def _composed(project: Project, entry: Entry) -> bool:
    """Whether git has a tree that was composed for the entry."""
    if entry.tree is None:
        return False
    try:
        project.objects.tree(Oid(entry.tree))
    except UetError:
        return False
    return True


def _older_ledgers(project: Project) -> Iterator[Left]:
    for path in copies.kept_aside(project.ledger_path):
        yield Left(f"an older ledger that was set aside has it: {path.name}", ("rm", str(path)))
