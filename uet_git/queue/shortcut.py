"""shortcut: judges the usual staged change by its only gate before the package is even loaded (DESIGN 11, 16).

What is usual was worked out by a commit before, judged the long way (queue/plan.py): one simple gate, accepted, no
policy beyond the safety rules. Here the same gate runs on the same tree in the same pool of scratch trees, and what
it said goes into the journal, synced before git goes on; queue/checked.py makes an entry of it. Anything else (another
configuration, an odd name, a merge, a gate that refuses) is for queue/guard.py, which this module only loads then.

It imports nothing that takes time to load; a test holds what.
"""

import os
import time

from uet_git.host import hooknote, hookplan, spawn
from uet_git.model import plainpath
from uet_git.plumbing import loose, untouched, warmslot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from uet_git.queue.follow import Following

GO, REFUSED = 0, 10
MOVED = (
    "the index changed while the gates ran: what would be committed is not what they saw",
    "  next: git commit",
)
_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "BISECT_START", "sequencer")
_ALSO = ("rebase-merge", "rebase-apply", "SQUASH_MSG")
_PYTHON = ("pyproject.toml", "setup.py", "setup.cfg")
_FILES = {0, 0o100644, 0o100755}
_CONFIG = b"uet.toml"
_LONG = 128 * 1024  # bytes of journal; beyond it the long way ties it up
_MANY = 2_000  # markers
_MAGIC = b"SQLite format 3\0"

Said = dict[str, str | int | float]


def check(args: list[str], say: "Callable[[str], None]") -> int | None:
    """GO or REFUSED; None where guard must look. `args` are what hooks/check.sh knows: tree, commit of HEAD, epoch,
    the ledger's folder, git directory."""
    if len(args) != 5 or not all(args):
        return None
    judging = _Judging(*args)
    try:
        said = judging.answer(say)
    except Exception:  # noqa: BLE001 - whatever it was, the long way may do better
        said = None
    return judging.after_all(say) if said is None else said


