"""`typing.NamedTuple`, made without compiling: a command loads a hundred records, and felt that at its start.

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

    from uet_git.model.makers import MAKERS

    def _maker(fields, defaults):
        """A `__new__` that takes these fields; only the names differ between records of one length."""
        if len(fields) >= len(MAKERS):
            return _bound
        code = MAKERS[len(fields)].__code__
        code = code.replace(co_varnames=("_cls", *fields), co_name="__new__", co_qualname="__new__")
        return FunctionType(code, {"_new": tuple.__new__}, "__new__", tuple(defaults.values()))

    def _bound(cls, /, *given, **named):
        """The same for any number of fields, slower to call."""
        if named or len(given) != len(cls._fields):
            missing = cls._fields[len(given) :]
            known = {**{n: v for n, v in cls._field_defaults.items() if n in missing}, **named}
            if len(given) > len(cls._fields) or set(known) != set(missing):
                odd = set(known) ^ set(missing)
                raise TypeError(f"{cls.__name__}: unexpected or missing: {', '.join(sorted(odd))}")
            given = (*given, *(known[name] for name in missing))
        return tuple.__new__(cls, given)

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
            shared = {
                "__slots__": (), "_fields": fields, "_field_defaults": defaults,
                "__match_args__": fields, "__new__": _maker(fields, defaults),
            }  # fmt: skip
            shared |= {n: _tuplegetter(at, None) for at, n in enumerate(fields)}
            return type(name, (_Record,), {**space, **shared})

    class NamedTuple(metaclass=_Named):
        """The base to write; the classes made have only `tuple` and the shared part below them."""
