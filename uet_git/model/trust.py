"""trust: everything in a `uet.toml` that decides what runs, as one document, its hash, and its lines for people.

A value at its default is left out, so a newer uet-git that knows more keys asks nobody again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from uet_git.model import display
from uet_git.model.records import Gate
from uet_git.model.settings import Settings

_VERSION: Final = 1  # raise it if a default changes: what was accepted is then something else
_AROUND: Final = ("sandbox", "require_sandbox", "scratch_dir")
_WIDTH: Final = 9


def definitions(settings: Settings) -> dict[str, Any]:
    """What would run, as a JSON document: the gates in their order, and how and where they run."""
    around = _unlike_default(settings, _AROUND)
    if settings.queue.drain_on:
        around["drain_on"] = list(settings.queue.drain_on)
    names = Gate._fields
    gates = [_unlike_default(gate, names) for gate in settings.gates]
    return {"v": _VERSION, **around, "gates": gates}


def trust_hash(settings: Settings) -> str:
    """SHA-256 (hex) of the canonical JSON of the definitions. Comments, blanks and policy do not change it."""
    text = json.dumps(definitions(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def lines(settings: Settings) -> Iterator[str]:
    """The definitions for people: whole, nothing cut, safe to print."""
    document = definitions(settings)
    for gate in document.pop("gates"):
        yield f"gate {display.shown(gate.pop('name'))}"
        argv = gate.pop("run")
        if gate.pop("shell", False):
            yield from _shell(argv[0])
        else:
            yield _line("run", display.command(argv))
        for key, value in gate.items():
            yield _line(key, _text(value))
    del document["v"]
    for key, value in document.items():
        yield f"{key} = {_text(value)}"


def _unlike_default(record: Gate | Settings, names: Iterable[str]) -> dict[str, Any]:
    """The named fields that are not at their default, or have none."""
    defaults = record._field_defaults
    values = {name: getattr(record, name) for name in names}
    return {n: _plain(v) for n, v in values.items() if n not in defaults or v != defaults[n]}


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _shell(script: str) -> Iterator[str]:
    """Every line of a script behind a mark, so that none can pass for a line of ours."""
    for number, line in enumerate(script.split("\n")):
        yield _line("" if number else "shell", f"| {display.shown(line, len(line))}")


def _line(key: str, text: str) -> str:
    return f"  {key:{_WIDTH}} {text}"


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return display.shown(text, len(text))
