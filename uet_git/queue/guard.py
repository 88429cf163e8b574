"""guard: what pre-commit and pre-merge-commit ask: may this staged tree be committed here (DESIGN 11, P13).

The user's index and work tree are only read. Whatever is wrong with us lets the commit through with one line, unless
the project says `[hooks] enforce = true`; the ledger then shows the commit as unverified.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from uet_git.errors import QueueBusy, RepositoryTampered, UetError
from uet_git.host import files, process
from uet_git.host.clock import Clock
from uet_git.ledger.ledger import Writer
from uet_git.model import display
from uet_git.model.entry import Entry
from uet_git.model.reasons import REASONS
from uet_git.model.records import Finding, Oid
from uet_git.model.settings import Settings
from uet_git.plumbing import difference, hookhome
from uet_git.plumbing import git as gits
from uet_git.plumbing.worktrees import WorkTree
from uet_git.project import CONFIG_FILE, Project
from uet_git.queue import guard_gates, handmade, shortcut, tampering, tie
from uet_git.queue.guard_gates import Verdict, word
from uet_git.queue.handmade import Staged

GO, REFUSED = 0, 10
PATIENCE: Final = 0.3  # seconds for locks of others; the user waits
_PATIENT: Final = 5.0  # the same for what gates said, which took longer to find out
_LANDING: Final = 2.0  # seconds for a branch that is being moved right now
_TRIES: Final = 5
_SHOWN: Final = 10  # findings

Say = Callable[[str], None]


def check(name: str, say: Say) -> int:
    """Judges what is staged; `say` gets every line for the user. Returns GO or REFUSED, whatever is wrong."""
    guard = _Guard(name, say)
    try:
        return guard.check()
    except UetError as exc:
        return guard.unchecked(exc.message, exc.next)
    except OSError as exc:
        return guard.unchecked(f"{exc.filename or 'the system'}: {exc.strerror}", ())
    finally:
        guard.close()


def refused(name: str, gate_id: str, say: Say) -> int:
    """The shortcut's gate said no: tells why, and what to type. Returns REFUSED."""
    guard = _Guard(name, say)
    try:
        return guard.refused(gate_id)
    except Exception:  # noqa: BLE001 - the gate said no, whatever is wrong with us
        say("a gate refuses this commit, and the ledger cannot tell more now")
        say("  next: uet-git gate list")
        return REFUSED
    finally:
        guard.close()


def tampered(target: str, detail: str, say: Say) -> int:
    """The shortcut's gate changed the repository and gave no verdict. Returns REFUSED."""
    guard = _Guard("pre-commit", say)
    try:
        return guard.tampered(target, RepositoryTampered(detail))
    except Exception:  # noqa: BLE001 - as above
        say(display.line(detail, 500))
        say("  next: uet-git fsck")
        return REFUSED
    finally:
        guard.close()


