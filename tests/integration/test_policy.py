"""A patch is judged by the policy of the tip that it would land on, at submit by its words and at stage by what changes;
layers only tighten; `policy check` records nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import entries, entry, head, snapshot, uet

AWS = b"AKIA" + b"Z7Q2LMXW3RT5YKBD"
OTHER = b"AKIA" + b"Y8Q2LMXW3RT5YKBE"
A = b"one = 1\ntwo = 2\nthree = 3\n"
TEST = b"def test_one():\n    assert one == 1\n    assert two == 2\n"
FILES = {
    "a.py": A,
    "tests/test_a.py": TEST,
    "uet.toml": b'version = 1\n[policy]\npreset = "standard"\n',
    "old.txt": b"key = '" + AWS + b"'\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", FILES)


def write(repo: Path, name: str, *diffs: bytes, subject: str = "Do it") -> Path:
    path = repo.parent / name
    path.write_bytes(mail(subject, *diffs))
    return path


def configure(repo: Path, policy: str) -> None:
    commit_files(repo, {"uet.toml": f"version = 1\n[policy]\n{policy}\n".encode()}, "policy")


def outcome(repo: Path, patch: Path, *args: str, code: int | None = 1) -> dict[str, Any]:
    (found,) = uet(repo, "apply", *args, patch, "--json", code=code).document
    assert isinstance(found, dict)
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [f["code"] for f in found["findings"]]


GOOD = diff("a.py", A, A.replace(b"two = 2", b"two = 22"))
COPY = (
    b"diff --git a/old.txt b/new.txt\nsimilarity index 100%\ncopy from old.txt\ncopy to new.txt\n"
)
MOVE = b"diff --git a/old.txt b/new.txt\nsimilarity index 100%\nrename from old.txt\nrename to new.txt\n"

STANDARD = {
    "a good patch": ((GOOD,), None),
    "a protected path": ((diff(".github/workflows/x.yml", None, b"on: push\n"),), "policy.protected_path"),
    "the policy itself": ((diff("uet.toml", FILES["uet.toml"], b"version = 1\n"),), "policy.protected_path"),
    "a secret": ((diff("k.py", None, b"k = '" + AWS + b"'\n"),), "content.secret"),
    "a secret in a copy": ((COPY,), "content.secret"),
    "a secret in a rename": ((MOVE,), "content.secret"),
    "a line with a secret that stays": ((diff("old.txt", FILES["old.txt"], b"k = '" + AWS + b"'\n"),), None),
    "another secret in its place": ((diff("old.txt", FILES["old.txt"], b"key = '" + OTHER + b"'\n"),), "content.secret"),
    "a secret beside": ((diff("old.txt", FILES["old.txt"], b"k2 = 1\n" + FILES["old.txt"]),), None),
    "bidi": ((diff("b.py", None, "x = 1  # \u202e\n".encode()),), "content.bidi"),
    "invisible": ((diff("b.py", None, "x\u200b = 1\n".encode()),), "content.invisible"),
    "an assertion less": ((diff("tests/test_a.py", TEST, TEST[:-24]),), "policy.judge_edited"),
    "a test deleted": ((diff("tests/test_a.py", TEST, None),), "policy.judge_edited"),
    "test configuration": ((diff("conftest.py", None, b"x = 1\n"),), "policy.gate_input"),
    "part of pyproject": ((diff("pyproject.toml", None, b"[tool.pytest.ini_options]\nx = 1\n"),), "policy.gate_input"),
    "another part": ((diff("pyproject.toml", None, b"[project]\nname = 'x'\n"),), None),
}  # fmt: skip


@pytest.mark.parametrize(("diffs", "reason"), STANDARD.values(), ids=STANDARD)
def test_standard(repo: Path, diffs: tuple[bytes, ...], reason: str | None) -> None:
    before = snapshot(repo)
    found = outcome(repo, write(repo, "x.patch", *diffs), code=0 if reason is None else 1)
    assert (found["state"], found["reason"]) == (
        ("committed", None) if reason is None else ("quarantined", reason)
    )
    if reason is not None:
        assert snapshot(repo) == before
        said = json.dumps(found["findings"])
        assert AWS.decode() not in said
        assert OTHER.decode() not in said


def test_notes_are_recorded_and_stop_nothing(repo: Path) -> None:
    both = (
        GOOD,
        diff("tests/test_a.py", TEST, TEST + b"    assert three\n"),
        diff("uv.lock", None, b"1\n"),
    )
    found = outcome(repo, write(repo, "x.patch", *both), code=0)
    assert found["state"] == "committed"
    assert [(f["code"], f["path"]) for f in found["findings"]] == [
        ("policy.noted", "uv.lock"),
        ("policy.noted", "tests/test_a.py"),
    ]
    assert found["findings"][1]["detail"].startswith("policy.tests_edited: ")


def test_all_findings_are_stored_with_the_gravest_first_named(repo: Path) -> None:
    bad = (diff("conftest.py", None, b"x\n"), diff("b.py", None, "\u202e\n".encode()))
    configure(repo, 'preset = "standard"\nbidi = "refuse"\nmax_files_changed = 1')
    found = outcome(repo, write(repo, "x.patch", *bad))
    assert (found["state"], found["reason"]) == ("dropped", "policy.refused")
    assert codes(found) == [
        *("policy.max_files", "content.bidi", "policy.refused", "policy.gate_input"),
    ]
    configure(repo, 'preset = "standard"\nbidi = "refuse"')
    found = outcome(repo, write(repo, "y.patch", *bad, subject="Again"))
    assert (found["state"], found["reason"]) == ("dropped", "policy.refused")
    assert codes(found) == ["content.bidi", "policy.refused", "policy.gate_input"]


def test_flags_say_which_kind_of_rule_was_broken(repo: Path) -> None:
    from uet_git.project import Project

    outcome(repo, write(repo, "x.patch", diff("k.py", None, b"k = '" + AWS + b"'\n")))
    outcome(repo, write(repo, "y.patch", diff("conftest.py", None, b"x\n")), "--scope", "src/")
    with Project.open(str(repo)) as project:
        flags = [
            (e.format_ok, e.scope_ok, e.constraints_ok) for e in project.ledger.entries.pages()
        ]
    assert flags == [(1, 1, 0), (1, 0, 0)]


def test_a_patch_that_weakens_the_policy_is_judged_by_the_old_one(repo: Path) -> None:
    """P6: neither the patch, nor the file in the work tree, nor the entry's own branch decides."""
    (repo / "uet.toml").write_bytes(b"version = 1\n")
    weak = write(
        repo,
        "w.patch",
        diff("uet.toml", FILES["uet.toml"], b"version = 1\n"),
        diff("conftest.py", None, b"x\n"),
    )
    found = outcome(repo, weak)
    assert found["state"] == "quarantined"
    assert "policy.protected_path" in codes(found)


