"""Documents are checked against the schemas that ship, and against nothing that must be fetched."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from uet_git.errors import SchemaMismatch
from uet_git.host import contracts, shipped

NAMES = sorted(p.name.removesuffix(".json") for p in shipped.folder("schema").glob("*.json"))


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of schemas in place of those that ship."""
    monkeypatch.setattr(contracts, "folder", lambda _: tmp_path)
    for cached in (contracts._validator, contracts._registry):
        cached.cache_clear()
    yield tmp_path
    for cached in (contracts._validator, contracts._registry):
        cached.cache_clear()


def write(folder: Path, name: str, schema: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(schema))


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_that_ships_is_one(name: str) -> None:
    from jsonschema import Draft202012Validator

    schema = contracts.schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    list(contracts.iter_errors({}, name))


def test_a_mismatch_names_schema_path_and_fault() -> None:
    document = {
        "version": 1,
        "gates": {"a": {"run": ["x"], "timeout": "soon"}},
        "limits": {"files": 0},
    }
    found = list(contracts.iter_errors(document, "uet_toml.v1"))
    assert found == [
        "uet_toml.v1: $.gates.a.timeout: 'soon' is not of type 'number'",
        "uet_toml.v1: $.limits.files: 0 is less than the minimum of 1",
    ]
    with pytest.raises(SchemaMismatch) as caught:
        contracts.check(document, "uet_toml.v1")
    assert found[0] in caught.value.message
    contracts.check({"version": 1}, "uet_toml.v1")


def test_there_is_no_such_schema() -> None:
    for name in ("nope.v1", "../pyproject"):
        with pytest.raises(SchemaMismatch, match="there is no schema"):
            contracts.check({}, name)


def test_schemas_refer_to_each_other(schemas: Path) -> None:
    write(schemas, "outer.v1", {"properties": {"x": {"$ref": "inner.v1.json#/$defs/id"}}})
    write(
        schemas,
        "inner.v1",
        {"$id": "inner.v1.json", "$defs": {"id": {"type": "string", "maxLength": 2}}},
    )
    contracts.check({"x": "ab"}, "outer.v1")
    assert list(contracts.iter_errors({"x": "abc"}, "outer.v1")) == [
        "outer.v1: $.x: 'abc' is too long"
    ]


@pytest.mark.parametrize("uri", ["https://example.com/s.json", "file:///etc/passwd", "absent.json"])
def test_nothing_is_fetched(schemas: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import urllib.request

    def never(*_: object, **__: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(urllib.request, "urlopen", never)
    write(schemas, "far.v1", {"$ref": uri})
    with pytest.raises(SchemaMismatch, match="refers to what does not ship"):
        contracts.check({}, "far.v1")


def test_formats_are_checked(schemas: Path) -> None:
    write(schemas, "d.v1", {"type": "string", "format": "date"})
    contracts.check("2026-01-31", "d.v1")
    assert list(contracts.iter_errors("2026-02-31", "d.v1"))


def test_jsonschema_is_loaded_only_when_a_document_is_checked() -> None:
    import subprocess

    code = "import sys, uet_git.host.contracts, uet_git.host.config, uet_git.gates.run, uet_git.model.paths\nprint(*[m for m in ('jsonschema', 'referencing', 'tomllib', 'difflib', 'ctypes', 'unicodedata', 'xml', 'graphlib') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert done.stdout.split() == []
