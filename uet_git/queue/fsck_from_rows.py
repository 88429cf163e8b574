"""fsck --from, the rows: whether each document of an export is what the events before it lead to."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from uet_git.ledger import redaction
from uet_git.model import states
from uet_git.model.entry import Event
from uet_git.queue.problem import Problems

_BORN: Final = ("number", "revision", "patch_id", "target", "title", "identity", "sha256")
_SET_ASIDE: Final = ("quarantined", "dropped", "apply_failed")
_OF_MACHINE: Final = {"patch_": "entry", "run_": "run", "gate_": "gate"}


class History:
    """What the events say of one row: as much as its document has to agree with, and no more, as there are many."""

    __slots__ = (
        "commit",
        "detail",
        "named",
        "reason",
        "redacted",
        "repaired",
        "seq",
        "state",
        "wrong",
    )

    def __init__(self) -> None:
        self.state: str | None = None
        self.seq = 0
        self.wrong = ""
        self.named: dict[str, Any] = {}
        self.reason: Any = None
        self.detail: Any = None
        self.commit: Any = None
        self.repaired: Any = None
        self.redacted = False

    def take(self, machine: str, event: Event, payload: dict[str, Any]) -> None:
        """The next event of the row."""
        self.seq = event.seq
        to = payload.get("to")
        if event.kind == "patch_amended":
            self.named |= {k: v for k, v in payload.items() if k in self.named}
        self.redacted |= event.kind == redaction.KIND
        if to is None:
            return
        if self.state is None:
            legal = payload.get("from") is None and to == states.INITIAL[machine]
            self.named = {k: payload.get(k) for k in (*_BORN, "kind", "gate", "tree")}
        else:
            legal = payload.get("from") == self.state
            legal &= to in states.MACHINES[machine].get(self.state, ())
        if not legal and not self.wrong:
            self.wrong = f"event {event.seq} moves it to {to}; it was {self.state or 'not there'}"
        self.state = to
        self.reason, self.detail = payload.get("reason"), payload.get("detail")
        if to == "committed":  # the move to rolled_back names the revert's
            self.commit = payload.get("commit")
        self.repaired = payload.get("repaired", self.repaired)


class Histories:
    """The histories of every row, by machine and id."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, History]] = {"entry": {}, "run": {}, "gate": {}}

    def take(self, event: Event, payload: dict[str, Any]) -> None:
        """The next event of the chain."""
        for prefix, machine in _OF_MACHINE.items():
            if event.kind.startswith(prefix):
                ids = {"entry": event.entry_id, "run": event.run_id}
                key = ids.get(machine, payload.get("gate_id"))
                if isinstance(key, str):
                    self.rows[machine].setdefault(key, History()).take(machine, event, payload)


