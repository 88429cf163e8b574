"""audit, elsewhere: what fetched logs of other ledgers (`refs/uet/log/<id>`) prove (DESIGN 6, 11).

A log counts from its beginning to the first event that does not follow from the one before it.
"""

import json
from typing import Any

from uet_git.errors import UetError
from uet_git.ledger import events
from uet_git.model.named import NamedTuple
from uet_git.model.records import Oid
from uet_git.plumbing import refs
from uet_git.project import Project
from uet_git.queue import anchor

_LOGS = "refs/uet/log"


class Foreign(NamedTuple):
    """What one log proves: commits that landed or passed, commits without a verdict, and where it began to watch."""

    ledger_id: str
    landed: frozenset[str]
    unverified: frozenset[str]
    baselines: frozenset[str]


class _Reader:
    """Follows one log."""

    def __init__(self, ledger_id: str) -> None:
        self.ledger_id = ledger_id
        self.seq = 0
        self.hash = events.GENESIS
        self.landed: set[str] = set()
        self.unverified: set[str] = set()
        self.baselines: set[str] = set()
        self.broken = ""

    def take(self, line: str) -> bool:
        """One line; False once the chain is broken."""
        try:
            document = json.loads(line)
            hash_ = document["hash"]
            rest = line.removesuffix(f',"hash":"{hash_}"}}') + "}"
            follows = document["seq"] == self.seq + 1 and document["prev_hash"] == self.hash
            whole = rest != line + "}" and events.hash_of(rest) == hash_
            kind, payload = document["kind"], document["payload"]
        except (ValueError, KeyError, TypeError):
            follows = whole = False
            hash_ = kind = payload = None
        if not (follows and whole):
            self.broken = f"{_LOGS}/{self.ledger_id}: event {self.seq + 1} does not follow"
            return False
        self.seq, self.hash = self.seq + 1, hash_
        if isinstance(payload, dict):
            self._told(kind, payload)
        return True

    def _told(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "patch_committed" and isinstance(payload.get("commit"), str):
            self.landed.add(payload["commit"])
        elif kind == "commits_seen" and payload.get("what") == "unverified":
            self.unverified.add(str(payload.get("commit")))
        elif kind == "commits_seen" and payload.get("what") == "baseline":
            branches = payload.get("branches")
            self.baselines |= set(branches.values()) if isinstance(branches, dict) else set()

    def found(self) -> Foreign:
        return Foreign(
            self.ledger_id,
            frozenset(self.landed),
            frozenset(self.unverified),
            frozenset(self.baselines),
        )


def read(project: Project) -> tuple[list[Foreign], list[str]]:
    """Every log that is not our own ledger's, and what is wrong with those that are not whole."""
    own = project.log_ref() if project.has_ledger() else ""
    found, broken = [], []
    for ref, tip in refs.read_all(project.git, _LOGS).items():
        if ref == own:
            continue
        reader = _Reader(ref.rpartition("/")[2])
        try:
            _follow(project, tip, reader)
        except UetError as exc:
            reader.broken = f"{ref}: {exc.message}"
        found.append(reader.found())
        broken += [reader.broken] if reader.broken else []
    return found, broken


def _follow(project: Project, tip: str, reader: _Reader) -> None:
    commits = project.git.run("rev-list", "--reverse", "--first-parent", tip).out.decode().split()
    for commit in commits:
        entry = project.objects.tree(project.tree_of(Oid(commit))).get(anchor.FILE_NAME)
        if entry is None:
            reader.broken = f"{_LOGS}/{reader.ledger_id}: {commit[:12]} holds no events"
            return
        text = project.objects.blob(entry[1]).decode("ascii", "replace")
        for line in text.splitlines():
            if not reader.take(line):
                return
