"""Arithmetic as on paper: with the digits that somebody wrote, rounded to a float once.

Floats have 33.3 and 15 % of it at 38.294999999999995, which a value of 38.295 would miss. (Whole numbers do it: a check of a
file loads no decimals.)
"""

from __future__ import annotations

import math
from functools import lru_cache


def hundredth(number: float) -> float:
    """Per cent as a share: 8.2 → 0.082, where a division of floats gives 0.08199999999999999."""
    if not math.isfinite(number):
        return number
    digits, power = _digits(number)
    return float(f"{digits}e{power - 2}")


@lru_cache(maxsize=10_000)
def moved(number: float, by: float, share: bool) -> float:
    """A number moved by a distance, or by a ``share`` of its own size: 70 and a tenth of it are 77."""
    if not (math.isfinite(number) and math.isfinite(by)):
        return number + by
    start, distance = _digits(number), _digits(by)
    if share:
        distance = distance[0] * abs(start[0]), distance[1] + start[1]
    one, other, power = _aligned(start, distance)
    return float(f"{one + other}e{power}")


def part_way(start: float, end: float, gone: int, length: int) -> float:
    """The point that lies ``gone`` of ``length`` steps from one finite number to another."""
    one, other, power = _aligned(_digits(start), _digits(end))
    tens: int = 10 ** abs(power)
    above = one * length + (other - one) * gone
    return above * tens / length if power >= 0 else above / (length * tens)


def _digits(number: float) -> tuple[int, int]:
    """(whole number, power of ten) of the digits with which a finite float is written."""
    mantissa, _, power = repr(float(number)).partition("e")
    whole, _, rest = mantissa.partition(".")
    return int(whole + rest), int(power or 0) - len(rest)


def _aligned(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int, int]:
    """Both whole numbers, of the same power of ten."""
    power = min(one[1], other[1])
    return one[0] * 10 ** (one[1] - power), other[0] * 10 ** (other[1] - power), power
