"""`python -m bench`: prints the table of bars, each contender in a fresh clone in every round, ratios of medians.

`--rounds N` (default 5), `--only NAME...` (httpx redis newtonsoft conflict judge many start review hooks memory),
`--folder DIR` (default: tmpfs). Peers run in the same round as we do; the machine's noise then hits all alike.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import contenders as c
from bench.hooks import contenders, makers
from bench.workloads import CORPORA, ENV, Corpus, copy, git, many_files, tree_of

Rounds = dict[str, list[float]]


class Table:
    """Collects rows and prints them as they come."""

    def __init__(self, rounds: int, folder: Path) -> None:
        self.rounds = rounds
        self.folder = folder
        self.misses: list[str] = []
        print(f"{'what':58} {'median':>10} {'peer':>10} {'ratio':>7}  bar    goal")

    def row(
        self,
        what: str,
        ours: list[float],
        peer: list[float],
        bar: float | None,
        goal: str,
        unit: str = "s",
    ) -> None:
        """One ratio of medians."""
        a, b = statistics.median(ours), statistics.median(peer)
        ratio = a / b
        scale = 1000 if unit == "ms" else 1
        met = "" if bar is None else ("ok" if ratio <= bar else "MISS")
        if met == "MISS":
            self.misses.append(what)
        shown = "" if bar is None else f"{bar:g} x"
        print(
            f"{what:58} {a * scale:8.2f} {unit:1} {b * scale:8.2f} {unit:1} {ratio:6.2f}x  {shown:6} {goal:8} {met}",
            flush=True,
        )

    def value(self, what: str, value: str, bar: str, met: bool) -> None:
        """One figure against a fixed bar."""
        if not met:
            self.misses.append(what)
        print(
            f"{what:58} {value:>10} {'':>12} {'':8} {bar:15} {'ok' if met else 'MISS'}", flush=True
        )

    def run(self, makers: dict[str, Callable[[], float]]) -> Rounds:
        """Runs every contender once a round, in turn."""
        found: Rounds = {name: [] for name in makers}
        for number in range(self.rounds + 1):
            for name, maker in makers.items():
                seconds = maker()
                if number:  # the first round warms caches
                    found[name].append(seconds)
        return found


def series(table: Table, name: str, bar: float, goal: str) -> None:
    """A whole series against `git am`, `git apply --index` + `git commit` and the limit."""
    corpus = Corpus(name, table.folder)
    where = table.folder / "clone"
    count = len(corpus.expected["series"])
    few = c.split(corpus, table.folder / f"{name}-mails")[:60]
    done = corpus.clone(table.folder / "done")
    c.uet(done, corpus.mbox)
    assert tree_of(done) == corpus.expected["final_tree"], f"{name}: wrong tree"
    stream = c.precomputed(done)
    found = table.run(
        {
            "uet": lambda: c.uet(corpus.clone(where), corpus.mbox),
            "am": lambda: c.git_am(corpus.clone(where), corpus.mbox),
            "apply": lambda: c.apply_and_commit(corpus.clone(where), few) * count / len(few),
            "limit": lambda: c.fast_import(corpus.clone(where), stream),
        }
    )
    table.row(f"land {name}, {count} patches | git am", found["uet"], found["am"], bar, goal)
    table.row(
        "  the same | git apply --index + git commit (60, scaled)",
        found["uet"],
        found["apply"],
        None,
        "",
    )
    table.row(
        "  the same | limit: git fast-import, zlib 1, no deltas",
        found["uet"],
        found["limit"],
        None,
        "",
    )


def newtonsoft(table: Table) -> None:
    """CRLF: plain `git am` fails; we need no flag."""
    corpus = Corpus("newtonsoft", table.folder)
    where = table.folder / "clone"
    plain = subprocess.run(
        ["git", "am", "-q", str(corpus.mbox)],
        cwd=corpus.clone(where),
        env=ENV,
        capture_output=True,
        check=False,
    )
    found = table.run(
        {
            "uet": lambda: c.uet(corpus.clone(where), corpus.mbox),
            "am": lambda: c.git_am(corpus.clone(table.folder / "am"), corpus.mbox, "--keep-cr"),
        }
    )
    exact = tree_of(where) == corpus.expected["final_tree"]
    table.value(
        "newtonsoft (CRLF): exact tree, no flag", "exact" if exact else "WRONG", "exact tree", exact
    )
    print(f"  plain `git am` exits with {plain.returncode}")
    table.row(
        "  land newtonsoft, 308 patches | git am --keep-cr", found["uet"], found["am"], None, ""
    )


def conflict(table: Table) -> None:
    """Topics on one base, a third of them conflicting: one call against one `git am` a patch."""
    corpus = Corpus("httpx-conflict", table.folder)
    queue = corpus.expected["queues"]["natural"]
    mails = c.split(corpus, table.folder / "conflict-mails", queue["order"])
    mbox = table.folder / "conflict.mbox"
    mbox.write_bytes(b"".join(p.read_bytes() for p in mails))
    where = table.folder / "clone"
    found = table.run(
        {
            "am": lambda: c.git_am_each(corpus.clone(where), mails),
            "apply": lambda: c.apply_and_commit(corpus.clone(where), mails),
            "uet": lambda: c.uet(corpus.clone(where), mbox, "--independent", ok=(1,)),
        }
    )
    assert tree_of(where) == queue["final_tree"], "httpx-conflict: wrong tree"
    what = f"httpx-conflict, {len(mails)} topics, apply --independent"
    table.row(f"{what} | git am + --abort", found["uet"], found["am"], 0.3, "0.2 x")
    table.row("  the same | git apply --index + git commit", found["uet"], found["apply"], None, "")


def judge(table: Table) -> None:
    """Judging a whole series by the preset `standard`, which `init` writes, against `open`, which has no rules."""
    corpus = Corpus("httpx", table.folder)
    where = corpus.clone(table.folder / "clone")
    argv = [*c.UET, "policy", "check", "--preset"]
    found = table.run(
        {
            preset: partial(c.timed, [*argv, preset, str(corpus.mbox)], where, ok=(0, 1))
            for preset in ("open", "standard")
        }
    )
    count = len(corpus.expected["series"])
    what = f"policy check, httpx, {count} patches: standard | open"
    table.row(what, found["standard"], found["open"], 1.3, "")


def many(table: Table) -> None:
    """Milliseconds a patch in a large repository against a small one: marginal cost, 100 to 1,000 patches."""
    made = {
        n: (many_files(table.folder, n, 100), many_files(table.folder / "more", n, 1000))
        for n in (200, 50_000)
    }
    where = table.folder / "clone"

    def once(files: int, which: int) -> Callable[[], float]:
        repo, mbox = made[files][which]
        return lambda: c.uet(copy(repo, where), mbox)

    found = table.run({f"{n}-{w}": once(n, w) for n in made for w in (0, 1)})
    for n in made:
        found[str(n)] = [
            (b - a) / 900 for a, b in zip(found[f"{n}-0"], found[f"{n}-1"], strict=True)
        ]
    table.row(
        "a patch, 50,000-file | 200-file repository",
        found["50000"],
        found["200"],
        1.3,
        "1.05 x",
        "ms",
    )


def start(table: Table) -> None:
    """Start-up, and `status` on a ledger of 100,000 entries."""
    from bench.ledgers import filled

    empty, full = filled(table.folder / "empty", 0), filled(table.folder / "full", 100_000)
    found = table.run(
        {
            "version": lambda: c.timed([*c.UET, "--version"], table.folder),
            "empty": lambda: c.timed([*c.UET, "status"], empty),
            "full": lambda: c.timed([*c.UET, "status"], full),
        }
    )
    median = statistics.median(found["version"])
    table.value("uet-git --version", f"{median * 1000:.0f} ms", "< 120 ms", median < 0.12)
    table.row(
        "status, 100,000 entries | empty ledger", found["full"], found["empty"], 1.5, "", "ms"
    )


def review(table: Table) -> None:
    """What a person who looks after a full quarantine waits for: 10,000 entries, 500 of them quarantined."""
    from bench.ledgers import held

    repo = held(table.folder / "held", 10_000, 500)
    listing = [*c.UET, "list", "--state", "quarantined"]
    found = table.run(
        {
            "review": lambda: c.first_screen([*c.UET, "review"], repo),
            "list": lambda: c.timed(listing, repo),
            "plain": lambda: c.timed([*c.UET, "review"], repo, ok=(1,)),
        }
    )
    for name, what, bar in (
        ("review", "review: first screen, 500 of 10,000 quarantined", 0.3),
        ("list", "list --state quarantined, the same", 0.2),
        ("plain", "review, not on a terminal, the same", 0.3),
    ):
        median = statistics.median(found[name])
        table.value(what, f"{median * 1000:.0f} ms", f"< {bar * 1000:.0f} ms", median < bar)


def hooks(table: Table) -> None:
    """Commits through our hooks against none, prek and pre-commit, each manager in a repository of its own."""
    disk = Path(tempfile.mkdtemp(prefix="uet-hooks-"))  # on a disk, as people's repositories are
    try:
        _hooks(table, disk)
    finally:
        shutil.rmtree(disk, ignore_errors=True)


def _hooks(table: Table, disk: Path) -> None:
    small = contenders(disk / "small", c.UET, 10, 1)
    again = {name: r for name, r in small.items() if name in ("none", "uet")}
    found = table.run(makers(again, again=True))
    what = "commit with hooks, verdict cached | without hooks"
    table.row(what, found["uet"], found["none"], 2.0, "1.7 x", "ms")
    found = table.run(makers(small))
    for name, bar, goal in (("prek", 2.0, "1.3 x"), ("pre-commit", 0.35, "")):
        if name in found:
            what = f"commit, one no-op gate, small repository | {name}"
            table.row(what, found["uet"], found[name], bar, goal, "ms")
    table.row("  the same | without hooks", found["uet"], found["none"], None, "", "ms")
    large = contenders(disk / "large", c.UET, 5_000, 200, 40)
    found = table.run(makers(large))
    what = "commit, 5,000 files, 200 staged, 40 unstaged"
    if "prek" in found:
        table.row(f"{what} | prek", found["uet"], found["prek"], 1.3, "", "ms")
    table.row(f"{what} | without hooks", found["uet"], found["none"], None, "", "ms")


def memory(table: Table) -> None:
    """Peak memory of the largest series (19 MB mbox)."""
    corpus = Corpus("newtonsoft", table.folder)
    repo = corpus.clone(table.folder / "clone")
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    argv = [sys.executable, "-c", code, *c.UET, "apply", "-q", str(corpus.mbox)]
    done = subprocess.run(argv, cwd=repo, env=ENV, capture_output=True, check=True)
    megabytes = int(done.stdout) / (1024 if sys.platform != "darwin" else 1024 * 1024)
    table.value(
        "peak memory, newtonsoft (19 MB mbox)", f"{megabytes:.0f} MB", "<= 150 MB", megabytes <= 150
    )


ROWS: dict[str, Callable[[Table], None]] = {
    "httpx": lambda t: series(t, "httpx", 0.75, "0.5 x"),
    "redis": lambda t: series(t, "redis", 0.8, "0.5 x"),
    "newtonsoft": newtonsoft,
    "conflict": conflict,
    "judge": judge,
    "many": many,
    "start": start,
    "review": review,
    "hooks": hooks,
    "memory": memory,
}


def main() -> int:
    """Prints the table; exits with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    base = given.folder or (
        Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    )
    if not CORPORA.is_dir():
        print(f"the real patch series are not here ({CORPORA}); set UET_CORPORA", file=sys.stderr)
        given.only = [name for name in given.only if name in ("many", "start", "review", "hooks")]
        if not given.only:
            return 2
    # An installed package has its byte code; a checkout where Python may not write it has none.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "uet_git"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="uet-bench-", dir=base))
    (folder / "more").mkdir()
    try:
        print(
            f"{git(folder, 'version')}, Python {sys.version.split()[0]}, {given.rounds} rounds, in {base}"
        )
        table = Table(given.rounds, folder)
        for name in given.only:
            ROWS[name](table)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"bars missed: {', '.join(table.misses)}"
        if table.misses
        else "every bar that was measured is met"
    )
    return 1 if table.misses else 0


if __name__ == "__main__":
    sys.exit(main())
