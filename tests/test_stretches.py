"""Windows around quantiles take in the days that close, and say of all values together what sorting them says."""

from __future__ import annotations

import random
from array import array
from datetime import timedelta
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorecard.measures.run import Meter
from scorecard.measures.states import runs, settled
from scorecard.measures.states.stretches import Window, _ranked
from tests.measuring import BY_TEAM, distinct, metric, moment, quantile
from tests.test_incremental import assert_equal, world

VALUES = st.lists(st.integers(-9, 9).map(float), max_size=25).map(sorted)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.integers(0, 25), st.integers(0, 25), st.lists(VALUES, max_size=3), VALUES)
def test_a_window_with_more_values_ranks_as_all_of_them(
    settled_: list[float], low: int, high: int, closed: list[list[float]], tail: list[float]
) -> None:
    if settled_:
        low, high = min(low, len(settled_) - 1), min(max(low, high), len(settled_) - 1)
        # A window holds all values that are like its first or last one.
        inside = [v for v in settled_ if settled_[low] <= v <= settled_[high]]
        window = Window(len(settled_), 1, sum(v < settled_[low] for v in settled_), array("d", inside))
    else:
        window = Window(0, 1, 0, array("d"))
    for more in closed:
        window = window.extended(array("d", more), 2)
    everything = sorted([*settled_, *(v for more in closed for v in more), *tail])
    assert (window.n + len(tail), window.bad) == (len(everything), 1 + 2 * len(closed))
    for rank, value in enumerate(everything):
        assert _ranked(window, array("d", tail), rank) in (None, value)
    if not window.below and len(window.values) == window.n:
        assert [_ranked(window, array("d", tail), rank) for rank in range(len(everything))] == everything


def test_days_that_close_one_after_the_other_are_those_of_all_rows() -> None:
    """What earlier days came to is taken over from day to day, for the running periods and for those that they are compared
    with; late rows and days without any come in between."""
    chance = random.Random(3)
    metrics = (
        metric("m", quantile("minutes"), grain="month", split=BY_TEAM),
        metric("d", distinct("customer"), grain="month", split=BY_TEAM),
    )
    few = mock.patch.multiple(settled, FROM_ROWS=0, ALL_OF=8, MARGIN=0.0), mock.patch.object(runs, "ALL_OF", 8)
    with few[0], few[1], world(*metrics) as w:
        numbers = iter(range(100_000))

        def rows(day: int, count: int) -> list[dict[str, object]]:
            begin = moment("2026-03-01 06:00") + timedelta(days=day)
            return [
                {
                    "id": next(numbers),
                    "created_at": begin + timedelta(seconds=chance.randrange(30_000)),
                    "minutes": chance.randrange(60),
                    "customer": str(chance.randrange(40)),
                    "team": chance.choice(["support", "sales", None]),
                    "cost": "1",
                }
                for _ in range(count)
            ]

        w.load("tickets", [row for day in range(-180, 15) for row in rows(day, 6)])
        w.measure()
        for day in (15, 16, 18):
            now = moment("2026-03-01 15:30") + timedelta(days=day)
            for late in ([], rows(day - 1, 1) if day == 16 else []):
                touched = w.load("tickets", [*rows(day, 6), *late], at=now)
                measured = w.measure(now, {"tickets": touched})
            with w.engine.trial() as aside:
                assert_equal(Meter(aside, w.book, w.calendar).measure(now, None), measured)
