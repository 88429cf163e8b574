"""Kills an `apply` at one system call, and says what the wreck and the next `apply` did to the promises.

A point names a process (the product itself, or its n-th git child), a system call and which of its calls. strace
delivers SIGKILL on entering it. `when=` counts for each process by itself, so every git child is aimed at alone, by a
shim that stands before git on PATH; only runs in which something died count.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.builders import diff, git, mail, make_repo
from uet_git.host.clock import Clock
from uet_git.host.config import parse_toml
from uet_git.ledger.ledger import Ledger
from uet_git.model.trust import trust_hash
from uet_git.project import Project
from uet_git.queue import fsck

SHIM = Path(__file__).with_name("git_shim.sh")
PRODUCT = (sys.executable, "-P", "-m", "uet_git")
PERSISTENT = (
    *(
        "write",
        "pwrite64",
        "fsync",
        "fdatasync",
        "rename",
        "link",
        "unlink",
        "rmdir",
        "mkdir",
        "ftruncate",
    ),
    *("symlink", "chmod", "fchmod", "utimensat", "exit_group"),
)
"""Calls after which the disk may differ; missing `at` forms are added where the machine knows them."""
BETWEEN = (
    "read",
    "openat",
    "close",
    "pipe2",
    "vfork",
    "clone3",
    "clone",
    "wait4",
    "poll",
    "mmap",
    "execve",
)
"""Calls that only pass the time between two changes of the disk."""
AT_FORMS = {"rename": "renameat2", "link": "linkat", "unlink": "unlinkat", "mkdir": "mkdirat"}
SELF = 0
EDITS = (
    "staged.txt",
    "unstaged.txt",
    "both.txt",
    "untracked.txt",
    "new-staged.txt",
    "side/untracked.txt",
)


class Point(NamedTuple):
    """Where to kill. `call`: the git child's number, SELF the product. `who`: `alone`, or `both` with the parent (of
    the product: with its children). `verb` is for reading.
    """

    call: int
    syscall: str
    when: int
    who: str
    verb: str


class Wreck(NamedTuple):
    """What one kill left: whether anything died, where the landing stood, and which promises are broken."""

    died: bool
    phase: str
    broken: list[str]


@dataclass
class Scene:
    """A repository with two work trees full of the user's edits, and a series that lands in several steps."""

    home: Path
    product: Sequence[str] = PRODUCT
    tree: str = ""
    subjects: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def repo(self) -> Path:
        return self.home / "repo"

    @property
    def linked(self) -> Path:
        return self.home / "linked"

    def copy(self, where: Path) -> "Scene":
        """The same scene somewhere else; the linked work tree's paths are mended."""
        where.mkdir(parents=True)
        subprocess.run(["cp", "-a", f"{self.home}/.", str(where)], check=True)
        git(where / "repo", "worktree", "repair", str(where / "linked"))
        return Scene(where, self.product, self.tree, self.subjects, self.variables)


def lines(word: str) -> bytes:
    return b"".join(b"%b %d\n" % (word.encode(), n) for n in range(60))


def make_scene(home: Path, *, gated: bool, product: Sequence[str] = PRODUCT) -> Scene:
    """Makes the scene, with every kind of user edit that a landing must leave alone."""
    base = {
        n: lines(n)
        for n in (
            "a.txt",
            "b.txt",
            "gone.txt",
            "old/name.txt",
            "staged.txt",
            "unstaged.txt",
            "both.txt",
        )
    }
    text = "version = 1\n[queue]\nbatch = 1\n"
    variables = {}
    if gated:
        text += "[gates.look]\nkind = 'custom'\nrun = ['test', '-e', 'a.txt']\n"
        variables["UET_TRUST"] = trust_hash(parse_toml(text.encode()))  # makes no ledger beforehand
    repo = make_repo(home / "repo", {**base, "uet.toml": text.encode()})
    git(repo, "worktree", "add", "-q", "-b", "side", str(home / "linked"))
    (home / "linked" / "b.txt").write_bytes(b"edited in the other tree\n")
    _write_series(home, base)
    for name, staged, now in (
        ("staged.txt", b"staged\n", b"staged\n"),
        ("unstaged.txt", None, b"unstaged\n"),
        ("both.txt", b"staged\n", b"then edited\n"),
        ("new-staged.txt", b"new\n", b"new\n"),
        ("untracked.txt", None, b"untracked\n"),
        ("side/untracked.txt", None, b"untracked\n"),
    ):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_bytes(staged or now)
        if staged is not None:
            git(repo, "add", name)
        (repo / name).write_bytes(now)
    return Scene(home, product, variables=variables)


