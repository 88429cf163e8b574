"""Whatever a patch, a gate or a configuration puts in a field, no command writes a control, escape, direction or invisible
character to a stream (DESIGN 2, P11): for people, as JSON, with colours wanted, in errors and notices."""

import ast
import json
import re
import unicodedata
from pathlib import Path

import pytest

import uet_git
from tests.builders import commit_files, diff, git, make_repo
from tests.product import Ran, entries, trust, uet

EVIL = "\x1b[31m\x1b]0;evil\x07\x9b2J\r\x08\u202ereversed\u2066\u200b\ufeff\U000e0041\u2028\x7f"
ENCODED = EVIL.encode()
LONG = "long" * 5_000
WORD = "".join(f"={b:02X}" for b in ENCODED)
LINES = b"".join(b"line%d\n" % i for i in range(1, 11))
ALLOWED = {*"\n\t"}
COLOURS = {"FORCE_COLOR": "1"}


def raw(ran: Ran, *, colours: bool = False) -> list[str]:
    """What of a command's streams a terminal would act on, or a reader not see."""
    text = (ran.out + ran.err).decode("utf-8", "surrogateescape")
    if colours:
        text = re.sub(r"\x1b\[(?:0|1|2|3[0-9])m", "", text)
    bad = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return sorted({c for c in text if unicodedata.category(c) in bad and c not in ALLOWED})


def mail(subject: str, author: str, body: bytes) -> bytes:
    head = f"From: =?UTF-8?q?{author}?= <p@example.com>\nSubject: [PATCH] =?UTF-8?q?{subject}?=\n\n"
    return head.encode() + body


def quoted(path: bytes) -> bytes:
    return b"".join(b"\\%03o" % c for c in path)


def added(path: bytes, content: bytes) -> bytes:
    name = quoted(path)
    lines = content.count(b"\n")
    return (
        b'diff --git "a/%b" "b/%b"\nnew file mode 100644\n--- /dev/null\n+++ "b/%b"\n@@ -0,0 +1,%d @@\n%b'
        % (name, name, name, lines, b"".join(b"+%b\n" % x for x in content.split(b"\n")[:-1]))
    )