class _Judging:
    """One staged tree."""

    def __init__(self, tree: str, head: str, epoch: str, home: str, git_dir: str) -> None:
        self.tree, self.head, self.epoch = tree, head, epoch
        self.base = self.config = ""
        self.home = os.path.realpath(home)
        self.hooks = os.path.join(self.home, "hooks")
        self.common = os.path.dirname(self.home)
        self.git_dir = os.path.realpath(git_dir)
        self.since = time.time()
        self.target = ""
        self.plan: hookplan.Plan = {}
        self.before: untouched.Before | None = None

    def one(self, key: str) -> str:
        """A value of the plan that there is one of."""
        return self.plan[key][0]

    def answer(self, say: "Callable[[str], None]") -> int | None:
        """The way; None as soon as something is not as usual."""
        if hookplan.has_settings() or not self._has_base():
            return None
        plan = hookplan.read(os.path.join(self.hooks, "plans", f"{self.config}-{self.epoch}"))
        if plan is None or self.tree == self.base:
            return None
        self.plan = plan
        usual = self._is_on_a_branch() and self._is_quiet() and self._ledger_is_well()
        if not (usual and self._is_new()):
            return None
        slot = warmslot.take(self.one("trees"))
        if slot is None:
            return None
        try:
            said = self._judged(slot, say)
        finally:
            slot.close()
        return None if said is None else self._told(said, say)

    def after_all(self, say: "Callable[[str], None]") -> int | None:
        """Where no verdict came of it: guard may only begin anew with what the gate, if it ran, has left alone."""
        if self.before is None or self.before.is_same():
            return None
        from uet_git.queue import follow

        return follow.look(self.before, self.target, self.one("gate"), say)

    # -- whether it is usual ---------------------------------------------------------------------------------

    def _has_base(self) -> bool:
        """Reads which tree and configuration HEAD has; not where those are packed away."""
        commit = loose.read(self.common, self.head, b"commit") or b""
        self.base = loose.tree_of(commit)
        tree = loose.read(self.common, self.base, b"tree") or b""
        self.config = loose.blob_in(tree, _CONFIG, len(self.base) // 2)
        return bool(self.config)

    def _is_on_a_branch(self) -> bool:
        """The branch must be a file of its own, and say what sh has read."""
        named = untouched.content(os.path.join(self.git_dir, "HEAD")) or b""
        self.target = os.fsdecode(named.removeprefix(b"ref: ").strip())
        f"{self.target}\n{self.git_dir}".encode()  # what is no text has no place in the journal
        at = untouched.content(os.path.join(self.common, self.target)) or b""
        return named.startswith(b"ref: refs/heads/") and at.strip() == self.head.encode()

    def _is_quiet(self) -> bool:
        """No merge or the like goes on, nothing lands right now, and no queue is at work."""
        names = (*_BUSY, *_ALSO)
        if any(os.path.lexists(os.path.join(self.git_dir, name)) for name in names):
            return False
        if os.path.exists(os.path.join(self.hooks, "landing")):
            return False
        flags = [f for f in hookplan.FLAGS if os.path.exists(os.path.join(self.hooks, f))]
        if flags != self.plan.get("flag", []):
            return False
        try:
            return os.stat(os.path.join(self.hooks, "journal")).st_size < _LONG
        except FileNotFoundError:
            return True

    def _ledger_is_well(self) -> bool:
        """It is there, ours, of this version, and can be written right now: else the user must be told."""
        path = self.one("ledger")
        with open(path, "rb", buffering=0) as file:
            head = file.read(100)
        if head[:16] != _MAGIC or head[60:72].hex() != self.one("header"):
            return False
        if not (os.access(path, os.W_OK) and os.access(self.home, os.W_OK)):
            return False
        return hookplan.is_free(os.path.join(self.home, "write.lock"))

    def _is_harmless(self, slot: warmslot.WarmSlot) -> bool:
        """No safety rule has anything to say about what changes, and the gate is concerned."""
        changes = slot.changes(self.base)
        if changes is None:
            changes = self._changes()
        paths = [path for path, _, _ in changes]
        if not paths or any(not {old, new} <= _FILES for _, old, new in changes):
            return False
        if not all(map(plainpath.is_plain, paths)) or _CONFIG in paths:
            return False
        if not all(old for _, old, _ in changes) and slot.has_twins():
            return False
        ends = tuple(os.fsencode(end) for end in self.plan.get("ending", []))
        return not ends or any(path.endswith(ends) for path in paths)

    def _changes(self) -> list[tuple[bytes, int, int]]:
        """What differs between the two trees, as git says it."""
        asked = "diff-tree", "-r", "-z", "--no-renames", self.base, self.tree
        words = hookplan.git(self.one("program"), self.common, *asked).split(b"\0")
        pairs = zip(words[:-1:2], words[1::2], strict=True)
        return [(path, int(fact[1:7], 8), int(fact[8:14], 8)) for fact, path in pairs]

    def _is_new(self) -> bool:
        """Nobody judged that tree yet, as far as files tell: else the verdict may be known."""
        if os.path.exists(os.path.join(self.hooks, "judged", self.tree)):
            return False
        return len(os.listdir(os.path.join(self.hooks, "ok"))) < _MANY

    # -- the gate --------------------------------------------------------------------------------------------

    def _judged(self, slot: warmslot.WarmSlot, say: "Callable[[str], None]") -> Said | None:
        """What the gate said, as the journal keeps it; None where that is for guard to find out."""
        if not slot.fill(self.tree, self.plan["git"], _pairs(self.plan["git_env"])):
            return None
        if not self._is_harmless(slot):
            return None
        gate_id = hooknote.new_id(self.since)
        mark = f"UET_GATE={os.getpid()}-{time.monotonic_ns():x}"
        before = untouched.Before(self.common, self.hooks, self.one("ledger"), self.target)
        self.before = before
        note = os.path.join(self.hooks, "gating", str(os.getpid()))
        os.close(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        spawn.adopt_orphans()
        began = time.time()
        argv = [*self.plan["shell"], mark, *self.plan["argv"]]
        child = spawn.Child(argv, self._environment(slot, mark), slot.path)
        said: Said | None = None
        try:
            heard = child.short()
            if heard is not None:
                said = self._heard(child, heard, mark, began, gate_id)
            if heard is None or (said is not None and not before.is_same()):
                said = self._following(child, mark, began, gate_id, before).go_on(said, say)
        except BaseException:
            self._following(child, mark, began, gate_id, before).give_up()
            raise
        finally:
            if os.path.exists(note):  # the gate may have taken it away
                os.unlink(note)
        return said

    def _heard(
        self, child: spawn.Child, heard: bytes, mark: str, began: float, gate_id: str
    ) -> Said | None:
        """The end of a short gate; None where it neither passed nor failed."""
        code = child.poll()
        before, marked, output = heard.partition(mark.encode() + b"\n")
        os.close(child.pipe)
        if before or not marked or code in (None, 125, 126, 127):
            return None
        path = self._log(gate_id)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
            file.write(output)
        assert code is not None
        detail = f"ended by signal {-code}" if code < 0 else f"exit {code}" if code else ""
        return {
            **{"gate_id": gate_id, "state": "failed" if code else "passed", "exit_code": code},
            **{"detail": detail, "output": path, "truncated": 0},
            **{"began": began, "ended": time.time()},
        }

    def _following(
        self, child: spawn.Child, mark: str, began: float, gate_id: str, before: untouched.Before
    ) -> "Following":
        """What knows all about gates, for one that takes its time or did something else than its work."""
        from uet_git.queue import follow

        limits = float(self.one("timeout")), int(self.one("memory"))
        log = self._log(gate_id)
        return follow.Following(
            child, mark, began, gate_id, log, limits, self.one("gate"), before, self.target
        )

    def _log(self, gate_id: str) -> str:
        folder = os.path.join(self.home, "gates")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return os.path.join(folder, f"{gate_id}.log")

    def _environment(self, slot: warmslot.WarmSlot, mark: str) -> dict[str, str]:
        """The gate's variables, as queue/gate_slot.py and gates/run.py make them."""
        env = _pairs(self.plan["env"])
        env |= {"HOME": slot.home, "TMPDIR": os.path.join(slot.home, "tmp")}
        env |= {"GIT_CEILING_DIRECTORIES": os.path.dirname(os.path.realpath(slot.path))}
        env |= {"UET_TREE": self.tree, "UET_ROOT": slot.path}
        if any(os.path.isfile(os.path.join(slot.path, name)) for name in _PYTHON):
            src = os.path.join(slot.path, "src")
            env["PYTHONPATH"] = f"{src}:{slot.path}" if os.path.isdir(src) else slot.path
        return env | _pairs([mark])

    # -- what came of it -------------------------------------------------------------------------------------

    def _told(self, said: Said, say: "Callable[[str], None]") -> int | None:
        """Writes it down, durable, and answers git."""
        passed = said["state"] == "passed"
        if passed and hookplan.may_have_moved(self.git_dir, self._entered()) and self._moved():
            for line in MOVED:
                say(line)
            return REFUSED  # guard says so, or judges what is staged now
        record: Said = {
            **{"v": 1, "pid": hookplan.git_pid(), "boot_id": hooknote.boot_id()},
            **{"git_dir": self.git_dir, "target": self.target, "tree": self.tree},
            **{"base": self.base, "config": self.config, "gate": self.one("gate")},
            **{"tier": self.one("tier"), "actor": self.one("actor"), "since": self.since},
            **{"key": hooknote.sha256(self.one("key_head") + self.tree + self.one("key_tail"))},
            **said,
        }
        note = b"checked %b\n" % hooknote.as_json(record)
        try:
            hooknote.append(os.path.join(self.hooks, "journal"), note)
        except OSError as exc:
            if passed:
                raise
            say(f"{self.one('gate')} refuses this commit: {ascii(said['detail'])[1:-1]}")
            say(f"  it could not be written down: {exc.strerror or exc}")
            return REFUSED
        if passed:
            self._mark()
            return GO
        from uet_git.queue import guard

        return guard.refused("pre-commit", str(said["gate_id"]), say)

    def _entered(self) -> str:
        """The file that sh wrote just before it asked for the tree."""
        return os.path.join(self.hooks, "running", str(hookplan.git_pid()))

    def _moved(self) -> bool:
        return hookplan.staged_tree(self.one("program")) != self.tree

    def _mark(self) -> None:
        """A marker as HookHome.mark writes it."""
        text = "".join(f"{line}\n" for line in (f"{self.base} {self.config}", *self.plan["fact"]))
        for key in (self.config, self.head):
            path = os.path.join(self.hooks, "ok", f"{self.tree}-{key}-{self.epoch}")
            with open(f"{path}.{os.getpid()}", "wb", buffering=0) as file:
                file.write(os.fsencode(text))
            os.utime(file.name, (self.since, self.since))
            os.rename(file.name, path)


def _pairs(texts: list[str]) -> dict[str, str]:
    """NAME=VALUE each."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}
