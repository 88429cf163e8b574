"""Which paths the presets protect, and which are tests, source, lock files: data, and one way to ask (DESIGN 7.4)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from uet_git.model import globs
from uet_git.model.pattern import late

PROTECTED: Final = (
    # what judges patches here
    *("/uet.toml", "/hooks/", ".githooks/", ".husky/", "lefthook.*", ".lefthook.*"),
    *("lefthook-local.*", ".lefthook-local.*", ".config/lefthook.*", ".overcommit.yml"),
    *(".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", "prek.toml"),
    *(".git-hooks/", ".lintstagedrc*", ".simple-git-hooks.*"),
    # what continuous integration runs
    *("/.github/workflows/", "/.github/actions/", "/.gitlab-ci.yml", "/.gitlab/ci/", "/.circleci/"),
    *("/.travis.yml", "/.cirrus.yml", "/.cirrus.star", "/.drone.yml", "/.drone.star"),
    *("/.woodpecker/", "/.woodpecker.yml", "/.woodpecker.yaml", "/.builds/", "/.build.yml"),
    *("/.buildkite/", "/.teamcity/", "/.semaphore/", "/.forgejo/workflows/", "/.gitea/workflows/"),
    *("Jenkinsfile", "azure-pipelines.yml", "azure-pipelines.yaml", "/.azure-pipelines/"),
    *("bitbucket-pipelines.yml", "appveyor.yml", ".appveyor.yml", "cloudbuild.yaml", "/.ci/"),
    *("buildspec.yml", "codemagic.yaml", "bitrise.yml", "wercker.yml", "/.tekton/", "/.prow/"),
    # what decides how git shows and keeps files, and who must look at them
    *(".gitattributes", ".gitmodules", ".mailmap", ".lfsconfig", "CODEOWNERS"),
    *("/.github/dependabot.yml", "/.github/dependabot.yaml", "renovate.json", ".renovaterc*"),
)
"""A pattern that begins with a slash fits from the top only, any other one at any depth. Case does not count."""
SOURCES: Final = tuple(
    f"*.{ending}"
    for ending in (
        *("py", "pyi", "pyx", "js", "jsx", "mjs", "cjs", "ts", "tsx", "vue", "svelte", "go", "rs"),
        *("c", "h", "cc", "cpp", "cxx", "hh", "hpp", "m", "mm", "cs", "fs", "vb", "java", "kt"),
        *("kts", "scala", "groovy", "swift", "dart", "rb", "php", "pl", "pm", "lua", "ex", "exs"),
        *("erl", "hs", "ml", "clj", "jl", "r", "sh", "bash", "ps1", "sql", "zig", "nim"),
    )
)
LOCKFILES: Final = frozenset(
    {
        *(b"package-lock.json", b"npm-shrinkwrap.json", b"yarn.lock", b"pnpm-lock.yaml"),
        *(b"bun.lock", b"bun.lockb", b"deno.lock", b"poetry.lock", b"Pipfile.lock", b"uv.lock"),
        *(b"pdm.lock", b"pixi.lock", b"conda-lock.yml", b"Cargo.lock", b"go.sum", b"go.work.sum"),
        *(b"Gemfile.lock", b"composer.lock", b"mix.lock", b"pubspec.lock", b"Podfile.lock"),
        *(b"Package.resolved", b"packages.lock.json", b"gradle.lockfile", b"flake.lock"),
        *(b"Chart.lock", b".terraform.lock.hcl", b"MODULE.bazel.lock", b"rebar.lock"),
        b"requirements.lock",
    }
)
_TEST: Final = late(
    rb"(?:.*/)?(?:"
    rb"(?:[Tt]ests?|__tests__|specs?|e2e)/.+|[^/]*[a-z.]Tests?/.+"
    rb"|(?:test_[^/]*|[^/]*_(?:(?:unit)?tests?|spec))\.[A-Za-z]+|[^/]*\.(?:test|spec)\.[cm]?[jt]sx?"
    rb"|[^/]*[A-Za-z0-9](?:Tests?|Spec)\.(?:java|kt|kts|scala|groovy|cs|fs|vb|swift|php)"
    rb"|tests?\.(?:py|sh|js|ts|rs|c|go)|conftest\.py|[^/]+\.(?:t|bats|phpt))\Z",
    re.DOTALL,
)
_COLLECTED: Final = late(
    rb"(?:(?P<py>(?:test_.*|.*_test|tests?)\.py)|(?P<js>.*[._-](?:test|spec)\.[cm]?[jt]sx?)"
    rb"|(?P<go>.*_test\.go)|(?P<rb>(?:test_.*|.*_(?:test|spec))\.rb)|(?P<ex>.*_test\.exs)"
    rb"|(?P<dart>.*_test\.dart)|(?P<php>.*(?:Test\.php|\.phpt))|(?P<pl>.*\.t)|(?P<sh>.*\.bats)"
    rb"|(?P<jvm>.*(?:Tests?|TestCase|Spec|IT)\.(?:java|kts?|scala|groovy)|Test.*\.(?:java|kt)))\Z",
    re.DOTALL,
)
_SECRETS: Final = late(
    rb"(?i)(?:.*/)?(?:"
    rb"\.env(?:\.[^/]*)?|[^/]+\.(?:env|pem|key|p12|pfx|jks|keystore|kdbx|ppk)"
    rb"|id_(?:rsa|dsa|ecdsa|ed25519)|\.(?:netrc|npmrc|pypirc|htpasswd|git-credentials|pgpass|vault_pass)"
    rb"|_netrc|[^/]*(?:secrets?|credentials?)(?:\.(?:ya?ml|json|toml|ini|cfg|conf|properties|xml|txt|csv|tfvars))?"
    rb")\Z",
    re.DOTALL,
)
_SAMPLES: Final = late(rb"(?i)[._-](?:example|sample|template|dist|tmpl)\Z")
_SOURCE: Final = late(
    rb".*\.(?:t|bats|phpt|" + b"|".join(s[2:].encode() for s in SOURCES) + rb")\Z", re.DOTALL
)


@lru_cache(maxsize=8192)
def is_test(path: bytes) -> bool:
    """Whether a path looks like a test, or a file that tests read."""
    return _TEST.match(path) is not None


@lru_cache(maxsize=8192)
def is_source(path: bytes) -> bool:
    """Whether a path looks like code; tests are code too."""
    return _SOURCE.match(path) is not None


@lru_cache(maxsize=8192)
def test_family(path: bytes) -> str:
    """Which runner finds a test by its name; `folder` for other test code; empty for what is no code of a test.

    A runner looks at its own names only: what loses such a name runs no more, wherever it stays.
    """
    if not is_test(path) or not is_source(path):
        return ""
    found = _COLLECTED.match(path.rpartition(b"/")[2])
    return (found and found.lastgroup) or "folder"


def holds_secrets(path: bytes) -> bool:
    """Whether a path's name says that secrets are in the file: `.env`, a key file, `credentials`; no sample."""
    return _SECRETS.match(path) is not None and not _SAMPLES.search(path)


