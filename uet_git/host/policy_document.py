"""What one submission says of its own policy and scope (`--origin-json`): it can only tighten (DESIGN 7.4).

`policy` is a patch_policy document, or only its `constraints`; `scope` has the patterns `read`, `write`, `create`
and `forbidden`. Keys may have the names of `uet.toml` or those of `schema/patch_policy.v1.json`.
"""

from collections.abc import Mapping
from typing import Any, Final

from uet_git.errors import UsageError
from uet_git.host import config_keys as keys
from uet_git.model.named import NamedTuple
from uet_git.model.policy import DOCUMENT

SCOPE: Final = ("read", "write", "create", "forbidden")
_NAMES: Final = {document: key for key, document in DOCUMENT.items()}
_FIXED: Final = {"allowed_formats": ["unified_diff"], "patch_required": True}


class Document(NamedTuple):
    """Rules by key of `[policy]`, and patterns by kind of access."""

    rules: dict[str, Any]
    scope: dict[str, list[str]]


def read(origin: Mapping[str, Any] | None) -> Document:
    """The rules and scope in an origin document; empty where it has none. Raises: UsageError."""
    if not origin:
        return Document({}, {})
    return Document(_rules(origin.get("policy")), _scope(origin.get("scope")))


def _rules(found: Any) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError("policy in --origin-json must be an object")
    constraints = found.get("constraints", found)
    if not isinstance(constraints, dict):
        raise UsageError("policy.constraints in --origin-json must be an object")
    rules = {}
    for name, value in constraints.items():
        if name in _FIXED:
            if value != _FIXED[name]:
                raise UsageError(f"policy.{name} in --origin-json can only be {_FIXED[name]}")
            continue
        key = _NAMES.get(name, name)
        if key not in keys.POLICY:
            raise UsageError(f"policy.{name} in --origin-json is no rule of a patch policy")
        try:
            rules[key] = keys.POLICY[key].check(value)
        except ValueError as exc:
            raise UsageError(f"policy.{name} in --origin-json {exc}") from None
    return rules


def _scope(found: Any) -> dict[str, list[str]]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not found.keys() <= set(SCOPE):
        raise UsageError(f"scope in --origin-json must be an object with {', '.join(SCOPE)}")
    check = keys.many(keys.glob, "path patterns")
    scope = {}
    for name, value in found.items():
        try:
            scope[name] = list(check(value))
        except ValueError as exc:
            raise UsageError(f"scope.{name} in --origin-json {exc}") from None
    return scope
