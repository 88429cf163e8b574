"""checked: makes an entry of what the hooks' shortcut judged and wrote into the journal (DESIGN 11).

The same rows as queue/guard.py would have made, at the times that the journal tells. What does not fit the
repository (another configuration, no such gate) is left out: the commit is then one without a verdict.
"""

from collections.abc import Sequence
from contextlib import suppress

from uet_git.errors import UetError
from uet_git.host.clock import moment
from uet_git.ledger.ledger import Writer
from uet_git.model.journal import Checked
from uet_git.model.named import NamedTuple
from uet_git.model.records import Finding, Gate, Oid
from uet_git.plumbing import difference, hookhome
from uet_git.project import Project
from uet_git.queue import handmade
from uet_git.queue.handmade import Staged

_SAYS_NO = {"failed": "gate.failed", "timeout": "gate.timeout"}


class Judged(NamedTuple):
    """A line of the journal with what it is about."""

    line: Checked
    staged: Staged
    gate: Gate


def read(project: Project, lines: Sequence[Checked]) -> list[Judged]:
    """What the repository has of these. Raises: GitFailed, MissingObject is left out."""
    found = []
    for line in lines:
        with suppress(UetError):
            judged = _read(project, line)
            if judged is not None:
                found.append(judged)
    return found


def _read(project: Project, line: Checked) -> Judged | None:
    blob = project.config_blob_in(Oid(line.base))
    gates = () if blob is None else project.written(blob).gates
    gate = next((g for g in gates if g.name == line.gate and "pre-commit" in g.on), None)
    if gate is None or (blob or hookhome.NO_CONFIG) != line.config:
        return None
    changes = difference.diff_trees(project.objects, line.base, line.tree)
    staged = Staged(line.target, line.tree, line.base, line.config, changes, line.git_dir, line.pid)
    return Judged(line, staged, gate)


def take_in(project: Project, write: Writer, judged: Judged) -> None:
    """Writes the run, the entry as far as it got, and the gate's attempt."""
    line, staged = judged.line, judged.staged
    if project.ledger.gate(line.gate_id):
        return
    process = {"pid": line.pid, "boot_id": line.boot_id}
    ref = f"pre-commit of {line.pid}"
    run = write.runs.start("hook", line.actor, process, "other", ref)
    entry_id, state = _entry(project, write, judged, run)
    if state in ("created", "quarantined"):
        handmade.to_applied(write, entry_id, state, staged, run)
        state = "applied"
    _attempt(write, judged, run, entry_id)
    if line.state == "passed" and state == "applied":
        handmade.verified(write, entry_id, staged.tree, run, moment(line.since))
    elif line.state in _SAYS_NO and state in ("applied", "verified"):
        said = Finding(_SAYS_NO[line.state], f"{line.gate}: {line.detail}")
        handmade.refuse(write, entry_id, state, [said], run)
    write.runs.finish(run, "succeeded")


def _entry(project: Project, write: Writer, judged: Judged, run: str) -> tuple[str, str]:
    """Id and state of the entry: the one that an earlier attempt at the same made, or a new one."""
    line, staged = judged.line, judged.staged
    old = handmade.same(project, staged)
    if old is not None:
        write.handmade.taken_up(old.entry_id, line.pid, line.boot_id, moment(line.since))
        return old.entry_id, old.state
    about = {"boot_id": line.boot_id, "entered_at": moment(line.since)}
    return handmade.add(project, write, staged, run, about, line.actor), "created"


def _attempt(write: Writer, judged: Judged, run: str, entry_id: str) -> None:
    line, gate = judged.line, judged.gate
    began, ended = moment(line.began), moment(line.ended)
    write.gates.add(
        run=run, entry=entry_id, name=gate.name, gate_type=gate.kind, required=gate.required,
        tree=judged.staged.tree, definition=gate._asdict(), verdict_key=line.key,
        gate_id=line.gate_id, at=began,
    )  # fmt: skip
    write.gates.move(line.gate_id, "pending", "running", at=began)
    write.gates.move(
        line.gate_id, "running", line.state, at=ended, exit_code=line.exit_code,
        detail=line.detail, duration_seconds=round(max(0.0, line.ended - line.began), 3),
        output_path=line.output, output_truncated=int(line.truncated), tier=line.tier,
        results=None,
    )  # fmt: skip
