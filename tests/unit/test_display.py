"""Nothing of a patch or a gate reaches a terminal raw (DESIGN 2 P11): what is shown holds no character that a terminal
acts on or that a reader cannot see, and only one file of the command line writes."""

import ast
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import uet_git
from uet_git.cli import patchview
from uet_git.cli.render import Output
from uet_git.model import display

ANY = st.text(st.characters(codec=None, categories=None), max_size=80) | st.binary(max_size=80).map(
    lambda b: b.decode("utf-8", "surrogateescape")
)
# Visible marks of Arabic, Syriac, Kaithi and Egyptian, which Unicode counts as format characters.
VISIBLE_FORMAT = {
    *(*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD),
    *range(0x13430, 0x13440),
}


def harmful(text: str, allowed: str = "") -> list[str]:
    """Characters that a terminal acts on, or that show nothing."""
    return [
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and c not in allowed
        and ord(c) not in VISIBLE_FORMAT
    ]


@given(ANY)
@example("\x1b[31mred\x1b]0;title\x07\x9b2J\x7f")
@example("\u202ereversed\u2066\u200b\ufeff\U000e0041")
@example("\udc9b\udcff")
@example("\ud800\udc9b")
def test_what_is_shown_is_harmless(text: str) -> None:
    assert harmful(display.shown(text), "\n\t") == []
    assert harmful(display.line(text)) == []
    assert harmful(display.harmless(text), "\n\t") == []
    assert harmful(display.command([text, text])) == []


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    assert harmful(display.shown(data), "\n\t") == []
    display.shown(data).encode("utf-8")


def test_every_code_point_alone() -> None:
    """All of Unicode, not only what chance finds."""
    every = "".join(map(chr, range(0x110000)))
    assert harmful(display.shown(every, len(every)), "\n\t") == []
    assert harmful(display.harmless(every), "\n\t") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[0m", "\\x1b[0m"),
        ("a\rb", "a\\x0db"),
        ("\x9b", "\\x9b"),
        (b"\x9b\xff", "\\x9b\\xff"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
        ("caf\u00e9 \u4e2d \u05d0 \u2764\ufe0f", "caf\u00e9 \u4e2d \u05d0 \u2764\ufe0f"),
        ("\U0001f1e9", "\U0001f1e9"),
        (b"caf\xc3\xa9", "caf\u00e9"),
    ],
)
def test_escapes_can_be_read_and_letters_stay(text: str | bytes, said: str) -> None:
    assert display.shown(text) == said


def test_long_text_is_cut_with_a_note() -> None:
    assert display.line("x" * 400, 10) == "xxxxxxxxxx... (400 characters)"
    assert display.line("x" * 10, 10) == "xxxxxxxxxx"
    assert display.line("a\nb\tc") == "a b c"
    assert display.shown("a\nb\tc") == "a\nb\tc"
    assert display.name(b"a\nb\tc\r") == "a\\nb\\tc\\x0d"


def test_our_colours_pass_and_nothing_else_of_a_terminal() -> None:
    painted = "\x1b[31mred\x1b[0m"
    assert display.harmless(painted, colours=True) == painted
    assert display.harmless(painted) == "\\x1b[31mred\\x1b[0m"
    for code in ("\x1b[2J", "\x1b[38;5;1m", "\x1b]0;t\x07", "\x1b[8m", "\x1b[31"):
        assert "\x1b" not in display.harmless(code, colours=True)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), max_size=4))  # fmt: skip
@example(["it's", "a b", "\x1b[31m'\\", "", "\u202e\n\t"])
def test_a_command_is_what_a_shell_reads(argv: list[str]) -> None:
    """Whatever is in it, a shell that is given the shown line gets the same words."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    shown = display.command(["printf", "%s\\0", *argv])
    done = subprocess.run([bash, "-c", shown], capture_output=True, check=True)
    words = done.stdout.split(b"\0")[:-1] if argv else []
    assert words == [a.encode() for a in argv]


def test_only_one_file_writes() -> None:
    """In cli/ only render.py has the streams (a patch's bytes and an export's lines go to a pipe that asked for them)."""
    found = []
    for path in sorted((Path(uet_git.__file__).parent / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            if name in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write") or name.startswith(
                ("sys.stdout.buffer", "os.write")
            ):  # fmt: skip
                found.append((path.name, name))
    assert {name for name, _ in found} <= {"render.py", "patchview.py", "copies.py"}
    assert {n for f, n in found if f == "copies.py"} == {
        "sys.stdout.buffer",
        "sys.stdout.buffer.flush",
    }
    assert [n for f, n in found if f == "patchview.py" and "write" in n] == [
        "sys.stdout.buffer.write"
    ]


def test_the_way_out_escapes_what_a_command_forgot(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.text("\x1b[31mforgotten\u202e")
    out.notice("\x1b[31mforgotten\u202e")
    Output(as_json=True).document({"a": "\x1b\x7f\u202e"})
    said = capsys.readouterr()
    assert harmful(said.out + said.err, "\n") == []
    assert "\\x1b[31mforgotten\\u202e" in said.out


def test_a_long_line_does_not_hold_up_show() -> None:
    """unidiff needs seconds for a line of this form; it is shown without it."""
    line = b"Binary files a" + b" and b" * 20_000 + b" differ\n"
    found = patchview.coloured(b"--- a/x\n+++ b/x\n" + line)
    assert found[2][0].startswith("Binary files a and b and b")
