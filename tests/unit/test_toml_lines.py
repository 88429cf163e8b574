"""A message about uet.toml names the line, also of a key that only stands at the front of a longer one."""

import pytest

from uet_git.errors import ConfigError
from uet_git.host.config import parse_toml
from uet_git.host.toml_lines import line_of


def test_a_misspelt_table_is_named_with_its_line() -> None:
    text = b'version = 1\n\n[gate.tests]\nrun = ["true"]\n'
    with pytest.raises(ConfigError, match=r"uet.toml:3: unknown key `gate`; did you mean `gates`"):
        parse_toml(text)


def test_the_line_of_the_front_of_a_key_is_its_first() -> None:
    text = "a = 1\n[b.c]\nd = 2\n[b.e]\nf.g = 3\n"
    assert line_of(text, ("b",)) == 2
    assert line_of(text, ("b", "e", "f")) == 5
    assert line_of(text, ("b", "e", "missing")) == 4
    assert line_of(text, ("nowhere",)) == 0
