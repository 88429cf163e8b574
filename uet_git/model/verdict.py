"""The key of a verdict: everything that decides how a gate ends on a tree, as one hash (DESIGN 9).

The same key means the same question, so a pass can be used again. Whole trees decide, not paths: an unrelated file may
be what a test reads. A gate that declares `inputs` sees only those files, and its tree is the tree of those alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from uet_git.model.records import Gate

_VERSION: Final = 1  # raise it when gates are run in another way
_WHERE: Final = ("paths", "needs", "on", "required", "cache", "retries", "flaky")
"""Keys that say whether and when a gate runs, not what it says."""


def verdict_key(
    gate: Gate,
    tree: str,
    *,
    env: Mapping[str, str],
    tier: str,
    facts: Sequence[str],
    changed: Sequence[bytes] | None = None,
) -> str:
    """SHA-256 (hex) of the question; see `question`."""
    text = question(gate, tree, env=env, tier=tier, facts=facts, changed=changed)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def question(
    gate: Gate,
    tree: str,
    *,
    env: Mapping[str, str],
    tier: str,
    facts: Sequence[str],
    changed: Sequence[bytes] | None = None,
) -> str:
    """The question as canonical JSON; its last key but the version is the tree.

    `tree` is what the gate sees, `env` its variables without its own folders, `facts` what else it sees of the
    machine: its program, the versions that it names, what is linked. `changed` are the paths that it is told, for a
    gate that asks for them.
    """
    definition = {k: v for k, v in gate._asdict().items() if k not in _WHERE}
    asked: dict[str, Any] = {
        **{"v": _VERSION, "tree": tree, "gate": definition, "env": dict(env), "tier": tier},
        **{"facts": list(facts)},
        "changed": None if changed is None else [path.hex() for path in sorted(changed)],
    }
    return json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