def test_a_configuration_in_the_work_tree_has_no_effect_and_is_named(repo: Path) -> None:
    note = b"uet.toml here differs from main's; main's is used"
    assert note not in uet(repo, "status").out + uet(repo, "apply").err
    (repo / "uet.toml").write_bytes(b"version = 1\n")
    assert note in uet(repo, "status").out
    assert note in uet(repo, "apply").err
    assert note.decode() == uet(repo, "status", "--json").document["config"]
    bad = write(repo, "x.patch", diff("conftest.py", None, b"x\n"))
    ran = uet(repo, "apply", bad, "--json", code=1)
    assert ran.document[0]["reason"] == "policy.gate_input"
    assert note in ran.err
    (repo / "uet.toml").unlink()
    missing = b"uet.toml is missing here; main's is used"
    assert missing in uet(repo, "status").out
    assert missing in uet(repo, "apply", code=None).err


def test_a_configuration_that_is_not_committed_is_named(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.py": A})
    (repo / "uet.toml").write_bytes(b'version = 1\n[policy]\npreset = "strict"\n')
    note = b"uet.toml here is not committed on main; main has none"
    assert note in uet(repo, "status").out
    assert note in uet(repo, "apply", write(repo, "x.patch", GOOD)).err


def test_doctor_says_which_policy_holds(repo: Path, home: Path) -> None:
    assert b"preset standard" in uet(repo, "doctor", code=None).out
    (home / "policy.toml").write_text('version = 1\n[policy]\npreset = "strict"\n')
    assert b"is looser than strict of" in uet(repo, "doctor", code=None).out


def test_a_tightened_tip_judges_what_is_queued(repo: Path) -> None:
    uet(repo, "submit", write(repo, "x.patch", GOOD))
    configure(repo, 'preset = "standard"\nprotected = ["a.py"]')
    (found,) = uet(repo, "apply", "--json", code=1).document
    assert found["reason"] == "policy.protected_path"
    uet(repo, "retry", "1", code=1)
    assert entry(repo, 1)["state"] == "quarantined"
    configure(repo, 'preset = "standard"')
    uet(repo, "retry", "1")
    uet(repo, "apply")
    assert entry(repo, 1)["state"] == "committed"


def test_what_a_person_waived_is_not_found_again(repo: Path) -> None:
    outcome(repo, write(repo, "x.patch", diff("conftest.py", None, b"x\n")))
    uet(repo, "release", "1", "--reason", "it is right")
    uet(repo, "apply")
    assert entry(repo, 1)["state"] == "committed"


def test_without_a_policy_nothing_of_it_is_even_loaded(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    repo = make_repo(tmp_path / "repo", {"a.py": A})
    patch = write(repo, "x.patch", GOOD)
    script = (
        "import sys; from uet_git.cli import main; code = main.run(sys.argv[1:]);"
        "bad = {'uet_git.model.policy_rules', 'uet_git.model.tamper', 'uet_git.queue.judge', 'detect_secrets'};"
        "assert not bad & set(sys.modules), bad & set(sys.modules); sys.exit(code)"
    )
    subprocess.run(
        [sys.executable, "-c", script, "apply", str(patch)],
        cwd=repo,
        check=True,
        env=dict(os.environ),
    )


# --- layers ----------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "uet-git"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def test_the_users_own_policy_holds_everywhere(tmp_path: Path, home: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.py": A})
    (home / "policy.toml").write_text('version = 1\n[policy]\nforbidden = ["a.py"]\n')
    assert outcome(repo, write(repo, "x.patch", GOOD))["reason"] == "policy.forbidden_path"
    document = uet(repo, "policy", "show", "--json").document
    assert document["scope"]["level"] == "global"
    assert document["sources"]["forbid_touching_paths"] == [
        {"level": "global", "where": str(home / "policy.toml"), "preset": ""}
    ]


def test_a_project_that_is_looser_than_the_user_is_refused(repo: Path, home: Path) -> None:
    (home / "policy.toml").write_text('version = 1\n[policy]\npreset = "strict"\n')
    for args in (
        ("policy", "show"),
        ("submit", write(repo, "x.patch", GOOD)),
        ("policy", "check", "../x.patch"),
    ):
        ran = uet(repo, *args, code=2)
        assert b"preset = standard of uet.toml (project) is looser than strict of" in ran.err
        assert b"policy.toml (global)" in ran.err
    assert entries(repo) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [("version = 1\n[gates.x]\nrun = ['x']\n", "unknown key `gates`"), ("[policy]\n", "`version = 1` is missing"),
     ("version = 1\n[policy]\nprset = 'open'\n", "did you mean `preset`?"), ("version = 1\n[policy.phases.a]\n", "phases"),
     ("no", "not TOML")],
)  # fmt: skip
def test_a_wrong_file_of_the_user_is_named(repo: Path, home: Path, text: str, says: str) -> None:
    (home / "policy.toml").write_text(text)
    ran = uet(repo, "policy", "show", code=3)
    assert b"policy.toml:" in ran.err
    assert says in ran.err.decode()


def test_a_phase_tightens_its_own_patches(repo: Path) -> None:
    configure(repo, 'preset = "standard"\n[policy.phases.PH-2]\nmax_files_changed = 1')
    two = (GOOD, diff("b.py", None, b"b = 1\n"))
    others = (diff("c.py", None, b"c = 1\n"), diff("d.py", None, b"d = 1\n"))
    found = outcome(repo, write(repo, "x.patch", *others), "--origin-json", '{"phase_id": "PH-2"}')
    assert found["reason"] == "policy.max_files"
    other = write(repo, "y.patch", *two, subject="Again")
    assert (
        outcome(repo, other, "--origin-json", '{"phase_id": "PH-1"}', code=0)["state"]
        == "committed"
    )
    shown = uet(repo, "policy", "show", "--phase", "PH-2", "--json").document
    assert shown["scope"] == {**shown["scope"], "level": "phase", "phase_id": "PH-2"}
    configure(repo, 'preset = "strict"\n[policy.phases.PH-2]\nmax_files_changed = 99')
    assert (
        b"99 of uet.toml [policy.phases.PH-2]"
        in uet(repo, "policy", "show", "--phase", "PH-2", code=2).err
    )
    uet(repo, "policy", "show")


def test_a_submission_tightens_itself(repo: Path) -> None:
    rules = json.dumps({"policy": {"constraints": {"max_lines_changed": 1}}})
    long = write(repo, "x.patch", diff("c.py", None, b"c = 1\nd = 2\n"))
    assert outcome(repo, long, "--origin-json", rules)["reason"] == "policy.max_lines"
    scope = json.dumps({"scope": {"write": ["a.py"], "create": ["docs/"], "forbidden": ["docs/x"]}})
    inside = write(repo, "y.patch", GOOD, diff("docs/y", None, b"1\n"), subject="Inside")
    assert outcome(repo, inside, "--origin-json", scope, code=0)["state"] == "committed"
    assert entry(repo, 2)["origin"] == {"scope": json.loads(scope)["scope"]}
    changed = write(
        repo, "z.patch", diff("docs/y", b"1\n", b"2\n"), subject="Changes what it may only make"
    )
    assert outcome(repo, changed, "--origin-json", scope)["reason"] == "policy.out_of_scope"
    left_alone = write(
        repo, "v.patch", diff("docs/x", None, b"1\n"), subject="Touches what it leaves alone"
    )
    assert outcome(repo, left_alone, "--origin-json", scope)["reason"] == "policy.forbidden_path"
    outside = write(repo, "w.patch", diff("b.py", None, b"1\n"), subject="Outside")
    assert outcome(repo, outside, "--origin-json", scope)["reason"] == "policy.out_of_scope"


def test_a_submission_cannot_loosen_and_leaves_no_entry(repo: Path) -> None:
    patch = write(repo, "x.patch", GOOD)
    ran = uet(repo, "submit", patch, "--origin-json", '{"policy": {"secrets": "off"}}', code=2)
    assert (
        b"secrets = off of the submission (document) is looser than person of preset standard"
        in ran.err
    )
    uet(repo, "submit", patch, "--origin-json", '{"policy": {"secretz": "off"}}', code=2)
    assert entries(repo) == []


def test_a_submission_that_became_loose_is_judged_by_the_tip(repo: Path) -> None:
    uet(
        repo,
        "submit",
        write(repo, "x.patch", GOOD),
        "--origin-json",
        '{"policy": {"max_lines_changed": 900}}',
    )
    configure(repo, 'preset = "standard"\nmax_lines_changed = 1')
    (found,) = uet(repo, "apply", "--json", code=1).document
    assert found["reason"] == "policy.max_lines"


def test_an_open_target_takes_a_stricter_submission(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.py": A})
    found = outcome(
        repo,
        write(repo, "x.patch", diff("k.py", None, b"k = '" + AWS + b"'\n")),
        "--preset",
        "standard",
    )
    assert found["reason"] == "content.secret"
    uet(
        repo,
        "submit",
        write(repo, "y.patch", diff("conftest.py", None, b"1\n")),
        "--preset",
        "standard",
    )
    (found,) = uet(repo, "apply", "--json", code=1).document
    assert found["reason"] == "policy.gate_input", "the preset is kept with the entry"


@pytest.mark.parametrize("command", [("apply",), ("policy", "show"), ("apply", "../x.patch"), ("submit", "../x.patch"),
                                     ("policy", "check", "../x.patch")])  # fmt: skip
def test_neither_flag_nor_variable_loosens(repo: Path, command: tuple[str, ...]) -> None:
    write(repo, "x.patch", GOOD)
    before = head(repo)
    for args, env, name in (
        (("--preset", "open"), {}, "--preset"),
        ((), {"UET_PRESET": "open"}, "UET_PRESET"),
        ((), {"UET_POLICY_PRESET": "open"}, "UET_POLICY_PRESET"),
    ):
        ran = uet(repo, *command, *args, env=env, code=2)
        assert f"{name} = open is looser than policy.preset = standard" in ran.err.decode()
    assert head(repo) == before


def test_variables_tighten(repo: Path) -> None:
    patch = write(repo, "x.patch", GOOD)
    for env, reason in (
        ({"UET_POLICY_MAX_LINES_CHANGED": "1"}, "policy.max_lines"),
        ({"UET_POLICY_PROTECTED": "a.py,b.py"}, "policy.protected_path"),
        ({"UET_LIMITS_PATCH_BYTES": "100"}, "size.patch"),
        ({"UET_PRESET": "strict"}, "policy.tests_required"),
    ):
        ran = uet(repo, "policy", "check", "--json", patch, env=env, code=1)
        assert ran.document["patches"][0]["reason"] == reason
    shown = uet(repo, "policy", "show", env={"UET_PRESET": "strict"})
    assert b"preset strict, UET_PRESET (project)" in shown.out
    assert (
        uet(repo, "policy", "show", env={"UET_POLICY_PRSET": "x"}, code=2).err.count(
            b"did you mean"
        )
        == 1
    )


# --- policy show and check ---------------------------------------------------------------------------


def test_show_prints_every_rule(repo: Path) -> None:
    from uet_git.model import policy

    out = uet(repo, "policy", "show").out.decode()
    assert out.startswith("policy for main: preset standard\n")
    rows = {line.split()[0]: line for line in out.splitlines()[2:]}
    assert set(rows) == set(policy.FIELDS) - {"preset"}
    assert rows["secrets"].split() == [
        "secrets",
        "person",
        "preset",
        "standard,",
        "uet.toml",
        "(project)",
    ]
    assert rows["symlinks"].endswith("preset open, built in (default)")


def test_check_records_nothing(repo: Path) -> None:
    before = snapshot(repo)
    objects = git(repo, "count-objects", "-v")
    bad = write(repo, "bad.patch", diff("k.py", None, b"k = '" + AWS + b"'\n"), GOOD)
    good = write(repo, "good.patch", diff("b.py", None, b"b = 1\n"), subject="Good")
    ran = uet(repo, "policy", "check", bad, good, code=1)
    assert ran.out.decode().splitlines() == [
        "content.secret: Do it",
        "  content.secret: k.py: AWS Access Key (line 13)",
        "clean: Good",
    ]
    uet(repo, "policy", "check", good)
    uet(repo, "policy", "check", "-", stdin=good.read_bytes())
    assert snapshot(repo) == before
    assert git(repo, "count-objects", "-v") == objects
    assert not (repo / ".git" / "uet").exists()


def test_check_stands_patches_on_one_another(repo: Path) -> None:
    first = mail("One", diff("b.py", None, b"b = 1\n"))
    second = mail("Two", diff("b.py", b"b = 1\n", b"b = 2\n"))
    (repo.parent / "s.mbox").write_bytes(first + second)
    found = uet(repo, "policy", "check", "../s.mbox", "--json").document
    assert [p["applies"] for p in found["patches"]] == [True, True]
    assert found["clean"]


def test_check_judges_what_does_not_fit_by_its_words(repo: Path) -> None:
    patch = write(repo, "x.patch", diff("gone.py", b"1\n", b"k = '" + AWS + b"'\n"))
    ran = uet(repo, "policy", "check", patch, "--json", code=1)
    (found,) = ran.document["patches"]
    assert (found["applies"], found["reason"]) == (False, "content.secret")
    only_stale = write(repo, "y.patch", diff("gone.py", b"1\n", b"2\n"))
    assert b"does not fit" in uet(repo, "policy", "check", only_stale).out


def test_check_takes_entries_ranges_and_what_cannot_be_read(repo: Path) -> None:
    uet(repo, "submit", write(repo, "x.patch", GOOD))
    git(repo, "checkout", "-q", "-b", "work")
    commit_files(repo, {"conftest.py": b"x\n"}, "Configure tests")
    git(repo, "checkout", "-q", "main")
    found = uet(repo, "policy", "check", "1", "main..work", "--json", code=1).document["patches"]
    assert [p["reason"] for p in found] == ["policy.gate_input", None]
    (repo.parent / "junk").write_bytes(b"hello\n")
    (junk,) = uet(repo, "policy", "check", "../junk", "--json", code=1).document["patches"]
    assert (junk["applies"], junk["reason"]) == (None, "parse.empty")


# --- oscillation -----------------------------------------------------------------------------------


def toggles(repo: Path, count: int) -> list[Path]:
    """Patches that turn one line back and forth, each made to be handed in as another change."""
    on, off = A, A.replace(b"two = 2", b"two = 22")
    return [
        write(
            repo,
            f"{n}.patch",
            diff("a.py", *((on, off) if n % 2 else (off, on))),
            subject=f"Turn {n}",
        )
        for n in range(1, count + 1)
    ]


def test_oscillation_goes_to_a_person_with_the_list(repo: Path) -> None:
    configure(repo, 'preset = "standard"\noscillation_window = 5')
    one, two, three = toggles(repo, 3)
    uet(repo, "apply", one)
    uet(repo, "apply", two)
    found = outcome(repo, three)
    assert (found["state"], found["reason"]) == ("quarantined", "policy.oscillation")
    assert found["detail"].startswith("1, 2 and this one turn it back and forth: two = 2")
    kinds = [(e["kind"], e["payload"].get("reason")) for e in entry(repo, 3)["events"]]
    assert ("patch_quarantined", "policy.oscillation") in kinds


def test_oscillation_within_one_drain_and_across_the_window(repo: Path) -> None:
    configure(repo, 'preset = "standard"\noscillation_window = 2\noscillation_threshold = 3')
    patches = toggles(repo, 3)
    uet(repo, "submit", "--independent", *patches)
    uet(repo, "apply", code=1)
    assert [e["state"] for e in entries(repo)] == ["committed", "committed", "quarantined"]
    uet(repo, "drop", "3")
    for n in range(2):
        uet(
            repo,
            "apply",
            write(repo, f"o{n}", diff(f"o{n}.py", None, b"other = 1\n"), subject=f"Other {n}"),
        )
    again = write(
        repo, "again", diff("a.py", A, A.replace(b"two = 2", b"two = 22")), subject="Once more"
    )
    assert outcome(repo, again)["reason"] == "queue.dropped_before"
    uet(repo, "release", "6", "--waive", "queue.dropped_before", "--reason", "wanted now")
    uet(repo, "apply")
    assert entry(repo, 6)["state"] == "committed", "the window has moved on"


def test_without_a_window_lines_may_turn(repo: Path) -> None:
    for patch in toggles(repo, 4):
        uet(repo, "apply", patch)