def _write_series(home: Path, base: Mapping[str, bytes]) -> None:
    """Mails that edit, add, delete, rename and add again, each one on the ones before."""
    a1 = base["a.txt"].replace(b"a.txt 5\n", b"five\n")
    a2 = a1.replace(b"a.txt 50\n", b"fifty\n")
    b1 = base["b.txt"].replace(b"b.txt 1\n", b"one\n")
    renamed = (
        b"diff --git a/old/name.txt b/new/deep/name.txt\nsimilarity index 100%\n"
        b"rename from old/name.txt\nrename to new/deep/name.txt\n"
    )
    steps = (
        ("edit", diff("a.txt", base["a.txt"], a1)),
        ("add", diff("added/one.txt", None, lines("one")) + diff("b.txt", base["b.txt"], b1)),
        ("rename", renamed),
        ("delete", diff("gone.txt", base["gone.txt"], None) + diff("a.txt", a1, a2)),
        ("add again", diff("gone.txt/now-a-folder.txt", None, lines("folder"))),
    )
    (home / "series.mbox").write_bytes(b"".join(mail(name, patch) for name, patch in steps))


# -- running -----------------------------------------------------------------------------------------------------


@cache
def has_strace() -> bool:
    tried = (
        subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
        if shutil.which("strace")
        else None
    )
    return tried is not None and tried.returncode == 0


def environment(run: Path, **more: str) -> dict[str, str]:
    """The environment in which the shim is found before git."""
    folder = run / "bin"
    folder.mkdir(parents=True)
    (folder / "git").symlink_to(SHIM)
    real = shutil.which("git")
    assert real is not None
    with_parent = "setpriv --pdeathsig KILL" if shutil.which("setpriv") else ""
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CRASH_DIR": str(run),
        "CRASH_GIT": real,
        "CRASH_PDEATHSIG": with_parent,
        **more,
    }


@cache
def known_calls(names: tuple[str, ...]) -> str:
    """Those of the system calls that this machine has, with their `at` forms, as strace wants them."""
    every = dict.fromkeys(n for name in names for n in (name, AT_FORMS.get(name, name)))
    return ",".join("?" + name for name in every)


_LINE = re.compile(r"^(\d+\.\d+) (\w+)\(", re.MULTILINE)


