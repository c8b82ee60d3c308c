"""Student's t distribution, so that no statistics library is needed at run time."""

from __future__ import annotations

import math
from functools import lru_cache

TINY = 1e-300
CLOSE = 1e-15


def chance_below(t: float, freedom: int) -> float:
    """The cumulative distribution function at ``t`` with ``freedom`` degrees of freedom (at least 1).

    By the regularised incomplete beta function: P(T < -t) = I(freedom / (freedom + t²); freedom / 2, 1 / 2) / 2.
    """
    if math.isinf(t):
        return 0.0 if t < 0 else 1.0
    tail = _beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=1024)
def quantile(chance: float, freedom: int) -> float:
    """The t with that chance (between 0 and 1) below it, by bisection of the distribution function."""
    if not 0 < chance < 1:
        raise ValueError(f"a chance lies between 0 and 1, this is {chance}")
    if chance < 0.5:
        return -quantile(1 - chance, freedom)
    low, high = 0.0, 1.0
    while chance_below(high, freedom) < chance:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if chance_below(middle, freedom) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(x; a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return scale * _fraction(x, a, b) / a
    return 1 - scale * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by the modified Lentz method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 500):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + step * d)
            c = _away_from_zero(1 + step / c)
            change = c * d
            result *= change
        if abs(change - 1) < CLOSE:
            break
    return result


def _away_from_zero(x: float) -> float:
    return x if abs(x) > TINY else TINY
