"""The wheel is whole: what users install works with nothing of this checkout beside it."""

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.builders import git, make_repo

ROOT = Path(__file__).resolve().parents[2]
DIFF = b"--- a/file\n+++ b/file\n@@ -1 +1 @@\n-one\n+two\n"


def run(*argv: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(a) for a in argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network by the build backend that is installed here."""
    folder = tmp_path_factory.mktemp("dist")
    script = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    name = run(sys.executable, "-c", script, folder, cwd=ROOT).splitlines()[-1]
    return folder / name


def test_it_holds_what_the_package_reads_and_nothing_else(wheel: Path) -> None:
    """Every migration, schema and hook file and the type marker; no tests, no documents of this project."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("migrations", "schema", "hooks"):
        for path in sorted((ROOT / folder).iterdir()):
            assert f"uet_git/{folder}/{path.name}" in names
    assert "uet_git/py.typed" in names
    outside = {n for n in names if not n.startswith(("uet_git/", "uet_git-"))}
    assert not outside
    assert not [n for n in names if n.startswith("uet_git/tests/") or n.endswith(".pyc")]


def test_it_lands_a_patch_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """Unpacked into a new environment: --version, submit and apply work, and the shipped folders are its own."""
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    # The dependencies come from here; an editable install among them is not followed, so this checkout stays out.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    repo = make_repo(tmp_path / "repo", {"file": b"one\n"})
    (tmp_path / "two.patch").write_bytes(DIFF)
    where = "from uet_git.host import shipped; print(*map(shipped.folder, ('migrations', 'schema', 'hooks')))"
    for found in run(python, "-I", "-c", where, cwd=tmp_path).split():
        assert Path(found).is_relative_to(packages)
    assert run(python, "-I", "-m", "uet_git", "--version", cwd=tmp_path).startswith("uet-git ")
    for command in (("submit", "../two.patch"), ("apply",), ("doctor",)):
        run(python, "-I", "-m", "uet_git", *command, cwd=repo)
    assert git(repo, "show", "main:file") == b"two\n"
    assert os.listdir(repo / ".ledger" / "") != []
