"""click is loaded with stand-ins for what it hardly needs: it works as with the real modules, and so does everybody else."""

import json
import subprocess
import sys

LEFT_OUT = ("inspect", "platform", "urllib.parse", "ipaddress", "dataclasses", "shutil", "lzma",
            "gettext", "locale", "getpass", "uuid", "queue", "heapq")  # fmt: skip


def said(script: str) -> object:
    """What a fresh Python prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{script}"], capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_what_no_command_needs_is_not_loaded() -> None:
    script = (
        "from uet_git.cli.loading import load_click\nload_click()\n"
        "import uet_git.cli.main, uet_git.cli.intake, uet_git.queue.line\n"
        f"print(json.dumps([m for m in {LEFT_OUT} if m in sys.modules]))"
    )
    assert said(script) == []


def test_the_real_modules_come_when_they_are_asked_for() -> None:
    script = (
        "from uet_git.cli.loading import load_click\nload_click()\n"
        "import click, pathlib, uuid, inspect, platform, urllib.parse\n"
        "@click.command()\n@click.option('--x', help='''One.\n\n    Two.\n    ''')\n"
        "def c(x):\n    '''First.\n\n    Second.'''\n"
        "print(json.dumps([inspect.isfunction(c), platform.system(), urllib.parse.quote('ä'),\n"
        "  pathlib.Path('/ä').as_uri(), click.core.inspect.isfunction(said := lambda: 0), c.params[0].help,\n"
        "  c.get_help(click.Context(c)), uuid.uuid4().version]))"
    )
    found = said(script)
    assert isinstance(found, list)
    text = found.pop(6)
    assert found == [False, "Linux" if sys.platform == "linux" else found[1], "%C3%A4",
                     "file:///%C3%A4", True, "One.\n\nTwo.", 4]  # fmt: skip
    assert "First." in text
    assert "Second." in text


def test_a_class_that_click_names_is_the_real_one_for_who_uses_it() -> None:
    script = (
        "import click, uuid\n"
        "text = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'\n"
        "given = click.UUID.convert(text, None, None)\n"
        "print(json.dumps([str(given) == text, click.UUID.convert(given, None, None) is given,\n"
        "  isinstance(given, uuid.UUID)]))"
    )
    load = "from uet_git.cli.loading import load_click\nload_click()\n"
    assert said(load + script) == said(script) == [True, True, True]


def test_click_says_what_it_says_with_the_real_gettext_and_text_has_the_real_encoding() -> None:
    script = (
        "import click, subprocess, sys, locale, gettext\n"
        "@click.command()\n@click.argument('n', nargs=2, type=int)\ndef c(n): pass\n"
        "said = []\n"
        "for args in (['1'], ['1', 'x'], ['1', '2', '3'], ['1', '2', '3', '4'], ['--y']):\n"
        "  try: c.main(args, standalone_mode=False)\n"
        "  except click.ClickException as exc: said.append(exc.format_message())\n"
        "print(json.dumps([said, subprocess.run([sys.executable, '-c', 'print(1)'], text=True, stdout=-1).stdout,\n"
        "  locale.getencoding(), gettext.gettext('x')]))"
    )
    load = "from uet_git.cli.loading import load_click\nload_click()\n"
    assert said(load + script) == said(script)


def test_where_they_are_loaded_already_they_stay() -> None:
    script = (
        "import inspect, platform\nfrom uet_git.cli.loading import load_click\nload_click()\nimport click\n"
        "print(json.dumps([sys.modules['inspect'] is inspect, click.core.inspect is inspect,\n"
        "  sys.modules['platform'] is platform]))"
    )
    assert said(script) == [True, True, True]
