"""adopt: gives entries of a rebuilt ledger the end that the commits and the quarantine folder show (DESIGN 2 P15)."""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from uet_git.errors import MissingObject, UetError
from uet_git.host import files
from uet_git.ledger import unknown
from uet_git.ledger.entries import Move, identity_of
from uet_git.ledger.ledger import Writer
from uet_git.ledger.replay_entries import PATCH_UNTOLD
from uet_git.model import commitobject
from uet_git.model.commitobject import CommitFacts
from uet_git.model.entry import PRIORITIES, Entry, Landing, Series, StoredPatch
from uet_git.model.reasons import REASONS
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import fsck_refs, handmade, land, rebuild_commits, set_aside
from uet_git.queue.fsck_commits import Commits, Landings
from uet_git.queue.problem import Problems
from uet_git.queue.rebuild_sources import Reports

_WAY: Final = ("created", "validated", "queued", "applied", "verified")
_OPEN: Final = (*_WAY, "apply_failed", "quarantined")
_NO_HASH: Final = "0" * 64


def landed(project: Project, run: str) -> list[Entry]:
    """Entries on the way whose commit is on their branch: their last events were lost. Returns them."""
    found = []
    waiting = {
        e.entry_id: e
        for e in project.ledger.entries.in_states((*_WAY, "apply_failed"))
        if not handmade.is_hook(e)
    }
    for target in dict.fromkeys(e.target for e in waiting.values()):
        for commit, entry_id in _named(project, target):
            entry = waiting.get(entry_id)
            if entry is None or entry.target != target:
                continue
            facts = _facts(project, commit)
            if facts is not None and _is_believed(project, entry, facts):
                with project.ledger.write() as write:
                    _land(project, write, entry, commit, facts, run)
                del waiting[entry_id]
                found.append(entry)
    return found


def orphans(project: Project, run: str) -> list[Entry]:
    """Commits with a trailer of ours that no event tells of, as entries; for a ledger whose log is lost.

    They get new numbers, in the order of the commits; what they were handed in as is unknown.
    """
    found = []
    for target in refs.read_all(project.git, "refs/heads"):
        for commit, entry_id in _named(project, target):
            facts = _facts(project, commit)
            is_ours = len(entry_id) == 26 and entry_id.isalnum() and entry_id.isupper()
            if facts is None or not is_ours or project.ledger.entries.get(entry_id) is not None:
                continue
            with project.ledger.write() as write:
                _add_orphan(project, write, entry_id, target, facts, run)
                entry = project.ledger.entries.get(entry_id)
                assert entry is not None
                _land(project, write, entry, commit, facts, run)
            found.append(entry)
    return found


def _named(project: Project, target: str) -> Iterator[tuple[str, str]]:
    """(commit, entry id) of every commit of a branch that names exactly one entry, oldest first."""
    tip = project.tip(target)
    named = fsck_refs.trailers(project.git, tip) if tip is not None else []
    return ((commit, ids[0]) for commit, ids in reversed(named) if len(ids) == 1)


def _facts(project: Project, commit: str) -> CommitFacts | None:
    try:
        return commitobject.read(project.objects.commit(Oid(commit)))
    except (MissingObject, UetError):
        return None


def _is_believed(project: Project, entry: Entry, facts: CommitFacts) -> bool:
    """A trailer alone shows nothing where the patch is still there to be compared."""
    patch = project.ledger.entries.patch(entry.patch_id)
    commits = Commits(project, project.ledger, Problems(), Landings(), full=True)
    return len(facts.parents) < 2 and commits.carries(facts, patch)


def _land(
    project: Project, write: Writer, entry: Entry, commit: str, facts: CommitFacts, run: str
) -> None:
    """Walks an entry to `committed`, with the landing that must have been."""
    parent = facts.parents[0] if facts.parents else project.git.zero
    landing = Landing(
        project.clock.ulid(), run, entry.target, parent, commit, "intended", [],
        [[entry.entry_id, commit]], files.boot_id(), 0, project.clock.now(), None,
    )  # fmt: skip
    state = entry.state
    if state == "apply_failed":
        write.entries.move([Move(entry.entry_id, state, "queued", {}, {})], run=run)
        state = "queued"
    columns = {"tree": facts.tree, "rung": "rebuilt", "proved": 0}
    clear = {"reason": None, "detail": None}
    moves = []
    for frm, to in pairwise(_WAY):
        if _WAY.index(frm) < _WAY.index(state):
            continue
        told: dict[str, Any] = dict(columns) if to == "applied" else {}
        sets = {**told, **clear}
        if to == "validated":
            sets |= {"format_ok": 1, "scope_ok": 1, "constraints_ok": 1}
        moves.append(Move(entry.entry_id, frm, to, {**told, "rebuilt": True}, sets))
    write.landings.intend(landing)
    write.entries.move(moves, run=run)
    _say(project, write, entry, facts, run)
    land.committed(write, landing, {entry.entry_id: "verified"}, run)


def _say(project: Project, write: Writer, entry: Entry, facts: CommitFacts, run: str) -> None:
    """Message and author from the commit, if they are unknown."""
    missing = unknown.of_row(project.ledger.db, "entries", entry.entry_id)
    said = rebuild_commits.said(entry, facts) if "message" in missing else {}
    if said:
        write.entries.amend(entry.entry_id, said, said, run)
        unknown.forget(project.ledger.db, "entries", entry.entry_id, said)


