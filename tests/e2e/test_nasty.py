"""Every patch of the nasty corpus ends as its manifest says under `standard`, within 2 s and 300 MB, and nothing but what
lands changes: refs, index, configuration, hooks, objects, files in and around the repository."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CORPORA
from tests.e2e import outcomes
from tests.product import trust

pytestmark = pytest.mark.corpora
FOLDER = CORPORA / "nasty"


def _rows() -> list[dict[str, Any]]:
    manifest = FOLDER / "manifest.json"
    return json.loads(manifest.read_text()) if manifest.is_file() else []


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the repository that the patches were made against."""
    if not FOLDER.is_dir():
        pytest.skip("the nasty patches are not on this machine")
    folder = tmp_path_factory.mktemp("nasty") / "base"
    script = FOLDER / "make_base.sh"
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder.parent)}
    subprocess.run(["sh", str(script), str(folder / "repo")], check=True, env=env)
    return folder


@pytest.fixture
def folder(base: Path, corpora: Path, tmp_path: Path) -> Path:
    """A copy for one patch, its gates accepted."""
    copy = tmp_path / "world"
    shutil.copytree(base, copy, symlinks=True)
    trust(copy / "repo")
    return copy


def _is(ended: tuple[str, ...], expected: str) -> bool:
    """`apply_failed` alone leaves open why."""
    if expected == "two entries, both committed":
        return ended == ("committed", "committed")
    if expected == "apply_failed":
        return len(ended) == 1 and ended[0].startswith("apply_failed: apply.")
    return ended == (expected,)


@pytest.mark.parametrize("row", _rows() or [{}], ids=lambda row: row.get("file", "absent"))
def test_it_ends_as_the_manifest_says(row: dict[str, Any], folder: Path) -> None:
    patch = (FOLDER / row["file"]).read_bytes()
    outcome = outcomes.apply(folder, patch)
    assert _is(outcome.ended, row["expected"]), (row["why"], outcome.ended, outcome.said)
    assert not row["must_not_land"] or "committed" not in outcome.ended
    outcomes.check(folder, patch, outcome)


def test_what_is_expected_names_whole_codes() -> None:
    """No row is held to less than it says."""
    for row in _rows():
        assert row["expected"] in ("committed", "apply_failed", "two entries, both committed") or (
            "." in row["expected"]
        )
