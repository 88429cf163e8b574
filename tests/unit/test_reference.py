"""docs/reference.md is what the code says, and the documents name only what is there."""

import re
import runpy
from pathlib import Path

import pytest

from uet_git import errors
from uet_git.cli import main
from uet_git.model.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")),
]


def test_the_reference_is_up_to_date() -> None:
    """`make docs` would change nothing."""
    written = runpy.run_path(str(ROOT / "docs" / "reference.py"))["render"]()
    there = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert there == written, "run `make docs`"


def test_the_presets_are_printed_as_they_are() -> None:
    """`make docs` would change nothing in docs/policy.md either."""
    there = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "docs" / "presets.py"))["render"](there) == there, (
        "run `make docs`"
    )


@pytest.mark.parametrize("name", GUIDES)
def test_guides_name_only_what_there_is(name: str) -> None:
    """Every `uet-git VERB` and every reason code in the guides exists; every linked file is there."""
    text = (ROOT / name).read_text(encoding="utf-8")
    verbs = set(re.findall(r"^\$? ?uet-git (?:-C \S+ )?([a-z]+)", text, re.MULTILINE))
    verbs |= set(re.findall(r"`uet-git ([a-z]+)", text))
    assert verbs <= set(main.COMMANDS), verbs - set(main.COMMANDS)
    kinds = "parse|path|mode|content|size|apply|gate|policy"
    codes = set(re.findall(rf"`((?:{kinds})\.[a-z_]+)`", text))
    known = {*REASONS, *(getattr(e, "code", "") for e in vars(errors).values())}
    assert codes <= known, codes - known
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link


def test_sections_of_the_design_exist() -> None:
    """Docstrings cite sections by number; each cited one is a heading of docs/design.md."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^##+ ([\d.]+?)\.? ", design, re.MULTILINE))
    sources = [
        p
        for f in ("uet_git", "tests", "migrations")
        for p in (ROOT / f).rglob("*")
        if p.suffix in (".py", ".sql")
    ]
    cited = {
        n
        for p in sources
        for n in re.findall(r"\bDESIGN (\d+(?:\.\d+)?)", p.read_text(encoding="utf-8"))
    }
    assert cited <= headings, cited - headings
