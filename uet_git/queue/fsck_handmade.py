"""fsck, ordinary commits: each row against the event that made it so (DESIGN 11)."""

import json
from collections.abc import Iterator
from typing import Any

from uet_git.ledger import documents, inspect
from uet_git.ledger.documents import Document
from uet_git.ledger.handmade import Branch, HookEntry, Rewrite, Unverified
from uet_git.ledger.ledger import Ledger
from uet_git.queue.fsck_chain import Chain
from uet_git.queue.problem import Problems

Row = HookEntry | Branch | Unverified | Rewrite
_AUDIT = ("uet-git", "audit")


def check(ledger: Ledger, chain: Chain, problems: Problems) -> None:
    """Every row that hooks and audits left."""
    for row in inspect.handmade(ledger):
        table, name, body = _document(row)
        for fault in documents.faults(Document(table, name, body)):
            problems.damage("document_mismatch", f"{name}: {fault}", _AUDIT)
            break
        seq = row.passed_seq if isinstance(row, HookEntry) else row.event_seq
        if seq is None or not chain.whole or seq in chain.wrong:
            continue
        event = inspect.event(ledger, seq)
        if event is None:
            problems.damage("row_without_event", f"{name}: event {seq} is not there", _AUDIT)
            continue
        wrong = list(_differences(row, event.kind, event.entry_id, json.loads(event.payload)))
        if wrong:
            problems.damage("row_changed", f"{name}: {'; '.join(wrong)}", _AUDIT)


def _document(row: Row) -> tuple[str, str, dict[str, Any]]:
    if isinstance(row, HookEntry):
        name = f"staged change of entry {row.number}"
        return "hook_entries", name, documents.hook_entry_document(row)
    if isinstance(row, Branch):
        return "branches", f"branch {row.ref}", documents.branch_document(row)
    if isinstance(row, Unverified):
        name = f"unverified commit {row.commit_id[:12]}"
        return "unverified_commits", name, documents.unverified_document(row)
    return "rewrites", f"rewrite of {row.old_commit[:12]}", documents.rewrite_document(row)


def _differences(row: Row, kind: str, entry: str | None, said: dict[str, Any]) -> Iterator[str]:
    """In what a row is not what its event says. A branch's tip moves on without one when we land."""
    if isinstance(row, HookEntry):
        expected: dict[str, Any] = {"tree": row.tree, "to": "verified"}
        if (kind, entry) != ("patch_verified", row.entry_id):
            yield "its event is no verdict of it"
    elif isinstance(row, Branch):
        expected = {}
        if said.get("what") == "baseline":
            branches = said.get("branches")
            named = branches.get(row.ref) if isinstance(branches, dict) else None
            if row.baseline != named:
                yield f"its baseline is {row.baseline}, its event says {named}"
        elif said.get("ref") != row.ref:
            yield "its event is of another branch"
    elif isinstance(row, Unverified):
        expected = {"what": "unverified", "commit": row.commit_id, "tree": row.tree, "via": row.via}
        if entry != row.entry_id:
            yield "its event is of another entry"
    else:
        expected = {"old": row.old_commit, "new": row.new_commit, "command": row.command}
    for name, value in expected.items():
        if said.get(name) != value:
            yield f"{name} is {value!r}, its event says {said.get(name)!r}"
