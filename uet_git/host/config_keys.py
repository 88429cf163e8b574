"""Every key of `uet.toml` as data: what values it takes, and how they read (DESIGN 9, 13).

A check takes the TOML value and returns the value for Settings; it raises ValueError with what the
value must be. `schema/uet_toml.v1.json` says the same to editors; a test compares the two.
"""

from collections.abc import Callable
from typing import Any, Final

from uet_git.model import globs
from uet_git.model.named import NamedTuple
from uet_git.model.pattern import late
from uet_git.model.policy import LEVELED, LEVELS, SAFETY
from uet_git.model.settings import PRESETS

Check = Callable[[Any], Any]

KINDS: Final = (
    *("unit_tests", "integration_tests", "e2e_tests", "security_scan", "lint", "custom"),
)
MOMENTS: Final = ("pre-commit", "queue")
SANDBOXES: Final = ("auto", "bubblewrap", "unshare", "none")
HOOKS: Final = ("post-commit", "post-merge")
GATE_NAME: Final = late(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VARIABLE = late(r"[A-Za-z_][A-Za-z0-9_]*")


class Key(NamedTuple):
    """One key."""

    check: Check


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return check


def one(value: Any) -> int:
    if value != 1 or isinstance(value, bool | float):
        raise ValueError("must be 1; a newer uet-git may know more")
    return 1


def seconds(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not 0 < value <= 86_400:
        raise ValueError("must be a number of seconds above 0, at most 86400")
    return float(value)


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a text that is not empty")
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise ValueError("must be one of " + ", ".join(f'"{a}"' for a in allowed))
        return value

    return check


def many(item: Check, what: str, *, least: int = 0, repeats: bool = False) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise ValueError(f"must be a list of {what}" + (", not empty" if least else ""))
        try:
            found = tuple(item(v) for v in value)
        except ValueError as exc:
            raise ValueError(f"must be a list of {what}; one of them {exc}") from None
        if not repeats and len(set(found)) != len(found):
            raise ValueError("names the same thing twice")
        return found

    return check


def glob(value: Any) -> str:
    wrong = globs.fault(text(value))
    if wrong:
        raise ValueError(f"is the pattern {value!r}, which {wrong}")
    return str(value)


def cache(value: Any) -> str:
    """A pattern of files in the gate's tree, or below its HOME."""
    glob(value.removeprefix("~/") if isinstance(value, str) else value)
    return str(value)


def argument(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("must be a text")
    return value


def variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of an environment variable")
    if value.startswith("GIT_"):
        raise ValueError(f"is {value}: variables of git itself are never passed to gates")
    return value


def inside(value: Any) -> str:
    """A file in the gate's tree: relative, without `..`."""
    if {"..", ""} & set(text(value).split("/")):
        raise ValueError("must be a relative path in the tree, without '..'")
    return str(value)


def absolute(value: Any) -> str:
    if not text(value).startswith("/"):
        raise ValueError("must be an absolute path")
    return str(value)


def command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError('must be a list like ["ruff", "check"]; for a shell line use `shell`')
    argv: tuple[str, ...] = many(argument, "texts", least=1, repeats=True)(value)
    text(argv[0])
    return argv


def shell_line(value: Any) -> tuple[str, ...]:
    return (text(value),)


_MB: Final = 1024 * 1024
LIMITS: Final[dict[str, Key]] = {
    "patch_bytes": Key(whole(1, 1024 * _MB)),
    "line_bytes": Key(whole(1, 1024 * _MB)),
    "files": Key(whole(1, 1_000_000)),
    "hunks": Key(whole(1, 10_000_000)),
    "inflated_bytes": Key(whole(1, 16 * 1024 * _MB)),
    "work": Key(whole(1, 10**15)),
    "path_bytes": Key(whole(1, 4_000)),
    "component_bytes": Key(whole(1, 255)),
    "path_depth": Key(whole(1, 1_000)),
}
POLICY: Final[dict[str, Key]] = {
    "preset": Key(one_of(*PRESETS)),
    "protected": Key(many(glob, "path patterns")),
    "max_files_changed": Key(whole(1, 1_000_000)),
    "max_lines_changed": Key(whole(1, 100_000_000)),
    "forbid_binary": Key(boolean),
    "forbidden": Key(many(glob, "path patterns")),
    "require_tests_for": Key(many(glob, "path patterns")),
    "require_issue_ref": Key(boolean),
    "require_message": Key(boolean),
    "min_reviewers": Key(whole(0, 100)),
    **dict.fromkeys((k for k in LEVELED if k not in SAFETY), Key(one_of(*LEVELS))),
    **dict.fromkeys(SAFETY, Key(one_of("person", "refuse"))),
    "oscillation_window": Key(whole(1, 1_000)),
    "oscillation_threshold": Key(whole(2, 1_000)),
}
COMMIT: Final[dict[str, Key]] = {"trailer": Key(boolean)}
QUEUE: Final[dict[str, Key]] = {
    "batch": Key(whole(1, 10_000)),
    "max_attempts": Key(whole(1, 100)),
    "drain_on": Key(many(one_of(*HOOKS), "hook names")),
}
HOOKS_TABLE: Final[dict[str, Key]] = {"enforce": Key(boolean)}
CRITERIA: Final[dict[str, Key]] = {
    "min_coverage": Key(whole(0, 100)),
    "max_failures": Key(whole(0, 1_000_000)),
    "required_tests": Key(many(text, "test names")),
}
GATE: Final[dict[str, Key]] = {
    "kind": Key(one_of(*KINDS)),
    "run": Key(command),
    "shell": Key(shell_line),
    "paths": Key(many(glob, "path patterns")),
    "timeout": Key(seconds),
    "needs": Key(many(text, "gate names")),
    "on": Key(many(one_of(*MOMENTS), "moments", least=1)),
    "required": Key(boolean),
    "cache": Key(boolean),
    "retries": Key(whole(0, 10)),
    "flaky": Key(one_of("land", "quarantine")),
    "network": Key(boolean),
    "memory": Key(whole(16, 16 * 1024 * 1024)),
    "pass_env": Key(many(variable, "variable names")),
    "inputs": Key(many(glob, "path patterns")),
    "git": Key(boolean),
    "junit": Key(inside),
    "coverage": Key(inside),
    "fixes": Key(boolean),
    "changed": Key(boolean),
    "caches": Key(many(cache, "path patterns")),
    "link": Key(many(inside, "folders")),
    "versions": Key(many(command, "commands")),
}
TOP: Final[dict[str, Key]] = {
    "version": Key(one),
    "sandbox": Key(one_of(*SANDBOXES)),
    "require_sandbox": Key(boolean),
    "scratch_dir": Key(absolute),
    "scratch_mb": Key(whole(100, 100_000_000)),
}
TABLES: Final[dict[str, dict[str, Key]]] = {
    "policy": POLICY,
    "limits": LIMITS,
    "commit": COMMIT,
    "queue": QUEUE,
    "hooks": HOOKS_TABLE,
}
INNER: Final[dict[str, tuple[str, ...]]] = {"policy": ("phases",)}
"""Tables inside a table."""
