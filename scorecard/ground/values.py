"""Value objects: frozen, slotted dataclasses that are made in a quarter of the time.

Up to Python 3.12 the standard decorator compiles every method of every class apart, seven of them for a frozen one, and with
a hundred classes that is what a short command spends its time on. Here only ``__init__`` is compiled; the other methods look at
the class's fields. To a type checker this is the standard decorator; ``fields``, ``replace``, matching and pickling work as ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """`dataclasses.dataclass`; its quick form for ``frozen=True, slots=True`` (and ``eq=False``)."""
        if cls is None:
            return lambda decorated: dataclass(decorated, **options)
        if {**options, "eq": True} != {"frozen": True, "slots": True, "eq": True}:
            return dataclasses.dataclass(cls, **options)
        return _frozen(cls, options.get("eq", True))


def _frozen(cls: type, eq: bool) -> type:
    """The class with its fields as slots and the methods of a value; methods of its own stay."""
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    fields = dataclasses.fields(made)
    methods = {"__repr__": _repr([f.name for f in fields if f.repr])}
    methods |= _comparing([f.name for f in fields if f.compare]) if eq else {}
    for name, method in methods.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    names = [f.name for f in fields]
    made.__setattr__, made.__delattr__ = _setting, _deleting
    made.__getstate__, made.__setstate__ = _pickling(names)
    made.__init__ = _init(made)
    value: type = made
    return value


def _setting(_: object, name: str, __: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _deleting(_: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gets the fields' values as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda one: (getattr(one, names[0]),)) if names else lambda _: ()


def _repr(names: list[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown


def _comparing(names: list[str]) -> dict[str, Callable[..., Any]]:
    values = _values(names)

    def equal(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return {"__eq__": equal, "__hash__": lambda self: hash(values(self))}


def _pickling(names: list[str]) -> tuple[Callable[[Any], list[Any]], Callable[[Any, list[Any]], None]]:
    def state(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def restored(self: Any, values: list[Any]) -> None:
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)

    return state, restored


def _init(cls: Any) -> Callable[..., None]:
    """``__init__`` with the fields as its parameters, in their order, as the standard decorator writes it."""
    known: dict[str, Any] = {"put": object.__setattr__, "absent": object()}
    parameters, body = ["self"], []
    for field in dataclasses.fields(cls):
        name, given = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"make_{name}"] = field.default_factory
            given = f"make_{name}() if {name} is absent else {name}" if field.init else f"make_{name}()"
        if field.init:
            known[f"default_{name}"] = field.default
            needed = field.default is dataclasses.MISSING
            parameters.append(
                name if needed and given == name else f"{name}={'absent' if needed else f'default_{name}'}"
            )
        if field.init or given != name:
            body.append(f" put(self, {name!r}, {given})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    exec("def __init__(%s):\n%s" % (", ".join(parameters), "\n".join(body or [" pass"])), known)  # noqa: S102, UP031
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made
