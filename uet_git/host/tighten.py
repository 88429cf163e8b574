"""Flags and UET_* variables over the target's settings: they may tighten them, never loosen (P6).

A setting is named as in `uet.toml` (`limits.files`), its variable UET_LIMITS_FILES; `gates.timeout`
caps the timeout of every gate. Variables outside these tables belong to others and are not read.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from uet_git.errors import LooserThanBase, UsageError
from uet_git.host import config_keys as keys
from uet_git.model import policy
from uet_git.model.settings import Settings

_PREFIXES: Final = ("UET_LIMITS_", "UET_POLICY_", "UET_QUEUE_", "UET_GATES_", "UET_COMMIT_")
_SHORT: Final = {
    "UET_PRESET": "policy.preset",
    "UET_SANDBOX": "sandbox",
    "UET_REQUIRE_SANDBOX": "require_sandbox",
}
_FLAGS: Final = {"policy.preset": "--preset"}
_LONGEST: Final = 200  # characters of a value that the ledger keeps
_NUMBERS: Final = {
    **{f"limits.{name}": key.check for name, key in keys.LIMITS.items()},
    "queue.max_attempts": keys.QUEUE["max_attempts"].check,
    "gates.timeout": keys.seconds,
}
_POLICY: Final = {f"policy.{name}": key.check for name, key in keys.POLICY.items()}
_TOP: Final = {name: keys.TOP[name].check for name in ("sandbox", "require_sandbox")}
_CHECKS: Final[dict[str, keys.Check]] = {**_NUMBERS, **_POLICY, **_TOP}
_SAFER: Final = {
    "none": ("auto", "unshare", "bubblewrap"),
    "auto": ("bubblewrap",),  # it may have been that one
    "unshare": ("bubblewrap",),
}


def tighten(
    settings: Settings,
    flags: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """The settings under flags (by setting name; None is not given) and variables (default: the user's).

    Raises: LooserThanBase naming both values, UsageError for an unknown name or a wrong value.
    """
    wanted = _from_env(env)
    given = (flags or {}).items()
    wanted += [(name, value, _FLAGS.get(name, name)) for name, value in given if value is not None]
    for name, value, said in wanted:
        check = _CHECKS.get(name)
        if check is None:
            raise UsageError(f"{said}: not a setting that can be tightened; {_nearest(name)}")
        try:
            settings = _applied(settings, name, check(value), said)
        except ValueError as exc:
            raise UsageError(f"{said} {exc}, not {value!r}") from None
    return settings


def in_force(flags: Mapping[str, object], *others: str) -> dict[str, object]:
    """Flags that are given and variables that are set, by the name that a user types; `others` are more variables."""
    given = {_FLAGS.get(name, name): value for name, value in flags.items()}
    names = [v for v in os.environ if v in _SHORT or v in others or v.startswith(_PREFIXES)]
    return given | {name: os.environ[name][:_LONGEST] for name in sorted(names) if os.environ[name]}


def _spelled(name: str) -> str:
    return "UET_" + name.replace(".", "_").upper()


VARIABLES: Final = frozenset(_SHORT) | frozenset(map(_spelled, _CHECKS))
"""Every variable that is a setting."""


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, _CHECKS, 1, 0.5)
    return f"did you mean {near[0]} ({_spelled(near[0])})?" if near else "see the documentation"


def _from_env(env: Mapping[str, str] | None) -> list[tuple[str, object, str]]:
    """The settings that variables name, as the values that a flag would have, with the variables."""
    found: list[tuple[str, object, str]] = []
    for variable, text in sorted((os.environ if env is None else env).items()):
        name = _SHORT.get(variable)
        if name is None and variable.startswith(_PREFIXES):
            name = variable.removeprefix("UET_").lower().replace("_", ".", 1)
        if name is not None and text:
            found.append((name, _value(name, text), variable))
    return found


def _value(name: str, text: str) -> object:
    kind = policy.KIND.get(name.removeprefix("policy.")) if name in _POLICY else None
    if kind in ("lower", "higher") or name in _NUMBERS:
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
    if kind == "union":
        return [part.strip() for part in text.split(",")]
    if kind == "true" or name == "require_sandbox":
        return {"1": True, "true": True, "0": False, "false": False}.get(text.lower(), text)
    return text


def _applied(settings: Settings, name: str, value: Any, said: str) -> Settings:
    table, _, key = name.partition(".")
    if name in _TOP:
        return _held(settings, name, value, said)
    if name == "gates.timeout":
        return settings._replace(gates=_capped(settings, value, said))
    if table == "policy":
        return _with_rule(settings, key, value, said)
    part = settings.limits if table == "limits" else settings.queue
    value = _lower(name, getattr(part, key), value, said)
    changed: Any = part._replace(**{key: value})
    return settings._replace(**{table: changed})


def _held(settings: Settings, name: str, value: Any, said: str) -> Settings:
    """The settings with another sandbox, at least as strong as the target's."""
    present = getattr(settings, name)
    safer = value is True if name == "require_sandbox" else value in _SAFER.get(present, ())
    if value != present and not safer:
        raise _looser(name, present, value, said)
    changed: Any = {name: value}
    return settings._replace(**changed)


def _with_rule(settings: Settings, key: str, value: Any, said: str) -> Settings:
    """The settings with one rule of [policy] over the target's own."""
    present = settings.preset if key == "preset" else settings.rule(key)
    if present is not None and policy.is_looser(key, value, present):
        raise _looser(f"policy.{key}", present, value, said)
    if policy.KIND[key] == "union":
        before = present if isinstance(present, tuple) else ()
        value = tuple(dict.fromkeys((*before, *value)))
    marks = tuple(sorted({**dict(settings.said), key: said}.items()))
    if key == "preset":
        return settings._replace(preset=value, names_preset=True, said=marks)
    rules = {**dict(settings.policy), key: value}
    return settings._replace(policy=tuple(sorted(rules.items())), said=marks)


def _capped(settings: Settings, value: float, said: str) -> tuple[Any, ...]:
    """Every gate with at most this timeout; looser than all of them is loosening."""
    if settings.gates:
        longest = max(g.timeout for g in settings.gates)
        _lower("gates.timeout", longest, value, said)
    return tuple(g._replace(timeout=min(g.timeout, value)) for g in settings.gates)


def _lower(name: str, present: Any, value: Any, said: str) -> Any:
    """The value that is laid over a limit. Raises: LooserThanBase."""
    if present is not None and value > present:
        raise _looser(name, present, value, said)
    return value


def _looser(name: str, present: Any, value: Any, said: str) -> LooserThanBase:
    return LooserThanBase(f"{said} = {value} is looser than {name} = {present} of the target")