def _add_orphan(
    project: Project, write: Writer, entry_id: str, target: str, facts: CommitFacts, run: str
) -> None:
    clock = project.clock
    patch = StoredPatch(clock.ulid(), _NO_HASH, 0, None, [], 0, 0, 0, 0, None, clock.now())
    write.entries.add_patches([(patch, None)])
    title = facts.message.partition(b"\n")[0].decode("utf-8", "backslashreplace")
    row = {
        **{"entry_id": entry_id, "patch_id": patch.patch_id, "sha256": _NO_HASH, "revision": 1},
        **{"project_id": project.ledger.project_id, "target": target, "title": title},
        **{"number": project.ledger.entries.next_number(), "submitter": project.actor},
        "identity": identity_of(_NO_HASH, target, {"rebuilt": entry_id}),
    }
    write.entries.add([row], run)
    seq = write.chain.links[-1].seq
    everything = [
        (
            "entries",
            entry_id,
            {"number", "message", "submitter", "findings", "origin", "series_id"},
        ),
        ("patches", patch.patch_id, {"content", "sha256", *PATCH_UNTOLD}),
    ]
    unknown.add(project.ledger.db, everything, seq)


# -- the quarantine folder -----------------------------------------------------------------------------------------


def filed(project: Project, run: str) -> list[Entry]:
    """Quarantined patches that only their files know, as entries of the same id, and number if it is free."""
    reports = Reports(project, project.ledger.ledger_id)
    found = []
    for entry_id, report in reports.by_entry.items():
        if project.ledger.entries.get(entry_id) is not None:
            continue
        content = reports.content(report["patch"])
        if content is None or report["reason"] not in REASONS:
            continue
        with project.ledger.write() as write:
            _add_filed(project, write, report, content, run)
            offer = reports.row("repairs", entry_id)
            if offer:
                write.repairs.put(offer)
        entry = project.ledger.entries.get(entry_id)
        assert entry is not None
        found.append(entry)
    return found


def _add_filed(
    project: Project, write: Writer, report: dict[str, Any], content: bytes, run: str
) -> None:
    entries, doc = project.ledger.entries, report["entry"]
    facts = {k: v for k, v in report["patch"].items() if k not in ("file", "redacted")}
    stored = StoredPatch(**facts, content=None)._replace(patch_id=project.clock.ulid())
    write.entries.add_patches([(stored, zlib.compress(content))])
    number, revision = doc["number"], doc["revision"]
    if entries.revision(number) is not None:
        number, revision = entries.next_number(), 1
    row = {
        **{n: doc[n] for n in ("entry_id", "target", "title", "identity", "message", "origin")},
        **{n: doc[n] for n in ("message_id", "issue", "scope", "depends_on", "submitter")},
        **{"number": number, "revision": revision, "patch_id": stored.patch_id},
        **{"project_id": project.ledger.project_id, "sha256": stored.sha256},
        **{
            "priority": PRIORITIES.index(doc["priority"]),
            **_author(doc),
            **_series(project, write, report),
        },
        **{n: int(doc[n]) for n in ("allow_behind", "sign_off")},
    }
    write.entries.add([row], run)
    judged = doc["validation"]
    why = {"reason": report["reason"], "detail": report["detail"]}
    columns = {
        **why,
        **{n: int(judged[n]) for n in ("format_ok", "scope_ok", "constraints_ok")},
        "findings": judged["findings"],
    }
    payload = {**why, "rebuilt": True}
    if report["repair"] is not None:
        payload["repaired"] = report["repair"]["sha256"]
    move = Move(doc["entry_id"], "created", "quarantined", payload, columns)
    write.entries.move([move], run=run)


def _author(doc: dict[str, Any]) -> dict[str, Any]:
    author = doc["author"] or {}
    return {f"author_{name}": author.get(name) for name in ("name", "email", "date")}


def _series(project: Project, write: Writer, report: dict[str, Any]) -> dict[str, Any]:
    found = report["series"]
    if found is None:
        return {}
    if project.ledger.entries.series(found["series_id"]) is None:
        names = ("series_id", "total", "atomic", "cover", "created_at")
        row = [int(found[n]) if n == "atomic" else found[n] for n in names]
        write.entries.add_series(Series._make(row))
    index = report["entry"]["relations"]["series_index"]
    return {"series_id": found["series_id"], "series_index": index}


# -- what cannot go on ---------------------------------------------------------------------------------------------


def give_up(project: Project, run: str) -> list[Entry]:
    """Drops open entries whose bytes are lost, and staged changes that nobody will commit. Returns them."""
    db = project.ledger.db
    gone = [
        e
        for e in project.ledger.entries.in_states(_OPEN)
        if "content" in unknown.of_row(db, "patches", e.patch_id)
        or (handmade.is_hook(e) and project.ledger.handmade.of_entry(e.entry_id) is None)
    ]
    for entry in gone:
        code = "queue.abandoned" if handmade.is_hook(entry) else "queue.bytes_lost"
        why = {"reason": code, "detail": ""}
        with project.ledger.write() as write:
            write.entries.move([Move(entry.entry_id, entry.state, "dropped", why, why)], run=run)
            set_aside.hold_followers(write, project.ledger.entries, entry, run)
    return gone
