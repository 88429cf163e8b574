"""Flags and UET_* variables over the target's settings: they may tighten them, never loosen (P6).

A setting is named as in `uet.toml` (`limits.files`), its variable UET_LIMITS_FILES; `gates.timeout`
caps the timeout of every gate. Variables outside these tables belong to others and are not read.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from uet_git.errors import LooserThanBase, UsageError
from uet_git.host import config_keys as keys
from uet_git.model.settings import Settings

_PREFIXES: Final = ("UET_LIMITS_", "UET_POLICY_", "UET_QUEUE_", "UET_GATES_", "UET_COMMIT_")
_LOWER: Final = {
    **{f"limits.{name}": key.check for name, key in keys.LIMITS.items()},
    "policy.max_files_changed": keys.POLICY["max_files_changed"].check,
    "policy.max_lines_changed": keys.POLICY["max_lines_changed"].check,
    "queue.max_attempts": keys.QUEUE["max_attempts"].check,
    "gates.timeout": keys.seconds,
}
_UNION: Final = {"policy.protected": keys.POLICY["protected"].check}
_TRUE: Final = {"policy.forbid_binary": keys.boolean}
_RANKED: Final = {"policy.preset": keys.POLICY["preset"].check}
_CHECKS: Final[dict[str, keys.Check]] = {**_LOWER, **_UNION, **_TRUE, **_RANKED}


def tighten(
    settings: Settings,
    flags: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """The settings under flags (by setting name; None is not given) and variables (default: the user's).

    Raises: LooserThanBase naming both values, UsageError for an unknown name or a wrong value.
    """
    wanted = [(name, value, _spelled(name)) for name, value in _from_env(env)]
    wanted += [(name, value, name) for name, value in (flags or {}).items() if value is not None]
    for name, value, said in wanted:
        check = _CHECKS.get(name)
        if check is None:
            raise UsageError(f"{said}: not a setting that can be tightened; {_nearest(name)}")
        try:
            settings = _applied(settings, name, check(value), said)
        except ValueError as exc:
            raise UsageError(f"{said} {exc}, not {value!r}") from None
    return settings


def _spelled(name: str) -> str:
    return "UET_" + name.replace(".", "_").upper()


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, _CHECKS, 1, 0.5)
    return f"did you mean {near[0]} ({_spelled(near[0])})?" if near else "see the documentation"


def _from_env(env: Mapping[str, str] | None) -> list[tuple[str, object]]:
    """The settings that variables name, as the values that a flag would have."""
    found: list[tuple[str, object]] = []
    for variable, text in sorted((os.environ if env is None else env).items()):
        if variable.startswith(_PREFIXES) and text:
            name = variable.removeprefix("UET_").lower().replace("_", ".", 1)
            found.append((name, _value(name, text)))
    return found


def _value(name: str, text: str) -> object:
    if name in _LOWER:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    if name in _UNION:
        return [part.strip() for part in text.split(",")]
    if name in _TRUE:
        return {"1": True, "true": True, "0": False, "false": False}.get(text.lower(), text)
    return text


def _applied(settings: Settings, name: str, value: Any, said: str) -> Settings:
    table, _, key = name.partition(".")
    if name == "gates.timeout":
        return replace(settings, gates=_capped(settings, value, said))
    if table == "policy":
        present = settings.preset if key == "preset" else settings.rule(key)
        value = _tighter(name, present, value, said)
        if key == "preset":
            return replace(settings, preset=value)
        policy = {**dict(settings.policy), key: value}
        return replace(settings, policy=tuple(sorted(policy.items())))
    part = settings.limits if table == "limits" else settings.queue
    value = _tighter(name, getattr(part, key), value, said)
    changed: Any = replace(part, **{key: value})
    return replace(settings, **{table: changed})


def _capped(settings: Settings, value: float, said: str) -> tuple[Any, ...]:
    """Every gate with at most this timeout; looser than all of them is loosening."""
    if settings.gates:
        longest = max(g.timeout for g in settings.gates)
        _tighter("gates.timeout", longest, value, said)
    return tuple(replace(g, timeout=min(g.timeout, value)) for g in settings.gates)


def _tighter(name: str, present: Any, value: Any, said: str) -> Any:
    """The value in force when `value` is laid over `present`. Raises: LooserThanBase."""
    looser: Callable[[Any, Any], bool]
    if name in _UNION:
        return tuple(dict.fromkeys((*(present or ()), *value)))
    if name in _RANKED:
        rank = keys.PRESETS.index
        looser = lambda new, old: rank(new) < rank(old)  # noqa: E731
    elif name in _TRUE:
        looser = lambda new, old: bool(old) and not new  # noqa: E731
    else:
        looser = lambda new, old: old is not None and new > old  # noqa: E731
    if looser(value, present):
        raise LooserThanBase(f"{said} = {value} is looser than {name} = {present} of the target")
    return value
