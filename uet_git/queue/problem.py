"""What a check of the ledger finds: one problem is one code, one sentence and one next command."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DAMAGE: Final = "damage"
INFORMATION: Final = "information"
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """`severity` is DAMAGE (something is not as it was recorded) or INFORMATION. `next` is argv, empty without one."""

    code: str
    message: str
    next: tuple[str, ...] = ()
    severity: str = DAMAGE


class Problems:
    """Gathers problems; of each code at most SHOWN are kept, and the rest are counted."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def damage(self, code: str, message: str, next_: Sequence[str] = ()) -> None:
        """Adds something that is not as it was recorded."""
        self._add(Problem(code, message, tuple(next_)))

    def note(self, code: str, message: str, next_: Sequence[str] = ()) -> None:
        """Adds something to know."""
        self._add(Problem(code, message, tuple(next_), INFORMATION))

    def _add(self, problem: Problem) -> None:
        key = problem.code, problem.severity
        self._counts[key] += 1
        if self._counts[key] <= SHOWN:
            self._kept.append(problem)

    def has(self, *codes: str) -> bool:
        """Whether there is damage of one of these codes; of any, if none is named."""
        found = {code for code, severity in self._counts if severity == DAMAGE}
        return bool(found & set(codes) if codes else found)

    def found(self) -> list[Problem]:
        """Everything in the order of finding, damage first."""
        rest = [
            Problem(code, f"and {count - SHOWN} more of these", severity=severity)
            for (code, severity), count in self._counts.items()
            if count > SHOWN
        ]
        return sorted([*self._kept, *rest], key=lambda p: p.severity)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, last) of each unbroken row."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def spell(first: int, last: int) -> str:
    """`event 5`, `events 5 to 7`."""
    return f"event {first}" if first == last else f"events {first} to {last}"
