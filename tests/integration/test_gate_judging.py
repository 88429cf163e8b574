"""One place judges a tree by gates: each verdict is a row, gates run side by side as their needs allow, and a pass of
the same question is not asked twice (DESIGN 9)."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import commit_files, git, make_repo
from uet_git.gates.executor import Request
from uet_git.model.records import Gate, GateResult, Oid
from uet_git.model.settings import Settings
from uet_git.project import Project
from uet_git.queue.gate_run import TreeGates
from uet_git.queue.progress import GateListener


def sh(name: str, script: str, **more: object) -> Gate:
    return Gate(name, (script,), shell=True, **more)  # type: ignore[arg-type]


class Heard(GateListener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.results: list[GateResult] = []

    def started(self, gate: str) -> None:
        self.began.append(gate)

    def ended(self, result: GateResult) -> None:
        self.results.append(result)


class Bench:
    """A repository with a ledger, and judging in it."""

    def __init__(self, repo: Path, scratch: Path) -> None:
        self.repo = repo
        self.project = Project.open(str(repo))
        self.project.ensure_ledger()
        self.scratch = scratch
        self.heard = Heard()
        self.run = ""

    def tree(self, rev: str = "HEAD") -> Oid:
        return Oid(git(self.repo, "rev-parse", f"{rev}^{{tree}}").decode().strip())

    def judging(self, *gates: Gate, sandbox: str = "none", **more: object) -> TreeGates:
        settings = Settings(
            gates=gates,
            scratch_dir=str(self.scratch),
            sandbox=sandbox,
            **more,  # type: ignore[arg-type]
        )
        with self.project.ledger.write() as write:
            self.run = write.runs.start("apply", "person:Test", {"pid": os.getpid()})
        self.heard = Heard()
        return TreeGates(self.project, settings, self.run, self.heard)

    def judge(
        self, *gates: Gate, tree: str = "HEAD", paths: list[bytes] | None = None, **more: object
    ) -> dict[str, GateResult]:
        return self.judging(*gates).judge(self.tree(tree), gates, paths=paths, **more)  # type: ignore[arg-type]

    def rows(self) -> list[tuple[str, str]]:
        return [(g.name, g.state) for g in self.project.ledger.gates_of(run=self.run)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    repo = make_repo(tmp_path / "repo", {"a.txt": b"a\n", "d/b.py": b"b\n"})
    found = Bench(repo, tmp_path / "scratch")
    yield found
    found.project.close()


def states(results: dict[str, GateResult]) -> dict[str, str]:
    return {name: r.state for name, r in results.items()}


# -- order and side by side ------------------------------------------------------------------------------------------


def test_a_gate_after_a_failed_one_is_blocked_and_the_others_run(bench: Bench) -> None:
    gates = (
        sh("late", "true", needs=("bad",)),
        sh("later", "true", needs=("late",)),
        sh("bad", "exit 3"),
        sh("good", "true"),
    )
    found = bench.judge(*gates)
    assert states(found) == {
        "bad": "failed",
        "good": "passed",
        "late": "blocked",
        "later": "blocked",
    }
    assert list(found) == ["bad", "late", "later", "good"]
    assert sorted(bench.rows()) == [
        ("bad", "failed"),
        ("good", "passed"),
        ("late", "skipped"),
        ("later", "skipped"),
    ]
    told = [e.payload for e in bench.project.ledger.events_of(run=bench.run)]
    assert sum('"to":"blocked"' in t for t in told) == 2
    assert found["late"].detail == "needs bad: failed"


def test_a_gate_that_waited_for_a_need_goes_from_blocked_to_passed(bench: Bench) -> None:
    found = bench.judge(sh("second", "true", needs=("first",)), sh("first", "true"))
    assert states(found) == {"first": "passed", "second": "passed"}
    events = [
        e.payload for e in bench.project.ledger.events_of(run=bench.run) if '"second"' in e.payload
    ]
    moves = [p.split('"to":"')[1].split('"')[0] for p in events if '"to":"' in p]
    assert moves == ["pending", "blocked", "pending", "running", "passed"]
    assert bench.heard.began == ["first", "second"]


def test_gates_run_side_by_side_each_in_a_tree_of_its_own(bench: Bench, tmp_path: Path) -> None:
    """Each waits until the other is there: they end only if both run; and neither sees what the other writes."""
    script = (
        "echo $PWD; echo own >> a.txt; : > {meet}/{me}; n=0; "
        "while [ ! -e {meet}/{other} ]; do sleep 0.02; n=$((n+1)); [ $n -lt 250 ] || exit 9; done; "
        'test "$(cat a.txt)" = "$(printf \'a\\nown\')"'
    )
    gates = [
        sh(me, script.format(meet=tmp_path, me=me, other=o)) for me, o in (("x", "y"), ("y", "x"))
    ]
    found = bench.judge(*gates, jobs=2)
    assert states(found) == {"x": "passed", "y": "passed"}
    places = {Path(r.output).read_text() for r in found.values()}
    assert len(places) == 2


def test_at_most_so_many_at_once(bench: Bench, tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/one || exit 1; sleep 0.1; rmdir {tmp_path}/one"
    found = bench.judge(*(sh(f"g{i}", script) for i in range(3)), jobs=1)
    assert set(states(found).values()) == {"passed"}


def test_a_change_that_does_not_concern_a_gate_skips_it(bench: Bench) -> None:
    found = bench.judge(
        sh("py", "false", paths=("*.py",)), sh("all", "true", needs=("py",)), paths=[b"a.txt"]
    )
    assert states(found) == {"py": "skipped", "all": "passed"}
    assert found["py"].output == ""


# -- verdicts --------------------------------------------------------------------------------------------------------


def counted(bench: Bench, name: str = "g", **more: object) -> Gate:
    """A gate that leaves a line each time it really runs."""
    return sh(name, f"echo ran >> {bench.repo.parent}/{name}.count", **more)


def runs(bench: Bench, name: str = "g") -> int:
    path = bench.repo.parent / f"{name}.count"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_pass_is_used_again_and_says_when_and_where_it_was(bench: Bench) -> None:
    gate = counted(bench)
    first = bench.judge(gate)["g"]
    ran_in = bench.run
    again = bench.judge(gate)["g"]
    assert runs(bench) == 1
    assert again.state == "passed"
    assert again.cached is not None
    assert (again.cached.gate_id, again.cached.run_id) == (first.gate_id, ran_in)
    assert bench.rows() == [("g", "passed")]
    (row,) = bench.project.ledger.gates_of(run=bench.run)
    assert (row.cached_from, row.output_path, row.duration_seconds) == (
        first.gate_id,
        first.output,
        0.0,
    )
    assert bench.judge(gate, use_cache=False)["g"].cached is None
    assert runs(bench) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"timeout": 50.0},
        {"run": ("true; true",)},
        {"cache": False},
        {"network": True},
        {"pass_env": ("UET_TEST_VALUE",)},
        {"versions": (("cat", "/proc/sys/kernel/random/uuid"),)},
    ],
)
def test_another_question_is_asked_again(bench: Bench, change: dict[str, object]) -> None:

    gate = counted(bench)
    gate = gate if "run" in change else gate._replace(timeout=40.0)
    bench.judge(gate)
    other = gate._replace(**change)  # type: ignore[arg-type]
    assert bench.judge(other)["g"].cached is None
    if change.get("cache") is False:
        assert bench.judge(other)["g"].cached is None


def test_the_value_of_a_variable_that_a_gate_gets_is_part_of_the_question(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = counted(bench, pass_env=("SOME_SETTING",))
    for value, expected in (("1", 1), ("1", 1), ("2", 2), ("1", 2)):
        monkeypatch.setenv("SOME_SETTING", value)
        bench.judge(gate)
        assert runs(bench) == expected
    monkeypatch.setenv("NOT_PASSED", "x")
    bench.judge(gate)
    assert runs(bench) == 2


def test_a_failure_is_not_used_again(bench: Bench) -> None:
    gate = sh("g", f"echo ran >> {bench.repo.parent}/g.count; false")
    for expected in (1, 2):
        assert bench.judge(gate)["g"].state == "failed"
        assert runs(bench) == expected


def test_another_tree_is_another_question_unless_its_inputs_are_the_same(bench: Bench) -> None:
    whole, narrow = counted(bench, "whole"), counted(bench, "narrow", inputs=("*.py",))
    bench.judge(whole, narrow)
    commit_files(bench.repo, {"a.txt": b"other\n"}, "text")
    bench.judge(whole, narrow)
    assert (runs(bench, "whole"), runs(bench, "narrow")) == (2, 1)
    commit_files(bench.repo, {"d/b.py": b"other\n"}, "code")
    bench.judge(whole, narrow)
    assert (runs(bench, "whole"), runs(bench, "narrow")) == (3, 2)


def test_a_gate_with_inputs_sees_only_those_and_the_repository_gets_nothing(bench: Bench) -> None:
    before = git(bench.repo, "count-objects", "-v")
    found = bench.judge(sh("g", "find . -type f; echo tree $UET_TREE", inputs=("*.py",)))
    said = Path(found["g"].output).read_text().splitlines()
    assert said[0] == "./d/b.py"
    assert said[1].startswith("tree ")
    assert said[1] != f"tree {bench.tree()}"
    assert found["g"].tree == bench.tree()
    assert git(bench.repo, "count-objects", "-v") == before


# -- trying again ----------------------------------------------------------------------------------------------------


def test_a_pass_on_a_retry_is_flaky_and_not_used_again(bench: Bench) -> None:
    once = f"test -e {bench.repo.parent}/seen || {{ : > {bench.repo.parent}/seen; exit 1; }}"
    found = bench.judge(sh("g", once, retries=1))
    assert (found["g"].state, found["g"].flaky) == ("passed", ("g",))
    assert bench.rows() == [("g", "failed"), ("g", "passed")]
    assert [r.state for r in bench.heard.results] == ["failed", "passed"]
    assert bench.judge(sh("g", once, retries=1))["g"].cached is None


def test_retries_end(bench: Bench) -> None:
    found = bench.judge(sh("g", "false", retries=2))
    assert found["g"].state == "failed"
    assert bench.rows() == [("g", "failed")] * 3


# -- being ended -----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_running_gates_and_records_them(bench: Bench) -> None:
    class Impatient(Heard):
        def tick(self) -> None:
            raise KeyboardInterrupt

    gates = (sh("long", "sleep 60"), sh("after", "true", needs=("long",)))
    judging = bench.judging(*gates)
    judging.listener = Impatient()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        judging.judge(bench.tree(), gates, paths=None)
    assert time.monotonic() - began < 5
    assert bench.rows() == [("long", "canceled"), ("after", "skipped")]
    assert not [t for t in threading.enumerate() if t.name.startswith("gate ")]
    assert bench.judge(sh("g", "true"))["g"].state == "passed"


def test_what_breaks_in_one_gate_ends_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uet_git.errors import DiskFull
    from uet_git.gates import run as gate_run

    real = gate_run.run

    def breaking(gate: Gate, **more: object) -> GateResult:
        if gate.name == "bad":
            time.sleep(0.2)
            raise DiskFull("the log")
        return real(gate, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(gate_run, "run", breaking)
    with pytest.raises(DiskFull):
        bench.judge(sh("bad", "true"), sh("long", "sleep 60"), jobs=2)
    assert dict(bench.rows())["long"] == "canceled"


# -- the machine -----------------------------------------------------------------------------------------------------


def test_a_must_that_cannot_be_had_is_an_error_not_a_pass(bench: Bench) -> None:
    gate = sh("g", "true")
    judging = bench.judging(gate, require_sandbox=True)
    found = judging.judge(bench.tree(), (gate,), paths=None)
    assert found["g"].state == "error"
    assert "require_sandbox" in found["g"].detail
    assert bench.rows() == [("g", "error")]


def test_an_executor_gets_all_that_a_gate_needs(bench: Bench) -> None:
    """What another machine would need to run it is in the request, not in this process."""
    asked: list[Request] = []

    class Elsewhere:
        def submit(self, request: Request) -> None:
            asked.append(request)

        def poll(self, seconds: float) -> list[object]:
            from uet_git.gates.executor import Finished

            done = [
                Finished(r.attempt, GateResult(r.gate.name, "passed", 0, 1.0, "", False))
                for r in asked
            ]
            asked.clear()
            return list(done)

        def cancel(self, attempts: object) -> None: ...

    gate = sh("g", "true")
    judging = bench.judging(gate)
    judging.executor = Elsewhere()  # type: ignore[assignment]
    found = judging.judge(bench.tree(), (gate,), paths=None)
    assert found["g"].state == "passed"
