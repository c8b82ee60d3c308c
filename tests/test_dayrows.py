"""Rows of a day that grows: what was sorted before, with what has come put in its place, is what sorting all of them gives."""

from __future__ import annotations

import math
from random import Random

import polars as pl

from scorecard.measures.states.dayrows import Day, Tail, counted

SLICES = {None: 0, ("team", "north"): 1, ("team", "south"): 2}


def rows(draw: Random, number: int) -> pl.DataFrame:
    values = [draw.choice([None, math.nan, draw.random(), float(draw.randint(0, 9))]) for _ in range(number)]
    masks = [draw.choice([0b001, 0b011, 0b101]) for _ in range(number)]
    return pl.DataFrame({"m_0": masks, "v_0": values}, schema={"m_0": pl.Int64, "v_0": pl.Float64})


def day_of(frame: pl.DataFrame) -> Day:
    return Day(frame, tuple(counted(frame, range(len(SLICES))).values()))


def numbers(tail: Tail) -> dict[object, tuple[list[float], int]]:
    found = {slice_: tail.numbers("v_0", slice_) for slice_ in SLICES}
    return {slice_: (list(values), odd) for slice_, (values, odd) in found.items()}


def test_a_day_that_grows_is_put_in_order_as_if_it_were_new() -> None:
    draw = Random(11)
    days = [day_of(rows(draw, 40)), day_of(rows(draw, 0))]
    for _ in range(30):
        at = draw.randrange(len(days))
        days[at] = days[at].grown(rows(draw, draw.choice([0, 1, 30])), len(SLICES))
        if draw.random() < 0.7:  # now and then nobody looks
            fresh = Tail(tuple(day_of(day.frame) for day in days), SLICES, None)
            assert numbers(Tail(tuple(days), SLICES, None)) == numbers(fresh)
            assert numbers(Tail((days[at],), SLICES, None)) == numbers(Tail((day_of(days[at].frame),), SLICES, None))


def test_a_board_of_earlier_sees_the_rows_of_its_time() -> None:
    draw = Random(5)
    early = day_of(rows(draw, 50))
    late = early.grown(rows(draw, 50), len(SLICES))
    before = numbers(Tail((day_of(early.frame),), SLICES, None))
    assert numbers(Tail((late,), SLICES, None)) != before
    assert numbers(Tail((early,), SLICES, None)) == before
    assert numbers(Tail((late,), SLICES, None)) == numbers(Tail((day_of(late.frame),), SLICES, None))