def is_lockfile(path: bytes) -> bool:
    """Whether a path is one that package managers write."""
    return path.rpartition(b"/")[2] in LOCKFILES


_LONGEST: Final = 4000
_LONGEST_NAME: Final = 255
"""Patterns are not asked about longer paths and names: no `[limits]` allow them; `path.too_long` refuses."""


class Patterns:
    """Path patterns that are asked about often: most paths are answered from memory."""

    __slots__ = ("_known", "_match", "patterns")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._match = globs.compiled(patterns).match
        self._known: dict[bytes, bool] = {}

    def __call__(self, path: bytes) -> bool:
        """Whether a pattern fits the path."""
        found = self._known.get(path)
        if found is None and len(path) > _LONGEST_NAME and _is_too_long(path):
            return False
        if found is None:
            if len(self._known) > 20_000:
                self._known.clear()
            found = self._known[path] = self._match(path) is not None
        return found

    def which(self, path: bytes) -> str:
        """The first pattern that fits; empty if none does."""
        return next((p for p in self.patterns if globs.any_match((p,), [path])), "")


def _is_too_long(path: bytes) -> bool:
    return len(path) > _LONGEST or max(map(len, path.split(b"/"))) > _LONGEST_NAME


@lru_cache(maxsize=64)
def matching(patterns: tuple[str, ...]) -> Patterns:
    """The same object for the same patterns, so that its memory serves a whole series."""
    return Patterns(patterns)


def first(patterns: tuple[str, ...], paths: Iterable[bytes]) -> list[bytes]:
    """The paths that fit."""
    fits = matching(patterns)
    return [p for p in paths if fits(p)]