class _Guard:
    """One call of the hook."""

    def __init__(self, name: str, say: Say) -> None:
        self.name = name
        self.say = say
        self.env = process.inherited()
        self.pid = int(process.variable("UET_GIT_PID") or process.ancestor("git") or os.getppid())
        self.enforced = False
        self.began = time.time()
        self._project: Project | None = None

    @property
    def project(self) -> Project:
        """The repository that the hook runs for."""
        if self._project is None:
            self._project = Project(gits.discover(os.getcwd(), self.env), Clock())
            self._project.patience = PATIENCE
        return self._project

    def close(self) -> None:
        """Ends what it started."""
        if self._project is not None:
            self._project.close()

    def unchecked(self, why: str, next_: Sequence[str]) -> int:
        """We cannot: one line, and the commit goes on."""
        enforced = self.enforced
        with suppress(UetError):
            enforced = enforced or self.project.hook_home.enforced
        how = f" ({display.command(tuple(next_))})" if next_ else ""
        end = "; [hooks] enforce refuses it" if enforced else ""
        self.say(f"{self.name} checked nothing: {display.line(why, 300)}{how}{end}")
        return REFUSED if enforced else GO

    # -- the way ---------------------------------------------------------------------------------------------

    def check(self) -> int:
        """From the index to a verdict."""
        project, home = self.project, self.project.hook_home
        if not home.wait_for_landing(_LANDING):
            raise QueueBusy("it moves this branch right now")
        home.announce(self.pid, project.git.git_dir)
        tree = self.staged_tree()
        ledger = project.ledger
        if ledger.read_only:
            project.require_writable()
        branch = gits.branch(project.git)
        tip = project.tip(branch) if branch is not None else project.tip("HEAD")
        settings = project.settings_at(tip)
        self.enforced = settings.enforce
        home.set_flags(flags(settings))
        tie.up(project, look=False)
        doing = WorkTree(project.git, branch).in_progress()
        if branch is None or doing not in (None, "merge"):
            return self._looked_up(tree, doing or "detached HEAD")
        may_block = self.enforced or not (doing == "merge" or self.name == "pre-merge-commit")
        return self._judge(branch, tip, tree, settings, may_block=may_block)

    def staged_tree(self) -> Oid:
        """The tree that git is about to commit: only git, with the environment that it gave us, can tell.

        Raises: GitFailed, GitLocked.
        """
        for left in reversed(range(_TRIES)):
            argv = [self.project.git.program, "write-tree"]
            done = process.run(argv, cwd=os.getcwd(), env=self.env)
            if done.code == 0:
                return Oid(done.out.decode("ascii").strip())
            if b".lock" not in done.err or not left:
                break
            process.pause(0.02)
        raise gits.failure(("write-tree",), done)

    def _looked_up(self, tree: Oid, doing: str) -> int:
        """In the middle of something, or on no branch: what is known of the tree is looked up, nothing runs."""
        if not self.enforced or self.project.ledger.handmade.passed(tree):
            return GO
        self.say(f"this tree has no passed verdict, and [hooks] enforce refuses it ({doing})")
        return REFUSED

    def _judge(
        self, branch: str, tip: Oid | None, tree: Oid, settings: Settings, *, may_block: bool
    ) -> int:
        project = self.project
        epoch = project.hook_home.epoch()
        base = project.tip_tree(tip)
        staged = Staged(
            *(branch, tree, base, project.config_blob(tip) or hookhome.NO_CONFIG),
            difference.diff_trees(project.objects, base, tree),
            *(project.git.git_dir, self.pid),
        )
        findings = guard_gates.policy(project, settings, staged)
        since = project.clock.now()
        with project.ledger.write() as write:
            run = handmade.start_run(project, write, f"{self.name} of {self.pid}")
            entry = self._entry(write, staged, run)
            blocked = guard_gates.blocking(findings)
            if blocked:
                handmade.refuse(write, entry.entry_id, entry.state, blocked, run)
                write.runs.finish(run, "succeeded")
            elif entry.state in ("created", "quarantined"):
                handmade.to_applied(write, entry.entry_id, entry.state, staged, run)
        if blocked:
            return self._policy_refuses(entry, blocked, may_block=may_block)
        project.ledger.be_patient(_PATIENT)
        try:
            verdict = self._gates(entry, staged, settings, run, may_block=may_block)
        except RepositoryTampered as exc:
            return self.tampered(staged.target, exc)
        if not verdict.failed and self.staged_tree() != tree:
            return self._moved(entry, run)
        self._record(entry, staged, run, since, verdict)
        if verdict.passed and verdict.facts is not None:
            known = staged.config, base, tip or ""
            project.hook_home.mark(tree, known, epoch, verdict.facts, self.began)
            self._plan(settings, verdict.facts, epoch)
        code = GO if verdict.passed else self._gates_refuse(entry, verdict, may_block=may_block)
        if code == GO and any(c.path == CONFIG_FILE.encode() for c in staged.changes):
            guard_gates.offer_trust(project, branch, tree, self.say)
        return code

    def _plan(self, settings: Settings, facts: Sequence[str], epoch: str) -> None:
        """What the next commit needs for the shortcut."""
        from uet_git.gates import run as gate_run
        from uet_git.queue import plan

        gates = gate_run.for_moment(settings.gates, guard_gates.MOMENT)
        plan.keep(self.project, settings, gates, facts, epoch, self.began)

    def refused(self, gate_id: str) -> int:
        """Tells of a gate that said no and stands in the journal (queue/shortcut.py)."""
        project = self.project
        self.enforced = project.hook_home.enforced
        tie.up(project, look=False)
        (row,) = project.ledger.gate(gate_id)
        entry = self._found(row.entry_id or "")
        if row.state == "error":
            return self.tampered(entry.target, RepositoryTampered(row.detail or ""))
        verdict = guard_gates.refused(row, entry.target)
        return self._gates_refuse(entry, verdict, may_block=True)

    def _entry(self, write: Writer, staged: Staged, run: str) -> Entry:
        """The entry of what is staged: the one that an earlier attempt at the same made, or a new one."""
        old = handmade.same(self.project, staged)
        if old is not None:
            write.handmade.taken_up(old.entry_id, staged.pid, files.boot_id())
            return self._found(old.entry_id)
        return self._found(handmade.add(self.project, write, staged, run))

    def _found(self, entry_id: str) -> Entry:
        found = self.project.ledger.entries.get(entry_id)
        assert found is not None
        return found

    def _gates(
        self, entry: Entry, staged: Staged, settings: Settings, run: str, *, may_block: bool
    ) -> Verdict:
        project, say = self.project, self.say
        try:
            return guard_gates.run(project, run, settings, entry, staged, say, may_block=may_block)
        except BaseException:
            self._end(run, "failed")
            raise

    def _record(self, entry: Entry, staged: Staged, run: str, since: str, verdict: Verdict) -> None:
        """What the gates said, and the end of the run. It counts also where the ledger does not take it."""
        unwritten = verdict.unwritten
        if unwritten is None:
            try:
                self._write(entry, staged, run, since, verdict)
            except UetError as exc:
                unwritten = exc
        if unwritten is not None:
            self.say(f"checked, not recorded: {display.line(unwritten.message, 300)}")

    def _write(self, entry: Entry, staged: Staged, run: str, since: str, verdict: Verdict) -> None:
        with self.project.ledger.write() as write:
            now = self._found(entry.entry_id)
            if verdict.passed and now.state == "applied":
                handmade.verified(write, entry.entry_id, staged.tree, run, since)
            elif verdict.failed and now.state in ("applied", "verified"):
                handmade.refuse(write, entry.entry_id, now.state, verdict.failed, run)
            write.runs.finish(run, "succeeded", verdict.note or None)

    def _end(self, run: str, state: str) -> None:
        try:
            with self.project.ledger.write() as write:
                write.runs.finish(run, state, "cut short")
        except (UetError, OSError):
            return  # the next command finds the process gone and says so itself

    # -- what is said ----------------------------------------------------------------------------------------

    def _moved(self, entry: Entry, run: str) -> int:
        with suppress(UetError), self.project.ledger.write() as write:
            old = self.project.ledger.handmade.of_entry(entry.entry_id)
            if old is not None and old.state in ("applied", "verified"):
                handmade.drop(write, old, "queue.index_moved", "something was staged meanwhile")
            write.runs.finish(run, "succeeded", "queue.index_moved")
        for line in shortcut.MOVED:
            self.say(line)
        return REFUSED

    def tampered(self, target: str, exc: RepositoryTampered) -> int:
        """A gate changed the repository: nothing of it is committed, and nothing lands until somebody looked."""
        tampering.pause(self.project, target, exc)
        self.say(display.line(exc.message, 500))
        self.say(
            f"  next: {display.command(exc.next)}, and uet-git resume once all is as it should be"
        )
        return REFUSED

    def _policy_refuses(self, entry: Entry, findings: Sequence[Finding], *, may_block: bool) -> int:
        self.say(f"the policy of {_short(entry.target)} {word(may_block=may_block)} this commit:")
        for finding in findings[:_SHOWN]:
            where = "" if finding.path is None else f"{display.shown(finding.path)}: "
            what = finding.detail or REASONS[finding.code].sentence
            self.say(f"  {finding.code}: {where}{display.line(what, 200)}")
        if len(findings) > _SHOWN:
            self.say(f"  ... and {len(findings) - _SHOWN} more")
        return self._next(entry, may_block=may_block)

    def _gates_refuse(self, entry: Entry, verdict: Verdict, *, may_block: bool) -> int:
        for line in verdict.lines:
            self.say(line)
        if not verdict.failed:
            return GO if not self.enforced else self._next(entry, may_block=True)
        return self._next(entry, may_block=may_block)

    def _next(self, entry: Entry, *, may_block: bool) -> int:
        self.say(f"  next: uet-git show {entry.label}")
        if not may_block:
            return GO
        self.say("  or, with the ledger showing it as unverified: git commit --no-verify")
        return REFUSED


def flags(settings: Settings) -> list[str]:
    """What the shims need to know of the settings."""
    drains = [f"drain-{hook}" for hook in settings.queue.drain_on]
    return [*drains, *(["enforce"] if settings.enforce else [])]


def _short(target: str) -> str:
    return display.line(target.removeprefix("refs/heads/"))
