"""Checks a document against its schema in schema/NAME.json (JSON Schema, draft 2020-12).

Only the schemas that ship with the product are known: a `$ref` to anything else is refused, so no
schema is ever fetched. jsonschema is loaded when the first document is not surely right.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from uet_git.errors import SchemaMismatch
from uet_git.host import quickcheck
from uet_git.host.shipped import folder

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Registry


def check(document: Any, name: str) -> None:
    """Passes a document that satisfies schema `name` (`patch_artifact.v1`). Raises: SchemaMismatch."""
    for error in iter_errors(document, name):
        raise SchemaMismatch(error)


def iter_errors(document: Any, name: str) -> Iterator[str]:
    """Every way in which a document misses its schema: `name: path: what`, in document order."""
    quick = _quick(name)
    if quick is not None and quick(document):
        return
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(_validator(name).iter_errors(document), key=_place)
    except Unresolvable as exc:
        raise SchemaMismatch(f"{name}: refers to what does not ship: {exc.ref}") from exc
    for error in errors:
        yield f"{name}: {error.json_path}: {error.message[:500]}"


def _place(error: "ValidationError") -> list[str]:
    return [str(part).rjust(9, "0") for part in error.absolute_path]


def schema(name: str) -> dict[str, Any]:
    """One schema as it ships. Raises: SchemaMismatch if there is none of that name."""
    path = folder("schema") / f"{name}.json"
    try:
        loaded = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SchemaMismatch(f"there is no schema {name}") from None
    assert isinstance(loaded, dict), path
    return loaded


@cache
def _quick(name: str) -> quickcheck.Accepts | None:
    return quickcheck.compiled(schema(name))


@cache
def _validator(name: str) -> "Validator":
    from jsonschema import Draft202012Validator

    loaded = schema(name)
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(
        loaded, registry=_registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@cache
def _registry() -> "Registry[Any]":
    """Every schema that ships, by its `$id` and its file name; nothing else can be reached."""
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    registry: Registry[Any] = Registry()  # one without `retrieve` fetches nothing
    for path in sorted(folder("schema").glob("*.json")):
        loaded = json.loads(path.read_bytes())
        resource = Resource.from_contents(loaded, default_specification=DRAFT202012)
        for uri in {loaded.get("$id", ""), path.name, path.name.removesuffix(".json")} - {""}:
            registry = registry.with_resource(uri, resource)
    return registry
