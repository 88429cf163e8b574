"""What is needed to mend a patch: the failing tests, the places that do not fit and who changed them, how to hand it in
again; bounded, and safe on a page (DESIGN 12)."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import COMMAND, states, trust, uet
from uet_git.host import contracts
from uet_git.model import rework_page
from uet_git.project import Project
from uet_git.queue import line, rework, submit
from uet_git.queue.options import Options, Source
from uet_git.queue.progress import Listener

LINES = b"".join(b"line %d\n" % n for n in range(1, 41))
MODULE = b"def f():\n    return 1\n\n\ndef g():\n    return 2\n"


def packet(repo: Path, label: str) -> dict[str, Any]:
    """The packet of an entry, which satisfies its schema."""
    with Project.open(str(repo)) as project:
        number, _, revision = label.partition(".")
        entry = project.ledger.entries.revision(int(number), int(revision) if revision else None)
        assert entry is not None
        found = rework.packet(project, entry)
    assert list(contracts.iter_errors(found, "rework.v1")) == []
    return json.loads(json.dumps(found))


def hand_in(repo: Path, patch: bytes, **given: Any) -> None:
    """Submits and applies as `uet-git apply -` does, in this process."""
    with Project.open(str(repo)) as project:
        project.ensure_ledger()
        options = Options("refs/heads/main", **given)

        def wanted(run: str) -> list[Any]:
            done = submit.submit(project, [Source("standard input", patch)], options, run=run)
            return [d.entry for d in done]

        line.apply(project, wanted, Listener())


def text(lines: list[dict[str, Any]], *, differing: bool = False) -> list[str]:
    return [f"{e['line']} {e['text']}" for e in lines if e["differs"] or not differing]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Change 1 landed and made line 10 `line ten`."""
    repo = make_repo(tmp_path / "repo", {"a.txt": LINES, "lib/m.py": MODULE})
    first = diff("a.txt", LINES, LINES.replace(b"line 10\n", b"line ten\n"))
    hand_in(repo, mail("Spell ten", first))
    return repo


def bad() -> bytes:
    """A patch of two hunks, of which the first expects what change 1 took away."""
    new = LINES.replace(b"line 10\n", b"line X\n").replace(b"line 30\n", b"line XXX\n")
    return diff("a.txt", LINES, new)


def test_from_a_bad_diff_to_a_landing_in_two_calls(repo: Path, tmp_path: Path) -> None:
    """What the first call prints is enough to write the good diff and the second call."""
    (tmp_path / "bad.diff").write_bytes(bad())
    (found,) = uet(repo, "apply", "../bad.diff", "--json", code=1).document
    told = found["rework"]
    assert list(contracts.iter_errors(told, "rework.v1")) == []
    (place,) = told["conflicts"]
    assert text(place["expected"], differing=True) == ["10 line 10"]
    assert text(place["found"], differing=True) == ["10 line ten"]
    good = bad().replace(b"-line 10\n", b"-line ten\n")
    (tmp_path / told["resubmit"]["file"][2]).write_bytes(good)
    argv = told["resubmit"]["file"]
    (landed,) = uet(tmp_path, "-C", "repo", *_in_parent(argv), "--json").document
    assert (landed["state"], landed["number"], landed["revision"]) == ("committed", 2, 2)
    assert landed["rework"] is None
    assert b"line X\n" in git(repo, "show", "main:a.txt")


def _in_parent(argv: list[str]) -> list[str]:
    assert argv[0] == "uet-git"
    return [f"../{part}" if part == rework.FILE else part for part in argv[1:]]


@pytest.mark.parametrize("which", ["argv", "submit"])
def test_the_command_works_as_it_stands(which: str, repo: Path) -> None:
    """It reads the mended patch on standard input, and the issue, scope, message and author come along."""
    given = ("--message", "Say 'X'\n\nFor a reason.", "--author", "Ann <ann@example.com>")
    uet(repo, "apply", "-", *given, "--issue", "A-1", "--scope", "a.txt", stdin=bad(), code=1)
    argv = packet(repo, "2")["resubmit"][which]
    good = bad().replace(b"-line 10\n", b"-line ten\n")
    (found,) = uet(repo, *argv[1:], "--json", stdin=good).document
    assert (found["number"], found["revision"]) == (2, 2)
    assert (found["issue"], found["author"]) == ("A-1", "Ann <ann@example.com>")
    assert found["message"] == "Say 'X'\n\nFor a reason.\n"


