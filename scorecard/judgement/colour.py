"""Which colour a number has against its limits, and the sentence that says so in the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scorecard.ground.numbers import print_against, print_pair, print_value
from scorecard.judgement.pace import Projection
from scorecard.judgement.targets import Better, Limit

Colour = Literal["green", "amber", "red"]
Scale = tuple[str | None, int | None]
"""(unit, decimals) of a metric."""

LIKELY, UNLIKELY = 0.5, 0.2
"""On a profile: green above LIKELY to meet the target, red below UNLIKELY to meet the amber limit."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A colour, the sentence that gives the numbers for it, and the value as printed."""

    colour: Colour
    because: str
    text: str


def by_value(
    value: float,
    target: Limit,
    amber: Limit | None,
    better: Better,
    scale: Scale,
    *,
    so_far: bool = False,
    reached: float | None = None,
    basis: str | None = None,
) -> Ruling:
    """The colour of a value, compared unrounded, inclusive at the limits. Without an amber limit there is no amber.

    ``so_far``: the period runs. ``reached``: the value is a projection, and this is what has been reached so far; ``basis``
    says what the projection rests on.
    """
    aim, watch = edges_of(target, better), None if amber is None else edges_of(amber, better)
    limits = [*aim, *(watch or ())]
    said, *printed = print_against(value, limits, *scale)
    aim_said = _joined(printed[: len(aim)])
    watch_said = _joined(printed[len(aim) :])
    colour = colour_of(value, target, amber, better)
    met, missed = _WORDS[better]
    if colour == "green":
        where = f"{met} the target of {aim_said}"
    elif colour == "amber":
        where = f"{missed} the target of {aim_said} and {met} the amber limit of {watch_said}"
    elif watch is not None:
        where = f"{missed} the amber limit of {watch_said} (the target is {aim_said})"
    else:
        where = f"{missed} the target of {aim_said}"
    if reached is not None:
        text = _heading(said, reached, scale)
        return Ruling(colour, f"{text}: {where}{_behind(basis)}", text)
    return Ruling(colour, f"{said}{' so far' if so_far else ''} is {where}", said)


def by_chance(
    heading: Projection, reached: float, target: Limit, amber: Limit | None, better: Better, scale: Scale
) -> Ruling:
    """The colour of a projection with chances: green if the target is likely, red if the amber limit is unlikely."""
    chance, amber_chance = heading.chance or 0.0, heading.amber_chance
    text = _heading(print_value(heading.value, *scale), reached, scale)
    met = _WORDS[better][0]
    aim = f"{met} the target of {_printed(edges_of(target, better), scale)}"
    likely, behind = print_pair(chance, LIKELY, "percent")[0], _behind(heading.basis)
    if chance > LIKELY:
        return Ruling("green", f"{text}: {likely} likely to end {aim}{behind}", text)
    if amber is None or amber_chance is None:
        return Ruling("red", f"{text}: only {likely} likely to end {aim}{behind}", text)
    watch = f"{met} the amber limit of {_printed(edges_of(amber, better), scale)}"
    hoped = print_pair(amber_chance, UNLIKELY, "percent")[0]
    if amber_chance < UNLIKELY:
        return Ruling("red", f"{text}: only {hoped} likely to end {watch}{behind}", text)
    return Ruling("amber", f"{text}: {likely} likely to end {aim}, {hoped} {watch}{behind}", text)


def _behind(basis: str | None) -> str:
    return "" if basis is None else f" ({basis})"


_WORDS: dict[Better, tuple[str, str]] = {
    "lower": ("at or under", "over"),
    "higher": ("at or over", "under"),
    "within": ("within", "outside"),
}


def colour_of(value: float, target: Limit, amber: Limit | None, better: Better) -> Colour:
    """The colour of a number alone, compared unrounded, inclusive at the limits."""
    if _meets(value, edges_of(target, better), better):
        return "green"
    return "amber" if amber is not None and _meets(value, edges_of(amber, better), better) else "red"


def edges_of(limit: Limit, better: Better) -> tuple[float, ...]:
    """The numbers that matter: both edges of a band where the value should lie within, else the one that decides."""
    low, high = limit if isinstance(limit, tuple) else (limit, limit)
    if better == "within":
        return low, high
    return (low,) if better == "higher" else (high,)


def _meets(value: float, edges: tuple[float, ...], better: Better) -> bool:
    if better == "within":
        return edges[0] <= value <= edges[1]
    return value >= edges[0] if better == "higher" else value <= edges[0]


def _printed(edges: tuple[float, ...], scale: Scale) -> str:
    return _joined([print_value(edge, *scale) for edge in edges])


def _joined(edges: list[str]) -> str:
    return " to ".join(edges)


def _heading(said: str, reached: float, scale: Scale) -> str:
    """``heading for 1 260 tickets · 130 so far``: the unit once."""
    unit = scale[0] if scale[0] in ("percent", "%") else None
    return f"heading for {said} · {print_value(reached, unit, scale[1])} so far"