class Told:
    """Compares documents with histories; without ones that can be believed it compares nothing."""

    def __init__(self, histories: Histories | None, problems: Problems) -> None:
        self._rows = None if histories is None else histories.rows
        self._problems = problems
        self._seen: dict[str, set[str]] = {"entry": set(), "run": set(), "gate": set()}
        self._unknown: set[tuple[str, str]] = set()
        self._compare: dict[str, Callable[[dict[str, Any]], None]] = {
            **{"entries": self._entry, "patches": self._patch, "repairs": self._repair},
            **{"runs": self._run, "gates": self._gate, "unknown_fields": self._lost},
        }

    def compare(self, table: str, body: dict[str, Any]) -> None:
        """One document."""
        compare = self._compare.get(table)
        if compare is not None and self._rows is not None:
            compare(body)

    def finish(self) -> None:
        """Rows that events tell of and no document shows."""
        for machine, rows in (self._rows or {}).items():
            for key in rows.keys() - self._seen[machine]:
                text = f"{machine} {key} is not there; its events are"
                self._problems.damage("row_missing", text)

    def _of(self, machine: str, key: Any, name: str, state: Any, seq: Any) -> History | None:
        """The history of a row, once its state was compared."""
        assert self._rows is not None
        self._seen[machine].add(str(key))
        found = self._rows[machine].get(str(key))
        if found is None or found.state is None:
            self._problems.damage("row_without_event", f"{name}: no event made it")
            return None
        if found.wrong:
            self._problems.damage("illegal_history", f"{name}: {found.wrong}")
        elif found.state != state:
            text = f"{name} is {state}, its events lead to {found.state}"
            self._problems.damage("state_mismatch", text)
        elif found.seq != seq:
            text = f"{name} names event {seq} as its last, its last is {found.seq}"
            self._problems.damage("row_changed", text)
        return found

    def _same(self, name: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
        wrong = [n for n in expected if found.get(n) != expected[n]]
        if wrong:
            shown = ", ".join(
                f"{n} is {found.get(n)!r}, its events say {expected[n]!r}" for n in wrong
            )
            self._problems.damage("row_changed", f"{name}: {shown}")

    def _entry(self, body: dict[str, Any]) -> None:
        name = f"entry {body.get('number')}.{body.get('revision')}"
        told = self._of(
            "entry", body.get("entry_id"), name, body.get("state"), body.get("event_seq")
        )
        if told is None:
            return
        expected = {n: told.named.get(n) for n in _BORN if n != "sha256"}
        expected["commit"] = told.commit
        if told.state in _SET_ASIDE:
            expected |= {"reason": told.reason, "detail": told.detail}
        landing = body.get("landing") or {}
        self._same(name, {**body, "commit": landing.get("commit")}, expected)

    def _patch(self, body: dict[str, Any]) -> None:
        assert self._rows is not None
        told = self._rows["entry"].get(str(body.get("entry_id")))
        if told is None:
            return  # told with the entry
        fault = _bytes_fault(body)
        if told.named.get("sha256") != body.get("sha256"):
            fault = "its digest is not that of what was handed in"
        self._bytes(f"patch of entry {body.get('entry_id')}", body, told, fault)

    def _lost(self, body: dict[str, Any]) -> None:
        """What a rebuild could not restore is no damage."""
        self._unknown |= {(body["row_key"], field) for field in body["fields"]}

    def _repair(self, body: dict[str, Any]) -> None:
        assert self._rows is not None
        told = self._rows["entry"].get(str(body.get("entry_id")))
        if told is not None:
            fault = _bytes_fault(body)
            if told.repaired != body.get("sha256"):
                fault = "no event of its entry names it"
            self._bytes(f"repaired reading of entry {body.get('entry_id')}", body, told, fault)

    def _bytes(self, name: str, body: dict[str, Any], told: History, fault: str) -> None:
        if fault:
            self._problems.damage("patch_damaged", f"{name}: {fault}")
        elif told.redacted and not body.get("redacted"):
            self._problems.damage("redaction_undone", f"{name}: it was redacted, and is here")
        elif body.get("redacted") and not (told.redacted or self._is_lost(body)):
            self._problems.damage("patch_damaged", f"{name}: it is gone, and nobody redacted it")

    def _is_lost(self, body: dict[str, Any]) -> bool:
        return (body.get("patch_id"), "content") in self._unknown

    def _run(self, body: dict[str, Any]) -> None:
        name = f"run {body.get('run_id')}"
        told = self._of("run", body.get("run_id"), name, body.get("state"), body.get("event_seq"))
        if told is not None:
            self._same(name, body, {"kind": told.named.get("kind")})

    def _gate(self, body: dict[str, Any]) -> None:
        name = f"gate {body.get('name')} ({body.get('gate_id')})"
        told = self._of("gate", body.get("gate_id"), name, body.get("state"), body.get("event_seq"))
        if told is not None:
            found = {"gate": body.get("name"), "tree": body.get("tree")}
            self._same(name, found, {n: told.named.get(n) for n in found})


def _bytes_fault(body: dict[str, Any]) -> str:
    """What is wrong with the bytes that a document carries; empty if it carries none."""
    text, encoded = body.get("diff_text"), body.get("diff_base64")
    try:
        data = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except ValueError:
        return "its bytes cannot be read"
    if isinstance(text, str):
        data = text.encode("utf-8", "surrogatepass")
    if data is None:
        return ""
    same = hashlib.sha256(data).hexdigest() == body.get("sha256") and len(data) == body.get("size")
    return "" if same else "its bytes do not have its digest"
