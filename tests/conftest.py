"""Every test runs with its own HOME, a fixed identity and none of the caller's GIT_* variables."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# Started in the background, a shell has us ignore Ctrl-C, and every program that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
CORPORA = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What tests accept is kept in the run's own folder, also what fixtures of a whole module accept."""
    folder = tmp_path_factory.getbasetemp() / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def clean_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, own_state: Path
) -> None:
    """Scrubs GIT_* and UET_*; HOME, config and identity are the test's own."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "UET_", "XDG_")) or name == "CI":
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(own_state))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A U Thor")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "author@example.com")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "C O Mitter")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "committer@example.com")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def corpora() -> Path:
    """The folder of real patch series; skips where it is absent."""
    folder = CORPORA / "corpora"
    if not folder.is_dir():
        pytest.skip("the real patch series are not on this machine")
    return folder