def test_only_the_hunks_that_do_not_fit_are_told(repo: Path) -> None:
    """With the text around, the landed change that is in the way, and the hunk as typed."""
    hand_in(repo, mail("Roman", bad()))
    found = packet(repo, "2")
    (place,) = found["conflicts"]
    assert (place["path"], place["hunk"], place["hunks"], place["line"]) == ("a.txt", 1, 2, 11)
    assert text(place["expected"])[0] == "7 line 7"
    assert text(place["found"])[0] == "4 line 4"
    assert "-line 10\n+line X\n" in place["typed"]
    by = place["changed_by"]
    assert (by["number"], by["title"], by["exact"]) == (1, "Spell ten", True)
    assert by["commit"] == git(repo, "rev-parse", "main").decode().strip()
    assert not found["fits"]
    page = uet(repo, "show", "2", "--rework").out.decode()
    assert "by change 1: `Spell ten`" in page
    assert "    10 > line ten" in page
    assert page.endswith("uet-git apply - --replaces 2\n```\n")


def test_a_commit_made_by_hand_is_told_too(repo: Path) -> None:
    """The lines are traced, past later commits on the same file."""
    old = git(repo, "show", "HEAD:a.txt")
    by_hand = commit_files(repo, {"a.txt": old.replace(b"line 20\n", b"score\n")}, "By hand")
    commit_files(repo, {"a.txt": old.replace(b"line 20\n", b"score\n") + b"more\n"}, "Later")
    hand_in(repo, diff("a.txt", old, old.replace(b"line 20\n", b"x\n")))
    by = packet(repo, "2")["conflicts"][0]["changed_by"]
    assert (by["commit"], by["number"], by["exact"]) == (by_hand, None, True)


def test_a_malformed_diff_is_explained_as_it_may_be_meant(repo: Path) -> None:
    typed = b"```diff\n--- lib/m.py\n+++ lib/m.py\n@@ ... @@\n def g():\n-    return 7\n+    return 8\n```\n"
    hand_in(repo, typed)
    found = packet(repo, "2")
    assert found["state"] == "dropped"
    (place,) = found["conflicts"]
    assert (place["path"], place["line"]) == ("lib/m.py", 4)
    assert text(place["expected"], differing=True) == ["2     return 7"]
    assert text(place["found"], differing=True) == ["6     return 2"]
    good = diff("lib/m.py", MODULE, MODULE.replace(b"return 2", b"return 8"))
    uet(repo, *found["resubmit"]["argv"][1:], stdin=good)
    assert states(repo) == {"1": "committed", "2.1": "dropped", "2": "committed"}


def test_similar_text_elsewhere_is_shown(repo: Path) -> None:
    moved = b"# new\n" * 30 + MODULE
    commit_files(repo, {"lib/m.py": moved}, "Move")
    typed = diff("lib/m.py", MODULE, MODULE.replace(b"return 1", b"return 3"))
    hand_in(repo, typed.replace(b" def f()", b" def f(x)"))
    (place,) = packet(repo, "2")["conflicts"]
    assert text(place["similar"])[:2] == ["31 def f():", "32     return 1"]


def test_of_a_long_hunk_the_place_is_shown(repo: Path) -> None:
    """The first line that does not fit is among the lines that are shown, however far into the hunk it is."""
    old = b"".join(b"row %d\n" % n for n in range(1, 301))
    commit_files(repo, {"long.txt": old}, "Long")
    typed = (
        diff("long.txt", old, b"0\n" + old + b"301\n").split(b"@@")[0] + b"@@ -1,300 +1,301 @@\n"
    )
    rows = old.replace(b"row 200\n", b"row zweihundert\n").splitlines(True)
    hand_in(repo, typed + b"".join(b" " + row for row in rows) + b"+301\n")
    (place,) = packet(repo, "2")["conflicts"]
    assert text(place["expected"], differing=True) == ["200 row zweihundert"]
    assert text(place["found"], differing=True) == ["200 row 200"]


def test_a_file_that_moved_is_found_by_its_name(repo: Path) -> None:
    git(repo, "mv", "lib/m.py", "m.py")
    git(repo, "commit", "-qm", "Move the module")
    hand_in(repo, diff("lib/m.py", MODULE, MODULE + b"x\n"))
    (place,) = packet(repo, "2")["conflicts"]
    assert (place["code"], place["same_name"]) == ("apply.no_such_file", ["m.py"])
    assert place["changed_by"]["title"] == "Move the module"


