"""The hash that a person accepts covers everything that decides what runs, and nothing else; what is shown is whole."""

from typing import Any

import pytest

from uet_git.host.config import parse_toml
from uet_git.model.records import Gate
from uet_git.model.settings import QueueSettings, Settings
from uet_git.model.trust import definitions, lines, trust_hash

GATE = Gate("a", ("true",))
PLAIN = Settings(gates=(GATE,))
HASH = "95c3c763422e340e66673e74fcc50c608fb04171beb8bfdfdd4dd9d7a59b1f8b"


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return (*value, "x") if isinstance(value, tuple) else f"{value}x"


@pytest.mark.parametrize("name", Gate._fields)
def test_every_field_of_a_gate_counts(name: str) -> None:
    """Also one that a later release adds."""
    other = GATE._replace(**{name: changed(getattr(GATE, name))})
    assert trust_hash(PLAIN._replace(gates=(other,))) != trust_hash(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        {"sandbox": "none"},
        {"require_sandbox": True},
        {"scratch_dir": "/elsewhere"},
        {"queue": QueueSettings(drain_on=("post-commit",))},
        {"gates": ()},
        {"gates": (GATE, GATE._replace(name="b"))},
    ],
)
def test_what_is_around_the_gates_counts(other: dict[str, Any]) -> None:
    assert trust_hash(PLAIN._replace(**other)) != trust_hash(PLAIN)


def test_an_argv_is_not_its_shell_line_and_arguments_do_not_run_together() -> None:
    found = {
        trust_hash(Settings(gates=(Gate("a", run, shell=shell),)))
        for run, shell in ((("a b",), True), (("a b",), False), (("a", "b"), False))
    }
    assert len(found) == 3


def test_policy_comments_blanks_and_limits_do_not_count() -> None:
    gate = "[gates.a]\nrun = ['true']\n"
    texts = (
        f"version = 1\n{gate}",
        f"version = 1 # a comment\n\n[policy]\npreset = 'strict'\n[limits]\nfiles = 3\n{gate}",
        'version = 1\n[gates]\na = {timeout = 600, run = ["true"]}\n',
    )
    assert len({trust_hash(parse_toml(t.encode())) for t in texts}) == 1


def test_the_hash_stays_what_it_is() -> None:
    """A newer release must not ask again about the same definitions: defaults are left out."""
    text = b"version = 1\n[gates.a]\nkind = 'lint'\nrun = ['ruff', 'check']\ntimeout = 60\n"
    assert definitions(parse_toml(text)) == {
        "v": 1,
        "gates": [{"name": "a", "run": ["ruff", "check"], "kind": "lint", "timeout": 60.0}],
    }
    assert trust_hash(parse_toml(text)) == HASH


def test_what_is_shown_is_whole_and_safe() -> None:
    """Nothing is cut, no line of a script passes for one of ours, and nothing reaches a terminal raw."""
    script = "true\nhash 0000\n\x1b[2Jgone\u202e" + " " * 5_000 + "rm -rf /"
    shown = list(lines(Settings(gates=(Gate("a", (script,), shell=True, pass_env=("TOKEN",)),))))
    text = "\n".join(shown)
    assert "rm -rf /" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[2Jgone\\u202e" in text
    assert not any(line.startswith("hash") for line in shown)
    assert any(line.split() == ["pass_env", '["TOKEN"]'] for line in shown)


def test_every_field_is_shown() -> None:
    """Whatever counts for the hash is also seen by the person."""
    for field in Gate._fields:
        other = GATE._replace(**{field: changed(getattr(GATE, field))})
        assert list(lines(PLAIN._replace(gates=(other,)))) != list(lines(PLAIN)), field
    assert 'sandbox = "none"' in list(lines(PLAIN._replace(sandbox="none")))
