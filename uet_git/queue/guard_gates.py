"""guard, the judges: the policy on what is staged, and the gates of `on = ["pre-commit"]` on exactly that tree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from uet_git.errors import ConfigError, RepositoryTampered, UetError
from uet_git.host import hook_facts, process, terminal
from uet_git.host.spinner import Spinner
from uet_git.ledger.gates import GateRow
from uet_git.ledger.handmade import RUNG
from uet_git.model import display, paths, treechange
from uet_git.model.entry import Entry
from uet_git.model.records import Composed, Finding, Gate, GateResult, Oid, Patch
from uet_git.model.settings import Settings
from uet_git.plumbing.view import View
from uet_git.project import Project
from uet_git.queue import handmade
from uet_git.queue.handmade import Staged
from uet_git.queue.options import Given
from uet_git.queue.progress import GateListener

if TYPE_CHECKING:
    from uet_git.queue.gate_run import TreeGates

MOMENT = "pre-commit"
_LATER = ("policy.message", "policy.issue_required")
"""What only the message shows, which git asks for after pre-commit."""
_SLOW = 1.0  # seconds after which a gate is named
_TAIL = 20  # lines of a failed gate's output
_TAIL_BYTES = 16 * 1024
_DIFF = (
    "--binary",
    "--full-index",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--find-renames",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates said. `failed` are findings that refuse; `lines` are for the user; `note` goes into the run.

    `unwritten` is why the ledger could not take it, None if it did. `facts` are what else a
    pass stands on, for its marker; None where it must not be used again without a look.
    """

    passed: bool
    failed: tuple[Finding, ...] = ()
    lines: tuple[str, ...] = field(default=())
    note: str = ""
    facts: tuple[str, ...] | None = None
    unwritten: UetError | None = None


