"""Frozen records: what a patch says, what composing it gives, what the ledger keeps. No I/O.

Paths, patch text and gate output are bytes everywhere; object ids are lower-case hex strings.
"""

from typing import Any, NewType

from uet_git.model.named import NamedTuple

Oid = NewType("Oid", str)

REGULAR, EXECUTABLE, SYMLINK, GITLINK, TREE = 0o100644, 0o100755, 0o120000, 0o160000, 0o040000


class Finding(NamedTuple):
    """One thing that a judge found. `line` is 1-based in the submitted bytes, 0 if it has none."""

    code: str
    detail: str = ""
    path: bytes | None = None
    line: int = 0


class Hunk(NamedTuple):
    """One text hunk. Counts are lines; `old` and `new` are its two images as they stand in the files.

    An image lacks its last newline where the patch says `\\ No newline at end of file`. `body` is the hunk's
    lines as typed, markers included; `line` is where its `@@` stands in the submitted bytes (1-based).
    `leading` and `trailing` count the context lines at either end.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    old: bytes
    new: bytes
    leading: int
    trailing: int
    body: bytes
    line: int


class BinaryHunk(NamedTuple):
    """One direction of a `GIT binary patch`. `data` is inflated: the blob (`literal`) or git's delta (`delta`)."""

    method: str
    size: int
    data: bytes


class FileChange(NamedTuple):
    """What a patch says of one file. `op` is add, delete, modify, rename or copy.

    `old_mode`/`new_mode` are None where the patch does not name a mode. `old_oid`/`new_oid` are the hex of the
    `index a..b` line as typed (maybe abbreviated), None without one.
    """

    op: str
    old_path: bytes | None
    new_path: bytes | None
    old_mode: int | None
    new_mode: int | None
    old_oid: str | None
    new_oid: str | None
    hunks: tuple[Hunk, ...]
    binary: BinaryHunk | None
    insertions: int
    deletions: int
    line: int

    @property
    def path(self) -> bytes:
        """The path after the change, or before it if the file goes."""
        path = self.new_path if self.new_path is not None else self.old_path
        assert path is not None
        return path


class Patch(NamedTuple):
    """A strictly read patch. `findings` are notes and repairs; a refused patch has no changes."""

    changes: tuple[FileChange, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def insertions(self) -> int:
        return sum(c.insertions for c in self.changes)

    @property
    def deletions(self) -> int:
        return sum(c.deletions for c in self.changes)

    @property
    def hunks(self) -> int:
        return sum(len(c.hunks) for c in self.changes)

    @property
    def paths(self) -> list[bytes]:
        """Every path that it names, both sides of a rename, in order, once."""
        seen = dict.fromkeys(p for c in self.changes for p in (c.old_path, c.new_path) if p)
        return list(seen)


class Mail(NamedTuple):
    """A patch mail, or a bare diff (`author` None). `date` is git's raw `<epoch seconds> <+hhmm>`, None if absent.

    `message` is the commit message as `git am` would clean it (UTF-8, one final newline; empty for a bare diff).
    `diff` is the text from the line after the message on, CR kept, transfer encoding undone.
    `part`/`total` are the n and m of `[PATCH n/m]`, 0 where absent. `refused` is set if it cannot be taken.
    """

    author: tuple[bytes, bytes] | None
    date: bytes | None
    message: bytes
    subject: bytes
    diff: bytes
    part: int
    total: int
    is_cover: bool
    message_id: bytes | None
    refused: Finding | None = None


class TreeChange(NamedTuple):
    """One path's difference between two trees; a mode of 0 means absent, its oid is then empty."""

    path: bytes
    old_mode: int
    old_oid: str
    new_mode: int
    new_oid: str


class Placement(NamedTuple):
    """Where one hunk was put: its 1-based line in the image it was applied to, and the offset to the header."""

    path: bytes
    hunk: int
    line: int
    offset: int


class Composed(NamedTuple):
    """A candidate tree. `proved` counts files whose result id equals the patch's `index` line. `rung` says how."""

    tree: Oid
    changes: tuple[TreeChange, ...]
    placements: tuple[Placement, ...]
    proved: int
    rung: str


class Conflict(NamedTuple):
    """The patch does not fit that tree."""

    findings: tuple[Finding, ...]


class Gate(NamedTuple):
    """One gate as declared in `uet.toml`. Times in seconds. `run` is argv, or one string for `shell`."""

    name: str
    run: tuple[str, ...]
    shell: bool = False
    kind: str = "custom"
    paths: tuple[str, ...] = ()
    timeout: float = 600.0
    needs: tuple[str, ...] = ()
    on: tuple[str, ...] = ("queue",)
    required: bool = True
    cache: bool = True
    retries: int = 0
    network: bool = False
    memory: int = 0  # MB, all its processes together; 0: three quarters of the machine's
    pass_env: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    git: bool = False
    junit: str = ""
    criteria: tuple[tuple[str, Any], ...] = ()
    coverage: str = ""
    flaky: str = ""
    fixes: bool = False
    changed: bool = False
    caches: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    versions: tuple[tuple[str, ...], ...] = ()


class FailedTest(NamedTuple):
    """One test that failed: `class::name`, what it said, and the rest of its report; both cut to a bound."""

    name: str
    message: str
    details: str = ""


class Tested(NamedTuple):
    """What a gate's reports say. `coverage` is in percent, None without a report; `failures` are the first ones.

    `passed_names` are those of its tests that the gate's `required_tests` ask about and that passed.
    """

    total: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[FailedTest, ...] = ()
    coverage: float | None = None
    passed_names: frozenset[str] = frozenset()


class Cached(NamedTuple):
    """Where a verdict that was not run again comes from: the attempt, its run, and when it ended (UTC)."""

    gate_id: str
    run_id: str
    at: str


class GateResult(NamedTuple):
    """How one gate ended on one tree. `state` is a GateState; `output` is the capped log file's path.

    `gate_id` names its row, `tier` the sandbox that it ran in. `flaky` names the tests (or the gate, without a
    report) that failed first and passed on a retry. `fix` is the path of a patch with what a fixer changed.
    """

    gate: str
    state: str
    exit_code: int | None
    seconds: float
    output: str
    truncated: bool
    detail: str = ""
    tree: str = ""
    gate_id: str = ""
    tier: str = ""
    tests: Tested | None = None
    criteria_met: tuple[tuple[str, bool], ...] = ()
    cached: Cached | None = None
    flaky: tuple[str, ...] = ()
    fix: str = ""
