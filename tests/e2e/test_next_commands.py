"""Every command that the product proposes exists and works when typed where it was proposed (DESIGN 2 P14)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.builders import commit_files, diff, git, mail, make_repo
from tests.e2e.bad_inputs import TABLE, Scene, scene
from tests.product import COMMAND, uet
from uet_git import errors
from uet_git.model.reasons import REASONS

BASE = b"one\ntwo\nthree\n"
NOT_RUN = {("python3", "-m", "pip", "install")}  # would change this machine


def _subclasses(kind: type[errors.UetError]) -> Iterator[type[errors.UetError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)


def type_it(
    argv: Sequence[str],
    folder: Path,
    env: dict[str, str | None] | None = None,
    before: Sequence[str] = (),
) -> None:
    """Runs a proposed command. It may fail, as the world is still broken, but not because it was typed so."""
    assert argv, "nothing is proposed"
    if tuple(argv[:4]) in NOT_RUN:
        assert shutil.which(argv[0])
        return
    full = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
    ours = argv[0] == "uet-git"
    command = [*COMMAND, *argv[1:]] if ours else list(argv)
    done = subprocess.run(
        [*before, *command], cwd=folder, env=full, capture_output=True, check=False, timeout=60
    )
    said = f"{argv}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
    assert b"Traceback" not in done.stdout + done.stderr, said
    assert done.returncode not in (70, 127, 129), said
    if ours:
        assert done.returncode != 2, said


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Change 1 landed, 2 failed to apply, 3 was quarantined by a gate, 4 is queued; the branch has an upstream."""
    home = tmp_path_factory.mktemp("next")
    origin = make_repo(
        home / "origin", {"a.txt": BASE, "b.txt": BASE, "c.txt": BASE, "d.txt": BASE}
    )
    text = b"version = 1\n[gates.g]\nkind = 'custom'\nshell = '! grep -q bad c.txt'\n"
    commit_files(origin, {"uet.toml": text}, "gates")
    clone = home / "clone"
    git(home, "clone", "-q", str(origin), str(clone))
    for name, patch in {
        "1": diff("a.txt", BASE, b"1\ntwo\nthree\n"),
        "2": diff("b.txt", b"lost\n", b"found\n"),
        "3": diff("c.txt", BASE, b"bad\n"),
    }.items():
        (home / name).write_bytes(mail(f"Change {name}", patch))
        uet(clone, "apply", f"../{name}", code=None)
    (home / "4").write_bytes(mail("Change 4", diff("d.txt", BASE, b"1\n")))
    uet(clone, "submit", "../4")
    return clone


@pytest.mark.parametrize(
    "kind", sorted({*_subclasses(errors.UetError)}, key=lambda k: k.code), ids=lambda k: k.code
)
def test_what_an_error_proposes(kind: type[errors.UetError], repo: Path, tmp_path: Path) -> None:
    folder = tmp_path if issubclass(kind, errors.NotARepository) else repo
    type_it(kind.default_next, folder)


@pytest.mark.parametrize("code", REASONS)
def test_what_a_reason_proposes(code: str, repo: Path, tmp_path: Path) -> None:
    where = tmp_path / "copy"  # `retry` changes things
    shutil.copytree(repo, where, symlinks=True)
    number = "2" if code.startswith("apply.") else "3"
    type_it([part.replace("{n}", number) for part in REASONS[code].next], where)


@pytest.mark.parametrize("number", ["1", "2", "3", "4"])
def test_what_an_entry_proposes(number: str, repo: Path, tmp_path: Path) -> None:
    document = uet(repo, "show", "--json", number).document
    assert document["next"]
    for argv in document["next"]:
        where = tmp_path / "-".join(argv).replace("/", "_")[:60]
        shutil.copytree(repo, where, symlinks=True)
        type_it(argv, where)


def test_what_the_status_proposes(repo: Path, tmp_path: Path) -> None:
    new, paused = make_repo(tmp_path / "new", {"a.txt": BASE}), tmp_path / "paused"
    shutil.copytree(repo, paused, symlinks=True)
    uet(paused, "pause", "--reason", "a test")
    for where in (repo, new, paused):
        for argv in uet(where, "status", "--json").document["next"]:
            type_it(argv, where)


def test_what_is_proposed_to_followers_of_a_dropped_change(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", {"a.txt": BASE, "b.txt": BASE})
    (tmp_path / "s.mbox").write_bytes(
        mail("1", diff("a.txt", BASE, b"1\n")) + mail("2", diff("b.txt", BASE, b"2\n"))
    )
    uet(repo, "submit", "../s.mbox")
    uet(repo, "drop", "1")
    type_it([part.replace("{n}", "2") for part in REASONS["queue.dependency_dropped"].next], repo)
    for argv in uet(repo, "show", "2", "--json").document["next"]:
        type_it(argv, repo)


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    ready = scene(tmp_path)
    request.param.make(ready)
    yield ready
    for step in reversed(ready.undo):
        step()


@pytest.mark.parametrize("made", TABLE, ids=[b.name for b in TABLE], indirect=True)
def test_what_a_bad_input_proposes(made: Scene) -> None:
    folder = made.folder or made.repo
    document = json.loads(
        uet(folder, *made.args, "--json", env=made.env, before=made.before, code=None).out
    )
    found = (
        [document["error"]["next"]]
        if isinstance(document, dict)
        else [n for e in document for n in e["next"]]
    )
    assert found
    for argv in found:
        type_it(argv, folder, dict(made.env), made.before)