def blocking(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that refuse a commit, the gravest first; empty if none does."""
    if not findings:
        return []
    from uet_git.queue import validate

    code = validate.blocking(findings)
    if code is None:
        return []
    first = [f for f in findings if f.code == code]
    return first + [f for f in findings if f.code != code and validate.blocking([f]) is not None]


def policy(project: Project, settings: Settings, staged: Staged) -> list[Finding]:
    """Safety and policy on what is staged. The caps on patches do not hold: nothing has to be read from a patch."""
    view = View(project.objects, staged.base)
    safety = paths.judge_changes(
        staged.changes,
        settings.limits,
        lookup=view.look_up,
        names=view.names,
        read_blob=project.objects.blob,
    )
    if not staged.changes or not (settings.has_rules or project.user_policy is not None):
        return list(safety)
    from uet_git.queue.judge import Judge

    patch = _patch(project, settings, staged)
    composed = Composed(Oid(staged.tree), tuple(staged.changes), (), 0, RUNG)
    given = Given(origin=handmade.ORIGIN, target=staged.target)
    found = Judge(project, settings).staged(patch, given, composed, safety, tree=staged.base)
    return [*safety, *(f for f in found if f.code not in _LATER)]


def _patch(project: Project, settings: Settings, staged: Staged) -> Patch:
    """The staged change as a patch; without its content where it is larger than what the project looks at."""
    from uet_git.model import patchfile
    from uet_git.plumbing import aside

    done = project.git.run(
        *aside.OPTIONS, "diff-tree", "-r", "-p", *_DIFF, staged.base, staged.tree
    )
    if len(done.out) <= settings.limits.patch_bytes:
        read = patchfile.read(done.out, settings.limits, hex_length=project.git.hex_length)
        if read.changes:
            return read
    return treechange.as_patch(staged.changes)


class Telling(GateListener):
    """Tells of a gate that takes its time that it runs, and how it ended; on a terminal a line shows it meanwhile."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.spinner = Spinner()
        self.since: dict[str, float] = {}
        self.told: set[str] = set()

    def started(self, gate: str) -> None:
        self.since[gate] = process.monotonic()

    def tick(self) -> None:
        now = process.monotonic()
        if self.spinner.is_live:
            runs = [f"{gate} {now - began:.1f} s" for gate, began in self.since.items()]
            self.told.update(self.since)
            self.spinner.show(", ".join(runs))
            return
        for gate, began in self.since.items():
            if now - began > _SLOW and gate not in self.told:
                self.told.add(gate)
                self.say(f"{gate} runs on what is staged")

    def ended(self, result: GateResult) -> None:
        self.ends(result.gate, result.state, result.seconds)

    def ends(self, gate: str, state: str, seconds: float) -> None:
        """The same, of a gate by name."""
        self.since.pop(gate, None)
        self.spinner.clear()
        if gate in self.told:
            self.say(f"{gate}: {state} ({seconds:.1f} s)")


def run(
    project: Project,
    run_id: str,
    settings: Settings,
    entry: Entry,
    staged: Staged,
    say: Callable[[str], None],
    *,
    may_block: bool,
) -> Verdict:
    """Runs the gates that belong to pre-commit on the staged tree, in a scratch tree.

    What they said counts, whether it can be written down or not. Raises: RepositoryTampered, and what else keeps
    gates from ending.
    """
    if not any(MOMENT in gate.on for gate in settings.gates):
        return Verdict(passed=True, facts=_facts([], {}))
    from uet_git.gates import run as gate_run
    from uet_git.queue import trust
    from uet_git.queue.gate_run import TreeGates

    gates = gate_run.for_moment(settings.gates, MOMENT)
    withheld = trust.withheld(project, staged.target, settings, MOMENT)
    if withheld is not None:
        how = display.command(trust.next_command(project, staged.target))
        lines = (f"no gate ran: {withheld.detail} ({how})",)
        return Verdict(passed=False, lines=lines, note=withheld.code)
    skipped = _skipped(gates)
    wanted = [g for g in gates if g.name not in skipped]
    telling = Telling(say)
    judge = TreeGates(project, settings, run_id, telling, target=staged.target)
    try:
        results, unwritten = _judged(judge, staged, entry, wanted)
    finally:
        telling.spinner.clear()
    failed = _failed(wanted, results)
    if failed:
        told = _failure(failed, results, staged.target, may_block=may_block)
        return Verdict(False, tuple(failed), tuple(told), unwritten=unwritten)
    note = f"UET_SKIP={','.join(skipped)}" if skipped else ""
    left = [f"{g.name}: skipped by UET_SKIP" for g in gates if g.required and g.name in skipped]
    left += _not_run(wanted, results)
    if left:
        line = f"{'; '.join(left)}; the ledger shows the commit as unverified"
        return Verdict(False, lines=(line,), note=note or "gate.error", unwritten=unwritten)
    facts = None if skipped or unwritten else _facts(wanted, results)
    return Verdict(passed=True, note=note, facts=facts, unwritten=unwritten)


def refused(row: GateRow, target: str) -> Verdict:
    """The verdict of a gate that said no, as the ledger keeps it."""
    from uet_git.queue.gate_run import from_row

    result = from_row(row, Oid(row.tree))
    code = "gate.timeout" if row.state == "timeout" else "gate.failed"
    failed = (Finding(code, f"{row.name}: {result.detail}"),)
    lines = _failure(failed, {row.name: result}, target, may_block=True)
    return Verdict(False, failed, tuple(lines))


def _judged(
    judge: "TreeGates", staged: Staged, entry: Entry, wanted: Sequence[Gate]
) -> tuple[dict[str, GateResult], UetError | None]:
    """What the gates said, and why that could not be written down, if it could not."""
    names = [c.path for c in staged.changes]
    try:
        return judge.judge(Oid(staged.tree), wanted, paths=names, entry=entry.entry_id), None
    except RepositoryTampered:
        raise
    except UetError as exc:
        results = dict(judge.ended)
        if not _failed(wanted, results) and len(results) < len(wanted):
            raise
        return results, exc


def _facts(gates: Sequence[Gate], results: Mapping[str, GateResult]) -> tuple[str, ...] | None:
    """What a marker of these passes stands on; None where a few lines of sh could not tell that it holds."""
    for gate in gates:
        seen = gate.pass_env or gate.link or gate.versions
        if seen or not gate.cache or results[gate.name].flaky:
            return None
    programs = ["sh" if gate.shell else gate.run[0] for gate in gates]
    found = hook_facts.lines(programs)
    return None if found is None else tuple(found)


def offer_trust(project: Project, branch: str, tree: Oid, say: Callable[[str], None]) -> None:
    """Whoever commits a change of the gates on a terminal is asked there and then whether they may run here."""
    from uet_git.queue import trust

    try:
        found = trust.standing(project, branch, project.config_blob_in(tree))
    except ConfigError as exc:
        say(f"this commit's uet.toml cannot be used: {display.line(exc.message, 300)}")
        return
    if found.accepted:
        return
    question = "uet-git: this commit changes the gates; may they run on this machine?"
    if not trust.offer(project, found, lambda lines: bool(terminal.ask(lines, question))):
        how = display.command(trust.next_command(project, branch))
        say(f"the gates of this commit wait for a person who accepts them ({how})")


def _failed(gates: Sequence[Gate], results: Mapping[str, GateResult]) -> list[Finding]:
    """The required gates that said no."""
    said = ((g, results[g.name]) for g in gates if g.required and g.name in results)
    return [
        Finding("gate.timeout" if r.state == "timeout" else "gate.failed", f"{g.name}: {r.detail}")
        for g, r in said
        if r.state not in ("passed", "skipped", "error")
    ]


def _not_run(gates: Sequence[Gate], results: Mapping[str, GateResult]) -> list[str]:
    """The required gates that could not run, and why: the commit may be the one that mends that (P13)."""
    bad = [g.name for g in gates if g.required and results[g.name].state == "error"]
    return [f"{name} could not run: {display.line(results[name].detail, 300)}" for name in bad]


def _skipped(gates: Sequence[Gate]) -> list[str]:
    """Gates that the user names in UET_SKIP, and those that need one of them."""
    asked = {n.strip() for n in (process.variable("UET_SKIP") or "").split(",")}
    found: list[str] = []
    for gate in gates:
        if gate.name in asked or any(n in found for n in gate.needs):
            found.append(gate.name)
    return found


def word(*, may_block: bool) -> str:
    """What a judge does to a commit; a merge goes through all the same."""
    return "refuses" if may_block else "would refuse"


def _failure(
    failed: Sequence[Finding], results: Mapping[str, GateResult], target: str, *, may_block: bool
) -> list[str]:
    """What failed, the end of its output, and where the rest is."""
    short = display.line(target.removeprefix("refs/heads/"))
    lines = [
        f"a gate of {short} {word(may_block=may_block)} this commit: {display.line(f.detail, 300)}"
        for f in failed
    ]
    for result in results.values():
        if result.state in ("failed", "timeout", "error") and result.output:
            lines += [
                f"  {result.gate}| {display.line(text, 300)}" for text in _tail(result.output)
            ]
            lines.append(f"  all of it: {result.output}")
    return lines


def _tail(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            data = file.read()
    except OSError:
        return []
    return data.decode("utf-8", "backslashreplace").splitlines()[-_TAIL:]
