"""Numbers for people: three figures that say enough, the unit behind them, and never a rounding that tells a lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

NOTHING = "–"
"""What stands where there is no number."""
THOUSANDS = "\u202f"
"""Between groups of three digits: a narrow space that no line breaks at."""
MINUS = "−"
FIGURES = 3
"""Significant digits by default."""
MOST_PLACES = 340
"""More digits behind the point than any float has."""
_SMALLEST, _LARGEST = -9, 15
"""Powers of ten beyond which numbers are written like 1.2e−12."""
_WIDE = Context(prec=700)
"""Precision enough for the digits of any float."""


def print_value(value: float | None, unit: str | None = None, decimals: int | None = None) -> str:
    """A value with its unit: ``27.4 min``, ``1 260``, ``85.3%``; a dash where there is no finite number.

    Values of metrics in ``percent`` (or ``%``) are fractions. Without ``decimals``: three significant digits, but no
    digit before the point is lost, and no zeros at the end. With ``decimals``: that many places.
    """
    return print_against(value, (), unit, decimals)[0]


def print_pair(value: float, limit: float, unit: str | None = None, decimals: int | None = None) -> tuple[str, str]:
    """A value and a limit, printed with as many digits as it takes to compare as the unrounded numbers do.

    They read equal only if they are equal.
    """
    said = print_against(value, (limit,), unit, decimals)
    return said[0], said[1]


def print_against(
    value: float | None, limits: Sequence[float], unit: str | None = None, decimals: int | None = None
) -> tuple[str, ...]:
    """The value, then each limit, with digits added to all until the value compares with each as unrounded."""
    if value is None or not math.isfinite(value):
        return (NOTHING, *(print_value(limit, unit, decimals) for limit in limits))
    percent = unit in ("percent", "%")
    exact = [_exact(number, percent) for number in (value, *limits)]
    behind = "%" if percent else f" {unit}" if unit else ""
    for more in range(MOST_PLACES):
        shown = [_rounded(number, decimals, more) for number in exact]
        if all(_sign(shown[0], s) == _sign(exact[0], e) for s, e in zip(shown[1:], exact[1:], strict=True)):
            break
    places = 0 if decimals is None else decimals + more
    return tuple(_written(number, places, decimals) + behind for number in shown)


def _exact(number: float, percent: bool) -> Decimal:
    exact = Decimal(repr(float(number)))
    return exact.scaleb(2) if percent and exact.is_finite() else exact


def _sign(one: Decimal, other: Decimal) -> int:
    return (one > other) - (one < other)


def _rounded(number: Decimal, decimals: int | None, more: int) -> Decimal:
    """The number at its usual digits and ``more``, halves away from zero."""
    if not number.is_finite() or not number:
        return number
    if decimals is not None:
        places = decimals
    elif _in_figures(number):
        places = FIGURES - 1 - number.adjusted()
    else:
        places = max(0, FIGURES - 1 - number.adjusted())
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or places + more >= -exponent:
        return number
    return number.quantize(Decimal(1).scaleb(-places - more), rounding=ROUND_HALF_UP, context=_WIDE)


def _in_figures(number: Decimal) -> bool:
    """Whether a number is so large or small that it is written by its figures and a power of ten."""
    return bool(number) and not _SMALLEST < number.adjusted() < _LARGEST


def _written(number: Decimal, least_places: int, decimals: int | None) -> str:
    """Digits in groups of three, a true minus; zeros at the end only where ``decimals`` asks for them."""
    if not number.is_finite():
        return NOTHING
    sign = MINUS if number < 0 else ""
    size = abs(number)
    if _in_figures(size) and decimals is None:
        return sign + _scientific(size)
    whole, _, rest = f"{size:f}".partition(".")
    rest = rest.rstrip("0").ljust(least_places, "0")
    grouped = f"{int(whole):,}".replace(",", THOUSANDS)
    return sign + (f"{grouped}.{rest}" if rest else grouped)


def _scientific(size: Decimal) -> str:
    figures, _, power = f"{size.normalize():e}".partition("e")
    return f"{figures}e{int(power)}".replace("-", MINUS)
