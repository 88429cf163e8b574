"""Records are `typing.NamedTuple` in all that the product, pickle and type checkers may ask of them."""

import copy
import importlib
import pickle
import pkgutil
import typing

import pytest

import uet_git
from uet_git.model import named


class Ours(named.NamedTuple):
    """A record."""

    one: int
    two: str = "b"
    three: "int | None" = None

    @property
    def both(self) -> str:
        """A property."""
        return f"{self.one}{self.two}"


class Theirs(typing.NamedTuple):
    """A record."""

    one: int
    two: str = "b"
    three: "int | None" = None

    @property
    def both(self) -> str:
        """A property."""
        return f"{self.one}{self.two}"


class Empty(named.NamedTuple):
    """No fields."""


def test_it_is_what_typing_makes() -> None:
    ours, theirs = Ours(1, three=3), Theirs(1, three=3)
    assert ours == theirs == (1, "b", 3)
    assert (ours.one, ours.two, ours.three, ours.both) == (1, "b", 3, "1b")
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert Ours._fields == Theirs._fields == Ours.__match_args__
    assert Ours._field_defaults == Theirs._field_defaults
    assert Ours.__annotations__.keys() == Theirs.__annotations__.keys()
    assert ours._replace(two="x") == (1, "x", 3)
    assert type(ours._replace(two="x")) is Ours
    assert ours._asdict() == theirs._asdict()
    assert type(Ours._make([1, 2, 3])) is Ours
    assert hash(ours) == hash(theirs)
    assert not hasattr(ours, "__dict__")
    assert Ours.__doc__ == Theirs.__doc__
    assert Ours.__new__.__defaults__ == Theirs.__new__.__defaults__
    assert Empty() == ()


def test_it_travels() -> None:
    ours = Ours(1)
    for other in (pickle.loads(pickle.dumps(ours)), copy.copy(ours), copy.deepcopy(ours)):
        assert type(other) is Ours
        assert other == ours
    match ours:
        case Ours(one, two):
            assert (one, two) == (1, "b")


@pytest.mark.parametrize("record", [Ours, Theirs])
def test_what_is_wrong_is_refused(record: typing.Any) -> None:
    for args, kwargs in (((), {}), ((1, 2, 3, 4), {}), ((1,), {"four": 4}), ((1,), {"one": 1})):
        with pytest.raises(TypeError):
            record(*args, **kwargs)
    with pytest.raises(TypeError):
        record._make([1])
    with pytest.raises(ValueError, match="four"):
        record(1)._replace(four=4)
    with pytest.raises(AttributeError):
        record(1).one = 2


def test_a_field_without_default_after_one_with_is_refused() -> None:
    with pytest.raises(TypeError, match="default"):
        type(named.NamedTuple)(
            "Wrong", (named.NamedTuple,), {"__annotations__": {"a": int, "b": int}, "a": 1}
        )


def test_every_record_of_the_package_takes_its_fields_by_name() -> None:
    count = 0
    for module in pkgutil.walk_packages(uet_git.__path__, "uet_git."):
        if module.name.endswith("__main__"):
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and issubclass(found, tuple) and hasattr(found, "_fields"):
                made = found(**{name: number for number, name in enumerate(found._fields)})
                assert tuple(made) == tuple(range(len(found._fields)))
                assert made._asdict() == {n: getattr(made, n) for n in found._fields}
                count += 1
    assert count > 100


WIDE = (
    "    " + "\n    ".join(f"f{n}: int" for n in range(30)) + "\n    g: int = 7\n    h: str = 'h'\n"
)


@pytest.mark.parametrize(
    ("given", "by_name"),
    [
        (range(30), {}),
        (range(32), {}),
        (range(30), {"h": "x"}),
        (range(10), {f"f{n}": n for n in range(10, 30)}),
        ((), {f"f{n}": n for n in reversed(range(30))}),
        (range(29), {}),
        (range(33), {}),
        (range(30), {"odd": 1}),
        (range(30), {"f3": 1}),
        (range(32), {"g": 1}),
    ],
)
def test_one_with_many_fields_takes_and_refuses_the_same(
    given: range, by_name: dict[str, object]
) -> None:
    made: list[object] = []
    for base in (named.NamedTuple, typing.NamedTuple):
        space: dict[str, typing.Any] = {"base": base, "__name__": __name__}
        exec(f"class Wide(base):\n{WIDE}", space)
        try:
            made.append(tuple(space["Wide"](*given, **by_name)))
        except TypeError:
            made.append("refused")
    assert made[0] == made[1]
