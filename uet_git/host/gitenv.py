"""The environment of git children. Loads nothing: the hooks' shortcut uses it."""

import os

_KEPT = frozenset(
    {
        *(
            f"GIT_{who}_{what}"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL", "DATE")
        ),
        *(
            "GIT_CONFIG_GLOBAL",
            "GIT_CONFIG_SYSTEM",
            "GIT_CONFIG_NOSYSTEM",
            "GIT_CEILING_DIRECTORIES",
        ),
        *("GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"),
    }
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
    "UET_ACTIVE": "1",
}


def environment() -> dict[str, str]:
    """The user's variables without those that name a repository or an index.

    A leaked GIT_DIR or GIT_INDEX_FILE makes a child write into another repository (git-rev-parse --local-env-vars).
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
    env.update(_FIXED)
    return env
