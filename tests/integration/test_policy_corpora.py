"""On real patches the preset `standard` asks a person about what it is for, and about few others.

tests/data/policy_findings.json lists, by corpus, the number in its series of each patch that has a finding which stops
it, with the codes. A change of a rule changes that list, and is looked at: write it afresh with
`python -m tests.integration.test_policy_corpora`.
"""

import gzip
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.builders import git
from tests.conftest import CORPORA
from tests.product import uet
from uet_git.model import mail
from uet_git.model.reasons import REASONS, Gravity
from uet_git.project import Project
from uet_git.queue import precheck
from uet_git.queue.options import Options, Source

pytestmark = pytest.mark.corpora
LIST = Path(__file__).resolve().parent.parent / "data" / "policy_findings.json"
NAMES = ("httpx", "redis", "newtonsoft")


def judged(corpus: Path, folder: Path) -> tuple[int, dict[str, list[str]]]:
    """How many patches the series has; number to codes of those with a finding that stops them, each on its parent."""
    git(folder, "clone", "-q", "--bare", str(corpus / "base.bundle"), "repo")
    branch = git(folder / "repo", "symbolic-ref", "HEAD").decode().strip()
    series = gzip.decompress((corpus / "series.mbox.gz").read_bytes())
    with Project.open(str(folder / "repo")) as project:
        project.override(policy__preset="standard")
        _, found = precheck.check(project, [Source("series", series)], Options(branch))
    assert all(one.applies for one in found)
    stopped = {}
    for number, one in enumerate(found, 1):
        codes = {f.code for f in one.findings if REASONS[f.code].gravity > Gravity.NOTE}
        if codes:
            stopped[str(number)] = sorted(codes)
    return len(found), stopped


@pytest.mark.parametrize("name", NAMES)
def test_the_patches_with_findings_are_the_listed_ones(
    corpora: Path, tmp_path: Path, name: str
) -> None:
    total, found = judged(corpora / name, tmp_path)
    assert found == json.loads(LIST.read_bytes())[name]
    weakened = sum("policy.judge_edited" in codes for codes in found.values())
    assert weakened <= total * 0.05
    assert not any("content.secret" in codes for codes in found.values())


def test_alone_on_its_own_parent_a_patch_is_judged_the_same(corpora: Path, tmp_path: Path) -> None:
    """The list is made in one go, each patch on the tree of those before it; here three are judged by themselves."""
    corpus = corpora / "httpx"
    expected = json.loads(LIST.read_bytes())["httpx"]
    git(tmp_path, "clone", "-q", "-b", "base", str(corpus / "base.bundle"), "repo")
    pieces = list(mail.split(gzip.decompress((corpus / "series.mbox.gz").read_bytes())))
    repo, done = tmp_path / "repo", 0
    for number in (101, 102, 150):
        before = tmp_path / f"{number}.mbox"
        before.write_bytes(b"".join(pieces[done : number - 1]))
        uet(repo, "apply", "-q", "--independent", before)
        alone = tmp_path / f"{number}.patch"
        alone.write_bytes(pieces[number - 1])
        args = ("policy", "check", "--json", "--preset", "standard", alone)
        (one,) = uet(repo, *args, code=None).document["patches"]
        assert one["applies"]
        stops = {f["code"] for f in one["findings"] if f["gravity"] != "note"}
        assert sorted(stops) == expected.get(str(number), [])
        done = number - 1


if __name__ == "__main__":
    written = {}
    for corpus in NAMES:
        with TemporaryDirectory() as place:
            written[corpus] = judged(CORPORA / "corpora" / corpus, Path(place))[1]
    lines = (
        f"  {json.dumps(n)}: {{\n"
        + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in f.items())
        + "\n  }"
        for n, f in written.items()
    )
    LIST.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sys.stdout.write(f"{LIST}\n")