def points_of(scene: Scene, work: Path) -> Iterator[Point]:
    """Every point of one undisturbed run, in order: of the product itself, then of each git child."""
    run = work / "record"
    copy = scene.copy(work / "recorded")
    traced = known_calls(PERSISTENT + BETWEEN)
    env = environment(run, CRASH_TRACE=traced, **copy.variables)
    command = ["strace", "-ttt", "-o", str(run / "trace.0"), "-e", f"trace={traced}", *copy.product]
    done = subprocess.run(
        [*command, "apply", "../series.mbox"],
        cwd=copy.repo,
        env=env,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(len(list(run.glob("trace.*")))):
        verb = _verb((run / f"call.{number}").read_text()) if number else "uet-git"
        seen: Counter[str] = Counter()
        for found in _LINE.finditer((run / f"trace.{number}").read_text(errors="replace")):
            seen[found[2]] += 1
            for who in ("alone", "both"):
                yield Point(number, found[2], seen[found[2]], who, verb)


def _verb(words: str) -> str:
    """The git command in a call's arguments, past its options; a dry run is told apart."""
    parts = iter(words.split())
    for part in parts:
        if part == "-c":
            next(parts, None)
        elif not part.startswith("-"):
            return part + (" -n" if "-n" in parts else "")
    return "?"


def shim_points(scene: Scene, work: Path) -> list[Point]:
    """Without strace: before and after each git child."""
    run = work / "record"
    copy = scene.copy(work / "recorded")
    done = subprocess.run(
        [*copy.product, "apply", "../series.mbox"],
        cwd=copy.repo,
        env=environment(run, **copy.variables),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    calls = sorted(int(p.suffix[1:]) for p in run.glob("call.*"))
    verbs = {n: _verb((run / f"call.{n}").read_text()) for n in calls}
    return [
        Point(n, when, 0, who, verbs[n])
        for n in calls
        for when in ("before", "after")
        for who in ("alone", "both")
    ]


def kill_at(scene: Scene, point: Point, where: Path) -> Wreck:
    """Runs one `apply` on a copy of the scene, kills it there, and looks at what is left, then at the next `apply`."""
    copy = scene.copy(where / "scene")
    before = state_of(copy)
    run = where / "run"
    name = point.syscall if point.when == 0 else f"{point.syscall}:{point.when}"
    if point.call == SELF:
        env = environment(run, **copy.variables)
        if point.who != "both":
            env["CRASH_PDEATHSIG"] = ""
        inject = f"inject={point.syscall}:signal=SIGKILL:when={point.when}"
        command = [
            "strace",
            "-o",
            "/dev/null",
            "-e",
            f"trace={point.syscall}",
            "-e",
            inject,
            *copy.product,
        ]
    else:
        aim = {"CRASH_CALL": str(point.call), "CRASH_POINT": name, "CRASH_WHO": point.who}
        env = environment(run, **aim, **copy.variables)
        command = [*copy.product]
    done = subprocess.run(
        [*command, "apply", "../series.mbox"],
        cwd=copy.repo,
        env=env,
        capture_output=True,
        check=False,
        timeout=60,
    )
    died = (run / "died").exists() or done.returncode == -signal.SIGKILL
    phase = phase_of(copy) if died else ""
    broken = [
        *told_and_gone(copy, done.stdout),
        *edits_lost(copy, before),
        *after_one_more(copy, before),
    ]
    if b"Traceback" in done.stdout + done.stderr:
        broken.append(f"a traceback: {done.stderr!r}")
    return Wreck(died, phase, broken)


# -- looking -----------------------------------------------------------------------------------------------------


class State(NamedTuple):
    """What a landing must leave as it is."""

    edits: dict[str, bytes]
    status: tuple[bytes, bytes]
    linked: bytes


def state_of(scene: Scene) -> State:
    status = [
        git(t, "--no-optional-locks", "status", "--porcelain=v1", "-z", "--untracked-files=all")
        for t in (scene.repo, scene.linked)
    ]
    edits = {name: (scene.repo / name).read_bytes() for name in EDITS}
    return State(edits, (status[0], status[1]), (scene.linked / "b.txt").read_bytes())


def phase_of(scene: Scene) -> str:
    """Where the landing stood when it was killed, judged by what is on the disk."""
    path = scene.repo / ".git" / "uet" / "ledger.db"
    if not path.exists():
        return "before the ledger"
    try:
        ledger = Ledger(path, Clock(), "test", read_only=True)
        open_ones = ledger.open_landings()
        ledger.close()
    except Exception:  # a hot journal, or half of a new ledger
        return "in a ledger transaction"
    if not open_ones:
        return "between landings"
    tip = git(scene.repo, "rev-parse", "main").decode().strip()
    locked = (scene.repo / ".git" / "refs" / "heads" / "main.lock").exists()
    if tip != open_ones[0].new:
        return "branch locked" if locked else "intended"
    moved = git(
        scene.repo, "diff", "--name-only", "--no-ext-diff", open_ones[0].old, open_ones[0].new
    ).split()
    touched = [
        p
        for p in moved
        if _at(scene.repo / os.fsdecode(p)) != _blob(scene.repo, open_ones[0].old, p)
    ]
    return "work tree begun" if touched else "branch moved, work tree not"


def _at(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _blob(repo: Path, commit: str, path: bytes) -> bytes | None:
    done = subprocess.run(
        ["git", "-C", str(repo), "cat-file", "blob", f"{commit}:{os.fsdecode(path)}"],
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


_TOLD = re.compile(rb"committed\s+([0-9a-f]{10})\s")


def told_and_gone(scene: Scene, out: bytes) -> list[str]:
    """Commits that were reported and are not in the branch (P1)."""
    history = git(scene.repo, "rev-list", "main").decode().split()
    return [
        f"reported and gone: {c.decode()}"
        for c in _TOLD.findall(out)
        if not any(h.startswith(c.decode()) for h in history)
    ]


def edits_lost(scene: Scene, before: State) -> list[str]:
    """The user's edits that are not what they were (P16)."""
    lost = [
        f"edit lost: {n}"
        for n, c in before.edits.items()
        if not (scene.repo / n).exists() or (scene.repo / n).read_bytes() != c
    ]
    return lost + (
        ["edit lost in the linked tree"]
        if (scene.linked / "b.txt").read_bytes() != before.linked
        else []
    )


def after_one_more(scene: Scene, before: State) -> list[str]:
    """One more `apply`, and everything must be as if nothing had happened (P1, P3, P15)."""
    again = subprocess.run(
        [*scene.product, "apply", "../series.mbox"],
        cwd=scene.repo,
        env={**os.environ, **scene.variables},
        capture_output=True,
        check=False,
        timeout=60,
    )
    broken = (
        []
        if again.returncode == 0
        else [f"the next apply: exit {again.returncode}: {(again.stdout + again.stderr).decode()}"]
    )
    repo = scene.repo
    if git(repo, "rev-parse", "main^{tree}").decode().strip() != scene.tree:
        broken.append("not the expected tree")
    if (
        found := git(repo, "log", "--reverse", "--format=%s", "main").decode().splitlines()
    ) != scene.subjects:
        broken.append(f"not the expected commits: {found}")
    broken += edits_lost(scene, before)
    now = state_of(scene)
    broken += [
        f"status was {a!r}, is {b!r}"
        for a, b in zip(before.status, now.status, strict=True)
        if a != b
    ]
    broken += ledger_broken(repo)
    checked = subprocess.run(
        ["git", "-C", str(repo), "fsck", "--strict", "--no-dangling"],
        capture_output=True,
        check=False,
    )
    if checked.returncode or checked.stdout or checked.stderr:
        broken.append(f"git fsck: {(checked.stdout + checked.stderr).decode()}")
    left = [
        str(p.relative_to(repo))
        for p in (repo / ".git").rglob("*.lock")
        if p.name not in ("queue.lock", "write.lock")
    ]
    left += [
        p.name
        for g in ("uet-*", ".uet-*", "uet/*.new-*", "uet/*.tmp")
        for p in (repo / ".git").glob(g)
    ]
    return broken + ([f"left behind: {left}"] if left else [])


def ledger_broken(repo: Path) -> list[str]:
    """Exactly once (P3), nobody in limbo, and all that `fsck` finds."""
    broken = []
    with Project.open(str(repo)) as project:
        ledger = project.ledger
        entries = list(ledger.entries.pages(None))
        committed = Counter(e.commit_id for e in entries if e.state == "committed")
        landed = Counter(
            git(repo, "log", "--format=%H", "--grep=^Uet-Patch: ", "main").decode().split()
        )
        if committed != landed:
            broken.append(f"entries and commits differ: {committed - landed} {landed - committed}")
        broken += [
            f"in limbo: {e.label} {e.state}"
            for e in entries
            if e.state in ("created", "validated", "applied", "verified")
        ]
        if ledger.open_landings() or ledger.runs.unfinished():
            broken.append("a landing or a run is still open")
        if pins := git(repo, "for-each-ref", "refs/uet/entries"):
            broken.append(f"pins are left: {pins.decode()}")
        broken += [
            f"fsck: {p.code}: {p.message}" for p in fsck.check(project) if p.severity == fsck.DAMAGE
        ]
    return broken


def learn(scene: Scene, work: Path) -> None:
    """Lands the series undisturbed, and takes what comes out as what is expected."""
    copy = scene.copy(work / "undisturbed")
    before = state_of(copy)
    done = subprocess.run(
        [*PRODUCT, "apply", "../series.mbox"],
        cwd=copy.repo,
        env={**os.environ, **copy.variables},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scene.tree = git(copy.repo, "rev-parse", "main^{tree}").decode().strip()
    scene.subjects = git(copy.repo, "log", "--reverse", "--format=%s", "main").decode().splitlines()
    assert state_of(copy) == before
    assert ledger_broken(copy.repo) == []
