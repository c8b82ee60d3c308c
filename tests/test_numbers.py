"""Numbers as people read them: enough digits, the unit, and never a print that contradicts a colour."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorecard.ground.numbers import NOTHING, print_against, print_pair, print_value

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (27.4, "min", None, "27.4 min"),
        (30.0, "min", None, "30 min"),
        (1260, None, None, "1 260"),
        (1260, "tickets", None, "1 260 tickets"),
        (1234567, "EUR", None, "1 234 567 EUR"),
        (1260.4, "EUR", None, "1 260 EUR"),
        (0.853, "percent", None, "85.3%"),
        (0.5, "percent", None, "50%"),
        (1 / 3, "%", None, "33.3%"),
        (2.5, "percent", None, "250%"),
        (0.07, "percent", None, "7%"),
        (0.07, "percent", 1, "7.0%"),
        (27.44, None, None, "27.4"),
        (27.45, None, None, "27.5"),
        (0.0314159, None, None, "0.0314"),
        (99.96, None, None, "100"),
        (999.6, None, None, "1 000"),
        (123456, None, None, "123 456"),
        (0.0, "min", None, "0 min"),
        (-0.0, None, None, "0"),
        (-0.001, None, 2, "0.00"),
        (-5, "%", None, "−500%"),
        (-1234.5, "EUR", 2, "−1 234.50 EUR"),
        (0.125, None, 2, "0.13"),
        (2.675, None, 2, "2.68"),
        (1e-12 / 3, None, None, "3.33e−13"),
        (1e20 / 3, "t", None, "3.33e19 t"),
        (None, "min", None, NOTHING),
        (math.nan, "min", None, NOTHING),
        (-math.inf, "percent", None, NOTHING),
    ],
)
def test_values(value: float | None, unit: str | None, decimals: int | None, text: str) -> None:
    printed = print_value(value, unit, decimals)
    assert printed.replace("\u202f", " ") == text


def test_thousands_are_kept_together_by_a_narrow_space() -> None:
    assert print_value(1260, "min") == "1\u202f260 min"


@pytest.mark.parametrize(
    ("value", "limit", "unit", "decimals", "texts"),
    [
        (27.4, 30, "min", None, ("27.4 min", "30 min")),
        (30, 30, "min", None, ("30 min", "30 min")),
        (30.04, 30, "min", None, ("30.04 min", "30 min")),
        (30.04, 30, "min", 1, ("30.04 min", "30.00 min")),
        (30.01, 30.02, None, None, ("30.01", "30.02")),
        (0.8499, 0.85, "percent", None, ("84.99%", "85%")),
        (0.84999999, 0.85, "percent", 0, ("84.999999%", "85.000000%")),
        (1200.4, 1200, None, None, ("1 200.4", "1 200")),
        (0.1 + 0.2, 0.3, None, None, ("0.30000000000000004", "0.3")),
    ],
)
def test_pairs_get_digits_until_they_compare_as_they_are(
    value: float, limit: float, unit: str | None, decimals: int | None, texts: tuple[str, str]
) -> None:
    printed = print_pair(value, limit, unit, decimals)
    assert tuple(text.replace("\u202f", " ") for text in printed) == texts


def read(text: str) -> Decimal:
    return Decimal(text.replace("\u202f", "").replace("−", "-").removesuffix("%").removesuffix(" min"))


def sign(one: Decimal | float, other: Decimal | float) -> int:
    return (one > other) - (one < other)


@settings(deadline=None)
@given(finite, finite, st.sampled_from([None, "min", "percent"]), st.one_of(st.none(), st.integers(0, 6)))
def test_what_is_read_compares_as_what_is_meant(
    value: float, limit: float, unit: str | None, decimals: int | None
) -> None:
    if unit == "percent":
        value, limit = value / 1e3, limit / 1e3
    said, said_limit = print_pair(value, limit, unit, decimals)
    assert sign(read(said), read(said_limit)) == sign(value, limit)
    assert (said == said_limit) == (value == limit)


@settings(deadline=None)
@given(st.floats(1, 1000), st.sampled_from([-1, 0, 1]), st.integers(1, 4))
def test_neighbours_are_told_apart(limit: float, side: int, steps: int) -> None:
    value = limit
    for _ in range(steps):
        value = math.nextafter(value, side * math.inf) if side else value
    said, said_limit = print_pair(value, limit, "min")
    assert sign(read(said), read(said_limit)) == side


def test_a_value_is_told_apart_from_several_limits() -> None:
    assert print_against(0.8499, (0.85, 0.82), "percent") == ("84.99%", "85%", "82%")
    assert print_against(None, (0.85,), "percent") == (NOTHING, "85%")


@settings(deadline=None)
@given(finite)
def test_three_figures_are_close_enough(value: float) -> None:
    exact, shown = Decimal(repr(value)), read(print_value(value))
    assert abs(shown - exact) <= abs(exact) * Decimal("0.005")
