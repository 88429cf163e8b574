"""The product with one promise broken on purpose: the crash tests must see it. Run as `broken_double.py HOW ARGS...`."""

import sys
from collections.abc import Sequence
from typing import Any

from uet_git.cli.main import run
from uet_git.model.entry import Landing
from uet_git.queue import recover
from uet_git.queue.land import Candidate, Lander, Tip


def rows_after_refs() -> None:
    """The branch moves before the ledger knows of it."""
    intent, move = Lander._intent, Lander._move_refs

    def moves_first(
        self: Lander, tip: Tip, new: Any, candidates: Sequence[Candidate], trees: Any
    ) -> Landing:
        assert move(self, tip, new, candidates, None) is None
        return intent(self, tip, new, candidates, trees)

    Lander._intent = moves_first  # type: ignore[method-assign]
    Lander._move_refs = lambda *_: None  # type: ignore[method-assign]


def no_recovery() -> None:
    """What a killed process left is left."""
    recover.recover = lambda *_: recover.Recovered(0, 0, [])


if __name__ == "__main__":
    {"rows-after-refs": rows_after_refs, "no-recovery": no_recovery}[sys.argv[1]]()
    sys.exit(run(sys.argv[2:]))