def test_what_is_there_already_is_said(repo: Path) -> None:
    tip = git(repo, "show", "HEAD:a.txt")
    half = diff("a.txt", LINES, LINES.replace(b"line 10\n", b"line ten\n") + b"end\n")
    hand_in(repo, half)
    (place,) = packet(repo, "2")["conflicts"]
    assert place["already_there"]
    assert b"end" not in tip


def test_a_submit_that_would_not_apply_says_so(repo: Path) -> None:
    (found,) = uet(repo, "submit", "-", "--json", stdin=bad()).document
    assert found["forecast"]["applies"] is False
    assert found["rework"]["conflicts"][0]["changed_by"]["number"] == 1
    (fine,) = uet(repo, "submit", "-", "--json", stdin=diff("n", None, b"n\n")).document
    assert fine["rework"] is None


def test_many_at_once_are_bounded(repo: Path) -> None:
    """The first 20 of a call are explained, and of one patch the first 20 places; the rest are counted."""
    many = b"".join(mail(f"No {n}", diff(f"none{n}", b"a\n", b"b\n")) for n in range(25))
    found = uet(repo, "apply", "--independent", "-", "--json", stdin=many, code=1).document
    assert [e["rework"] is not None for e in found] == [True] * 20 + [False] * 5
    uet(
        repo,
        "apply",
        "-",
        stdin=b"".join(diff(f"none{n}", b"a\n", b"b\n") for n in range(25)),
        code=1,
    )
    one = packet(repo, "27")
    assert (len(one["conflicts"]), one["more_conflicts"]) == (20, 5)


def test_what_has_landed_needs_no_rework(repo: Path) -> None:
    found = packet(repo, "1")
    assert (found["resubmit"], found["conflicts"], found["fits"]) == (None, [], False)


# -- gates -------------------------------------------------------------------------------------------------------

REPORT = b"""<testsuite tests="2" failures="1"><testcase classname="test_a" name="test_ok"/>
<testcase classname="test_a" name="test_bad"><failure message="assert 1 == 2">E   where <b>1</b> = x</failure>
</testcase></testsuite>"""


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """Change 1 was held by a gate whose report names a failed test and whose log is long."""
    shell = "grep -q bad a.txt || exit 0; cp report.xml r.xml; seq 1 5000; echo the end; exit 1"
    config = (
        f"version = 1\n[gates.unit]\nkind = 'unit_tests'\nshell = '''{shell}'''\njunit = 'r.xml'\n"
    )
    ok = b'<testsuite tests="1"><testcase classname="t" name="ok"/></testsuite>'
    config = config.replace("|| exit 0", f"|| {{ echo '{ok.decode()}' > r.xml; exit 0; }}")
    repo = make_repo(
        tmp_path / "repo",
        {
            "a.txt": LINES,
            "report.xml": REPORT.replace(b"<b>1</b>", b"&lt;b&gt;1"),
            "uet.toml": config.encode(),
        },
    )
    trust(repo)
    hand_in(repo, mail("Bad", diff("a.txt", LINES, LINES + b"bad\n")))
    return repo


def test_failing_tests_and_the_end_of_the_log(gated: Path) -> None:
    found = packet(gated, "1")
    assert found["fits"]
    (gate,) = found["gates"]
    assert (gate["name"], gate["state"], gate["failed"]) == ("unit", "failed", 1)
    (test,) = gate["tests"]
    assert (test["name"], test["message"]) == ("test_a::test_bad", "assert 1 == 2")
    assert gate["log"]["lines"][-2:] == ["5000", "the end"]
    assert len(gate["log"]["lines"]) == rework.LOG_LINES
    assert not gate["log"]["whole"]
    page = uet(gated, "show", "1", "--rework").out.decode()
    assert "### Failed: `test_a::test_bad`" in page
    assert "The patch fits `main` as it is now." in page


