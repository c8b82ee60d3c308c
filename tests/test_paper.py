"""Arithmetic as on paper: what exact fractions of the written digits give, rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorecard.ground.paper import hundredth, moved, part_way

numbers = st.floats(-1e15, 1e15).filter(lambda x: x == 0 or abs(x) > 1e-12)


@given(numbers, numbers, st.booleans())
def test_moved(number: float, by: float, share: bool) -> None:
    start, distance = Fraction(repr(number)), Fraction(repr(by))
    assert moved(number, by, share) == float(start + (distance * abs(start) if share else distance))


@given(numbers)
def test_hundredth(number: float) -> None:
    assert hundredth(number) == float(Fraction(repr(number)) / 100)


@given(numbers, numbers, st.integers(1, 4000), st.data())
def test_part_way(start: float, end: float, length: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, length))
    one, other = Fraction(repr(start)), Fraction(repr(end))
    assert part_way(start, end, gone, length) == float(one + (other - one) * Fraction(gone, length))


@pytest.mark.parametrize("strange", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_stays_so(strange: float) -> None:
    assert not math.isfinite(hundredth(strange))
    assert not math.isfinite(moved(strange, 0.1, share=True))


def test_those_that_floats_miss() -> None:
    assert (hundredth(8.2), moved(33.3, 0.15, share=True), moved(0.57, -0.07, share=False)) == (0.082, 38.295, 0.5)
