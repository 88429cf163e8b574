"""A quick yes to most documents: a schema compiled to one function.

It says yes only where the whole schema surely does; everything else is for jsonschema to say, and to say why. Checking
a ledger of ten thousand entries takes a second so, instead of half a minute.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Accepts = Callable[[Any], bool]

_TYPES: Final[dict[str, type]] = {
    **{"string": str, "boolean": bool, "integer": int, "object": dict, "array": list},
    "null": type(None),
}
_ANNOTATIONS: Final = frozenset(("$schema", "$id", "title", "description", "default"))
_OBJECT: Final = frozenset(("properties", "required", "additionalProperties"))
_ARRAY: Final = frozenset(("items", "minItems", "maxItems"))
_STRING: Final = frozenset(("pattern", "minLength", "maxLength"))
_NUMBER: Final = frozenset(("minimum", "maximum", "exclusiveMinimum"))


class _NotCompiledError(Exception):
    """The schema uses what is not compiled here."""


def compiled(schema: Mapping[str, Any]) -> Accepts | None:
    """A function that is True only for documents that satisfy `schema`; None if the schema says too much for it."""
    try:
        return _any(schema)
    except _NotCompiledError:
        return None


def _any(schema: Mapping[str, Any]) -> Accepts:
    keys = schema.keys() - _ANNOTATIONS
    if "const" in keys or "enum" in keys:
        return _one_of(schema, keys)
    named = schema.get("type")
    names = [named] if isinstance(named, str) else named
    if not names:
        raise _NotCompiledError
    known = {"type"}
    kinds: dict[type, Accepts] = {}
    for name in names:
        if name == "number":
            kinds[int] = kinds[float] = _number(schema)
            known |= _NUMBER
        elif name in _TYPES:
            rules, make = _RULES.get(name, (frozenset[str](), _plain))
            kinds[_TYPES[name]] = make(schema)
            known |= rules
        else:
            raise _NotCompiledError
    if keys - known:
        raise _NotCompiledError

    def accepts(value: Any) -> bool:
        check = kinds.get(type(value))
        return check is not None and check(value)

    return accepts


def _one_of(schema: Mapping[str, Any], keys: set[str]) -> Accepts:
    values = [schema["const"]] if "const" in schema else list(schema["enum"])
    types = {type(v) for v in values}
    if keys - {"const", "enum", "type"} or len(keys) > 2 or types & {dict, list, float}:
        raise _NotCompiledError
    allowed = frozenset((type(v), v) for v in values)

    def accepts(value: Any) -> bool:
        return type(value) in types and (type(value), value) in allowed

    return accepts if "type" not in keys else _both(accepts, _any({"type": schema["type"]}))


def _both(one: Accepts, other: Accepts) -> Accepts:
    return lambda value: one(value) and other(value)


def _plain(_: Mapping[str, Any]) -> Accepts:
    return lambda _: True


def _string(schema: Mapping[str, Any]) -> Accepts:
    least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
    if "pattern" in schema:
        search = re.compile(schema["pattern"]).search
        return lambda text: least <= len(text) <= most and search(text) is not None
    if least or "maxLength" in schema:
        return lambda text: least <= len(text) <= most
    return _plain(schema)


def _number(schema: Mapping[str, Any]) -> Accepts:
    least, most = schema.get("minimum", -float("inf")), schema.get("maximum", float("inf"))
    above = schema.get("exclusiveMinimum", -float("inf"))
    return lambda number: least <= number <= most and number > above


def _array(schema: Mapping[str, Any]) -> Accepts:
    each = _any(schema["items"]) if "items" in schema else None
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))

    def accepts(values: list[Any]) -> bool:
        return least <= len(values) <= most and (each is None or all(map(each, values)))

    return accepts


def _object(schema: Mapping[str, Any]) -> Accepts:
    properties = {name: _any(below) for name, below in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    closed = schema.get("additionalProperties", True)
    if not isinstance(closed, bool):
        raise _NotCompiledError
    find, open_ = properties.get, closed

    def accepts(document: dict[Any, Any]) -> bool:
        for name, value in document.items():
            check = find(name)
            if check is None:
                if not open_:
                    return False
            elif not check(value):
                return False
        return document.keys() >= required

    return accepts


_RULES: Final[dict[str, tuple[frozenset[str], Callable[[Mapping[str, Any]], Accepts]]]] = {
    "string": (_STRING, _string),
    "integer": (_NUMBER, _number),
    "array": (_ARRAY, _array),
    "object": (_OBJECT, _object),
}