def test_a_log_of_50_mb_is_not_read_whole(gated: Path) -> None:
    """Only its end is looked at; one line of it may be all of it."""
    path = packet(gated, "1")["gates"][0]["log"]["path"]
    with Path(path).open("ab") as file:
        file.truncate(50_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\x1b[31mx" * 200_000 + b"\nlast\n")
    log = packet(gated, "1")["gates"][0]["log"]
    assert log["lines"][-1] == "last"
    assert sum(map(len, log["lines"])) < 70_000
    page = uet(gated, "show", "1", "--rework").out
    assert b"\x1b" not in page
    assert len(page) < 100_000


def test_a_log_that_is_gone(gated: Path) -> None:
    Path(packet(gated, "1")["gates"][0]["log"]["path"]).unlink()
    assert packet(gated, "1")["gates"][0]["log"] is None


# -- the page ----------------------------------------------------------------------------------------------------

EVIL = (
    "<script>alert(1)</script> <img src=x> [a](javascript:x) ![i](http://e.example/i) `` ` ``` # h\r"
    " http://e.example @all \x1b]0;t\x07\u202ee\u202c\u200b &lt; | * _ ~~~"
)
OURS = {"h1", "h2", "h3", "p", "code", "pre", "ul", "li", "strong"}


def evil_packet() -> dict[str, Any]:
    """A packet with hostile text in every field that can hold foreign text."""
    line = [
        {"line": n, "text": t, "differs": True}
        for n, t in enumerate((EVIL, "````", "</code></pre>" + EVIL), 1)
    ]
    by = {
        "commit": "a" * 40,
        "title": EVIL,
        "author": EVIL,
        "number": 1,
        "revision": 2,
        "exact": True,
    }
    conflict = {
        "path": EVIL,
        "code": "apply.conflict",
        "hunk": 1,
        "hunks": 1,
        "line": 1,
        "words": EVIL,
        "already_there": True,
    }
    conflict |= {
        "typed": f"{EVIL}\n```\n# x\n",
        "expected": line,
        "found": line,
        "similar": line,
        "same_name": [EVIL],
        "changed_by": by,
    }
    gate = {
        "name": EVIL,
        "state": "failed",
        "exit_code": 1,
        "detail": EVIL,
        "tree": "a" * 40,
        "run": [EVIL],
        "failed": 3,
    }
    gate |= {
        "tests": [{"name": EVIL, "message": f"{EVIL}\n```\n# x", "details": f"```\n{EVIL}\n# x"}]
    }
    gate |= {"log": {"path": EVIL, "size": 9, "whole": False, "lines": [EVIL, "```", "# x"]}}
    finding = {
        "code": "apply.conflict",
        "detail": EVIL,
        "path": EVIL,
        "line": 3,
        "words": "w",
        "waivable": True,
    }
    argv = ["uet-git", "apply", "-", "--replaces", "1", f"--message={EVIL}\n```\n# x"]
    return {
        **{
            "v": 1,
            "id": "0" * 26,
            "number": 1,
            "revision": 2,
            "state": "dropped",
            "reason": "apply.conflict",
        },
        **{
            "title": EVIL,
            "submitter": EVIL,
            "target": f"refs/heads/{EVIL}",
            "tip": "b" * 40,
            "words": EVIL,
        },
        **{
            "findings": [finding],
            "gates": [gate],
            "fits": True,
            "conflicts": [conflict],
            "more_conflicts": 1,
        },
        **{"repaired": True, "resubmit": {"argv": argv, "file": argv, "submit": argv}},
    }


def test_hostile_text_is_only_ever_code_on_the_page() -> None:
    """No tag, link, image or heading of its own, and nothing that a terminal acts on or a reader does not see."""
    document = evil_packet()
    assert list(contracts.iter_errors(document, "rework.v1")) == []
    page = rework_page.markdown(document)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]", page)
    html = MarkdownIt("commonmark", {"html": True, "linkify": False}).render(page)
    assert {t.rstrip("/ ") for t in re.findall(r"<\s*/?\s*([a-z0-9]+)", html)} <= OURS
    outside = re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.DOTALL)
    for foreign in ("alert", "javascript", "e.example", "@all", "# x"):
        assert foreign not in outside
    assert html.count("<h1>") == 1


def test_a_line_to_type_holds_hostile_words(tmp_path: Path) -> None:
    """The command of the page, typed into a shell, hands the same message in."""
    repo = make_repo(tmp_path / "repo", {"a.txt": LINES})
    words = "It's `bad` $(id)\n\n```\n\x1b[31mred"
    uet(repo, "apply", "-", "--message", words, stdin=diff("none", b"a\n", b"b\n"), code=1)
    page = uet(repo, "show", "1", "--rework").out.decode()
    shown = re.findall(r"^uet-git apply - .*$", page, re.MULTILINE)[0]
    typed = shown.replace("uet-git", " ".join(COMMAND), 1)
    good = diff("new", None, b"n\n")
    done = subprocess.run(
        ["bash", "-c", typed], cwd=repo, input=good, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert git(repo, "log", "-1", "--format=%B").startswith(b"It's `bad` $(id)\n\n```\n\x1b[31mred")
