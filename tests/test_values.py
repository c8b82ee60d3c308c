"""The quick value objects behave as the standard library's frozen, slotted dataclasses do."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from scorecard.ground import values


class Plain:
    """One text."""

    name: str


class Rich:
    """Every way to write a field."""

    a: int
    b: str | None = None
    c: float = dataclasses.field(default=math.nan, compare=False)
    d: tuple[int, ...] = dataclasses.field(default=(), repr=False)
    e: Mapping[str, int] = dataclasses.field(default_factory=dict)
    total: int = dataclasses.field(init=False)
    made: list[int] = dataclasses.field(init=False, default_factory=list, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.a + sum(self.e.values()))

    @property
    def double(self) -> int:
        return 2 * self.a


class Told:
    """Its own words."""

    name: str

    def __repr__(self) -> str:
        return "told"


class Empty:
    """Nothing at all."""


def both(plain: type) -> tuple[type[Any], type[Any]]:
    """The class as the standard decorator makes it, and as ours does, each from a copy: decorating changes a class."""
    makers: tuple[Callable[..., Any], ...] = (dataclasses.dataclass, values.dataclass)
    standard, quick = (
        maker(frozen=True, slots=True)(
            type(plain.__name__, (), {n: v for n, v in vars(plain).items() if n not in ("__dict__", "__weakref__")})
        )
        for maker in makers
    )
    return standard, quick


def outcome(do: Callable[[], object]) -> object:
    """What a call gives or raises; instances as texts, without the classes' own identity."""
    try:
        return repr(do())
    except (TypeError, AttributeError, ValueError) as error:
        return type(error), str(error)


CALLS: list[Callable[[type[Any]], object]] = [
    lambda c: c(1),
    lambda c: c(1, "x", 2.0, (1, 2), {"k": 3}).total,
    lambda c: c(a=1, e={"k": 4}),
    lambda c: c(),
    lambda c: c(1, total=3),
    lambda c: c(1, nothing=3),
    lambda c: (c(1) == c(1), c(1) == c(2), c(1, c=1.0) == c(1, c=2.0), c(1) == 1, c(1).__eq__(1)),
    lambda c: c(1).made is c(1).made,
    lambda c: dataclasses.replace(c(1, "x"), a=5, e={"k": 1}),
    lambda c: dataclasses.asdict(c(1)).keys(),
    lambda c: [(f.name, f.init, f.repr, f.compare) for f in dataclasses.fields(c)],
    lambda c: setattr(c(1), "a", 2),
    lambda c: delattr(c(1), "a"),
    lambda c: (c.__slots__, c.__match_args__, c.__doc__, c.__qualname__, c.__init__.__qualname__),
    lambda c: [(p.name, p.kind) for p in inspect.signature(c).parameters.values()],
    lambda c: c(1).double,
    lambda c: hasattr(c(1), "__dict__"),
]


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_they_answer_as_the_standard_ones(call: int) -> None:
    standard, quick = both(Rich)
    assert outcome(lambda: CALLS[call](quick)) == outcome(lambda: CALLS[call](standard))


def test_equal_values_are_one_key() -> None:
    for made in both(Plain):
        assert {made("x"): 1}[made("x")] == 1
        assert repr({made("x"), made("y")}).count("Plain(") == 2
        with pytest.raises(dataclasses.FrozenInstanceError):
            made("x").name = "y"
    for made in both(Rich):
        with pytest.raises(TypeError, match="unhashable"):
            hash(made(1))  # a mapping is in it


def test_a_method_of_its_own_stays_and_nothing_is_a_value_too() -> None:
    for made in both(Told):
        assert repr(made("x")) == "told"
    for made in both(Empty):
        assert made() == made()
        assert repr(made()) == "Empty()"


@values.dataclass(frozen=True, slots=True)
class Kept:
    """One that a pickle can name."""

    a: int
    b: tuple[str, ...] = ()


@values.dataclass(frozen=True, slots=True, eq=False)
class Apart:
    a: int


@values.dataclass(frozen=True, slots=True, order=True)
class Ranked:
    a: int


def test_pickles_identities_and_orders() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, ("x",)))) == Kept(1, ("x",))  # noqa: S301 - our own bytes
    assert Apart(1) != Apart(1)
    assert sorted([Ranked(2), Ranked(1)]) == [Ranked(1), Ranked(2)]
    match Kept(1, ("x",)):
        case Kept(1, (name,)):
            assert name == "x"
        case _:
            pytest.fail("a value matches its own pattern")
