"""A budget of counted work: the same patch on the same base costs the same on every machine."""

from uet_git.model.settings import Limits

STEP = 100
"""What one step of the interpreter counts; a byte that C code looks at counts 1."""


_DEFAULT = Limits().work


class OverBudget(Exception):  # noqa: N818
    """The budget is used up. Turned into a `size.work` finding by whoever started the work."""


class Work:
    """Counts units of work down: one for a byte compared, `STEP` for a position searched by hand."""

    __slots__ = ("left",)

    def __init__(self, units: int = _DEFAULT) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Takes units off. Raises: OverBudget when there are none left."""
        self.left -= units
        if self.left < 0:
            raise OverBudget

    def spend_search(self, passed: int, needle: int, haystack: int) -> None:
        """Takes off what `bytes.find` costs at worst when it passed over `passed` bytes of the haystack.

        It is linear for large inputs and a product for small ones.
        """
        if needle > haystack:
            return
        units = passed + needle
        if haystack < 2500 or (needle < 100 and haystack < 30_000):
            units += passed * needle >> 3
        self.spend(units)
