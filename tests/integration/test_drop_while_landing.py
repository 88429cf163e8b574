"""What is landing cannot be taken back: the branch may have it already (P3, DESIGN 10)."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.product import COMMAND, states, subjects, uet

BASE = b"one\ntwo\nthree\n"


@pytest.mark.parametrize("how", ["drop", "replace"])
def test_an_entry_that_is_landing_is_neither_dropped_nor_superseded(
    tmp_path: Path, how: str
) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE})
    commit_files(repo, {".gitattributes": b"a.txt filter=slow\n"}, "attributes")
    here, go = tmp_path / "here", tmp_path / "go"
    # The work tree follows the branch: while the filter waits, the branch has moved and the ledger has only the intent.
    git(
        repo,
        "config",
        "filter.slow.smudge",
        f"touch {here}; until test -e {go}; do sleep 0.02; done; cat",
    )
    git(repo, "config", "filter.slow.clean", "cat")
    first, second = tmp_path / "first.patch", tmp_path / "second.patch"
    first.write_bytes(mail("First", diff("a.txt", BASE, b"1\ntwo\nthree\n")))
    second.write_bytes(mail("Second", diff("a.txt", BASE, b"one\ntwo\n3\n")))
    uet(repo, "submit", first)
    landing = subprocess.Popen([*COMMAND, "apply"], cwd=repo, stdout=subprocess.PIPE)
    try:
        give_up = time.monotonic() + 30
        while not here.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        asked = ["drop", "1"] if how == "drop" else ["submit", "--replaces", "1", str(second)]
        refused = subprocess.run([*COMMAND, *asked, "--json"], cwd=repo, capture_output=True)
    finally:
        go.touch()
        landing.communicate(timeout=30)
    assert refused.returncode == 4, refused
    assert json.loads(refused.stdout)["error"]["next"] == ["uet-git", "apply"]
    assert landing.returncode == 0
    assert states(repo) == {"1": "committed"}
    assert "First" in subjects(repo)
    uet(repo, "fsck")
