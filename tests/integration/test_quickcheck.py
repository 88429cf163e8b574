"""The quick check says yes only where jsonschema does, whatever is wrong with a document."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from uet_git.host import contracts, quickcheck, shipped

NAMES = sorted(p.name.removesuffix(".json") for p in shipped.folder("schema").glob("*.json"))
COMPILED = [name for name in NAMES if quickcheck.compiled(contracts.schema(name)) is not None]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    2.5,
    "",
    "x",
    "x\n",
    "refs/heads/\n",
    [],
    {},
    [None],
    {"v": 1},
    b"x",
]


def sample(schema: dict[str, Any], chance: random.Random) -> Any:
    """A document that is near to what a schema wants."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kinds = schema.get("type", "null")
    kind = kinds if isinstance(kinds, str) else chance.choice(kinds)
    if kind == "object":
        named = schema.get("properties", {})
        return {
            k: sample(v, chance)
            for k, v in named.items()
            if k in schema.get("required", ()) or chance.random() < 0.5
        }
    if kind == "array":
        count = max(schema.get("minItems", 0), chance.randrange(3))
        return [sample(schema["items"], chance) for _ in range(count)] if "items" in schema else []
    if kind == "string":
        known = (
            "01ARZ3NDEKTSV4RRFFQ69G5FAV", "2026-01-31T12:00:00.000Z", "a" * 40, "b" * 64, "refs/heads/main",
            "person:x", "gate.failed", "1700000000 +0100", "QUJD", "100644",
        )  # fmt: skip
        fits = [s for s in known if Draft202012Validator({**schema, "type": "string"}).is_valid(s)]
        return fits[0] if fits else "text"
    return {"integer": schema.get("minimum", 1), "number": 2.5, "boolean": True, "null": None}[kind]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, below in list(items):
        yield value, key
        yield from places(below)


@pytest.mark.parametrize("name", COMPILED)
def test_it_never_says_yes_alone(name: str) -> None:
    schema = contracts.schema(name)
    quick = quickcheck.compiled(schema)
    assert quick is not None
    full = Draft202012Validator(schema)
    chance = random.Random(name)
    said = 0
    for _ in range(6):
        document = sample(schema, chance)
        assert quick(document), document
        assert full.is_valid(document)
        for container, key in places(document):
            before = copy.copy(container)
            for odd in chance.sample(ODD, 6):
                container[key] = odd
                if quick(document):
                    said += 1
                    assert full.is_valid(document), (name, key, odd)
            if isinstance(container, dict):
                del container[key]
                assert not quick(document) or full.is_valid(document)
                container["stranger"] = 1
                assert not quick(document) or full.is_valid(document)
                container.clear()
                container.update(before)
            else:
                container[:] = before
    assert said


@pytest.mark.parametrize(
    "table", ["run_event.v1", "patch_ledger_entry.v1", "step_attempt.v1", "patch_artifact.v1"]
)
def test_what_a_ledger_has_most_of_is_compiled(table: str) -> None:
    assert table in COMPILED


SCHEMAS = st.recursive(
    st.one_of(
        st.builds(
            lambda t: {"type": t},
            st.sampled_from(["string", "integer", "number", "boolean", "null"]),
        ),
        st.builds(
            lambda v: {"enum": v}, st.lists(st.sampled_from(["a", 1, True, None]), min_size=1)
        ),
        st.builds(
            lambda n, m: {"type": ["integer", "null"], "minimum": n, "maximum": m},
            st.integers(-2, 2),
            st.integers(-2, 2),
        ),
        st.builds(
            lambda n: {"type": "string", "minLength": n, "pattern": "^a*$"}, st.integers(0, 2)
        ),
    ),
    lambda below: st.one_of(
        st.builds(
            lambda b, n: {"type": "array", "items": b, "maxItems": n}, below, st.integers(0, 2)
        ),
        st.builds(
            lambda p, r, o: {
                "type": ["object", "string"],
                "properties": p,
                "required": r,
                "additionalProperties": o,
            },
            st.dictionaries(st.sampled_from("abc"), below),
            st.lists(st.sampled_from("abcd"), unique=True),
            st.booleans(),
        ),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -2, 1.0, 0.5, "", "a", "aa", "b", "a\n"]),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.sampled_from("abcd"), below)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SCHEMAS, VALUES)
def test_on_made_up_schemas(schema: dict[str, Any], value: Any) -> None:
    quick = quickcheck.compiled(schema)
    assert quick is not None
    if quick(value):
        assert Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date"}, {"anyOf": [{"type": "null"}]}, {"$ref": "x"}, {"type": "array", "uniqueItems": True},
        {"type": "object", "additionalProperties": {"type": "null"}}, {"enum": [[1]]}, {"const": 1.5}, {}, {"type": "null", "minimum": 1},
    ],
)  # fmt: skip
def test_what_it_does_not_know_is_left_to_jsonschema(schema: dict[str, Any]) -> None:
    assert quickcheck.compiled(schema) is None