def patches() -> dict[str, bytes]:
    """Patches by what is evil in them; among them are those that land, wait, fail and are dropped."""
    evil = ENCODED.replace(b"\r", b"")
    good = diff("a.txt", LINES, LINES.replace(b"line1\n", evil.replace(b"\n", b"") + b"\n"))
    text = b"message " + evil + b" " + LONG.encode() + b"\n---\n"
    return {
        "subject": mail(WORD, WORD, text + good),
        "path": added(b"x" + evil + b"/y", b"x\n"),
        "path-lines": added(b"two\nlines\tand a tab", b"x\n"),
        "path-bytes": added(b"caf\xe9\x9b", b"x\n"),
        "path-bidi": added("evil\u202etxt.exe".encode(), b"x\n"),
        "content": added(b"evil.txt", evil + b"\n" + LONG.encode() + b"\n"),
        "conflict": diff("a.txt", b"no " + evil + b"\n", b"x\n"),
        "header": b"--- a/" + evil + b"\n+++ b/other\n@@ -1 +1 @@\n-x\n+y\n",
        "hunk": b"--- a/a.txt\n+++ b/a.txt\n@@ "
        + evil
        + b" @@\n-line1\n+"
        + evil
        + b"\n line2\n line3\n",
        "mode": b"diff --git a/a.txt b/a.txt\nold mode 100644\nnew mode " + evil + b"\n",
        "date": mail("x", "Pat", b"").replace(b"\n\n", b"\nDate: " + evil + b"\n\n")
        + b"---\n"
        + good,
        "charset": mail(WORD, WORD, b"x\n---\n").replace(b"UTF-8", b"x" + evil[:6]) + good,
        "link": added(b"l", evil + b"\n").replace(b"100644", b"120000"),
        "prose": evil + b"\n",
        "carriage": diff("a.txt", LINES, LINES.replace(b"line1\n", b"line1\r\n")),
        "test": diff(
            "tests/test_a.py", b"assert 1\n", b"import pytest\npytest.skip('" + evil + b"')\n"
        ),
    }


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository whose gate prints everything that there is, and fails for some."""
    script = b"import sys\nsys.stdout.buffer.write(%r)\nsys.exit('evil' in str(__import__('os').listdir('.')))\n"
    files = {
        "a.txt": LINES,
        "tests/test_a.py": b"assert 1\n",
        "gate.py": script % (ENCODED + b"\n" + LONG.encode() + b"\n"),
        "uet.toml": b'version = 1\n[policy]\npreset = "standard"\n[gates.unit]\nrun = ["python3", "gate.py"]\n',
    }
    made = make_repo(tmp_path / "repo", files)
    trust(made)
    return made


def looks(numbers: list[str]) -> list[list[str]]:
    """Every command that shows what is there."""
    found = [
        ["list"],
        ["status"],
        ["log"],
        ["run", "list"],
        ["fsck"],
        ["doctor"],
        ["policy", "show"],
        ["audit"],
    ]
    for number in numbers:
        found += [["show", number], ["log", number]]
    return found


def test_no_command_writes_foreign_characters(repo: Path, tmp_path: Path) -> None:
    said: dict[str, Ran] = {}

    def call(*args: str, env: dict[str, str] | None = None) -> Ran:
        ran = uet(repo, *args, code=None, env=env)
        said[f"{args} {env or ''}"] = ran
        return ran

    for name, patch in patches().items():
        file = tmp_path / f"{name}{EVIL.replace('/', '')}.patch"
        file.write_bytes(patch)
        call("policy", "check", str(file))
        call("submit", str(file), "--origin", f"tool{EVIL}", "--issue", EVIL)
        if name in ("subject", "conflict"):
            call("submit", str(file), "--message", f"m {EVIL}", "--json")
        call("apply", str(file), "--onto", "main")
    call("apply")
    numbers = [str(e["number"]) for e in entries(repo)]
    assert {e["state"] for e in entries(repo)} >= {
        "committed",
        "quarantined",
        "dropped",
        "apply_failed",
    }
    call("submit", str(tmp_path / EVIL))
    call("show", EVIL)
    call("apply", "--onto", EVIL)
    call("submit", "--replaces", "1", str(tmp_path / EVIL))
    call(EVIL)
    call("list", f"--{EVIL}")
    call("submit", "--preset", EVIL, str(tmp_path))
    call("pause", "--reason", EVIL)
    for argv in looks(numbers):
        call(*argv, env=COLOURS if argv[0] == "show" else None)
        if argv[0] != "log":
            call(*argv, "--json")
    call("resume")
    waiting = [e for e in entries(repo) if e["state"] == "quarantined"]
    for entry in waiting[:4]:
        number = str(entry["number"])
        call("release", number, "--waive", entry["reason"], "--reason", EVIL)
        call("retry", number)
        call("drop", number)
    for text, ran in said.items():
        assert raw(ran, colours="FORCE_COLOR" in text) == [], (text, ran.said[:3000])
        if "'--json'" in text:
            json.loads(ran.out)
        assert b"Traceback" not in ran.out + ran.err
        assert ran.code != 70, ran.said
    assert len(said) > 100


def test_a_branch_and_a_configuration_with_evil_in_them(repo: Path) -> None:
    """git allows direction marks in branch names; a configuration may hold anything."""
    branch = "topic\u202e\u200b"
    git(repo, "branch", branch)
    toml = f'version = 1\n"{EVIL.encode("unicode_escape").decode()}"= 1\n'.replace(
        "\\x", "\\u00"
    ).encode()
    outs = [
        uet(repo, "status", code=None),
        uet(repo, "apply", "--onto", branch, code=None),
        uet(repo, "policy", "show", "--onto", branch, code=None),
    ]
    for content in (
        toml,
        b"version = 1\n# " + ENCODED,
        b'version = 1\n[gates."%b"]\nrun = ["x"]\n' % "a\u202eb".encode(),
    ):
        commit_files(repo, {"uet.toml": content}, "rules")
        outs += [
            uet(repo, *argv, code=None)
            for argv in (
                ["apply"],
                ["status"],
                ["doctor"],
                ["policy", "show"],
                ["apply", "--json"],
                ["list"],
            )
        ]
    for ran in outs:
        assert raw(ran) == [], ran.said
        assert ran.code != 70, ran.said


def test_a_path_with_two_lines_is_shown_as_one(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.patch"
    file.write_bytes(patches()["path-lines"])
    uet(repo, "submit", str(file), code=1)
    shown = uet(repo, "show", "1").out
    assert b"path.control_char: two\\nlines\\tand a tab" in shown
    assert b"two\\nlines\\tand a tab" in uet(repo, "policy", "check", str(file), code=1).out


def test_a_line_end_that_changes_is_seen(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.patch"
    file.write_bytes(patches()["carriage"])
    uet(repo, "submit", str(file), code=None)
    assert b"+line1\\x0d\n" in uet(repo, "show", "1").out


WRITERS = {
    *("cli/render.py", "cli/patchview.py", "cli/copies.py", "__main__.py", "hookentry.py"),
    "host/spinner.py",
}


def test_only_one_file_of_the_package_writes_to_a_stream() -> None:
    """`patchview` writes bytes that were asked for, to a pipe; `__main__` a version number;
    `hookentry` one line, escaped; `copies` an export's lines, to a pipe; `spinner` names of gates; no other anything."""
    root = Path(uet_git.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            if name in ("print", "click.echo", "click.secho", "os.write") or name.startswith(
                ("sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer", "sys.stderr.buffer")
            ):
                found.add((path.relative_to(root).as_posix(), name))
    allowed = {(f, n) for f, n in found if f in WRITERS or n == "os.write"}
    assert found == allowed
